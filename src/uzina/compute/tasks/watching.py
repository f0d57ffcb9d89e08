"""Following the cluster: what became of jobs, what they used."""

from datetime import datetime, timedelta

from django.conf import settings

from uzina.compute import actions, adapters, queries, rules
from uzina.compute.models import Cluster, Job
from uzina.compute.ports import Scheduler, SchedulerDown
from uzina.compute.rules import JobState, Sight, Wanted

OVERLAP_S = 3600
"""How far usage is read again. With none, 36 of 60 jobs were missed around an outage of
slurmdbd; see docs/decisions/0004."""
SILENT_EVERY = timedelta(seconds=10)
"""A controller that is away costs each command 9 s: ask seldom enough for other work to go on."""


def watch(*, now: datetime) -> None:
    """Ask the cluster about all open jobs in one go, measure what ended, settle it."""
    cluster = queries.cluster()
    jobs = queries.unsettled(cluster)
    if not jobs or not _is_turn(cluster, now=now):
        return
    batch = adapters.scheduler()
    try:
        _follow(batch, cluster, jobs, now=now)
    except SchedulerDown as down:
        actions.note_silence(cluster, detail=str(down), now=now)
    else:
        actions.note_answer(cluster, now=now)


def _is_turn(cluster: Cluster, *, now: datetime) -> bool:
    every = timedelta(seconds=settings.UZINA.scheduler.poll_s)
    if cluster.silent_since is not None:
        every = max(every, SILENT_EVERY)
    return actions.begin_poll(cluster, now=now, every=every)


def _follow(batch: Scheduler, cluster: Cluster, jobs: list[Job], *, now: datetime) -> None:
    open_jobs = {job.native_key: job for job in jobs if job.is_open and job.native_id}
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
    if not (ended := [job for job in queries.unsettled(cluster) if not job.is_open]):
        return
    oldest_s = min(int((job.ended_at or now).timestamp()) for job in ended)
    cursor_s = min(cluster.usage_cursor_s or oldest_s, oldest_s)
    page = batch.usage(since_s=cursor_s - OVERLAP_S)
    actions.measure(cluster, page=page, now=now)
    for job in ended:
        actions.settle(job, now=now)


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
    )
