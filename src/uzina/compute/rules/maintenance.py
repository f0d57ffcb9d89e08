"""When a maintenance may be announced, and what it gets in the way of."""

from datetime import datetime, timedelta

from uzina.core.errors import Refused
from uzina.core.text import _

LONGEST = timedelta(days=60)
"""More is no maintenance; and a mistyped year is more."""

FARTHEST = timedelta(days=730)
"""Nobody plans further; a mistyped year is further."""


def check_window(starts_at: datetime, ends_at: datetime, now: datetime) -> None:
    """Refuse a window that ends before it starts, is too long, or is over.

    Raises Refused maintenance.announce.backwards, .too_long, .too_far, .over.
    """
    if starts_at >= ends_at:
        raise Refused(
            "maintenance.announce.backwards",
            _("The maintenance ends before it starts. Change one of the two times."),
        )
    if ends_at - starts_at > LONGEST:
        raise Refused(
            "maintenance.announce.too_long",
            _("A maintenance lasts {days} days at most. Look at the times again."),
            days=LONGEST.days,
        )
    if starts_at > now + FARTHEST:
        raise Refused(
            "maintenance.announce.too_far",
            _("This maintenance would be more than {days} days from now. Look at the year again."),
            days=FARTHEST.days,
        )
    if ends_at <= now:
        raise Refused(
            "maintenance.announce.over",
            _("This maintenance would be over already. Choose times to come."),
        )


def check_not_over(ends_at: datetime, cancelled_at: datetime | None, now: datetime) -> None:
    """Refuse to change what was cancelled or is over: it is history.

    Raises Refused maintenance.change.cancelled, maintenance.change.over.
    """
    if cancelled_at is not None:
        raise Refused(
            "maintenance.change.cancelled",
            _("This maintenance was cancelled or changed before. Look at the latest one."),
        )
    if ends_at <= now:
        raise Refused("maintenance.change.over", _("This maintenance is over."))


def overlaps(
    starts_at: datetime, ends_at: datetime, *, from_at: datetime, until_at: datetime
) -> bool:
    """Tell whether anything in [from_at, until_at) lies in [starts_at, ends_at)."""
    return starts_at < until_at and from_at < ends_at
