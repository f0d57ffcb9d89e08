"""What accounts, transfers and allocations are, and what an allocation's accounts amount to."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _
from uzina.people import rules as people_rules

GPU_MS_PER_HOUR = 3_600_000

LARGEST = 2**53 - 1
"""The largest amount and the largest balance: above it a JSON number is no longer exact in every
reader (RFC 8259 section 6). 2.5 thousand million GPU-hours in GPU-milliseconds."""

KEY_LONGEST = 200
MARK = "#"
"""Parts a caller's key from what a verb adds to it, for verbs that post more than one transfer."""
REASON_LONGEST = 500
SUBJECT_LONGEST = 80


class AccountKind(StrEnum):
    """What an account stands for. The last six exist once for each allocation."""

    SOURCE = "source"
    """The funder. Below zero by all that was ever brought in."""
    CAPACITY = "capacity"
    """What a call has left to grant."""
    FREE = "free"
    HELD = "held"
    SPENT = "spent"
    EXPIRED = "expired"
    OVERRUN = "overrun"
    """What jobs used beyond all that the allocation had. Zero or below."""
    OVERDRAFT = "overdraft"
    """What an operator signed beyond the grant. Zero or below."""


ALLOCATION_KINDS = (
    AccountKind.FREE,
    AccountKind.HELD,
    AccountKind.SPENT,
    AccountKind.EXPIRED,
    AccountKind.OVERRUN,
    AccountKind.OVERDRAFT,
)
MAY_BE_NEGATIVE = frozenset({AccountKind.SOURCE, AccountKind.OVERRUN, AccountKind.OVERDRAFT})


class TransferKind(people_rules.Named):
    """Why an amount moved."""

    FUND = "fund", _("Funded")
    GRANT = "grant", _("Granted")
    TOP_UP = "top_up", _("Topped up")
    REDUCE = "reduce", _("Given back")
    HOLD = "hold", _("Set aside")
    SPEND = "spend", _("Spent")
    RELEASE = "release", _("Released")
    EXPIRE = "expire", _("Expired")
    REFUND = "refund", _("Refunded")
    OVERRUN = "overrun", _("Spent beyond the allocation")
    CREDIT = "credit", _("Charge corrected")
    OVERDRAFT = "overdraft", _("Overdraft signed")


K, T = AccountKind, TransferKind
WAYS: Mapping[TransferKind, frozenset[tuple[AccountKind, AccountKind]]] = {
    T.FUND: frozenset({(K.SOURCE, K.CAPACITY)}),
    T.GRANT: frozenset({(K.CAPACITY, K.FREE)}),
    T.TOP_UP: frozenset({(K.CAPACITY, K.FREE)}),
    T.REDUCE: frozenset({(K.FREE, K.CAPACITY)}),
    T.HOLD: frozenset({(K.FREE, K.HELD)}),
    T.SPEND: frozenset({(K.HELD, K.SPENT), (K.FREE, K.SPENT), (K.EXPIRED, K.SPENT)}),
    T.RELEASE: frozenset({(K.HELD, K.FREE)}),
    T.EXPIRE: frozenset({(K.FREE, K.EXPIRED)}),
    T.REFUND: frozenset({(K.SPENT, K.FREE)}),
    T.OVERRUN: frozenset({(K.OVERRUN, K.SPENT)}),
    T.CREDIT: frozenset({(K.SPENT, K.OVERRUN), (K.SPENT, K.FREE), (K.SPENT, K.EXPIRED)}),
    T.OVERDRAFT: frozenset({(K.OVERDRAFT, K.FREE)}),
}
"""From which kind of account to which each kind of transfer may go. Nothing else is ever posted."""


class AtExhaustion(people_rules.Named):
    """What happens when the hours of an allocation come to their end. Chosen by its call."""

    FINISH = "finish", _("Jobs that run may finish, no new one starts")
    SLOW = "slow", _("Near the end, new jobs wait behind everybody else's")
    STOP = "stop", _("Jobs that run are stopped, no new one starts")


WARN_AT = (75, 90, 100)
"""Per cent of the budget whose spending is told."""


class AllocationState(States):
    """Where an allocation stands."""

    PENDING = "pending", _("Not open yet"), "quiet"
    ACTIVE = "active", _("Open for jobs"), "good"
    FROZEN = "frozen", _("Frozen"), "bad"
    ENDED = "ended", _("Allocation ended"), "quiet"


S = AllocationState
ALLOCATION = Flow(
    "allocation",
    {
        "open": Move(S.PENDING, to=S.ACTIVE),
        "freeze": Move(S.ACTIVE, to=S.FROZEN),
        "thaw": Move(S.FROZEN, to=S.ACTIVE),
        "expire": Move(S.PENDING, S.ACTIVE, S.FROZEN, to=S.ENDED),
    },
)


@dataclass(frozen=True)
class Balance:
    """What became of an allocation's hours.

    granted = free + held + spent + expired - overrun - overdraft, where nobody signed an overdraft
    the last is zero.
    """

    granted: int
    free: int
    held: int
    spent: int
    expired: int
    overrun: int
    overdraft: int = 0

    @property
    def charged(self) -> int:
        """What was spent out of what it was given: all but what ran over that."""
        return self.spent - self.overrun

    @property
    def budget(self) -> int:
        """All that may be spent: the grant, and what an operator signed beyond it."""
        return self.granted + self.overdraft


def balance_of(balances: Mapping[str, int]) -> Balance:
    """Return the Balance that the balances of an allocation's accounts, by kind, amount to."""
    return Balance(
        granted=sum(balances[kind] for kind in ALLOCATION_KINDS),
        free=balances[K.FREE],
        held=balances[K.HELD],
        spent=balances[K.SPENT],
        expired=balances[K.EXPIRED],
        overrun=-balances[K.OVERRUN],
        overdraft=-balances[K.OVERDRAFT],
    )
