"""Every write of the catalogue.

Bytes are moved outside transactions: the store is written first, and a row that names what it
holds is written after. A blob that no version names is litter, never a lie.
"""

from uzina.catalogue.actions.datasets import (
    publish,
    register_dataset,
    withdraw,
)
from uzina.catalogue.actions.fragments import (
    refresh,
)
from uzina.catalogue.actions.licences import (
    seed_licences,
)
from uzina.catalogue.actions.tags import (
    retag,
)
from uzina.catalogue.actions.uploads import (
    sweep,
    upload,
)
from uzina.catalogue.actions.versions import (
    add_version,
    add_version_from_folder,
    close_version,
    keep_folder,
    open_version,
    stage,
)

__all__ = [
    "add_version",
    "add_version_from_folder",
    "close_version",
    "keep_folder",
    "open_version",
    "publish",
    "refresh",
    "register_dataset",
    "retag",
    "seed_licences",
    "stage",
    "sweep",
    "upload",
    "withdraw",
]
