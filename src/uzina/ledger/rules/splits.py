"""How what was measured divides over the accounts of an allocation."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Settlement:
    """What became of a hold once the job was measured.

    from_hold  spent out of what was held
    from_free  spent beyond the hold, out of what the allocation had left
    overrun    spent beyond that: nobody paid for it, and it is shown
    released   held and not used, free again
    """

    from_hold: int
    from_free: int
    overrun: int
    released: int

    @property
    def spent(self) -> int:
        """All that the job used."""
        return self.from_hold + self.from_free + self.overrun


def settle(*, held: int, used: int, left: int) -> Settlement:
    """Divide what a job used over its hold, what is left, and nobody. Never refuses.

    left  what is free; once the allocation has ended, what expired

    A scheduler ends a job some seconds after its time limit, so `used` can be more than was held.
    What was measured is booked all the same.
    """
    from_hold = min(used, held)
    from_free = min(used - from_hold, left)
    return Settlement(from_hold, from_free, used - from_hold - from_free, held - from_hold)


class Chargeable(Protocol):
    """An allocation, as a charge names it."""

    @property
    def pk(self) -> int: ...
    @property
    def code(self) -> str: ...


@dataclass(frozen=True)
class Charge:
    """Something used that nobody held hours for, or the correction of such a figure.

    amount   above zero: used; below zero: used less than was booked before
    key      counts once, as every booking's
    subject  what it was for: the code of a job, or a page of accounting records
    reason   read on the statement
    """

    allocation: Chargeable
    amount: int
    key: str
    subject: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Division:
    """How a charge divides. Both parts have its sign.

    left     out of, or back to, what the allocation has left
    overrun  beyond that
    """

    left: int
    overrun: int


def divide(amount: int, *, left: int, overrun: int, spent: int) -> Division:
    """Divide a charge over what is left and nobody; a correction first undoes an overrun.

    left     what is free; once the allocation has ended, what expired
    overrun  what ran over so far, zero or above

    Never refuses. A correction gives back at most what is booked as spent: the rest an operator
    has refunded before.
    """
    if amount > 0:
        paid = min(amount, left)
        return Division(paid, amount - paid)
    back = min(-amount, spent)
    undone = min(back, overrun)
    return Division(undone - back, -undone)
