"""Pages that span modules, and the pages that say what went wrong."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template import loader
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

THEMES = ("auto", "light", "dark")


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Keep in a cookie whether pages are light, dark or as the system has it."""
    target = request.POST.get("next", "/")
    is_ours = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    response = redirect(target if is_ours else "/")
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(
            "theme",
            theme,
            max_age=31_536_000,
            samesite="Lax",
            httponly=True,
            secure=settings.SESSION_COOKIE_SECURE,
        )
    return response


def accessibility(request: HttpRequest) -> HttpResponse:
    """Show the accessibility statement that Directive (EU) 2016/2102 asks for."""
    return render(request, "root/accessibility.html")


# What went wrong ----------------------------------------------------------------------------


def _wrong(request: HttpRequest, *, status: int, title: str, text: str) -> HttpResponse:
    context = {
        "title": title,
        "text": text,
        "status": status,
        "request_id": getattr(request, "request_id", ""),
    }
    return render(request, "root/wrong.html", context, status=status)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """400: the request itself makes no sense."""
    return _wrong(
        request,
        status=400,
        title=gettext("This request could not be read"),
        text=gettext("Go back, reload the page and try again. Nothing was changed."),
    )


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403: somebody else may."""
    return _wrong(
        request,
        status=403,
        title=gettext("This is not yours to do"),
        text=gettext(
            "Your account has no permission for it. Ask the lead of the project, or sign in with"
            " another account."
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403: the form was open for too long, or sent from elsewhere."""
    return _wrong(
        request,
        status=403,
        title=gettext("The form was open for too long"),
        text=gettext(
            "Go back: what you typed is still there. Reload the page in another tab to sign in if"
            " need be, then send the form again. Nothing was changed."
        ),
    )


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404: there is no such page, or it is not shown to this person."""
    return _wrong(
        request,
        status=404,
        title=gettext("There is no such page"),
        text=gettext(
            "Check the address. If a link brought you here, the thing may be gone, or it may be"
            " shown to members of its project only."
        ),
    )


def server_error(request: HttpRequest) -> HttpResponse:
    """500: our fault. Asks the database nothing, because it may be what is down."""
    page = loader.get_template("500.html").render(
        {
            "title": gettext("Something went wrong on our side"),
            "text": gettext(
                "Try again in a few minutes. What was saved before is safe. If it happens again,"
                " tell the factory the number below."
            ),
            "request_id": getattr(request, "request_id", ""),
        }
    )
    return HttpResponse(page, status=500)
