"""Writes about organisations."""

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import date, datetime

from stdnum.eu import vat

from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access, rules
from uzina.people.models import (
    Affiliation,
    Organisation,
    Person,
    RelatedEnterprise,
)


@dataclass(frozen=True)
class OrganisationFacts:
    """What an organisation says of itself. Money in whole euros, of the last closed year."""

    name: str
    kind: rules.OrganisationKind
    country: str
    city: str = ""
    website: str = ""
    vat_number: str = ""
    founded_on: date | None = None
    headcount: int = 0
    turnover_eur: int = 0
    balance_eur: int = 0
    related_enterprises: tuple[rules.Related, ...] = ()


@action
def register_organisation(facts: OrganisationFacts, *, by: Person, now: datetime) -> Organisation:
    """Make an organisation and make the person its representative.

    Raises Invalid with every fact that cannot be.
    """
    _check_facts(facts)

    organisation = Organisation(made_at=now)
    _write_facts(organisation, facts)
    Affiliation.objects.create(person=by, organisation=organisation, is_representative=True)
    log("organisation.registered", organisation.code, by=by, now=now, kind=facts.kind)
    return organisation


@action
def change_organisation(
    organisation: Organisation, facts: OrganisationFacts, *, by: Person, now: datetime
) -> Organisation:
    """Write the organisation's facts anew. Applications keep the facts they were judged by.

    Raises NotAllowed organisation.change.not_yours, Invalid.
    """
    organisation = Organisation.objects.select_for_update().get(pk=organisation.pk)
    if not access.may_change_organisation(by, organisation):
        raise NotAllowed(
            "organisation.change.not_yours",
            _("Only a representative of {name} can change its facts."),
            name=organisation.name,
        )
    _check_facts(facts)

    organisation.related_enterprises.all().delete()
    _write_facts(organisation, facts)
    log("organisation.changed", organisation.code, by=by, now=now)
    return organisation


def _check_facts(facts: OrganisationFacts) -> None:
    problems: list[Problem] = list(rules.related_problems(facts.related_enterprises))
    if not facts.name.strip():
        problems.append(
            Problem("name", "organisation.name.missing", _("Write the name of the organisation."))
        )
    if len(facts.country) != 2 or not facts.country.isascii() or not facts.country.isupper():
        problems.append(Problem("country", "organisation.country.unknown", _("Choose a country.")))
    if facts.vat_number and not vat.is_valid(facts.vat_number):
        problems.append(
            Problem(
                "vat_number",
                "organisation.vat_number.malformed",
                _("This is not the form of a VAT number. Write it with the country in front: RO…"),
            )
        )
    if problems:
        raise Invalid(problems)


def _write_facts(organisation: Organisation, facts: OrganisationFacts) -> None:
    values = asdict(facts)
    values.pop("related_enterprises")
    for name, value in values.items():
        setattr(organisation, name, value)
    organisation.save()
    RelatedEnterprise.objects.bulk_create(
        RelatedEnterprise(organisation=organisation, **asdict(other))
        for other in facts.related_enterprises
    )


def hold_organisations(ids: Collection[int]) -> list[Organisation]:
    """Lock organisations until the action that asks for it ends, in the order of their ids.

    For what is added up over several of them and must not be added up twice at once.
    """
    return list(Organisation.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
