"""Licences, datasets, their versions, and what versions were used for."""

from uzina.catalogue.models.datasets import (
    Dataset,
)
from uzina.catalogue.models.licences import (
    Licence,
)
from uzina.catalogue.models.uploads import (
    Upload,
)
from uzina.catalogue.models.versions import (
    Staging,
    Version,
)

__all__ = [
    "Dataset",
    "Licence",
    "Staging",
    "Upload",
    "Version",
]
