"""The form of an application, section by section."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application
from uzina.calls.rules import sections
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.sections import Section
from uzina.calls.views.applications import _steps, own_application
from uzina.calls.views.shared import answer_shown, reasons_shown, sections_shown
from uzina.core.errors import Invalid, Refused
from uzina.core.http import told
from uzina.people.types import SignedIn
from uzina.sizing import queries as sizing_queries
from uzina.sizing import rules as sizing

DEVICE = "h100"
"""What the estimate in the form is made for; the estimator itself has all devices."""


@login_required
@require_http_methods(["GET", "POST"])
def section(request: SignedIn, code: str, slug: str) -> HttpResponse:
    """One step of an application: save and continue. What was typed is never lost."""
    found = own_application(request, code)
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
            kept = queries.answers_of(own_application(request, application.code)).get(
                asked.slug, {}
            )
            elsewhere = [
                (gettext(field.label), answer_shown(field, kept.get(field.name)))
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
    found = own_application(request, code)
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
            "answers": sections_shown(found, is_editable=True),
            "steps": [step for step in _steps(found) if not step["is_complete"]],
            "refusal": told(refusal) if refusal else "",
            "reasons": reasons_shown(verdict),
            "qualifies": verdict.qualifies,
        },
        status=200 if refusal is None else 409,
    )
