"""Writing messages, letting them leave, and holding them back.

Nothing here speaks to a mail server: the worker does, outside every transaction (tasks.py).
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.template import Context, loader
from django.utils import timezone, translation
from django.utils.translation import gettext

from uzina.core.charts import day_words
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.promises import promise, promise_many
from uzina.core.text import _
from uzina.people import access, queries, rules
from uzina.people.models import Message, MessageWish, Person

AT_ONCE = 500
"""So many rows in one statement."""

LONGEST_SUBJECT = 255
LONGEST_REASON = 500
WISHES = "/account/messages/wishes/"
"""Where a person chooses which messages to get."""


@action
def write_message(
    to: Person,
    *,
    kind: str,
    facts: Mapping[str, Any],
    about: str,
    key: str,
    now: datetime,
    batch: str = "",
    is_held: bool = False,
) -> Message:
    """Write a message in the person's language and promise that it leaves.

    facts    what the templates of the kind speak of. Instants are written in the language and in
             the factory's time zone; `path` becomes `address`, a whole address of the portal;
             `person` and `site` are there already
    key      the same key is the same message: what was kept is returned
    is_held  keep it until it is released

    Raises LookupError for a kind that no module declared.
    """
    kept: Message | None = Message.objects.filter(key=key).first()
    if kept is not None:
        return kept
    subject, body = render(rules.message_kind(kind), to, facts)
    wait = timedelta(seconds=settings.UZINA.mail.hold_s)
    state = rules.MessageState.HELD if is_held else rules.MessageState.QUEUED

    message, is_new = Message.objects.get_or_create(
        key=key,
        defaults={
            "to": to,
            "kind": kind,
            "about": about,
            "batch": batch,
            "language": to.language,
            "subject": subject,
            "body": body,
            "state": state,
            "made_at": now,
            "send_after": now + wait,
        },
    )
    if is_new and not is_held:
        _promise(message, now=now, after=wait)
    return message  # type: ignore[no-any-return]


def render(kind: rules.MessageKind, to: Person, facts: Mapping[str, Any]) -> tuple[str, str]:
    """Return subject and text of a message in the person's language.

    The subject is one line of printable letters, whatever names and titles are in it: nothing
    that a person typed can end a header.
    """
    site = settings.UZINA.site
    with translation.override(to.language):
        words = {
            name: moment_words(value) if isinstance(value, datetime) else value
            for name, value in facts.items()
        }
        context = {"person": to, "site": site, **words}
        if "path" in facts:
            context["address"] = f"{site.url}{facts['path']}"
        subject, body = (
            loader.get_template(f"{kind.template}{end}").template.render(  # type: ignore[attr-defined]
                Context(context, autoescape=False)
            )
            for end in ("_subject.txt", ".txt")
        )
        if kind.name == rules.DIGEST or not kind.is_mandatory:
            body = (
                f"{body.rstrip()}\n\n{gettext('Choose which messages you get:')} {site.url}{WISHES}"
            )
    return one_line(subject)[:LONGEST_SUBJECT], body.replace("\x00", "").strip() + "\n"


def one_line(text: str) -> str:
    """Return the text on one line, without control characters."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def moment_words(at: datetime) -> str:
    """Write an instant in the language at hand and the factory's time zone, which is named."""
    local = timezone.localtime(at)
    return f"{day_words(local, 'j F Y')}, {local:%H:%M %Z}"


@action
def take_message(code: str, *, attempt: int, now: datetime) -> Message | None:
    """Return a message that is to leave now; None when it is not, or when it waits for a digest.

    Asks at the last moment what the person wants, and whether there still is somebody.
    """
    message = _locked(code)
    is_due = message.state is rules.MessageState.QUEUED and not message.for_digest
    if not is_due or message.attempts != attempt:
        return None
    wish = queries.wish(message.to, message.kind)
    if not message.to.is_active or wish is rules.Wish.NEVER:
        _drop(message, now=now)
        return None
    if wish is rules.Wish.DAILY:
        message.for_digest = True
        message.send_after = rules.next_digest(
            now, hour=settings.UZINA.mail.digest_hour, zone=settings.UZINA.site.timezone
        )
        message.save(update_fields=["for_digest", "send_after"])
        return None
    return message


@action
def note_sent(code: str, *, now: datetime) -> Message:
    """Note that the mail server took a message. Noting it again changes nothing."""
    message = _locked(code)
    if message.state is rules.MessageState.SENT:
        return message
    message.state, message.sent_at = rules.MESSAGE.after("send", message.state), now
    message.note = ""

    message.save(update_fields=["state", "sent_at", "note"])
    log("message.sent", message.code, by=None, now=now, kind=message.kind, about=message.about)
    return message


@action
def note_not_sent(
    code: str, *, attempt: int, reason: str, is_final: bool, now: datetime
) -> Message:
    """Note that the mail server did not take a message, and promise the next attempt.

    is_final  it will never take this one; else it is tried again for a day
    """
    message = _locked(code)
    if message.state is not rules.MessageState.QUEUED or message.attempts != attempt:
        return message
    wait = None if is_final else rules.retry_after(attempt)
    message.attempts, message.note = attempt + 1, reason[:2000]

    if wait is None:
        message.state = rules.MESSAGE.after("fail", message.state)
        log("message.failed", message.code, by=None, now=now, kind=message.kind)
    else:
        message.send_after = now + wait
        _promise(message, now=now, after=wait)
    message.save(update_fields=["attempts", "note", "state", "send_after"])
    return message


@action
def write_digest(person: Person, *, now: datetime) -> Message | None:
    """Put what waits for the person's digest into one message. None when nothing waits any more."""
    waiting = list(
        Message.objects.select_for_update()
        .filter(to=person, state=rules.MessageState.QUEUED, for_digest=True, send_after__lte=now)
        .order_by("pk")
    )
    wishes = queries.wishes(person)
    wanted = []
    for message in waiting:
        message.to = person
        if not person.is_active or wishes.get(message.kind) is rules.Wish.NEVER:
            _drop(message, now=now)
        else:
            wanted.append(message)
    if not wanted:
        return None

    Message.objects.filter(pk__in=[one.pk for one in wanted]).update(
        state=rules.MESSAGE.after("digest", rules.MessageState.QUEUED), sent_at=now
    )
    return write_message(
        person,
        kind=rules.DIGEST,
        facts={"messages": wanted, "count": len(wanted), "path": "/account/messages/"},
        about="",
        key=f"digest.{wanted[0].code}",
        now=now,
    )


@action
def release_message(message: Message, *, by: Person | None, now: datetime) -> Message:
    """Let a message leave that was held back.

    Raises NotAllowed message.release.not_operator, Refused message.release.not_now.
    """
    _check_operator(by, "release")
    message = _locked(message.code)
    message.state = rules.MESSAGE.after("release", message.state)

    _release(message, now=now)
    log("message.released", message.code, by=by, now=now)
    return message


@action
def release_batch(batch: str, *, by: Person | None, now: datetime) -> int:
    """Let all messages of a batch leave that are held back, and say how many.

    Raises NotAllowed message.release.not_operator.
    """
    _check_operator(by, "release")
    held = Message.objects.select_for_update().filter(batch=batch, state=rules.MessageState.HELD)
    released = list(held.order_by("pk")) if batch else []
    after = timedelta(seconds=settings.UZINA.mail.hold_s)
    for start in range(0, len(released), AT_ONCE):
        part = released[start : start + AT_ONCE]
        Message.objects.filter(pk__in=[one.pk for one in part]).update(
            state=rules.MESSAGE.after("release", rules.MessageState.HELD), send_after=now + after
        )
        promise_many("people.send_message", each=dict(map(_promised, part)), now=now + after)
    if released:
        log("message.batch_released", batch[:80], by=by, now=now, messages=len(released))
    return len(released)


@action
def withdraw_message(message: Message, *, reason: str, by: Person | None, now: datetime) -> Message:
    """Keep a message from leaving, and say why.

    Raises NotAllowed message.withdraw.not_operator, Refused message.withdraw.not_now, Invalid.
    """
    _check_operator(by, "withdraw")
    message = _locked(message.code)
    state = rules.MESSAGE.after("withdraw", message.state)
    if not reason.strip() or len(reason) > LONGEST_REASON:
        raise Invalid(
            [
                Problem(
                    "reason",
                    "message.withdraw.reason",
                    _("Write the reason in at most {most} letters."),
                    {"most": LONGEST_REASON},
                )
            ]
        )

    message.state, message.note = state, reason.strip()
    message.save(update_fields=["state", "note"])
    log("message.withdrawn", message.code, by=by, now=now, reason=message.note)
    return message


@action
def send_again(message: Message, *, by: Person, now: datetime) -> Message:
    """Try a message anew that could not be sent.

    Raises NotAllowed message.send_again.not_operator, Refused message.send_again.not_now.
    """
    _check_operator(by, "send_again")
    message = _locked(message.code)
    message.state = rules.MESSAGE.after("send_again", message.state)

    _release(message, now=now)
    log("message.sent_again", message.code, by=by, now=now)
    return message


@action
def wish_for(person: Person, *, kind: str, wish: rules.Wish, by: Person, now: datetime) -> None:
    """Keep when a person wants messages of a kind. The digest's kind stands for all kinds.

    Raises NotAllowed message.wish.not_yours, Invalid for a kind that everybody gets at once.
    """
    if by.pk != person.pk:
        raise NotAllowed("message.wish.not_yours", _("Everybody chooses for themselves."))
    optional = {one.name for one in rules.optional_kinds()}
    names = sorted(optional) if kind == rules.DIGEST else [kind]
    if not optional.issuperset(names):
        raise Invalid(
            [
                Problem(
                    "kind",
                    "message.wish.mandatory",
                    _("Messages of this kind leave at once: decisions, deadlines, security."),
                )
            ]
        )

    for name in names:
        MessageWish.objects.update_or_create(
            person=person, kind=name, defaults={"wish": wish.value}
        )
    log("message.wish_kept", person.code, by=by, now=now, kind=kind, wish=wish.value)


def _locked(code: str) -> Message:
    return (
        Message.objects.select_for_update(of=("self",))  # type: ignore[no-any-return]
        .select_related("to")
        .get(code=code)
    )


def _release(message: Message, *, now: datetime) -> None:
    wait = timedelta(seconds=settings.UZINA.mail.hold_s)
    message.send_after, message.note = now + wait, ""
    message.save(update_fields=["state", "send_after", "note"])
    _promise(message, now=now, after=wait)


def _promise(message: Message, *, now: datetime, after: timedelta) -> None:
    key, args = _promised(message)
    promise("people.send_message", key=key, now=now, after=after, **args)


def _promised(message: Message) -> tuple[str, dict[str, Any]]:
    """Return the key and the arguments of the promise to send a message, of its newest attempt."""
    key = f"message:{message.code}:{message.attempts}"
    return key, {"message": message.code, "attempt": message.attempts}


def _drop(message: Message, *, now: datetime) -> None:
    """Withdraw a message nobody is to get. The reason is kept in words that are marked only."""
    message.state = rules.MESSAGE.after("withdraw", message.state)
    message.note = rules.NOT_WANTED if message.to.is_active else rules.NOT_ACTIVE
    message.save(update_fields=["state", "note"])
    log("message.withdrawn", message.code, by=None, now=now, reason=message.note)


def _check_operator(by: Person | None, verb: str) -> None:
    if not access.is_operator(by):
        raise NotAllowed(
            f"message.{verb}.not_operator", _("Only an operator can do this with messages.")
        )
