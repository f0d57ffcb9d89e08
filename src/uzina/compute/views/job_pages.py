"""Pages of jobs."""

import secrets
import shlex
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.compute import access, actions, forms, queries, rules
from uzina.compute.adapters import run_directory, scheduler
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.core.charts import LineChart, line_chart
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.paging import paged
from uzina.people.types import SignedIn

LOG_SHOWN = 8_192
LINES_SHOWN, EVENTS_SHOWN = 30, 10
LONGEST_S = 10 * 365 * 86_400
"""A job that reckons it needs longer does not know."""


def _visible(request: SignedIn) -> Any:
    return Job.objects.visible_to(request.user).select_related(
        "project", "allocation", "cluster", "submitted_by"
    )


def _job(request: SignedIn, code: str) -> Job:
    return get_object_or_404(_visible(request), code=code[:16])


@login_required
@require_GET
def jobs(request: SignedIn) -> HttpResponse:
    """List the jobs one may see, newest first, perhaps of one project."""
    rows = _visible(request)
    project = request.GET.get("project", "")[:16]
    if project:
        rows = rows.filter(project__code=project)
    cursor = request.GET.get("cursor", "")
    is_cursor = cursor.isascii() and cursor.isdigit() and len(cursor) <= 18
    page = paged(rows, limit=25, cursor=cursor if is_cursor else "")
    moment = now()
    lines = [
        {
            "job": job,
            "why": _said(queries.why(job)),
            "cost_gpu_ms": queries.cost_so_far(job, now=moment),
        }
        for job in page["items"]
    ]
    context = {
        "has_notebooks": bool(settings.UZINA.session.port),
        "lines": lines,
        "page": page,
        "project": project,
        "standing": queries.standing(now=moment),
    }
    return render(request, "compute/jobs.html", context)


@login_required
@require_GET
def job(request: SignedIn, code: str) -> HttpResponse:
    """Show a job: where it stands and why, its cost, its log, its curve, its files."""
    found = _job(request, code)
    spec = rules.parse_spec(found.spec)
    context = _live(found, now=now()) | {
        "spec": spec,
        "command": shlex.join(spec.command),
        "may_cancel": access.may_cancel(request.user, found),
        "files": run_directory.files(queries.run_dir(found))[:200],
        "usage": list(queries.usage_of(found)),
    }
    return render(request, "compute/job.html", context)


@login_required
@require_GET
def live(request: SignedIn, code: str) -> HttpResponse:
    """Return the part of the job's page that changes while it runs."""
    return render(request, "compute/job_live.html", _live(_job(request, code), now=now()))


@login_required
@require_GET
def log(request: SignedIn, code: str) -> HttpResponse:
    """Send a log as plain text, at most the last MiB of it."""
    found = _job(request, code)
    stream = request.GET.get("stream", "stdout")
    path = rules.check_stream(stream)
    piece = run_directory.chunk(
        queries.run_dir(found), path, offset=-run_directory.MAX_READ, limit=run_directory.MAX_READ
    )
    return HttpResponse(
        piece.data.decode("utf-8", "replace"),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'inline; filename="{found.code}-{stream}.txt"'},
    )


def _live(job: Job, *, now: datetime) -> dict[str, Any]:
    run_dir = queries.run_dir(job)
    measured = run_directory.curve(run_dir)
    events = run_directory.events(run_dir).records
    successor = queries.successor(job)
    return {
        "successor": successor,
        "job": job,
        "why": _said(queries.why(job)),
        "cost_gpu_ms": queries.cost_so_far(job, now=now),
        "elapsed_s": _elapsed_s(job, now=now),
        "is_live": job.settled_at is None,
        "chart": _chart(measured),
        "speed": _speed(job, measured),
        "events": [_event(one) for one in reversed(events[-EVENTS_SHOWN:])],
        "said": "" if successor else _exit_words(run_directory.exit_record(run_dir)),
        **_tails(job),
    }


def _elapsed_s(job: Job, *, now: datetime) -> int | None:
    if job.started_at is None:
        return None
    return max(0, int(((job.ended_at or now) - job.started_at).total_seconds()))


def _tails(job: Job) -> dict[str, str]:
    tails = {}
    for stream in ("stdout", "stderr"):
        piece = scheduler().logs(queries.run_dir(job), stream, offset=-LOG_SHOWN, limit=LOG_SHOWN)
        lines = piece.data.decode("utf-8", "replace").splitlines(keepends=True)
        tails[stream] = "".join(lines[-LINES_SHOWN:])
    return tails


def _chart(measured: list[dict[str, Any]]) -> LineChart | None:
    points = [(one.get("step"), one.get("loss")) for one in measured if "loss" in one]
    if not points:
        return None
    return line_chart(
        title=gettext("Loss"),
        x_label=gettext("Step"),
        y_label=gettext("Loss, nats a token"),
        series=[(gettext("Training"), points)],
    )


def _speed(job: Job, measured: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the latest of what people watch a training for."""
    last = measured[-1] if measured else {}
    numbers = {
        name: last[name]
        for name in ("step", "tokens", "loss", "tok_s")
        if _is_number(last.get(name))
    }
    eta = last.get("eta_s")
    if job.state is JobState.RUNNING and isinstance(eta, int | float) and 0 <= eta < LONGEST_S:
        numbers["eta_s"] = int(eta)
    return numbers


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def _event(record: dict[str, Any]) -> dict[str, Any]:
    """Return an event as a line: when, what, and its plain facts."""
    at = record.get("t")
    facts = ", ".join(
        f"{name} {value}"
        for name, value in record.items()
        if name not in {"t", "event", "kind", "type"} and isinstance(value, str | int | float)
    )
    title = record.get("event") or record.get("kind") or record.get("type") or "–"
    return {
        "at": _moment(at),
        "title": str(title)[:80].replace("_", " "),
        "text": facts[:300],
        "is_done": True,
    }


def _moment(seconds: Any) -> datetime | None:
    if not _is_number(seconds) or not 0 < seconds < 4e9:
        return None
    return datetime.fromtimestamp(seconds, tz=now().tzinfo)


def _exit_words(record: dict[str, Any]) -> str:
    parts = [str(record[name])[:200] for name in ("state", "reason") if record.get(name)]
    return ": ".join(parts)


def _said(text: str) -> str:
    return gettext(text) if text else ""


@login_required
@require_http_methods(["GET", "POST"])
def job_new(request: SignedIn) -> HttpResponse:
    """Describe a job, see what it would hold, submit it."""
    if request.method == "GET":
        first = {"project": request.GET.get("project", "")[:16]}
        form = forms.JobForm(person=request.user, initial=first)
        return _form_page(request, form)
    if "change" in request.POST:
        return _form_page(request, forms.JobForm(person=request.user, initial=request.POST.dict()))
    form = forms.JobForm(request.POST, person=request.user)
    if not form.is_valid():
        return _form_page(request, form, status=422)
    project = form.cleaned_data["project"]
    try:
        spec = form.spec()
        price = queries.price(project, spec=spec, by=request.user, now=now())
        if "confirm" not in request.POST:
            return _check_page(request, form, spec, price)
        key = f"{request.user.code}:page:{request.POST.get('key', '')[:64]}"
        job = actions.submit(project, spec=spec, by=request.user, now=now(), key=key)
    except Refused as refused:
        form.add_refusal(refused)
        return _form_page(request, form, status=422)
    messages.success(request, gettext("The job was taken on."))
    return redirect("compute:job", job.code)


def _form_page(request: HttpRequest, form: forms.JobForm, *, status: int = 200) -> HttpResponse:
    context = {"form": form, "has_project": form.fields["project"].queryset.exists()}  # type: ignore[attr-defined]
    return render(request, "compute/job_new.html", context, status=status)


def _check_page(
    request: HttpRequest, form: forms.JobForm, spec: rules.JobSpec, price: queries.Price
) -> HttpResponse:
    typed = [(name, request.POST.get(name, "")) for name in form.fields]
    context = {
        "form": form,
        "spec": spec,
        "command": shlex.join(spec.command),
        "project": form.cleaned_data["project"],
        "price": price,
        "typed": typed,
        "key": secrets.token_urlsafe(16),
    }
    return render(request, "compute/job_check.html", context)


@login_required
@require_POST
def cancel(request: SignedIn, code: str) -> HttpResponse:
    """Have a job stopped."""
    found = _job(request, code)
    try:
        actions.cancel(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The job is being stopped."))
    return redirect("compute:job", found.code)
