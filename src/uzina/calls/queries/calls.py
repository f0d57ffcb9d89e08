"""Calls and what they have left."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from uzina.calls.models import (
    Application,
    Award,
    Call,
    Capacity,
    CutOff,
    CutOffMove,
    Decision,
    Step,
)
from uzina.calls.rules import awards, call_check, clock, modes
from uzina.calls.rules.flows import ApplicationState, AwardState, CallState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.ledger import queries as ledger_queries

STANDING = (AwardState.OFFERED, AwardState.ACCEPTED)
"""States of an award in which it counts against the money of its call."""

MOST_COMING = 200


def calls() -> QuerySet[Call]:
    """Return all calls with what their pages show, newest first; narrow it further.

    Each has promised_gpu_ms: what its open offers promise.
    """
    offered = (
        Award.objects.filter(application__call=OuterRef("pk"), state=AwardState.OFFERED)
        .order_by()
        .values("application__call")
        .annotate(total=Sum("gpu_ms"))
        .values("total")
    )
    worth = (
        Award.objects.filter(application__call=OuterRef("pk"), state__in=STANDING)
        .order_by()
        .values("application__call")
        .annotate(total=Sum("value_eur_cents"))
        .values("total")
    )
    return (  # type: ignore[no-any-return]
        Call.objects.prefetch_related("cut_offs__moves", Prefetch("capacities", capacities()))
        .annotate(
            promised_gpu_ms=Coalesce(Subquery(offered), Value(0), output_field=BigIntegerField()),
            awarded_eur_cents=Coalesce(Subquery(worth), Value(0), output_field=BigIntegerField()),
        )
        .order_by("-pk")
    )


def capacities() -> QuerySet[Capacity]:
    """Return all capacities with their account, and promised_gpu_ms: what open offers promise."""
    offered = (
        Award.objects.filter(capacity=OuterRef("pk"), state=AwardState.OFFERED)
        .order_by()
        .values("capacity")
        .annotate(total=Sum("gpu_ms"))
        .values("total")
    )
    promised = Coalesce(Subquery(offered), Value(0), output_field=BigIntegerField())
    return (  # type: ignore[no-any-return]
        Capacity.objects.select_related("account").annotate(promised_gpu_ms=promised).order_by("pk")
    )


def _promised(capacity: Capacity) -> int:
    """Return what open offers promise of a row of capacities()."""
    return int(capacity.promised_gpu_ms)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Standing:
    """How a capacity stands, GPU-milliseconds: what it was given, and what became of that.

    used     granted to projects, less what they gave back
    offered  promised by open offers
    """

    capacity: Capacity
    funded: int
    used: int
    offered: int
    left: int


def standings(rows: Iterable[Call]) -> dict[int, list[Standing]]:
    """Return how the capacities of rows of calls() stand, by id of the call. One query."""
    shown = list(rows)
    accounts = [one.account_id for call in shown for one in call.capacities.all()]
    funded = ledger_queries.funded(accounts)
    return {
        call.pk: [
            Standing(
                capacity=one,
                funded=funded.get(one.account_id, 0),
                used=funded.get(one.account_id, 0) - one.account.balance,
                offered=_promised(one),
                left=one.account.balance - _promised(one),
            )
            for one in call.capacities.all()
        ]
        for call in shown
    }


def money_left_eur_cents(call: Call) -> int | None:
    """Return what the awards of a row of calls() may still be worth; None without a ceiling."""
    if call.money_eur_cents is None:
        return None
    return int(call.money_eur_cents - call.awarded_eur_cents)  # type: ignore[attr-defined]


def is_spent(call: Call, now: datetime) -> bool:
    """Tell whether a row of calls() has too little left for the smallest award. No query.

    What was set aside for cut-offs that have passed does not count. A call that grants nothing is
    never spent.
    """
    closes = {one.pk: one.closes_at for one in call.cut_offs.all()}
    usable = [
        one
        for one in call.capacities.all()
        if one.cut_off_id is None or now < closes[one.cut_off_id]
    ]
    if not usable:
        return False
    by_money = _affordable_gpu_ms(call, money_left_eur_cents(call))
    for one in usable:
        left = one.account.balance - _promised(one)
        least = modes.least_award_gpu_ms(call.mode, one.partition)
        if least <= (left if by_money is None else min(left, by_money)):
            return False
    return True


def _affordable_gpu_ms(call: Call, money_eur_cents: int | None) -> int | None:
    """Return how many GPU-milliseconds an amount of money buys; None where money sets no limit."""
    if money_eur_cents is None or not call.mode.price_eur_cents:
        return None
    return max(money_eur_cents, 0) * modes.MS_PER_HOUR // call.mode.price_eur_cents


def to_be_settled(now: datetime) -> list[Call]:
    """Return the published calls that are spent and not marked so, or the other way round."""
    published = calls().filter(state=CallState.PUBLISHED)
    return [one for one in published if is_spent(one, now) != (one.spent_at is not None)]


def drafts_of(call: Call) -> QuerySet[Application]:
    """Return the drafts of a call with who applies and who helps to edit."""
    return (  # type: ignore[no-any-return]
        Application.objects.filter(call=call, state=ApplicationState.DRAFT)
        .select_related("applicant")
        .prefetch_related("editors__person")
        .order_by("pk")
    )


def cut_off_move(pk: int) -> CutOffMove:
    """Return a move of a cut-off."""
    return CutOffMove.objects.select_related("cut_off__call").get(pk=pk)  # type: ignore[no-any-return]


def coming_cut_offs(now: datetime) -> list[CutOff]:
    """Return the cut-offs of published calls that are still to close, the next one first.

    Each has moves_count. One query.
    """
    found = (
        CutOff.objects.filter(
            closes_at__gt=now, call__state=CallState.PUBLISHED, call__spent_at__isnull=True
        )
        .select_related("call")
        .annotate(moves_count=Count("moves"))
        .order_by("closes_at", "pk")
    )
    return list(found[:MOST_COMING])


def is_open(call: Call, now: datetime) -> bool:
    """Tell whether a call takes applications. No query for a row of calls()."""
    return (
        call.state is CallState.PUBLISHED
        and call.spent_at is None
        and any(clock.is_open(window, now) for window in call.windows)
    )


def cut_off(call: Call, number: int) -> CutOff | None:
    """Return a cut-off of a row of calls() by its number, from 1; None where there is none."""
    found = list(call.cut_offs.all())
    return found[number - 1] if 1 <= number <= len(found) else None


def remarks(call: Call, now: datetime) -> list[call_check.Remark]:
    """Return what deserves a look in a row of calls() before it is published. No query."""
    return call_check.remarks(
        call.mode,
        windows=call.windows,
        offered=[
            call_check.Offered(one.partition, one.account.balance) for one in call.capacities.all()
        ],
        now=now,
    )


def left_gpu_ms(call: Call) -> int:
    """Return what a row of calls() has left that is neither granted nor offered. No query."""
    granted = sum(one.account.balance for one in call.capacities.all())
    return int(granted - call.promised_gpu_ms)  # type: ignore[attr-defined]


def open_calls(now: datetime) -> list[Call]:
    """Return the published calls that take applications now, newest first. Two queries."""
    published = Call.objects.filter(
        state=CallState.PUBLISHED, spent_at__isnull=True
    ).prefetch_related("cut_offs")
    return [
        call
        for call in published.order_by("-pk")
        if any(clock.is_open(window, now) for window in call.windows)
    ]


def free_gpu_ms(capacity: Capacity) -> int:
    """Return what is neither granted nor promised, within the call's money.

    Three queries, five where the funder set a ceiling.
    """
    left, call = unpromised_gpu_ms(capacity), capacity.call
    by_money = _affordable_gpu_ms(call, unpromised_eur_cents(call))
    return left if by_money is None else min(left, by_money)


def unpromised_gpu_ms(capacity: Capacity) -> int:
    """Return what a capacity has left that is neither granted nor promised: in an open offer, or
    in a decision to award that is not released yet. Three queries.
    """
    capacity.account.refresh_from_db(fields=["balance"])
    offered = Award.objects.filter(capacity=capacity, state=AwardState.OFFERED)
    promised: int = offered.aggregate(total=Sum("gpu_ms"))["total"] or 0
    pending = pending_awards().filter(capacity=capacity)
    promised += pending.aggregate(total=Sum("gpu_ms"))["total"] or 0
    return int(capacity.account.balance) - promised


def unpromised_eur_cents(call: Call) -> int | None:
    """Return what a call's awards may still be worth; None without a ceiling. Two queries.

    What stands counts, and what was decided and is not released yet.
    """
    if call.money_eur_cents is None:
        return None
    standing = Award.objects.filter(application__call=call, state__in=STANDING)
    worth: int = standing.aggregate(total=Sum("value_eur_cents"))["total"] or 0
    pending = pending_awards().filter(application__call=call)
    coming: int = pending.aggregate(total=Sum("gpu_ms"))["total"] or 0
    return call.money_eur_cents - worth - coming * call.mode.price_eur_cents // modes.MS_PER_HOUR


def pending_awards() -> QuerySet[Decision]:
    """Return the decisions to award that nobody but the factory sees yet."""
    return Decision.objects.filter(  # type: ignore[no-any-return]
        application__state=ApplicationState.ELIGIBLE, outcome="award", released_at__isnull=True
    )


def capacity_of(application: Application) -> Capacity | None:
    """Return what an application would be granted from: the partition it asks, at its cut-off.

    A call's only capacity takes all. None in a call that grants nothing, or for a partition it
    does not have. One query.
    """
    found = [
        one
        for one in Capacity.objects.filter(call=application.call_id)
        if one.cut_off_id in {None, application.cut_off_id}
    ]
    if len(found) == 1:
        return found[0]
    return next((one for one in found if one.partition == application.partition), None)


def to_be_given_gpu_ms(application: Application) -> int:
    """Return what is given where it is offered: what the host recommends, else what is asked."""
    if hasattr(application, "assessment"):
        return int(application.assessment.recommended_gpu_ms)
    return application.gpu_ms or 0


def queue(capacity: Capacity) -> list[awards.Queued]:
    """Return the eligible applications that one capacity is for, by submission. Two queries."""
    decided_next = Step.objects.filter(
        application=OuterRef("pk"), kind=StepKind.DECISION, state=StepState.OPEN
    )
    is_only = Capacity.objects.filter(call=capacity.call_id).count() == 1
    of_this = Q() if is_only else _asks_of(capacity)
    waiting = (
        Application.objects.filter(of_this, call=capacity.call_id, state=ApplicationState.ELIGIBLE)
        .select_related("assessment")
        .annotate(is_next=Exists(decided_next))
        .order_by("submitted_at", "pk")
    )
    return [
        awards.Queued(code=row.code, gpu_ms=to_be_given_gpu_ms(row), is_assessed=row.is_next)
        for row in waiting
    ]


def _asks_of(capacity: Capacity) -> Q:
    """Return what selects the applications that ask this partition, or were moved to it."""
    asks = Q(assessment__recommended_partition=capacity.partition) | (
        Q(partition=capacity.partition)
        & (Q(assessment__isnull=True) | Q(assessment__recommended_partition=""))
    )
    return asks & Q(cut_off=capacity.cut_off_id) if capacity.cut_off_id else asks


def calls_with_reserve() -> QuerySet[Call]:
    """Return the calls in which somebody waits for capacity."""
    waiting = Application.objects.filter(state=ApplicationState.ELIGIBLE, reserve_at__isnull=False)
    return Call.objects.filter(pk__in=waiting.values("call")).order_by("pk")  # type: ignore[no-any-return]
