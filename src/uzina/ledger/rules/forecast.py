"""How long the hours last, as a range that says how unsure it is.

The days looked at give a mean and how much single days differ. What is spent in the next t days is
the mean times t, give or take  k * s * sqrt(t + t * t / n):  t days that differ as the n days seen
did, and a mean that is itself known from n days only. k is Student's 90 % point, so the range is
meant to hold in four cases of five; s is larger where days in a row are alike, because they tell
less than days that are not. How often it holds is measured in the tests.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import ceil, sqrt

from uzina.core.text import _
from uzina.ledger.rules.kinds import AllocationState, Balance
from uzina.people.rules import Named

DAY = timedelta(days=1)

LOOK_BACK_DAYS = 28
"""Four whole weeks, so that each day of the week counts alike."""

FEWEST_DAYS = 3
"""Days with use below which nothing is said."""

STEPS = 60
"""Points of the projection: as many as a chart shows apart."""

MOST_ALIKE = 0.8
"""How alike neighbouring days may count; beyond it nothing could be said at all."""


class Outlook(Named):
    """What a forecast says."""

    NOT_BEGUN = "not_begun", _("The allocation has not begun.")
    ENDED = "ended", _("The allocation has ended.")
    EXHAUSTED = "exhausted", _("All hours are spent.")
    TOO_EARLY = "too_early", _("Fewer than 3 days of use in the last 4 weeks: too few to tell.")
    RUNS_OUT = "runs_out", _("The hours are probably spent before the end.")
    UNSURE = "unsure", _("The hours probably last until the end, and may be spent before.")
    LASTS = "lasts", _("The hours last until the end.")


@dataclass(frozen=True)
class Point:
    """What is left at an instant to come: if use is high, as it was, and if use is low."""

    at: datetime
    least: int
    likely: int
    most: int


@dataclass(frozen=True)
class Forecast:
    """How long the hours last.

    days    how many days the pace is taken from; 0 where nothing can be said
    pace    what is spent in a day
    early, likely, late  when the hours are spent; None: not before the end of the allocation
    points  what is left, from now to the end; its last point is what expires unused
    """

    outlook: Outlook
    days: int = 0
    pace: int = 0
    early: datetime | None = None
    likely: datetime | None = None
    late: datetime | None = None
    points: tuple[Point, ...] = ()

    @property
    def unused(self) -> Point | None:
        """What expires at the end, in its range."""
        return self.points[-1] if self.points else None


def daily(spent: Iterable[tuple[datetime, int]], now: datetime) -> list[int]:
    """Return what was spent in each 24 hours before now, the oldest first, from the first use on.

    spent  instants and amounts, in any order; those outside the LOOK_BACK_DAYS before now are
           left out
    """
    days = [0] * LOOK_BACK_DAYS
    oldest = -1
    for at, amount in spent:
        back = (now - at) // DAY
        if 0 <= back < LOOK_BACK_DAYS:
            days[back] += amount
            oldest = max(oldest, back)
    return days[: oldest + 1][::-1]


def forecast(
    *,
    state: AllocationState,
    starts_at: datetime,
    ends_at: datetime,
    balance: Balance,
    days: Sequence[int],
    now: datetime,
) -> Forecast:
    """Say how long the hours last.

    days  what was spent in each of the last days, as daily() returns it

    What is held counts as left: it is spent or given back.
    """
    left = balance.free + balance.held
    if state is AllocationState.ENDED or now >= ends_at:
        return Forecast(Outlook.ENDED)
    if now < starts_at:
        return Forecast(Outlook.NOT_BEGUN)
    if left <= 0:
        return Forecast(Outlook.EXHAUSTED)
    if sum(1 for amount in days if amount > 0) < FEWEST_DAYS or sum(days) <= 0:
        return Forecast(Outlook.TOO_EARLY)

    mean, spread = sum(days) / len(days), _spread(days)
    horizon = (ends_at - now) / DAY

    def beyond(t: float, sign: int) -> float:
        """What is left after t days of the mean use, or above (1) or below (-1) it."""
        margin = spread * sqrt(t + t * t / len(days))
        return left - max(0.0, mean * t + sign * margin)

    early, likely, late = (_reached(beyond, sign, horizon) for sign in (1, 0, -1))
    points = [
        Point(
            at=now + DAY * (horizon * step / STEPS),
            **{
                name: max(0, min(left, round(beyond(horizon * step / STEPS, sign))))
                for name, sign in (("least", 1), ("likely", 0), ("most", -1))
            },
        )
        for step in range(STEPS + 1)
    ]
    return Forecast(
        outlook=_outlook(early, likely),
        days=len(days),
        pace=round(mean),
        early=None if early is None else now + DAY * early,
        likely=None if likely is None else now + DAY * likely,
        late=None if late is None else now + DAY * late,
        points=tuple(points),
    )


def _outlook(early: float | None, likely: float | None) -> Outlook:
    if likely is not None:
        return Outlook.RUNS_OUT
    return Outlook.LASTS if early is None else Outlook.UNSURE


def _spread(days: Sequence[int]) -> float:
    """Return k * s: how far one day differs, in units that the range is made of."""
    n = len(days)
    mean = sum(days) / n
    off = [amount - mean for amount in days]
    square = sum(one * one for one in off)
    if not square:
        return 0.0
    alike = sum(one * other for one, other in pairwise(off)) / square
    alike = min(max(alike, 0.0), MOST_ALIKE)
    # Student's 90 % point by the first terms of Fisher's expansion of it around the normal one.
    k = 1.2816 + 0.847 / (n - 1) + 0.571 / (n - 1) ** 2
    return k * sqrt(square / (n - 1) * (1 + alike) / (1 - alike))


def _reached(left: Callable[[float, int], float], sign: int, horizon: float) -> float | None:
    """Return the first time, in days, at which nothing is left; None: not within the horizon."""
    steps = max(STEPS, ceil(horizon))
    before = 0.0
    for step in range(1, steps + 1):
        t = horizon * step / steps
        if left(t, sign) <= 0:
            return _between(left, sign, before, t)
        before = t
    return None


def _between(left: Callable[[float, int], float], sign: int, low: float, high: float) -> float:
    """Halve the stretch in which nothing is left any more, to less than a second."""
    while high - low > 1e-5:
        middle = (low + high) / 2
        if left(middle, sign) <= 0:
            high = middle
        else:
            low = middle
    return high
