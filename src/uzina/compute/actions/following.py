"""Bringing a job in step with what the cluster says of it."""

from dataclasses import replace
from datetime import datetime

from uzina.compute import rules
from uzina.compute.actions.endings import close, end, instant, locked
from uzina.compute.actions.hand_over import accept
from uzina.compute.models import Job
from uzina.compute.rules import JobState, Sight, Step
from uzina.core.db import action
from uzina.core.log import log


@action
def observe(job: Job, *, step: Step, now: datetime) -> Job:
    """Bring a job in step with what the cluster was seen to say of it.

    Ends it where the cluster says so. A job that never ran, or that the cluster lost, gives its
    hours back at once; what others owe is settled when their usage is measured.
    """
    job = locked(job)
    if job.state not in rules.OPEN:
        return job
    match step.verb:
        case "observe" if step.sight is not None:
            _take(job, step.sight, now=now)
        case "miss":
            job.missing_since = now
            job.save(update_fields=["missing_since"])
        case "lose":
            end(job, JobState.LOST, reason="Vanished", now=now)
            close(job, now=now)
        case _:
            pass
    return job


def _take(job: Job, sight: Sight, *, now: datetime) -> None:
    """Copy a sight into the row, through the states that lie between."""
    if job.state is JobState.CREATED:
        accept(job, native_id=sight.native_id, submitted_s=sight.submitted_s, now=now)
        job.refresh_from_db()
    before = job.state
    if job.tasks > 1:
        sight = _of_array(job, sight)
    job.native_submitted_at = instant(sight.submitted_s)
    job.observed_at, job.missing_since = now, None
    if sight.started_s is not None:
        job.started_at = instant(sight.started_s)
    if sight.state in rules.ENDED:
        job.exit_code = sight.exit_code
        ended_at = instant(max(sight.ended_s or 0, sight.started_s or 0)) if sight.ended_s else now
        reason = rules.ending(sight, time_limit_s=job.time_limit_s)
        end(job, sight.state, reason=reason, now=now, ended_at=ended_at)
        if job.started_at is None or not rules.is_ours_to_charge(sight.state, reason):
            close(job, now=now)
        return
    if sight.state is JobState.RUNNING and before is JobState.QUEUED:
        job.state = rules.JOB.after("start", before)
        log("job.started", job.code, by=None, now=now, native_id=job.native_id)
    if sight.state is JobState.QUEUED and before is JobState.RUNNING:
        # The cluster put it back into its queue. What it ran so far is charged with the rest.
        job.state, job.started_at = rules.JOB.after("requeue", before), None
        log("job.requeued", job.code, by=None, now=now, native_id=job.native_id)
    if sight.expected_s is not None:
        job.expected_at, job.expected_seen_at = instant(sight.expected_s), now
    job.reason = sight.reason[:80]
    job.save()


def _of_array(job: Job, sight: Sight) -> Sight:
    """Return the sight of an array with what is known of tasks that left the queue since: between
    two tasks it runs on, and it began with its first.
    """
    if job.started_at is None:
        return sight
    begun = int(job.started_at.timestamp())
    is_between = sight.state is JobState.QUEUED and job.state is JobState.RUNNING
    return replace(
        sight,
        state=JobState.RUNNING if is_between else sight.state,
        started_s=min(begun, sight.started_s or begun),
    )
