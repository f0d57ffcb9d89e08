"""Pages of calls, applications, assessments and awards."""

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
from uzina.calls.views.interest import interest, interests, members, members_csv
from uzina.calls.views.qualify import (
    qualify,
)
from uzina.calls.views.sections import (
    check,
    section,
)

__all__ = [
    "application",
    "applications",
    "apply",
    "assessment",
    "assessments",
    "award",
    "award_accept",
    "award_refuse",
    "call",
    "call_archive",
    "call_new",
    "call_publish",
    "calls",
    "challenge",
    "challenge_release",
    "challenge_reveal",
    "check",
    "entries",
    "entry_choose",
    "interest",
    "interests",
    "leaderboard",
    "members",
    "members_csv",
    "qualify",
    "section",
    "withdraw",
]
