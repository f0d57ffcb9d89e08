"""Pages of people: sign in, register, account, organisation."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.formats import number_format
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext, ngettext, override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from uzina.core.errors import NotAllowed, Refused
from uzina.core.templatetags.ui import day
from uzina.people import access, actions, forms, queries, rules
from uzina.people.models import Organisation, Person
from uzina.people.types import SignedIn

ENTERPRISES = {
    rules.OrganisationKind.STARTUP,
    rules.OrganisationKind.SME,
    rules.OrganisationKind.LARGE_ENTERPRISE,
    rules.OrganisationKind.OTHER,
}
BACKEND = "django.contrib.auth.backends.ModelBackend"


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with address and password; counted, so that nobody guesses for long."""
    target = _next(request)
    if request.user.is_authenticated:
        return redirect(target)
    form = forms.SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        address = request.META.get("REMOTE_ADDR", "")
        email, moment = form.cleaned_data["email"], now()
        try:
            person = actions.sign_in(
                email=email, password=form.cleaned_data["password"], address=address, now=moment
            )
        except NotAllowed as refused:
            if refused.code != "person.sign_in.too_many":
                actions.note_failed_sign_in(email=email, address=address, now=moment)
            form.add_refusal(refused)
        else:
            return _welcome(request, person, target)
    status = 422 if form.errors else 200
    return render(request, "people/sign_in.html", {"form": form, "next": target}, status=status)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    logout(request)
    messages.success(request, gettext("You are signed out."))
    return redirect("people:sign_in")


@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Make a person and sign them in; the organisation comes next."""
    target = _next(request)
    form = forms.PersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = actions.register(
                **form.cleaned_data, language=forms.current_language(), now=now()
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            following = "/organisations/new/"
            return _welcome(request, person, target if target != "/" else following)
    status = 422 if form.errors else 200
    return render(request, "people/register.html", {"form": form, "next": target}, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def account(request: SignedIn) -> HttpResponse:
    """Show who one is, one's language, organisations and tokens."""
    form = forms.NameForm(request.POST or None, initial={"language": request.user.language})
    if request.method == "POST" and form.is_valid():
        language = form.cleaned_data["language"]
        actions.speak(request.user, language=language, now=now())
        with override(language):
            messages.success(request, gettext("Saved."))
        return _speaking(redirect("people:account"), language)
    context = {
        "form": form,
        "roles": [rules.RoleKind(kind).label for kind in sorted(request.user.roles)],
        "organisations": list(queries.organisations_of(request.user)),
        "tokens": list(request.user.tokens.filter(revoked_at=None).order_by("-pk")[:100]),
        "now": now(),
    }
    status = 422 if form.errors else 200
    return render(request, "people/account.html", context, status=status)


@login_required
@require_http_methods(["GET", "POST"])
def token_new(request: SignedIn) -> HttpResponse:
    """Make a token; its secret is on the page that answers, and never again."""
    form = forms.TokenForm(request.POST or None, initial={"days": 30})
    if request.method == "POST" and form.is_valid():
        try:
            issued = actions.issue_token(
                request.user,
                name=form.cleaned_data["name"],
                lifetime=timedelta(days=form.cleaned_data["days"]),
                by=request.user,
                now=now(),
            )
        except Refused as refused:
            form.add_refusal(refused)
        else:
            return render(request, "people/token_shown.html", {"issued": issued})
    status = 422 if form.errors else 200
    return render(request, "people/token_new.html", {"form": form}, status=status)


@login_required
@require_POST
def token_revoke(request: SignedIn, code: str) -> HttpResponse:
    """End one of one's tokens at once."""
    token = get_object_or_404(request.user.tokens, code=code)
    actions.revoke_token(token, by=request.user, now=now())
    messages.success(
        request, gettext("The token “{name}” no longer works.").format(name=token.name)
    )
    return redirect("people:account")


@login_required
@require_POST
def sign_out_everywhere(request: SignedIn) -> HttpResponse:
    """End every session of one's own, this one too."""
    actions.sign_out_everywhere(request.user, by=request.user, now=now())
    logout(request)
    messages.success(request, gettext("You are signed out on every device."))
    return redirect("people:sign_in")


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
    found = get_object_or_404(visible.prefetch_related("related_enterprises"), code=code)
    sized = queries.sized(found)
    context = {
        "organisation": found,
        "kind": gettext(found.kind_label),
        "sized": sized,
        "verdict": _verdict(found, sized),
        "reasons": _reasons(sized),
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


def _reasons(sized: rules.Sized) -> list[str]:
    """Return the figures beside the ceilings of the size class, in words."""
    ceiling = next((one for one in rules.CEILINGS if one.size is sized.size), rules.CEILINGS[-1])
    people = ngettext(
        "{count} person employed, related enterprises included; the limit is below {limit}.",
        "{count} people employed, related enterprises included; the limit is below {limit}.",
        sized.headcount,
    )
    return [
        people.format(count=_number(sized.headcount), limit=_number(ceiling.headcount)),
        gettext("A turnover of EUR {amount}; the limit is EUR {limit}.").format(
            amount=_number(sized.turnover_eur), limit=_number(ceiling.turnover_eur)
        ),
        gettext(
            "A balance sheet of EUR {amount}; the limit is EUR {limit}. Within one of the two"
            " limits is enough."
        ).format(amount=_number(sized.balance_eur), limit=_number(ceiling.balance_eur)),
    ]


def _facts(found: Organisation) -> list[tuple[str, Any]]:
    return [
        (gettext("Country"), forms.COUNTRIES.get(found.country, found.country)),
        (gettext("City"), found.city),
        (gettext("VAT number"), found.vat_number),
        (gettext("Website"), found.website),
        (gettext("Founded on"), day(found.founded_on)),
        (gettext("People employed"), _number(found.headcount)),
        (gettext("Turnover, EUR"), _number(found.turnover_eur)),
        (gettext("Balance sheet, EUR"), _number(found.balance_eur)),
    ]


def _number(value: int) -> str:
    return number_format(value, 0, force_grouping=True)


def _organisation_page(
    request: SignedIn, page: forms.OrganisationForms, found: Organisation | None
) -> HttpResponse:
    context: dict[str, Any] = {"form": page, "organisation": found}
    status = 422 if page.errors else 200
    return render(request, "people/organisation_form.html", context, status=status)


def _next(request: HttpRequest) -> str:
    """Return where to go afterwards: an address of this portal, whatever was asked for."""
    target = request.POST.get("next") or request.GET.get("next") or "/"
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return target if is_ours else "/"


def _welcome(request: HttpRequest, person: Person, target: str) -> HttpResponse:
    login(request, person, backend=BACKEND)
    return _speaking(redirect(target), person.language)


def _speaking(response: HttpResponse, language: str) -> HttpResponse:
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=31_536_000,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
    return response
