"""Notebooks: start one, open it."""

from typing import Annotated

from django.conf import settings
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.compute import actions, queries
from uzina.compute.api.jobs import JobWithSpecOut
from uzina.compute.models import Job
from uzina.compute.rules import sessions
from uzina.core.idempotency import keyed
from uzina.people.types import SignedIn

router = Router()


class SessionIn(Schema):
    """A notebook: of which project, on what, and when it ends by itself."""

    project: Annotated[str, Field(max_length=16)]
    gpus: int = 0
    cpus: int = 2
    memory_mb: int = 8192
    time_limit_s: int = 7200
    idle_minutes: Annotated[int, Field(ge=1, le=720)] = sessions.IDLE_DEFAULT
    inputs: Annotated[list[str], Field(max_length=32)] = []


class OpenedOut(Schema):
    """The address of the notebook. It works once, within a minute."""

    url: str


@router.post("/sessions", response={201: JobWithSpecOut})
@keyed
def start_session(request: SignedIn, body: SessionIn) -> Status[Job]:
    """Start a notebook as a job of a project."""
    project = queries.visible_project(request.user, body.project)
    if project is None or not settings.UZINA.session.port:
        raise Http404
    asked = body.model_dump(exclude={"project", "idle_minutes"})
    spec = sessions.session_spec(asked, idle_minutes=body.idle_minutes)
    key = f"{request.user.code}:{request.headers['Idempotency-Key']}"[:255]
    return Status(201, actions.submit(project, spec=spec, by=request.user, now=now(), key=key))


@router.post("/jobs/{code}/open", response=OpenedOut)
def open_session(request: SignedIn, code: str) -> dict[str, str]:
    """Return an address that opens a running notebook once. Not kept for replay: it is a secret."""
    visible = Job.objects.visible_to(request.user).select_related("project")
    job = get_object_or_404(visible, code=code[:16])
    ticket = actions.issue_ticket(job, by=request.user, now=now())
    return {"url": f"{settings.UZINA.session.url}/open/{ticket}"}
