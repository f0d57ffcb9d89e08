"""Participants of a data space: registered by an operator, and stopped."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.db import IntegrityError, transaction

from uzina.catalogue.models import Participant
from uzina.catalogue.rules import dataspace, odrl
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people
from uzina.people.models import Person

LONGEST_NAME = 200


@dataclass(frozen=True)
class Registered:
    """A participant, and the token it signs in with: shown this once, never kept."""

    participant: Participant
    secret: str


@action
def register_participant(
    *,
    name: str,
    participant_id: str,
    kind: str,
    country: str,
    callback_base: str,
    by: Person,
    now: datetime,
) -> Registered:
    """Let an organisation of a data space speak with us, and make its token.

    A bearer token per participant is our first scheme of credentials; the Decentralized Claims
    Protocol can take its place without a change to what follows.

    Raises NotAllowed participant.register.not_operator, Invalid with every mistake.
    """
    if not people.is_operator(by):
        raise NotAllowed(
            "participant.register.not_operator",
            _("Only operators register participants of a data space."),
        )
    problems = _problems(name, participant_id, kind, country, callback_base)
    if problems:
        raise Invalid(problems)
    secret = secrets.token_urlsafe(32)
    participant = Participant(
        name=name.strip(),
        participant_id=participant_id,
        kind=kind,
        country=country,
        callback_base=callback_base.rstrip("/"),
        token_digest=hashlib.sha256(secret.encode()).hexdigest(),
        registered_by=by,
        registered_at=now,
    )
    try:
        with transaction.atomic():
            participant.save()
    except IntegrityError as race:
        raise Invalid(
            [
                Problem(
                    "participant_id",
                    "participant.id.taken",
                    _("A participant of this name in the data space is registered already."),
                )
            ]
        ) from race
    log("participant.registered", participant.code, by=by, now=now, id=participant_id)
    return Registered(participant, secret)


def _problems(
    name: str, participant_id: str, kind: str, country: str, callback_base: str
) -> list[Problem]:
    answers = (
        (
            "name",
            bool(name.strip()) and len(name) <= LONGEST_NAME and name.isprintable(),
            _("Give the organisation's name, on one line."),
        ),
        (
            "participant_id",
            bool(re.fullmatch(r"[!-~]{1,200}", participant_id)),
            _("Give its name in the data space, such as did:web:example.org, without spaces."),
        ),
        (
            "kind",
            kind in odrl.ORGANISATION_KINDS,
            _("Choose its kind: startup, sme, university and so on."),
        ),
        (
            "country",
            bool(re.fullmatch("[A-Z]{2}", country)),
            _("Give its country by two letters, such as RO."),
        ),
        (
            "callback_base",
            is_callback(callback_base),
            _(
                "Give the web address that its callbacks begin with, without a question or a sign-in."
            ),
        ),
    )
    return [
        Problem(field, f"participant.{field}.form", message)
        for field, is_good, message in answers
        if not is_good
    ]


def is_callback(url: str) -> bool:
    """Tell whether an address could take messages."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return False
    return (
        len(url) <= 300
        and bool(re.fullmatch(r"[!-~]+", url))
        and parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and not (parts.username or parts.password or parts.query or parts.fragment)
        and ".." not in parts.path
        and "\\" not in url
    )


@action
def stop_participant(participant: Participant, *, by: Person, now: datetime) -> Participant:
    """Listen to a participant no more; what it fetches stops at once. Again is harmless.

    Raises NotAllowed participant.stop.not_operator.
    """
    if not people.is_operator(by):
        raise NotAllowed(
            "participant.stop.not_operator",
            _("Only operators stop participants of a data space."),
        )
    participant = Participant.objects.select_for_update().get(pk=participant.pk)
    if participant.stopped_at is None:
        participant.stopped_at = now
        participant.save(update_fields=["stopped_at"])
        log("participant.stopped", participant.code, by=by, now=now)
    return participant


def check_pid(pid: str) -> None:
    """Raise Refused negotiation.request.pid for a pid that cannot be kept or sent on."""
    if not 1 <= len(pid) <= dataspace.LONGEST_PID or not pid.isascii() or not pid.isprintable():
        raise Refused(
            "negotiation.request.pid",
            _("Give a consumerPid of up to {most} plain characters."),
            most=dataspace.LONGEST_PID,
        )


def check_callback(participant: Participant, callback: str) -> None:
    """Raise Refused negotiation.request.callback unless the address is the participant's."""
    base = participant.callback_base
    is_theirs = callback.rstrip("/") == base or callback.startswith(f"{base}/")
    if not is_callback(callback) or not is_theirs:
        raise Refused(
            "negotiation.request.callback",
            _("The callbackAddress is not below the address that was registered for you."),
        )
