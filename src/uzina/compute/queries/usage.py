"""Reads about what was measured and what it costs."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Exists, OuterRef, QuerySet

from uzina.compute import rules
from uzina.compute.models import Cluster, Job, Partition, Tariff, Usage
from uzina.compute.queries.clusters import cluster_slug
from uzina.people.models import Project

FIGURES = (
    *("ended_at", "elapsed_s", "nodes", "cpus", "gpus", "memory_mb", "energy_j"),
    *("state", "account", "partition"),
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
        Usage.objects.filter(row_key__in=keys)
        .order_by("revision")
        .values("row_key", "revision", "gpu_ms", "job", "project", "allocation", *FIGURES)
    )
    return {row["row_key"]: row for row in rows}


def usage_of_project(project: Project) -> QuerySet[Usage]:
    """Return what was measured of a project, portal and direct, the last to end first."""
    return latest(Usage.objects.filter(project=project)).order_by("-ended_at", "-pk")
