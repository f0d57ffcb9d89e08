"""Reports that are owed: by when, and when somebody is reminded."""

from datetime import datetime, timedelta

from uzina.calls.rules import clock
from uzina.core.text import _
from uzina.people.rules import Named

REMIND_DAYS = (30, 7, 1)
"""Days before a report is due on which its owner is told, once each."""

RETURN_DAYS = 14
"""A report that was sent back has at least so many days."""


class ObligationKind(Named):
    """What is owed."""

    INTERIM = "interim", _("Interim report")
    FINAL = "final", _("Final report")


def final_due_at(ends_at: datetime, *, report_months: int) -> datetime:
    """Return when the final report of an award that ends then is due."""
    return clock.after_months(ends_at, report_months)


def marks_passed(due_at: datetime, now: datetime) -> int:
    """Return how many of the reminders are due by now: 0 to len(REMIND_DAYS)."""
    return sum(1 for days in REMIND_DAYS if now >= due_at - timedelta(days=days))


def is_late(due_at: datetime, now: datetime) -> bool:
    """Tell whether the time is over: at the instant itself it is."""
    return now >= due_at


def returned_due_at(due_at: datetime, now: datetime) -> datetime:
    """Return the new date of a report that was sent back: never sooner than the old one."""
    return max(due_at, now + timedelta(days=RETURN_DAYS))


def days_left(due_at: datetime, now: datetime) -> int:
    """Return the days left, each begun one counted; 0 when it is over."""
    return max(0, -((now - due_at) // timedelta(days=1)))
