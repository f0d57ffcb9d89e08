"""Locking and posting: the ground all other files of the room stand on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, connection
from django.db.models import Q

from uzina.core.errors import Refused
from uzina.core.text import _
from uzina.ledger import rules
from uzina.ledger.models import Account, Allocation, Posting, Transfer
from uzina.ledger.rules import AccountKind, AllocationState, TransferKind
from uzina.people.models import Person


def locked(which: Q) -> list[Account]:
    """Lock accounts in the order of their ids, so that no two actions wait for each other.

    NO KEY UPDATE: rows that only refer to an account need not wait. SQLite has one writer at a
    time anyway.
    """
    return list(Account.objects.select_for_update(no_key=True).filter(which).order_by("pk"))


def locked_allocation(
    pk: int, *, and_capacity: int | None = None
) -> tuple[Allocation, dict[str, Account]]:
    """Lock an allocation's accounts, perhaps with its capacity, and read what they guard."""
    accounts = locked(Q(allocation=pk) | Q(pk=and_capacity))
    return (
        Allocation.objects.get(pk=pk),
        {account.kind: account for account in accounts},
    )


def by_kind(accounts: Iterable[Account], *kinds: AccountKind) -> list[Account]:
    """Return the accounts of these kinds, in their order."""
    found = {account.kind: account for account in accounts}
    return [found[kind] for kind in kinds]


def by_allocation(accounts: Iterable[Account]) -> dict[int, dict[str, Account]]:
    """Return accounts by the id of their allocation and their kind."""
    found: dict[int, dict[str, Account]] = {}
    for account in accounts:
        found.setdefault(account.allocation_id or 0, {})[account.kind] = account
    return found


def balance_of(accounts: Mapping[str, Account]) -> rules.Balance:
    """Return what the accounts of one allocation amount to."""
    return rules.balance_of({kind: account.balance for kind, account in accounts.items()})


def left_of(allocation: Allocation, accounts: Mapping[str, Account]) -> Account:
    """Return the account of what an allocation has left: free, and once it has ended, expired."""
    ended = allocation.state is AllocationState.ENDED
    return accounts[AccountKind.EXPIRED if ended else AccountKind.FREE]


def posted(key: str, asked: str) -> Transfer | None:
    """Return what the key posted before. Asked under the lock, so a rival's booking is seen."""
    kept = Transfer.objects.filter(key=key).first()
    if kept is not None:
        rules.check_same(key, kept.fingerprint, asked)
    return kept


def check_is_hold(transfer: Transfer) -> None:
    """Raise ValueError for a transfer that holds nothing: a bug of the caller."""
    if transfer.kind != TransferKind.HOLD:
        msg = f"{transfer} is not a hold"
        raise ValueError(msg)


def settled_parts(holds: Sequence[Transfer]) -> dict[int, list[Transfer]]:
    """Return what settled each hold, by its id; open holds are left out."""
    found: dict[int, list[Transfer]] = {}
    for part in Transfer.objects.filter(hold__in=[hold.pk for hold in holds]).order_by("pk"):
        found.setdefault(part.hold_id or 0, []).append(part)
    return found


def settlement(parts: Iterable[Transfer]) -> rules.Settlement:
    """Return the settlement that the transfers of one settled hold amount to."""
    amounts = dict.fromkeys(("spent", "spent-more", "overrun", "released"), 0)
    for part in parts:
        if part.kind == TransferKind.RELEASE:
            amounts["released"] = part.amount
        elif part.kind != TransferKind.EXPIRE:
            amounts[part.key.rpartition(rules.MARK)[2]] = part.amount
    return rules.Settlement(
        amounts["spent"], amounts["spent-more"], amounts["overrun"], amounts["released"]
    )


def move_to(allocation: Allocation, state: AllocationState) -> None:
    """Write the state, where it is another."""
    if allocation.state is not state:
        allocation.state = state
        allocation.save(update_fields=["state"])


class Booking:
    """The transfers of one action, made ready in memory for post to write in three statements."""

    def __init__(self, by: Person | None, now: datetime) -> None:
        self.by = by
        self.now = now
        self.transfers: list[Transfer] = []
        self.postings: list[Posting] = []
        self.accounts: dict[int, Account] = {}

    def move(
        self,
        kind: TransferKind,
        source: Account,
        target: Account,
        amount: int,
        key: str,
        asked: str,
        *,
        subject: str = "",
        reason: str = "",
        hold: Transfer | None = None,
    ) -> Transfer:
        """Add a transfer and carry its amount over, from and to accounts that are locked."""
        way = (AccountKind(source.kind), AccountKind(target.kind))
        if way not in rules.WAYS[kind]:
            msg = f"{kind} does not go from {source} to {target}"
            raise AssertionError(msg)
        for account, change in ((source, -amount), (target, amount)):
            account.balance += change
            rules.check_balance(AccountKind(account.kind), account.balance)
            self.accounts[account.pk] = account
        transfer = Transfer(
            kind=kind,
            key=key,
            fingerprint=asked,
            amount=amount,
            allocation_id=target.allocation_id or source.allocation_id,
            hold=hold,
            subject=subject,
            reason=reason,
            at=self.now,
            by_code=self.by.code if self.by else "",
        )
        self.transfers.append(transfer)
        self.postings += [
            Posting(transfer=transfer, account=source, amount=-amount),
            Posting(transfer=transfer, account=target, amount=amount),
        ]
        return transfer


def post(booking: Booking) -> None:
    """Write transfers, their postings and the new balances: the only place that does.

    Raises Refused transfer.post.key_reused when a rival used a key for other accounts just now;
    on the same accounts the lock has made that visible before.
    """
    if not booking.transfers:
        return
    try:
        Transfer.objects.bulk_create(booking.transfers)
    except IntegrityError as error:
        if "transfer_key_once" not in str(error) and "ledger_transfer.key" not in str(error):
            raise
        raise Refused(
            "transfer.post.key_reused",
            _("The key {key} was used for another booking. Use a new key for a new booking."),
            key=booking.transfers[0].key,
        ) from error
    Posting.objects.bulk_create(booking.postings)
    with connection.cursor() as cursor:
        # bulk_update writes the same and took a quarter of the CPU of a whole booking.
        cursor.executemany(
            "UPDATE ledger_account SET balance = %s WHERE id = %s",
            [(account.balance, account.pk) for account in booking.accounts.values()],
        )
