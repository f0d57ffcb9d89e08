"""Bids for reviews, the topics they are about, and the applicant's reply to reviewers."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.applications import visible_application
from uzina.calls.api.reviews import ReviewReasonIn, Text
from uzina.calls.api.shared import Code, Cursor, language
from uzina.calls.models import Application
from uzina.calls.rules import modes, reviews
from uzina.calls.rules.steps import StepKind
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class BidOut(Schema):
    """An application one may bid for, without names. value: 2 gladly, 1 if need be, 0 rather not."""

    code: str
    call: str
    title: str
    summary: str
    topics: list[str]
    value: int | None


def _bid_out(application: Application, names: list[str]) -> BidOut:
    mine = application.my_bids  # type: ignore[attr-defined]
    return BidOut(
        code=application.code,
        call=application.call.slug,
        title=reviews.blinded(application.title, names),
        summary=queries.summary_of(application, names),
        topics=list(queries.about(application)),
        value=mine[0].value if mine else None,
    )


@router.get("/bids", response=Page[BidOut])
def list_bids(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """What one may bid for, newest first."""
    page = paged(queries.biddable_by(request.user), limit=limit, cursor=cursor)
    names = queries.names_in(page["items"])
    return page | {"items": [_bid_out(one, names[one.code]) for one in page["items"]]}


def _biddable(request: SignedIn, code: str) -> Application:
    found: Application = get_object_or_404(queries.biddable_by(request.user), code=code)
    return found


class BidIn(Schema):
    """2 gladly, 1 if need be, 0 rather not."""

    value: Annotated[int, Field(ge=0, le=2)]


@router.put("/bids/{code}", response=BidOut)
def bid(request: SignedIn, code: Code, asked: BidIn) -> BidOut:
    """Say how gladly one would review an application."""
    actions.bid(_biddable(request, code), value=asked.value, by=request.user, now=now())
    found = _biddable(request, code)
    return _bid_out(found, queries.names_in([found])[found.code])


@router.post("/bids/{code}/conflict", response={204: None})
def declare_bid_conflict(request: SignedIn, code: Code, asked: ReviewReasonIn) -> Any:
    """Declare a conflict of interest with an application one could bid for."""
    actions.declare_conflict(
        _biddable(request, code), reason=asked.reason, by=request.user, now=now()
    )
    return Status(204, None)


class TopicOut(Schema):
    """One topic of the factory's list."""

    slug: str
    title: str
    erc: list[str]


@router.get("/topics", response=list[TopicOut])
def list_topics(request: SignedIn) -> Any:
    """The topics that reviewers know and applications are about."""
    return [
        TopicOut(slug=slug, title=modes.in_language(topic.title, language()), erc=list(topic.erc))
        for slug, topic in queries.topics().items()
    ]


class CommentOut(Schema):
    """What a reviewer wrote to the applicant; reviewer is null where they are not named."""

    comment: str
    reviewer: str | None


class ReplyOut(Schema):
    """The reviewers' comments, and the reply to them. reply_by is null once it is too late."""

    application: str
    comments: list[CommentOut]
    reply: str | None
    replied_at: datetime | None
    reply_by: datetime | None


def _reply_out(request: SignedIn, code: str) -> ReplyOut:
    application = visible_application(request, code)
    comments = queries.comments_for_applicant(application)
    if application.applicant_id != request.user.pk or not comments:
        raise Http404
    step = queries.step_under_way(application)
    is_open = step is not None and step.kind == StepKind.RIGHT_TO_REPLY
    scoring = application.call.mode.scoring
    is_named = scoring is not None and scoring.blind == "none"
    made = getattr(application, "reply", None)
    return ReplyOut(
        application=application.code,
        comments=[
            CommentOut(comment=one.comment, reviewer=one.reviewer.name if is_named else None)
            for one in comments
        ],
        reply=made.text if made else None,
        replied_at=made.made_at if made else None,
        reply_by=step.due_at if step is not None and is_open else None,
    )


@router.get("/applications/{code}/reply", response=ReplyOut)
def show_reply(request: SignedIn, code: Code) -> ReplyOut:
    """What the reviewers wrote of one's application, and one's reply."""
    return _reply_out(request, code)


class ReplyIn(Schema):
    """The reply; it can be sent once."""

    text: Text


@router.post("/applications/{code}/reply", response=ReplyOut)
def send_reply(request: SignedIn, code: Code, asked: ReplyIn) -> ReplyOut:
    """Reply to the reviewers' comments, before the panel meets."""
    _reply_out(request, code)
    actions.reply(visible_application(request, code), text=asked.text, by=request.user, now=now())
    return _reply_out(request, code)


@router.post("/applications/{code}/reply/waive", response=ReplyOut)
def waive_reply(request: SignedIn, code: Code) -> ReplyOut:
    """Go on without a reply."""
    _reply_out(request, code)
    actions.waive_reply(visible_application(request, code), by=request.user, now=now())
    return _reply_out(request, code)
