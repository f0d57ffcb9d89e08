"""State aid: what an organisation got and declared, and the factory's register."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from uzina.calls import access, actions, forms, queries
from uzina.calls.models import Aid
from uzina.calls.rules.aid import BASIS_LABELS
from uzina.calls.rules.tables import csv_of
from uzina.core.errors import Refused
from uzina.people import access as people_access
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

ON_A_PAGE = 50


@login_required
@require_http_methods(["GET", "POST"])
def organisation_aid(request: SignedIn, code: str) -> HttpResponse:
    """Show what an organisation got and what is left; let who represents it declare more."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), code=code)
    may_declare = access.may_declare_aid(request.user, found)
    form = forms.AidForm(request.POST or None)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            facts = actions.AidFacts(
                title=form.cleaned_data["title"],
                member_state=form.cleaned_data["member_state"],
                basis=form.cleaned_data["basis"],
                granted_on=form.cleaned_data["granted_on"],
                value_eur_cents=form.cents("value_eur"),
                aid_eur_cents=form.cents("aid_eur"),
            )
            try:
                actions.declare_aid(found, facts, by=request.user, now=now())
            except Refused as refused:
                form.add_refusal(refused)
            else:
                messages.success(request, gettext("Noted."))
                return redirect("calls:organisation_aid", code=code)
    rows = Aid.objects.visible_to(request.user).filter(organisation=found)
    return render(
        request,
        "calls/organisation_aid.html",
        {
            "organisation": found,
            "standing": queries.standing(found, asked_eur_cents=0, now=now()),
            "rows": list(rows.order_by("-granted_on", "-pk")),
            "labels": BASIS_LABELS,
            "form": form,
            "may_declare": may_declare,
        },
        status=status,
    )


def _may_read_register(request: SignedIn) -> None:
    if not (people_access.is_operator(request.user) or people_access.is_auditor(request.user)):
        raise Http404


@login_required
@require_GET
def aid_register(request: SignedIn) -> HttpResponse:
    """List all State aid, the latest first."""
    _may_read_register(request)
    page = Paginator(queries.register(), ON_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "calls/aid_register.html", {"page": page, "labels": BASIS_LABELS})


@login_required
@require_GET
def aid_register_csv(request: SignedIn) -> HttpResponse:
    """Give the register as a table."""
    _may_read_register(request)
    entries = queries.register_entries()
    body = csv_of(queries.REGISTER_COLUMNS, [list(one.values()) for one in entries])
    response = HttpResponse(body, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="state-aid.csv"'
    return response


@login_required
@require_http_methods(["GET", "POST"])
def aid_void(request: SignedIn, code: str) -> HttpResponse:
    """Take a row out of the sums, with the reason."""
    if not access.may_run_calls(request.user):
        raise Http404
    found = get_object_or_404(Aid.objects.select_related("organisation"), code=code)
    form = forms.ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.void_aid(found, reason=form.cleaned_data["reason"], by=request.user, now=now())
        except Refused as refused:
            form.add_refusal(refused)
        else:
            messages.success(request, gettext("The row no longer counts."))
            return redirect("calls:aid_register")
    status = 422 if request.method == "POST" else 200
    return render(request, "calls/aid_void.html", {"aid": found, "form": form}, status=status)
