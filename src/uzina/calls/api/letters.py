"""Letters, and whether one is genuine."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import queries
from uzina.calls.api.applications import visible_application
from uzina.calls.api.shared import Code
from uzina.calls.rules import letters as rules
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class LetterOut(Schema):
    """A letter on a decision. verifier: the code by which anybody can check it."""

    code: str
    application: str
    kind: str
    language: str
    verifier: str
    sha256: str
    issued_at: datetime


class GenuineOut(Schema):
    """What anybody may know of a letter. organisation: only of those who agreed to be named."""

    kind: str
    application: str
    sha256: str
    issued_at: datetime
    organisation: str


@router.get("/applications/{code}/letters", response=list[LetterOut])
def list_letters(request: SignedIn, code: Code) -> Any:
    """The letters on an application (its applicant, operators, auditors)."""
    found = visible_application(request, code)
    rows = queries.letters(request.user).filter(application=found)
    return [
        LetterOut(
            code=one.code,
            application=found.code,
            kind=one.kind,
            language=one.language,
            verifier=one.verifier,
            sha256=one.sha256,
            issued_at=one.issued_at,
        )
        for one in rows
    ]


@router.get("/letters/verify/{verifier}", response=GenuineOut, auth=None)
def verify_letter(request: HttpRequest, verifier: Annotated[str, Field(max_length=40)]) -> Any:
    """Whether a letter with this code is genuine. Open to everybody; 404 for a code of no letter."""
    typed = rules.typed_verifier(verifier)
    found = queries.letter_by_verifier(typed) if typed else None
    if found is None:
        raise Http404
    return GenuineOut(
        kind=found.kind,
        application=found.application.code,
        sha256=found.sha256,
        issued_at=found.issued_at,
        organisation=found.application.organisation.name if queries.may_name(found) else "",
    )


@router.get("/letters/{code}/pdf")
def letter_pdf(request: SignedIn, code: Code) -> HttpResponse:
    """A letter as PDF, byte for byte as it was issued."""
    found = get_object_or_404(queries.letters(request.user).defer(None), code=code)
    return HttpResponse(
        bytes(found.pdf),
        content_type="application/pdf",
        headers={"Content-Disposition": f'attachment; filename="{found.code}.pdf"'},
    )
