"""Pages of calls, applications, assessments and awards."""

from uzina.calls.views.aid import aid_register, aid_register_csv, aid_void, organisation_aid
from uzina.calls.views.amendments import (
    award_change,
    award_changes,
    change_decide,
    change_withdraw,
    changes,
)
from uzina.calls.views.applications import (
    application,
    applications,
    apply,
    withdraw,
)
from uzina.calls.views.assessments import (
    assessment,
    assessments,
)
from uzina.calls.views.awards import (
    award,
    award_accept,
    award_refuse,
)
from uzina.calls.views.calls import (
    call,
    call_archive,
    call_new,
    call_publish,
    calls,
)
from uzina.calls.views.challenges import (
    challenge,
    challenge_release,
    challenge_reveal,
    entries,
    entry_choose,
    leaderboard,
)
from uzina.calls.views.drafts import (
    check,
    clone,
    colleague_remove,
    colleagues,
    document,
    document_remove,
    documents,
    export_json,
    export_pdf,
    terms,
)
from uzina.calls.views.interest import interest, interests, members, members_csv
from uzina.calls.views.public_awards import public_awards, public_awards_csv
from uzina.calls.views.qualify import (
    qualify,
)
from uzina.calls.views.sections import section

__all__ = [
    "aid_register",
    "aid_register_csv",
    "aid_void",
    "application",
    "applications",
    "apply",
    "assessment",
    "assessments",
    "award",
    "award_accept",
    "award_change",
    "award_changes",
    "award_refuse",
    "call",
    "call_archive",
    "call_new",
    "call_publish",
    "calls",
    "challenge",
    "challenge_release",
    "challenge_reveal",
    "change_decide",
    "change_withdraw",
    "changes",
    "check",
    "clone",
    "colleague_remove",
    "colleagues",
    "document",
    "document_remove",
    "documents",
    "entries",
    "entry_choose",
    "export_json",
    "export_pdf",
    "interest",
    "interests",
    "leaderboard",
    "members",
    "members_csv",
    "organisation_aid",
    "public_awards",
    "public_awards_csv",
    "qualify",
    "section",
    "terms",
    "withdraw",
]
