"""Reviews, bids and replies: what a reviewer and an applicant do."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Code, Cursor, words
from uzina.calls.models import Application, Review
from uzina.calls.rules import reviews
from uzina.calls.rules.flows import ReviewState
from uzina.core.inputs import Count, Paragraphs
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

Text = Annotated[Paragraphs, Field(max_length=8000)]
Reason = Annotated[Paragraphs, Field(max_length=500)]


class CriterionOut(Schema):
    """One thing to score."""

    key: str
    title: str
    weight: int
    threshold: int


class ReviewSummaryOut(Schema):
    """A review in a list. The title has no name in it where the call is double-blind."""

    code: str
    call: str
    title: str
    state: ReviewState
    assigned_at: datetime
    due_at: datetime
    submitted_at: datetime | None
    is_changeable: bool


class OtherReviewOut(Schema):
    """What another reviewer wrote: shown once one's own is handed in."""

    comment: str
    panel_comment: str
    reviewer: str | None


class ReviewOut(ReviewSummaryOut):
    """A review with what it is about. Send `version` back when you save it.

    answers are given once the review is accepted; in a double-blind call nothing names anybody.
    """

    summary: str
    topics: list[str]
    answers: dict[str, dict[str, Any]]
    least: int
    most: int
    criteria: list[CriterionOut]
    scores: dict[str, int]
    score_milli: int | None
    comment: str
    panel_comment: str
    notes: str
    version: int
    saved_at: datetime | None
    others: list[OtherReviewOut]


def _summary(review: Review, names: list[str]) -> dict[str, Any]:
    return {
        "code": review.code,
        "call": review.application.call.slug,
        "title": reviews.blinded(review.application.title, names),
        "state": review.state,
        "assigned_at": review.assigned_at,
        "due_at": review.due_at,
        "submitted_at": review.submitted_at,
        "is_changeable": review.is_changeable,  # type: ignore[attr-defined]
    }


def given_review(request: SignedIn, code: str) -> Review:
    """Return one of the caller's reviews by its code, or 404."""
    found: Review = get_object_or_404(queries.reviews_of(request.user), code=code)
    return found


def _answers(application: Application, names: list[str]) -> dict[str, dict[str, Any]]:
    answers = queries.answers_of(application)
    return {
        section.slug: {
            field.name: _covered_value(answers[section.slug][field.name], names) for field in fields
        }
        for section, fields in queries.fields_judged(application)
        if fields
    }


def _covered_value(value: Any, names: list[str]) -> Any:
    """Return an answer with the names in it covered, rows and all."""
    if isinstance(value, str):
        return reviews.blinded(value, names)
    if isinstance(value, list):
        return [_covered_value(one, names) for one in value]
    if isinstance(value, dict):
        return {key: _covered_value(one, names) for key, one in value.items()}
    return value


def _review_out(request: SignedIn, code: str) -> ReviewOut:
    review = given_review(request, code)
    application, scoring = review.application, review.application.call.mode.scoring
    if scoring is None:
        raise Http404
    names = queries.names_covered([application])[application.code]
    is_asked = review.state is ReviewState.ASSIGNED
    return ReviewOut(
        **_summary(review, names),
        summary=queries.summary_of(application, names),
        topics=list(queries.about(application)),
        answers={} if is_asked else _answers(application, names),
        least=scoring.least,
        most=scoring.most,
        criteria=[
            CriterionOut(
                key=one.key,
                title=words(one.title),
                weight=one.weight,
                threshold=one.threshold,
            )
            for one in scoring.criteria
        ],
        scores=review.scores,
        score_milli=review.score_milli,
        comment=review.comment,
        panel_comment=review.panel_comment,
        notes=review.notes,
        version=review.version,
        saved_at=review.saved_at,
        others=[
            OtherReviewOut(
                comment=one.comment,
                panel_comment=one.panel_comment,
                reviewer=one.reviewer.name if scoring.blind == "none" else None,
            )
            for one in queries.others_of(review, request.user)
        ],
    )


@router.get("/reviews", response=Page[ReviewSummaryOut])
def list_reviews(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """The reviews one was asked for, newest first."""
    page = paged(queries.reviews_of(request.user), limit=limit, cursor=cursor)
    names = queries.names_covered([one.application for one in page["items"]])
    return page | {"items": [_summary(one, names[one.application.code]) for one in page["items"]]}


@router.get("/reviews/{code}", response=ReviewOut)
def show_review(request: SignedIn, code: Code) -> ReviewOut:
    """One review, with the application it is about."""
    return _review_out(request, code)


@router.post("/reviews/{code}/accept", response=ReviewOut)
def accept_review(request: SignedIn, code: Code) -> ReviewOut:
    """Agree to write a review."""
    actions.accept_review(given_review(request, code), by=request.user, now=now())
    return _review_out(request, code)


class ReviewReasonIn(Schema):
    """Why, in a few words. Only the factory reads it."""

    reason: Reason


@router.post("/reviews/{code}/decline", response={204: None})
def decline_review(request: SignedIn, code: Code, asked: ReviewReasonIn) -> Any:
    """Decline a review, so that somebody else can be asked."""
    actions.refuse_review(
        given_review(request, code), reason=asked.reason, by=request.user, now=now()
    )
    return Status(204, None)


@router.post("/reviews/{code}/conflict", response={204: None})
def declare_conflict(request: SignedIn, code: Code, asked: ReviewReasonIn) -> Any:
    """Declare a conflict of interest. The review ends at once and is not shown again."""
    actions.declare_conflict(
        given_review(request, code).application,
        reason=asked.reason,
        by=request.user,
        now=now(),
    )
    return Status(204, None)


class ReviewIn(Schema):
    """Scores by criterion and three texts: for the applicant, for the panel, for oneself."""

    version: Count
    scores: dict[str, int | None] = Field(default_factory=dict, max_length=50)
    comment: Text = ""
    panel_comment: Text = ""
    notes: Text = ""


@router.put("/reviews/{code}", response=ReviewOut)
def save_review(request: SignedIn, code: Code, asked: ReviewIn) -> ReviewOut:
    """Keep a review that is being written, complete or not."""
    actions.save_review(given_review(request, code), **asked.dict(), by=request.user, now=now())
    return _review_out(request, code)


@router.post("/reviews/{code}/submit", response=ReviewOut)
def submit_review(request: SignedIn, code: Code, asked: ReviewIn) -> ReviewOut:
    """Hand a review in, or hand it in anew while the panel has not begun."""
    actions.submit_review(given_review(request, code), **asked.dict(), by=request.user, now=now())
    return _review_out(request, code)
