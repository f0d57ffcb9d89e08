"""What was used without a hold: charges and their corrections."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Q

from uzina.core.db import action
from uzina.core.log import log
from uzina.ledger import rules
from uzina.ledger.actions.books import Booking, by_allocation, left_of, locked, post
from uzina.ledger.actions.warnings import tell
from uzina.ledger.models import Account, Allocation, Transfer
from uzina.ledger.rules import AccountKind, TransferKind
from uzina.people.models import Person

KEYS_AT_ONCE = 500


@action
def charge(
    charges: Sequence[rules.Charge], *, by: Person | None, now: datetime
) -> list[Transfer | None]:
    """Book what was used without a hold, all of it or none, and return a transfer for each.

    Used: spent from what is free, or from what expired once the allocation has ended; the rest is
    booked as overrun. Corrected downwards: an overrun is undone first, the rest is free again, or
    expired once the allocation has ended. Nothing measured is refused, and no state is asked.

    A charge that divides gives the transfer of its first part, which has its key. A correction
    finds nothing to give back, and gives None, where an operator has refunded all that was spent.
    """
    for one in charges:
        rules.check_charge(one.amount)
        rules.check_words(key=one.key, subject=one.subject, reason=one.reason)
    ids = {one.allocation.pk for one in charges}
    accounts = by_allocation(locked(Q(allocation__in=ids)))
    allocations = Allocation.objects.in_bulk(ids)
    kept = _kept([one.key for one in charges])

    booking = Booking(by, now)
    found: list[Transfer | None] = []
    booked: dict[int, tuple[int, int]] = {}
    for one in charges:
        asked = rules.fingerprint(
            "charge",
            allocation=one.allocation.code,
            amount=one.amount,
            subject=one.subject,
            reason=one.reason,
        )
        transfer = kept.get(one.key)
        if transfer is not None:
            rules.check_same(one.key, transfer.fingerprint, asked)
        else:
            pk = one.allocation.pk
            transfer = _charge_one(booking, one, asked, allocations[pk], accounts[pk])
            if transfer is not None:
                kept[one.key] = transfer
                amount, count = booked.get(pk, (0, 0))
                booked[pk] = (amount + one.amount, count + 1)
        found.append(transfer)
    post(booking)
    for pk, (amount, count) in booked.items():
        tell(allocations[pk], accounts[pk], now=now)
        log("allocation.charged", allocations[pk].code, by=by, now=now, amount=amount, count=count)
    return found


def _kept(keys: Sequence[str]) -> dict[str, Transfer]:
    """Return what these keys posted before. Asked under the locks."""
    found: dict[str, Transfer] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        rows = Transfer.objects.filter(key__in=keys[start : start + KEYS_AT_ONCE])
        found |= {row.key: row for row in rows}
    return found


def _charge_one(
    booking: Booking,
    one: rules.Charge,
    asked: str,
    allocation: Allocation,
    accounts: Mapping[str, Account],
) -> Transfer | None:
    """Add one charge to the booking, in one part or two, and return the first."""
    left, spent = left_of(allocation, accounts), accounts[AccountKind.SPENT]
    overrun = accounts[AccountKind.OVERRUN]
    parts = rules.divide(
        one.amount, left=left.balance, overrun=-overrun.balance, spent=spent.balance
    )
    if one.amount > 0:
        moves = (
            (TransferKind.SPEND, left, spent, parts.left),
            (TransferKind.OVERRUN, overrun, spent, parts.overrun),
        )
    else:
        moves = (
            (TransferKind.CREDIT, spent, overrun, -parts.overrun),
            (TransferKind.CREDIT, spent, left, -parts.left),
        )
    first: Transfer | None = None
    for kind, source, target, amount in moves:
        if amount:
            key = one.key if first is None else f"{one.key}{rules.MARK}rest"
            transfer = booking.move(
                kind, source, target, amount, key, asked, subject=one.subject, reason=one.reason
            )
            first = first or transfer
    return first
