"""The messages about peer review, each with facts to show it with."""

from datetime import UTC, datetime

from uzina.core.text import _
from uzina.people.rules import declare

SOON = datetime(2026, 12, 7, 9, 0, tzinfo=UTC)
REVIEW = {"code": "REV-2AB3CD"}
APPLICATION = {"code": "APP-2AB3CD", "title": "Un model pentru limba română"}


def declare_reviewing() -> None:
    """Make the kinds known. What has a deadline leaves at once, whatever its reader wishes."""
    mine = {
        "call": {"title": "Large Scale"},
        "count": 2,
        "late": 1,
        "codes": "REV-2AB3CD, REV-3CD4EF",
        "due": SOON,
        "path": "/reviews/",
    }
    declare(
        "calls.review_asked", title=_("You are asked for reviews"), is_mandatory=True, example=mine
    )
    declare(
        "calls.review_reminder",
        title=_("A review is due soon or late"),
        is_mandatory=True,
        example=mine,
    )
    declare(
        "calls.review_replaced",
        title=_("A review is not needed any more"),
        is_mandatory=True,
        example={"review": REVIEW, "path": "/reviews/"},
    )
    declare(
        "calls.review_lost",
        title=_("An application lacks a reviewer"),
        is_mandatory=False,
        example={
            "review": REVIEW,
            "application": APPLICATION,
            "reviewer": "Maria Ionescu",
            "why": "declined",
            "reason": "…",
            "next": "Jānis Bērziņš",
            "path": "/applications/APP-2AB3CD/reviewing/",
        },
    )
    declare(
        "calls.reply_open",
        title=_("The reviewers' comments on an application are there"),
        is_mandatory=True,
        example={
            "application": APPLICATION,
            "call": {"title": "Large Scale"},
            "due": SOON,
            "path": "/applications/APP-2AB3CD/reply/",
        },
    )
