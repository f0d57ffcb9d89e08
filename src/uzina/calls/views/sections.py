"""The form of an application, section by section. What was typed is never lost."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from uzina.calls import actions, forms, queries
from uzina.calls.models import Application
from uzina.calls.rules import clock, sections
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.sections import Section
from uzina.calls.views.applications import editable_application
from uzina.calls.views.shared import answer_shown, terms_shown
from uzina.core.errors import Invalid, Refused
from uzina.core.http import told
from uzina.people.types import SignedIn
from uzina.sizing import queries as sizing_queries
from uzina.sizing import rules as sizing

DEVICE = "h100"
"""What the estimate in the form is made for; the estimator itself has all devices."""

MOST_KEPT = 200_000
"""Characters of a section that are kept over a sign-in. A full section has about 60,000."""

KEPT = "typed"
"""Under this name a session keeps what was typed when an earlier one had ended."""


@require_http_methods(["GET", "POST"])
def section(request: HttpRequest, code: str, slug: str) -> HttpResponse:
    """One step of an application: save and continue. Also saves by itself, for a script."""
    if not request.user.is_authenticated:
        return _keep_for_sign_in(request)
    signed_in: SignedIn = request  # type: ignore[assignment]
    found = editable_application(signed_in, code)
    if slug not in found.call.mode.sections:
        raise Http404
    if found.state is not ApplicationState.DRAFT:
        return redirect("calls:application", code=code)
    asked = queries.asked_section(found, slug)
    if request.method == "POST":
        if request.headers.get("X-Autosave"):
            return _autosave(signed_in, found, asked)
        return _save_section(signed_in, found, asked)
    saved = next((one for one in found.sections.all() if one.slug == slug), None)
    version = saved.version if saved else 0
    if (kept := _kept(request)) is not None:
        form = forms.SectionForm(asked, data=kept)
        return _section_page(
            signed_in, found, asked, form, version=_version(kept), is_brought_back=True
        )
    form = forms.SectionForm(asked, answers=saved.answers if saved else {})
    return _section_page(signed_in, found, asked, form, version=version)


def _keep_for_sign_in(request: HttpRequest) -> HttpResponse:
    """Send to the sign-in; what was typed waits in the session that the sign-in goes on with."""
    if request.headers.get("X-Autosave"):
        return JsonResponse({"state": "signed_out"}, status=401)
    if request.method == "POST":
        typed = request.POST.copy()
        typed.pop("csrfmiddlewaretoken", None)
        text = typed.urlencode()
        if len(text) <= MOST_KEPT:
            request.session[KEPT] = {"path": request.path, "text": text}
    return redirect_to_login(request.path)


def _kept(request: HttpRequest) -> QueryDict | None:
    """Return once what was typed on this page before the sign-in."""
    kept = request.session.get(KEPT)
    if not kept or kept["path"] != request.path:
        return None
    del request.session[KEPT]
    return QueryDict(kept["text"])


def _version(sent: QueryDict) -> int:
    version = str(sent.get("version", ""))
    return int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0


def _autosave(request: SignedIn, application: Application, asked: Section) -> HttpResponse:
    """Save what is on the page, and answer a script with the version to send next time."""
    form = forms.SectionForm(asked, data=request.POST)
    try:
        saved = actions.save_section(
            application,
            section=asked.slug,
            answers=form.raw(),
            version=_version(request.POST),
            by=request.user,
            now=now(),
        )
    except Refused as refused:
        is_conflict = refused.code == "application.save.changed_meanwhile"
        return JsonResponse(
            {"state": "conflict" if is_conflict else "refused", "text": told(refused)},
            status=409 if is_conflict else 422,
        )
    text = gettext("Saved at {at}.").format(at=clock.told(saved.saved_at))
    return JsonResponse({"state": "saved", "version": saved.version, "text": text})


def _save_section(request: SignedIn, application: Application, asked: Section) -> HttpResponse:
    form = forms.SectionForm(asked, data=request.POST, added=request.POST.get("add", ""))
    seen = _version(request.POST)
    if "estimate" in request.POST:
        return _estimated(request, application, asked, form, seen)
    if "take" in request.POST:
        return _took(request, application, asked, seen)
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
        more: dict[str, Any] = {}
        if refused.code == "application.save.changed_meanwhile":
            seen = int(refused.facts["version"])
            more["differences"] = _differences(application, asked, form.raw())
        return _section_page(request, application, asked, form, version=seen, status=422, **more)
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


def _answers_now(request: SignedIn, application: Application, slug: str) -> dict[str, Any]:
    fresh = editable_application(request, application.code)
    return queries.answers_of(fresh).get(slug, {})


def _differences(
    application: Application, asked: Section, raw: dict[str, Any]
) -> list[dict[str, str]]:
    """Return the questions that were answered differently here and elsewhere, side by side."""
    saved = application.sections.filter(slug=asked.slug).values_list("answers", flat=True).first()
    shown = []
    for field in asked.fields:
        there = answer_shown(field, (saved or {}).get(field.name))
        here = _typed_shown(asked, field, raw.get(field.name))
        if here != there:
            shown.append(
                {"name": field.name, "label": gettext(field.label), "here": here, "there": there}
            )
    return shown


def _typed_shown(asked: Section, field: sections.Field, value: Any) -> str:
    """Return what was typed as the page would show it once saved; else as it was typed."""
    try:
        parsed = sections.parse(asked, {field.name: value}, countries=queries.country_names("en"))
    except Invalid:
        return str(value)
    return answer_shown(field, parsed.get(field.name))


def _took(
    request: SignedIn, application: Application, asked: Section, version: int
) -> HttpResponse:
    """Put the answer that was saved elsewhere in the place of what was typed. Nothing is saved."""
    name = request.POST.get("take", "")
    kept = _answers_now(request, application, asked.slug)
    sent = request.POST.copy()
    for key in list(sent):
        if key == name or key.startswith((f"{name}.", f"{name}_", f"{name}-")):
            del sent[key]
    only = forms.SectionForm(asked, answers={name: kept[name]} if name in kept else {})
    for key, value in only.sent_as(name).items():
        sent.setlist(key, value)
    form = forms.SectionForm(asked, data=sent)
    return _section_page(
        request,
        application,
        asked,
        form,
        version=version,
        differences=_differences(application, asked, form.raw()),
    )


def _following(application: Application, slug: str) -> str:
    """Return the address of the next step, or of the check of all answers after the last."""
    mode = application.call.mode
    place = mode.sections.index(slug) + 1
    if place < len(mode.sections):
        return reverse("calls:section", args=[application.code, mode.sections[place]])
    if mode.documents:
        return reverse("calls:documents", args=[application.code])
    return reverse("calls:check", args=[application.code])


def _estimated(
    request: SignedIn,
    application: Application,
    asked: Section,
    form: forms.SectionForm,
    version: int,
) -> HttpResponse:
    """Fill in the hours from the size of the model and of the data. Nothing is saved yet."""
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
    ask = queries.in_unit(application.call, sizing.gpu_hours_to_ask(net.middle), raw)
    sent = request.POST.copy()
    sent[sections.AMOUNT] = str(ask)
    filled = forms.SectionForm(asked, data=sent)
    text = gettext(
        "The run itself takes about {middle} GPU-hours on {device} (from {low} to {high}). With "
        "restarts and development {ask} {unit} are filled in below; change them if you know "
        "better."
    ).format(
        middle=number_format(sizing.figures(net.middle)),
        low=number_format(sizing.figures(net.low)),
        high=number_format(sizing.figures(net.high)),
        ask=number_format(ask, force_grouping=True),
        unit=gettext("node-hours")
        if application.call.mode.unit == "node_hour"
        else gettext("GPU-hours"),
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
            "may_estimate": any(field.name == sections.AMOUNT for field in asked.fields),
            "limits": asked.limits,
            "terms": terms_shown(application.call, request.user)
            if any(field.kind == "terms" for field in asked.fields)
            else None,
            **more,
        },
        status=status,
    )
