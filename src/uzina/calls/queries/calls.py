"""Calls and what they have left."""

from datetime import datetime

from django.db.models import (
    BigIntegerField,
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

from uzina.calls.models import Application, Award, Call, Capacity, Step
from uzina.calls.rules import awards, clock
from uzina.calls.rules.flows import ApplicationState, AwardState, CallState
from uzina.calls.rules.steps import StepKind, StepState


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
    return (  # type: ignore[no-any-return]
        Call.objects.prefetch_related(
            "cut_offs", Prefetch("capacities", Capacity.objects.select_related("account"))
        )
        .annotate(
            promised_gpu_ms=Coalesce(Subquery(offered), Value(0), output_field=BigIntegerField())
        )
        .order_by("-pk")
    )


def left_gpu_ms(call: Call) -> int:
    """Return what a row of calls() has left that is neither granted nor offered. No query."""
    granted = sum(one.account.balance for one in call.capacities.all())
    return int(granted - call.promised_gpu_ms)  # type: ignore[attr-defined]


def open_calls(now: datetime) -> list[Call]:
    """Return the published calls that take applications now, newest first. Two queries."""
    published = Call.objects.filter(state=CallState.PUBLISHED).prefetch_related("cut_offs")
    return [
        call
        for call in published.order_by("-pk")
        if any(clock.is_open(window, now) for window in call.windows)
    ]


def free_gpu_ms(capacity: Capacity) -> int:
    """Return what is neither granted nor promised in an open offer. Two queries."""
    capacity.account.refresh_from_db(fields=["balance"])
    offered = Award.objects.filter(capacity=capacity, state=AwardState.OFFERED)
    promised: int = offered.aggregate(total=Sum("gpu_ms"))["total"] or 0
    return int(capacity.account.balance) - promised


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
