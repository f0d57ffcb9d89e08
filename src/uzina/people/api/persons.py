"""The API of persons and tokens."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.core.errors import NotAllowed
from uzina.core.inputs import Email, Line, Secret, ShortLine
from uzina.people import actions
from uzina.people.models import Person
from uzina.people.types import IssuedToken, SignedIn

router = Router(tags=["people"])


class PersonIn(Schema):
    email: Email
    name: Line
    password: Secret
    language: Literal["en", "ro"] = "en"


class PersonOut(Schema):
    code: str
    name: str
    email: str
    language: str
    roles: list[str]

    @staticmethod
    def resolve_roles(person: Person) -> list[str]:
        return sorted(person.roles)


class TokenIn(Schema):
    email: Email
    password: Secret
    name: ShortLine = "command line"
    days: Annotated[int, Field(ge=1, le=366)] = 30


class TokenOut(Schema):
    code: str
    secret: str
    expires_at: datetime

    @staticmethod
    def resolve_code(issued: IssuedToken) -> str:
        return issued.token.code

    @staticmethod
    def resolve_expires_at(issued: IssuedToken) -> datetime:
        return issued.token.expires_at


@router.post("/register", response={201: PersonOut}, auth=None)
def register(request: HttpRequest, body: PersonIn):
    """Make a person who can sign in."""
    return Status(201, actions.register(**body.dict(), now=now()))


@router.post("/tokens", response={201: TokenOut}, auth=None)
def issue_token(request: HttpRequest, body: TokenIn):
    """Sign in with address and password, and get a token for programs."""
    address = request.META.get("REMOTE_ADDR", "")
    try:
        person = actions.sign_in(
            email=body.email, password=body.password, address=address, now=now()
        )
    except NotAllowed:
        actions.note_failed_sign_in(email=body.email, address=address, now=now())
        raise
    issued = actions.issue_token(
        person, name=body.name, lifetime=timedelta(days=body.days), by=person, now=now()
    )
    return Status(201, issued)


@router.post("/tokens/{code}/revoke", response={204: None})
def revoke_token(request: SignedIn, code: str):
    """End one of your tokens at once."""
    actions.revoke_token(
        get_object_or_404(request.user.tokens, code=code), by=request.user, now=now()
    )
    return Status(204, None)


@router.get("/me", response=PersonOut)
def me(request: SignedIn):
    """Say who you are, and which roles you have."""
    return request.user
