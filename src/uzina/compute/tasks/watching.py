"""Following the cluster: what became of jobs, what they used."""

import time
from datetime import datetime, timedelta

from django.conf import settings

from uzina.compute import actions, adapters, queries, rules
from uzina.compute.models import Cluster, Job
from uzina.compute.ports import Scheduler, SchedulerDown
from uzina.compute.rules import JobState, Sight, Wanted

SILENT_EVERY = timedelta(seconds=10)
"""A controller that is away costs each command 9 s: ask seldom enough for other work to go on."""
WINDOW_S = 86_400
"""How much time is read at once, so that a long absence fits in memory: a day of a busy cluster is
some ten thousand rows."""
SWEEP_S = 7 * 86_400
"""How far the nightly sweep, and the first look at a cluster, go back."""
RESTS_AFTER = timedelta(milliseconds=500)
"""Looks that take longer are followed by a rest of five times as long, so that ten thousand waiting
jobs leave worker and controller time for other work. The rule of snakemake/snakemake#2136."""
RESTS_MOST = timedelta(seconds=30)
"""And how long at most: the first sight of thousands of jobs is slow by our own writing."""
FORECAST_S = 60
"""A forecast that moved by less is no news."""


def watch(*, now: datetime) -> None:
    """Ask the cluster about all open jobs in one go, measure what ended, settle it."""
    cluster = queries.cluster()
    batch = adapters.scheduler()
    # Where there are accounts, people submit past the portal too.
    is_due = batch.has_accounts and not _is_before(now, cluster.usage_next_at)
    if _is_before(now, cluster.poll_next_at) or not (is_due or queries.has_unsettled(cluster)):
        return
    if not _is_turn(cluster, now=now):
        return
    began = time.monotonic()
    try:
        _follow(batch, queries.on_cluster(cluster), now=now)
        _measure(batch, cluster, now=now)
    except SchedulerDown as down:
        actions.note_silence(cluster, detail=str(down), now=now)
    else:
        actions.note_answer(cluster, now=now)
        took = timedelta(seconds=time.monotonic() - began)
        if took > RESTS_AFTER:
            actions.end_poll(cluster, next_at=now + took + min(5 * took, RESTS_MOST))


def sweep(*, now: datetime) -> None:
    """Read the usage of the last week again, whole: what came late, or was measured otherwise."""
    cluster = queries.cluster()
    batch = adapters.scheduler()
    try:
        is_done = _read(batch, cluster, since_s=int(now.timestamp()) - SWEEP_S, now=now, whole=True)
    except SchedulerDown as down:
        actions.note_silence(cluster, detail=str(down), now=now)
        is_done = False
    if not is_done:
        actions.promise_sweep(now=now, after=timedelta(minutes=1))


def _is_before(now: datetime, moment: datetime | None) -> bool:
    return moment is not None and now < moment


def _is_turn(cluster: Cluster, *, now: datetime) -> bool:
    every = timedelta(seconds=settings.UZINA.scheduler.poll_s)
    if cluster.silent_since is not None:
        every = max(every, SILENT_EVERY)
    return actions.begin_poll(cluster, now=now, every=every)


def _follow(batch: Scheduler, jobs: list[Job], *, now: datetime) -> None:
    open_jobs = {job.native_key: job for job in jobs}
    if open_jobs:
        snapshot = batch.status(
            [(job.native_id, key) for key, job in open_jobs.items()],
            since_s=min(int(job.submitted_at.timestamp()) for job in open_jobs.values()),
        )
        steps = rules.plan(
            [_wanted(job) for job in open_jobs.values()],
            snapshot.jobs,
            is_complete=snapshot.is_complete,
            now=now,
        )
        for step in steps:
            if step.verb == "cancel_twin" and step.sight is not None:
                batch.cancel([step.sight.native_id])
            elif step.verb != "observe" or _is_news(open_jobs[step.key], step.sight):
                actions.observe(open_jobs[step.key], step=step, now=now)


def _measure(batch: Scheduler, cluster: Cluster, *, now: datetime) -> None:
    """Read the usage since the last look and settle what ended."""
    ended = queries.unsettled(cluster)
    if not ended and not batch.has_accounts:
        return
    since_s = cluster.usage_cursor_s
    if ended:
        oldest_s = min(int((job.ended_at or now).timestamp()) for job in ended)
        since_s = min(since_s or oldest_s, oldest_s)
    since_s = since_s or int(now.timestamp()) - SWEEP_S
    overlap_s = settings.UZINA.scheduler.usage_overlap_s
    if _read(batch, cluster, since_s=since_s - overlap_s, now=now):
        cluster.refresh_from_db(fields=["usage_cursor_s"])
        for job in ended:
            actions.settle(job, now=now)


def _read(
    batch: Scheduler, cluster: Cluster, *, since_s: int, now: datetime, whole: bool = False
) -> bool:
    """Read usage, a window at a time; False when it is not our turn.

    One sacct at a time: it holds the accounting database up, and a thousand of them have brought
    one down. It rests for five times as long as it took.
    """
    if not actions.begin_reading(cluster, now=now):
        return False
    began = time.monotonic()
    rest = timedelta(seconds=settings.UZINA.scheduler.poll_s)
    is_read = False
    try:
        while not is_read:
            until_s = since_s + WINDOW_S
            is_read = until_s >= int(now.timestamp())
            page = batch.usage(since_s=since_s, until_s=None if is_read else until_s)
            actions.measure(cluster, page=page, now=now)
            since_s = until_s
            took = timedelta(seconds=time.monotonic() - began)
            if not is_read:
                actions.go_on_reading(cluster, until=now + took + actions.READING_TAKES)
    finally:
        took = timedelta(seconds=time.monotonic() - began)
        swept_at = now if whole and is_read else None
        actions.end_reading(cluster, next_at=now + max(rest, took * 6), swept_at=swept_at)
    return True


def _wanted(job: Job) -> Wanted:
    return Wanted(
        key=job.native_key,
        state=job.state,
        native_id=job.native_id,
        cancel_asked=job.cancel_asked_at is not None,
        missing_since=job.missing_since,
    )


def _is_news(job: Job, sight: Sight | None) -> bool:
    """Tell whether a sight changes anything that people see; most polls find nothing new."""
    if sight is None:
        return False
    started_s = None if job.started_at is None else int(job.started_at.timestamp())
    return (
        sight.state is not job.state
        or sight.reason[:80] != job.reason
        or (sight.started_s is not None and sight.started_s != started_s)
        or job.missing_since is not None
        or (job.state is JobState.QUEUED and job.native_submitted_at is None)
        or _is_new_forecast(job, sight)
    )


def _is_new_forecast(job: Job, sight: Sight) -> bool:
    """Tell whether the cluster expects a waiting job at another time: by a minute or more."""
    if sight.expected_s is None:
        return False
    if job.expected_at is None:
        return True
    return abs(job.expected_at.timestamp() - sight.expected_s) >= FORECAST_S
