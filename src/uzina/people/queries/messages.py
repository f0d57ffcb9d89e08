"""Reads about messages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.core import signing
from django.db.models import Count, QuerySet

from uzina.people import rules
from uzina.people.models import Message, MessageWish, Person

UNSUBSCRIBE = "people.unsubscribe"
"""What tokens of the link in a mail are signed for. They do not end: mail is kept for years."""


def unsubscribe_token(person: Person, kind: str) -> str:
    """Return what stands in the link by which the person stops messages of a kind."""
    return signing.dumps([person.code, kind], salt=UNSUBSCRIBE)


def unsubscribing(token: str) -> tuple[Person, rules.MessageKind] | None:
    """Return who stops messages of which kind by a token.

    None for a token that is not ours, for somebody who left and for a kind nobody can stop.
    """
    try:
        code, kind = signing.loads(token, salt=UNSUBSCRIBE)
        found = rules.message_kind(kind)
    except (signing.BadSignature, LookupError):
        return None
    person: Person | None = Person.objects.filter(code=code, is_active=True).first()
    return None if person is None or found.is_mandatory else (person, found)


def messages_about(code: str, person: Person | None = None) -> QuerySet[Message]:
    """Return the messages about a thing that somebody has got, oldest first; one person's only."""
    found = Message.objects.filter(about=code, state__in=rules.DELIVERED)
    if person is not None:
        found = found.filter(to=person)
    return found.select_related("to").order_by("sent_at", "pk")  # type: ignore[no-any-return]


def messages_seen_by(person: Person, wanted: Mapping[str, str]) -> QuerySet[Message]:
    """Return what the person may see of the messages, those that fit only.

    wanted  values by column: state, kind, about, batch; an empty one asks for nothing
    """
    asked = {name: value for name, value in wanted.items() if value}
    return Message.objects.visible_to(person).filter(**asked).select_related("to")  # type: ignore[no-any-return]


def wishes(person: Person) -> dict[str, rules.Wish]:
    """Return what the person wants, by kind; what is not named is wanted at once. One query."""
    rows = MessageWish.objects.filter(person=person).values_list("kind", "wish")
    return {kind: rules.Wish(wish) for kind, wish in rows}


def wish(person: Person, kind: str) -> rules.Wish:
    """Return when a message of the kind is to leave for the person."""
    if rules.message_kind(kind).is_mandatory or kind == rules.DIGEST:
        return rules.Wish.AT_ONCE
    row = MessageWish.objects.filter(person=person, kind=kind).values_list("wish", flat=True)
    return rules.Wish(row[0]) if row else rules.Wish.AT_ONCE


def held_batches() -> list[dict[str, Any]]:
    """Return the batches with messages held back, and how many each."""
    held = Message.objects.filter(state=rules.MessageState.HELD).exclude(batch="")
    return [dict(row) for row in held.values("batch").annotate(count=Count("pk")).order_by("batch")]


def failed_messages() -> int:
    """Return how many messages could not be sent and wait for an operator."""
    return Message.objects.filter(state=rules.MessageState.FAILED).count()


def awaiting_digest(now: datetime) -> QuerySet[Person]:
    """Return the people whose digest is due."""
    due = Message.objects.filter(
        state=rules.MessageState.QUEUED, for_digest=True, send_after__lte=now
    )
    return Person.objects.filter(pk__in=due.values("to")).order_by("pk")  # type: ignore[no-any-return]
