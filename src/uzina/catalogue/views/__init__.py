"""Pages of datasets."""

from uzina.catalogue.views.datasets import (
    dataset,
    download,
    publish,
    withdraw,
)
from uzina.catalogue.views.search import (
    datasets,
)

__all__ = [
    "dataset",
    "datasets",
    "download",
    "publish",
    "withdraw",
]
