"""What the worker runs."""

from datetime import datetime

from uzina.programme import actions, queries


def check_use(*, now: datetime) -> None:
    """Look at the use of each running award, once a month. Doing it again changes nothing."""
    for award in queries.running_awards(now):
        actions.check_use(award, now=now)
