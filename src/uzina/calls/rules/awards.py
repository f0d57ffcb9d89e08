"""Who gets hours: first come, first served, within what the call has."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uzina.calls.rules import clock
from uzina.core.errors import Refused
from uzina.core.text import _

MS_PER_HOUR = 3_600_000
MB_PER_GB = 1_000


@dataclass(frozen=True)
class Queued:
    """One eligible application, in the order in which it was submitted.

    gpu_ms       what it asks for, or what its assessment recommends
    is_assessed  the technical assessment is there and positive
    """

    code: str
    gpu_ms: int
    is_assessed: bool


@dataclass(frozen=True)
class Outcome:
    """Who is offered an award now, and who waits for capacity, both in order."""

    offers: tuple[str, ...]
    reserves: tuple[str, ...]


def first_in_first_out(queue: Sequence[Queued], free_gpu_ms: int) -> Outcome:
    """Return who is offered an award now.

    free_gpu_ms  capacity that is neither granted nor promised in an open offer

    Nobody overtakes: an application that is still being assessed keeps its hours set aside, and
    where one does not fit, those behind it wait too, however little they ask. Assessed
    applications that wait are the reserve.
    """
    offers: list[str] = []
    reserves: list[str] = []
    left, is_blocked = free_gpu_ms, False
    for application in queue:
        is_blocked = is_blocked or application.gpu_ms > left
        if not is_blocked:
            left -= application.gpu_ms
        if application.is_assessed:
            (reserves if is_blocked else offers).append(application.code)
    return Outcome(tuple(offers), tuple(reserves))


def check_answer(answer_by: datetime, now: datetime) -> None:
    """Raise Refused award.accept.too_late from the last instant on."""
    if now >= answer_by:
        raise Refused(
            "award.accept.too_late",
            _(
                "This offer was open until {answer_by} and has lapsed. Apply again, or write to us if "
                "something kept you from answering."
            ),
            answer_by=f"{answer_by:%Y-%m-%d, %H:%M %Z}",
        )


def period(
    now: datetime,
    *,
    months: int,
    usable_from: datetime | None,
    usable_until: datetime | None,
) -> tuple[datetime, datetime]:
    """Return when an award that is accepted now begins and ends.

    usable_from, usable_until  in which its hours may be used, where the call says so

    Raises Refused award.accept.period_over from the end of that period on.
    """
    starts_at = max(now, usable_from) if usable_from else now
    ends_at = clock.after_months(starts_at, months)
    if usable_until is None:
        return starts_at, ends_at
    if starts_at >= usable_until:
        raise Refused(
            "award.accept.period_over",
            _("The hours of this award could be used until {usable_until}. Write to us."),
            usable_until=clock.told(usable_until),
        )
    return starts_at, min(ends_at, usable_until)
