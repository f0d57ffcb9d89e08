"""What operators and the clock do."""

from datetime import datetime

from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import access, rules
from uzina.ledger.actions.books import Booking, balance_of, locked_allocation, move_to, post, posted
from uzina.ledger.actions.warnings import untell
from uzina.ledger.models import Allocation, Transfer
from uzina.ledger.rules import AccountKind, AllocationState, TransferKind
from uzina.people.models import Person


@action
def top_up(
    allocation: Allocation,
    *,
    amount: int,
    reason: str,
    key: str,
    by: Person | None,
    now: datetime,
) -> Transfer:
    """Give an allocation more, out of what its call has left.

    Raises NotAllowed allocation.top_up.not_operator, Refused allocation.top_up.ended and
    allocation.grant.too_big.
    """
    _check_may_correct(by, "top_up")
    rules.check_amount(amount)
    rules.check_words(key=key, reason=reason)
    rules.check_reason(reason)
    asked = rules.fingerprint("top_up", allocation=allocation.code, amount=amount, reason=reason)
    allocation, accounts = locked_allocation(allocation.pk, and_capacity=allocation.capacity_id)
    if kept := posted(key, asked):
        return kept
    rules.check_open(allocation.state, "top_up")
    rules.check_capacity(accounts[AccountKind.CAPACITY].balance, amount)

    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.TOP_UP,
        accounts[AccountKind.CAPACITY],
        accounts[AccountKind.FREE],
        amount,
        key,
        asked,
        reason=reason,
    )
    post(booking)
    untell(allocation, accounts)
    log("allocation.topped_up", allocation.code, by=by, now=now, amount=amount, reason=reason)
    return transfer


@action
def reduce(
    allocation: Allocation,
    *,
    amount: int,
    reason: str,
    key: str,
    by: Person | None,
    now: datetime,
) -> Transfer:
    """Give hours that are free back to the call they came from.

    Raises NotAllowed allocation.reduce.not_operator, Refused allocation.reduce.ended and
    allocation.reduce.too_big.
    """
    _check_may_correct(by, "reduce")
    rules.check_amount(amount)
    rules.check_words(key=key, reason=reason)
    rules.check_reason(reason)
    asked = rules.fingerprint("reduce", allocation=allocation.code, amount=amount, reason=reason)
    allocation, accounts = locked_allocation(allocation.pk, and_capacity=allocation.capacity_id)
    if kept := posted(key, asked):
        return kept
    rules.check_open(allocation.state, "reduce")
    rules.check_reduce(accounts[AccountKind.FREE].balance, amount)

    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.REDUCE,
        accounts[AccountKind.FREE],
        accounts[AccountKind.CAPACITY],
        amount,
        key,
        asked,
        reason=reason,
    )
    post(booking)
    log("allocation.reduced", allocation.code, by=by, now=now, amount=amount, reason=reason)
    return transfer


@action
def prolong(
    allocation: Allocation, *, ends_at: datetime, reason: str, by: Person | None, now: datetime
) -> Allocation:
    """Let the hours of an allocation be used for longer.

    Raises NotAllowed allocation.prolong.not_operator, Refused allocation.prolong.ended,
    allocation.prolong.over and allocation.prolong.not_later.
    """
    _check_may_correct(by, "prolong")
    rules.check_words(key="prolong", reason=reason)
    rules.check_reason(reason)
    allocation, _accounts = locked_allocation(allocation.pk)
    rules.check_open(allocation.state, "prolong")
    rules.check_prolong(allocation.ends_at, ends_at, now)

    before, allocation.ends_at = allocation.ends_at, ends_at
    allocation.save(update_fields=["ends_at"])
    log(
        "allocation.prolonged",
        allocation.code,
        by=by,
        now=now,
        before=before,
        ends_at=ends_at,
        reason=reason,
    )
    return allocation


@action
def overdraw(
    allocation: Allocation,
    *,
    amount: int,
    reason: str,
    key: str,
    by: Person | None,
    now: datetime,
) -> Transfer:
    """Let a project spend so much beyond what it was granted, signed by an operator with a reason.

    What ran over before stays an overrun: this is for what comes.

    Raises NotAllowed allocation.overdraw.not_operator, Refused allocation.overdraw.ended.
    """
    _check_may_correct(by, "overdraw")
    rules.check_amount(amount)
    rules.check_words(key=key, reason=reason)
    rules.check_reason(reason)
    asked = rules.fingerprint("overdraw", allocation=allocation.code, amount=amount, reason=reason)
    allocation, accounts = locked_allocation(allocation.pk)
    if kept := posted(key, asked):
        return kept
    rules.check_open(allocation.state, "overdraw")

    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.OVERDRAFT,
        accounts[AccountKind.OVERDRAFT],
        accounts[AccountKind.FREE],
        amount,
        key,
        asked,
        reason=reason,
    )
    post(booking)
    untell(allocation, accounts)
    log("allocation.overdrawn", allocation.code, by=by, now=now, amount=amount, reason=reason)
    return transfer


@action
def refund(
    allocation: Allocation,
    *,
    amount: int,
    reason: str,
    key: str,
    by: Person | None,
    now: datetime,
) -> Transfer:
    """Give back what a project was charged: a job failed through the factory's fault.

    Raises NotAllowed allocation.refund.not_operator, Refused allocation.refund.ended and
    allocation.refund.too_big.
    """
    _check_may_correct(by, "refund")
    rules.check_amount(amount)
    rules.check_words(key=key, reason=reason)
    rules.check_reason(reason)
    asked = rules.fingerprint("refund", allocation=allocation.code, amount=amount, reason=reason)
    allocation, accounts = locked_allocation(allocation.pk)
    if kept := posted(key, asked):
        return kept
    rules.check_open(allocation.state, "refund")
    rules.check_refund(balance_of(accounts), amount)

    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.REFUND,
        accounts[AccountKind.SPENT],
        accounts[AccountKind.FREE],
        amount,
        key,
        asked,
        reason=reason,
    )
    post(booking)
    untell(allocation, accounts)
    log("allocation.refunded", allocation.code, by=by, now=now, amount=amount, reason=reason)
    return transfer


@action
def expire(
    allocation: Allocation, *, reason: str, key: str, by: Person | None, now: datetime
) -> Allocation:
    """End an allocation: what is free expires, what is held expires as it is released.

    The factory itself (by None) does it at the end of the period and needs no reason; an operator
    may do it any time and says why.

    Raises NotAllowed allocation.expire.not_operator, Refused allocation.expire.not_now and
    allocation.expire.not_yet.
    """
    _check_may_correct(by, "expire")
    rules.check_words(key=key, reason=reason)
    if by is not None:
        rules.check_reason(reason)
    asked = rules.fingerprint("expire", allocation=allocation.code, reason=reason)
    allocation, accounts = locked_allocation(allocation.pk)
    if posted(key, asked):
        return allocation
    state = rules.ALLOCATION.after("expire", allocation.state)
    if by is None:
        rules.check_expire(allocation.ends_at, now)

    move_to(allocation, state)
    free = accounts[AccountKind.FREE]
    booking = Booking(by, now)
    if left := free.balance:
        expired = accounts[AccountKind.EXPIRED]
        booking.move(TransferKind.EXPIRE, free, expired, left, key, asked, reason=reason)
    post(booking)
    log("allocation.expired", allocation.code, by=by, now=now, amount=left, reason=reason)
    return allocation


@action
def open_allocation(allocation: Allocation, *, by: Person | None, now: datetime) -> Allocation:
    """Open a pending allocation whose period has begun. Doing it again changes nothing."""
    allocation, _accounts = locked_allocation(allocation.pk)
    if allocation.state is AllocationState.PENDING and rules.is_within(
        allocation.starts_at, allocation.ends_at, now
    ):
        move_to(allocation, rules.ALLOCATION.after("open", allocation.state))
        log("allocation.opened", allocation.code, by=by, now=now)
    return allocation


@action
def freeze(allocation: Allocation, *, reason: str, by: Person | None, now: datetime) -> Allocation:
    """Let no new job start on an allocation. Jobs that run go on and are charged.

    Raises NotAllowed allocation.freeze.not_operator, Refused allocation.freeze.not_now.
    """
    return _turn("freeze", "allocation.frozen", allocation, reason=reason, by=by, now=now)


@action
def thaw(allocation: Allocation, *, reason: str, by: Person | None, now: datetime) -> Allocation:
    """Let jobs start again on a frozen allocation.

    Raises NotAllowed allocation.thaw.not_operator, Refused allocation.thaw.not_now.
    """
    return _turn("thaw", "allocation.thawed", allocation, reason=reason, by=by, now=now)


def _turn(
    verb: str,
    event: str,
    allocation: Allocation,
    *,
    reason: str,
    by: Person | None,
    now: datetime,
) -> Allocation:
    _check_may_correct(by, verb)
    rules.check_words(key=verb, reason=reason)
    rules.check_reason(reason)
    allocation, _accounts = locked_allocation(allocation.pk)
    state = rules.ALLOCATION.after(verb, allocation.state)

    move_to(allocation, state)
    log(event, allocation.code, by=by, now=now, reason=reason)
    return allocation


def _check_may_correct(by: Person | None, verb: str) -> None:
    if not access.may_correct(by):
        raise NotAllowed(
            f"allocation.{verb}.not_operator",
            _("Only an operator of the factory can correct an allocation."),
        )
