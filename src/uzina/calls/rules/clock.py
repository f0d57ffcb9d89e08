"""Deadlines: when a call is open, and by when an answer is due."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays

from uzina.core.errors import Refused
from uzina.core.text import _

SATURDAY = 5
DECEMBER = 12


@dataclass(frozen=True)
class Window:
    """When applications are taken: from opens_at up to, not including, closes_at (None: no end)."""

    opens_at: datetime
    closes_at: datetime | None


def is_open(window: Window, now: datetime) -> bool:
    """Tell whether the window takes applications at the instant."""
    return window.opens_at <= now and (window.closes_at is None or now < window.closes_at)


def check_open(windows: Sequence[Window], now: datetime, *, verb: str) -> Window:
    """Return the window that is open.

    windows  in order of time, at least one
    verb     start or submit

    Raises Refused application.<verb>.not_yet_open and application.<verb>.closed.
    """
    for window in windows:
        if is_open(window, now):
            return window
    coming = [window.opens_at for window in windows if now < window.opens_at]
    if coming:
        raise Refused(
            f"application.{verb}.not_yet_open",
            _("This call opens on {opens_at}. Come back then; a draft you have is kept."),
            opens_at=told(min(coming)),
        )
    raise Refused(
        f"application.{verb}.closed",
        _(
            "This call closed on {closes_at}. Look at the open calls for the next one; a draft you "
            "have is kept."
        ),
        closes_at=told(max(window.closes_at for window in windows if window.closes_at)),
    )


def told(instant: datetime) -> str:
    """Return an instant for a sentence, in its own time zone: 2026-12-01, 10:00 UTC."""
    return f"{instant:%Y-%m-%d, %H:%M %Z}"


@functools.lru_cache(maxsize=256)
def _public_holidays(country: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(country, years=year))


def is_working_day(day: date, country: str) -> bool:
    """Tell whether a day is no Saturday, Sunday or public holiday of the country.

    country  ISO 3166-1 alpha-2. Raises NotImplementedError for one the library does not know.
    """
    return day.weekday() < SATURDAY and day not in _public_holidays(country, day.year)


@dataclass(frozen=True)
class Still:
    """The clock stood still in [began_at, ended_at): the applicant was waited for."""

    began_at: datetime
    ended_at: datetime


def due_at(
    start: datetime, *, working_days: int, country: str, zone: str, stills: Sequence[Still] = ()
) -> datetime:
    """Return the instant by which something is due: the end of the last of the working days.

    Days are counted as in Regulation (EEC, Euratom) No 1182/71, Article 3: the day of the event
    does not count, and the period ends when the last hour of its last day ends. So the answer is
    a midnight in the zone, aware, in UTC of that night; "due" is before it, not at it.

    A working day counts unless the clock stood still when it ended: a question that is answered
    on the day it was asked costs nobody a day, one that is open over a midnight costs that day.

    working_days  1 or more
    zone          IANA name, such as Europe/Bucharest
    stills        in any order; they may overlap
    """
    local = ZoneInfo(zone)
    day = start.astimezone(local).date()
    left = working_days
    while left:
        day += timedelta(days=1)
        left -= is_working_day(day, country) and not _stood_still(day_end(day, zone), stills)
    return day_end(day, zone)


def day_end(day: date, zone: str) -> datetime:
    """Return the instant at which a day ends in a time zone, in UTC."""
    midnight = datetime.combine(day + timedelta(days=1), time(), tzinfo=ZoneInfo(zone))
    return midnight.astimezone(UTC)


def _stood_still(end: datetime, stills: Sequence[Still]) -> bool:
    return any(one.began_at < end <= one.ended_at for one in stills)


def days_still(still: Still, *, country: str, zone: str) -> int:
    """Return how many working days a pause cost: those that ended while the clock stood still."""
    local = ZoneInfo(zone)
    day, last = (at.astimezone(local).date() for at in (still.began_at, still.ended_at))
    count = 0
    while day < last:
        count += is_working_day(day, country) and _stood_still(day_end(day, zone), [still])
        day += timedelta(days=1)
    return count


def working_days_left(now: datetime, due: datetime, *, country: str, zone: str) -> int:
    """Return how many working days end after now and by the deadline.

    On the last day itself it is 1; at the deadline and after it 0.
    """
    local = ZoneInfo(zone)
    day, last = now.astimezone(local).date(), due.astimezone(local).date()
    count = 0
    while day < last:
        count += is_working_day(day, country)
        day += timedelta(days=1)
    return count


def working_days_late(now: datetime, due: datetime, *, country: str, zone: str) -> int:
    """Return how many working days have begun since a deadline; 0 before it.

    The first working day after the deadline is 1; on a weekend right after it, it is 0.
    """
    if now < due:
        return 0
    local = ZoneInfo(zone)
    day, last = due.astimezone(local).date(), now.astimezone(local).date()
    count = 0
    while day <= last:
        count += is_working_day(day, country)
        day += timedelta(days=1)
    return count


def after_months(start: datetime, months: int) -> datetime:
    """Return the same day and time some months later, or the last day of a shorter month."""
    years, month = divmod(start.month - 1 + months, DECEMBER)
    first = start.replace(year=start.year + years, month=month + 1, day=1)
    following = (first + timedelta(days=31)).replace(day=1)
    last_day = (following - timedelta(days=1)).day
    return first.replace(day=min(start.day, last_day))
