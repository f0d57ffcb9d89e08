"""The root of the API: who calls, what is mounted, how refusals are told."""

import logging
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from ninja.security import HttpBearer, SessionAuth

from uzina.calls.api import router as calls
from uzina.catalogue.api import router as catalogue
from uzina.catalogue.ports import StoreDown, StoreRefused
from uzina.compute.api import router as compute
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.http import problem, problem_response
from uzina.core.text import _
from uzina.ledger.api import router as ledger
from uzina.people.api import router as people
from uzina.people.models import Person
from uzina.people.queries import token_holder
from uzina.programme.api import router as programme
from uzina.sizing.api import router as sizing
from uzina.training.api import router as training

logger = logging.getLogger(__name__)


class NoNul(Parser):
    """Refuses NUL characters wherever they are sent: no column of PostgreSQL takes one."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body, once it is seen to have none."""
        body = super().parse_body(request)
        problems = [
            Problem(place, "input.nul", _("Leave out NUL characters.")) for place in _nuls(body, "")
        ]
        if problems:
            raise Invalid(problems)
        return body


def _nuls(value: Any, place: str) -> Iterator[str]:
    """Return the places of strings with a NUL in a parsed document."""
    if isinstance(value, str):
        if "\x00" in value:
            yield place
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _nuls(name, place)
            yield from _nuls(inner, f"{place}.{name}".replace("\x00", "").lstrip("."))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nuls(inner, f"{place}.{index}".lstrip("."))


class TokenAuth(HttpBearer):
    """Signs a program in by its token."""

    def authenticate(self, request: HttpRequest, token: str) -> Person | None:
        """Return who acts through the token."""
        person = token_holder(token, now=now())
        if person is not None:
            request.user = person
        return person


class PageAuth(SessionAuth):
    """Signs in a script of our own pages by the session, with its CSRF token."""

    def authenticate(self, request: HttpRequest, key: str | None) -> Any:  # noqa: ARG002 - ninja's signature
        """Return the person of the session."""
        return request.user if request.user.is_authenticated else None


api = NinjaAPI(
    title="Uzina",
    version="1",
    description="From a call to a documented model. Errors are RFC 9457 problem documents.",
    auth=[TokenAuth(), PageAuth()],
    urls_namespace="api",
    parser=NoNul(),
    docs_url=None,
)
api.add_router("/people/", people)
api.add_router("/ledger/", ledger)
api.add_router("/sizing/", sizing)
api.add_router("/calls/", calls)
api.add_router("/catalogue/", catalogue)
api.add_router("/compute/", compute)
api.add_router("/training/", training)
api.add_router("/programme/", programme)


@api.exception_handler(Refused)
def refused(request: HttpRequest, error: Refused) -> HttpResponse:
    """Tell a refusal."""
    return problem_response(request, error)


@api.exception_handler(StoreRefused)
def store_full(request: HttpRequest, error: StoreRefused) -> HttpResponse:
    """Tell that there is no room, which an operator has to make."""
    return problem_response(request, error, status=507)


@api.exception_handler(StoreDown)
def store_down(request: HttpRequest, error: StoreDown) -> HttpResponse:
    """Ask to come back: the store does not answer."""
    logger.error("the store does not answer: %s", error)
    response = problem(
        code="store.down",
        status=503,
        detail=gettext("The factory's storage does not answer. Try again in a minute."),
        request=request,
    )
    response["Retry-After"] = "5"
    return response


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Tell what is wrong with what was sent, each mistake with its place."""
    errors = [
        {
            "pointer": "/" + "/".join(str(part) for part in _inside(one["loc"])),
            "code": f"input.{one['type']}",
            "detail": one["msg"].removeprefix("Value error, "),
        }
        for one in error.errors
    ]
    return problem(
        code="input.invalid",
        status=422,
        detail=gettext("Some of what was sent cannot be: see errors."),
        request=request,
        errors=errors,
    )


def _inside(place: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a place as it is in what was sent: the body is one document, its parameter no part."""
    return place[2:] if place[0] == "body" else place[1:]


@api.exception_handler(AuthenticationError)
def not_signed_in(request: HttpRequest, _error: AuthenticationError) -> HttpResponse:
    """Ask for a sign-in."""
    response = problem(
        code="request.sign_in.needed",
        status=401,
        detail=gettext("Sign in first: send Authorization: Bearer with a token."),
        request=request,
    )
    response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(Http404)
def missing(request: HttpRequest, _error: Http404) -> HttpResponse:
    """Say that there is no such thing, or none you may see."""
    return problem(
        code="request.path.not_found",
        status=404,
        detail=gettext("There is no such thing here, or you may not see it."),
        request=request,
    )


@api.exception_handler(RequestDataTooBig)
def too_big(request: HttpRequest, _error: RequestDataTooBig) -> HttpResponse:
    """Say how much a request may hold."""
    return problem(
        code="request.body.too_big",
        status=413,
        detail=gettext("Send at most {most} bytes in one request.").format(
            most=settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        ),
        request=request,
    )


@api.exception_handler(HttpError)
def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Tell what the framework could not read, such as a body that is not JSON."""
    if isinstance(error.__cause__, Refused):
        return problem_response(request, error.__cause__)
    return problem(
        code="request.body.unreadable",
        status=error.status_code,
        detail=str(error),
        request=request,
    )
