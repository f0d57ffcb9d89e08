"""Pages of jobs."""

import secrets
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.compute import access, actions, forms, queries, rules
from uzina.compute.adapters import leavings, run_directory, scheduler
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.core.attachments import attachment
from uzina.core.charts import LineChart, line_chart
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.paging import paged
from uzina.people.types import SignedIn

LOG_SHOWN = 8_192
LINES_SHOWN, EVENTS_SHOWN = 30, 10
FILES_SHOWN, RUNS_SHOWN = 200, 200
LONGEST_S = 10 * 365 * 86_400
"""A job that reckons it needs longer does not know."""


def _visible(request: SignedIn) -> Any:
    return Job.objects.visible_to(request.user).select_related(
        "project", "allocation", "cluster", "submitted_by", "continues", "rerun_of"
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
        "look": queries.last_look(now=moment),
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
    run_dir = queries.run_dir(found)
    context = _live(found, now=now()) | {
        "standing": queries.standing(now=now()) if found.is_open else None,
        "spec": spec,
        "command": _program(spec),
        "may_cancel": access.may_cancel(request.user, found),
        "may_rerun": access.may_rerun(request.user, found),
        "may_fetch": access.may_fetch(request.user, found),
        "key": secrets.token_urlsafe(16),
        "files": run_directory.files(run_dir)[:FILES_SHOWN],
        "outputs": leavings.outputs(run_dir)[:FILES_SHOWN],
        "usage": list(queries.usage_of(found)[:RUNS_SHOWN]),
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
        "chain_end": _said(queries.chain_end(job)),
        "chain_refusal": _chain_refusal(job),
        "rehearsal": _said(queries.rehearsal(job)),
        "advice": _advice(job),
        "used": _used(job),
        "tasks": _tasks(job)[:RUNS_SHOWN] if job.spec.get("array") else [],
        **_tails(job),
    }


def _chain_refusal(job: Job) -> str:
    if job.chain.get("why") != "refused":
        return ""
    return gettext(job.chain["message"]).format(**job.chain["facts"])


def _advice(job: Job) -> dict[str, str] | None:
    found = queries.advice(job)
    if found is None:
        return None
    facts = {
        name: gettext(value) if isinstance(value, str) else value
        for name, value in found.facts.items()
    }
    return {
        "why": gettext(found.why).format(**facts), "step": gettext(found.step).format(**facts),
    }  # fmt: skip


def _used(job: Job) -> dict[str, Any]:
    """Return how well an ended job used what it held, as far as it was measured."""
    runs = queries.usage_of(job)[: rules.MAX_TASKS] if job.effort else []
    elapsed_s = sum(run.elapsed_s for run in runs)
    shares = rules.shares(
        job.effort, cpus=job.nodes * job.cpus, memory_mb=job.memory_mb, elapsed_s=elapsed_s
    )
    energy_j = job.effort.get("energy_j")
    return {
        "cpu": round(100 * shares["cpu"]) if "cpu" in shares else None,
        "memory": round(100 * shares["memory"]) if "memory" in shares else None,
        "max_rss_mb": job.effort.get("max_rss_mb"),
        "kwh": energy_j / 3.6e6 if energy_j else None,
    }


@dataclass(frozen=True)
class _Task:
    """One task of an array as it stands."""

    number: int
    state: JobState
    stream: str


def _tasks(job: Job) -> list[_Task]:
    """Return the tasks: of those that ended what was measured, of others whether they wrote."""
    ended = {run.native_id.partition("_")[2]: run.state.lower() for run in queries.usage_of(job)}
    logs = run_directory.names(queries.run_dir(job), "logs")
    found = []
    for number in rules.read_array(job.spec["array"])[0]:
        stream = f"stdout-{number}"
        word = ended.get(str(number))
        if word is not None:
            state = TASK_STATES.get(word, JobState.FAILED)
        elif not job.is_open:
            state = JobState.CANCELLED
        else:
            state = JobState.RUNNING if f"{stream}.log" in logs else JobState.QUEUED
        found.append(_Task(number, state, stream if f"{stream}.log" in logs else ""))
    return found


TASK_STATES = {
    "completed": JobState.DONE,
    "done": JobState.DONE,
    "cancelled": JobState.CANCELLED,
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
    """Describe a job, see what it would hold and what stands in its way, submit it."""
    like = request.POST.get("like", request.GET.get("like", ""))[:16]
    model = _visible(request).filter(code=like).first() if like else None
    spec = rules.parse_spec(model.spec) if model else None
    if request.method == "GET":
        first = {"project": request.GET.get("project", "")[:16]}
        if model and spec:
            first = forms.typed_of(spec, project=model.project.code) | {"like": model.code}
        return _form_page(request, forms.JobForm(person=request.user, initial=first))
    if "change" in request.POST:
        return _form_page(request, forms.JobForm(person=request.user, initial=request.POST.dict()))
    form = forms.JobForm(request.POST, person=request.user, model=spec)
    if not form.is_valid():
        return _form_page(request, form, status=422)
    try:
        return _check_or_submit(request, form)
    except Refused as refused:
        form.add_refusal(refused)
        return _form_page(request, form, status=422)


def _check_or_submit(request: SignedIn, form: forms.JobForm) -> HttpResponse:
    project, spec, moment = form.cleaned_data["project"], form.spec(), now()
    is_rehearsal = "rehearse" in request.POST
    if is_rehearsal:
        spec = spec.rehearsal()
    price = queries.price(project, spec=spec, by=request.user, now=moment)
    if "confirm" not in request.POST:
        checks = queries.preflight(project, spec=spec, by=request.user, now=moment)
        return _check_page(request, form, spec, price, checks)
    key = f"{request.user.code}:page:{request.POST.get('key', '')[:64]}:{int(is_rehearsal)}"
    job = actions.submit(project, spec=spec, by=request.user, now=moment, key=key)
    messages.success(request, gettext("The job was taken on."))
    return redirect("compute:job", job.code)


def _form_page(request: HttpRequest, form: forms.JobForm, *, status: int = 200) -> HttpResponse:
    more = [form[name] for name in form.MORE]
    context = {
        "form": form,
        "has_project": form.fields["project"].queryset.exists(),  # type: ignore[attr-defined]
        "more": more,
        "is_more_open": any(one.errors or one.value() for one in more if one.name != "chain"),
    }
    return render(request, "compute/job_new.html", context, status=status)


def _check_page(
    request: HttpRequest,
    form: forms.JobForm,
    spec: rules.JobSpec,
    price: queries.Price,
    checks: list[rules.checks.Check],
) -> HttpResponse:
    typed = [(name, request.POST.get(name, "")) for name in form.fields]
    context = {
        "form": form,
        "spec": spec,
        "command": _program(spec),
        "project": form.cleaned_data["project"],
        "price": price,
        "typed": typed,
        "key": secrets.token_urlsafe(16),
        "checks": [
            {"level": one.level, "text": gettext(one.message).format(**one.facts)} for one in checks
        ],
        "may_submit": rules.checks.may_submit(checks),
        "unused": rules.read_script(spec.script).unused,
    }
    return render(request, "compute/job_check.html", context)


def _program(spec: rules.JobSpec) -> str:
    if spec.script:
        return shlex.join([rules.SCRIPT, *spec.arguments])
    return shlex.join(spec.command)


@login_required
@require_POST
def rerun(request: SignedIn, code: str) -> HttpResponse:
    """Take the same job on once more."""
    found = _job(request, code)
    key = f"{request.user.code}:page:{request.POST.get('key', '')[:64]}"
    try:
        again = actions.rerun(found, by=request.user, now=now(), key=key)
    except Refused as refused:
        messages.error(request, told(refused))
        return redirect("compute:job", found.code)
    messages.success(request, gettext("The job was taken on."))
    return redirect("compute:job", again.code)


@login_required
@require_GET
def job_file(request: SignedIn, code: str, path: str) -> HttpResponseBase:
    """Send a file of the run directory, to be kept and never to be shown."""
    found = _job(request, code)
    access.check_fetch(request.user, found)
    opened = leavings.opened(queries.run_dir(found), path)
    if opened is None:
        raise Http404
    return attachment(
        request,
        path=path,
        size=opened.size,
        sha256=opened.tag,
        media_type="application/octet-stream",
        pieces=opened.pieces,
    )


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
