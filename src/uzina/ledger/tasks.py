"""What the worker runs."""

from datetime import datetime

from uzina.ledger import actions, queries


def watch(*, now: datetime) -> None:
    """Open the allocations whose period has begun and end those whose period is over."""
    opening, ending = queries.due(now)
    for allocation in opening:
        actions.open_allocation(allocation, by=None, now=now)
    for allocation in ending:
        actions.expire(allocation, reason="", key=f"expire:{allocation.code}", by=None, now=now)
