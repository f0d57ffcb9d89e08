"""What follows the end of a job: the next link of a chain, and the jobs that waited for it."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from uzina.compute import queries, rules
from uzina.compute.actions.endings import close, end, locked
from uzina.compute.actions.jobs import submit
from uzina.compute.models import Job
from uzina.compute.ports import Effort
from uzina.compute.rules import JobState
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.promises import promise


@action
def chain_on(job: Job, *, was_stopped: bool, said: Any, mark: str, now: datetime) -> Job | None:
    """Have an ended link followed by another in the same run directory, or note why not.

    mark  what the run directory holds now; the same as at the start is no step

    Returns the link that follows. Doing it again changes nothing.
    """
    job = locked(job)
    if job.chain_left is None or job.settled_at is None or "why" in job.chain:
        return None
    if follower := queries.next_link(job):
        return follower
    why = rules.why_no_link(
        state=job.state,
        reason=job.reason,
        left=job.chain_left,
        cancel_asked=job.cancel_asked_at is not None,
        was_stopped=was_stopped,
        said=said,
        has_moved=mark != job.chain.get("mark", ""),
    )
    if not why:
        try:
            return _follow(job, now=now)
        except Refused as refused:
            why = "refused"
            job.chain |= {
                "code": refused.code, "message": refused.message, "facts": refused.facts,
            }  # fmt: skip
    job.chain |= {"why": why}
    job.save(update_fields=["chain"])
    log("job.chain_ended", job.code, by=None, now=now, why=why)
    return None


def _follow(job: Job, *, now: datetime) -> Job:
    return submit(
        job.project,
        spec=rules.parse_spec(job.spec),
        by=job.submitted_by,
        now=now,
        key=queries.link_key(job),
        continues=job,
        chain_left=(job.chain_left or 1) - 1,
    )


@action
def release(job: Job, *, now: datetime) -> Job:
    """Hand a job over that waited for others, once they have ended as it wants; end it, and give
    its hours back, once they cannot any more.
    """
    job = locked(job)
    if job.state is not JobState.CREATED or job.reason != "Dependency":
        return job
    fates = queries.fates(job.project, rules.parse_spec(job.spec))
    if hopeless := next((one for one in fates if one.is_hopeless), None):
        end(
            job,
            JobState.CANCELLED,
            reason="DependencyNeverSatisfied",
            now=now,
            detail=hopeless.code,
        )
        close(job, now=now)
    elif not rules.is_waiting(fates):
        job.reason = "HandOver"
        job.save(update_fields=["reason"])
        promise("compute.hand_over", key=f"hand-over:{job.code}", now=now, job=job.code)
    return job


@action
def note_effort(job: Job, *, efforts: Sequence[Effort]) -> Job:
    """Keep what was measured of an ended job's processes, over all its runs."""
    job = locked(job)
    cpu_s = [one.cpu_s for one in efforts if one.cpu_s is not None]
    memory = [one.max_rss_mb for one in efforts if one.max_rss_mb is not None]
    energy = [one.energy_j for one in efforts if one.energy_j]
    job.effort = {
        **({"cpu_s": sum(cpu_s)} if cpu_s else {}),
        **({"max_rss_mb": max(memory)} if memory else {}),
        **({"energy_j": sum(energy), "energy_by": "counter"} if energy else {}),
    }
    job.save(update_fields=["effort"])
    return job


@action
def postpone_effort(job: Job, *, now: datetime) -> None:
    """Promise to ask again what a job's processes used, which the cluster could not tell."""
    promise(
        "compute.measure_effort",
        key=f"effort:{job.code}:{int(now.timestamp())}",
        now=now,
        after=timedelta(minutes=1),
        job=job.code,
    )
