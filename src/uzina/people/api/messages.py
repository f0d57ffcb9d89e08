"""The API of messages."""

from datetime import datetime
from typing import Annotated, Literal

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Query, Router, Schema
from pydantic import Field

from uzina.core.inputs import Line, ShortLine
from uzina.core.paging import Page, paged
from uzina.people import actions, queries, rules
from uzina.people.models import Message
from uzina.people.types import SignedIn

router = Router(tags=["people"])


class MessageOut(Schema):
    code: str
    to: str
    kind: str
    about: str
    batch: str
    state: rules.MessageState
    language: str
    subject: str
    made_at: datetime
    send_after: datetime
    sent_at: datetime | None
    note: str
    allowed: list[str]

    @staticmethod
    def resolve_to(message: Message) -> str:
        return message.to.code

    @staticmethod
    def resolve_allowed(message: Message) -> list[str]:
        return [verb for verb in rules.MESSAGE.verbs(message.state) if verb in rules.BY_HAND]


class MessageDetail(MessageOut):
    body: str


class WithdrawalIn(Schema):
    reason: Annotated[str, Field(max_length=500)]


class BatchIn(Schema):
    batch: Line


class Released(Schema):
    messages: int


class WishBody(Schema):
    kind: ShortLine
    wish: rules.Wish


@router.get("/messages", response=Page[MessageOut])
def messages(
    request: SignedIn,
    state: Literal["", "held", "queued", "sent", "digested", "failed", "withdrawn"] = "",
    kind: Annotated[str, Query(max_length=60)] = "",
    about: Annotated[str, Query(max_length=40)] = "",
    batch: Annotated[str, Query(max_length=80)] = "",
    limit: int = 50,
    cursor: str = "",
):
    """List the messages you have got; operators and auditors see all, those that wait too."""
    wanted = {"state": state, "kind": kind, "about": about, "batch": batch}
    visible = queries.messages_seen_by(request.user, wanted)
    return paged(visible, limit=limit, cursor=cursor)


@router.get("/messages/wishes", response=list[WishBody])
def wishes(request: SignedIn):
    """Say when you want messages of each kind that you may choose for."""
    kept = queries.wishes(request.user)
    return [
        {"kind": one.name, "wish": kept.get(one.name, rules.Wish.AT_ONCE)}
        for one in rules.optional_kinds()
    ]


@router.post("/messages/wishes", response=list[WishBody])
def wish(request: SignedIn, body: WishBody):
    """Choose when you want messages of one kind."""
    actions.wish_for(request.user, kind=body.kind, wish=body.wish, by=request.user, now=now())
    return wishes(request)


@router.post("/messages/release", response=Released)
def release_batch(request: SignedIn, body: BatchIn):
    """Let all messages of a batch leave that are held back."""
    return {"messages": actions.release_batch(body.batch, by=request.user, now=now())}


@router.get("/messages/{code}", response=MessageDetail)
def message(request: SignedIn, code: str):
    """Show one message as it leaves."""
    return _found(request, code)


@router.post("/messages/{code}/release", response=MessageOut)
def release(request: SignedIn, code: str):
    """Let a message leave that is held back."""
    return actions.release_message(_found(request, code), by=request.user, now=now())


@router.post("/messages/{code}/withdraw", response=MessageOut)
def withdraw(request: SignedIn, code: str, body: WithdrawalIn):
    """Keep a message from leaving, and say why."""
    return actions.withdraw_message(
        _found(request, code), reason=body.reason, by=request.user, now=now()
    )


@router.post("/messages/{code}/send-again", response=MessageOut)
def send_again(request: SignedIn, code: str):
    """Try a message anew that could not be sent."""
    return actions.send_again(_found(request, code), by=request.user, now=now())


def _found(request: SignedIn, code: str) -> Message:
    visible = Message.objects.visible_to(request.user).select_related("to")
    return get_object_or_404(visible, code=code)
