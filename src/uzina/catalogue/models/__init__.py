"""Licences, datasets, their versions, and what versions were used for."""

from uzina.catalogue.models.datasets import (
    Dataset,
)
from uzina.catalogue.models.dataspace import (
    Negotiation,
    Transfer,
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
from uzina.catalogue.models.sources import (
    Harvest,
    Source,
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
    Participant,
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
    "Harvest",
    "Item",
    "Layout",
    "Licence",
    "Negotiation",
    "Participant",
    "Policy",
    "Purge",
    "Reservation",
    "SearchEntry",
    "Source",
    "Space",
    "Staging",
    "Tombstone",
    "Transfer",
    "Upload",
    "Version",
]
