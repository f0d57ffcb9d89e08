"""The messages that calls write to people, each with facts to show it with."""

from datetime import UTC, datetime

from uzina.core.text import _
from uzina.people.rules import declare

APPLICATION = {"code": "APP-2AB3CD", "title": "Un model pentru limba română"}
AWARD = {"code": "AWD-2AB3CD", "gpu_ms": 5000 * 3_600_000, "months": 3}
SOON = datetime(2026, 12, 7, 9, 0, tzinfo=UTC)
EXAMPLE = {
    "application": APPLICATION,
    "call": {"title": "Playground"},
    "due": SOON,
    "path": "/applications/APP-2AB3CD/",
}
REASON = {"text": "…", "todo": "…", "source": "https://example.org/"}


def declare_kinds() -> None:
    """Make the kinds known: decisions and deadlines, so all of them leave at once."""
    declare(
        "calls.receipt",
        title=_("An application has arrived"),
        is_mandatory=True,
        example=EXAMPLE,
    )
    declare(
        "calls.decline",
        title=_("An application is declined"),
        is_mandatory=True,
        example=EXAMPLE | {"reasons": [REASON], "assessment": {"comment": "…"}},
    )
    declare(
        "calls.reserve",
        title=_("An application waits on the reserve list"),
        is_mandatory=True,
        example=EXAMPLE,
    )
    declare(
        "calls.award",
        title=_("An award is offered"),
        is_mandatory=True,
        example=EXAMPLE | {"award": AWARD, "answer_by": SOON, "path": "/awards/AWD-2AB3CD/"},
    )
    declare(
        "calls.lapse",
        title=_("An offer has lapsed"),
        is_mandatory=True,
        example=EXAMPLE | {"award": AWARD, "answer_by": SOON, "path": "/awards/AWD-2AB3CD/"},
    )
