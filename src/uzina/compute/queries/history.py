"""What was: how busy the machines were, how long jobs waited, why hours were not used."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Count, Exists, F, Max, OuterRef, Q, Sum

from uzina.compute import rules
from uzina.compute.models import Cluster, Job, Maintenance, Sample, Usage
from uzina.compute.queries.clusters import cluster_slug
from uzina.compute.queries.usage import latest, zone
from uzina.people.models import Person, Project

HOURLY_UP_TO = timedelta(days=3)
"""A longer time is shown by days: hours would be narrower than a line."""

SUMS = (
    "looks", "full_looks", "gpus", "gpus_used", "cpus", "cpus_used",
    "jobs_running", "jobs_waiting", "gpus_wanted",
)  # fmt: skip


@dataclass(frozen=True)
class Busy:
    """How busy machines were in an hour or a day: sums over the looks taken; no look, no figure."""

    at: datetime
    looks: int = 0
    full_looks: int = 0
    gpus: int = 0
    gpus_used: int = 0
    cpus: int = 0
    cpus_used: int = 0
    jobs_running: int = 0
    jobs_waiting: int = 0
    gpus_wanted: int = 0

    def average(self, name: str) -> float | None:
        """Return the mean of a count over the looks."""
        return getattr(self, name) / self.looks if self.looks else None

    @property
    def used_percent(self) -> float | None:
        """How much was in use of the GPUs there were, or of the cores where there are no GPUs."""
        whole, used = (self.gpus, self.gpus_used) if self.gpus else (self.cpus, self.cpus_used)
        return 100 * used / whole if whole else None

    @property
    def full_percent(self) -> float | None:
        """In which part of the time it was full."""
        return 100 * self.full_looks / self.looks if self.looks else None


def history(cluster: Cluster, *, partition: str, since: datetime, until: datetime) -> list[Busy]:
    """Return how busy a partition was, by hours up to three days, else by the factory's days.

    partition  "" for all of the cluster, each node counted once

    Hours and days without a look are there and empty. One statement, a row an hour.
    """
    is_hourly = until - since <= HOURLY_UP_TO
    steps = list(_hours(since, until) if is_hourly else days(since, until)[:-1])
    sums: dict[datetime, list[int]] = {step: [0] * len(SUMS) for step in steps}
    samples = Sample.objects.filter(
        cluster=cluster, partition=partition, hour_at__gte=steps[0], hour_at__lt=until
    )
    here = zone()
    for hour_at, *figures in samples.values_list("hour_at", *SUMS):
        step = hour_at if is_hourly else _midnight(hour_at, here)
        kept = sums.get(step)
        if kept is not None:
            sums[step] = [one + more for one, more in zip(kept, figures, strict=True)]
    return [Busy(step, *figures) for step, figures in sums.items()]


def _hours(since: datetime, until: datetime) -> Iterator[datetime]:
    at = since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while at < until:
        yield at
        at += timedelta(hours=1)


def _midnight(at: datetime, here: ZoneInfo) -> datetime:
    return datetime.combine(at.astimezone(here).date(), time.min, tzinfo=here)


def days(since: datetime, until: datetime) -> list[datetime]:
    """Return the beginnings of the factory's days that [since, until) reaches into, and the
    beginning of the day after. A day has 23 to 25 hours.
    """
    here = zone()
    day = since.astimezone(here).date()
    found = [datetime.combine(day, time.min, tzinfo=here)]
    while found[-1] < until:
        day += timedelta(days=1)
        found.append(datetime.combine(day, time.min, tzinfo=here))
    return found


# How long jobs waited, and who used most ----------------------------------------------------------

MOST_WAITS = 10_000
"""As many measurements as waits are told of, the newest: more take too long for a page to read."""

MOST_SUMMED = 100_000
"""As many as are added up for the biggest users, the newest: for the same reason."""


def _since_newest(most: int) -> int:
    """Return the id after which the newest measurements come. One statement."""
    newest = Usage.objects.aggregate(last=Max("pk"))["last"] or 0
    return max(0, newest - most)  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Wait:
    """How long the runs of something waited: half of them up to p50_s, 95 of 100 up to p95_s."""

    name: str
    title: str
    runs: int
    p50_s: int
    p95_s: int


@dataclass(frozen=True)
class Waits:
    """How long the runs waited that ended in a time, by what.

    by_day     (midnight, p50_s, p95_s) of the days on which runs began
    is_partly  there were more, older ones than were read
    """

    by_partition: list[Wait]
    by_project: list[Wait]
    by_organisation: list[Wait]
    by_day: list[tuple[datetime, int, int]]
    runs: int
    is_partly: bool


def waits(cluster: Cluster, *, since: datetime, until: datetime) -> Waits:
    """Return how long the runs waited that ended in [since, until). Three statements."""
    after = _since_newest(MOST_WAITS)
    older = Usage.objects.filter(pk__lte=after).order_by("-pk").values_list("ended_at").first()
    rows = (
        latest()
        .filter(pk__gt=after, cluster=cluster)
        .filter(ended_at__gte=since, ended_at__lt=until, started_at__isnull=False)
        .values_list(
            "partition",
            "project__code",
            "project__title",
            "project__organisation__name",
            "submitted_at",
            "started_at",
        )
    )
    by: tuple[dict[Any, list[int]], ...] = tuple(defaultdict(list) for _ in range(4))
    here = zone()
    for partition, code, title, organisation, submitted_at, started_at in rows:
        if started_at is None:
            continue
        wait_s = max(0, int((started_at - submitted_at).total_seconds()))
        keys = ((partition, ""), (code or "", title or ""), (organisation or "", ""))
        for kept, key in zip(by, (*keys, _midnight(started_at, here)), strict=True):
            kept[key].append(wait_s)
    partitions, projects, organisations, dates = by
    return Waits(
        _waits(partitions),
        _waits(projects),
        _waits(organisations),
        [(at, *_half_and_most(dates[at])) for at in sorted(dates)],
        sum(len(one) for one in dates.values()),
        older is not None and older[0] >= since,
    )


def _half_and_most(seconds: list[int]) -> tuple[int, int]:
    ordered = sorted(seconds)
    return rules.percentile(ordered, 50), rules.percentile(ordered, 95)


def _waits(by: dict[tuple[str, str], list[int]]) -> list[Wait]:
    """Return the waits by name, those with the most runs first."""
    found = [
        Wait(name, title, len(seconds), *_half_and_most(seconds))
        for (name, title), seconds in by.items()
    ]
    return sorted(found, key=lambda one: (-one.runs, one.name))


@dataclass(frozen=True)
class User:
    """What a project used of the machines, as the cluster measured it, whatever it cost."""

    code: str
    title: str
    organisation: str
    runs: int
    gpu_s: int

    @property
    def gpu_ms(self) -> int:
        """GPU-milliseconds, of devices as the cluster counts them."""
        return self.gpu_s * 1000


def biggest_users(
    cluster: Cluster, *, since: datetime, until: datetime, most: int = 10
) -> list[User]:
    """Return who used most GPU time in runs that ended in [since, until); of rows that belong to
    no project, one with code "". Two statements.
    """
    rows = (
        latest()
        .filter(pk__gt=_since_newest(MOST_SUMMED), cluster=cluster)
        .filter(ended_at__gte=since, ended_at__lt=until, gpus__gt=0)
        .values_list("project__code", "project__title", "project__organisation__name")
        .annotate(runs=Count("pk"), gpu_s=Sum(F("gpus") * F("elapsed_s")))
        .order_by("-gpu_s", "project__code")[:most]
    )
    return [
        User(code or "", title or "", organisation or "", runs, gpu_s)
        for code, title, organisation, runs, gpu_s in rows
    ]


# Jobs that waste GPUs -----------------------------------------------------------------------------

MOST_JUDGED, MOST_WASTEFUL = 2_000, 50


@dataclass(frozen=True)
class Wasteful:
    """A job that wasted what it held, and how: "idle", "memory"."""

    job: Job
    how: list[str]
    held: rules.Held
    person: Person | None

    @property
    def gpu_ms(self) -> int:
        """GPU-milliseconds it held."""
        return self.held.gpus * self.held.elapsed_s * 1000


def wasteful(cluster: Cluster, *, since: datetime, now: datetime) -> list[Wasteful]:
    """Return the running jobs, and those ended since, that wasted what they held; the largest
    first. Judged are the newest of those whose effort is known. One statement.
    """
    jobs = (
        Job.objects.filter(cluster=cluster, gpus__gt=0, started_at__isnull=False)
        .filter(Q(ended_at__isnull=True) | Q(ended_at__gte=since))
        .exclude(effort={})
        .select_related("project", "submitted_by")
        .order_by("-pk")[:MOST_JUDGED]
    )
    found = []
    for job in jobs:
        held = _held(job, now=now)
        if how := rules.waste(held):
            found.append(Wasteful(job, how, held, job.submitted_by))
    return sorted(found, key=lambda one: -one.gpu_ms)[:MOST_WASTEFUL]


def _held(job: Job, *, now: datetime) -> rules.Held:
    started_at = job.started_at or now
    cpu_s, rss_mb = job.effort.get("cpu_s"), job.effort.get("max_rss_mb")
    return rules.Held(
        gpus=job.gpus_total,
        elapsed_s=max(0, int(((job.ended_at or now) - started_at).total_seconds())),
        memory_mb=job.memory_mb,
        cpu_s=None if cpu_s is None else float(cpu_s),
        max_rss_mb=None if rss_mb is None else int(rss_mb),
    )


@dataclass(frozen=True)
class Loop:
    """Somebody who held GPUs for moments, again and again. user: their name on the cluster."""

    project: str
    person: str
    email: str
    user: str
    runs: int
    last_at: datetime


def loops(cluster: Cluster, *, since: datetime, until: datetime) -> list[Loop]:
    """Return who held GPUs for a minute at most, five times or more, in runs that ended in
    [since, until). Two statements.
    """
    rows = (
        latest()
        .filter(pk__gt=_since_newest(MOST_SUMMED), cluster=cluster)
        .filter(ended_at__gte=since, ended_at__lt=until, started_at__isnull=False)
        .filter(gpus__gt=0, elapsed_s__lte=rules.SHORT_S)
        .values_list("project__code", "job__submitted_by__name", "job__submitted_by__email", "user")
        .annotate(runs=Count("pk"), last_at=Max("ended_at"))
        .filter(runs__gte=rules.SHORT_FROM)
        .order_by("-runs", "user")[:MOST_WASTEFUL]
    )
    return [
        Loop(project or "", person or "", email or "", user, runs, last_at)
        for project, person, email, user, runs, last_at in rows
    ]


# Why hours were not used --------------------------------------------------------------------------


def unused(project: Project, *, since: datetime, until: datetime) -> list[rules.DayUse]:
    """Return for each of the factory's days in [since, until) whether the project ran, waited, or
    had nothing there, and whether what it waited for was full. Four statements.

    until  not after now: a job that is open counts as going on until then
    """
    if since >= until:
        return []
    until_s = int(until.timestamp())
    stays = [*_measured(project, since, until), *_unmeasured(project, since, until)]
    cuts = [int(since.timestamp())]
    cuts += [int(at.timestamp()) for at in days(since, until)[1:-1]] + [until_s]
    waited_in = {stay.partition for stay in stays}
    samples = Sample.objects.filter(
        cluster__slug=cluster_slug(),
        partition__in=waited_in,
        hour_at__gt=since - timedelta(hours=1),
        hour_at__lt=until,
        full_looks__gt=0,
    )
    looks = {
        (partition, int(hour_at.timestamp())): (full, all_looks)
        for partition, hour_at, full, all_looks in samples.values_list(
            "partition", "hour_at", "full_looks", "looks"
        )
    }
    windows = Maintenance.objects.filter(
        cluster__slug=cluster_slug(), cancelled_at=None, starts_at__lt=until, ends_at__gt=since
    )
    pauses = [
        rules.Pause(one.partition, int(one.starts_at.timestamp()), int(one.ends_at.timestamp()))
        for one in windows
    ]
    return rules.days_of(stays, cuts=cuts, looks=looks, pauses=pauses)


def _measured(project: Project, since: datetime, until: datetime) -> Iterator[rules.Stay]:
    rows = latest().filter(project=project, ended_at__gt=since, submitted_at__lt=until)
    for partition, gpus, submitted_at, started_at, ended_at in rows.values_list(
        "partition", "gpus", "submitted_at", "started_at", "ended_at"
    ):
        yield _stay(partition, gpus, submitted_at, started_at, ended_at)


def _unmeasured(project: Project, since: datetime, until: datetime) -> Iterator[rules.Stay]:
    """Yield the jobs that are open, or ended without a measurement."""
    is_open = Q(state__in=[str(one) for one in rules.OPEN])
    has_usage = Exists(Usage.objects.filter(job=OuterRef("pk")))
    jobs = Job.objects.filter(project=project, submitted_at__lt=until)
    jobs = jobs.filter(is_open | (~has_usage & Q(ended_at__gt=since)))
    usual = settings.UZINA.scheduler.partition
    for job in jobs:
        yield _stay(
            job.partition or usual,
            job.gpus_total,
            job.submitted_at,
            job.started_at,
            job.ended_at or until,
        )


def _stay(
    partition: str,
    gpus: int,
    submitted_at: datetime,
    started_at: datetime | None,
    ended_at: datetime,
) -> rules.Stay:
    return rules.Stay(
        partition,
        gpus,
        int(submitted_at.timestamp()),
        None if started_at is None else int(started_at.timestamp()),
        int(ended_at.timestamp()),
    )
