"""What jobs do: hold, settle, void."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import rules
from uzina.ledger.actions.books import (
    Booking,
    by_allocation,
    check_is_hold,
    left_of,
    locked,
    locked_allocation,
    move_to,
    post,
    posted,
    settled_parts,
    settlement,
)
from uzina.ledger.actions.warnings import tell
from uzina.ledger.models import Account, Allocation, Transfer
from uzina.ledger.rules import AccountKind, AllocationState, TransferKind
from uzina.people.models import Person

BATCH = 200


@action
def hold(
    allocation: Allocation,
    *,
    amount: int,
    subject: str,
    key: str,
    by: Person | None,
    now: datetime,
) -> Transfer:
    """Set an amount aside for a job. It counts as gone until it is settled or voided.

    subject  the code of the job

    Raises Refused allocation.hold.outside_period, allocation.hold.not_active,
    allocation.hold.too_big.
    """
    rules.check_amount(amount)
    rules.check_words(key=key, subject=subject)
    asked = rules.fingerprint("hold", allocation=allocation.code, amount=amount, subject=subject)
    allocation, accounts = locked_allocation(allocation.pk)
    if kept := posted(key, asked):
        return kept
    state = rules.check_hold(
        state=allocation.state,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        free=accounts[AccountKind.FREE].balance,
        amount=amount,
        now=now,
    )

    move_to(allocation, state)
    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.HOLD,
        accounts[AccountKind.FREE],
        accounts[AccountKind.HELD],
        amount,
        key,
        asked,
        subject=subject,
    )
    post(booking)
    log(
        "allocation.held",
        allocation.code,
        by=by,
        now=now,
        amount=amount,
        used_by=subject,
        key=key,
    )
    return transfer


@action
def hold_many(
    allocation: Allocation,
    *,
    amounts: Mapping[str, int],
    by: Person | None,
    now: datetime,
) -> dict[str, Transfer]:
    """Set amounts aside for many new jobs, all or none, and return the holds by job.

    amounts  by the code of the job; each hold has the key "hold:<code>", never used before

    Raises as hold() does, of the sum.
    """
    for subject, amount in amounts.items():
        rules.check_amount(amount)
        rules.check_words(key=f"hold:{subject}", subject=subject)
    allocation, accounts = locked_allocation(allocation.pk)
    state = rules.check_hold(
        state=allocation.state,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        free=accounts[AccountKind.FREE].balance,
        amount=sum(amounts.values()),
        now=now,
    )

    move_to(allocation, state)
    booking = Booking(by, now)
    holds = {}
    for subject, amount in amounts.items():
        key = f"hold:{subject}"
        holds[subject] = booking.move(
            TransferKind.HOLD,
            accounts[AccountKind.FREE],
            accounts[AccountKind.HELD],
            amount,
            key,
            rules.fingerprint("hold", allocation=allocation.code, amount=amount, subject=subject),
            subject=subject,
        )
        log(
            "allocation.held",
            allocation.code,
            by=by,
            now=now,
            amount=amount,
            used_by=subject,
            key=key,
        )
    post(booking)
    return holds


def settle(hold: Transfer, *, used: int, by: Person | None, now: datetime) -> rules.Settlement:
    """Spend what a job used and release the rest of its hold.

    What was used beyond the hold is spent from what is free, and beyond that booked as overrun.
    Once the allocation has ended, it is spent from what expired, and what is released expires at
    once. The hold is its own key:
    settling again with the same figure returns the same.

    Raises Refused hold.settle.already for another figure, or a hold voided before.
    """
    return settle_many([(hold, used)], by=by, now=now)[0]


def settle_many(
    measured: Sequence[tuple[Transfer, int]], *, by: Person | None, now: datetime
) -> list[rules.Settlement]:
    """Settle many holds, BATCH in one transaction, and return their settlements in order.

    measured  pairs of a hold and what was used, each hold once

    Raises as settle() does. A refusal undoes its batch, not the batches before it, and calling
    again with all of them is safe.
    """
    found: list[rules.Settlement] = []
    for start in range(0, len(measured), BATCH):
        found += _settle_batch(measured[start : start + BATCH], by=by, now=now)
    return found


@action
def _settle_batch(
    measured: Sequence[tuple[Transfer, int]], *, by: Person | None, now: datetime
) -> list[rules.Settlement]:
    for hold, used in measured:
        check_is_hold(hold)
        rules.check_used(used)
    ids = {hold.allocation_id for hold, _used in measured}
    accounts = by_allocation(locked(Q(allocation__in=ids)))
    allocations = Allocation.objects.in_bulk(ids)
    parts = settled_parts([hold for hold, _used in measured])

    booking = Booking(by, now)
    found = []
    for hold, used in measured:
        if before := parts.get(hold.pk):
            settled = settlement(before)
            rules.check_settled_so(settled, used)
        else:
            allocation = allocations[hold.allocation_id]
            settled = _settle_one(booking, hold, used, allocation, accounts[allocation.pk])
        found.append(settled)
    post(booking)
    for pk, row in allocations.items():
        tell(row, accounts[pk], now=now)
    return found


def _settle_one(
    booking: Booking,
    hold: Transfer,
    used: int,
    allocation: Allocation,
    accounts: Mapping[str, Account],
) -> rules.Settlement:
    """Add to the booking what becomes of one open hold, and note it in the log."""
    free, held, spent, overrun = (
        accounts[kind]
        for kind in (
            AccountKind.FREE,
            AccountKind.HELD,
            AccountKind.SPENT,
            AccountKind.OVERRUN,
        )
    )
    left = left_of(allocation, accounts)
    settled = rules.settle(held=hold.amount, used=used, left=left.balance)
    asked = rules.fingerprint("settle", hold=hold.key, used=used)
    for part, kind, source, target, amount in (
        ("spent", TransferKind.SPEND, held, spent, settled.from_hold),
        ("spent-more", TransferKind.SPEND, left, spent, settled.from_free),
        ("overrun", TransferKind.OVERRUN, overrun, spent, settled.overrun),
        ("released", TransferKind.RELEASE, held, free, settled.released),
    ):
        if amount:
            key = f"{hold.key}{rules.MARK}{part}"
            booking.move(kind, source, target, amount, key, asked, subject=hold.subject, hold=hold)
    _expire_late(booking, hold, asked, allocation, accounts)
    log(
        "hold.settled",
        allocation.code,
        by=booking.by,
        now=booking.now,
        key=hold.key,
        used_by=hold.subject,
        spent=settled.spent,
        released=settled.released,
        overrun=settled.overrun,
    )
    return settled


@action
def void(hold: Transfer, *, reason: str, key: str, by: Person | None, now: datetime) -> Transfer:
    """Release all of a hold whose job never ran. Voiding again gives the same transfer.

    Raises Refused hold.void.already_settled once something was spent.
    """
    check_is_hold(hold)
    rules.check_words(key=key, reason=reason)
    asked = rules.fingerprint("void", hold=hold.key, reason=reason)
    allocation, accounts = locked_allocation(hold.allocation_id or 0)
    if kept := posted(key, asked):
        return kept
    if parts := settled_parts([hold]).get(hold.pk):
        if settlement(parts).spent:
            raise Refused(
                "hold.void.already_settled",
                _("The job of this hold has run and was charged. Correct a charge by a refund."),
            )
        return next(part for part in parts if part.kind == TransferKind.RELEASE)

    booking = Booking(by, now)
    transfer = booking.move(
        TransferKind.RELEASE,
        accounts[AccountKind.HELD],
        accounts[AccountKind.FREE],
        hold.amount,
        key,
        asked,
        subject=hold.subject,
        reason=reason,
        hold=hold,
    )
    _expire_late(booking, hold, asked, allocation, accounts)
    post(booking)
    log("hold.voided", allocation.code, by=by, now=now, key=hold.key, reason=reason)
    return transfer


def _expire_late(
    booking: Booking,
    hold: Transfer,
    asked: str,
    allocation: Allocation,
    accounts: Mapping[str, Account],
) -> None:
    """Let expire what a hold gave back to an allocation that has ended."""
    free = accounts[AccountKind.FREE]
    if allocation.state is AllocationState.ENDED and free.balance:
        key = f"{hold.key}{rules.MARK}expired"
        booking.move(
            TransferKind.EXPIRE,
            free,
            accounts[AccountKind.EXPIRED],
            free.balance,
            key,
            asked,
            subject=hold.subject,
            hold=hold,
        )
