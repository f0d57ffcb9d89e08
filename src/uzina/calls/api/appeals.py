"""Appeals."""

from datetime import datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.applications import visible_application
from uzina.calls.api.shared import Code, Hours
from uzina.calls.models import Appeal
from uzina.calls.rules.flows import APPEAL, AppealState
from uzina.core.inputs import Paragraphs
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class AppealOut(Schema):
    """An appeal: on what grounds, by when it is decided, and what came of it."""

    code: str
    application: str
    state: AppealState
    grounds: str
    filed_at: datetime
    due_at: datetime
    decided_at: datetime | None
    outcome_text: str
    gpu_ms: int | None
    allowed: list[str]


class AppealIn(Schema):
    """On what grounds."""

    grounds: Annotated[Paragraphs, Field(min_length=1, max_length=8000)]


class UpholdIn(Schema):
    """What an upheld appeal gives, and what the panel found."""

    gpu_hours: Hours
    text: Annotated[Paragraphs, Field(min_length=1, max_length=8000)]


class DismissIn(Schema):
    """What the panel found."""

    text: Annotated[Paragraphs, Field(min_length=1, max_length=8000)]


class AppealFundIn(Schema):
    """Where the hours come from that the call has no more."""

    reason: Annotated[Paragraphs, Field(min_length=1, max_length=500)]


def _appeal(request: SignedIn, code: str) -> Appeal:
    found: Appeal = get_object_or_404(queries.appeals(request.user), code=code)
    return found


def _out(appeal: Appeal, request: SignedIn, *, hears: bool) -> AppealOut:
    is_mine = access.may_change(request.user, appeal.application)
    verbs = [
        verb
        for verb in APPEAL.verbs(appeal.state)
        if (hears if verb in {"uphold", "dismiss"} else is_mine)
    ]
    return AppealOut(
        code=appeal.code,
        application=appeal.application.code,
        state=appeal.state,
        grounds=appeal.grounds,
        filed_at=appeal.filed_at,
        due_at=appeal.due_at,
        decided_at=appeal.decided_at,
        outcome_text=appeal.outcome_text,
        gpu_ms=appeal.gpu_ms,
        allowed=verbs,
    )


def _one(request: SignedIn, code: str) -> AppealOut:
    hears = queries.to_be_heard_by(request.user).filter(code=code).exists()
    return _out(_appeal(request, code), request, hears=hears)


@router.get("/appeals", response=Page[AppealOut])
def list_appeals(
    request: SignedIn,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    cursor: Annotated[str, Field(pattern=r"^[0-9]{0,18}$")] = "",
) -> Any:
    """The appeals that one filed or hears, newest first; all for operators and auditors."""
    page = paged(queries.appeals(request.user), limit=limit, cursor=cursor)
    heard = set(queries.to_be_heard_by(request.user).values_list("pk", flat=True))
    items = [_out(one, request, hears=one.pk in heard) for one in page["items"]]
    return {"items": items, "next": page["next"]}


@router.post("/applications/{code}/appeal", response=AppealOut)
def file_an_appeal(request: SignedIn, code: Code, asked: AppealIn) -> AppealOut:
    """Appeal against a decision that declined one's application."""
    found = visible_application(request, code)
    made = actions.file_appeal(found, grounds=asked.grounds, by=request.user, now=now())
    return _one(request, made.code)


@router.get("/appeals/{code}", response=AppealOut)
def show_appeal(request: SignedIn, code: Code) -> AppealOut:
    """One appeal."""
    return _one(request, code)


@router.post("/appeals/{code}/uphold", response=AppealOut)
def uphold_appeal(request: SignedIn, code: Code, asked: UpholdIn) -> AppealOut:
    """Uphold an appeal: an award is offered (second panel)."""
    actions.uphold(_appeal(request, code), **asked.dict(), by=request.user, now=now())
    return _one(request, code)


@router.post("/appeals/{code}/dismiss", response=AppealOut)
def dismiss_appeal(request: SignedIn, code: Code, asked: DismissIn) -> AppealOut:
    """Dismiss an appeal: the decision stands (second panel)."""
    actions.dismiss(_appeal(request, code), **asked.dict(), by=request.user, now=now())
    return _one(request, code)


@router.post("/appeals/{code}/withdraw", response=AppealOut)
def withdraw_an_appeal(request: SignedIn, code: Code) -> AppealOut:
    """Take one's appeal back."""
    actions.withdraw_appeal(_appeal(request, code), by=request.user, now=now())
    return _one(request, code)


@router.post("/appeals/{code}/fund", response=AppealOut)
def fund_appeal(request: SignedIn, code: Code, asked: AppealFundIn) -> AppealOut:
    """Allow hours to be added to the call, should the appeal be upheld (operator)."""
    actions.allow_funding(_appeal(request, code), **asked.dict(), by=request.user, now=now())
    return _one(request, code)
