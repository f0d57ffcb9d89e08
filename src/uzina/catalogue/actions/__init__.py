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
from uzina.catalogue.actions.evidence import begin_look, begin_read, note_use
from uzina.catalogue.actions.fragments import (
    refresh,
    refresh_all,
    refresh_derived,
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
from uzina.catalogue.actions.negotiations import (
    accept_offer,
    answer_negotiation,
    follow_decision,
    request_again,
    request_contract,
    terminate_negotiation,
    verify_agreement,
)
from uzina.catalogue.actions.participants import (
    Registered,
    register_participant,
    stop_participant,
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
from uzina.catalogue.actions.transfers import (
    complete_transfer,
    open_data,
    request_transfer,
    resume_transfer,
    start_transfer,
    suspend_transfer,
    terminate_transfer,
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
    "Registered",
    "abort",
    "accept_offer",
    "add_source",
    "add_version",
    "add_version_from_folder",
    "answer_negotiation",
    "ask_access",
    "begin_look",
    "begin_read",
    "begin_upload",
    "check_upload",
    "close_version",
    "complete",
    "complete_transfer",
    "describe",
    "end_access",
    "end_if_over",
    "follow_decision",
    "grant_access",
    "harvest_now",
    "harvest_page",
    "keep_folder",
    "note_running",
    "note_use",
    "offer_policy",
    "open_data",
    "open_version",
    "pause_source",
    "plan_harvests",
    "publish",
    "put_part",
    "read_layouts",
    "refresh",
    "refresh_all",
    "refresh_derived",
    "refuse_access",
    "register_dataset",
    "register_participant",
    "remind",
    "request_again",
    "request_contract",
    "request_transfer",
    "resume_source",
    "resume_transfer",
    "retag",
    "revoke_access",
    "seed_licences",
    "stage",
    "start_transfer",
    "stop_participant",
    "suspend_transfer",
    "sweep",
    "terminate_negotiation",
    "terminate_transfer",
    "upload",
    "verify_agreement",
    "warn_of_end",
    "watch_access",
    "withdraw",
    "withdraw_access",
]
