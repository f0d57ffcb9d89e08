"""Pages of runs, models and their documents."""

import hashlib
import secrets
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.cache import get_conditional_response
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from uzina.catalogue import actions as data_actions
from uzina.catalogue import queries as catalogue
from uzina.catalogue.rules.rdf import SYNTAXES, placed, written
from uzina.compute import queries as compute
from uzina.core import charts
from uzina.core.attachments import attachment
from uzina.core.errors import Invalid, Refused
from uzina.core.http import told
from uzina.core.paging import paged
from uzina.people import queries as people
from uzina.people.models import Person
from uzina.people.types import SignedIn
from uzina.training import access, actions, forms, queries
from uzina.training.models import Evaluation, ModelVersion, Run
from uzina.training.queries import plans, records
from uzina.training.rules import (
    ai_act,
    card,
    figures,
    form,
    lineage,
    mldcat,
    prepared,
    record,
    runs,
)

ROWS = 20


def _here() -> str:
    return get_language() or "en"


def _cursor(request: HttpRequest) -> str:
    cursor = request.GET.get("cursor", "")
    return cursor if cursor.isascii() and cursor.isdigit() and len(cursor) <= 18 else ""


# --- runs ---------------------------------------------------------------------------------------


@login_required
@require_GET
def run_list(request: SignedIn) -> HttpResponse:
    """List the runs of one's projects, newest first."""
    rows = Run.objects.visible_to(request.user).whole()
    page = paged(rows, limit=ROWS, cursor=_cursor(request))
    context = {
        "page": page,
        "may_start": people.projects_of(request.user).filter(state="active").exists(),
    }
    return render(request, "training/runs.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def run_new(request: SignedIn) -> HttpResponse:
    """Choose a recipe, fill in its settings, see what it costs, then start."""
    recipes = list(queries.recipes())
    chosen = next((one for one in recipes if one.slug == request.GET.get("recipe", "")), None)
    projects = list(people.projects_of(request.user).filter(state="active"))
    if chosen is None or not projects:
        rows = [{"recipe": one, **_said(one)} for one in recipes]
        context = {"recipes": rows, "has_project": bool(projects)}
        return render(request, "training/run_choose.html", context)
    form = forms.RunForm(
        request.POST or None,
        recipe=chosen,
        projects=projects,
        person=request.user,
        now=now(),
    )
    if request.method == "POST" and "change" not in request.POST and form.is_valid():
        response = _price_or_start(request, form)
        if response is not None:
            return response
    status = 422 if form.is_bound and form.errors and "change" not in request.POST else 200
    context = {"form": form, "recipe": chosen, **_said(chosen)}
    return render(request, "training/run_new.html", context, status=status)


def _said(recipe: Any) -> dict[str, str]:
    """Return what a recipe says of itself in the language of the page."""
    names = ("title", "summary", "hardware", "expects")
    return {name: recipe.text(name, _here()) for name in names}


def _price_or_start(request: SignedIn, form: forms.RunForm) -> HttpResponse | None:
    """Answer a filled form: what it costs first, then the run. None when it has to be mended."""
    data = form.cleaned_data
    project = next(one for one in form.projects if one.code == data["project"])
    facts: dict[str, Any] = {
        "recipe": form.recipe,
        "params": form.settings(),
        "inputs": form.references(),
        "model": form.model(),
        "name": data.get("name", ""),
        "gpus": data["gpus"],
        "cpus": data["cpus"],
        "memory_mb": data["memory_mb"],
        "time_limit_s": data["time_limit_min"] * 60,
        "tasks": data.get("tasks") or 1,
        "by": request.user,
    }
    try:
        if "confirm" not in request.POST:
            plan = plans.plan(project, **facts, now=now())
            price = compute.price(
                project, spec=plan.spec, by=request.user, now=now(), before=plan.stages
            )
            return _check_page(request, form, plan, price, project)
        key = f"{request.user.code}:page:{request.POST.get('confirm', '')[:64]}"
        run = actions.start_run(project, **facts, now=now(), key=key)
    except Invalid as refused:
        form.add_problems(refused)
        return None
    except Refused as refused:
        form.add_refusal(refused)
        return None
    messages.success(request, gettext("The run was started."))
    return redirect("training:run", run.code)


def _check_page(
    request: SignedIn, form: forms.RunForm, plan: plans.Plan, price: Any, project: Any
) -> HttpResponse:
    typed = [(name, value) for name in form.fields for value in request.POST.getlist(name)]
    changed = {
        parameter["name"]: plan.params[parameter["name"]]
        for parameter in form.recipe.schema["parameters"]
        if plan.params[parameter["name"]] != parameter["default"]
    }
    context = {
        "form": form,
        "plan": plan,
        "price": price,
        "project": project,
        "typed": typed,
        "changed": changed,
        "title": form.recipe.text("title", _here()),
        "key": secrets.token_urlsafe(16),
    }
    return render(request, "training/run_check.html", context)


def _report(request: SignedIn, found: Run) -> prepared.Report | None:
    """Return what a run tells of the data it made, with excerpts: to who may read them."""
    if found.output is None or found.recipe.output is not runs.Output.DATA:
        return None
    if not data_actions.begin_look(found.output, by=request.user, now=now()):
        return None
    return queries.preparation(found)


def _run(request: SignedIn, code: str) -> Run:
    found: Run = get_object_or_404(Run.objects.visible_to(request.user).whole(), code=code)
    return found


@login_required
@require_GET
def run(request: SignedIn, code: str) -> HttpResponse:
    """Show where a run stands, what it reads, and what came of it."""
    found = _run(request, code)
    verbs = runs.RUN.verbs(found.state) if access.may_stop(request.user, found) else []
    if found.facts.get("exit", {}).get("resume") is False:
        verbs = [verb for verb in verbs if verb != "resume"]
    result = Evaluation.objects.filter(run=found).first()
    report = _report(request, found)
    context = {
        "run": found,
        "report": report,
        "funnel": _funnel(report),
        "title": found.recipe.text("title", _here()),
        "jobs": list(found.jobs.order_by("pk")),
        "params": [
            (one["name"], found.params[one["name"]])
            for one in found.recipe.schema["parameters"]
            if one["name"] in found.params
        ],
        "verbs": verbs,
        "result": result,
        "chart": _chart(result),
        "is_model": found.recipe.output is runs.Output.MODEL,
        "key": secrets.token_urlsafe(16),
    }
    return render(request, "training/run.html", context)


@login_required
@require_POST
def run_stop(request: SignedIn, code: str) -> HttpResponse:
    """Ask a run to save and stop."""
    try:
        actions.stop(_run(request, code), by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The run will save a checkpoint and stop."))
    return redirect("training:run", code)


@login_required
@require_POST
def run_resume(request: SignedIn, code: str) -> HttpResponse:
    """Let a run go on from its last checkpoint."""
    key = f"{request.user.code}:page:{request.POST.get('key', '')[:64]}"
    try:
        actions.resume(_run(request, code), by=request.user, now=now(), key=key)
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The run goes on."))
    return redirect("training:run", code)


# --- models -------------------------------------------------------------------------------------


@require_GET
def model_list(request: HttpRequest) -> HttpResponse:
    """List the models one may see, newest first."""
    page = paged(queries.models_seen_by(request.user), limit=ROWS, cursor=_cursor(request))
    queries.with_versions(page["items"], request.user)
    return render(request, "training/models.html", {"page": page})


@require_GET
def model(request: HttpRequest, slug: str) -> HttpResponse:
    """Show a model's versions."""
    found = get_object_or_404(queries.models_seen_by(request.user), slug=slug)
    queries.with_versions([found], request.user)
    return render(request, "training/model.html", {"model": found})


def _version(request: HttpRequest, slug: str, number: int) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.visible_to(request.user).whole(), model__slug=slug, number=number
    )
    return found


@require_GET
def version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show what a version is, how good it is, where it came from, and its documents."""
    found = _version(request, slug, number)
    known = records.record(found)
    newest = queries.scores_of(found)
    is_lead = isinstance(request.user, Person) and access.may_release(request.user, found)
    context = {
        "version": found,
        "about": card.write(known, gettext).sections[0],
        "evaluation": newest,
        "chart": _chart(newest),
        "chain": lineage.trace(known, gettext, _here()),
        "form": form.fill(known, queries.form_fields(), gettext),
        "standings": _standings(known),
        "flop": record.flop_of(known["facts"]),
        "flop_method": record.words(known["facts"], "flop", "method"),
        "code": card.load_code(slug),
        "verbs": runs.MODEL.verbs(found.state) if is_lead else [],
        "files": found.manifest[:50],
        "url": settings.UZINA.site.url,
    }
    return render(request, "training/version.html", context)


def _chart(found: Evaluation | None) -> charts.BarChart | None:
    """Draw bits per byte of the model beside its baselines."""
    if found is None or not found.scores:
        return None
    return charts.bar_chart(
        title=gettext("Bits per byte on held-out text"),
        x_label=gettext("Who guesses"),
        y_label=gettext("Bits per byte, lower is better"),
        bars=[
            (gettext(label), found.scores[name])
            for name, label in card.BASELINES.items()
            if name in found.scores
        ],
        places=3,
    )


def _funnel(report: prepared.Report | None) -> charts.BarChart | None:
    """Draw how many documents are left after each part of a preparation."""
    if report is None:
        return None
    return charts.bar_chart(
        title=gettext("From what was read to what is trained on"),
        x_label=gettext("What is left"),
        y_label=gettext("Documents"),
        bars=[(gettext(label), count) for label, count in report.funnel],
        places=0,
    )


def _standings(known: dict[str, Any]) -> list[dict[str, Any]]:
    here = _here()
    found = ai_act.standings(
        queries.thresholds(),
        flop=record.flop_of(known["facts"]),
        base_flop=known["base_flop"],
    )
    return [
        {
            "title": one.threshold.title.get(here) or one.threshold.title["en"],
            "meaning": one.threshold.meaning.get(here) or one.threshold.meaning["en"],
            "status": one.threshold.status.get(here) or one.threshold.status["en"],
            "source": one.threshold.source,
            "url": one.threshold.url,
            "limit": "" if one.limit_flop is None else figures.significant(one.limit_flop),
            "is_reached": one.is_reached,
            "ratio": "" if one.ratio is None else figures.significant(one.ratio),
        }
        for one in found
        if one.limit_flop is not None
    ]


@require_GET
def card_page(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show the model card."""
    found = _version(request, slug, number)
    shown = card.write(records.record(found), gettext)
    return render(request, "training/card.html", {"version": found, "card": shown})


@require_GET
def card_file(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Send the model card as Markdown."""
    found = _version(request, slug, number)
    text = card.markdown(card.write(records.record(found), gettext), gettext)
    return _file(text, f"{slug}-{number}-card.md", "text/markdown; charset=utf-8")


def _file(text: str, name: str, kind: str) -> HttpResponse:
    return HttpResponse(
        text,
        content_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "X-Content-Type-Options": "nosniff",
        },
    )


def _filled(found: ModelVersion) -> form.Form:
    return form.fill(records.record(found), queries.form_fields(), gettext)


@require_GET
def documentation_form(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show the Model Documentation Form, field by field, what is missing counted first."""
    found = _version(request, slug, number)
    filled = _filled(found)
    may_edit = isinstance(request.user, Person) and access.may_document(request.user, found)
    here = _here()
    sections: dict[str, dict[str, Any]] = {}
    for row in filled.rows:
        title = row.field.section_title.get(here) or row.field.section_title["en"]
        section = sections.setdefault(row.field.section, {"title": title, "rows": []})
        section["rows"].append(
            {
                "row": row,
                "title": row.field.title.get(here) or row.field.title["en"],
                "hint": row.field.hint.get(here) or row.field.hint["en"],
                "audience": ", ".join(row.field.audience),
            }
        )
    context = {
        "version": found,
        "form_document": filled,
        "sections": list(sections.values()),
        "may_edit": may_edit,
        "as_of": queries.form_as_of(),
        "unread": sum(not row.field.is_read for row in filled.rows),
    }
    return render(request, "training/form.html", context)


@login_required
@require_http_methods(["GET", "POST"])
def answer(request: SignedIn, slug: str, number: int, field: str) -> HttpResponse:
    """State in a field of the form what the record cannot."""
    found = _version(request, slug, number)
    row = next(
        (one for one in _filled(found).rows if one.field.slug == field),
        None,
    )
    if row is None or not access.may_document(request.user, found):
        raise Http404
    form = forms.AnswerForm(request.POST or None, initial={"text": row.stated})
    if request.method == "POST" and form.is_valid():
        try:
            text = form.cleaned_data["text"]
            actions.state_answer(found, field=field, text=text, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("Saved."))
            return redirect(f"{found.reference_path}documentation-form/#{field}")
    here = _here()
    context = {
        "version": found,
        "form": form,
        "row": row,
        "title": row.field.title.get(here) or row.field.title["en"],
        "hint": row.field.hint.get(here) or row.field.hint["en"],
    }
    return render(request, "training/answer.html", context, status=422 if form.errors else 200)


@require_GET
def lineage_page(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show the chain from the call to the model."""
    found = _version(request, slug, number)
    chain = lineage.trace(records.record(found), gettext, _here())
    return render(request, "training/lineage.html", {"version": found, "chain": chain})


@require_GET
def lineage_file(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Send the whole record of a version, with its digest, as JSON."""
    known = records.record(_version(request, slug, number))
    response = JsonResponse(
        {"record_digest": record.digest(known), "record": known},
        json_dumps_params={"ensure_ascii": False, "indent": 2},
    )
    response["Content-Disposition"] = f'attachment; filename="{slug}-{number}-record.json"'
    return response


@require_safe
def mldcat_file(
    request: HttpRequest, slug: str, number: int | str, ending: str
) -> HttpResponseBase:
    """Send a version as catalogues of models read it."""
    told = mldcat.model_ntriples(records.record(_version(request, slug, int(number))))
    body = written(placed(told, settings.UZINA.site.url), ending)
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag=tag)
    if response is None:
        response = HttpResponse(body, content_type=f"{SYNTAXES[ending][1]}; charset=utf-8")
        response["ETag"] = tag
    response["Cache-Control"] = "no-cache"
    return response


@require_GET
def download(request: HttpRequest, slug: str, number: int, path: str) -> HttpResponseBase:
    """Send one file of a model, to be kept and never to be shown."""
    content = _version(request, slug, number).content
    file = content.file(path)
    if file is None:
        raise Http404
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: catalogue.contents(content, path, first=first, after=after),
    )


@login_required
@require_POST
def release(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Let everybody see a version."""
    found = _version(request, slug, number)
    try:
        actions.release(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("Everybody can see and load this version now."))
    return redirect("training:version", slug, number)


@login_required
@require_POST
def retire(request: SignedIn, slug: str, number: int) -> HttpResponse:
    """Take a version out of sight."""
    found = _version(request, slug, number)
    try:
        actions.retire(found, by=request.user, now=now())
    except Refused as refused:
        messages.error(request, told(refused))
    else:
        messages.success(request, gettext("The version is retired."))
    return redirect("training:version", slug, number)
