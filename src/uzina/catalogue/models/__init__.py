"""Licences, datasets, their versions, and what versions were used for."""

from uzina.catalogue.models.datasets import (
    Dataset,
)
from uzina.catalogue.models.fragments import (
    Fragment,
)
from uzina.catalogue.models.layouts import (
    Layout,
)
from uzina.catalogue.models.licences import (
    Licence,
)
from uzina.catalogue.models.spaces import (
    Item,
    Purge,
    Reservation,
    Space,
    Tombstone,
)
from uzina.catalogue.models.tags import (
    SearchEntry,
)
from uzina.catalogue.models.terms import (
    AccessRequest,
    Evidence,
    Policy,
)
from uzina.catalogue.models.uploads import (
    Upload,
)
from uzina.catalogue.models.versions import (
    Staging,
    Version,
)

__all__ = [
    "AccessRequest",
    "Dataset",
    "Evidence",
    "Fragment",
    "Item",
    "Layout",
    "Licence",
    "Policy",
    "Purge",
    "Reservation",
    "SearchEntry",
    "Space",
    "Staging",
    "Tombstone",
    "Upload",
    "Version",
]
