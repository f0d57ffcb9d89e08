"""How books are read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from uzina.ledger.rules.kinds import ALLOCATION_KINDS, TransferKind, balance_of


@dataclass(frozen=True)
class Movement:
    """One transfer as it touched one allocation: how much each of its accounts changed."""

    kind: TransferKind
    at: datetime
    amount: int
    subject: str
    reason: str
    by_code: str
    key: str
    changes: Mapping[str, int]


@dataclass(frozen=True)
class Line:
    """One line of a statement: a transfer, and where the allocation stood after it.

    number  counts the allocation's transfers from 1
    """

    number: int
    at: datetime
    kind: TransferKind
    amount: int
    subject: str
    reason: str
    by_code: str
    key: str
    granted: int
    free: int
    held: int
    spent: int
    expired: int
    overrun: int
    overdraft: int


def lines(movements: Iterable[Movement], *, first: int, opening: Mapping[str, int]) -> list[Line]:
    """Return one line for each movement, in order.

    first    the number of the first line
    opening  the balances by account kind before it; kinds left out are zero
    """
    standing = dict.fromkeys(map(str, ALLOCATION_KINDS), 0) | dict(opening)
    found = []
    for number, movement in enumerate(movements, first):
        for kind, change in movement.changes.items():
            standing[kind] += change
        after = balance_of(standing)
        found.append(
            Line(
                number=number,
                at=movement.at,
                kind=movement.kind,
                amount=movement.amount,
                subject=movement.subject,
                reason=movement.reason,
                by_code=movement.by_code,
                key=movement.key,
                granted=after.granted,
                free=after.free,
                held=after.held,
                spent=after.spent,
                expired=after.expired,
                overrun=after.overrun,
                overdraft=after.overdraft,
            )
        )
    return found


def thinned(points: Sequence[tuple[datetime, int]], most: int) -> list[tuple[datetime, int]]:
    """Return at most `most` (2 or more) of the points, evenly picked, first and last kept."""
    if len(points) <= most:
        return list(points)
    step = (len(points) - 1) / (most - 1)
    return [points[round(i * step)] for i in range(most)]
