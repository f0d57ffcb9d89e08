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
from uzina.catalogue.views.search import (
    datasets,
)
from uzina.catalogue.views.versions import (
    cite,
    resolve,
    version,
)

__all__ = [
    "cite",
    "dataset",
    "datasets",
    "download",
    "file",
    "publish",
    "resolve",
    "version",
    "withdraw",
]
