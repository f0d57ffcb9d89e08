"""Calls and what they have left."""

from datetime import datetime

from django.db.models import (
    BigIntegerField,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from uzina.calls.models import Application, Award, Call
from uzina.calls.rules import awards, clock
from uzina.calls.rules.flows import ApplicationState, AwardState, CallState


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
        Call.objects.select_related("capacity")
        .prefetch_related("cut_offs")
        .annotate(
            promised_gpu_ms=Coalesce(Subquery(offered), Value(0), output_field=BigIntegerField())
        )
        .order_by("-pk")
    )


def left_gpu_ms(call: Call) -> int:
    """Return what a row of calls() has left that is neither granted nor offered. No query."""
    left: int = call.capacity.balance - call.promised_gpu_ms  # type: ignore[attr-defined]
    return left


def open_calls(now: datetime) -> list[Call]:
    """Return the published calls that take applications now, newest first. Two queries."""
    published = Call.objects.filter(state=CallState.PUBLISHED).prefetch_related("cut_offs")
    return [
        call
        for call in published.order_by("-pk")
        if any(clock.is_open(window, now) for window in call.windows)
    ]


def free_gpu_ms(call: Call) -> int:
    """Return the capacity that is neither granted nor promised in an open offer. Two queries."""
    call.capacity.refresh_from_db(fields=["balance"])
    offered = Award.objects.filter(application__call=call, state=AwardState.OFFERED)
    promised: int = offered.aggregate(total=Sum("gpu_ms"))["total"] or 0
    return int(call.capacity.balance) - promised


def queue(call: Call) -> list[awards.Queued]:
    """Return the eligible applications of a call in order of submission. One query."""
    waiting = Application.objects.filter(call=call, state=ApplicationState.ELIGIBLE).select_related(
        "review"
    )
    return [
        awards.Queued(
            code=row.code,
            gpu_ms=row.review.recommended_gpu_ms if hasattr(row, "review") else row.gpu_ms or 0,
            is_assessed=hasattr(row, "review"),
        )
        for row in waiting.order_by("submitted_at", "pk")
    ]


def calls_with_reserve() -> QuerySet[Call]:
    """Return the calls in which somebody waits for capacity."""
    waiting = Application.objects.filter(state=ApplicationState.ELIGIBLE, reserve_at__isnull=False)
    return Call.objects.filter(pk__in=waiting.values("call")).order_by("pk")  # type: ignore[no-any-return]
