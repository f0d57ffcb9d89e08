"""Reads about what was measured and what it costs."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import (
    BigIntegerField,
    Count,
    Exists,
    ExpressionWrapper,
    F,
    OuterRef,
    QuerySet,
    Sum,
    Value,
)
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce, TruncMonth

from uzina.compute import rules
from uzina.compute.models import Cluster, Job, Partition, SiteAccount, Tariff, Usage
from uzina.compute.queries.clusters import cluster_slug
from uzina.ledger import queries as ledger
from uzina.people import queries as people
from uzina.people.models import Project

FIGURES = (
    *("ended_at", "elapsed_s", "nodes", "cpus", "gpus", "memory_mb", "energy_j"),
    *("state", "account", "partition", "native_id", "name"),
)
"""What makes a measurement another one when it comes again."""


def zone() -> ZoneInfo:
    """Return the time zone that days and months are counted in."""
    return ZoneInfo(settings.UZINA.site.timezone)


def tariff_rows(cluster: Cluster) -> QuerySet[Tariff]:
    """Return the tariffs of a cluster, by partition, the oldest first."""
    return Tariff.objects.filter(cluster=cluster).order_by("partition", "since", "version")


def tariffs(cluster: Cluster, extra: Iterable[Tariff] = ()) -> rules.Tariffs:
    """Return all tariffs of a cluster to look up in, and those of `extra` as if they were set."""
    rows = [*tariff_rows(cluster), *extra]
    return rules.Tariffs(((one.partition, one.since, figures(one)) for one in rows), zone())


def figures(row: Tariff) -> rules.Tariff:
    """Return what a row of the table says of a second."""
    return rules.Tariff(row.rule, row.gpu_us, row.cpu_us, row.gib_ns, row.node_gpus)


def tariff(partition: str = "", *, now: datetime) -> rules.Tariff:
    """Return what a second costs now on a partition of the configured cluster.

    partition  "" for the one that jobs go to when they name none
    """
    if not (rows := list(Tariff.objects.filter(cluster__slug=cluster_slug()))):
        return rules.DEFAULT_TARIFF
    if not partition:
        partition = settings.UZINA.scheduler.partition
    if not partition:
        default = Partition.objects.filter(cluster__slug=cluster_slug(), is_default=True).first()
        partition = default.name if default else ""
    rows.sort(key=lambda row: row.version)
    found = rules.Tariffs(((one.partition, one.since, figures(one)) for one in rows), zone())
    return found.at(partition, int(now.timestamp()))


def latest(rows: QuerySet[Usage] | None = None) -> QuerySet[Usage]:
    """Return of each run its latest measurement: what counts, and what is booked."""
    later = Usage.objects.filter(row_key=OuterRef("row_key"), revision__gt=OuterRef("revision"))
    return (Usage.objects.all() if rows is None else rows).filter(~Exists(later))


def usage_of(job: Job) -> QuerySet[Usage]:
    """Return what was measured of a job, in the order of its runs."""
    return latest(Usage.objects.filter(job=job)).order_by("submitted_at", "pk")


def kept(keys: Collection[str]) -> dict[str, dict[str, Any]]:
    """Return what is kept of measurements by their keys, the latest of each. One query."""
    rows = (
        Usage.objects.filter(row_key__in=_listed(keys))
        .order_by("revision")
        .values("row_key", "revision", "gpu_ms", "job", "project", "allocation", *FIGURES)
    )
    return {row["row_key"]: row for row in rows}


def _listed(keys: Collection[str]) -> Collection[str] | RawSQL:
    """Return what a column is compared with. To SQLite a list is one text: thousands of parameters
    cost more than what is asked. PostgreSQL would read the whole table for such a list.
    """
    if connection.vendor != "sqlite":
        return keys
    return RawSQL("SELECT value FROM json_each(%s)", [json.dumps([*keys])])


def runs_since(cluster: Cluster, partition: str, since: date) -> QuerySet[Usage]:
    """Return the latest measurement of each run that a price of that day is about."""
    begins_at = datetime.combine(since, time(), tzinfo=zone())
    rows = Usage.objects.filter(cluster=cluster, started_at__gte=begins_at)
    return latest(rows.filter(partition=partition) if partition else rows)


@dataclass(frozen=True)
class Restated:
    """A run whose cost a price changes: the row, whose it is, its new cost, and by how much more."""

    pk: int
    job: int | None
    project: int | None
    allocation: int | None
    gpu_ms: int
    difference: int


def restated(
    cluster: Cluster, partition: str, since: date, prices: rules.Tariffs
) -> Iterator[Restated]:
    """Yield the runs since a day that cost otherwise by these prices than they were booked with."""
    runs = runs_since(cluster, partition, since).filter(gpu_ms__isnull=False).order_by("pk")
    columns = ("pk", "job", "project", "allocation", "gpu_ms", "partition", "started_at")
    figures = ("gpus", "cpus", "memory_mb", "elapsed_s")
    for row in runs.values(*columns, *figures).iterator(chunk_size=2000):
        price = prices.at(row["partition"], int(row["started_at"].timestamp()))
        cost = rules.cost(price, **{name: row[name] for name in figures})
        if cost != row["gpu_ms"]:
            yield Restated(
                pk=row["pk"],
                job=row["job"],
                project=row["project"],
                allocation=row["allocation"],
                gpu_ms=cost,
                difference=cost - row["gpu_ms"],
            )


@dataclass(frozen=True)
class Difference:
    """What a price would change for a project: None for runs that belong to nobody."""

    project: Project | None
    runs: int
    gpu_ms: int


def preview(
    cluster: Cluster, partition: str, since: date, tariff: rules.Tariff
) -> list[Difference]:
    """Return what restating would change, by project, the largest change first."""
    extra = Tariff(
        partition=partition,
        since=since,
        rule=tariff.rule,
        gpu_us=tariff.gpu_us,
        cpu_us=tariff.cpu_us,
        gib_ns=tariff.gib_ns,
        node_gpus=tariff.node_gpus,
    )
    sums: dict[int | None, list[int]] = defaultdict(lambda: [0, 0])
    for one in restated(cluster, partition, since, tariffs(cluster, [extra])):
        sums[one.project][0] += 1
        sums[one.project][1] += one.difference
    projects = people.projects_by_id([pk for pk in sums if pk is not None])
    found = [Difference(projects.get(pk or 0), runs, ms) for pk, (runs, ms) in sums.items()]
    return sorted(found, key=lambda one: -abs(one.gpu_ms))


def usage_of_project(project: Project) -> QuerySet[Usage]:
    """Return what was measured of a project, portal and direct, the last to end first."""
    return latest(Usage.objects.filter(project=project)).order_by("-ended_at", "-pk")


WAYS = ("portal", "direct", "unbooked")
"""How a run came: through the portal, past it, or so that it could not be booked yet."""


def filtered(
    rows: QuerySet[Usage], *, way: str = "", user: str = "", month: date | None = None
) -> QuerySet[Usage]:
    """Keep the runs of a way, of a Unix name, that ended in a month of the site's time zone."""
    match way:
        case "portal":
            rows = rows.filter(job__isnull=False)
        case "direct":
            rows = rows.filter(job__isnull=True)
        case "unbooked":
            rows = rows.filter(allocation__isnull=True, gpu_ms__gt=0)
        case _:
            pass
    if user:
        rows = rows.filter(user=user)
    if month is not None:
        begins = datetime(month.year, month.month, 1, tzinfo=zone())
        after = (begins + timedelta(days=32)).replace(day=1)
        rows = rows.filter(ended_at__gte=begins, ended_at__lt=after)
    return rows


def of_nobody(cluster: Cluster | None) -> QuerySet[Usage]:
    """Return the runs whose account belongs to no project, the last to end first."""
    rows = Usage.objects.filter(cluster=cluster, project__isnull=True)
    return latest(rows).order_by("-ended_at", "-pk")


@dataclass(frozen=True)
class Total:
    """What one Unix name used in one month."""

    month: date
    user: str
    runs: int
    gpu_ms: int


def totals(rows: QuerySet[Usage]) -> list[Total]:
    """Return what each user used in each month, the newest month first. One query."""
    found = (
        rows.order_by()
        .values_list(TruncMonth("ended_at", tzinfo=zone()), "user")
        .annotate(runs=Count("pk"), used=Coalesce(Sum("gpu_ms"), Value(0)))
    )
    lines = [Total(month.date(), user, runs, used) for month, user, runs, used in found]
    return sorted(lines, key=lambda one: (one.month, one.gpu_ms), reverse=True)


def summed(kind: str) -> list[tuple[Any, ...]]:
    """Return of each user, account or partition: name, runs, seconds, core-seconds, device-seconds
    and GPU-milliseconds. One query.
    """
    seconds = F("elapsed_s")
    whole = BigIntegerField()
    sums = {
        "runs": Count("pk"),
        "elapsed": Sum("elapsed_s"),
        "cores": Sum(ExpressionWrapper(F("cpus") * seconds, output_field=whole)),
        "devices": Sum(ExpressionWrapper(F("gpus") * seconds, output_field=whole)),
        "cost": Coalesce(Sum("gpu_ms"), Value(0)),
    }
    rows = latest().order_by().values_list(kind).annotate(**sums)
    return [(name, *(int(one) for one in figures)) for name, *figures in rows]


def spent_by_account() -> dict[str, int]:
    """Return what the ledger has booked on the project of each account, by the account's name."""
    booked = ledger.booked_by_project()
    rows = SiteAccount.objects.values_list("name", "project__code")
    return {name: booked.get(code, 0) for name, code in rows}
