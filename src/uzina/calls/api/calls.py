"""Calls."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.calls import access, actions, queries
from uzina.calls.api.shared import Code, Cursor, Hours, Slug
from uzina.calls.models import Call
from uzina.calls.rules import clock
from uzina.calls.rules.flows import CALL, CallState
from uzina.core.inputs import Line, Paragraphs
from uzina.core.paging import Page, paged
from uzina.people import access as people_access
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class CutOffIn(Schema):
    """One deadline."""

    opens_at: AwareDatetime
    closes_at: AwareDatetime


class CapacityIn(Schema):
    """What a call can grant of one partition; cut_off is the number of its cut-off, from 0."""

    partition: Annotated[Line, Field(max_length=60)] = ""
    budget_gpu_hours: Hours
    cut_off: Annotated[int, Field(ge=0, le=99)] | None = None
    gpus_per_node: Annotated[int, Field(ge=1, le=64)] = 1
    usable_from: AwareDatetime | None = None
    usable_until: AwareDatetime | None = None


class CallIn(Schema):
    """A new call, made from a mode.

    Give a budget where it has one partition, or its capacities; cut-offs, or has_planned_cut_offs
    for those that the mode plans.
    """

    mode: Slug
    slug: Slug
    title_en: Line
    title_ro: Line
    budget_gpu_hours: Annotated[int, Field(ge=0, le=2_000_000_000)] = 0
    opens_at: AwareDatetime
    closes_at: AwareDatetime | None = None
    package_gpu_hours: Hours | None = None
    partition: Annotated[Line, Field(max_length=60)] = ""
    cut_offs: list[CutOffIn] = Field(default_factory=list, max_length=100)
    capacities: list[CapacityIn] = Field(default_factory=list, max_length=100)
    money_eur_cents: Annotated[int, Field(ge=1, le=10**13)] | None = None
    has_planned_cut_offs: bool = False


class MoveIn(Schema):
    """Where a cut-off goes, and why: applicants read it."""

    closes_at: AwareDatetime
    reason: Annotated[Paragraphs, Field(max_length=500)]


class MoveOut(Schema):
    """From when to when a cut-off was moved, why, and when that was."""

    closes_at_before: datetime
    closes_at_after: datetime
    reason: str
    moved_at: datetime


class CutOffOut(Schema):
    """One deadline, by its number in the call from 1, and its history."""

    number: int
    opens_at: datetime
    closes_at: datetime
    moves: list[MoveOut]


class ComingOut(Schema):
    """A cut-off to come."""

    call: str
    title: str
    closes_at: datetime


class CapacityOut(Schema):
    """What a call grants from. The figures are for operators and auditors only."""

    code: str
    partition: str
    gpus_per_node: int
    cut_off: int | None
    usable_from: datetime | None
    usable_until: datetime | None
    funded_gpu_ms: int | None
    used_gpu_ms: int | None
    offered_gpu_ms: int | None
    left_gpu_ms: int | None


class FundIn(Schema):
    """More hours for a capacity. key: the same key adds once."""

    gpu_hours: Hours
    reason: Annotated[Paragraphs, Field(max_length=500)]
    key: Annotated[Line, Field(min_length=1, max_length=100)]


class RemarkOut(Schema):
    """One thing to look at before a call is published."""

    code: str
    text: str


class CallOut(Schema):
    """A call. Money and free hours are shown to operators and auditors only."""

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
    capacities: list[CapacityOut]
    cut_offs: list[CutOffOut]
    spent_at: datetime | None
    money_eur_cents: int | None
    money_left_eur_cents: int | None
    free_gpu_ms: int | None
    allowed: list[str]


def _capacities(
    call: Call, standings: list[queries.Standing], *, is_office: bool
) -> list[CapacityOut]:
    numbers: dict[int | None, int] = {
        one.pk: number for number, one in enumerate(call.cut_offs.all(), start=1)
    }
    return [
        CapacityOut(
            code=one.capacity.code,
            partition=one.capacity.partition,
            gpus_per_node=one.capacity.gpus_per_node,
            cut_off=numbers.get(one.capacity.cut_off_id),
            usable_from=one.capacity.usable_from,
            usable_until=one.capacity.usable_until,
            funded_gpu_ms=one.funded if is_office else None,
            used_gpu_ms=one.used if is_office else None,
            offered_gpu_ms=one.offered if is_office else None,
            left_gpu_ms=one.left if is_office else None,
        )
        for one in standings
    ]


def _cut_offs(call: Call) -> list[CutOffOut]:
    return [
        CutOffOut(
            number=number,
            opens_at=one.opens_at,
            closes_at=one.closes_at,
            moves=[
                MoveOut(
                    closes_at_before=move.closes_at_before,
                    closes_at_after=move.closes_at_after,
                    reason=move.reason,
                    moved_at=move.moved_at,
                )
                for move in one.moves.all()
            ],
        )
        for number, one in enumerate(call.cut_offs.all(), start=1)
    ]


def _call_out(call: Call, request: SignedIn) -> CallOut:
    return _calls_out([call], request)[0]


def _calls_out(rows: list[Call], request: SignedIn) -> list[CallOut]:
    standings = queries.standings(rows)
    return [_one_out(call, standings[call.pk], request) for call in rows]


def _one_out(call: Call, standings: list[queries.Standing], request: SignedIn) -> CallOut:
    is_operator = people_access.is_operator(request.user)
    is_office = is_operator or people_access.is_auditor(request.user)
    return CallOut(
        code=call.code,
        slug=call.slug,
        title=call.title,
        title_en=call.title_en,
        title_ro=call.title_ro,
        summary=call.summary,
        state=call.state,
        is_open=queries.is_open(call, now()),
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
        capacities=_capacities(call, standings, is_office=is_office),
        cut_offs=_cut_offs(call),
        spent_at=call.spent_at,
        money_eur_cents=call.money_eur_cents if is_office else None,
        money_left_eur_cents=queries.money_left_eur_cents(call) if is_office else None,
        free_gpu_ms=queries.left_gpu_ms(call) if is_office else None,
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
    return page | {"items": _calls_out(page["items"], request)}


@router.post("/calls", response={201: CallOut})
def create_call(request: SignedIn, facts: CallIn) -> Any:
    """Draft a call from a mode (operator). Its budget is opened in the ledger."""
    values = facts.dict()
    values["cut_offs"] = [clock.Window(**one) for one in values["cut_offs"]]
    values["capacities"] = [actions.CapacityFacts(**one) for one in values["capacities"]]
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


@router.get("/calls/{slug}/check", response=list[RemarkOut])
def check_call(request: SignedIn, slug: Slug) -> list[RemarkOut]:
    """What deserves a look before a call is published (operator)."""
    if not access.may_run_calls(request.user):
        raise Http404
    return [
        RemarkOut(code=one.code, text=gettext(one.message).format(**one.facts))
        for one in queries.remarks(_call(request, slug), now())
    ]


@router.post("/calls/{slug}/cut-offs/{number}/move", response=CallOut)
def move_cut_off(request: SignedIn, slug: Slug, number: int, move: MoveIn) -> CallOut:
    """Move a cut-off, with a reason (operator). Everybody with a draft is told."""
    cut_off = queries.cut_off(_call(request, slug), number)
    if cut_off is None:
        raise Http404
    actions.move_cut_off(
        cut_off, closes_at=move.closes_at, reason=move.reason, by=request.user, now=now()
    )
    return _call_out(_call(request, slug), request)


@router.post("/calls/{slug}/capacities/{code}/fund", response=CallOut)
def fund_capacity(request: SignedIn, slug: Slug, code: Code, funds: FundIn) -> CallOut:
    """Add hours to what a call can grant (operator). A spent call opens again."""
    capacity = get_object_or_404(_call(request, slug).capacities, code=code)
    actions.fund_capacity(capacity, **funds.dict(), by=request.user, now=now())
    return _call_out(_call(request, slug), request)


@router.get("/cut-offs", response=list[ComingOut], auth=None)
def list_cut_offs(request: HttpRequest) -> list[ComingOut]:
    """The cut-offs to come of all published calls, the next one first. As a calendar:
    /calls/cut-offs.ics on the portal.
    """
    return [
        ComingOut(call=one.call.slug, title=one.call.title, closes_at=one.closes_at)
        for one in queries.coming_cut_offs(now())
    ]
