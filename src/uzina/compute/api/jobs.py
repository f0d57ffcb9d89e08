"""Jobs: submit, follow, stop."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.compute import actions, queries, rules
from uzina.compute.adapters import run_directory, scheduler
from uzina.compute.models import Job, Usage
from uzina.core.idempotency import keyed
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["compute"])

Code = Annotated[str, Field(max_length=16)]
Offset = Annotated[int, Field(ge=-(2**62), le=2**62)]
After = Annotated[int, Field(ge=0, le=2**62)]
LOG_LIMIT = 65_536


class JobIn(Schema):
    """A job: of which project, and what to run. `spec` is a job.toml as JSON."""

    project: Code
    spec: dict[str, Any]


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
    def resolve_why(job: Job) -> str:
        why = queries.why(job)
        return gettext(why) if why else ""

    @staticmethod
    def resolve_allowed(job: Job) -> list[str]:
        return ["cancel"] if job.is_open and job.cancel_asked_at is None else []


class JobWithSpecOut(JobOut):
    spec: dict[str, Any]


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
    return Job.objects.visible_to(request.user).select_related("project", "allocation", "cluster")


def _job(request: SignedIn, code: str) -> Job:
    return get_object_or_404(_visible(request), code=code[:16])


@router.post("/jobs", response={201: JobWithSpecOut})
@keyed
def submit_job(request: SignedIn, body: JobIn) -> Status[Job]:
    """Take a job on: its hours are set aside and it is handed over to the cluster."""
    project = queries.visible_project(request.user, body.project)
    if project is None:
        raise Http404
    spec = rules.parse_spec(body.spec, within="spec")
    key = f"{request.user.code}:{request.headers['Idempotency-Key']}"[:255]
    return Status(201, actions.submit(project, spec=spec, by=request.user, now=now(), key=key))


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
    stream: Annotated[str, Field(max_length=16)] = "stdout",
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
