"""Requests that may be repeated: the second gets the first one's reply, and nothing happens twice.

An endpoint marked @keyed needs the header Idempotency-Key; of other endpoints nothing is kept,
so that no secret of a reply is. The reply is kept in the transaction
of the work itself, so a crash keeps both or neither. Refusals leave no trace and are not kept:
the same key may be used again once the cause is mended. The rules follow Stripe's practice,
since the header has no finished standard.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from uzina.core.db import acting
from uzina.core.errors import Refused
from uzina.core.http import problem_response
from uzina.core.models import KeptReply
from uzina.core.text import _

HEADER = "Idempotency-Key"
LONGEST = 255


def keyed(view: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an API function whose request must carry an Idempotency-Key."""

    @functools.wraps(view)
    def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if not request.headers.get(HEADER):
            missing = Refused(
                "request.key.missing",
                _("Send a header Idempotency-Key, new for each piece of work."),
            )
            return problem_response(request, missing, status=400)
        request.is_keyed = True  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)

    return inner


class _Undo(Exception):
    """Rolls back the work of a reply that must not be kept."""


class IdempotencyMiddleware:
    """Keeps and repeats replies to API requests that carry an Idempotency-Key."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.headers.get(HEADER, "")
        if not key or request.method != "POST" or not request.path.startswith("/api/"):
            return self.get_response(request)
        if len(key) > LONGEST or not key.isprintable():
            unusable = Refused(
                "request.key.unusable",
                _("Use an Idempotency-Key of at most {most} printable characters."),
                most=LONGEST,
            )
            return problem_response(request, unusable, status=400)
        caller = _caller(request)
        fingerprint = _fingerprint(request)
        kept = KeptReply.objects.filter(caller=caller, key=key).first()
        if kept is None:
            try:
                return self._first(request, caller, key, fingerprint)
            except IntegrityError:
                kept = KeptReply.objects.filter(caller=caller, key=key).first()
                if kept is None:
                    raise
        if kept.fingerprint != fingerprint:
            reused = Refused(
                "request.key.reused",
                _("This Idempotency-Key was used for another request. Use a new one."),
            )
            return problem_response(request, reused, status=422)
        return HttpResponse(
            bytes(kept.body),
            status=kept.status,
            content_type=kept.content_type,
            headers={"Idempotent-Replayed": "true"},
        )

    def _first(self, request: HttpRequest, caller: str, key: str, fingerprint: str) -> HttpResponse:
        response: HttpResponse | None = None
        try:
            with acting():
                response = self.get_response(request)
                if not getattr(request, "is_keyed", False):
                    return response
                if not 200 <= response.status_code < 300:
                    raise _Undo
                with transaction.atomic():
                    KeptReply.objects.create(
                        caller=caller,
                        key=key,
                        fingerprint=fingerprint,
                        status=response.status_code,
                        content_type=response.headers.get("Content-Type", ""),
                        body=response.content,
                        at=timezone.now(),
                    )
        except _Undo:
            pass
        if response is None:
            msg = "unreachable: either a response or an exception"
            raise RuntimeError(msg)
        return response


def _caller(request: HttpRequest) -> str:
    """Name who asks without asking the database: a token or a session, hashed."""
    token = request.headers.get("Authorization", "")
    session = request.COOKIES.get("sessionid", "") or request.COOKIES.get("__Host-session", "")
    return hashlib.sha256(f"{token}|{session}".encode()).hexdigest()[:40]


def _fingerprint(request: HttpRequest) -> str:
    head = f"{request.method} {request.get_full_path()}\n".encode()
    return hashlib.sha256(head + request.body).hexdigest()
