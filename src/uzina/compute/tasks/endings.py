"""What is done once a job has ended: the next link, the jobs that waited, its outputs, its effort."""

from datetime import datetime
from typing import Any

from uzina.catalogue.actions import staging
from uzina.compute import actions, adapters, queries, rules
from uzina.compute.adapters import leavings, run_directory
from uzina.compute.models import Job
from uzina.compute.ports import SchedulerDown


def follow_up(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Do what the end of a job asks for. Each part may be done again without harm."""
    job = queries.job(subject)
    if rules.parse_spec(job.spec).outputs and not leavings.outputs(queries.run_dir(job)):
        leavings.collect(queries.run_dir(job), rules.parse_spec(job.spec).outputs)
    _put_outputs(job, now=now)
    if job.chain_left is not None:
        _chain(job, now=now)
    for waiting in queries.waiting_for(queries.job(subject)):
        actions.release(waiting, now=now)
    measure_effort(job=subject, now=now)


def _put_outputs(job: Job, *, now: datetime) -> None:
    """Put what the job made into the project's storage, where it says so; else free the room."""
    spec, run_dir = rules.parse_spec(job.spec), queries.run_dir(job)
    if not spec.outputs_to:
        return
    made = []
    for one in leavings.outputs(run_dir):
        file = leavings.opened(run_dir, one.path)
        if file is not None and one.sha256 and file.size == one.bytes:
            made.append(staging.Made(one.path, one.bytes, one.sha256, file.pieces))
    if made:
        staging.take_outputs(spec.outputs_to, made, subject=job.code, by=job.submitted_by, now=now)
    else:
        staging.release_outputs(subject=job.code, now=now)


def _chain(job: Job, *, now: datetime) -> None:
    run_dir = queries.run_dir(job)
    said = run_directory.exit_record(run_dir).get("resume")
    actions.chain_on(
        job,
        was_stopped=leavings.was_asked_to_stop(run_dir),
        said=said if isinstance(said, bool) else None,
        mark=leavings.mark(run_dir),
        now=now,
    )


def measure_effort(*, job: str, now: datetime) -> None:
    """Keep what the job's processes used, where the cluster knows it."""
    found = queries.job(job)
    ids = [run.native_id for run in queries.usage_of(found) if run.started_at is not None]
    if not ids or found.effort:
        return
    try:
        known = adapters.scheduler().efforts(ids)
    except SchedulerDown:
        actions.postpone_effort(found, now=now)
    else:
        actions.note_effort(found, efforts=[known[one] for one in ids if one in known])
