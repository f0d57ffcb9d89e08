"""Pages of calls, applications, assessments and awards."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Award, Call
from uzina.calls.rules import clock, modes, sections, timeline
from uzina.calls.rules.flows import ApplicationState, AwardState, CallState
from uzina.calls.rules.sections import Field, Section
from uzina.core.errors import Invalid, Refused
from uzina.core.http import told
from uzina.people import access as people_access
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.types import SignedIn
from uzina.sizing import queries as sizing_queries
from uzina.sizing import rules as sizing

DEVICE = "h100"
"""What the estimate in the form is made for; the estimator itself has all devices."""


def _person(request: HttpRequest) -> Person | None:
    return request.user if isinstance(request.user, Person) else None


def _words(text: modes.Text) -> str:
    return modes.in_language(text, forms.language())


def _reasons(verdict: modes.Verdict) -> list[dict[str, Any]]:
    return [
        {
            "passed": reason.passed,
            "text": _words(reason.text),
            "todo": _words(reason.todo),
            "source": reason.source,
        }
        for reason in verdict.reasons
    ]


# --- calls ------------------------------------------------------------------------------------


def _visible_calls(request: HttpRequest) -> Any:
    visible = Call.objects.visible_to(_person(request))
    return queries.calls().filter(pk__in=visible.values("pk"))


def _is_open(call: Call) -> bool:
    return call.state is CallState.PUBLISHED and any(
        clock.is_open(window, now()) for window in call.windows
    )


@require_GET
def calls(request: HttpRequest) -> HttpResponse:
    """List the calls, the open ones first."""
    page = Paginator(_visible_calls(request), 50).get_page(request.GET.get("page"))
    rows = [{"call": one, "is_open": _is_open(one)} for one in page]
    person = _person(request)
    return render(
        request,
        "calls/calls.html",
        {
            "open_calls": [row for row in rows if row["is_open"]],
            "other_calls": [row for row in rows if not row["is_open"]],
            "page": page,
            "may_make": person is not None and access.may_run_calls(person),
        },
    )


@require_GET
def call(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one call: who, how much, how long, and what happens after submitting."""
    found = get_object_or_404(_visible_calls(request), slug=slug)
    person, mode = _person(request), found.mode
    is_office = person is not None and (
        people_access.is_operator(person) or people_access.is_auditor(person)
    )
    durations = ", ".join(str(months) for months in mode.durations_months)
    hours = number_format(mode.package_gpu_hours, force_grouping=True)
    days = ngettext("{days} working day", "{days} working days", mode.target_working_days)
    facts = [
        (gettext("What you get"), gettext("{hours} GPU-hours").format(hours=hours)),
        (gettext("For how long"), gettext("{durations} months").format(durations=durations)),
        (gettext("Answer within"), days.format(days=mode.target_working_days)),
        (gettext("Who decides"), gettext("Rules on eligibility, then an engineer of the host")),
        (gettext("Order"), gettext("First come, first served")),
        (
            gettext("Extension"),
            gettext("Possible") if mode.is_extendable else gettext("Not possible"),
        ),
        (gettext("When the hours are spent"), gettext(mode.at_exhaustion.label)),
        (
            gettext("Final report"),
            ngettext(
                "{n} month after the end", "{n} months after the end", mode.report_months
            ).format(n=mode.report_months),
        ),
    ]
    if found.partition:
        facts.append((gettext("Partition"), found.partition))
    return render(
        request,
        "calls/call.html",
        {
            "call": found,
            "is_open": _is_open(found),
            "facts": facts,
            "rules": [{"text": _words(rule.needs), "source": rule.source} for rule in mode.rules],
            "mode": mode,
            "is_office": is_office,
            "may_run": person is not None and access.may_run_calls(person),
            "free_gpu_ms": queries.left_gpu_ms(found),
            "may_publish": found.state is CallState.DRAFT,
            "may_archive": found.state is not CallState.ARCHIVED,
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def call_new(request: SignedIn) -> HttpResponse:
    """Make a call from a mode."""
    if not access.may_run_calls(request.user):
        raise Http404
    form = forms.CallForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.create_call(
                actions.CallFacts(**form.facts()), by=request.user, now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request, gettext("The call is drafted. Look it over, then publish it.")
            )
            return redirect("calls:call", slug=made.slug)
    status = 422 if form.errors else 200
    return render(request, "calls/call_new.html", {"form": form}, status=status)


@login_required
@require_POST
def call_publish(request: SignedIn, slug: str) -> HttpResponse:
    """Publish a call."""
    found = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    actions.publish(found, by=request.user, now=now())
    messages.success(request, gettext("The call is published."))
    return redirect("calls:call", slug=slug)


@login_required
@require_POST
def call_archive(request: SignedIn, slug: str) -> HttpResponse:
    """Archive a call."""
    found = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    actions.archive(found, by=request.user, now=now())
    messages.success(request, gettext("The call is archived. Open applications are still decided."))
    return redirect("calls:call", slug=slug)


@require_GET
def qualify(request: HttpRequest) -> HttpResponse:
    """Say before any sign-in whether an organisation qualifies, for what, and why."""
    form = forms.QualifyForm(request.GET or None)
    answers: list[dict[str, Any]] = []
    if request.GET and form.is_valid():
        given = dict(form.cleaned_data)
        is_civilian = given.pop("civilian_purpose") == "yes"
        facts = modes.organisation_facts(related=(), **given)
        facts["civilian_purpose"] = is_civilian
        open_calls = queries.open_calls(now())
        for mode in queries.shipped_modes().values():
            verdict = modes.qualify(facts, mode)
            answers.append(
                {
                    "mode": mode,
                    "title": _words(mode.title),
                    "summary": _words(mode.summary),
                    "qualifies": verdict.qualifies,
                    "reasons": _reasons(verdict),
                    "package_gpu_ms": mode.package_gpu_hours * 3_600_000,
                    "calls": [one for one in open_calls if one.mode.slug == mode.slug],
                }
            )
    status = 422 if request.GET and form.errors else 200
    return render(request, "calls/qualify.html", {"form": form, "answers": answers}, status=status)


# --- applying ---------------------------------------------------------------------------------


@login_required
@require_http_methods(["GET", "POST"])
def apply(request: SignedIn, slug: str) -> HttpResponse:
    """Start an application: for which organisation."""
    found = get_object_or_404(_visible_calls(request), slug=slug)
    organisations = list(queries.may_apply_for(request.user))
    form = forms.StartForm(request.POST or None, organisations=organisations)
    if request.method == "POST" and form.is_valid():
        chosen = next(one for one in organisations if one.code == form.cleaned_data["organisation"])
        try:
            started = actions.start(found, organisation=chosen, by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            return redirect("calls:application", code=started.code)
    verdicts = [
        {"organisation": one, "reasons": _reasons(verdict), "qualifies": verdict.qualifies}
        for one in organisations
        for verdict in [modes.qualify(queries.organisation_facts(one), found.mode)]
    ]
    return render(
        request,
        "calls/apply.html",
        {
            "call": found,
            "form": form,
            "organisations": organisations,
            "verdicts": verdicts,
            "is_open": _is_open(found),
            "drafts": queries.applications().filter(
                applicant=request.user, call=found, state=ApplicationState.DRAFT
            ),
        },
        status=422 if form.errors else 200,
    )


def _applications(request: SignedIn) -> Any:
    visible = Application.objects.visible_to(request.user)
    return queries.applications().filter(pk__in=visible.values("pk"))


def _application(request: SignedIn, code: str) -> Application:
    found: Application = get_object_or_404(_applications(request), code=code)
    return found


def _own(request: SignedIn, code: str) -> Application:
    found: Application = get_object_or_404(
        _applications(request).filter(applicant=request.user), code=code
    )
    return found


@login_required
@require_GET
def applications(request: SignedIn) -> HttpResponse:
    """List the applications one may see, with what happens next to each."""
    page = Paginator(_applications(request), 50).get_page(request.GET.get("page"))
    rows = [{"application": one, "next": _next(one)} for one in page]
    return render(request, "calls/applications.html", {"rows": rows, "page": page})


def _next(application: Application) -> dict[str, Any]:
    coming = timeline.next_step(queries.story(application))
    return {"text": gettext(coming.text), "at": coming.at, "is_yours": coming.is_yours}


def _timeline(application: Application) -> list[dict[str, Any]]:
    return [
        {
            "title": gettext(one.title),
            "at": one.at,
            "is_done": one.is_done,
            "text": gettext(one.text) if one.text else "",
        }
        for one in timeline.entries(queries.story(application))
    ]


def _steps(application: Application) -> list[dict[str, Any]]:
    answers = queries.answers_of(application)
    steps = []
    for slug in application.call.mode.sections:
        section, given = sections.ALL[slug], answers.get(slug, {})
        is_complete = not sections.missing(section, given)
        label = gettext("Complete") if is_complete else gettext("Not complete")
        steps.append(
            {
                "slug": slug,
                "title": gettext(section.title),
                "href": reverse("calls:section", args=[application.code, slug]),
                "label": label if given else gettext("Not started"),
                "tone": "good" if is_complete else "busy" if given else "quiet",
                "is_complete": is_complete,
            }
        )
    return steps


@login_required
@require_GET
def application(request: SignedIn, code: str) -> HttpResponse:
    """Show an application: a task list while it is a draft, then its timeline and answers."""
    found = _application(request, code)
    own = queries.organisation_ids(request.user)
    verbs = queries.verbs(found, request.user, own)
    verdict = _kept(found)
    context = {
        "application": found,
        "next": _next(found),
        "entries": _timeline(found),
        "verbs": verbs,
        "is_mine": found.applicant_id == request.user.pk,
        "reasons": _reasons(verdict) if verdict else [],
        "award": getattr(found, "award", None),
        "review": getattr(found, "review", None),
    }
    if "save" in verbs:
        steps = _steps(found)
        done = sum(step["is_complete"] for step in steps)
        context |= {"steps": steps, "done": done, "is_complete": done == len(steps)}
        return render(request, "calls/application_draft.html", context)
    context["answers"] = _shown(found)
    return render(request, "calls/application.html", context)


def _kept(application: Application) -> modes.Verdict | None:
    if not application.verdict:
        return None
    kept = application.verdict
    reasons = tuple(modes.Reason(**reason) for reason in kept["reasons"])
    return modes.Verdict(kept["mode"], kept["version"], reasons)


def _shown(application: Application, *, is_editable: bool = False) -> list[dict[str, Any]]:
    """Return the answers in words, section by section."""
    answers = queries.answers_of(application)
    shown = []
    for slug in application.call.mode.sections:
        section, given = sections.ALL[slug], answers.get(slug, {})
        href = reverse("calls:section", args=[application.code, slug]) if is_editable else ""
        rows = [
            {
                "key": gettext(field.label),
                "value": _answer(field, given.get(field.name)),
                "href": href,
            }
            for field in section.fields
            if not (
                field.needed_where and given.get(field.needed_where[0]) != field.needed_where[1]
            )
        ]
        shown.append({"title": gettext(section.title), "rows": rows})
    return shown


def _answer(field: Field, value: Any) -> str:
    if value is None or value in ("", []):
        return ""
    match field.kind:
        case "yes_no" | "tick":
            return gettext("Yes") if value else gettext("No")
        case "choice":
            return gettext(dict(field.choices)[value])
        case "country":
            names = queries.country_names(forms.language())
            return names.get(value, gettext("A country that is not in this list"))
        case "whole":
            return number_format(value, force_grouping=True)
        case "rows":
            rows = [
                ", ".join(_answer(column, row.get(column.name)) for column in field.columns)
                for row in value
            ]
            return "; ".join(rows)
        case _:
            return str(value)


@login_required
@require_http_methods(["GET", "POST"])
def section(request: SignedIn, code: str, slug: str) -> HttpResponse:
    """One step of an application: save and continue. What was typed is never lost."""
    found = _own(request, code)
    if slug not in found.call.mode.sections:
        raise Http404
    if found.state is not ApplicationState.DRAFT:
        return redirect("calls:application", code=code)
    asked = sections.ALL[slug]
    saved = next((one for one in found.sections.all() if one.slug == slug), None)
    if request.method == "GET":
        form = forms.SectionForm(
            asked,
            answers=saved.answers if saved else {},
            durations=found.call.mode.durations_months,
        )
        return _section_page(request, found, asked, form, version=saved.version if saved else 0)
    return _save_section(request, found, asked)


def _save_section(request: SignedIn, application: Application, asked: Section) -> HttpResponse:
    form = forms.SectionForm(
        asked,
        data=request.POST,
        durations=application.call.mode.durations_months,
        added=request.POST.get("add", ""),
    )
    version = request.POST.get("version", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    if "estimate" in request.POST:
        return _estimated(request, application, asked, form, seen)
    try:
        saved = actions.save_section(
            application,
            section=asked.slug,
            answers=form.raw(),
            version=seen,
            by=request.user,
            now=now(),
        )
    except Refused as refused:
        form.add_refusal(refused)
        elsewhere: list[tuple[str, str]] = []
        if refused.code == "application.save.changed_meanwhile":
            seen = int(refused.facts["version"])
            kept = queries.answers_of(_own(request, application.code)).get(asked.slug, {})
            elsewhere = [
                (gettext(field.label), _answer(field, kept.get(field.name)))
                for field in asked.fields
            ]
        return _section_page(
            request, application, asked, form, version=seen, elsewhere=elsewhere, status=422
        )
    if "add" in request.POST:
        return _section_page(request, application, asked, form, version=saved.version)
    if "later" in request.POST:
        messages.success(request, gettext("Saved. Come back whenever you like."))
        return redirect("calls:application", code=application.code)
    if problems := sections.missing(asked, saved.answers):
        form.add_refusal(Invalid(problems))
        return _section_page(
            request, application, asked, form, version=saved.version, is_saved=True, status=422
        )
    return redirect(_following(application, asked.slug))


def _following(application: Application, slug: str) -> str:
    """Return the address of the next step, or of the check of all answers after the last."""
    slugs = application.call.mode.sections
    place = slugs.index(slug) + 1
    if place < len(slugs):
        return reverse("calls:section", args=[application.code, slugs[place]])
    return reverse("calls:check", args=[application.code])


def _estimated(
    request: SignedIn,
    application: Application,
    asked: Section,
    form: forms.SectionForm,
    version: int,
) -> HttpResponse:
    """Fill the GPU-hours from the size of the model and of the data. Nothing is saved yet."""
    raw = form.raw()
    device = sizing_queries.device(DEVICE)
    try:
        given = sections.parse(
            asked,
            {name: raw[name] for name in ("parameters", "tokens") if raw.get(name)},
            countries=(),
        )
        net = sizing.training_gpu_hours(given.get("parameters", 0), given.get("tokens", 0), device)
    except Refused as refused:
        form.add_refusal(refused)
        return _section_page(request, application, asked, form, version=version, status=422)
    ask = sizing.gpu_hours_to_ask(net.middle)
    sent = request.POST.copy()
    sent["gpu_hours"] = str(ask)
    filled = forms.SectionForm(asked, data=sent, durations=application.call.mode.durations_months)
    text = gettext(
        "The run itself takes about {middle} GPU-hours on {device} (from {low} to {high}). With "
        "restarts and development {ask} GPU-hours are filled in below; change them if you know "
        "better."
    ).format(
        middle=number_format(sizing.figures(net.middle)),
        low=number_format(sizing.figures(net.low)),
        high=number_format(sizing.figures(net.high)),
        ask=number_format(ask, force_grouping=True),
        device=device.title,
    )
    return _section_page(request, application, asked, filled, version=version, estimate=text)


def _section_page(
    request: SignedIn,
    application: Application,
    asked: Section,
    form: forms.SectionForm,
    *,
    version: int,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    slugs = application.call.mode.sections
    return render(
        request,
        "calls/section.html",
        {
            "application": application,
            "section": asked,
            "form": form,
            "version": version,
            "number": slugs.index(asked.slug) + 1,
            "total": len(slugs),
            "may_estimate": asked.slug == "work",
            **more,
        },
        status=status,
    )


@login_required
@require_http_methods(["GET", "POST"])
def check(request: SignedIn, code: str) -> HttpResponse:
    """Check the answers, see what the rules say of them, and hand in."""
    found = _own(request, code)
    if found.state is not ApplicationState.DRAFT:
        return redirect("calls:application", code=code)
    refusal: Refused | None = None
    if request.method == "POST":
        try:
            handed_in = actions.submit(found, by=request.user, now=now())
        except Refused as refused:
            refusal = refused
        else:
            if handed_in.state is ApplicationState.ELIGIBLE:
                messages.success(
                    request, gettext("Your application is in. You get a mail that says so.")
                )
            return redirect("calls:application", code=code)
    verdict = queries.verdict_now(found)
    return render(
        request,
        "calls/check.html",
        {
            "application": found,
            "answers": _shown(found, is_editable=True),
            "steps": [step for step in _steps(found) if not step["is_complete"]],
            "refusal": told(refusal) if refusal else "",
            "reasons": _reasons(verdict),
            "qualifies": verdict.qualifies,
        },
        status=200 if refusal is None else 409,
    )


@login_required
@require_http_methods(["GET", "POST"])
def withdraw(request: SignedIn, code: str) -> HttpResponse:
    """Ask once more, then take the application back."""
    found = _own(request, code)
    if request.method == "POST":
        actions.withdraw(found, by=request.user, now=now())
        messages.success(request, gettext("The application is withdrawn."))
        return redirect("calls:application", code=code)
    return render(request, "calls/withdraw.html", {"application": found})


# --- assessing --------------------------------------------------------------------------------


@login_required
@require_GET
def assessments(request: SignedIn) -> HttpResponse:
    """The host's queue, oldest first, with the working days left and the late ones marked."""
    person, moment = request.user, now()
    may_assess = access.may_assess(person)
    if may_assess:
        rows = queries.assessable_by(person)
    elif people_access.is_operator(person) or people_access.is_auditor(person):
        rows = queries.to_be_assessed()
    else:
        raise Http404
    page = Paginator(rows, 50).get_page(request.GET.get("page"))
    queue = [
        {
            "application": one,
            "days_left": queries.working_days_left(due, moment),
            "is_late": moment >= due,
        }
        for one in page
        for due in [one.due_at or moment]
    ]
    return render(
        request,
        "calls/assessments.html",
        {"queue": queue, "page": page, "may_assess": may_assess},
    )


@login_required
@require_http_methods(["GET", "POST"])
def assessment(request: SignedIn, code: str) -> HttpResponse:
    """Assess one application: the three questions beside what was asked for."""
    found = get_object_or_404(queries.assessable_by(request.user), code=code)
    package = (found.gpu_ms or 0) // 3_600_000
    form = forms.AssessmentForm(request.POST or None, initial={"recommended_gpu_hours": package})
    if request.method == "POST" and form.is_valid():
        try:
            actions.assess(found, **form.verdict(), by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("{code} is assessed. The applicant is told.").format(code=found.code),
            )
            return redirect("calls:assessments")
    return render(
        request,
        "calls/assessment.html",
        {
            "application": found,
            "form": form,
            "answers": _shown(found),
            "facts": _organisation(found),
            "reasons": _reasons(_kept(found) or queries.verdict_now(found)),
        },
        status=422 if form.errors else 200,
    )


def _organisation(application: Application) -> list[tuple[str, str]]:
    names = queries.country_names(forms.language())
    country = application.facts.get("country", "")
    return [
        (gettext("Organisation"), application.organisation.name),
        (gettext("Kind"), gettext(application.organisation.kind_label)),
        (gettext("Country"), names.get(country, country)),
        (gettext("People"), number_format(application.facts.get("headcount", 0))),
        (gettext("Applicant"), application.applicant.name),
    ]


# --- awards -----------------------------------------------------------------------------------


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.visible_to(request.user).select_related(
            "application__call", "application__organisation", "application__applicant", "project"
        ),
        code=code,
    )
    return found


@login_required
@require_GET
def award(request: SignedIn, code: str) -> HttpResponse:
    """Show an award, and let who applied accept or refuse it."""
    found, moment = _award(request, code), now()
    is_mine = access.may_answer(request.user, found)
    return render(
        request,
        "calls/award.html",
        {
            "award": found,
            "application": found.application,
            "mode": found.application.call.mode,
            "may_answer": is_mine
            and found.state is AwardState.OFFERED
            and moment < found.answer_by,
            "would_end_at": clock.after_months(moment, found.months),
            "is_member": found.project is not None
            and people_queries.projects_of(request.user).filter(pk=found.project.pk).exists(),
        },
    )


@login_required
@require_POST
def award_accept(request: SignedIn, code: str) -> HttpResponse:
    """Accept an award."""
    accepted = actions.accept(_award(request, code), by=request.user, now=now())
    messages.success(request, gettext("You accepted. Your project is open."))
    return redirect("calls:award", code=accepted.code)


@login_required
@require_POST
def award_refuse(request: SignedIn, code: str) -> HttpResponse:
    """Refuse an award."""
    actions.refuse(_award(request, code), by=request.user, now=now())
    messages.success(request, gettext("You refused the award. Its hours go to whoever is next."))
    return redirect("calls:award", code=code)
