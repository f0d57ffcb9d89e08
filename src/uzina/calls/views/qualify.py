"""Whether an applicant qualifies, before any sign-in."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_GET

from uzina.calls import forms, queries
from uzina.calls.rules import modes
from uzina.calls.views.shared import reasons_shown, words


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
                    "title": words(mode.title),
                    "summary": words(mode.summary),
                    "qualifies": verdict.qualifies,
                    "reasons": reasons_shown(verdict),
                    "package_gpu_ms": mode.package_gpu_hours * 3_600_000,
                    "calls": [one for one in open_calls if one.mode.slug == mode.slug],
                }
            )
    status = 422 if request.GET and form.errors else 200
    return render(request, "calls/qualify.html", {"form": form, "answers": answers}, status=status)
