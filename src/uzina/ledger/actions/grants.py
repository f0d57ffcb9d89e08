"""Where hours come from."""

from datetime import datetime

from django.db.models import Q

from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import rules
from uzina.ledger.actions.books import Booking, by_kind, locked, post, posted
from uzina.ledger.models import Account, Allocation, Resource, Transfer
from uzina.ledger.rules import AccountKind, AllocationState, AtExhaustion, TransferKind
from uzina.people.models import Person, Project

RESOURCES = (("gpu-hours", "GPU-hours", "gpu_ms"), ("storage", "Storage", "mb"))
"""What the factory counts: slug, title, unit. GPU-milliseconds: docs/decisions/0003-ledger.md.
Storage in MB of 10**6 bytes: in bytes, rules.LARGEST would end the books at 9 petabytes."""


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
    (source,) = locked(Q(pk=source.pk))
    capacity = Account.objects.filter(
        kind=AccountKind.CAPACITY, resource=resource, owner=owner
    ).first()
    if posted(key, asked):
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
    booking = Booking(by, now)
    booking.move(TransferKind.FUND, source, capacity, amount, key, asked, subject=owner)
    post(booking)
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
    source, capacity = by_kind(
        locked(Q(pk=capacity.pk) | Q(kind=AccountKind.SOURCE, resource=capacity.resource_id)),
        AccountKind.SOURCE,
        AccountKind.CAPACITY,
    )
    if kept := posted(key, asked):
        return kept

    booking = Booking(by, now)
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
    post(booking)
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
    policy: AtExhaustion = AtExhaustion.FINISH,
) -> Allocation:
    """Give a project an allocation for [starts_at, ends_at), out of what a call has left.

    policy  what happens when the hours come to their end

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
        policy=policy,
    )
    (capacity,) = locked(Q(pk=capacity.pk, kind=AccountKind.CAPACITY))
    if kept := posted(key, asked):
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
        policy=policy,
        made_at=now,
    )
    accounts = Account.objects.bulk_create(
        Account(kind=kind, resource_id=capacity.resource_id, allocation=allocation)
        for kind in rules.ALLOCATION_KINDS
    )
    booking = Booking(by, now)
    booking.move(
        TransferKind.GRANT, capacity, accounts[0], amount, key, asked, subject=project.code
    )
    post(booking)
    log(
        "allocation.granted",
        allocation.code,
        by=by,
        now=now,
        amount=amount,
        project=project.code,
        starts_at=starts_at,
        ends_at=ends_at,
        policy=policy,
    )
    return allocation


@action
def grant_storage(
    project: Project,
    *,
    owner: str,
    title: str,
    amount_mb: int,
    starts_at: datetime,
    ends_at: datetime,
    key: str,
    by: Person | None,
    now: datetime,
) -> Allocation:
    """Give a project storage for [starts_at, ends_at), in MB of 10**6 bytes.

    What is given is brought in at the same time: storage comes with the hours of a call and has no
    budget of its own that could run out.

    owner  the code of the call
    """
    rules.check_amount(amount_mb)
    resource = Resource.objects.get(slug="storage")
    capacity, _made = Account.objects.get_or_create(
        kind=AccountKind.CAPACITY, resource=resource, owner=owner, defaults={"title": title}
    )
    Account.objects.get_or_create(kind=AccountKind.SOURCE, resource=resource)
    fund(capacity, amount=amount_mb, reason=project.code, key=f"{key}:brought", by=by, now=now)
    return grant(
        project,
        capacity=capacity,
        amount=amount_mb,
        starts_at=starts_at,
        ends_at=ends_at,
        key=key,
        by=by,
        now=now,
    )
