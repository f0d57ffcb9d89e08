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
    declare(
        "calls.joined",
        title=_("An organisation is admitted to a consortium"),
        is_mandatory=True,
        example=EXAMPLE | {"reason": "…"},
    )
    declare(
        "calls.shared",
        title=_("A colleague shares an application with you"),
        is_mandatory=True,
        example=EXAMPLE | {"who": "Ana Pop"},
    )
    declare_workflow()
    declare_deciding()


QUESTION = {"code": "QUE-2AB3CD", "text": "…", "answer": "…"}


def declare_workflow() -> None:
    """Make known what is written while an application is judged: each of them has a deadline."""
    asked = EXAMPLE | {
        "question": QUESTION,
        "answer_by": SOON,
        "path": "/applications/APP-2AB3CD/questions/QUE-2AB3CD/",
    }
    declare(
        "calls.question", title=_("A question to the applicant"), is_mandatory=True, example=asked
    )
    declare(
        "calls.question_closed",
        title=_("A question is closed without an answer"),
        is_mandatory=True,
        example=asked,
    )
    declare(
        "calls.answered",
        title=_("The applicant answered a question"),
        is_mandatory=False,
        example=asked,
    )
    declare(
        "calls.no_answer",
        title=_("An applicant did not answer in time"),
        is_mandatory=True,
        example=asked,
    )
    declare(
        "calls.step_late",
        title=_("A step is late"),
        is_mandatory=True,
        example=EXAMPLE | {"step": "Technical assessment", "owner": "", "level": 1, "days": 1},
    )
    declare(
        "calls.step_given",
        title=_("A step is given to you"),
        is_mandatory=False,
        example=EXAMPLE | {"step": "Technical assessment", "count": 1},
    )
    declare(
        "calls.redirected",
        title=_("An application is sent on"),
        is_mandatory=True,
        example=EXAMPLE
        | {
            "redirect": {"reason": "…", "to_factory": ""},
            "draft": {"code": "APP-3CD4EF", "call": {"title": "Fast Lane"}},
            "missing": ["The work"],
        },
    )
    declare(
        "calls.reinstated",
        title=_("An application goes on after all"),
        is_mandatory=True,
        example=EXAMPLE | {"reasons": ["…"]},
    )


def declare_after() -> None:
    """Make known what is written after an award was accepted: deadlines and decisions."""
    example = {
        "award": AWARD,
        "project": {"code": "PRJ-2AB3CD", "title": APPLICATION["title"]},
        "due": SOON,
        "path": "/reports/AWD-2AB3CD/final/",
    }
    report = example | {"is_final": True, "days": 7, "obligation": {"note": "…"}}
    declare("calls.report_due", title=_("A report is due"), is_mandatory=True, example=report)
    declare("calls.report_late", title=_("A report is late"), is_mandatory=True, example=report)
    declare(
        "calls.report_accepted", title=_("A report is accepted"), is_mandatory=True, example=report
    )
    declare(
        "calls.report_returned", title=_("A report is sent back"), is_mandatory=True, example=report
    )
    declare(
        "calls.amendment_decided",
        title=_("A change of an award is decided"),
        is_mandatory=True,
        example=example
        | {
            "what": "More time",
            "is_approved": True,
            "ends_at": SOON,
            "amendment": {"decided_reason": "…"},
            "path": "/awards/AWD-2AB3CD/changes/",
        },
    )
    declare(
        "calls.cut_off_moved",
        title=_("A cut-off of a call you have a draft in has moved"),
        is_mandatory=True,
        example=EXAMPLE | {"before": SOON, "after": SOON, "reason": "…"},
    )


def declare_deciding() -> None:
    """Make known what is written on rankings and appeals: decisions, all of them."""
    declare(
        "calls.moved_up",
        title=_("The reserve list moved up"),
        is_mandatory=True,
        example=EXAMPLE | {"award": AWARD, "answer_by": SOON, "path": "/awards/AWD-2AB3CD/"},
    )
    appeal = EXAMPLE | {
        "appeal": {"code": "APL-2AB3CD", "state": "dismissed", "outcome_text": "…"},
        "path": "/appeals/APL-2AB3CD/",
    }
    declare(
        "calls.appeal_received",
        title=_("An appeal has arrived"),
        is_mandatory=True,
        example=appeal,
    )
    declare(
        "calls.appeal_outcome",
        title=_("An appeal is decided"),
        is_mandatory=True,
        example=appeal,
    )
