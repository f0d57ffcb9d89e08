"""Telling a project that its hours come to their end."""

from collections.abc import Mapping
from datetime import datetime

from uzina.core.log import log
from uzina.core.promises import promise
from uzina.ledger import rules
from uzina.ledger.actions.books import balance_of
from uzina.ledger.models import Account, Allocation
from uzina.ledger.rules import AllocationState, AtExhaustion
from uzina.people import queries as people
from uzina.people.rules import MembershipKind


def tell(allocation: Allocation, accounts: Mapping[str, Account], *, now: datetime) -> None:
    """Note once that 75, 90 or 100 % of the hours are spent, and promise a mail to the leads.

    Part of each action that spends, under its locks, so nothing needs to look for crossings. One
    step over several of them tells the highest. With the policy "stop", 100 % is also the news
    allocation.exhausted. An allocation that has ended has nothing left to warn of.
    """
    level = rules.level(balance_of(accounts))
    if level <= allocation.warned or allocation.state is AllocationState.ENDED:
        return
    _note(allocation, level)
    facts = {"percent": level, "policy": str(allocation.policy)}
    log("allocation.warned", allocation.code, by=None, now=now, **facts)
    if level == rules.WARN_AT[-1] and allocation.policy == AtExhaustion.STOP:
        log("allocation.exhausted", allocation.code, by=None, now=now, **facts)
    for one in people.members_of(allocation.project):
        if one.kind == MembershipKind.LEAD:
            promise(
                "ledger.mail_warned",
                key=f"warned:{allocation.code}:{level}:{now.isoformat()}:{one.person.code}",
                now=now,
                allocation=allocation.code,
                person=one.person.code,
                percent=level,
            )


def untell(allocation: Allocation, accounts: Mapping[str, Account]) -> None:
    """Forget what was told and is no longer so, after somebody gave hours: it is told again."""
    level = rules.level(balance_of(accounts))
    if level < allocation.warned:
        _note(allocation, level)


def _note(allocation: Allocation, level: int) -> None:
    allocation.warned = level
    allocation.save(update_fields=["warned"])
