"""How refusals are told to programs: RFC 9457 problem documents."""

import hashlib
import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from uzina.core.errors import Invalid, NotAllowed, Problem, Refused


def told(refused: Refused | Problem) -> str:
    """Return the message in the language of the request, with its facts."""
    return gettext(refused.message).format(**refused.facts)


def problem(
    *, code: str, status: int, detail: str, request: HttpRequest, **more: Any
) -> HttpResponse:
    """Return a problem document. `request_id` is also in the server's log."""
    body = {
        "type": f"/problems/{code}",
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": getattr(request, "request_id", ""),
        **more,
    }
    return HttpResponse(
        json.dumps(body, default=str, ensure_ascii=False),
        status=status,
        content_type="application/problem+json",
    )


def problem_response(
    request: HttpRequest, refused: Refused, *, status: int | None = None
) -> HttpResponse:
    """Return a refusal as a problem document: 403 not allowed, 422 mistakes in input, else 409."""
    more: dict[str, Any] = {"params": refused.facts}
    if isinstance(refused, Invalid):
        status = status or 422
        more["errors"] = [
            {
                "pointer": "/" + one.field.replace(".", "/"),
                "code": one.code,
                "detail": told(one),
            }
            for one in refused.problems
        ]
    elif isinstance(refused, NotAllowed):
        status = status or 403
    return problem(
        code=refused.code, status=status or 409, detail=told(refused), request=request, **more
    )


def tagged(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Give an answer that anybody may see its ETag; to who has it already, say only that."""
    tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    if request.headers.get("If-None-Match", "") == tag:
        response = HttpResponse(status=304)
    response["ETag"] = tag
    response["Cache-Control"] = "public, max-age=0, must-revalidate"
    return response
