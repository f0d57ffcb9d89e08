"""Jobs: submit, follow, stop."""

import hashlib
from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.compute import access, actions, queries, rules
from uzina.compute.adapters import leavings, run_directory, scheduler
from uzina.compute.models import Job, Usage
from uzina.core.attachments import attachment
from uzina.core.idempotency import keyed
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["compute"])

Code = Annotated[str, Field(max_length=16)]
Offset = Annotated[int, Field(ge=-(2**62), le=2**62)]
After = Annotated[int, Field(ge=0, le=2**62)]
LOG_LIMIT = 65_536


class JobIn(Schema):
    """A job: of which project, and what to run. `spec` is a job.toml as JSON.

    is_rehearsal  the same for two minutes, asked to stop after one
    """

    project: Code
    spec: dict[str, Any]
    is_rehearsal: bool = False

    def described(self) -> rules.JobSpec:
        """Return the description. Raises Invalid with every mistake at once."""
        spec = rules.parse_spec(self.spec, within="spec")
        return spec.rehearsal() if self.is_rehearsal else spec


class BurstIn(Schema):
    """Many jobs of one project. `specs`: each a job.toml as JSON."""

    project: Code
    specs: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=500)]


class TakenOut(Schema):
    """One job that was taken on, in the order of the descriptions."""

    code: str
    name: str
    held_gpu_ms: int


class BurstOut(Schema):
    items: list[TakenOut]


class JobOut(Schema):
    code: str
    project: str
    allocation: str
    name: str
    kind: str
    state: str
    reason: str
    why: str
    detail: str
    nodes: int
    gpus: int
    cpus: int
    memory_mb: int
    time_limit_s: int
    partition: str
    tasks: int
    continues: str | None
    chain_left: int | None
    rerun_of: str | None
    expected_at: datetime | None
    expected_seen_at: datetime | None
    held_gpu_ms: int
    gpu_ms: int | None
    native_id: str
    exit_code: int | None
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    observed_at: datetime | None
    settled_at: datetime | None
    cancel_asked_at: datetime | None
    allowed: list[str]

    @staticmethod
    def resolve_project(job: Job) -> str:
        return job.project.code

    @staticmethod
    def resolve_allocation(job: Job) -> str:
        return job.allocation.code

    @staticmethod
    def resolve_continues(job: Job) -> str | None:
        return job.continues.code if job.continues else None

    @staticmethod
    def resolve_rerun_of(job: Job) -> str | None:
        return job.rerun_of.code if job.rerun_of else None

    @staticmethod
    def resolve_why(job: Job) -> str:
        why = queries.why(job)
        return gettext(why) if why else ""

    @staticmethod
    def resolve_allowed(job: Job) -> list[str]:
        return ["cancel"] if job.is_open and job.cancel_asked_at is None else []


class AdviceOut(Schema):
    """Why a job failed, and what to do next."""

    why: str
    step: str


class JobWithSpecOut(JobOut):
    """A job with its description. effort: cpu_s, max_rss_mb, energy_j, as far as measured."""

    spec: dict[str, Any]
    effort: dict[str, Any]
    chain_end: str
    rehearsal: str
    advice: AdviceOut | None

    @staticmethod
    def resolve_chain_end(job: Job) -> str:
        end = queries.chain_end(job)
        return gettext(end) if end else ""

    @staticmethod
    def resolve_rehearsal(job: Job) -> str:
        shown = queries.rehearsal(job)
        return gettext(shown) if shown else ""

    @staticmethod
    def resolve_advice(job: Job) -> dict[str, str] | None:
        found = queries.advice(job)
        if found is None:
            return None
        return {
            "why": gettext(found.why).format(**found.facts),
            "step": gettext(found.step).format(**found.facts),
        }


class LogOut(Schema):
    """A piece of a log. Read on at next_offset; is_end means that there is no more yet."""

    stream: str
    offset: int
    next_offset: int
    is_end: bool
    text: str


class LinesOut(Schema):
    """Records the job wrote. Read on with after=next; skipped lines could not be understood."""

    items: list[dict[str, Any]]
    next: int
    skipped: int


class UsageOut(Schema):
    native_id: str
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime
    elapsed_s: int
    nodes: int
    cpus: int
    gpus: int
    state: str


class UsagePageOut(Schema):
    items: list[UsageOut]


def _visible(request: SignedIn) -> Any:
    return Job.objects.visible_to(request.user).select_related(
        "project", "allocation", "cluster", "continues", "rerun_of"
    )


def _job(request: SignedIn, code: str) -> Job:
    return get_object_or_404(_visible(request), code=code[:16])


@router.post("/jobs", response={201: JobWithSpecOut})
@keyed
def submit_job(request: SignedIn, body: JobIn) -> Status[Job]:
    """Take a job on: its hours are set aside and it is handed over to the cluster."""
    project = queries.visible_project(request.user, body.project)
    if project is None:
        raise Http404
    spec = body.described()
    key = f"{request.user.code}:{request.headers['Idempotency-Key']}"[:255]
    return Status(201, actions.submit(project, spec=spec, by=request.user, now=now(), key=key))


class CheckOut(Schema):
    """One thing that was looked at. level: ok, warn (it may go wrong) or refuse."""

    code: str
    level: str
    text: str


class ChecksOut(Schema):
    may_submit: bool
    checks: list[CheckOut]


@router.post("/jobs/check", response=ChecksOut)
def check_job(request: SignedIn, body: JobIn) -> dict[str, Any]:
    """Look at what stands in a job's way, before it is submitted. Nothing is held or kept."""
    project = queries.visible_project(request.user, body.project)
    if project is None:
        raise Http404
    access.check_submit(request.user, project)
    spec = body.described()
    checks = queries.preflight(project, spec=spec, by=request.user, now=now())
    return {
        "may_submit": rules.checks.may_submit(checks),
        "checks": [
            {
                "code": one.code,
                "level": one.level,
                "text": gettext(one.message).format(**one.facts),
            }
            for one in checks
        ],
    }


@router.post("/jobs/{code}/rerun", response={201: JobWithSpecOut})
@keyed
def rerun_job(request: SignedIn, code: str) -> Status[Job]:
    """Take the same job on once more, with the same description and inputs."""
    key = f"{request.user.code}:{request.headers['Idempotency-Key']}"[:255]
    job = actions.rerun(_job(request, code), by=request.user, now=now(), key=key)
    return Status(201, job)


@router.post("/jobs/batch", response={201: BurstOut})
@keyed
def submit_jobs(request: SignedIn, body: BurstIn) -> Status[dict[str, list[Job]]]:
    """Take up to 500 jobs on, all or none. For one job many times over, an array is cheaper."""
    project = queries.visible_project(request.user, body.project)
    if project is None:
        raise Http404
    key = hashlib.sha256(request.headers["Idempotency-Key"].encode()).hexdigest()
    wanted = {
        f"{request.user.code}:{key}:{number}": rules.parse_spec(spec, within=f"specs.{number}")
        for number, spec in enumerate(body.specs)
    }
    jobs = actions.submit_many(project, wanted=wanted, by=request.user, now=now())
    return Status(201, {"items": jobs})


@router.get("/jobs", response=Page[JobOut])
def list_jobs(
    request: SignedIn,
    project: Code = "",
    state: rules.JobState | None = None,
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=20)] = "",
) -> dict[str, Any]:
    """List the jobs one may see, newest first."""
    jobs = _visible(request)
    if project:
        jobs = jobs.filter(project__code=project)
    if state:
        jobs = jobs.filter(state=state)
    return paged(jobs, limit=limit, cursor=cursor)


@router.get("/jobs/{code}", response=JobWithSpecOut)
def show_job(request: SignedIn, code: str) -> Job:
    """Return one job with its description."""
    return _job(request, code)


@router.post("/jobs/{code}/cancel", response=JobOut)
@keyed
def cancel_job(request: SignedIn, code: str) -> Job:
    """Have a job stopped. It ends when the cluster says so."""
    actions.cancel(_job(request, code), by=request.user, now=now())
    return _job(request, code)


@router.get("/jobs/{code}/logs", response=LogOut)
def job_logs(
    request: SignedIn,
    code: str,
    stream: Annotated[str, Field(max_length=24)] = "stdout",
    offset: Offset = 0,
    limit: Annotated[int, Field(ge=1, le=1_048_576)] = LOG_LIMIT,
) -> dict[str, Any]:
    """Return a piece of a log from a byte on; a negative offset counts from the end."""
    job = _job(request, code)
    rules.check_stream(stream)
    piece = scheduler().logs(queries.run_dir(job), stream, offset=offset, limit=max(limit, 4))
    text, size = run_directory.whole_characters(piece.data, is_end=piece.is_end)
    start = piece.next_offset - len(piece.data)
    return {
        "stream": stream,
        "offset": start,
        "next_offset": start + size,
        "is_end": piece.is_end,
        "text": text,
    }


@router.get("/jobs/{code}/metrics", response=LinesOut)
def job_metrics(request: SignedIn, code: str, after: After = 0) -> dict[str, Any]:
    """Return what the job measured of itself, from a byte on."""
    return _lines(run_directory.metrics(queries.run_dir(_job(request, code)), after=after))


@router.get("/jobs/{code}/events", response=LinesOut)
def job_events(request: SignedIn, code: str, after: After = 0) -> dict[str, Any]:
    """Return what the job says happened: started, checkpoint, done."""
    return _lines(run_directory.events(queries.run_dir(_job(request, code)), after=after))


def _lines(lines: run_directory.Lines) -> dict[str, Any]:
    return {"items": list(lines.records), "next": lines.next_offset, "skipped": lines.skipped}


@router.get("/jobs/{code}/usage", response=UsagePageOut)
def job_usage(request: SignedIn, code: str) -> dict[str, list[Usage]]:
    """Return what the cluster measured, one row a run."""
    return {"items": list(queries.usage_of(_job(request, code)))}


class JobFileOut(Schema):
    path: str
    bytes: int


class OutputOut(JobFileOut):
    """A file that matched `outputs`. sha256 is empty where there was too much to read."""

    sha256: str


class FilesOut(Schema):
    """What is in the run directory, at most 500 files, and what was collected at the end."""

    items: list[JobFileOut]
    outputs: list[OutputOut]


@router.get("/jobs/{code}/files", response=FilesOut)
def job_files(request: SignedIn, code: str) -> dict[str, Any]:
    """List the files of a job's run directory."""
    run_dir = queries.run_dir(_job(request, code))
    files = run_directory.files(run_dir)
    return {
        "items": [{"path": one.path, "bytes": one.size} for one in files],
        "outputs": leavings.outputs(run_dir),
    }


@router.get("/jobs/{code}/files/{path:path}")
def job_file(
    request: SignedIn, code: str, path: Annotated[str, Field(max_length=4096)]
) -> HttpResponseBase:
    """Send one file of a job's run directory, whole or a range of it, to members of its project."""
    job = _job(request, code)
    access.check_fetch(request.user, job)
    found = leavings.opened(queries.run_dir(job), path)
    if found is None:
        raise Http404
    return attachment(
        request,
        path=path,
        size=found.size,
        sha256=found.tag,
        media_type="application/octet-stream",
        pieces=found.pieces,
    )
