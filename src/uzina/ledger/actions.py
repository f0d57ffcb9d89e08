"""Every booking. Lock the accounts in the order of their ids, ask, post, log.

One function writes transfers (`_post`), so one place keeps the books balanced. A verb called again
with the same key and content gives what it gave before and books nothing; with other content it
is Refused transfer.post.key_reused. What a program can send wrong (an amount of zero, an overlong
reason) is Invalid.

`open_capacity`, `fund`, `grant`, `hold`, `settle` and `void` are called by neighbours' actions,
which have asked whether the person may. The corrections ask for an operator themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import IntegrityError, connection
from django.db.models import Q

from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import access, rules
from uzina.ledger.models import Account, Allocation, Posting, Resource, Transfer
from uzina.ledger.rules import AccountKind, AllocationState, TransferKind
from uzina.people.models import Person, Project

BATCH = 200
"""Settlements in one transaction: 20 times the rate of one by one (benchmarks/ledger.md), and the
locks are held for a fraction of a second."""


RESOURCES = (("gpu-hours", "GPU-hours", "gpu_ms"),)
"""What the factory counts: slug, title, unit. GPU-milliseconds: docs/decisions/0003-ledger.md."""


# --- where hours come from ------------------------------------------------------------------


@action
def seed_resources() -> None:
    """Write what the factory counts. Doing it again changes nothing. No line in the log: nobody's
    doing, every migrate does it.
    """
    for slug, title, unit in RESOURCES:
        Resource.objects.get_or_create(slug=slug, defaults={"title": title, "unit": unit})


@action
def open_capacity(
    *,
    owner: str,
    title: str,
    resource: Resource,
    amount: int,
    key: str,
    by: Person | None,
    now: datetime,
) -> Account:
    """Open the account that a call grants from, filled by the funder with the amount.

    owner  the code of the call

    Raises Refused capacity.open.exists when the owner has one of this resource already.
    """
    rules.check_amount(amount)
    rules.check_words(key=key, subject=owner)
    asked = rules.fingerprint("fund", owner=owner, resource=resource.slug, amount=amount)
    source, _made = Account.objects.get_or_create(kind=AccountKind.SOURCE, resource=resource)
    (source,) = _locked(Q(pk=source.pk))
    capacity = Account.objects.filter(
        kind=AccountKind.CAPACITY, resource=resource, owner=owner
    ).first()
    if _kept(key, asked):
        if capacity is None:
            msg = f"the transfer {key} funded a capacity that is not there"
            raise AssertionError(msg)
        return capacity
    if capacity is not None:
        raise Refused(
            "capacity.open.exists",
            _("{owner} has an account to grant from already. Add to that one."),
            owner=owner,
        )

    capacity = Account.objects.create(
        kind=AccountKind.CAPACITY, resource=resource, owner=owner, title=title
    )
    booking = _Booking(by, now)
    booking.move(TransferKind.FUND, source, capacity, amount, key, asked, subject=owner)
    _post(booking)
    log("capacity.opened", owner, by=by, now=now, amount=amount, resource=resource.slug)
    return capacity


@action
def fund(
    capacity: Account, *, amount: int, reason: str, key: str, by: Person | None, now: datetime
) -> Transfer:
    """Add to what a call can grant."""
    rules.check_amount(amount)
    rules.check_words(key=key, reason=reason)
    asked = rules.fingerprint("fund", capacity=capacity.pk, amount=amount, reason=reason)
    source, capacity = _by_kind(
        _locked(Q(pk=capacity.pk) | Q(kind=AccountKind.SOURCE, resource=capacity.resource_id)),
        AccountKind.SOURCE,
        AccountKind.CAPACITY,
    )
    if kept := _kept(key, asked):
        return kept

    booking = _Booking(by, now)
    transfer = booking.move(
        TransferKind.FUND,
        source,
        capacity,
        amount,
        key,
        asked,
        subject=capacity.owner,
        reason=reason,
    )
    _post(booking)
    log("capacity.funded", capacity.owner, by=by, now=now, amount=amount, reason=reason)
    return transfer


@action
def grant(
    project: Project,
    *,
    capacity: Account,
    amount: int,
    starts_at: datetime,
    ends_at: datetime,
    key: str,
    by: Person | None,
    now: datetime,
) -> Allocation:
    """Give a project an allocation for [starts_at, ends_at), out of what a call has left.

    Raises Invalid allocation.period.empty, Refused allocation.grant.period_over and
    allocation.grant.too_big.
    """
    rules.check_amount(amount)
    rules.check_words(key=key)
    rules.check_period(starts_at, ends_at)
    asked = rules.fingerprint(
        "grant",
        project=project.code,
        capacity=capacity.pk,
        amount=amount,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    (capacity,) = _locked(Q(pk=capacity.pk, kind=AccountKind.CAPACITY))
    if kept := _kept(key, asked):
        return Allocation.objects.get(pk=kept.allocation_id or 0)
    rules.check_grant(ends_at, now)
    rules.check_capacity(capacity.balance, amount)

    allocation = Allocation.objects.create(
        project=project,
        resource_id=capacity.resource_id,
        capacity=capacity,
        starts_at=starts_at,
        ends_at=ends_at,
        state=AllocationState.ACTIVE if starts_at <= now else AllocationState.PENDING,
        made_at=now,
    )
    accounts = Account.objects.bulk_create(
        Account(kind=kind, resource_id=capacity.resource_id, allocation=allocation)
        for kind in rules.ALLOCATION_KINDS
    )
    booking = _Booking(by, now)
    booking.move(
        TransferKind.GRANT, capacity, accounts[0], amount, key, asked, subject=project.code
    )
    _post(booking)
    log(
        "allocation.granted",
        allocation.code,
        by=by,
        now=now,
        amount=amount,
        project=project.code,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    return allocation


# --- what jobs do ---------------------------------------------------------------------------


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
    allocation, accounts = _locked_allocation(allocation.pk)
    if kept := _kept(key, asked):
        return kept
    state = rules.check_hold(
        state=allocation.state,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        free=accounts[AccountKind.FREE].balance,
        amount=amount,
        now=now,
    )

    _move_to(allocation, state)
    booking = _Booking(by, now)
    transfer = booking.move(
        TransferKind.HOLD,
        accounts[AccountKind.FREE],
        accounts[AccountKind.HELD],
        amount,
        key,
        asked,
        subject=subject,
    )
    _post(booking)
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


def settle(hold: Transfer, *, used: int, by: Person | None, now: datetime) -> rules.Settlement:
    """Spend what a job used and release the rest of its hold.

    What was used beyond the hold is spent from what is free, and beyond that booked as overrun.
    Once the allocation has ended, what is released expires at once. The hold is its own key:
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
        _check_is_hold(hold)
        rules.check_used(used)
    ids = {hold.allocation_id for hold, _used in measured}
    accounts = _by_allocation(_locked(Q(allocation__in=ids)))
    allocations = Allocation.objects.in_bulk(ids)
    parts = _settled_parts([hold for hold, _used in measured])

    booking = _Booking(by, now)
    found = []
    for hold, used in measured:
        if before := parts.get(hold.pk):
            settled = _settlement(before)
            rules.check_settled_so(settled, used)
        else:
            allocation = allocations[hold.allocation_id]
            settled = _settle_one(booking, hold, used, allocation, accounts[allocation.pk])
        found.append(settled)
    _post(booking)
    return found


def _settle_one(
    booking: "_Booking",
    hold: Transfer,
    used: int,
    allocation: Allocation,
    accounts: Mapping[str, Account],
) -> rules.Settlement:
    """Add to the booking what becomes of one open hold, and note it in the log."""
    free, held, spent = (
        accounts[kind] for kind in (AccountKind.FREE, AccountKind.HELD, AccountKind.SPENT)
    )
    overrun = accounts[AccountKind.OVERRUN]
    settled = rules.settle(held=hold.amount, used=used, free=free.balance)
    asked = rules.fingerprint("settle", hold=hold.key, used=used)
    for part, kind, source, target, amount in (
        ("spent", TransferKind.SPEND, held, spent, settled.from_hold),
        ("spent-more", TransferKind.SPEND, free, spent, settled.from_free),
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
    _check_is_hold(hold)
    rules.check_words(key=key, reason=reason)
    asked = rules.fingerprint("void", hold=hold.key, reason=reason)
    allocation, accounts = _locked_allocation(hold.allocation_id or 0)
    if kept := _kept(key, asked):
        return kept
    if parts := _settled_parts([hold]).get(hold.pk):
        if _settlement(parts).spent:
            raise Refused(
                "hold.void.already_settled",
                _("The job of this hold has run and was charged. Correct a charge by a refund."),
            )
        return next(part for part in parts if part.kind == TransferKind.RELEASE)

    booking = _Booking(by, now)
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
    _post(booking)
    log("hold.voided", allocation.code, by=by, now=now, key=hold.key, reason=reason)
    return transfer


def _expire_late(
    booking: "_Booking",
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


# --- what operators and the clock do --------------------------------------------------------


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
    allocation, accounts = _locked_allocation(allocation.pk, and_capacity=allocation.capacity_id)
    if kept := _kept(key, asked):
        return kept
    rules.check_open(allocation.state, "top_up")
    rules.check_capacity(accounts[AccountKind.CAPACITY].balance, amount)

    booking = _Booking(by, now)
    transfer = booking.move(
        TransferKind.TOP_UP,
        accounts[AccountKind.CAPACITY],
        accounts[AccountKind.FREE],
        amount,
        key,
        asked,
        reason=reason,
    )
    _post(booking)
    log("allocation.topped_up", allocation.code, by=by, now=now, amount=amount, reason=reason)
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
    allocation, accounts = _locked_allocation(allocation.pk)
    if kept := _kept(key, asked):
        return kept
    rules.check_open(allocation.state, "refund")
    rules.check_refund(_balance(accounts), amount)

    booking = _Booking(by, now)
    transfer = booking.move(
        TransferKind.REFUND,
        accounts[AccountKind.SPENT],
        accounts[AccountKind.FREE],
        amount,
        key,
        asked,
        reason=reason,
    )
    _post(booking)
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
    allocation, accounts = _locked_allocation(allocation.pk)
    if _kept(key, asked):
        return allocation
    state = rules.ALLOCATION.after("expire", allocation.state)
    if by is None:
        rules.check_expire(allocation.ends_at, now)

    _move_to(allocation, state)
    free = accounts[AccountKind.FREE]
    booking = _Booking(by, now)
    if left := free.balance:
        expired = accounts[AccountKind.EXPIRED]
        booking.move(TransferKind.EXPIRE, free, expired, left, key, asked, reason=reason)
    _post(booking)
    log("allocation.expired", allocation.code, by=by, now=now, amount=left, reason=reason)
    return allocation


@action
def open_allocation(allocation: Allocation, *, by: Person | None, now: datetime) -> Allocation:
    """Open a pending allocation whose period has begun. Doing it again changes nothing."""
    allocation, _accounts = _locked_allocation(allocation.pk)
    if allocation.state is AllocationState.PENDING and rules.is_within(
        allocation.starts_at, allocation.ends_at, now
    ):
        _move_to(allocation, rules.ALLOCATION.after("open", allocation.state))
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
    allocation, _accounts = _locked_allocation(allocation.pk)
    state = rules.ALLOCATION.after(verb, allocation.state)

    _move_to(allocation, state)
    log(event, allocation.code, by=by, now=now, reason=reason)
    return allocation


def _check_may_correct(by: Person | None, verb: str) -> None:
    if not access.may_correct(by):
        raise NotAllowed(
            f"allocation.{verb}.not_operator",
            _("Only an operator of the factory can correct an allocation."),
        )


# --- locking, posting -----------------------------------------------------------------------


def _locked(which: Q) -> list[Account]:
    """Lock accounts in the order of their ids, so that no two actions wait for each other.

    NO KEY UPDATE: rows that only refer to an account need not wait. SQLite has one writer at a
    time anyway.
    """
    return list(Account.objects.select_for_update(no_key=True).filter(which).order_by("pk"))


def _locked_allocation(
    pk: int, *, and_capacity: int | None = None
) -> tuple[Allocation, dict[str, Account]]:
    """Lock an allocation's accounts, perhaps with its capacity, and read what they guard."""
    accounts = _locked(Q(allocation=pk) | Q(pk=and_capacity))
    return (
        Allocation.objects.get(pk=pk),
        {account.kind: account for account in accounts},
    )


def _by_kind(accounts: Iterable[Account], *kinds: AccountKind) -> list[Account]:
    found = {account.kind: account for account in accounts}
    return [found[kind] for kind in kinds]


def _by_allocation(accounts: Iterable[Account]) -> dict[int, dict[str, Account]]:
    found: dict[int, dict[str, Account]] = {}
    for account in accounts:
        found.setdefault(account.allocation_id or 0, {})[account.kind] = account
    return found


def _balance(accounts: Mapping[str, Account]) -> rules.Balance:
    return rules.balance_of({kind: account.balance for kind, account in accounts.items()})


def _kept(key: str, asked: str) -> Transfer | None:
    """Return what the key posted before. Asked under the lock, so a rival's booking is seen."""
    kept = Transfer.objects.filter(key=key).first()
    if kept is not None:
        rules.check_same(key, kept.fingerprint, asked)
    return kept


def _check_is_hold(transfer: Transfer) -> None:
    if transfer.kind != TransferKind.HOLD:
        msg = f"{transfer} is not a hold"
        raise ValueError(msg)


def _settled_parts(holds: Sequence[Transfer]) -> dict[int, list[Transfer]]:
    """Return what settled each hold, by its id; open holds are left out."""
    found: dict[int, list[Transfer]] = {}
    for part in Transfer.objects.filter(hold__in=[hold.pk for hold in holds]).order_by("pk"):
        found.setdefault(part.hold_id or 0, []).append(part)
    return found


def _settlement(parts: Iterable[Transfer]) -> rules.Settlement:
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


def _move_to(allocation: Allocation, state: AllocationState) -> None:
    if allocation.state is not state:
        allocation.state = state
        allocation.save(update_fields=["state"])


class _Booking:
    """The transfers of one action, made ready in memory for _post to write in three statements."""

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


def _post(booking: _Booking) -> None:
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
