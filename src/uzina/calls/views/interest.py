"""Pages of expressions of interest: what came in, the decision, and who is admitted."""

import csv
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Application, Call, conflicted
from uzina.calls.rules.flows import APPLICATION
from uzina.calls.views.shared import sections_shown
from uzina.core.errors import Refused
from uzina.ledger.rules import csv_cell
from uzina.people.types import SignedIn

COLUMNS = ("application", "organisation", "kind", "country", "title", "contact", "email", "joined")


def _call(request: SignedIn, slug: str) -> Call:
    found: Call = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    if found.mode.kind != "interest" or not access.may_see_interests(request.user, found):
        raise Http404
    return found


@login_required
@require_GET
def interests(request: SignedIn, slug: str) -> HttpResponse:
    """List the expressions of interest, oldest first."""
    call = _call(request, slug)
    page = Paginator(queries.interests(call, request.user), 50).get_page(request.GET.get("page"))
    return render(request, "calls/interests.html", {"call": call, "page": page})


@login_required
@require_http_methods(["GET", "POST"])
def interest(request: SignedIn, slug: str, code: str) -> HttpResponse:
    """Show one expression of interest, and let it be decided."""
    call = _call(request, slug)
    found = get_object_or_404(
        queries.interests(call, request.user).prefetch_related("sections"), code=code
    )
    form = forms.InterestForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        is_admitted = form.cleaned_data["is_admitted"] == "yes"
        decide = actions.admit_interest if is_admitted else actions.decline_interest
        try:
            decide(found, reason=form.cleaned_data["reason"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(
                request,
                gettext("{code} is decided. The applicant is told.").format(code=found.code),
            )
            return redirect("calls:interests", slug=slug)
    return render(
        request,
        "calls/interest.html",
        {
            "call": call,
            "application": found,
            "form": form,
            "answers": sections_shown(found),
            "decision": getattr(found, "decision", None),
            "may_decide": "join" in APPLICATION.verbs(found.state)
            and access.may_decide_interest(request.user, call)
            and not Application.objects.filter(conflicted(request.user), pk=found.pk).exists(),
        },
        status=422 if form.errors else 200,
    )


@login_required
@require_GET
def members(request: SignedIn, slug: str) -> HttpResponse:
    """List the organisations that were admitted, for the lead of the consortium."""
    call = _call(request, slug)
    page = Paginator(queries.members(call, request.user), 50).get_page(request.GET.get("page"))
    return render(request, "calls/members.html", {"call": call, "page": page})


@login_required
@require_GET
def members_csv(request: SignedIn, slug: str) -> HttpResponse:
    """Send the same list as a table that no spreadsheet takes for formulas."""
    call = _call(request, slug)
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{call.slug}-members.csv"'
    response["Cache-Control"] = "private, no-store"
    table = csv.writer(response)
    table.writerow(COLUMNS)
    for one in queries.members(call, request.user):
        table.writerow([csv_cell(cell) for cell in _row(one)])
    return response


def _row(application: Application) -> list[Any]:
    return [
        application.code,
        application.organisation.name,
        application.organisation.kind,
        application.organisation.country,
        application.title,
        application.applicant.name,
        application.applicant.email,
        application.ended_at.isoformat() if application.ended_at else "",
    ]
