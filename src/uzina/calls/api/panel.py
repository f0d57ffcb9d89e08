"""Panels: who sits on them, what is before them, what they agree on."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.shared import Code, Slug
from uzina.calls.models import Application, Call, CutOff
from uzina.core.inputs import Paragraphs
from uzina.people import queries as people_queries
from uzina.people.rules import RoleKind
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

Number = Annotated[int, Field(ge=0, le=1000)]


class SeatOut(Schema):
    """A person on a panel of a call; the second panel hears appeals."""

    person: str
    name: str
    is_for_appeals: bool
    is_chair: bool


class SeatIn(Schema):
    """Whom to seat, by the code of the person."""

    person: Code
    is_for_appeals: bool = False
    is_chair: bool = False


class ConsensusOut(Schema):
    """What the panel agreed: thousandths of a point by criterion, and their weighted mean."""

    scores: dict[str, int]
    score_milli: int
    comment: str
    note: str
    is_by_mean: bool
    made_at: datetime


class PanelReviewOut(Schema):
    """One review as the panel reads it."""

    code: str
    scores: dict[str, int]
    score_milli: int
    comment: str
    panel_comment: str


class BeforePanelOut(Schema):
    """One application before the panel, with how far its reviewers are apart."""

    code: str
    title: str
    asked_gpu_ms: int
    mean_milli: int
    spread_milli: int
    reviews: list[PanelReviewOut]
    reply: str
    consensus: ConsensusOut | None


class ConsensusIn(Schema):
    """What the panel agrees: thousandths of a point for each criterion."""

    scores: dict[Annotated[str, Field(max_length=60)], Annotated[int, Field(ge=0, le=100_000)]]
    comment: Annotated[Paragraphs, Field(max_length=8000)] = ""
    note: Annotated[Paragraphs, Field(max_length=8000)] = ""


class ClosePanelIn(Schema):
    """Why the mean of the reviews stands where the panel agreed on nothing."""

    reason: Annotated[Paragraphs, Field(max_length=4000)] = ""


def call_at(request: SignedIn, slug: str, number: int) -> tuple[Call, CutOff | None]:
    """Return a call whose panel the reader may see, and its cut-off of the number; or 404."""
    found: Call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    try:
        return found, queries.cut_off_at(found, number)
    except LookupError:
        raise Http404 from None


def _out(application: Application, call: Call) -> BeforePanelOut:
    spread = queries.spread(application, call.mode)
    consensus = getattr(application, "consensus", None)
    reply = getattr(application, "reply", None)
    return BeforePanelOut(
        code=application.code,
        title=application.title,
        asked_gpu_ms=application.gpu_ms or 0,
        mean_milli=spread.mean_milli,
        spread_milli=spread.spread_milli,
        reviews=[PanelReviewOut.from_orm(one) for one in application.submitted_reviews],  # type: ignore[attr-defined]
        reply=reply.text if reply else "",
        consensus=ConsensusOut.from_orm(consensus) if consensus else None,
    )


@router.get("/panels/{slug}/seats", response=list[SeatOut])
def list_seats(request: SignedIn, slug: Slug) -> Any:
    """Who sits on the panels of a call (operator, auditor)."""
    if not access.may_see_rankings(request.user):
        raise Http404
    call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    return [_seat_out(one) for one in queries.seats(call)]


def _seat_out(one: Any) -> SeatOut:
    return SeatOut(
        person=one.person.code,
        name=one.person.name,
        is_for_appeals=one.is_for_appeals,
        is_chair=one.is_chair,
    )


@router.post("/panels/{slug}/seats", response=SeatOut)
def seat_person(request: SignedIn, slug: Slug, asked: SeatIn) -> SeatOut:
    """Seat a person on a panel (operator)."""
    call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    members = people_queries.people_with_role(RoleKind.PANEL)
    person = get_object_or_404(members, code=asked.person)
    return _seat_out(
        actions.seat(
            call,
            person=person,
            is_for_appeals=asked.is_for_appeals,
            is_chair=asked.is_chair,
            by=request.user,
            now=now(),
        )
    )


@router.delete("/panels/{slug}/seats/{person}", response={204: None})
def unseat_person(request: SignedIn, slug: Slug, person: Code) -> Status[None]:
    """Take a person off a panel (operator)."""
    call = get_object_or_404(queries.panel_calls(request.user), slug=slug)
    seat = get_object_or_404(queries.seats(call), person__code=person)
    actions.unseat(seat, by=request.user, now=now())
    return Status(204, None)


@router.get("/panels/{slug}/{number}", response=list[BeforePanelOut])
def list_before_panel(request: SignedIn, slug: Slug, number: Number) -> Any:
    """What is before the panel of a cut-off (from 1; 0: a call without), disagreements first."""
    call, cut_off = call_at(request, slug, number)
    rows = list(queries.before_panel(call, cut_off, request.user))
    return [_out(one, call) for one, _spread in queries.disagreements_first(rows, call.mode)]


@router.post("/panels/{slug}/{number}/close", response=list[str])
def close_the_panel(request: SignedIn, slug: Slug, number: Number, asked: ClosePanelIn) -> Any:
    """Close the panel of a cut-off (its chair); returns what goes to the ranking."""
    call, cut_off = call_at(request, slug, number)
    found = actions.close_panel(
        call, cut_off=cut_off, reason=asked.reason, by=request.user, now=now()
    )
    return [one.code for one in found]


def _before(request: SignedIn, slug: str, number: int, code: str) -> tuple[Application, Call]:
    call, cut_off = call_at(request, slug, number)
    rows = queries.before_panel(call, cut_off, request.user)
    return get_object_or_404(rows, code=code), call


@router.get("/panels/{slug}/{number}/{code}", response=BeforePanelOut)
def show_before_panel(request: SignedIn, slug: Slug, number: Number, code: Code) -> BeforePanelOut:
    """One application before the panel."""
    return _out(*_before(request, slug, number, code))


@router.post("/panels/{slug}/{number}/{code}/consensus", response=ConsensusOut)
def agree_on(
    request: SignedIn, slug: Slug, number: Number, code: Code, asked: ConsensusIn
) -> ConsensusOut:
    """Write down what the panel agreed on one application (its members)."""
    found, _call = _before(request, slug, number, code)
    return ConsensusOut.from_orm(actions.agree(found, **asked.dict(), by=request.user, now=now()))
