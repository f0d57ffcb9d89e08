"""What a ranking follows from, read from the rows, and what it says."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Any

from django.db.models import Prefetch, Q, QuerySet

from uzina.calls.models import Application, Call, Capacity, CutOff, Ranking, Review
from uzina.calls.queries.calls import (
    to_be_given_gpu_ms,
    unpromised_eur_cents,
    unpromised_gpu_ms,
)
from uzina.calls.rules import modes, ranking
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import ApplicationState, ReviewState
from uzina.calls.rules.steps import StepKind, StepState


def cut_off_at(call: Call, number: int) -> CutOff | None:
    """Return the cut-off of a call by its number, from 1; None for 0, a call that has none.

    Raises LookupError where there is none of that number. No query where they were prefetched.
    """
    cut_offs = list(call.cut_offs.all())
    if number == 0 and not cut_offs:
        return None
    if not 1 <= number <= len(cut_offs):
        raise LookupError(number)
    return cut_offs[number - 1]


def number_of(call: Call, cut_off: CutOff | None) -> int:
    """Return the number of a cut-off of a call, from 1; 0 for none."""
    if cut_off is None:
        return 0
    return [one.pk for one in call.cut_offs.all()].index(cut_off.pk) + 1


def rankings() -> QuerySet[Ranking]:
    """Return all rankings with what their pages show, newest first."""
    return (  # type: ignore[no-any-return]
        Ranking.objects.select_related("call", "cut_off", "made_by")
        .prefetch_related("call__cut_offs")
        .order_by("-pk")
    )


def reviewed() -> QuerySet[Application]:
    """Return applications with what a panel and a ranking read of them."""
    return Application.objects.select_related(  # type: ignore[no-any-return]
        "call", "organisation", "assessment", "consensus", "reply"
    ).prefetch_related(
        Prefetch(
            "reviews",
            Review.objects.filter(state=ReviewState.SUBMITTED).order_by("submitted_at", "pk"),
            to_attr="submitted_reviews",
        )
    )


def rankable(call: Call, cut_off: CutOff | None) -> QuerySet[Application]:
    """Return the applications of a cut-off that wait for a ranking, by submission."""
    kind = StepKind.RANKING if call.mode.step(StepKind.RANKING) else StepKind.DECISION
    return (
        reviewed()
        .filter(
            call=call,
            cut_off=cut_off,
            state=ApplicationState.ELIGIBLE,
            reserve_at__isnull=True,
            decision__isnull=True,
            steps__kind=kind,
            steps__state=StepState.OPEN,
        )
        .order_by("submitted_at", "pk")
    )


def means(application: Application, mode: modes.Mode) -> dict[str, int]:
    """Return the reviewers' mean by criterion, thousandths. No query for a row of reviewed()."""
    criteria = mode.scoring.criteria if mode.scoring else ()
    reviews = application.submitted_reviews  # type: ignore[attr-defined]
    return {
        one.key: ranking.mean_milli(
            [1000 * int(review.scores[one.key]) for review in reviews if one.key in review.scores]
        )
        for one in criteria
    }


def scores_of(application: Application, mode: modes.Mode) -> dict[str, int]:
    """Return the scores that rank: the panel's, or where it has none the reviewers' mean."""
    consensus = getattr(application, "consensus", None)
    return dict(consensus.scores) if consensus else means(application, mode)


def capacities_for(call: Call, cut_off: CutOff | None) -> list[Capacity]:
    """Return what may be granted from at a cut-off: its own, and those of the whole call. One query."""
    found: dict[str, Capacity] = {}
    rows = Capacity.objects.select_related("account").filter(
        Q(cut_off__isnull=True) | Q(cut_off=cut_off), call=call
    )
    for one in sorted(rows, key=lambda row: (row.cut_off_id is None, row.pk)):
        found.setdefault(one.partition, one)
    return sorted(found.values(), key=lambda row: row.pk)


def places(application: Application, capacities: Sequence[Capacity]) -> list[Capacity]:
    """Return what an application may be granted from, best first. No query for a row of reviewed().

    The partition that the host recommends, else the one that is asked, then the fallback that the
    applicant named; a call's only capacity takes all.
    """
    if len(capacities) == 1:
        return list(capacities)
    assessment = getattr(application, "assessment", None)
    moved_to = assessment.recommended_partition if assessment else ""
    named = [moved_to] if moved_to else [application.partition, application.fallback_partition]
    by_name = {one.partition: one for one in capacities}
    return [by_name[name] for name in dict.fromkeys(named) if name and name in by_name]


def money_left(call: Call) -> int | None:
    """Return what a call's awards may still be worth, euro cents; None where nothing limits it."""
    left = unpromised_eur_cents(call) if call.mode.price_eur_cents else None
    return None if left is None else max(0, left)


def ranking_inputs(call: Call, cut_off: CutOff | None) -> dict[str, Any]:
    """Return all that the ranking of a cut-off follows from, as it is now. JSON-able."""
    return inputs_for(call, cut_off, rankable(call, cut_off))


def inputs_for(
    call: Call, cut_off: CutOff | None, applications: Iterable[Application]
) -> dict[str, Any]:
    """Return the inputs of a ranking of these applications: rows of reviewed()."""
    mode = call.mode
    criteria = mode.scoring.criteria if mode.scoring else ()
    capacities = capacities_for(call, cut_off)
    return {
        "version": ranking.VERSION,
        "call": call.code,
        "mode": f"{mode.slug} {mode.version}",
        "cut_off": cut_off.closes_at.astimezone(UTC).isoformat() if cut_off else "",
        "rule": mode.ranking_rule,
        "criteria": [
            {"key": one.key, "weight": one.weight, "threshold_milli": 1000 * one.threshold}
            for one in criteria
        ],
        "threshold_milli": mode.scoring.threshold_milli if mode.scoring else 0,
        "least_share_percent": mode.least_share_percent,
        "price_eur_cents": mode.price_eur_cents,
        "money_eur_cents": money_left(call),
        "capacities": [
            {
                "code": one.code,
                "partition": one.partition,
                "gpu_hours": max(0, unpromised_gpu_ms(one)) // MS_PER_HOUR,
            }
            for one in capacities
        ],
        "applications": [_ask(one, mode, capacities) for one in applications],
    }


def _ask(
    application: Application, mode: modes.Mode, capacities: Sequence[Capacity]
) -> dict[str, Any]:
    assert application.submitted_at is not None  # noqa: S101 - it was handed in
    consensus = getattr(application, "consensus", None)
    return {
        "code": application.code,
        "submitted_at": application.submitted_at.astimezone(UTC).isoformat(),
        "scores": scores_of(application, mode),
        "reviews": [
            {"code": one.code, "scores": one.scores, "score_milli": one.score_milli}
            for one in application.submitted_reviews  # type: ignore[attr-defined]
        ],
        "consensus": dict(consensus.scores) if consensus else None,
        "asked_gpu_hours": (application.gpu_ms or 0) // MS_PER_HOUR,
        "recommended_gpu_hours": to_be_given_gpu_ms(application) // MS_PER_HOUR,
        "ceiling_gpu_hours": min(to_be_given_gpu_ms(application), application.gpu_ms or 0)
        // MS_PER_HOUR,
        "capacities": [one.code for one in places(application, capacities)],
    }


def reserve_of(call: Call) -> QuerySet[Application]:
    """Return who waits on the reserve list of a ranked call, in rank order."""
    return (
        reviewed()
        .filter(call=call, state=ApplicationState.ELIGIBLE, reserve_at__isnull=False)
        .order_by("reserve_rank", "submitted_at", "pk")
    )


def rows_of(found: Ranking) -> dict[str, Mapping[str, Any]]:
    """Return the rows of a ranking's result by application."""
    return {row["code"]: row for row in found.result["applications"]}
