"""State aid."""

from datetime import date, datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Code, Country
from uzina.calls.models import Aid
from uzina.core.idempotency import keyed
from uzina.core.inputs import Amount, Line, Paragraphs, ShortLine
from uzina.people import access as people_access
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class AidIn(Schema):
    """What an organisation got elsewhere. member_state: who gave it."""

    title: Line
    member_state: Country
    basis: ShortLine
    granted_on: date
    value_eur_cents: Amount
    aid_eur_cents: Amount


class AidOut(Schema):
    code: str
    about: str
    title: str
    member_state: str
    basis: str
    granted_on: date
    value_eur_cents: int
    aid_eur_cents: int
    voided_at: datetime | None


class StandingOut(Schema):
    """Where an undertaking stands with de minimis aid of the factory's Member State today."""

    ceiling_eur_cents: int
    years: int
    received_eur_cents: int
    left_eur_cents: int
    source: str
    grants: list[AidOut]


class VoidIn(Schema):
    reason: Annotated[Paragraphs, Field(max_length=500)]


def _organisation(request: SignedIn, code: str) -> Organisation:
    return get_object_or_404(Organisation.objects.visible_to(request.user), code=code)


@router.get("/organisations/{code}/aid", response=StandingOut)
def show_aid(request: SignedIn, code: Code) -> StandingOut:
    """What an organisation got and declared, and what its undertaking may still get."""
    found = _organisation(request, code)
    standing = queries.standing(found, asked_eur_cents=0, now=now())
    rows = Aid.objects.visible_to(request.user).filter(organisation=found)
    return StandingOut(
        ceiling_eur_cents=standing.ceiling.eur_cents,
        years=standing.ceiling.years,
        received_eur_cents=standing.received_eur_cents,
        left_eur_cents=standing.left_eur_cents,
        source=standing.ceiling.source,
        grants=[AidOut.from_orm(row) for row in rows],
    )


@router.post("/organisations/{code}/aid", response={201: AidOut})
@keyed
def declare_aid(request: SignedIn, code: Code, body: AidIn) -> Any:
    """Declare aid that an organisation got elsewhere."""
    facts = actions.AidFacts(**body.dict())
    row = actions.declare_aid(_organisation(request, code), facts, by=request.user, now=now())
    return Status(201, row)


@router.get("/aid")
def aid_register(request: SignedIn) -> dict[str, Any]:
    """The register of State aid. For operators and auditors."""
    if not (people_access.is_operator(request.user) or people_access.is_auditor(request.user)):
        raise Http404
    return {"entries": queries.register_entries()}


@router.post("/aid/{code}/void", response=AidOut)
def void_aid(request: SignedIn, code: Code, body: VoidIn) -> Aid:
    """Take a row out of the sums, as an operator, with the reason."""
    found = get_object_or_404(Aid.objects.visible_to(request.user), code=code)
    return actions.void_aid(found, reason=body.reason, by=request.user, now=now())
