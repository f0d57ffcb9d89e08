"""What happens to every request and response."""

import logging
import re
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext

from uzina.core.errors import NotAllowed, Refused
from uzina.core.http import problem, told
from uzina.core.text import _

logger = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def content_security_policy() -> str:
    """Return the policy of our pages. The form that opens a notebook leads to its own origin."""
    session = settings.UZINA.session
    forms = f"'self' {session.url}" if session.port else "'self'"
    policy = CONTENT_SECURITY_POLICY.replace("form-action 'self'", f"form-action {forms}")
    return policy.replace("connect-src 'self'", f"connect-src {_asked_by_scripts()}")


def _asked_by_scripts() -> str:
    """Return where scripts of ours may send to: the portal, and the S3 that parts of files go to."""
    store = settings.UZINA.store
    if store.kind != "s3":
        return "'self'"
    place = urlsplit(store.public_endpoint or store.endpoint)
    host = place.netloc if store.is_path_style else f"{store.bucket}.{place.netloc}"
    return f"'self' {place.scheme}://{host}"


API_PROBLEMS = {
    400: ("request.unreadable", _("This request could not be read. Nothing was changed.")),
    403: ("request.not_allowed", _("Send a token, or the CSRF token of your session.")),
    404: ("request.path.not_found", _("There is no such thing here, or you may not see it.")),
    405: ("request.method.not_allowed", _("This address takes other methods: see Allow.")),
    413: ("request.body.too_big", _("Send less in one request.")),
    500: (
        "request.failed",
        _("Something went wrong on our side. Tell the factory the request_id if it stays so."),
    ),
}

Next = Callable[[HttpRequest], HttpResponse]


class RequestIdMiddleware:
    """Names each request, so that a person can tell us which one went wrong."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        is_usable = re.fullmatch(r"[A-Za-z0-9._-]{8,64}", given)
        request.request_id = given if is_usable else uuid.uuid4().hex  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request.request_id  # type: ignore[attr-defined]
        return response


class ApiProblemMiddleware:
    """Tells programs in a problem document what Django would tell people on a page.

    For what never reaches the API's own handlers: an unknown address, a wrong method, a body
    that cannot be read, an error of ours.
    """

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if (
            not request.path.startswith("/api/")
            or response.status_code < 400
            or "json" in response.headers.get("Content-Type", "")
        ):
            return response
        code, detail = API_PROBLEMS.get(response.status_code, API_PROBLEMS[400])
        answer = problem(
            code=code, status=response.status_code, detail=gettext(detail), request=request
        )
        if "Allow" in response.headers:
            answer["Allow"] = response.headers["Allow"]
        return answer


class HeadersMiddleware:
    """Sends the headers that keep a page from running what is not ours."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.setdefault("Content-Security-Policy", content_security_policy())
        response.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        if not request.path.startswith("/static/"):
            response.setdefault("Cache-Control", "no-store")
        return response


class RefusalMiddleware:
    """Shows on a page what a view did not catch itself: the rules said no."""

    def __init__(self, get_response: Next) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\x00" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            raise Http404
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Turn a refusal into a page that says what is wrong and what to do."""
        if not isinstance(exception, Refused):
            return None
        status = 403 if isinstance(exception, NotAllowed) else 409
        return render(
            request,
            "root/refused.html",
            {
                "message": told(exception),
                "code": exception.code,
                "problems": [told(one) for one in getattr(exception, "problems", ())],
            },
            status=status,
        )
