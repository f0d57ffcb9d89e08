"""The API of organisations."""

from datetime import date, datetime
from typing import Annotated

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.core.inputs import Amount, Count, Line, ShortLine
from uzina.core.paging import Page, paged
from uzina.people import actions, queries, rules
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

router = Router(tags=["people"])


class RelatedEnterpriseBody(Schema):
    name: Line
    relation: rules.Relation
    share_percent: Annotated[int, Field(ge=0, le=100)]
    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount


class YearBody(Schema):
    year: Annotated[int, Field(ge=1900, le=9999)]
    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount
    is_estimate: bool = False


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
    years: Annotated[list[YearBody], Field(max_length=rules.MOST_YEARS)] = []
    public_share_percent: Annotated[int, Field(ge=0, le=100)] = 0
    pic: Annotated[str, Field(max_length=20, pattern=r"^[0-9 ]*$")] = ""


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
    years: list[YearBody]
    public_share_percent: int
    pic: str
    vat_state: rules.VatState
    vat_checked_at: datetime | None
    size_class: str
    size_reasons: list[str]

    @staticmethod
    def resolve_size_class(organisation: Organisation) -> str:
        return queries.sized(organisation).size

    @staticmethod
    def resolve_size_reasons(organisation: Organisation) -> list[str]:
        return queries.size_reasons(queries.sized(organisation))


@router.post("/organisations", response={201: OrganisationOut})
def register_organisation(request: SignedIn, body: OrganisationIn):
    """Make an organisation and become its representative."""
    made = actions.register_organisation(_facts(body), by=request.user, now=now())
    return Status(201, made)


@router.get("/organisations", response=Page[OrganisationOut])
def organisations(request: SignedIn, limit: int = 50, cursor: str = ""):
    """List the organisations you belong to; the factory's people see all."""
    visible = Organisation.objects.visible_to(request.user)
    return paged(
        visible.prefetch_related("related_enterprises", "years"), limit=limit, cursor=cursor
    )


@router.get("/organisations/{code}", response=OrganisationOut)
def organisation(request: SignedIn, code: str):
    """Show one organisation with its size class."""
    return get_object_or_404(Organisation.objects.visible_to(request.user), code=code)


@router.put("/organisations/{code}", response=OrganisationOut)
def change_organisation(request: SignedIn, code: str, body: OrganisationIn):
    """Write an organisation's facts anew."""
    found = get_object_or_404(Organisation.objects.visible_to(request.user), code=code)
    return actions.change_organisation(found, _facts(body), by=request.user, now=now())


def _facts(body: OrganisationIn) -> actions.OrganisationFacts:
    values = body.dict()
    values["related_enterprises"] = tuple(
        rules.Related(**one.dict()) for one in body.related_enterprises
    )
    values["years"] = tuple(rules.Year(**one.dict()) for one in body.years)
    return actions.OrganisationFacts(**values)
