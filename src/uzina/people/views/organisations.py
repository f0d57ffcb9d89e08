"""Pages of organisations."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.timezone import now
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from uzina.core.errors import Refused
from uzina.core.templatetags.ui import day
from uzina.people import access, actions, forms, queries, rules
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

ENTERPRISES = {
    rules.OrganisationKind.STARTUP,
    rules.OrganisationKind.SME,
    rules.OrganisationKind.LARGE_ENTERPRISE,
    rules.OrganisationKind.OTHER,
}


@login_required
@require_http_methods(["GET", "POST"])
def organisation_new(request: SignedIn) -> HttpResponse:
    """Take down an organisation's facts, related enterprises row by row."""
    page = forms.OrganisationForms(request.POST or None)
    if request.method == "POST" and not page.is_changing_rows and page.is_valid():
        try:
            made = actions.register_organisation(page.facts_typed(), by=request.user, now=now())
        except Refused as refused:
            page.add_refusal(refused)
        else:
            return redirect("people:organisation", code=made.code)
    return _organisation_page(request, page, None)


@login_required
@require_http_methods(["GET", "POST"])
def organisation_change(request: SignedIn, code: str) -> HttpResponse:
    """Write an organisation's facts anew."""
    visible = Organisation.objects.visible_to(request.user)
    found = get_object_or_404(visible, code=code)
    if not access.may_change_organisation(request.user, found):
        raise Http404
    page = forms.OrganisationForms(request.POST or None, organisation=found)
    if request.method == "POST" and not page.is_changing_rows and page.is_valid():
        try:
            actions.change_organisation(found, page.facts_typed(), by=request.user, now=now())
        except Refused as refused:
            page.add_refusal(refused)
        else:
            messages.success(request, gettext("Saved."))
            return redirect("people:organisation", code=found.code)
    return _organisation_page(request, page, found)


@login_required
def organisation(request: SignedIn, code: str) -> HttpResponse:
    """Show an organisation with its size class and why."""
    visible = Organisation.objects.visible_to(request.user)
    found = get_object_or_404(visible.prefetch_related("related_enterprises", "years"), code=code)
    sized, years = queries.sized(found), list(found.years.all())
    context = {
        "organisation": found,
        "kind": gettext(found.kind_label),
        "sized": sized,
        "verdict": _verdict(found, sized),
        "reasons": queries.size_reasons(sized),
        "years": years,
        "needs_years": not years,
        "vat": _vat(found),
        "facts": _facts(found),
        "related": [
            {"relation_label": rules.Relation(row.relation).label, **asdict(row)}
            for row in queries.related_of(found)
        ],
        "may_change": access.may_change_organisation(request.user, found),
    }
    return render(request, "people/organisation.html", context)


def _verdict(found: Organisation, sized: rules.Sized) -> str:
    if found.kind not in ENTERPRISES:
        return gettext("The size class is for enterprises. For this organisation its kind decides.")
    if sized.is_sme:
        return gettext("It counts as a small or medium-sized enterprise, because:")
    return gettext("It does not count as a small or medium-sized enterprise, because:")


def _vat(found: Organisation) -> dict[str, str]:
    """Return what the register says of the VAT number, in words."""
    state = found.vat_state
    if state is rules.VatState.VALID:
        words = gettext("The register of the Union (VIES) confirmed it on {day}.").format(
            day=day(found.vat_checked_at)
        )
        if found.vat_name:
            words += " " + gettext("Registered as {name}.").format(name=found.vat_name)
        if found.vat_consultation:
            words += " " + gettext("Consultation number {number}.").format(
                number=found.vat_consultation
            )
    elif state is rules.VatState.NOT_VALID:
        words = gettext(
            "The register of the Union (VIES) does not have it. Compare it with your registration"
            " and change it here; you may go on applying meanwhile."
        )
    elif not (settings.UZINA.vat.is_asked and rules.is_in_register(found.country)):
        words = gettext("Its form was checked; the register of the Union (VIES) is not asked.")
    else:
        words = gettext(
            "The register of the Union (VIES) has not answered yet. It is asked again by itself,"
            " and nothing waits for it."
        )
    return {"label": gettext(state.label), "tone": state.tone, "words": words}


def _facts(found: Organisation) -> list[tuple[str, Any]]:
    return [
        (gettext("Country"), forms.COUNTRIES.get(found.country, found.country)),
        (gettext("City"), found.city),
        (gettext("VAT number"), found.vat_number),
        (gettext("PIC"), found.pic),
        (gettext("Website"), found.website),
        (gettext("Founded on"), day(found.founded_on)),
        (gettext("People employed"), _number(found.headcount)),
        (gettext("Turnover, EUR"), _number(found.turnover_eur)),
        (gettext("Balance sheet, EUR"), _number(found.balance_eur)),
        (gettext("Held by public bodies, per cent"), _number(found.public_share_percent)),
    ]


def _number(value: int) -> str:
    return number_format(value, 0, force_grouping=True)


def _organisation_page(
    request: SignedIn, page: forms.OrganisationForms, found: Organisation | None
) -> HttpResponse:
    context: dict[str, Any] = {"form": page, "organisation": found}
    status = 422 if page.errors else 200
    return render(request, "people/organisation_form.html", context, status=status)
