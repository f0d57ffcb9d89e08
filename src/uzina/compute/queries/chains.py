"""Reads about jobs that follow one another."""

from pathlib import Path

from uzina.compute import rules
from uzina.compute.adapters import leavings
from uzina.compute.models import Job
from uzina.people.models import Project


def link_key(job: Job) -> str:
    """Return the key of the link that follows a job: there is one at most."""
    return f"chain:{job.code}"


def next_link(job: Job) -> Job | None:
    """Return the link that followed a job of a chain."""
    return Job.objects.filter(project_id=job.project_id, key=link_key(job)).first()  # type: ignore[no-any-return]


def last_link(job: Job) -> Job:
    """Return the last link there is of the chain a job is in."""
    while job.chain_left is not None and (follower := next_link(job)):
        job = follower
    return job


def fates(project: Project, spec: rules.JobSpec) -> list[rules.Fate]:
    """Return what became of the jobs that a description waits for; a chain counts as one."""
    wanted = {**dict.fromkeys(spec.after_any, False), **dict.fromkeys(spec.after, True)}
    found = {
        job.code: last_link(job) for job in Job.objects.filter(project=project, code__in=wanted)
    }
    return [
        rules.Fate(
            code=code,
            state=found[code].state,
            needs_done=needs_done,
            may_go_on=found[code].chain_left is not None and "why" not in found[code].chain,
        )
        for code, needs_done in wanted.items()
        if code in found
    ]


def chain_end(job: Job) -> str:
    """Return, in English, why no link followed the last of a chain; "" for others."""
    return rules.CHAIN_ENDS.get(job.chain.get("why", ""), "")


def rehearsal(job: Job) -> str:
    """Return, in English, what an ended rehearsal showed; "" for other jobs."""
    if job.is_open or not job.spec.get("is_rehearsal"):
        return ""
    run_dir = Path(job.run_dir)
    return rules.rehearsed(
        has_saved=leavings.has_saved(run_dir),
        has_ended=job.state is rules.JobState.DONE,
        was_stopped=leavings.was_asked_to_stop(run_dir),
    )


def advice(job: Job) -> rules.Advice | None:
    """Return what to do about a job that did not end well."""
    return rules.advice(
        state=job.state,
        reason=job.reason,
        exit_code=job.exit_code,
        memory_mb=job.memory_mb,
        time_limit_s=job.time_limit_s,
    )


def waiting_for(job: Job) -> list[Job]:
    """Return the jobs of the project that wait for this one, or for a link of its chain before."""
    codes = {job.code}
    while job.chain_left is not None and job.continues is not None:
        job = job.continues
        codes.add(job.code)
    held_back = Job.objects.filter(
        project_id=job.project_id, state=rules.JobState.CREATED, reason="Dependency"
    )
    return [
        one
        for one in held_back.order_by("pk")
        if codes & {*one.spec.get("after", ()), *one.spec.get("after_any", ())}
    ]
