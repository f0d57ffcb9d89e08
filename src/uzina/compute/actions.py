"""Every write about jobs. Nothing here talks to a batch system: tasks do, and tell it here.

Orders go out by promises, keyed so that a retry hands a job over once. Facts come in by observe()
and measure(): the cluster is the truth about jobs, the ledger about hours.
"""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from uzina.catalogue import queries as catalogue
from uzina.compute import access, queries, rules
from uzina.compute.models import Cluster, Job, Partition, Usage
from uzina.compute.ports import Inventory, UsagePage, UsageRow
from uzina.compute.rules import JobSpec, JobState, Sight, Step
from uzina.core.db import acting, action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger.models import Allocation
from uzina.people.models import Person, Project

RAW_LONGEST = 2000
ANSWER_EVERY = timedelta(seconds=30)
"""How often the time of the last answer is written down while all is well."""


# --- what people do -----------------------------------------------------------------------------


@action
def submit(
    project: Project,
    *,
    spec: JobSpec,
    by: Person | None,
    now: datetime,
    key: str,
    continues: Job | None = None,
) -> Job:
    """Take a job on: set its hours aside and promise to hand it over to the cluster.

    key        the submitter's, unique in the project: the same key and description give the same
               job
    continues  an ended job of the project whose run directory this one goes on in

    Raises NotAllowed job.submit.not_a_member; Refused job.submit.project_closed,
    job.submit.no_allocation, job.submit.key_reused, job.submit.still_running, what catalogue
    refuses of an input, and allocation.hold.too_big, which says how much is left.
    """
    if not access.may_submit(by, project):
        raise NotAllowed(
            "job.submit.not_a_member",
            _("Only members of {project} can spend its hours."),
            project=project.code,
        )
    kept = Job.objects.filter(project=project, key=key).first()
    if kept is not None:
        return _same(kept, spec)
    if project.state != "active":
        raise Refused(
            "job.submit.project_closed",
            _("{project} is closing or closed and takes no new jobs."),
            project=project.code,
        )
    if continues is not None:
        _check_continues(continues, project)
    for one in spec.inputs:
        catalogue.usable_version(by, one.dataset, one.version)
    amount = rules.hold_amount(spec, on=now.date())
    allocation = queries.open_allocation(project, amount=amount, now=now)

    try:
        with acting():
            return _create(
                project,
                allocation,
                spec=spec,
                amount=amount,
                by=by,
                now=now,
                key=key,
                continues=continues,
            )
    except IntegrityError:
        # A request with the same key was faster; its hold stands, ours was undone.
        kept = Job.objects.filter(project=project, key=key).first()
        if kept is None:
            raise
        return _same(kept, spec)


def _check_continues(before: Job, project: Project) -> None:
    """Raise Refused job.submit.still_running while any job uses the run directory."""
    if before.project_id != project.pk:
        msg = f"{before} is of another project than {project}"
        raise ValueError(msg)
    _locked(before)  # so that two that want to go on in it ask one after the other
    if user := Job.objects.filter(run_dir=before.run_dir, settled_at=None).first():
        raise Refused(
            "job.submit.still_running",
            _("{job} has not ended yet. Wait for it, or stop it, before you go on from it."),
            job=user.code,
        )


def _create(
    project: Project,
    allocation: Allocation,
    *,
    spec: JobSpec,
    amount: int,
    by: Person | None,
    now: datetime,
    key: str,
    continues: Job | None,
) -> Job:
    code = new_code("JOB")
    hold = ledger.hold(allocation, amount=amount, subject=code, key=f"hold:{code}", by=by, now=now)
    job = Job(
        code=code,
        project=project,
        allocation=allocation,
        hold=hold,
        cluster=queries.cluster(),
        submitted_by=by,
        key=key,
        native_key=f"{code.lower()}-{secrets.token_hex(6)}",
        spec=spec.as_json(),
        name=spec.name,
        kind=spec.kind,
        nodes=spec.nodes,
        gpus=spec.gpus,
        cpus=spec.cpus,
        memory_mb=spec.memory_mb,
        time_limit_s=spec.time_limit_s,
        held_gpu_ms=amount,
        reason="HandOver",
        run_dir=continues.run_dir
        if continues is not None
        else str(Path(settings.UZINA.scheduler.run_root).absolute() / code),
        submitted_at=now,
    )
    job.save()
    log(
        "job.submitted",
        code,
        by=by,
        now=now,
        project=project.code,
        allocation=allocation.code,
        kind=spec.kind,
        held_gpu_ms=amount,
    )
    promise("compute.hand_over", key=f"hand-over:{code}", now=now, job=code)
    return job


def _same(job: Job, spec: JobSpec) -> Job:
    if job.spec != spec.as_json():
        raise Refused(
            "job.submit.key_reused",
            _("This key belongs to {job}, which is described otherwise. Use a new key."),
            job=job.code,
        )
    return job


@action
def cancel(job: Job, *, by: Person | None, now: datetime) -> Job:
    """Have a job stopped. One that never left the factory ends at once; for others the cluster
    is asked, and the job ends when the cluster says so. Asking twice changes nothing.

    Raises NotAllowed job.cancel.not_yours, Refused job.cancel.not_now.
    """
    job = _locked(job)
    if not access.may_cancel(by, job):
        raise NotAllowed(
            "job.cancel.not_yours",
            _("Only members of its project and operators can stop {job}."),
            job=job.code,
        )
    rules.JOB.after("cancel", job.state)
    if job.cancel_asked_at is not None:
        return job

    job.cancel_asked_at = now
    job.save(update_fields=["cancel_asked_at"])
    log("job.cancel_asked", job.code, by=by, now=now)
    if job.state is JobState.CREATED and _is_surely_here(job):
        _end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        _void(job, now=now)
    elif job.native_id:
        promise("compute.hand_cancel", key=f"cancel:{job.code}", now=now, job=job.code)
    return job


# --- handing over -------------------------------------------------------------------------------


class Turn(StrEnum):
    """What a hand-over may do next."""

    NOTHING = "nothing"
    SUBMIT = "submit"
    LOOK_UP = "look_up"


@action
def begin_attempt(job: Job, *, now: datetime) -> Turn:
    """Note that handing over begins, so that whoever comes after a crash looks the key up first."""
    job = _locked(job)
    if job.state is not JobState.CREATED:
        return Turn.NOTHING
    was_certain = _is_surely_here(job)
    if job.cancel_asked_at is not None and was_certain:
        _end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        _void(job, now=now)
        return Turn.NOTHING

    job.attempts += 1
    job.reason = "HandOver"
    job.save(update_fields=["attempts", "reason"])
    return Turn.SUBMIT if was_certain else Turn.LOOK_UP


def _is_surely_here(job: Job) -> bool:
    """Tell whether no attempt is under way and none can have reached the cluster."""
    return job.attempts == 0 or job.reason in {"SchedulerDown", "DiskFull"}


@action
def accept(job: Job, *, native_id: str, submitted_s: int, now: datetime) -> Job:
    """Note that the cluster has the job. Noting it again changes nothing."""
    job = _locked(job)
    if job.state is not JobState.CREATED:
        return job
    job.state = rules.JOB.after("accept", job.state)
    job.native_id, job.native_submitted_at = native_id, _instant(submitted_s)
    job.reason, job.detail, job.observed_at = "None", "", now
    job.save()
    log("job.accepted", job.code, by=None, now=now, native_id=native_id)
    if job.cancel_asked_at is not None:
        promise("compute.hand_cancel", key=f"cancel:{job.code}", now=now, job=job.code)
    return job


@action
def postpone(job: Job, *, reason: str, detail: str, now: datetime) -> Job:
    """Keep a job that could not be handed over, say why, and promise another attempt."""
    job = _locked(job)
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
    job = _locked(job)
    if job.state is not JobState.CREATED:
        return job
    _end(job, JobState.FAILED, reason=reason, detail=detail, now=now)
    _void(job, now=now)
    return job


@action
def abandon(job: Job, *, now: datetime) -> Job:
    """End a job that was to be stopped and turned out not to be on the cluster."""
    job = _locked(job)
    if job.state is JobState.CREATED:
        _end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        _void(job, now=now)
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


# --- following the cluster ----------------------------------------------------------------------


@action
def begin_poll(cluster: Cluster, *, now: datetime, every: timedelta) -> bool:
    """Take the turn to ask the cluster; False when it was asked a moment ago."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.polled_at is not None and now < cluster.polled_at + every:
        return False
    cluster.polled_at = now
    cluster.save(update_fields=["polled_at"])
    return True


@action
def note_answer(cluster: Cluster, *, now: datetime) -> None:
    """Note that the cluster answers; in the log only when it had been silent."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.silent_since is not None:
        log("cluster.answered", cluster.slug, by=None, now=now, silent_since=cluster.silent_since)
    elif cluster.answered_at is not None and now < cluster.answered_at + ANSWER_EVERY:
        return
    cluster.answered_at, cluster.silent_since = now, None
    cluster.save(update_fields=["answered_at", "silent_since"])


@action
def note_silence(cluster: Cluster, *, detail: str, now: datetime) -> None:
    """Note that the cluster does not answer. What is known of its jobs stays as it is."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    if cluster.silent_since is None:
        cluster.silent_since = now
        cluster.save(update_fields=["silent_since"])
        log("cluster.fell_silent", cluster.slug, by=None, now=now, detail=detail[:500])


@action
def count(cluster: Cluster, *, inventory: Inventory, now: datetime) -> None:
    """Keep what machines there are, by partition."""
    cluster = Cluster.objects.select_for_update().get(pk=cluster.pk)
    by_partition = defaultdict(list)
    for node in inventory.nodes:
        by_partition[node.partition[:80]].append(node)
    for name, nodes in by_partition.items():
        Partition.objects.update_or_create(
            cluster=cluster,
            name=name,
            defaults={
                "nodes": len(nodes),
                "nodes_up": sum(node.state in {"idle", "mixed", "allocated"} for node in nodes),
                "cpus": sum(node.cpus for node in nodes),
                "cpus_used": sum(node.cpus_used for node in nodes),
                "gpus": sum(node.gpus for node in nodes),
                "gpus_used": sum(node.gpus_used for node in nodes),
                "memory_mb": sum(node.memory_mb for node in nodes),
                "counted_at": now,
            },
        )
    Partition.objects.filter(cluster=cluster).exclude(name__in=by_partition).delete()
    cluster.counted_at = now
    cluster.save(update_fields=["counted_at"])


@action
def observe(job: Job, *, step: Step, now: datetime) -> Job:
    """Bring a job in step with what the cluster was seen to say of it.

    Ends it where the cluster says so. A job that never ran, or that the cluster lost, gives its
    hours back at once; what others owe is settled when their usage is measured.
    """
    job = _locked(job)
    if job.state not in rules.OPEN:
        return job
    match step.verb:
        case "observe" if step.sight is not None:
            _take(job, step.sight, now=now)
        case "miss":
            job.missing_since = now
            job.save(update_fields=["missing_since"])
        case "lose":
            _end(job, JobState.LOST, reason="Vanished", now=now)
            _void(job, now=now)
        case _:
            pass
    return job


def _take(job: Job, sight: Sight, *, now: datetime) -> None:
    """Copy a sight into the row, through the states that lie between."""
    if job.state is JobState.CREATED:
        accept(job, native_id=sight.native_id, submitted_s=sight.submitted_s, now=now)
        job.refresh_from_db()
    before = job.state
    job.native_submitted_at = _instant(sight.submitted_s)
    job.observed_at, job.missing_since = now, None
    if sight.started_s is not None:
        job.started_at = _instant(sight.started_s)
    if sight.state in rules.ENDED:
        job.exit_code = sight.exit_code
        ended_at = _instant(max(sight.ended_s or 0, sight.started_s or 0)) if sight.ended_s else now
        reason = rules.ending(sight, time_limit_s=job.time_limit_s)
        _end(job, sight.state, reason=reason, now=now, ended_at=ended_at)
        if job.started_at is None or not rules.is_ours_to_charge(sight.state, reason):
            _void(job, now=now)
        return
    if sight.state is JobState.RUNNING and before is JobState.QUEUED:
        job.state = rules.JOB.after("start", before)
        log("job.started", job.code, by=None, now=now, native_id=job.native_id)
    job.reason = sight.reason[:80]
    job.save()


@action
def measure(cluster: Cluster, *, page: UsagePage, now: datetime) -> list[Usage]:
    """Keep the measurements of our jobs that are not kept yet, and move the cursor.

    A row belongs to a job by key and id: rows of others in the account, and of a second run that
    did nothing, are passed over.
    """
    keys = {_row_key(cluster, row): row for row in page.rows}
    fresh = {key: row for key, row in keys.items() if key not in queries.known_rows(keys)}
    jobs = {
        job.native_key: job
        for job in Job.objects.filter(
            cluster=cluster, native_key__in=[row.key for row in fresh.values()]
        )
    }
    rows = [
        _usage(jobs[row.key], key, row, now=now)
        for key, row in fresh.items()
        if row.key in jobs and jobs[row.key].native_id == row.native_id
    ]
    made = Usage.objects.bulk_create(rows, ignore_conflicts=True)
    for usage in rows:
        if usage.job.settled_at is not None and usage.elapsed_s:
            # Came after the job was settled. The hold is closed: an operator decides.
            log("usage.late", usage.job.code, by=None, now=now, elapsed_s=usage.elapsed_s)
    Cluster.objects.filter(pk=cluster.pk, usage_cursor_s__lt=page.cursor_s).update(
        usage_cursor_s=page.cursor_s
    )
    return made


def _row_key(cluster: Cluster, row: UsageRow) -> str:
    return f"{cluster.slug}/{row.native_id}/{row.submitted_s}/{row.started_s or '-'}"[:160]


def _usage(job: Job, key: str, row: UsageRow, *, now: datetime) -> Usage:
    return Usage(
        job=job,
        row_key=key,
        native_id=row.native_id,
        submitted_at=_instant(row.submitted_s),
        started_at=None if row.started_s is None else _instant(row.started_s),
        ended_at=_instant(row.ended_s),
        elapsed_s=row.elapsed_s,
        nodes=row.nodes,
        cpus=row.cpus,
        gpus=row.gpus,
        state=row.state[:24],
        raw=row.raw[:RAW_LONGEST],
        read_at=now,
    )


@action
def settle(job: Job, *, now: datetime) -> Job:
    """Charge an ended job what its runs used, release the rest and tell the world it is over.

    Exactly once: a settled job stays as it is. Without a measurement nothing happens yet.
    """
    job = _locked(job)
    runs = list(queries.usage_of(job))
    if job.settled_at is not None or job.state not in rules.ENDED or not _is_measured(job, runs):
        return job
    used = charge_of(job, runs)

    if used:
        ledger.settle(job.hold, used=used, by=None, now=now)
        _over(job, gpu_ms=used, now=now)
    else:
        _void(job, now=now)
    return job


def _is_measured(job: Job, runs: Sequence[Usage]) -> bool:
    """Tell whether the run that the job ended with is among those measured."""
    return any(job.started_at == run.started_at or job.ended_at == run.ended_at for run in runs)


def charge_of(job: Job, runs: Iterable[Usage]) -> int:
    """Return the GPU-milliseconds of all runs of a job, at the rate of the day it was submitted."""
    rate = rules.cpu_rate(job.submitted_at.date())
    return sum(
        rules.cost(gpus=run.gpus, cpus=run.cpus, elapsed_s=run.elapsed_s, rate=rate)
        for run in runs
        if run.state != "NODE_FAIL"
    )


# --- endings ------------------------------------------------------------------------------------


def _end(
    job: Job,
    state: JobState,
    *,
    reason: str,
    now: datetime,
    detail: str = "",
    ended_at: datetime | None = None,
) -> None:
    job.state = rules.JOB.after(rules.VERB_TO[state], job.state)
    job.reason, job.detail = reason[:80], detail[:500]
    job.ended_at = ended_at or now
    if job.started_at is not None and job.ended_at < job.started_at:
        job.ended_at = job.started_at
    job.observed_at = now
    job.save()
    log(
        f"job.{_PAST[state]}",
        job.code,
        by=None,
        now=now,
        reason=job.reason,
        exit_code=job.exit_code,
    )


_PAST = {
    JobState.DONE: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.LOST: "lost",
}


def _void(job: Job, *, now: datetime) -> None:
    """Give back all hours of a job that is not to be charged."""
    ledger.void(
        job.hold, reason=job.reason or "Cancelled", key=f"void:{job.code}", by=None, now=now
    )
    _over(job, gpu_ms=0, now=now)


def _over(job: Job, *, gpu_ms: int, now: datetime) -> None:
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


def _locked(job: Job) -> Job:
    return (  # type: ignore[no-any-return]
        Job.objects.select_for_update(of=("self",))
        .select_related("project", "hold", "cluster")
        .get(pk=job.pk)
    )


def _instant(epoch_s: int) -> datetime:
    return datetime.fromtimestamp(epoch_s, tz=UTC)
