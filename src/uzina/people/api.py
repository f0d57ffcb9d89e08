"""The API of people, organisations, projects and tokens."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.core.errors import NotAllowed
from uzina.core.inputs import Amount, Count, Email, Line, Secret, ShortLine
from uzina.core.paging import Page, paged
from uzina.people import actions, queries, rules
from uzina.people.models import Organisation, Person, Project
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


class RelatedEnterpriseBody(Schema):
    name: Line
    relation: rules.Relation
    share_percent: Annotated[int, Field(ge=0, le=100)]
    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount


class OrganisationIn(Schema):
    name: Line
    kind: rules.OrganisationKind
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
    city: ShortLine = ""
    website: Line = ""
    vat_number: Annotated[str, Field(max_length=20, pattern=r"^[A-Za-z0-9 .-]*$")] = ""
    founded_on: date | None = None
    headcount: Count = 0
    turnover_eur: Amount = 0
    balance_eur: Amount = 0
    related_enterprises: Annotated[list[RelatedEnterpriseBody], Field(max_length=100)] = []


class OrganisationOut(Schema):
    code: str
    name: str
    kind: str
    country: str
    city: str
    website: str
    vat_number: str
    founded_on: date | None
    headcount: int
    turnover_eur: int
    balance_eur: int
    related_enterprises: list[RelatedEnterpriseBody]
    size_class: str

    @staticmethod
    def resolve_size_class(organisation: Organisation) -> str:
        return queries.sized(organisation).size


class MemberOut(Schema):
    person: str
    name: str
    kind: str


class ProjectOut(Schema):
    code: str
    title: str
    state: str
    organisation: str
    award: str
    starts_at: datetime
    ends_at: datetime

    @staticmethod
    def resolve_organisation(project: Project) -> str:
        return project.organisation.code

    @staticmethod
    def resolve_award(project: Project) -> str:
        return project.award_code


class ProjectDetail(ProjectOut):
    members: list[MemberOut]

    @staticmethod
    def resolve_members(project: Project) -> list[dict[str, Any]]:
        return [
            {"person": row.person.code, "name": row.person.name, "kind": row.kind}
            for row in queries.members_of(project)
        ]


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


@router.post("/organisations", response={201: OrganisationOut})
def register_organisation(request: SignedIn, body: OrganisationIn):
    """Make an organisation and become its representative."""
    made = actions.register_organisation(_facts(body), by=request.user, now=now())
    return Status(201, made)


@router.get("/organisations", response=Page[OrganisationOut])
def organisations(request: SignedIn, limit: int = 50, cursor: str = ""):
    """List the organisations you belong to; the factory's people see all."""
    visible = Organisation.objects.visible_to(request.user)
    return paged(visible.prefetch_related("related_enterprises"), limit=limit, cursor=cursor)


@router.get("/organisations/{code}", response=OrganisationOut)
def organisation(request: SignedIn, code: str):
    """Show one organisation with its size class."""
    return get_object_or_404(Organisation.objects.visible_to(request.user), code=code)


@router.put("/organisations/{code}", response=OrganisationOut)
def change_organisation(request: SignedIn, code: str, body: OrganisationIn):
    """Write an organisation's facts anew."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), code=code)
    return actions.change_organisation(found, _facts(body), by=request.user, now=now())


@router.get("/projects", response=Page[ProjectOut])
def projects(request: SignedIn, limit: int = 50, cursor: str = ""):
    """List the projects you take part in; operators and auditors see all."""
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    return paged(visible, limit=limit, cursor=cursor)


@router.get("/projects/{code}", response=ProjectDetail)
def project(request: SignedIn, code: str):
    """Show one project and who takes part."""
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    return get_object_or_404(visible, code=code)


def _facts(body: OrganisationIn) -> actions.OrganisationFacts:
    values = body.dict()
    values["related_enterprises"] = tuple(
        rules.Related(**one.dict()) for one in body.related_enterprises
    )
    return actions.OrganisationFacts(**values)
