"""Calls."""

from datetime import datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Cursor, Hours, Slug
from uzina.calls.models import Call
from uzina.calls.rules import clock
from uzina.calls.rules.flows import CALL, CallState
from uzina.core.inputs import Line
from uzina.core.paging import Page, paged
from uzina.people import access as people_access
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class CutOffIn(Schema):
    """One deadline."""

    opens_at: AwareDatetime
    closes_at: AwareDatetime


class CallIn(Schema):
    """A new call, made from a mode."""

    mode: Slug
    slug: Slug
    title_en: Line
    title_ro: Line
    budget_gpu_hours: Hours
    opens_at: AwareDatetime
    closes_at: AwareDatetime | None = None
    package_gpu_hours: Hours | None = None
    partition: Annotated[Line, Field(max_length=60)] = ""
    cut_offs: list[CutOffIn] = Field(default_factory=list, max_length=100)


class CallOut(Schema):
    """A call. budget and free hours are shown to operators and auditors only."""

    code: str
    slug: str
    title: str
    title_en: str
    title_ro: str
    summary: str
    state: CallState
    is_open: bool
    opens_at: datetime
    closes_at: datetime | None
    mode: str
    mode_version: str
    package_gpu_hours: int
    durations_months: list[int]
    target_working_days: int
    partition: str
    free_gpu_ms: int | None
    allowed: list[str]


def _call_out(call: Call, request: SignedIn) -> CallOut:
    is_operator = people_access.is_operator(request.user)
    return CallOut(
        code=call.code,
        slug=call.slug,
        title=call.title,
        title_en=call.title_en,
        title_ro=call.title_ro,
        summary=call.summary,
        state=call.state,
        is_open=call.state is CallState.PUBLISHED
        and any(clock.is_open(window, now()) for window in call.windows),
        opens_at=call.opens_at,
        closes_at=call.closes_at,
        mode=call.mode.slug,
        mode_version=call.mode.version,
        package_gpu_hours=call.mode.package_gpu_hours,
        durations_months=list(call.mode.durations_months),
        target_working_days=call.mode.target_working_days,
        partition=", ".join(
            dict.fromkeys(one.partition for one in call.capacities.all() if one.partition)
        ),
        free_gpu_ms=queries.left_gpu_ms(call)
        if is_operator or people_access.is_auditor(request.user)
        else None,
        allowed=CALL.verbs(call.state) if is_operator else [],
    )


def _calls(request: SignedIn) -> Any:
    return queries.calls().filter(pk__in=Call.objects.visible_to(request.user).values("pk"))


def _call(request: SignedIn, slug: str) -> Call:
    found: Call = get_object_or_404(_calls(request), slug=slug)
    return found


@router.get("/calls", response=Page[CallOut])
def list_calls(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """The calls one may see, newest first."""
    page = paged(_calls(request), limit=limit, cursor=cursor)
    return page | {"items": [_call_out(call, request) for call in page["items"]]}


@router.post("/calls", response={201: CallOut})
def create_call(request: SignedIn, facts: CallIn) -> Any:
    """Draft a call from a mode (operator). Its budget is opened in the ledger."""
    values = facts.dict()
    values["cut_offs"] = [clock.Window(**one) for one in values["cut_offs"]]
    call = actions.create_call(actions.CallFacts(**values), by=request.user, now=now())
    return Status(201, _call_out(_call(request, call.slug), request))


@router.get("/calls/{slug}", response=CallOut)
def show_call(request: SignedIn, slug: Slug) -> CallOut:
    """One call."""
    return _call_out(_call(request, slug), request)


@router.post("/calls/{slug}/publish", response=CallOut)
def publish_call(request: SignedIn, slug: Slug) -> CallOut:
    """Show a call to everybody (operator)."""
    actions.publish(_call(request, slug), by=request.user, now=now())
    return _call_out(_call(request, slug), request)


@router.post("/calls/{slug}/archive", response=CallOut)
def archive_call(request: SignedIn, slug: Slug) -> CallOut:
    """Take no more applications (operator)."""
    actions.archive(_call(request, slug), by=request.user, now=now())
    return _call_out(_call(request, slug), request)
