"""Whether an applicant qualifies, before any sign-in."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from uzina.calls import forms, queries
from uzina.calls.views.calls import amount_shown, days_shown
from uzina.calls.views.shared import reasons_shown, words
from uzina.sizing import rules as sizing


@require_GET
def qualify(request: HttpRequest) -> HttpResponse:
    """Say before any sign-in whether an organisation qualifies, for what, and why.

    The answers are in the address, so it can be shared and come back to.
    """
    form = forms.QualifyForm(request.GET or None)
    answers: list[dict[str, Any]] = []
    if request.GET and form.is_valid():
        answers = [guide_shown(one) for one in queries.guides(form.facts(), now())]
    status = 422 if request.GET and form.errors else 200
    return render(
        request,
        "calls/qualify.html",
        {
            "form": form,
            "answers": answers,
            "has_best": any(one["is_best"] for one in answers),
            "need": need_shown(form.need) if form.need else "",
            "query": request.GET.urlencode(),
        },
        status=status,
    )


def need_shown(need: queries.Need) -> str:
    """Return an estimate in words, with its range."""
    return gettext(
        "The run itself takes about {middle} GPU-hours on {device} (from {low} to {high}). With "
        "restarts and development {ask} GPU-hours are counted below."
    ).format(
        middle=number_format(sizing.figures(need.net.middle), force_grouping=True),
        low=number_format(sizing.figures(need.net.low), force_grouping=True),
        high=number_format(sizing.figures(need.net.high), force_grouping=True),
        ask=number_format(need.gpu_hours, force_grouping=True),
        device=need.device,
    )


def guide_shown(guide: queries.Guide) -> dict[str, Any]:
    """Return what one mode says, in the language of the reader."""
    answer = guide.answer
    return {
        "mode": answer.mode,
        "title": words(answer.mode.title),
        "summary": words(answer.mode.summary),
        "amount": amount_shown(answer.mode),
        "days": days_shown(answer.mode.target_working_days),
        "qualifies": answer.verdict.qualifies,
        "is_best": guide.is_best,
        "because": [words(one) for one in answer.because] if answer.verdict.qualifies else [],
        "sources": answer.sources,
        "reasons": reasons_shown(answer.verdict),
        "calls": guide.calls,
        "next_at": guide.next_at,
        "prepare": [
            *(gettext(one) for one in guide.sections),
            *(words(one) for one in guide.documents),
        ],
    }
