"""Who may use data for what until when: purposes, and the life of a request for access."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from uzina.catalogue.rules.texts import text_problems
from uzina.core.errors import Problem
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

LONGEST_WHY = 4_000

LONGEST_LEGAL_BASIS = 500

LONGEST_GRANT = timedelta(days=5 * 366)
"""Nobody is let in for longer than that at once: who still needs the data then asks again."""

REMIND_AFTER_DAYS = (5, 15, 30)
"""Days without an answer after which whoever decides is reminded."""

WARN_BEFORE = timedelta(days=7)
"""How long before its end those who use a grant are told."""


class AccessState(States):
    """Where a request for access stands."""

    ASKED = "asked", _("Waiting for an answer"), "busy"
    GRANTED = "granted", _("Access granted"), "good"
    REFUSED = "refused", _("Refused"), "bad"
    WITHDRAWN = "withdrawn", _("Withdrawn"), "quiet"
    ENDED = "ended", _("Ended"), "quiet"
    REVOKED = "revoked", _("Revoked"), "bad"


S = AccessState

ACCESS: Flow[AccessState] = Flow(
    "access",
    {
        "grant": Move(S.ASKED, to=S.GRANTED),
        "refuse": Move(S.ASKED, to=S.REFUSED),
        "withdraw": Move(S.ASKED, to=S.WITHDRAWN),
        "revoke": Move(S.GRANTED, to=S.REVOKED),
        "end": Move(S.GRANTED, to=S.ENDED),
    },
)

BY_DECIDERS = ("grant", "refuse", "revoke")
BY_ASKERS = ("withdraw", "end")
"""An asker ends a grant early; the factory ends it when its time is over."""


class UseKind(States):
    """How restricted bytes left the store."""

    JOB = "job", _("In a job"), "quiet"
    DOWNLOAD = "download", _("Download"), "quiet"
    PREVIEW = "preview", _("Sample and statistics"), "quiet"
    TRANSFER = "transfer", _("Transfer to another data space"), "quiet"


@dataclass(frozen=True)
class Purpose:
    """What data is used for: a term of the Data Privacy Vocabulary."""

    code: str
    iri: str
    en: str
    ro: str
    plain_en: str
    plain_ro: str
    broader: str = ""

    def label(self, language: str) -> str:
        """Return the name in a language of the portal."""
        return self.ro if language == "ro" else self.en

    def plain(self, language: str) -> str:
        """Return what it means, in one sentence."""
        return self.plain_ro if language == "ro" else self.plain_en


PURPOSES: Mapping[str, Purpose] = {
    one["code"]: Purpose(**one)
    for one in tomllib.loads(
        (Path(__file__).parent.parent / "purposes.toml").read_text(encoding="utf-8")
    )["purpose"]
}


def broader(code: str) -> tuple[str, ...]:
    """Return a purpose and those it is a part of, itself first."""
    found = []
    while code:
        found.append(code)
        code = PURPOSES[code].broader
    return tuple(found)


def is_running(state: AccessState, until: datetime, now: datetime) -> bool:
    """Tell whether a grant lets anybody in now: from its grant up to, not including, its end."""
    return state is AccessState.GRANTED and now < until


def request_problems(
    given: Mapping[str, Any], *, needs_basis: bool, now: datetime
) -> list[Problem]:
    """Return every mistake in a request: purpose, why, legal_basis, place, until."""
    problems = []
    if given["purpose"] not in PURPOSES:
        problems.append(purpose_problem("purpose", given["purpose"]))
    problems += text_problems("why", given["why"], longest=LONGEST_WHY, is_needed=True)
    problems += text_problems(
        "legal_basis", given["legal_basis"], longest=LONGEST_LEGAL_BASIS, is_needed=needs_basis
    )
    place = given["place"]
    if not (len(place) == 2 and place.isascii() and place.isalpha() and place.isupper()):
        problems.append(
            Problem(
                "place",
                "access.place.form",
                _("Name the country where the data is processed by two letters, such as RO."),
            )
        )
    return problems + until_problems(given["until"], now=now)


def purpose_problem(field: str, given: str) -> Problem:
    """Return what to say of a purpose that is not in the list."""
    return Problem(
        field,
        "access.purpose.unknown",
        _("{given!r} is not a purpose of the list. Choose one of: {known}."),
        {"given": str(given)[:60], "known": ", ".join(PURPOSES)},
    )


def until_problems(until: datetime, *, now: datetime) -> list[Problem]:
    """Return what is wrong with the end of a request."""
    if now < until <= now + LONGEST_GRANT:
        return []
    return [
        Problem(
            "until",
            "access.until.range",
            _("Ask for a time that ends after now and within five years."),
        )
    ]
