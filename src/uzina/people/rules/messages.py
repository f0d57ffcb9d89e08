"""The life of a message, the kinds there are, and when each leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _
from uzina.people.rules.kinds import Named

DIGEST = "people.digest"
"""The kind of the mail that carries other messages."""

AFTER_FAILURE = tuple(timedelta(minutes=wait) for wait in (1, 5, 15, 60, 240, 480, 720))
"""How long to wait after each failure of the mail server: a day and a bit in all. RFC 5321,
section 4.5.4.1, asks for retries over days; a decision that is a day late has to be seen to."""

NOT_WANTED = _("The person does not want messages of this kind.")
NOT_ACTIVE = _("The person cannot sign in any more.")


class MessageState(States):
    """Where a message stands."""

    HELD = "held", _("Held back"), "quiet"
    QUEUED = "queued", _("Waiting to leave"), "busy"
    SENT = "sent", _("Sent"), "good"
    DIGESTED = "digested", _("Sent in a digest"), "good"
    FAILED = "failed", _("Could not be sent"), "bad"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "quiet"


DELIVERED = (MessageState.SENT, MessageState.DIGESTED)
"""What its reader has got."""

S = MessageState
MESSAGE: Flow[MessageState] = Flow(
    "message",
    {
        "release": Move(S.HELD, to=S.QUEUED),
        "send": Move(S.QUEUED, to=S.SENT),
        "digest": Move(S.QUEUED, to=S.DIGESTED),
        "fail": Move(S.QUEUED, to=S.FAILED),
        "send_again": Move(S.FAILED, to=S.QUEUED),
        "withdraw": Move(S.HELD, S.QUEUED, S.FAILED, to=S.WITHDRAWN),
    },
)

BY_HAND = ("release", "withdraw", "send_again")
"""What an operator does with a message; the worker does the rest."""


class Wish(Named):
    """When a person wants messages of one kind."""

    AT_ONCE = "at_once", _("At once")
    DAILY = "daily", _("In one message a day")
    NEVER = "never", _("Never")


@dataclass(frozen=True)
class MessageKind:
    """One kind of message, declared by the module that writes it.

    name          "<module>.<template>": its text is <module>/mail/<template>.txt, its subject
                  <module>/mail/<template>_subject.txt
    is_mandatory  a decision, a deadline or security: leaves at once, whatever the person wishes
    example       facts to show the template with, made up
    """

    name: str
    title: str
    is_mandatory: bool
    example: Mapping[str, Any]

    @property
    def template(self) -> str:
        """The path of the template, without its end."""
        module, _dot, name = self.name.partition(".")
        return f"{module}/mail/{name}"


_kinds: dict[str, MessageKind] = {}


def declare(name: str, *, title: str, is_mandatory: bool, example: Mapping[str, Any]) -> None:
    """Make a kind of message known. Called once by each module when it is ready."""
    _kinds[name] = MessageKind(name, title, is_mandatory, example)


def message_kind(name: str) -> MessageKind:
    """Return the kind of the name. Raises LookupError when no module declared it."""
    if name not in _kinds:
        msg = f"No module declared messages of the kind {name}."
        raise LookupError(msg)
    return _kinds[name]


def title_of(name: str) -> str:
    """Return the title of a kind; its name where nobody declares it any more."""
    return _kinds[name].title if name in _kinds else name


def message_kinds() -> list[MessageKind]:
    """Return the declared kinds, by name."""
    return [_kinds[name] for name in sorted(_kinds)]


def optional_kinds() -> list[MessageKind]:
    """Return the kinds that a person may have in a digest or not at all."""
    return [one for one in message_kinds() if not one.is_mandatory and one.name != DIGEST]


def retry_after(attempt: int) -> timedelta | None:
    """Return how long to wait after failure number `attempt` (0 is the first); None to give up."""
    return AFTER_FAILURE[attempt] if attempt < len(AFTER_FAILURE) else None


def next_digest(now: datetime, *, hour: int, zone: str) -> datetime:
    """Return the next instant at which digests leave: the hour of the factory's clock, after now.

    An hour that the clock skips that night is taken an hour later, one that it repeats the first
    time.
    """
    local = now.astimezone(ZoneInfo(zone))
    at = local.replace(hour=hour, minute=0, second=0, microsecond=0, fold=0)
    if at.astimezone(UTC) <= now:
        at = (at + timedelta(days=1)).replace(fold=0)
    return at.astimezone(UTC)
