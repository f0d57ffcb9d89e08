"""What people do with jobs: submit, stop, run again."""

import secrets
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.db import IntegrityError

from uzina.catalogue import queries as catalogue
from uzina.catalogue.actions import staging
from uzina.catalogue.queries import spaces
from uzina.compute import access, queries, rules
from uzina.compute.actions.endings import close, end, locked
from uzina.compute.actions.hand_over import is_surely_here
from uzina.compute.models import Cluster, Job
from uzina.compute.rules import JobSpec, JobState
from uzina.core.db import acting, action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger.models import Allocation, Transfer
from uzina.people.models import Person, Project

ROOM_HOURS = 14 * 24
"""How long room for outputs is kept beyond a job's time limit: it may wait as long before it starts."""


@action
def submit(
    project: Project,
    *,
    spec: JobSpec,
    by: Person | None,
    now: datetime,
    key: str,
    continues: Job | None = None,
    chain_left: int | None = None,
    rerun_of: Job | None = None,
) -> Job:
    """Take a job on: set its hours aside and promise to hand it over to the cluster.

    One that waits for other jobs (spec.after) is handed over when they have ended.

    key        the submitter's, unique in the project: the same key and description give the same
               job
    continues  an ended job of the project whose run directory this one goes on in, or one that it
               waits for (spec.after)
    chain_left how many links may follow; None for what the description says
    rerun_of   the job it repeats

    Raises NotAllowed job.submit.not_a_member; Refused job.submit.project_closed,
    job.submit.no_site_user, job.submit.no_allocation, job.submit.key_reused,
    job.submit.still_running, job.submit.no_such_job, job.submit.after_hopeless, what catalogue refuses of an input, and allocation.hold.too_big,
    which says how much is left.
    """
    access.check_submit(by, project)
    kept = Job.objects.filter(project=project, key=key).first()
    if kept is not None:
        return same(kept, spec)
    if project.state != "active":
        raise Refused(
            "job.submit.project_closed",
            _("{project} is closing or closed and takes no new jobs."),
            project=project.code,
        )
    if continues is not None:
        _check_continues(continues, project, spec)
    waits_for = _predecessors(project, spec)
    site_user, site_account = queries.site_user(by), queries.site_account(project)
    for one in spec.inputs:
        catalogue.usable_version(by, one.dataset, one.version, project=project, now=now)
    for place in spec.spaces:
        spaces.usable_folder(place, by=by, project=project)
    amount = rules.hold_amount(spec, queries.tariff(spec.partition, now=now))
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
                site_user=site_user,
                site_account=site_account,
                chain_left=chain_left,
                rerun_of=rerun_of,
                is_waiting=rules.is_waiting(waits_for),
            )
    except IntegrityError:
        # A request with the same key was faster; its hold stands, ours was undone.
        kept = Job.objects.filter(project=project, key=key).first()
        if kept is None:
            raise
        return same(kept, spec)


def check_may_submit(project: Project, *, by: Person | None) -> None:
    """Raise NotAllowed job.submit.not_a_member."""
    if not access.may_submit(by, project):
        raise NotAllowed(
            "job.submit.not_a_member",
            _("Only members of {project} can spend its hours."),
            project=project.code,
        )


def check_active(project: Project) -> None:
    """Raise Refused job.submit.project_closed."""
    if project.state != "active":
        raise Refused(
            "job.submit.project_closed",
            _("{project} is closing or closed and takes no new jobs."),
            project=project.code,
        )


def _check_continues(before: Job, project: Project, spec: JobSpec) -> None:
    """Raise Refused job.submit.still_running while a job that is not waited for uses the run
    directory.
    """
    if before.project_id != project.pk:
        msg = f"{before} is of another project than {project}"
        raise ValueError(msg)
    locked(before)  # so that two that want to go on in it ask one after the other
    users = Job.objects.filter(run_dir=before.run_dir, settled_at=None)
    if user := users.exclude(code__in=spec.after).first():
        raise Refused(
            "job.submit.still_running",
            _("{job} has not ended yet. Wait for it, or stop it, before you go on from it."),
            job=user.code,
        )


def _predecessors(project: Project, spec: JobSpec) -> list[rules.Fate]:
    """Return what became of the jobs that this one waits for. They are locked, so that none ends
    unseen while this one is taken on.

    Raises Refused job.submit.no_such_job, job.submit.after_hopeless.
    """
    for code in sorted({*spec.after, *spec.after_any}):
        found = Job.objects.filter(project=project, code=code).first()
        if found is None:
            raise Refused(
                "job.submit.no_such_job",
                rules.checks.NO_JOB,
                project=project.code,
                job=code,
            )
        locked(found)
    fates = queries.fates(project, spec)
    if hopeless := next((one for one in fates if one.is_hopeless), None):
        raise Refused(
            "job.submit.after_hopeless",
            rules.checks.HOPELESS,
            job=hopeless.code,
        )
    return fates


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
    site_user: str,
    site_account: str,
    chain_left: int | None,
    rerun_of: Job | None,
    is_waiting: bool,
) -> Job:
    code = new_code("JOB")
    keep_room(code, spec, project=project, by=by, now=now)
    hold = ledger.hold(allocation, amount=amount, subject=code, key=f"hold:{code}", by=by, now=now)
    job = row(hold, project=project, cluster=queries.cluster(), spec=spec, by=by, now=now, key=key)
    job.site_user, job.site_account = site_user, site_account
    job.continues, job.rerun_of = continues, rerun_of
    if continues is not None:
        job.run_dir = continues.run_dir
    if chain_left is not None:
        job.chain_left = chain_left
    if is_waiting:
        job.reason = "Dependency"
    job.save()
    log_submitted(job, allocation, by=by, now=now)
    if not is_waiting:
        promise("compute.hand_over", key=f"hand-over:{code}", now=now, job=code)
    return job


def keep_room(
    code: str, spec: JobSpec, *, project: Project, by: Person | None, now: datetime
) -> None:
    """Set room aside in the project's storage for what a job will make, where it says where to."""
    if spec.outputs_to:
        staging.reserve_outputs(
            spec.outputs_to,
            size=spec.outputs_mb * staging.MB,
            subject=code,
            by=by,
            project=project,
            now=now,
            hours=ROOM_HOURS + spec.time_limit_s // 3600,
        )


def row(
    hold: Transfer,
    *,
    project: Project,
    cluster: Cluster,
    spec: JobSpec,
    by: Person | None,
    now: datetime,
    key: str,
) -> Job:
    """Return the row of a new job, whose code is the subject of its hold."""
    code = hold.subject
    return Job(
        code=code,
        project=project,
        allocation_id=hold.allocation_id or 0,
        hold=hold,
        cluster=cluster,
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
        held_gpu_ms=hold.amount,
        reason="HandOver",
        run_dir=str(Path(settings.UZINA.scheduler.run_root).absolute() / code),
        submitted_at=now,
        partition=spec.partition,
        tasks=spec.tasks,
        chain_left=spec.chain or None,
    )


def log_submitted(job: Job, allocation: Allocation, *, by: Person | None, now: datetime) -> None:
    """Note in the log that a job was taken on."""
    log(
        "job.submitted",
        job.code,
        by=by,
        now=now,
        project=job.project.code,
        allocation=allocation.code,
        kind=job.kind,
        held_gpu_ms=job.held_gpu_ms,
    )


def same(job: Job, spec: JobSpec) -> Job:
    """Return the job that a key gave before. Raises Refused job.submit.key_reused."""
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
    job = locked(job)
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
    if job.state is JobState.CREATED and is_surely_here(job):
        end(job, JobState.CANCELLED, reason="Cancelled", now=now)
        close(job, now=now)
    elif job.native_id:
        promise("compute.hand_cancel", key=f"cancel:{job.code}", now=now, job=job.code)
    return job


@action
def rerun(job: Job, *, by: Person | None, now: datetime, key: str) -> Job:
    """Take the same job on once more: the same description and inputs, in a new run directory.

    Jobs it waited for are not waited for again. Raises Refused job.rerun.not_here and what
    submit() raises.
    """
    if job.kind not in access.STANDING_ALONE:
        raise Refused(
            "job.rerun.not_here",
            _("{job} belongs to a run or a notebook. Start that again from its own page."),
            job=job.code,
        )
    spec = replace(rules.parse_spec(job.spec), after=(), after_any=())
    return submit(job.project, spec=spec, by=by, now=now, key=key, rerun_of=job)
