"""State aid: what counts as aid, and how much of it an undertaking may get."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from uzina.calls.rules.modes import Mode
from uzina.core.errors import Refused
from uzina.core.text import _

DE_MINIMIS = "de_minimis"
AID_BASES_OF_AID = frozenset({DE_MINIMIS, "gber_28"})
"""Bases under which a free award is aid. Union share: given by a Union body, no State aid."""

BASIS_LABELS = {
    DE_MINIMIS: _("De minimis aid"),
    "gber_28": _("Innovation aid for SMEs (Regulation (EU) No 651/2014, Article 28)"),
    "union_share": _("Union share of the machine: no State aid"),
    "none": _("No aid"),
}

INSTRUMENT = "Subsidised services: access to computing time"
"""The aid instrument, as the register of de minimis aid asks for it."""

MS_PER_HOUR = 3_600_000
FEBRUARY, LEAP_DAY = 2, 29


@dataclass(frozen=True)
class Ceiling:
    """What one undertaking may get from one Member State over so many years, from a day on."""

    valid_from: date
    eur_cents: int
    years: int
    warn_percent: int
    source: str


@dataclass(frozen=True)
class Grant:
    """One grant of de minimis aid."""

    granted_on: date
    eur_cents: int


@dataclass(frozen=True)
class Standing:
    """Where an undertaking stands on a day, before and after what it would get.

    free_on  the first day on which what it would get fits, with nothing else granted; None: today
             or never
    """

    ceiling: Ceiling
    received_eur_cents: int
    asked_eur_cents: int
    free_on: date | None

    @property
    def total_eur_cents(self) -> int:
        """What it would have with what is asked."""
        return self.received_eur_cents + self.asked_eur_cents

    @property
    def left_eur_cents(self) -> int:
        """What it may still get."""
        return max(0, self.ceiling.eur_cents - self.received_eur_cents)

    @property
    def passes(self) -> bool:
        """Tell whether the ceiling would be passed. Exactly at it is within it."""
        return self.total_eur_cents > self.ceiling.eur_cents

    @property
    def is_near(self) -> bool:
        """Tell whether it would come near the ceiling or beyond it."""
        return self.total_eur_cents * 100 >= self.ceiling.eur_cents * self.ceiling.warn_percent


def parse_ceilings(raw: Mapping[str, Any]) -> tuple[Ceiling, ...]:
    """Return the ceilings of aid.toml, oldest first."""
    rows = [Ceiling(**row) for row in raw["de_minimis"]]
    return tuple(sorted(rows, key=lambda one: one.valid_from))


def ceiling_on(day: date, ceilings: Sequence[Ceiling]) -> Ceiling:
    """Return the ceiling that holds on a day; before the first one, the first."""
    valid = [one for one in ceilings if one.valid_from <= day]
    return valid[-1] if valid else ceilings[0]


def last_day(granted_on: date, *, years: int) -> date:
    """Return the last day on which a grant counts.

    A period of years that runs from an event does not count the day of the event and ends with
    the last hour of the same date, or of the last day of a shorter month: Regulation (EEC,
    Euratom) No 1182/71, Article 3(1) and (2)(c). So what was granted on 30 June 2023 counts on 30
    June 2026 and no longer on 1 July 2026.
    """
    if (granted_on.month, granted_on.day) == (FEBRUARY, LEAP_DAY):
        return (granted_on + timedelta(days=1)).replace(year=granted_on.year + years) - timedelta(
            days=1
        )
    return granted_on.replace(year=granted_on.year + years)


def counts(granted_on: date, day: date, *, years: int) -> bool:
    """Tell whether a grant counts on a day."""
    return granted_on <= day <= last_day(granted_on, years=years)


def received(grants: Iterable[Grant], day: date, *, years: int) -> int:
    """Return what counts on a day, euro cents."""
    return sum(one.eur_cents for one in grants if counts(one.granted_on, day, years=years))


def standing(
    grants: Sequence[Grant], *, asked_eur_cents: int, day: date, ceilings: Sequence[Ceiling]
) -> Standing:
    """Return where an undertaking stands with what it asks for on a day."""
    ceiling = ceiling_on(day, ceilings)
    now = received(grants, day, years=ceiling.years)
    free_on = None
    if now + asked_eur_cents > ceiling.eur_cents >= asked_eur_cents:
        free_on = _free_on(grants, asked_eur_cents, day, ceiling)
    return Standing(ceiling, now, asked_eur_cents, free_on)


def _free_on(grants: Sequence[Grant], asked: int, day: date, ceiling: Ceiling) -> date | None:
    for one in sorted(grants, key=lambda grant: grant.granted_on):
        free = last_day(one.granted_on, years=ceiling.years) + timedelta(days=1)
        if free > day and received(grants, free, years=ceiling.years) + asked <= ceiling.eur_cents:
            return free
    return None


def check_ceiling(found: Standing, *, verb: str) -> None:
    """Raise Refused award.<verb>.de_minimis_ceiling where it would be passed."""
    if not found.passes:
        return
    facts = {
        "asked_eur": euros(found.asked_eur_cents),
        "received_eur": euros(found.received_eur_cents),
        "ceiling_eur": euros(found.ceiling.eur_cents),
        "years": found.ceiling.years,
        "left_eur": euros(found.left_eur_cents),
    }
    if found.free_on is None:
        raise Refused(
            f"award.{verb}.de_minimis_ceiling",
            _(
                "This is worth {asked_eur} euro of de minimis aid. With {received_eur} euro in the "
                "last {years} years it would pass the ceiling of {ceiling_eur} euro. Ask the "
                "factory for at most {left_eur} euro, or for another basis."
            ),
            **facts,
        )
    raise Refused(
        f"award.{verb}.de_minimis_ceiling",
        _(
            "This is worth {asked_eur} euro of de minimis aid. With {received_eur} euro in the last "
            "{years} years it would pass the ceiling of {ceiling_eur} euro. Ask the factory for at "
            "most {left_eur} euro, for another basis, or to wait until {free_on}."
        ),
        **facts,
        free_on=found.free_on.isoformat(),
    )


def euros(cents: int) -> str:
    """Return cents as euro for a sentence, read the same in both languages: 300 000.00."""
    return f"{cents / 100:,.2f}".replace(",", "\u202f")


def value_eur_cents(mode: Mode, gpu_ms: int) -> int:
    """Return the list value of so much time: price times GPU-hours, parts of a cent upwards."""
    return -(-gpu_ms * mode.price_eur_cents // MS_PER_HOUR)


def aid_eur_cents(basis: str, value: int) -> int:
    """Return how much of a value is aid: all of it where its basis is one of State aid."""
    return value if basis in AID_BASES_OF_AID else 0


def normal_name(name: str) -> str:
    """Return a name as names are compared: case, spaces and punctuation do not count."""
    return "".join(one for one in name.casefold() if one.isalnum())


def undertaking(
    start: int, names: Mapping[int, str], linked: Mapping[int, Iterable[str]]
) -> set[int]:
    """Return the organisations that are one undertaking with `start`, itself among them.

    names   each organisation's name
    linked  the names of the enterprises that each says it is linked with

    A link counts both ways and goes on from one to the next (Regulation (EU) 2023/2831,
    Article 2(2)).
    """
    by_name: dict[str, set[int]] = {}
    for pk, name in names.items():
        by_name.setdefault(normal_name(name), set()).add(pk)
    ways: dict[int, set[int]] = {pk: set() for pk in names}
    for pk, others in linked.items():
        for other in others:
            for found in by_name.get(normal_name(other), ()):
                ways.setdefault(pk, set()).add(found)
                ways.setdefault(found, set()).add(pk)
    known, todo = {start}, [start]
    while todo:
        for pk in ways.get(todo.pop(), ()):
            if pk not in known:
                known.add(pk)
                todo.append(pk)
    return known
