"""How a job ends, for its page and for the ledger. Shared by the other files of the room."""

from datetime import UTC, datetime

from uzina.compute import queries, rules
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.core.log import log
from uzina.ledger import actions as ledger


def end(
    job: Job,
    state: JobState,
    *,
    reason: str,
    now: datetime,
    detail: str = "",
    ended_at: datetime | None = None,
) -> None:
    """Put a job into an ended state, in its row and in the log."""
    job.state = rules.JOB.after(rules.VERB_TO[state], job.state)
    job.reason, job.detail = reason[:80], detail[:500]
    job.ended_at = ended_at or now
    if job.started_at is not None and job.ended_at < job.started_at:
        job.ended_at = job.started_at
    job.observed_at = now
    job.save()
    log(
        f"job.{PAST[state]}",
        job.code,
        by=None,
        now=now,
        reason=job.reason,
        exit_code=job.exit_code,
    )


PAST = {
    JobState.DONE: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.LOST: "lost",
}


def close(job: Job, *, now: datetime) -> None:
    """Charge what was measured of an ended job and give back the rest of its hold: all of it where
    nothing was. What is measured later is charged as a difference.
    """
    used = sum(run.gpu_ms or 0 for run in queries.usage_of(job))
    if used:
        ledger.settle(job.hold, used=used, by=None, now=now)
    else:
        reason = job.reason or "Cancelled"
        ledger.void(job.hold, reason=reason, key=f"void:{job.code}", by=None, now=now)
    over(job, gpu_ms=used, now=now)


def over(job: Job, *, gpu_ms: int, now: datetime) -> None:
    """Note that nothing more is owed, and tell the world."""
    job.settled_at, job.gpu_ms = now, gpu_ms
    job.save(update_fields=["settled_at", "gpu_ms"])
    log(
        "job.ended",
        job.code,
        by=None,
        now=now,
        state=str(job.state),
        gpu_ms=gpu_ms,
        reason=job.reason,
        exit_code=job.exit_code,
    )


def locked(job: Job) -> Job:
    """Return the job as it is now, locked."""
    return (  # type: ignore[no-any-return]
        Job.objects.select_for_update(of=("self",))
        .select_related("project", "hold", "cluster")
        .get(pk=job.pk)
    )


def instant(epoch_s: int) -> datetime:
    """Return an epoch second as an instant."""
    return datetime.fromtimestamp(epoch_s, tz=UTC)
