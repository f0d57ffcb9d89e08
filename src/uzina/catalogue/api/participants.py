"""Participants of a data space, for operators."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import actions
from uzina.catalogue.api.shared import Code
from uzina.catalogue.queries import dataspace
from uzina.core.inputs import Line
from uzina.core.paging import Page, paged
from uzina.people import access as people
from uzina.people.types import SignedIn

router = Router()

Word = Annotated[str, Field(max_length=60)]


class ParticipantIn(Schema):
    name: Line
    participant_id: Line
    kind: Word
    country: Annotated[str, Field(max_length=2)]
    callback_base: Annotated[str, Field(max_length=300)]


class ParticipantOut(Schema):
    code: str
    name: str
    participant_id: str
    kind: str
    country: str
    callback_base: str
    registered_at: datetime
    stopped_at: datetime | None


class ParticipantMade(Schema):
    """Both tokens are shown this once: theirs to sign in here, ours to sign in at their callback."""

    participant: ParticipantOut
    token: str
    callback_token: str


@router.get("/participants", response=Page[ParticipantOut])
def list_participants(
    request: SignedIn, limit: int = 50, cursor: Annotated[str, Field(max_length=40)] = ""
) -> Any:
    """Who speaks with us by the Dataspace Protocol, newest first: for operators and auditors."""
    if not (people.is_operator(request.user) or people.is_auditor(request.user)):
        raise Http404
    return paged(dataspace.participants(), limit=limit, cursor=cursor)


@router.post("/participants", response={201: ParticipantMade})
def register_participant(request: SignedIn, body: ParticipantIn) -> Any:
    """Let an organisation of a data space negotiate with us; answers with its tokens."""
    made = actions.register_participant(**body.model_dump(), by=request.user, now=now())
    return Status(
        201,
        {
            "participant": made.participant,
            "token": made.secret,
            "callback_token": dataspace.callback_token(made.participant),
        },
    )


@router.post("/participants/{code}/stop", response=ParticipantOut)
def stop_participant(request: SignedIn, code: Code) -> Any:
    """Listen to a participant no more; what it fetches stops at once."""
    if not (people.is_operator(request.user) or people.is_auditor(request.user)):
        raise Http404
    found = get_object_or_404(dataspace.participants(), code=code)
    return actions.stop_participant(found, by=request.user, now=now())
