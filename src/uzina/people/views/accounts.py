"""Pages of a person: sign in, register, account."""

from datetime import timedelta

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.timezone import now
from django.utils.translation import gettext, override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from uzina.core.errors import NotAllowed, Refused
from uzina.people import actions, forms, queries, rules
from uzina.people.models import Person
from uzina.people.types import SignedIn

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
