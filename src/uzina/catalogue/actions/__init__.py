"""Every write of the catalogue.

Bytes are moved outside transactions: the store is written first, and a row that names what it
holds is written after. A blob that no version names is litter, never a lie.
"""

from uzina.catalogue.actions.datasets import (
    describe,
    publish,
    register_dataset,
    withdraw,
)
from uzina.catalogue.actions.evidence import begin_read, note_use
from uzina.catalogue.actions.fragments import (
    refresh,
)
from uzina.catalogue.actions.harvests import (
    add_source,
    harvest_now,
    harvest_page,
    pause_source,
    plan_harvests,
    resume_source,
)
from uzina.catalogue.actions.layouts import (
    read_layouts,
)
from uzina.catalogue.actions.licences import (
    seed_licences,
)
from uzina.catalogue.actions.tags import (
    retag,
)
from uzina.catalogue.actions.terms import (
    ask_access,
    end_access,
    end_if_over,
    grant_access,
    note_running,
    offer_policy,
    refuse_access,
    remind,
    revoke_access,
    warn_of_end,
    watch_access,
    withdraw_access,
)
from uzina.catalogue.actions.uploads import (
    abort,
    begin_upload,
    check_upload,
    complete,
    put_part,
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
    "abort",
    "add_source",
    "add_version",
    "add_version_from_folder",
    "ask_access",
    "begin_read",
    "begin_upload",
    "check_upload",
    "close_version",
    "complete",
    "describe",
    "end_access",
    "end_if_over",
    "grant_access",
    "harvest_now",
    "harvest_page",
    "keep_folder",
    "note_running",
    "note_use",
    "offer_policy",
    "open_version",
    "pause_source",
    "plan_harvests",
    "publish",
    "put_part",
    "read_layouts",
    "refresh",
    "refuse_access",
    "register_dataset",
    "remind",
    "resume_source",
    "retag",
    "revoke_access",
    "seed_licences",
    "stage",
    "sweep",
    "upload",
    "warn_of_end",
    "watch_access",
    "withdraw",
    "withdraw_access",
]
