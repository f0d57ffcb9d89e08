"""What the worker runs: the only place that talks to the batch system. Each runs at least once."""

import errno
import time
from dataclasses import replace
from datetime import datetime, timedelta

from django.conf import settings

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.catalogue.ports import StoreDown
from uzina.compute import actions, queries, rules
from uzina.compute.actions import Turn
from uzina.compute.adapters import python, run_directory, scheduler
from uzina.compute.models import Cluster, Job
from uzina.compute.ports import Accepted, Rejected, Scheduler, SchedulerDown, Unknown
from uzina.compute.rules import JobSpec, JobState, Sight, Wanted
from uzina.core.errors import Refused

OVERLAP_S = 3600
"""How far usage is read again. With none, 36 of 60 jobs were missed around an outage of
slurmdbd; see docs/decisions/0004."""
LOOK_AGAIN_S = 2.0
"""A hung controller may show a job a moment after it broke off: look twice before a retry."""
COUNT_EVERY = timedelta(seconds=30)
SILENT_EVERY = timedelta(seconds=10)
"""A controller that is away costs each command 9 s: ask seldom enough for other work to go on."""


def hand_over(*, job: str, now: datetime) -> None:
    """Give a job to the cluster once, whatever breaks on the way."""
    found = queries.job(job)
    turn = actions.begin_attempt(found, now=now)
    if turn is Turn.NOTHING:
        return
    cluster = scheduler()
    try:
        if turn is Turn.LOOK_UP and _adopt(cluster, found, now=now):
            return
    except SchedulerDown as down:
        # Still in doubt: the next attempt looks it up too.
        actions.postpone(found, reason="Uncertain", detail=str(down), now=now)
        return
    if found.cancel_asked_at is not None:
        actions.abandon(found, now=now)
    else:
        _submit(cluster, found, now=now)


def _submit(cluster: Scheduler, job: Job, *, now: datetime) -> None:
    try:
        spec = _prepare(job, now=now)
        answer = cluster.submit(spec, key=job.native_key, run_dir=queries.run_dir(job))
    except (SchedulerDown, StoreDown) as down:
        actions.postpone(job, reason="SchedulerDown", detail=str(down), now=now)
    except Refused as refused:
        if refused.code.endswith(".disk_full"):
            actions.postpone(job, reason="DiskFull", detail=str(refused), now=now)
        else:
            actions.reject(job, reason="Inputs", detail=str(refused), now=now)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        actions.postpone(job, reason="DiskFull", detail=str(error), now=now)
    else:
        _note(job, answer, now=now)


def _note(job: Job, answer: Accepted | Rejected | Unknown, *, now: datetime) -> None:
    match answer:
        case Accepted(native_id, submitted_s):
            actions.accept(job, native_id=native_id, submitted_s=submitted_s, now=now)
        case Rejected(reason):
            actions.reject(job, reason="Rejected", detail=reason, now=now)
        case Unknown(detail):
            actions.postpone(job, reason="Uncertain", detail=detail, now=now)


def _adopt(cluster: Scheduler, job: Job, *, now: datetime) -> bool:
    """Look an earlier attempt's job up and take it as ours; False when there is none.

    Raises SchedulerDown when that cannot be known.
    """
    since_s = int(job.submitted_at.timestamp())
    found = cluster.find(job.native_key, since_s=since_s)
    if not found:
        time.sleep(LOOK_AGAIN_S)
        found = cluster.find(job.native_key, since_s=since_s)
    if not found:
        return False
    ours, *twins = found
    actions.accept(job, native_id=ours.native_id, submitted_s=ours.submitted_s, now=now)
    cluster.cancel([twin.native_id for twin in twins if twin.state in rules.OPEN])
    return True


def _prepare(job: Job, *, now: datetime) -> JobSpec:
    """Lay the run directory out: logs/, the description's files, the inputs."""
    spec = rules.parse_spec(job.spec)
    run_dir = queries.run_dir(job)
    run_directory.make(run_dir, spec.files)
    for one in spec.inputs:
        version = catalogue_queries.usable_version(job.submitted_by, one.dataset, one.version)
        catalogue.stage(
            version,
            to=run_dir / "inputs" / one.at,
            by=job.submitted_by,
            now=now,
            subject=job.code,
        )
    command = rules.argv(spec, python=python(), run_dir=str(run_dir))
    return replace(spec, command=command)


def hand_cancel(*, job: str, now: datetime) -> None:
    """Ask the cluster to end a job."""
    found = queries.job(job)
    if not found.is_open or not found.native_id:
        return
    try:
        scheduler().cancel([found.native_id])
    except SchedulerDown:
        actions.postpone_cancel(found, now=now)


def watch(*, now: datetime) -> None:
    """Ask the cluster about all open jobs in one go, measure what ended, settle it."""
    cluster = queries.cluster()
    jobs = queries.unsettled(cluster)
    is_counted = cluster.counted_at is not None and now < cluster.counted_at + COUNT_EVERY
    if (not jobs and is_counted) or not _is_turn(cluster, now=now):
        return
    batch = scheduler()
    try:
        if jobs:
            _follow(batch, cluster, jobs, now=now)
        if not is_counted:
            actions.count(cluster, inventory=batch.inventory(), now=now)
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
