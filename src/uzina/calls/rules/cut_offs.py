"""Cut-offs: the instants they stand for, those a mode plans, and when one may be moved."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from uzina.calls.rules.clock import Window, told
from uzina.core.errors import Refused
from uzina.core.text import _

EARLIER_NOTICE = timedelta(days=7)
"""A cut-off that is brought forward leaves this much time. This factory's own rule."""

MOST_PLANNED = 24


@dataclass(frozen=True)
class CutOffPlan:
    """The deadlines that a mode plans.

    days       by date, in order
    month_day  on this day of each month, beside them; 0: no such day
    at, zone   time of day, and the IANA name of the zone in which it is said
    """

    days: tuple[date, ...]
    month_day: int
    at: time
    zone: str


def instant_of(day: date, at: time, zone: str) -> datetime:
    """Return the instant of a time of day in a zone, in UTC.

    In the night in which clocks are set back a time comes twice: the second is meant, so that
    nobody is cut off early. Raises Refused cut_off.read.no_such_time for one that is skipped.
    """
    local = datetime.combine(day, at, tzinfo=ZoneInfo(zone)).replace(fold=1)
    instant = local.astimezone(UTC)
    if instant.astimezone(local.tzinfo).replace(tzinfo=None) != local.replace(tzinfo=None, fold=0):
        raise Refused(
            "cut_off.read.no_such_time",
            _("There is no {at} on {day} in {zone}: clocks are set forward. Choose another time."),
            at=f"{at:%H:%M}",
            day=day.isoformat(),
            zone=zone,
        )
    return instant


def planned(
    plan: CutOffPlan, *, opens_at: datetime, closes_at: datetime | None
) -> tuple[Window, ...]:
    """Return the windows of a call by a plan: each opens where the one before closes.

    closes_at  None: the dates of the plan, or a year where it names a day of the month. At most
               MOST_PLANNED.
    """
    days = set(plan.days)
    if plan.month_day:
        day = opens_at.astimezone(ZoneInfo(plan.zone)).date().replace(day=1)
        for _month in range(13):
            days.add(day.replace(day=plan.month_day))
            day = (day + timedelta(days=31)).replace(day=1)
    instants = [instant_of(day, plan.at, plan.zone) for day in sorted(days)]
    windows: list[Window] = []
    opens = opens_at
    for instant in instants:
        if opens < instant and (closes_at is None or instant <= closes_at):
            windows.append(Window(opens, instant))
            opens = instant
    return tuple(windows[:MOST_PLANNED])


def check_move(
    *,
    opens_at: datetime,
    before: datetime,
    after: datetime,
    next_closes_at: datetime | None,
    now: datetime,
) -> None:
    """Raise Refused unless a cut-off that closes at `before` may be moved to `after`.

    Nothing that was handed in can fall out: it was handed in before now, and a cut-off is only
    ever moved to a later instant than now. One that has passed stays, for what came in is being
    judged. Codes: cut_off.move.passed, .same, .past, .too_soon, .opening, .next.
    """
    if now >= before:
        raise Refused(
            "cut_off.move.passed",
            _(
                "This cut-off passed on {closed_at} and its applications are being judged. Add a "
                "new cut-off instead."
            ),
            closed_at=told(before),
        )
    if after == before:
        raise Refused("cut_off.move.same", _("It closes then already. Choose another time."))
    if after <= now:
        raise Refused("cut_off.move.past", _("That time has passed. Choose one that is to come."))
    if after < before and after - now < EARLIER_NOTICE:
        raise Refused(
            "cut_off.move.too_soon",
            _(
                "A cut-off is brought forward to {earliest} at the earliest: people with a draft "
                "need {days} days."
            ),
            earliest=told(now + EARLIER_NOTICE),
            days=EARLIER_NOTICE.days,
        )
    if after <= opens_at:
        raise Refused(
            "cut_off.move.opening",
            _("It must close after it opens, on {opens_at}."),
            opens_at=told(opens_at),
        )
    if next_closes_at is not None and after >= next_closes_at:
        raise Refused(
            "cut_off.move.next",
            _("It must stay before the next cut-off, which closes on {next_at}."),
            next_at=told(next_closes_at),
        )


def next_planned(plan: CutOffPlan, now: datetime) -> datetime | None:
    """Return the next instant of a plan after now; None where its dates are over."""
    windows = planned(plan, opens_at=now, closes_at=None)
    return windows[0].closes_at if windows else None
