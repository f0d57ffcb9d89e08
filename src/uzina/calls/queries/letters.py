"""Letters, and what stands in them."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import get_language, gettext

from uzina.calls.models import Application, Decision, Letter, Ranking
from uzina.calls.queries.appeals import appeal_by
from uzina.calls.queries.challenges import may_be_named
from uzina.calls.rules import decisions, modes
from uzina.people.models import Person
from uzina.people.rules import RoleKind

WITH_RANKING = ("award", "reserve", "decline")
"""The kinds of letters that follow a ranking, one for each of its applications."""


def letters(person: Person) -> QuerySet[Letter]:
    """Return the letters that a person may read: one's own, all for operators and auditors."""
    rows = Letter.objects.defer("pdf").select_related("application").order_by("pk")
    if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
        return rows  # type: ignore[no-any-return]
    return rows.filter(application__applicant=person)  # type: ignore[no-any-return]


def letter_by_verifier(verifier: str) -> Letter | None:
    """Return the letter with a code as it is printed; None for a code we never gave."""
    return (  # type: ignore[no-any-return]
        Letter.objects.defer("pdf")
        .select_related("application__call", "application__organisation")
        .filter(verifier=verifier)
        .first()
    )


def has_letter(application: Application, kind: str) -> bool:
    """Tell whether the letter is made already. One query."""
    return Letter.objects.filter(application=application, kind=kind).exists()


def without_letter(ranking: Ranking) -> QuerySet[Decision]:
    """Return the released decisions of a ranking whose letter is not made yet."""
    made = Letter.objects.filter(kind__in=WITH_RANKING).values("application")
    return Decision.objects.filter(ranking=ranking, released_at__isnull=False).exclude(  # type: ignore[no-any-return]
        application__in=made
    )


def why(decision: Decision) -> str:
    """Return in the language at hand why a ranking led to a decision; empty without a ranking."""
    row = decision.inputs
    if decision.ranking is None or "why" not in row:
        return ""
    return sentence_on(row, decision.ranking, decision.application.call)


def sentence_on(row: dict[str, Any], ranking: Ranking, call: Any) -> str:
    """Return in the language at hand what a row of a ranking says."""
    ask = next(one for one in ranking.inputs["applications"] if one["code"] == row["code"])
    facts = decisions.facts_of(row, ask, criteria_titles(call))
    shown = {
        name: number_format(value, force_grouping=True) if isinstance(value, int) else value
        for name, value in facts.items()
    }
    return gettext(decisions.WHY[row["why"]["kind"]]).format(**shown)


def criteria_titles(call: Any) -> dict[str, str]:
    """Return the names of the criteria of a call in the language at hand."""
    scoring, language = call.mode.scoring, (get_language() or "en")[:2]
    if scoring is None:
        return {}
    return {one.key: modes.in_language(one.title, language) for one in scoring.criteria}


def letter_facts(application: Application, kind: str, *, now: datetime) -> dict[str, Any]:
    """Return what a letter says, for its template, in the language at hand.

    application  a row of applications()
    """
    decision = getattr(application, "decision", None)
    consensus = getattr(application, "consensus", None)
    language = (get_language() or "en")[:2]
    # A place on the list is not told to one whom another application stands behind: no code of
    # somebody else's application is in a letter.
    is_public = decision is not None and decision.inputs.get("why", {}).get("kind") != "behind"
    failed = [
        {
            "text": modes.in_language(reason["text"], language),
            "todo": modes.in_language(reason["todo"], language),
            "source": reason["source"],
        }
        for reason in application.verdict.get("reasons", [])
        if reason["passed"] is False
    ]
    return {
        "application": application,
        "call": application.call,
        "organisation": application.organisation,
        "site": settings.UZINA.site,
        "kind": kind,
        "decision": decision,
        "why": why(decision) if decision is not None and is_public else "",
        "failed": failed if kind == "decline" else [],
        "assessment": getattr(application, "assessment", None),
        "score": _score(decision),
        "comment": consensus.comment if consensus else "",
        "award": getattr(application, "award", None),
        "appeal": getattr(application, "appeal", None),
        "appeal_by": appeal_by(application),
        "issued_at": now,
    }


def _score(decision: Decision | None) -> str:
    milli = decision.inputs.get("score_milli") if decision is not None else None
    return decisions.in_points(milli) if milli is not None and decision.ranking_id else ""  # type: ignore[union-attr]


def may_name(letter: Letter) -> bool:
    """Tell whether whoever checks a letter may read whom it is for: they agreed to be named."""
    return letter.kind == "award" and may_be_named(letter.application)
