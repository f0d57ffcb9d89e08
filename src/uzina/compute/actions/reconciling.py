"""What is written down of a cluster's accounts when they were looked at and put right."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from uzina.compute import access, queries, rules
from uzina.compute.models import Cluster, Drift, SiteAccount
from uzina.compute.ports import Health
from uzina.compute.rules import AccountSeen, AccountStep, Difference
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger.queries import ProjectHours
from uzina.people.models import Person

WRITING = timedelta(minutes=15)
"""How long others keep from writing accounts when one who began is not heard of again. 3,000
accounts took Slurm 22.05 five minutes."""

SOON = timedelta(seconds=10)

NAMED = 20
"""As many names as an entry of the log holds."""

Changes = Sequence[Difference]


@action
def open_accounts(cluster: Cluster, projects: Iterable[ProjectHours], *, now: datetime) -> None:
    """Give projects the names of their accounts. The cluster hears of them when it is put right."""
    SiteAccount.objects.bulk_create(
        [
            SiteAccount(
                cluster=cluster,
                project_id=one.project_id,
                name=queries.new_account_name(one.code),
                made_at=now,
            )
            for one in projects
        ],
        ignore_conflicts=True,
    )


@action
def count_in(
    cluster: Cluster, *, seen: Mapping[str, AccountSeen], now: datetime
) -> dict[str, SiteAccount]:
    """Take in what the cluster counted and what usage was read since the last look.

    A counter that is lower than before means that the cluster lost its memory: what it shows now
    is taken as read, and only what ends after the newest run read so far is added to it: by the
    cluster's own clock, which may be hours from ours. Returns the accounts.
    """
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    accounts = queries.site_accounts(cluster)
    last, read = queries.usage_read(cluster, accounts)
    changed, lost = [], []
    for name, account in accounts.items():
        there = seen.get(name)
        is_changed = bool(read.get(name))
        account.read_gpu_s += read.get(name, 0)
        if there is not None and there.used_gpu_min != account.used_gpu_min:
            if there.used_gpu_min < account.used_gpu_min:
                lost.append(account)
                account.read_gpu_s = there.used_gpu_min * 60
            account.used_gpu_min, account.seen_at = there.used_gpu_min, now
            is_changed = True
        if is_changed:
            changed.append(account)
    if lost:
        newest = queries.newest_end(cluster, until=last)
        for account in lost:
            account.reset_at = newest
    _write(
        "used_gpu_min = %s, read_gpu_s = %s, seen_at = %s, reset_at = %s",
        [
            (one.used_gpu_min, one.read_gpu_s, _stamp(one.seen_at), _stamp(one.reset_at), one.pk)
            for one in changed
        ],
    )
    if last != cluster.fenced_usage_id:
        cluster.fenced_usage_id = last
        cluster.save(update_fields=["fenced_usage_id"])
    if lost:
        log(
            "cluster.lost_usage",
            cluster.slug,
            by=None,
            now=now,
            count=len(lost),
            accounts=[one.name for one in lost[:NAMED]],
        )
    return accounts


def _write(changes: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Change many accounts, each otherwise, in one statement."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE compute_siteaccount SET {changes} WHERE id = %s", rows)  # noqa: S608


def _stamp(at: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


@action
def begin_writing(cluster: Cluster, *, now: datetime) -> bool:
    """Take the turn to write accounts; False while another has it.

    Two that write at once lose each other's changes: of 48 adds by four sacctmgr, 2 were not there.
    """
    free = Q(writing_until=None) | Q(writing_until__lte=now)
    mine = Cluster.objects.filter(free, pk=cluster.pk)
    return bool(mine.update(writing_until=now + WRITING))


@action
def end_writing(cluster: Cluster) -> None:
    """Give the turn to write accounts back."""
    Cluster.objects.filter(pk=cluster.pk).update(writing_until=None)


@action
def look_soon(*, now: datetime) -> None:
    """Promise a look at the accounts within SOON; asked many times in that, it is one look."""
    turn = int(now.timestamp()) // int(SOON.total_seconds())
    promise("compute.reconcile", key=f"reconcile:{turn}", now=now, after=SOON)


@action
def note_looked(
    cluster: Cluster,
    *,
    accounts: Mapping[str, SiteAccount],
    before: Changes,
    after: Changes,
    steps: Sequence[AccountStep],
    refused: Sequence[str],
    now: datetime,
) -> None:
    """Note what differed at a good look, and what became of it.

    accounts  those of projects, by name, as they were read
    before    what was found; after  what is left now that steps were taken, read back
    """
    # One statement, without a lock: most looks find nothing and write nothing else.
    Cluster.objects.filter(pk=cluster.pk).update(
        reconciled_at=now, **({"writing_until": None} if steps else {})
    )
    kinds = [kind for kind in rules.KINDS if kind != "total"]
    overruled = _note_written(accounts, before, after, now=now) if steps else set()
    _keep_drift(cluster, before, after, kinds=kinds, overruled=overruled, now=now)
    if steps:
        verbs = Counter[str]()
        for step in steps:
            verbs[step.verb] += max(1, len(step.users))
        log(
            "cluster.repaired",
            cluster.slug,
            by=None,
            now=now,
            steps=dict(verbs),
            left=len(after),
            refused=[one[:200] for one in refused[:NAMED]],
            overruled=sorted(overruled)[:NAMED],
        )


@action
def note_totals(cluster: Cluster, *, differences: Changes, now: datetime) -> None:
    """Note where the sums of the usage and of the ledger differ."""
    _keep_drift(cluster, differences, differences, kinds=["total"], overruled=set(), now=now)


def _note_written(
    accounts: Mapping[str, SiteAccount], before: Changes, after: Changes, *, now: datetime
) -> set[str]:
    """Keep which limits were written; return the accounts where somebody else had changed them."""
    still = {one.subject for one in after}
    overruled, rows = set(), []
    for one in before:
        account = accounts.get(one.subject)
        steps = [step for step in one.steps if step.verb in {"limit", "block", "unblock"}]
        if account is None or not steps or one.subject in still:
            continue
        if account.written_at is not None and _is_overruled(account, one):
            overruled.add(account.name)
        limit, is_blocked = account.limit_gpu_min, account.is_blocked
        for step in steps:
            if step.verb == "limit":
                limit = step.gpu_min
            else:
                is_blocked = step.verb == "block"
        rows.append((limit, is_blocked, _stamp(now), account.pk))
    _write("limit_gpu_min = %s, is_blocked = %s, written_at = %s", rows)
    return overruled


def _is_overruled(account: SiteAccount, difference: Difference) -> bool:
    """Tell whether what was found there is not what was last written there."""
    if difference.theirs_limits is None:
        return True  # the whole account was gone
    theirs = difference.theirs_limits
    return (theirs.gpu_min, theirs.is_blocked) != (account.limit_gpu_min, account.is_blocked)


def _keep_drift(
    cluster: Cluster,
    before: Changes,
    after: Changes,
    *,
    kinds: Collection[str],
    overruled: Collection[str],
    now: datetime,
) -> None:
    """Open, change and close the rows of what differs. What was always as it is stays untouched."""
    open_rows = {
        (one.kind, one.subject): one
        for one in Drift.objects.filter(cluster=cluster, gone_at=None, kind__in=kinds)
    }
    left = {(one.kind, one.subject): one for one in after}
    new, changed = [], []
    for where, one in left.items():
        row = open_rows.get(where)
        if row is None:
            new.append(_drift(cluster, one, now=now))
        elif (row.finding, row.ours, row.theirs) != (one.finding, one.ours[:200], one.theirs[:200]):
            row.finding, row.ours, row.theirs = one.finding, one.ours[:200], one.theirs[:200]
            row.seen_at = now
            changed.append(row)
    for one in before:
        where = (one.kind, one.subject)
        if where not in left and where not in open_rows and one.subject in overruled:
            new.append(_drift(cluster, one, now=now, gone_at=now))
    if new:
        Drift.objects.bulk_create(new)
    if changed:
        Drift.objects.bulk_update(changed, ["finding", "ours", "theirs", "seen_at"], batch_size=100)
    if gone := [row.pk for where, row in open_rows.items() if where not in left]:
        Drift.objects.filter(pk__in=gone).update(gone_at=now)


def _drift(
    cluster: Cluster, one: Difference, *, now: datetime, gone_at: datetime | None = None
) -> Drift:
    return Drift(
        cluster=cluster,
        kind=one.kind,
        subject=one.subject,
        finding=one.finding,
        ours=one.ours[:200],
        theirs=one.theirs[:200],
        winner="cluster" if one.kind == "total" else "factory",
        since_at=now,
        seen_at=now,
        gone_at=gone_at,
    )


@action
def note_health(cluster: Cluster, health: Health, *, now: datetime) -> None:
    """Keep what the preflight of the site found; in the log when what makes budgets lie changes."""
    found = {
        "is_controller_up": health.is_controller_up,
        "is_accounting_up": health.is_accounting_up,
        "version": health.version,
        "skew_s": health.skew_s,
        "findings": [
            {"code": one.code, "level": one.level, "facts": dict(one.facts)}
            for one in health.findings
        ],
    }
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    before, after = _refused(cluster.health), _refused(found)
    cluster.health, cluster.health_at = found, now
    cluster.save(update_fields=["health", "health_at"])
    if before != after:
        log("cluster.examined", cluster.slug, by=None, now=now, budgets_lie=after)


def _refused(health: Mapping[str, Any]) -> list[str]:
    found = health.get("findings", ())
    return sorted(one["code"] for one in found if one["level"] == "refuse")


@action
def ask_repair(
    cluster: Cluster, *, kinds: Collection[str], by: Person | None, now: datetime
) -> None:
    """Have the cluster put right, and totals read again.

    kinds  of rules.KINDS

    Raises NotAllowed cluster.repair.not_operator, Refused cluster.repair.unknown_kind.
    """
    if not access.may_repair(by):
        raise NotAllowed(
            "cluster.repair.not_operator",
            _("Only an operator of the factory can put the cluster right."),
        )
    if not kinds or set(kinds) - set(rules.KINDS):
        raise Refused(
            "cluster.repair.unknown_kind",
            _("Choose what to put right, of: {kinds}."),
            kinds=", ".join(rules.KINDS),
        )
    log("cluster.repair_asked", cluster.slug, by=by, now=now, kinds=sorted(kinds))
    promise(
        "compute.repair",
        key=f"repair:{cluster.slug}:{'-'.join(sorted(kinds))}:{int(now.timestamp())}",
        now=now,
        kinds=sorted(kinds),
    )
