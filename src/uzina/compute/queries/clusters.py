"""Reads about clusters: what there is, whether it answers, and when it will be in maintenance."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.text import slugify

from uzina.compute import rules
from uzina.compute.models import Cluster, Job, Maintenance, Partition
from uzina.core.charts import day_words
from uzina.ledger import queries as ledger
from uzina.people import queries as people
from uzina.people.models import Person

SOON = timedelta(days=14)
"""From so long before it begins a maintenance is shown to everybody on the pages of jobs."""


def cluster_slug() -> str:
    """Return the name of the configured cluster as it stands in addresses and keys."""
    return slugify(settings.UZINA.scheduler.name)[:40] or "cluster"


def cluster() -> Cluster:
    """Return the configured cluster, made on first sight."""
    found, _made = Cluster.objects.get_or_create(
        slug=cluster_slug(), defaults={"kind": settings.UZINA.scheduler.kind}
    )
    return found


def known_cluster() -> Cluster | None:
    """Return the configured cluster, if it was ever seen."""
    return Cluster.objects.filter(slug=cluster_slug()).first()


def partitions() -> QuerySet[Partition]:
    """Return the partitions of the configured cluster as they were counted last."""
    return Partition.objects.filter(cluster__slug=cluster_slug()).order_by("name")


# Maintenance ------------------------------------------------------------------------------------


def maintenances() -> QuerySet[Maintenance]:
    """Return the maintenances of the configured cluster, cancelled ones too, the latest first."""
    return (
        Maintenance.objects.filter(cluster__slug=cluster_slug())
        .select_related("replaces", "replaced_by")
        .order_by("-starts_at", "-pk")
    )


def maintenance(code: str) -> Maintenance:
    """Return a maintenance with its cluster. Raises Maintenance.DoesNotExist."""
    return Maintenance.objects.select_related("cluster", "replaces").get(code=code)


def maintenance_for(partition: str, *, now: datetime, time_limit_s: int) -> Maintenance | None:
    """Return the first maintenance that a job started now would run into; None for none.

    partition     where it runs; "" for the one that jobs go to by themselves
    time_limit_s  it runs in [now, now + time_limit_s)
    """
    until_at = now + timedelta(seconds=time_limit_s)
    return (
        _standing()
        .filter(Q(partition="") | Q(partition=partition or usual_partition()))
        .filter(starts_at__lt=until_at, ends_at__gt=now)
        .order_by("starts_at", "pk")
        .first()
    )


def moment_words(at: datetime) -> str:
    """Write an instant in the language at hand and the factory's time zone, which is named."""
    local = timezone.localtime(at)
    return f"{day_words(local, 'j F Y')}, {local:%H:%M %Z}"


def usual_partition() -> str:
    """Return where jobs go that name no partition; "" where it is not known. One statement."""
    named = settings.UZINA.scheduler.partition
    return (
        named or partitions().filter(is_default=True).values_list("name", flat=True).first() or ""
    )


@dataclass(frozen=True)
class Standing:
    """Whether the cluster answers, and which maintenances run or come soon.

    running  those of all the cluster first
    """

    cluster: Cluster | None
    running: list[Maintenance]
    coming: list[Maintenance]

    @property
    def silent_since(self) -> datetime | None:
        """Since when it has not answered."""
        return self.cluster.silent_since if self.cluster else None


def standing(*, now: datetime) -> Standing:
    """Return how the configured cluster stands. Two statements."""
    windows = _standing().filter(ends_at__gt=now, starts_at__lt=now + SOON)
    ordered = sorted(windows, key=lambda one: (one.starts_at, one.partition))
    running = [one for one in ordered if one.starts_at <= now]
    return Standing(
        known_cluster(),
        sorted(running, key=lambda one: one.partition),
        [one for one in ordered if one.starts_at > now],
    )


def _standing() -> QuerySet[Maintenance]:
    return Maintenance.objects.filter(cluster__slug=cluster_slug(), cancelled_at=None)


def affected(window: Maintenance) -> QuerySet[Person]:
    """Return whom a maintenance gets in the way of: the members of projects that have a job open
    or hours to spend during it.
    """
    jobs = Job.objects.filter(cluster=window.cluster, state__in=[str(one) for one in rules.OPEN])
    if window.partition:
        jobs = jobs.filter(partition__in=["", window.partition])
    funded = ledger.funded_projects(since=window.starts_at, until=window.ends_at)
    working = jobs.values_list("project", flat=True).distinct()
    return people.people_in({*working, *funded})
