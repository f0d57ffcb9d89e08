"""Reads about who is who on a cluster, and which accounts there shall be."""

import getpass
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.db.models import Max, Q, QuerySet, Sum

from uzina.compute import rules
from uzina.compute.models import Cluster, Drift, Job, SiteAccount, SiteUser, Usage
from uzina.compute.ports import Inventory
from uzina.compute.queries import usage
from uzina.compute.queries.clusters import cluster_slug
from uzina.compute.rules import AccountSeen
from uzina.core.errors import Refused
from uzina.core.models import LogEntry
from uzina.core.text import _
from uzina.ledger import queries as ledger
from uzina.ledger.models import Allocation
from uzina.ledger.queries import ProjectHours
from uzina.people.models import Person, Project

Prices = Sequence[tuple[rules.Tariff, Mapping[str, float]]]
"""Of each partition its tariff, and the billing weights the site gave it."""


def site_account(project: Project) -> str:
    """Return the account of the cluster that the project's jobs are charged to.

    "" where all jobs are charged to one. A name once given is kept when the prefix changes.
    """
    if settings.UZINA.scheduler.accounts == "shared":
        return ""
    kept = SiteAccount.objects.filter(cluster__slug=cluster_slug(), project=project).first()
    return kept.name if kept else new_account_name(project.code)


def new_account_name(project_code: str) -> str:
    """Return the name that the account of a project of that code is given."""
    return rules.account_name(settings.UZINA.scheduler.account_prefix, project_code)


def site_user(person: Person | None) -> str:
    """Return the Unix name that the person's jobs run as; "" where all run as the factory's own.

    Raises Refused job.submit.no_site_user.
    """
    if settings.UZINA.scheduler.identity == "shared":
        return ""
    found = SiteUser.objects.filter(cluster__slug=cluster_slug(), person=person).first()
    if person is None or found is None:
        raise Refused(
            "job.submit.no_site_user",
            _(
                "Jobs on {cluster} run under your own user name there, and the factory does not "
                "know yours. Ask an operator to add it: {sender}."
            ),
            cluster=settings.UZINA.scheduler.name,
            sender=settings.UZINA.mail.sender,
        )
    return found.name


def site_users(cluster: Cluster) -> QuerySet[SiteUser]:
    """Return who is who on the cluster, by name."""
    return SiteUser.objects.filter(cluster=cluster).select_related("person").order_by("name")


# --- accounts as they shall be ------------------------------------------------------------------


@dataclass(frozen=True)
class Desired:
    """The accounts there shall be, and what is needed to compare them with those there are."""

    accounts: tuple[rules.AccountWanted, ...]
    rate: rules.Rate
    parent: str
    known_users: frozenset[str]

    def compare(self, seen: Iterable[AccountSeen]) -> list[rules.Difference]:
        """Return what differs from what was seen."""
        return rules.compare(
            self.accounts,
            seen,
            rate=self.rate,
            parent=self.parent,
            known_users=self.known_users,
        )


def desired(
    cluster: Cluster,
    *,
    accounts: Iterable[SiteAccount],
    hours: Iterable[ProjectHours],
    prices: Prices,
) -> Desired:
    """Return the accounts there shall be on the cluster. One query.

    accounts, hours  as they were read, in that order: a booking in between makes a limit too low
                     for a minute, never too high
    """
    left = {one.project_id: one.left if one.state == "active" else 0 for one in hours}
    members: dict[int, set[str]] = defaultdict(set)
    known = set()
    pairs = SiteUser.objects.filter(cluster=cluster).values_list(
        "name", "person__is_active", "person__memberships__project"
    )
    for name, is_active, project in pairs:
        known.add(name)
        if is_active and project is not None:
            members[project].add(name)
    everywhere = own_users()
    return Desired(
        tuple(
            rules.AccountWanted(
                one.name,
                everywhere | members[one.project_id],
                left.get(one.project_id, 0),
                one.read_gpu_s,
            )
            for one in accounts
        ),
        rules.rate_of(prices),
        settings.UZINA.scheduler.account,
        frozenset(known),
    )


def site_accounts(cluster: Cluster) -> dict[str, SiteAccount]:
    """Return the accounts of projects on the cluster by their names. One query."""
    return {one.name: one for one in SiteAccount.objects.filter(cluster=cluster)}


def prices_of(cluster: Cluster, inventory: Inventory, *, now: datetime) -> Prices:
    """Return what each partition costs now, beside the weights that the site gave it."""
    tariffs, now_s = usage.tariffs(cluster), int(now.timestamp())
    return [(tariffs.at(one.name, now_s), one.billing) for one in inventory.partitions]


def own_users() -> frozenset[str]:
    """Return the user that the factory's own jobs run as, who may charge every account.

    None where each job runs as the person who submitted it.
    """
    scheduler = settings.UZINA.scheduler
    if scheduler.identity == "person":
        return frozenset()
    return frozenset({scheduler.ssh_user or getpass.getuser()})


def usage_read(cluster: Cluster, accounts: Mapping[str, SiteAccount]) -> tuple[int, dict[str, int]]:
    """Return the last usage row there is, and device-seconds by account of those not counted yet.

    A row that was measured anew counts by its difference. Of an account that the cluster forgot,
    only what ended since. One query while there is nothing new.
    """
    new = Usage.objects.filter(cluster=cluster, pk__gt=cluster.fenced_usage_id).order_by("pk")
    fields = ("pk", "account", "ended_at", "gpus", "elapsed_s", "row_key", "revision")
    last, found, revised = cluster.fenced_usage_id, Counter[str](), []
    for pk, account, ended_at, gpus, elapsed_s, key, revision in new.values_list(*fields):
        last = pk
        row = accounts.get(account)
        if row is None or (row.reset_at is not None and ended_at < row.reset_at):
            continue
        found[account] += gpus * elapsed_s
        if revision:
            revised.append((key, revision - 1))
    if revised:
        before = Usage.objects.filter(row_key__in=[key for key, _revision in revised])
        wanted = set(revised)
        for key, revision, account, gpus, elapsed_s in before.values_list(
            "row_key", "revision", "account", "gpus", "elapsed_s"
        ):
            if (key, revision) in wanted and account in accounts:
                found[account] -= gpus * elapsed_s
    return last, dict(found)


def newest_end(cluster: Cluster, *, until: int) -> datetime | None:
    """Return when the newest run ended, in the cluster's time, of the usage rows up to that one."""
    rows = Usage.objects.filter(cluster=cluster, pk__lte=until)
    return rows.aggregate(newest=Max("ended_at"))["newest"]


def has_news(
    cluster: Cluster, accounts: Mapping[str, SiteAccount], seen: Mapping[str, AccountSeen]
) -> bool:
    """Tell whether the cluster counted on, or usage was read, since the last look. One query."""
    if Usage.objects.filter(cluster=cluster, pk__gt=cluster.fenced_usage_id).exists():
        return True
    return any(
        name in seen and seen[name].used_gpu_min != one.used_gpu_min
        for name, one in accounts.items()
    )


def total_differences(cluster: Cluster) -> list[rules.Difference]:
    """Return the projects whose usage on the cluster is not what the ledger booked. Four queries.

    Runs of a job whose hold is not settled yet are in neither sum.
    """
    rows = usage.latest(Usage.objects.filter(cluster=cluster, project__isnull=False))
    settled = rows.filter(Q(job=None) | Q(job__settled_at__isnull=False))
    used = dict(settled.values_list("project__code").annotate(Sum("gpu_ms")).order_by())
    return rules.compare_totals(booked=ledger.booked_by_project(), used=used)


def open_jobs_of(allocation: Allocation) -> list[Job]:
    """Return the jobs on an allocation that wait or run and that nobody stopped yet."""
    rows = Job.objects.filter(allocation=allocation, state__in=rules.OPEN, cancel_asked_at=None)
    return list(rows.order_by("pk"))


def has_more(spent: Allocation, *, now: datetime) -> bool:
    """Tell whether the project has GPU-hours free now on any other allocation than a spent one."""
    others = [
        one
        for one in ledger.gpu_allocations([spent.project_id])
        if one.pk != spent.pk
        and one.state in {"pending", "active"}
        and one.starts_at <= now < one.ends_at
    ]
    return any(balance.free for balance in ledger.balances(others).values())


def drifts(cluster: Cluster) -> QuerySet[Drift]:
    """Return what differs at present, the longest first."""
    return Drift.objects.filter(cluster=cluster, gone_at=None).order_by("kind", "since_at", "pk")


@dataclass(frozen=True)
class LastLook:
    """How old what balances rest on is: usage booked, and limits compared. None where never."""

    booked_at: datetime | None
    booked_age_s: float | None
    limits_age_s: float | None


def last_look(*, now: datetime) -> LastLook:
    """Return how old the last good look at the configured cluster is. One query."""
    found = Cluster.objects.filter(slug=cluster_slug()).first()
    if found is None or not found.usage_cursor_s:
        return LastLook(None, None, None)
    booked_at = datetime.fromtimestamp(found.usage_cursor_s, tz=UTC)
    booked_s, limits_s = (
        None if at is None else max(0.0, (now - at).total_seconds())
        for at in (booked_at, found.reconciled_at)
    )
    return LastLook(booked_at, booked_s, limits_s)


def site_findings(cluster: Cluster) -> list[rules.Finding]:
    """Return what the preflight of the site found that is not as it should be, the worst first."""
    found = [
        rules.Finding(one["code"], one["level"], one["facts"])
        for one in cluster.health.get("findings", ())
    ]
    return sorted(found, key=lambda one: one.level)


def last_repair(cluster: Cluster) -> LogEntry | None:
    """Return what was done last to put the cluster right."""
    entries = LogEntry.objects.filter(event="cluster.repaired", subject=cluster.slug)
    return entries.order_by("-seq").first()
