"""Pages of datasets."""

from uzina.catalogue.views.datasets import (
    dataset,
    download,
    publish,
    withdraw,
)
from uzina.catalogue.views.files import (
    file,
)
from uzina.catalogue.views.records import (
    mine,
    record,
    record_section,
    register,
)
from uzina.catalogue.views.search import (
    datasets,
)
from uzina.catalogue.views.versions import (
    cite,
    lineage,
    purge,
    resolve,
    version,
)

__all__ = [
    "cite",
    "dataset",
    "datasets",
    "download",
    "file",
    "lineage",
    "mine",
    "publish",
    "purge",
    "record",
    "record_section",
    "register",
    "resolve",
    "version",
    "withdraw",
]
