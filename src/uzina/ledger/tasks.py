"""What the worker runs."""

from datetime import datetime

from uzina.ledger import actions, queries, rules
from uzina.people import actions as people_actions
from uzina.people import queries as people


def watch(*, now: datetime) -> None:
    """Open the allocations whose period has begun and end those whose period is over."""
    opening, ending = queries.due(now)
    for allocation in opening:
        actions.open_allocation(allocation, by=None, now=now)
    for allocation in ending:
        actions.expire(allocation, reason="", key=f"expire:{allocation.code}", by=None, now=now)


def mail_warned(*, allocation: str, person: str, percent: int, now: datetime) -> None:
    """Tell a project's lead how much is spent, what happens at the end, and what to do."""
    found, lead = queries.allocation(allocation), people.person(person)
    if lead is None:
        return
    balance = queries.balance(found)
    people_actions.write_message(
        lead,
        kind="ledger.warned",
        facts={
            "allocation": found,
            "project": found.project,
            "balance": balance,
            "percent": percent,
            "slow_from": rules.SLOW_FROM,
            "path": f"/allocations/{found.code}/",
        },
        about=found.project.code,
        key=f"warned.{found.code}.{percent}.{balance.budget}.{lead.code}",
        now=now,
    )
