"""What the worker runs."""

from datetime import datetime

from uzina.catalogue import actions


def watch_access(*, now: datetime) -> None:
    """End permissions whose time is over; remind of requests that wait; warn of what ends."""
    actions.watch_access(now=now)


def sweep(*, now: datetime) -> None:
    """Remove what uploads that died left behind."""
    actions.sweep()


def read_layouts(*, slug: str, number: int, now: datetime) -> None:
    """Read the columns of a new version's files."""
    actions.read_layouts(slug, number)
