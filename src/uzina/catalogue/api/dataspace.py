"""The doors of the Dataspace Protocol 2025-1, for connectors of others.

Plain views: what is wrong is answered by the protocol's own error messages, never by ours.
"""

import functools
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast
from urllib.parse import quote, urlencode
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from uzina.catalogue import actions, queries
from uzina.catalogue.models import Negotiation, Participant, Transfer
from uzina.catalogue.queries import dataspace as found
from uzina.catalogue.rules import dataspace
from uzina.catalogue.rules import dataspace_messages as messages
from uzina.core.attachments import attachment
from uzina.core.errors import Refused

BAD, UNKNOWN, MISSING, TOO_LONG = 400, 401, 404, 413

ERROR_OF = {
    "catalog": "CatalogError",
    "negotiations": "ContractNegotiationError",
    "transfers": "TransferError",
}

Door = Callable[..., HttpResponseBase]


def _error(
    part: str,
    refused: Refused | None,
    status: int,
    *,
    row: Any = None,
    body: Any = None,
    why: Any = (),
) -> HttpResponse:
    """Return an error of the protocol, with what is known of who speaks of what."""
    said = body if isinstance(body, dict) else {}
    consumer, provider = said.get("consumerPid"), said.get("providerPid")
    answer = messages.error(
        ERROR_OF[part],
        provider=row.pid if row is not None else provider if isinstance(provider, str) else "",
        consumer=row.consumer_pid
        if row is not None
        else consumer
        if isinstance(consumer, str)
        else "",
        code=refused.code if refused is not None else f"dataspace.{status}",
        reasons=[str(refused)] if refused is not None else list(why),
    )
    response = JsonResponse(answer, status=status)
    if status == UNKNOWN:
        response["WWW-Authenticate"] = "Bearer"
    return response


def _token(request: HttpRequest) -> str:
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _participant(request: HttpRequest) -> Participant | None:
    token = _token(request)
    return found.participant_of(token) if token else None


def door(part: str, kind: str = "") -> Callable[[Door], Door]:
    """Make a view a door of the protocol: who speaks is known, what is sent fits its schema.

    kind  of the message that is sent; none for a question

    A stranger is told of no negotiation or transfer (404, as the binding asks), and of the
    catalogue that a token is needed. What rules refuse is a 400: the binding's code for a
    transition that is not allowed.
    """

    def dress(view: Door) -> Door:
        @functools.wraps(view)
        def inner(request: HttpRequest, **at: Any) -> HttpResponseBase:
            participant = _participant(request)
            if participant is None:
                status = UNKNOWN if part == "catalog" else MISSING
                return _error(part, None, status, why=["Sign in with the token you were given."])
            body: Any = None
            if kind:
                body, wrong = _body(request, kind)
                if wrong is not None:
                    return _error(part, None, wrong[0], body=body, why=wrong[1])
            row = None
            if "pid" in at:
                lookup = found.negotiation_of if part == "negotiations" else found.transfer_of
                row = cast("Any", lookup)(participant, at.pop("pid"))
                if row is None:
                    return _error(part, None, MISSING, body=body, why=["There is none of yours."])
                at["row"] = row
                if wrong_pids := _other_pids(row, body):
                    return _error(part, None, BAD, row=row, why=[wrong_pids])
            try:
                return view(request, participant=participant, body=body, now=now(), **at)
            except Refused as refused:
                return _error(part, refused, BAD, row=row, body=body)

        methods = require_http_methods(["POST"]) if kind else require_GET
        return cast("Door", csrf_exempt(methods(inner)))

    return dress


def _body(request: HttpRequest, kind: str) -> tuple[Any, tuple[int, list[str]] | None]:
    """Return the message, or why it cannot be taken."""
    length = request.headers.get("Content-Length", "")
    most = dataspace.LONGEST_MESSAGE
    if not (length.isascii() and length.isdecimal()):
        return None, (BAD, ["Send a message, and its Content-Length."])
    if len(length) > len(str(most)) or int(length) > most:
        return None, (TOO_LONG, [f"Send up to {most} bytes."])
    try:
        body = messages.parse(request.read(dataspace.LONGEST_MESSAGE))
    except ValueError:
        return None, (BAD, ["The body is not JSON."])
    if problems := messages.problems(kind, body):
        return body, (BAD, problems)
    if "\x00" in json.dumps(body, ensure_ascii=False).replace("\\u0000", "\x00"):
        return body, (BAD, ["Leave out the character NUL."])
    return body, None


def _other_pids(row: Negotiation | Transfer, body: Any) -> str:
    """Return what to say of a message whose pids are not those of the address it was sent to."""
    if body is None:
        return ""
    provider = body.get("providerPid", row.pid)
    if provider not in {row.pid, str(row.uid)} or body["consumerPid"] != row.consumer_pid:
        return "The message's providerPid and consumerPid are not those of this address."
    return ""


def _negotiation(row: Negotiation, status: int = 200) -> HttpResponse:
    answer = messages.negotiation(provider=row.pid, consumer=row.consumer_pid, state=str(row.state))
    return JsonResponse(answer, status=status)


def _transfer(row: Transfer, status: int = 200) -> HttpResponse:
    answer = messages.transfer(provider=row.pid, consumer=row.consumer_pid, state=str(row.state))
    return JsonResponse(answer, status=status)


def _reason(body: dict[str, Any]) -> str:
    return "; ".join(str(one) for one in body.get("reason", ()))[:2000]


@require_GET
def version(request: HttpRequest) -> HttpResponse:
    """The versions of the protocol that are spoken here. For everybody."""
    return JsonResponse(messages.versions(path=found.PATH, service=f"{found.base()}#service"))


@door("catalog", "CatalogRequestMessage")
def catalog(
    request: HttpRequest, *, participant: Participant, body: Any, now: datetime
) -> HttpResponse:
    """The catalogue, a hundred datasets a page; the next page is in the Link header."""
    del participant, now
    if body.get("filter"):
        return _error("catalog", None, BAD, why=["Filters are not supported: leave filter out."])
    after = request.GET.get("after", "0")
    page, last = found.catalog_page(int(after) if after.isdecimal() and len(after) < 18 else 0)
    response = JsonResponse(page)
    if last is not None:
        query = urlencode({"after": last})
        response["Link"] = f'<{found.base()}/catalog/request?{query}>; rel="next"'
    return response


@door("catalog")
def dataset(
    request: HttpRequest, *, participant: Participant, body: Any, now: datetime, uid: str
) -> HttpResponse:
    """One dataset with its offer."""
    del request, participant, body, now
    row = found.offered_dataset(uid)
    if row is None:
        return _error("catalog", None, MISSING, why=["There is no such dataset."])
    return JsonResponse(messages.alone(found.catalog_entry(row)))


@door("negotiations", "ContractRequestMessage")
def negotiate(
    request: HttpRequest, *, participant: Participant, body: Any, now: datetime
) -> HttpResponse:
    """Begin a negotiation."""
    del request
    if "providerPid" in body:
        return _error("negotiations", None, BAD, body=body, why=["Send this to its own address."])
    made = actions.request_contract(participant, message=body, now=now)
    return _negotiation(made, 201)


@door("negotiations")
def negotiation(request: HttpRequest, *, row: Negotiation, **_: Any) -> HttpResponse:
    """Where a negotiation stands."""
    del request
    return _negotiation(row)


@door("negotiations", "ContractRequestMessage")
def negotiate_again(
    request: HttpRequest, *, row: Negotiation, body: Any, now: datetime, **_: Any
) -> HttpResponse:
    """Request anew, in answer to our offer."""
    del request
    return _negotiation(actions.request_again(row, message=body, now=now))


@door("negotiations", "ContractNegotiationEventMessage")
def negotiation_event(
    request: HttpRequest, *, row: Negotiation, body: Any, now: datetime, **_: Any
) -> HttpResponse:
    """Accept our offer."""
    del request
    if body["eventType"] != "ACCEPTED":
        return _error("negotiations", None, BAD, row=row, why=["A consumer sends ACCEPTED."])
    return _negotiation(actions.accept_offer(row, now=now))


@door("negotiations", "ContractAgreementVerificationMessage")
def verification(
    request: HttpRequest, *, row: Negotiation, now: datetime, **_: Any
) -> HttpResponse:
    """Verify our agreement."""
    del request
    return _negotiation(actions.verify_agreement(row, now=now))


@door("negotiations", "ContractNegotiationTerminationMessage")
def negotiation_termination(
    request: HttpRequest, *, row: Negotiation, body: Any, now: datetime, **_: Any
) -> HttpResponse:
    """Terminate a negotiation."""
    del request
    return _negotiation(actions.terminate_negotiation(row, reason=_reason(body), now=now))


@door("transfers", "TransferRequestMessage")
def request_transfer(
    request: HttpRequest, *, participant: Participant, body: Any, now: datetime
) -> HttpResponse:
    """Request a transfer under an agreement."""
    del request
    return _transfer(actions.request_transfer(participant, message=body, now=now), 201)


@door("transfers")
def transfer(request: HttpRequest, *, row: Transfer, **_: Any) -> HttpResponse:
    """Where a transfer stands."""
    del request
    return _transfer(row)


@door("transfers", "TransferStartMessage")
def transfer_start(request: HttpRequest, *, row: Transfer, now: datetime, **_: Any) -> HttpResponse:
    """Start a suspended transfer again."""
    del request
    return _transfer(actions.resume_transfer(row, now=now))


@door("transfers", "TransferSuspensionMessage")
def transfer_suspension(
    request: HttpRequest, *, row: Transfer, body: Any, now: datetime, **_: Any
) -> HttpResponse:
    """Suspend a transfer."""
    del request
    return _transfer(actions.suspend_transfer(row, reason=_reason(body), now=now))


@door("transfers", "TransferCompletionMessage")
def transfer_completion(
    request: HttpRequest, *, row: Transfer, now: datetime, **_: Any
) -> HttpResponse:
    """Complete a transfer."""
    del request
    return _transfer(actions.complete_transfer(row, now=now))


@door("transfers", "TransferTerminationMessage")
def transfer_termination(
    request: HttpRequest, *, row: Transfer, body: Any, now: datetime, **_: Any
) -> HttpResponse:
    """Terminate a transfer."""
    del request
    return _transfer(actions.terminate_transfer(row, reason=_reason(body), now=now))


@require_GET
def data(request: HttpRequest, uid: UUID) -> HttpResponse:
    """The files of a started transfer, for who holds the token of its data address."""
    at = now()
    try:
        row = actions.open_data(uid, token=_token(request), now=at)
    except Refused as refused:
        return JsonResponse({"code": refused.code, "detail": str(refused)}, status=403)
    files = [
        {
            "path": one.path,
            "bytes": one.bytes,
            "sha256": one.sha256,
            "media_type": one.media_type,
            "url": f"{found.base()}/data/{row.uid}/files/{quote(one.path)}",
        }
        for one in row.version.files
    ]
    return JsonResponse(
        {
            "dataset": found.dataset_uid(row.version.dataset),
            "version": row.version.number,
            "digest": row.version.digest,
            "files": files,
        }
    )


@require_GET
def data_file(request: HttpRequest, uid: UUID, path: str) -> HttpResponseBase:
    """One file of a started transfer, whole or a range of it."""
    try:
        row = actions.open_data(uid, token=_token(request), now=now())
    except Refused as refused:
        return JsonResponse({"code": refused.code, "detail": str(refused)}, status=403)
    file = row.version.file(path)
    if file is None:
        return JsonResponse({"code": "transfer.fetch.no_file"}, status=MISSING)
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: queries.contents(row.version, path, first=first, after=after),
    )
