"""The API of allocations and their statements. Amounts are integers in the resource's unit."""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Query, Router, Schema
from pydantic import Field

from uzina.core.idempotency import HEADER, keyed
from uzina.core.inputs import Paragraphs, ShortLine
from uzina.core.paging import Page, paged
from uzina.ledger import access, actions, queries, rules
from uzina.ledger.models import Allocation
from uzina.people.types import SignedIn

router = Router(tags=["ledger"])

LINES = 1000
"""Lines of a statement in one answer."""


class BalanceOut(Schema):
    """granted = free + held + spent + expired - overrun - overdraft."""

    granted: int
    free: int
    held: int
    spent: int
    expired: int
    overrun: int
    overdraft: int


class AllocationOut(Schema):
    code: str
    project: str
    resource: str
    unit: str
    state: rules.AllocationState
    policy: rules.AtExhaustion
    starts_at: datetime
    ends_at: datetime
    balance: BalanceOut
    allowed: list[str]


class LineOut(Schema):
    """One transfer, and where the allocation stood after it."""

    number: int
    at: datetime
    kind: str
    amount: int
    subject: str
    reason: str
    by: str
    granted: int
    free: int
    held: int
    spent: int
    expired: int
    overrun: int
    overdraft: int

    @staticmethod
    def resolve_by(line: rules.Line) -> str:
        return line.by_code


class StatementOut(Schema):
    """Lines with the newest last. `before` asks for the lines before these, null at the first."""

    allocation: str
    unit: str
    balance: BalanceOut
    lines: list[LineOut]
    before: int | None


class UnusedOut(Schema):
    """What expires unused: if use is high, as it was lately, and if use is low."""

    least: int
    likely: int
    most: int


class ForecastOut(Schema):
    """How long the hours last. `days` is 0 and the rest null where nothing can be said.

    pace is what is spent in a day. early, likely and late are when the hours are spent, null where
    that is not before the end; the range is meant to hold in four cases of five.
    """

    allocation: str
    unit: str
    outlook: rules.Outlook
    days: int
    pace: int
    early: datetime | None
    likely: datetime | None
    late: datetime | None
    unused: UnusedOut | None


class AmountIn(Schema):
    amount: Annotated[int, Field(ge=1, le=rules.LARGEST)]
    reason: Annotated[Paragraphs, Field(max_length=rules.REASON_LONGEST)]


class ReasonIn(Schema):
    reason: Annotated[Paragraphs, Field(max_length=rules.REASON_LONGEST)]


@router.get("/allocations", response=Page[AllocationOut])
def allocations(
    request: SignedIn,
    project: ShortLine = "",
    resource: ShortLine = "gpu-hours",
    limit: int = 50,
    cursor: str = "",
):
    """List the allocations of your projects; operators and auditors see all.

    Of GPU-hours, unless you ask for resource=storage.
    """
    visible = _visible(request).filter(resource__slug=resource)
    if project:
        visible = visible.filter(project__code=project)
    page = paged(visible, limit=limit, cursor=cursor)
    return page | {"items": _shown(page["items"], request)}


@router.get("/allocations/{code}", response=AllocationOut)
def allocation(request: SignedIn, code: str):
    """Show one allocation with its balance."""
    return _one(request, code)


@router.get("/allocations/{code}/statement", response=StatementOut)
def statement(
    request: SignedIn,
    code: str,
    limit: Annotated[int, Query(ge=1, le=LINES)] = LINES,
    before: Annotated[int | None, Query(ge=1, le=rules.LARGEST)] = None,
):
    """Show what was granted, held, spent and released, each with the balances after it."""
    found = _find(request, code)
    lines = queries.statement(found, last=limit, before=before)
    first = lines[0].number if lines else 1
    return {
        "allocation": found.code,
        "unit": found.resource.unit,
        "balance": queries.balance(found),
        "lines": lines,
        "before": first if first > 1 else None,
    }


@router.get("/allocations/{code}/forecast", response=ForecastOut)
def forecast(request: SignedIn, code: str):
    """Say how long the hours last at the pace of the last weeks, and what expires unused."""
    found = _find(request, code)
    told = queries.forecast(found, now())
    return {
        "allocation": found.code,
        "unit": found.resource.unit,
        "outlook": told.outlook,
        "days": told.days,
        "pace": told.pace,
        "early": told.early,
        "likely": told.likely,
        "late": told.late,
        "unused": told.unused,
    }


@router.post("/allocations/{code}/top-up", response=AllocationOut)
@keyed
def top_up(request: SignedIn, code: str, body: AmountIn):
    """Give an allocation more, out of what its call has left. For operators."""
    found = _find(request, code)
    actions.top_up(found, **body.dict(), key=_key(request, "top-up"), by=request.user, now=now())
    return _one(request, code)


@router.post("/allocations/{code}/overdraw", response=AllocationOut)
@keyed
def overdraw(request: SignedIn, code: str, body: AmountIn):
    """Let a project spend so much beyond its grant, signed with a reason. For operators."""
    found = _find(request, code)
    key = _key(request, "overdraw")
    actions.overdraw(found, **body.dict(), key=key, by=request.user, now=now())
    return _one(request, code)


@router.post("/allocations/{code}/refund", response=AllocationOut)
@keyed
def refund(request: SignedIn, code: str, body: AmountIn):
    """Give back what a project was charged. For operators."""
    found = _find(request, code)
    actions.refund(found, **body.dict(), key=_key(request, "refund"), by=request.user, now=now())
    return _one(request, code)


@router.post("/allocations/{code}/expire", response=AllocationOut)
@keyed
def expire(request: SignedIn, code: str, body: ReasonIn):
    """End an allocation: what is left expires. For operators."""
    found = _find(request, code)
    actions.expire(found, **body.dict(), key=_key(request, "expire"), by=request.user, now=now())
    return _one(request, code)


@router.post("/allocations/{code}/freeze", response=AllocationOut)
@keyed
def freeze(request: SignedIn, code: str, body: ReasonIn):
    """Let no new job start on an allocation. For operators."""
    actions.freeze(_find(request, code), **body.dict(), by=request.user, now=now())
    return _one(request, code)


@router.post("/allocations/{code}/thaw", response=AllocationOut)
@keyed
def thaw(request: SignedIn, code: str, body: ReasonIn):
    """Let jobs start on a frozen allocation again. For operators."""
    actions.thaw(_find(request, code), **body.dict(), by=request.user, now=now())
    return _one(request, code)


def _visible(request: SignedIn) -> Any:
    visible = Allocation.objects.visible_to(request.user)
    return visible.select_related("project", "resource")


def _find(request: SignedIn, code: str) -> Allocation:
    return get_object_or_404(_visible(request), code=code)  # type: ignore[no-any-return]


def _one(request: SignedIn, code: str) -> dict[str, Any]:
    return _shown([_find(request, code)], request)[0]


def _shown(rows: list[Allocation], request: SignedIn) -> list[dict[str, Any]]:
    """Return rows as the API shows them, with the verbs open to who asks. One query for all."""
    balances = queries.balances(rows)
    may_correct = access.may_correct(request.user)
    return [
        {
            "code": row.code,
            "project": row.project.code,
            "resource": row.resource.slug,
            "unit": row.resource.unit,
            "state": row.state,
            "policy": row.policy,
            "starts_at": row.starts_at,
            "ends_at": row.ends_at,
            "balance": balances[row.pk],
            "allowed": access.corrections(row.state) if may_correct else [],
        }
        for row in rows
    ]


def _key(request: SignedIn, verb: str) -> str:
    """Return the booking's key: a client's own, which two clients may choose alike."""
    asked = f"{request.user.code} {request.headers.get(HEADER, '')}"
    return f"api:{verb}:{hashlib.sha256(asked.encode()).hexdigest()[:40]}"
