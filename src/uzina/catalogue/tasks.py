"""What the worker runs."""

from datetime import datetime

from uzina.catalogue import actions


def sweep(*, now: datetime) -> None:
    """Remove what uploads that died left behind."""
    actions.sweep()
