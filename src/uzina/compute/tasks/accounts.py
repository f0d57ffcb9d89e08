"""Keeping the accounts, users and limits of the cluster as the ledger says they shall be."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from uzina.compute import actions, adapters, queries, rules
from uzina.compute.models import Cluster, SiteAccount
from uzina.compute.ports import Scheduler, SchedulerDown
from uzina.compute.rules import AccountSeen
from uzina.compute.tasks import watching
from uzina.ledger import queries as ledger
from uzina.ledger.queries import ProjectHours


def reconcile(*, now: datetime) -> None:
    """Look at the accounts of the cluster and keep the fence in step; put the rest right if the
    site wants that done without asking.
    """
    is_auto = settings.UZINA.scheduler.repair == "auto"
    put_right(kinds=rules.KINDS if is_auto else (), now=now)


def repair(*, kinds: Sequence[str], now: datetime) -> None:
    """Put right what an operator asked for; totals by reading the usage of a week again."""
    put_right(kinds=kinds, now=now)
    if "total" in kinds:
        watching.sweep(now=now)
        compare_totals(now=now)


def put_right(*, kinds: Collection[str], now: datetime) -> None:
    """Compare the accounts with the ledger; take the steps there are to take; read them back.

    kinds  of differences that are mended though they are not of the fence
    """
    if settings.UZINA.scheduler.accounts != "project":
        return
    batch = adapters.scheduler()
    if not batch.has_accounts:
        return
    cluster = queries.cluster()
    try:
        seen = batch.limits()
        prices = queries.prices_of(cluster, batch.inventory(), now=now)
        accounts = _take_in(cluster, seen, now=now)
        hours = ledger.project_hours(now=now)
        if new := _without_account(accounts, hours):
            actions.open_accounts(cluster, new, now=now)
            accounts = queries.site_accounts(cluster)
        desired = queries.desired(cluster, accounts=accounts.values(), hours=hours, prices=prices)
        _mend(batch, cluster, accounts, desired, seen, kinds=kinds, now=now)
    except SchedulerDown as down:
        actions.note_silence(cluster, detail=str(down), now=now)


def _take_in(
    cluster: Cluster, seen: Sequence[AccountSeen], *, now: datetime
) -> dict[str, SiteAccount]:
    """Return the accounts of projects, with what was counted and read until now."""
    by_name = {one.name: one for one in seen}
    accounts = queries.site_accounts(cluster)
    if queries.has_news(cluster, accounts, by_name):
        return actions.count_in(cluster, seen=by_name, now=now)
    return accounts


def _without_account(
    accounts: Mapping[str, SiteAccount], hours: Sequence[ProjectHours]
) -> list[ProjectHours]:
    kept = {one.project_id for one in accounts.values()}
    return [one for one in hours if one.project_id not in kept and one.state == "active"]


def _mend(
    batch: Scheduler,
    cluster: Cluster,
    accounts: Mapping[str, SiteAccount],
    desired: queries.Desired,
    seen: Sequence[AccountSeen],
    *,
    kinds: Collection[str],
    now: datetime,
) -> None:
    before = after = desired.compare(seen)
    steps = rules.plan_accounts(one for one in before if one.is_fence or one.kind in kinds)
    refused: tuple[str, ...] = ()
    if steps:
        if not actions.begin_writing(cluster, now=now):
            return  # who writes now looks at the same
        try:
            refused = batch.apply(steps)
            after = desired.compare(_as_used_before(batch.limits(), seen))
        except SchedulerDown:
            actions.end_writing(cluster)
            raise
    actions.note_looked(
        cluster,
        accounts=accounts,
        before=before,
        after=after,
        steps=steps,
        refused=refused,
        now=now,
    )


def _as_used_before(
    after: Sequence[AccountSeen], before: Sequence[AccountSeen]
) -> list[AccountSeen]:
    """Return what is there now with what was used then: limits were written for that."""
    used = {one.name: (one.used_gpu_min, one.used_billing_min) for one in before}
    return [
        replace(one, used_gpu_min=used[one.name][0], used_billing_min=used[one.name][1])
        if one.name in used
        else one
        for one in after
    ]


def examine(*, now: datetime) -> None:
    """Look at the settings of the site that could make budgets lie, and keep what was found."""
    actions.note_health(queries.cluster(), adapters.scheduler().health(), now=now)


def compare_totals(*, now: datetime) -> None:
    """Compare what was measured of each project with what the ledger booked."""
    cluster = queries.cluster()
    actions.note_totals(cluster, differences=queries.total_differences(cluster), now=now)


def accounts_changed(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Have the cluster looked at soon, once for all that changes in the next seconds.

    Holds and settlements are no such news: they leave the sum of free and held, and so the limit,
    as it was, or are read at the next look.
    """
    if settings.UZINA.scheduler.accounts == "project":
        actions.look_soon(now=now)


def stop_exhausted(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """End what runs on an allocation whose hours are spent, where its policy says so."""
    allocation = ledger.allocation(subject)
    jobs = queries.open_jobs_of(allocation)
    for job in jobs:
        actions.cancel(job, by=None, now=now)
    account = queries.site_account(allocation.project)
    batch = adapters.scheduler()
    if account and batch.has_accounts and not queries.has_more(allocation, now=now):
        ours = {job.native_id for job in jobs}
        batch.cancel([one for one in batch.jobs_of_account(account) if one not in ours])
