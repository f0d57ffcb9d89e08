"""Access modes: each with its rules and sources, its versions, and a place to write the next."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.views.calls import amount_shown, criteria_shown, days_shown, steps_shown
from uzina.calls.views.shared import person_of, words
from uzina.core.errors import Refused
from uzina.people.types import SignedIn


@require_GET
def modes(request: HttpRequest) -> HttpResponse:
    """List the access modes that are valid today."""
    rows = [
        {
            "mode": one,
            "title": words(one.title),
            "summary": words(one.summary),
            "amount": amount_shown(one),
            "days": days_shown(one.target_working_days),
        }
        for one in queries.valid_modes(on=queries.factory_day(now())).values()
    ]
    return render(request, "calls/modes.html", {"rows": rows})


def _versions(slug: str) -> list[queries.Version]:
    found = queries.mode_versions(slug)
    if not found:
        raise Http404
    return found


def _version(versions: list[queries.Version], name: str | None) -> queries.Version:
    found = next((one for one in versions if one.version == name), None)
    if found is None:
        raise Http404
    return found


@require_GET
def mode(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one mode with every rule, figure and source, and its versions."""
    versions = _versions(slug)
    current = queries.current_versions(queries.factory_day(now())).get(slug)
    asked = request.GET.get("version")
    shown = _version(versions, asked) if asked else current or versions[0]
    found, person = shown.mode, person_of(request)
    return render(
        request,
        "calls/mode.html",
        {
            "mode": found,
            "title": words(found.title),
            "summary": words(found.summary),
            "version": shown,
            "current": current,
            "versions": versions,
            "amount": amount_shown(found),
            "rules": [{"text": words(rule.needs), "source": rule.source} for rule in found.rules],
            "steps": steps_shown(found),
            "criteria": criteria_shown(found),
            "figures": _figures(shown),
            "may_write": person is not None and access.may_run_calls(person),
        },
    )


def _figures(version: queries.Version) -> list[dict[str, Any]]:
    """Return each setting that has a source, as it is written, with the source."""
    return [
        {"name": name, "value": _plain(version.data[name]), "source": source}
        for name, source in version.data["sources"].items()
    ]


def _plain(value: Any) -> str:
    match value:
        case list() if value and isinstance(value[0], dict):
            return "; ".join(_plain(one) for one in value)
        case list():
            return ", ".join(map(str, value))
        case dict() if "en" in value:
            return words(value)
        case dict():
            return ", ".join(
                f"{key} {_plain(one)}" for key, one in value.items() if key != "criteria"
            )
        case _:
            return str(value)


@require_GET
def mode_difference(request: HttpRequest, slug: str) -> HttpResponse:
    """Show two versions of a mode beside each other, line by line."""
    versions = _versions(slug)
    before = _version(versions, request.GET.get("before"))
    after = _version(versions, request.GET.get("after"))
    return render(
        request,
        "calls/mode_difference.html",
        {
            "slug": slug,
            "title": words(after.mode.title),
            "before": before,
            "after": after,
            "lines": queries.difference(before.text, after.text),
        },
    )


@login_required
@require_http_methods(["GET", "POST"])
def mode_edit(request: SignedIn, slug: str) -> HttpResponse:
    """Write the next version of a mode. What was typed is never lost."""
    versions = _versions(slug)
    if not access.may_run_calls(request.user):
        raise Http404
    form = forms.ModeForm(request.POST or None, initial={"text": versions[0].text})
    if request.method == "POST" and form.is_valid():
        try:
            made = actions.write_mode(
                slug,
                text=form.cleaned_data["text"].replace("\r\n", "\n"),
                reason=form.cleaned_data["reason"],
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("The version is kept. Calls made from its first day on are made from it."),
            )
            return redirect(f"{request.path.removesuffix('edit/')}?version={made.version}")
    return render(
        request,
        "calls/mode_edit.html",
        {"form": form, "slug": slug, "title": words(versions[0].mode.title)},
        status=422 if form.errors else 200,
    )
