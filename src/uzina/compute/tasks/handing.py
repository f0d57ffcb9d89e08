"""Handing jobs over to the cluster, and asking it to stop them."""

import errno
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from django.db import connections

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.catalogue.actions import staging
from uzina.catalogue.ports import StoreDown
from uzina.compute import actions, adapters, queries, rules
from uzina.compute.actions import Turn
from uzina.compute.adapters import inputs, leavings, python
from uzina.compute.models import Job
from uzina.compute.ports import Accepted, Rejected, Scheduler, SchedulerDown, Unknown
from uzina.compute.rules import JobSpec
from uzina.core.errors import Refused
from uzina.ledger import queries as ledger

AT_ONCE = 4
"""How many submissions are under way at one time. Measured with Slurm 22.05: 98 to 127 a second one
after another, 137 to 142 with four, hardly more with eight."""
SLOW_NICE = 10_000
"""How far jobs step back whose allocation nears its end, where the call says "slow". Slurm takes
up to 2,147,483,645 (sbatch(1)); sites weigh fair share, age and size in thousands."""
ACCOUNT_WITHIN = timedelta(minutes=10)
"""How long a new project's account, or a new member in it, may take to appear on the cluster."""
LOOK_AGAIN_S = 2.0
"""A hung controller may show a job a moment after it broke off: look twice before a retry."""

Answer = Accepted | Rejected | Unknown | SchedulerDown


def hand_over(*, job: str, now: datetime) -> None:
    """Give a job to the cluster once, whatever breaks on the way."""
    found = queries.job(job)
    turn = actions.begin_attempt(found, now=now)
    if turn is Turn.NOTHING:
        return
    cluster = adapters.scheduler()
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


def hand_over_many(*, each: Sequence[Mapping[str, str]], now: datetime) -> None:
    """Give many jobs to the cluster, AT_ONCE at one time, each once.

    Those that were begun before are handed over one after another, with all that this asks for.
    """
    codes = [one["job"] for one in each]
    jobs = actions.begin_attempts(codes)
    cluster = adapters.scheduler()
    ready = [
        (job, spec) for job in jobs if (spec := _make_ready(cluster, job, now=now)) is not None
    ]
    answers = _ask_all(cluster, ready)
    accepted = []
    for (job, _spec), answer in zip(ready, answers, strict=True):
        if isinstance(answer, Accepted):
            accepted.append((job, answer))
        else:
            _note(job, answer, now=now)
    actions.accept_many(accepted, now=now)
    for code in codes:
        if code not in {job.code for job in jobs}:
            hand_over(job=code, now=now)


def _ask_all(cluster: Scheduler, ready: Sequence[tuple[Job, JobSpec]]) -> list[Answer]:
    """Hand jobs over, AT_ONCE at one time. Once one was not answered no more are asked, since each
    would wait as long.
    """
    failed: list[Answer] = []

    def ask(one: tuple[Job, JobSpec]) -> Answer:
        if failed:
            return SchedulerDown("The cluster did not answer for the job before.")
        try:
            answer = _ask(cluster, *one)
        finally:
            connections.close_all()  # a way to the cluster may have asked the database
        if isinstance(answer, SchedulerDown | Unknown):
            failed.append(answer)
        return answer

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, ready))


def _submit(cluster: Scheduler, job: Job, *, now: datetime) -> None:
    spec = _make_ready(cluster, job, now=now)
    if spec is not None:
        _note(job, _ask(cluster, job, spec), now=now)


def _make_ready(cluster: Scheduler, job: Job, *, now: datetime) -> JobSpec | None:
    """Lay the run directory out; None where that could not be done, which is noted."""
    try:
        return _prepare(cluster, job, now=now)
    except (SchedulerDown, StoreDown) as down:
        actions.postpone(job, reason="SchedulerDown", detail=str(down), now=now)
    except Refused as refused:
        if refused.code.endswith(".disk_full"):
            actions.postpone(job, reason="DiskFull", detail=str(refused), now=now)
        else:
            _reject_inputs(job, refused, now=now)
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        actions.postpone(job, reason="DiskFull", detail=str(error), now=now)
    return None


def _reject_inputs(job: Job, refused: Refused, *, now: datetime) -> None:
    is_over = refused.code.startswith("version.use.")
    reason = "AccessOver" if is_over else "Inputs"
    actions.reject(job, reason=reason, detail=str(refused), now=now)
    if is_over:
        actions.tell_data_lost(job, dataset=str(refused.facts.get("reference", "")), now=now)


def _ask(cluster: Scheduler, job: Job, spec: JobSpec) -> Answer:
    try:
        return cluster.submit(
            spec,
            key=job.native_key,
            run_dir=queries.run_dir(job),
            user=job.site_user,
            account=job.site_account,
        )
    except SchedulerDown as down:
        return down


def _note(job: Job, answer: Answer, *, now: datetime) -> None:
    match answer:
        case Accepted(native_id, submitted_s):
            actions.accept(job, native_id=native_id, submitted_s=submitted_s, now=now)
        case Rejected(reason) if _waits_for_account(job, reason, now=now):
            actions.postpone(job, reason="NoAccountYet", detail=reason, now=now)
        case Rejected(reason):
            actions.reject(job, reason="Rejected", detail=reason, now=now)
        case Unknown(detail):
            actions.postpone(job, reason="Uncertain", detail=detail, now=now)
        case SchedulerDown():
            actions.postpone(job, reason="SchedulerDown", detail=str(answer), now=now)


def _waits_for_account(job: Job, reason: str, *, now: datetime) -> bool:
    """Tell whether a refusal says only that what we make on the cluster is not there yet."""
    is_new = now < job.submitted_at + ACCOUNT_WITHIN
    return bool(job.site_account) and is_new and "Invalid account" in reason


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


def _prepare(cluster: Scheduler, job: Job, *, now: datetime) -> JobSpec:
    """Lay the run directory out: logs/, the description's files, the inputs."""
    spec = rules.parse_spec(job.spec)
    run_dir = queries.run_dir(job)
    program = rules.argv(spec, python=python(), run_dir=str(run_dir))
    cluster.lay(run_dir, rules.laid(spec, program), user=job.site_user)
    if spec.inputs or spec.spaces:
        with inputs.laid(run_dir, is_ours=not job.site_user) as folder:
            _stage(job, spec, to=folder, now=now)
    if job.chain_left is not None:
        actions.mark(job, mark=leavings.mark(run_dir))
    nice = spec.nice
    if spec.nice < SLOW_NICE and ledger.is_slow(job.allocation):
        nice = SLOW_NICE
    return replace(spec, command=rules.started(spec, program), nice=nice)


def _stage(job: Job, spec: JobSpec, *, to: Path, now: datetime) -> None:
    for place in spec.spaces:
        staging.stage_folder(
            place,
            to=to / rules.space_place(place),
            by=job.submitted_by,
            project=job.project,
            now=now,
            subject=job.code,
        )
    for one in spec.inputs:
        version = catalogue_queries.usable_version(
            job.submitted_by, one.dataset, one.version, project=job.project, now=now
        )
        catalogue.stage(
            version,
            to=to / one.at,
            by=job.submitted_by,
            project=job.project,
            now=now,
            subject=job.code,
        )


def hand_cancel(*, job: str, now: datetime) -> None:
    """Ask the cluster to end a job."""
    found = queries.job(job)
    if not found.is_open or not found.native_id:
        return
    try:
        adapters.scheduler().cancel([found.native_id])
    except SchedulerDown:
        actions.postpone_cancel(found, now=now)
