"""Handing a job over, once, whatever breaks on the way."""

from datetime import datetime, timedelta
from enum import StrEnum

from uzina.compute import rules
from uzina.compute.actions.endings import close, end, instant, locked
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.core.db import action
from uzina.core.log import log
from uzina.core.promises import promise


class Turn(StrEnum):
    """What a hand-over may do next."""

    NOTHING = "nothing"
    SUBMIT = "submit"
    LOOK_UP = "look_up"


@action
def begin_attempt(job: Job, *, now: datetime) -> Turn:
    """Note that handing over begins, so that whoever comes after a crash looks the key up first."""
    job = locked(job)
    if job.state is not JobState.CREATED or job.reason == "Dependency":
        return Turn.NOTHING
    was_certain = is_surely_here(job)
    if job.cancel_asked_at is not None and was_certain:
        end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        close(job, now=now)
        return Turn.NOTHING

    job.attempts += 1
    job.reason = "HandOver"
    job.save(update_fields=["attempts", "reason"])
    return Turn.SUBMIT if was_certain else Turn.LOOK_UP


def is_surely_here(job: Job) -> bool:
    """Tell whether no attempt is under way and none can have reached the cluster."""
    return job.attempts == 0 or job.reason in {
        "SchedulerDown",
        "DiskFull",
        "Dependency",
        "NoAccountYet",
    }


@action
def accept(job: Job, *, native_id: str, submitted_s: int, now: datetime) -> Job:
    """Note that the cluster has the job. Noting it again changes nothing."""
    job = locked(job)
    if job.state is not JobState.CREATED:
        return job
    job.state = rules.JOB.after("accept", job.state)
    job.native_id, job.native_submitted_at = native_id, instant(submitted_s)
    job.reason, job.detail, job.observed_at = "None", "", now
    job.save()
    log("job.accepted", job.code, by=None, now=now, native_id=native_id)
    if job.cancel_asked_at is not None:
        promise("compute.hand_cancel", key=f"cancel:{job.code}", now=now, job=job.code)
    return job


@action
def postpone(job: Job, *, reason: str, detail: str, now: datetime) -> Job:
    """Keep a job that could not be handed over, say why, and promise another attempt."""
    job = locked(job)
    if job.state is not JobState.CREATED:
        return job
    job.reason, job.detail, job.observed_at = reason, detail[:500], now
    job.save(update_fields=["reason", "detail", "observed_at"])
    log("job.postponed", job.code, by=None, now=now, reason=reason, attempt=job.attempts)
    promise(
        "compute.hand_over",
        key=f"hand-over:{job.code}:{job.attempts}",
        now=now,
        after=rules.hand_over_delay(job.attempts),
        job=job.code,
    )
    return job


@action
def reject(job: Job, *, reason: str, detail: str, now: datetime) -> Job:
    """End a job that the cluster will not take, and give its hours back."""
    job = locked(job)
    if job.state is not JobState.CREATED:
        return job
    end(job, JobState.FAILED, reason=reason, detail=detail, now=now)
    close(job, now=now)
    return job


@action
def mark(job: Job, *, mark: str) -> Job:
    """Note what the run directory of a chain's link holds before it begins."""
    job = locked(job)
    job.chain = {"mark": mark}
    job.save(update_fields=["chain"])
    return job


@action
def abandon(job: Job, *, now: datetime) -> Job:
    """End a job that was to be stopped and turned out not to be on the cluster."""
    job = locked(job)
    if job.state is JobState.CREATED:
        end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        close(job, now=now)
    return job


@action
def postpone_cancel(job: Job, *, now: datetime) -> None:
    """Promise to ask again for a stop that the cluster did not hear."""
    promise(
        "compute.hand_cancel",
        key=f"cancel:{job.code}:{int(now.timestamp())}",
        now=now,
        after=timedelta(seconds=5),
        job=job.code,
    )
