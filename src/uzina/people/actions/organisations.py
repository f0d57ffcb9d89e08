"""Writes about organisations."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta

from django.conf import settings

from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people import access, rules
from uzina.people.actions.messages import write_message
from uzina.people.models import (
    Affiliation,
    Organisation,
    OrganisationYear,
    Person,
    RelatedEnterprise,
)
from uzina.people.ports import NotValid, Unknown, Valid, VatAnswer


@dataclass(frozen=True)
class OrganisationFacts:
    """What an organisation says of itself. Money in whole euros, of the last closed year.

    years  the figures of closed years, the last one too; where they are given, the newest takes
           the place of headcount, turnover_eur and balance_eur
    """

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
    years: tuple[rules.Year, ...] = ()
    public_share_percent: int = 0
    pic: str = ""


@action
def register_organisation(facts: OrganisationFacts, *, by: Person, now: datetime) -> Organisation:
    """Make an organisation and make the person its representative.

    Raises Invalid with every fact that cannot be.
    """
    facts = _normal(facts)
    _check_facts(facts, now)

    organisation = Organisation(made_at=now)
    _write_facts(organisation, facts, now)
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
    facts = _normal(facts)
    _check_facts(facts, now)

    organisation.related_enterprises.all().delete()
    organisation.years.all().delete()
    _write_facts(organisation, facts, now)
    log("organisation.changed", organisation.code, by=by, now=now)
    return organisation


def _normal(facts: OrganisationFacts) -> OrganisationFacts:
    """Return the facts with the numbers as registers write them, and the figures of one year."""
    facts = replace(
        facts,
        vat_number=rules.normal_vat(facts.vat_number),
        pic="".join(facts.pic.split()),
    )
    if not facts.years:
        return facts
    newest = max(facts.years, key=lambda one: one.year)
    return replace(
        facts,
        headcount=newest.headcount,
        turnover_eur=newest.turnover_eur,
        balance_eur=newest.balance_eur,
    )


def _check_facts(facts: OrganisationFacts, now: datetime) -> None:
    problems: list[Problem] = [
        *rules.related_problems(facts.related_enterprises),
        *rules.years_problems(facts.years, this_year=now.year),
    ]
    if not facts.name.strip():
        problems.append(
            Problem("name", "organisation.name.missing", _("Write the name of the organisation."))
        )
    if len(facts.country) != 2 or not facts.country.isascii() or not facts.country.isupper():
        problems.append(Problem("country", "organisation.country.unknown", _("Choose a country.")))
    if not 0 <= facts.public_share_percent <= 100:
        problems.append(
            Problem(
                "public_share_percent",
                "organisation.public_share_percent.range",
                _("Give a share from 0 to 100 per cent."),
            )
        )
    found = (rules.vat_problem(facts.vat_number, facts.country), rules.pic_problem(facts.pic))
    problems += [one for one in found if one is not None]
    if problems:
        raise Invalid(problems)


def _write_facts(organisation: Organisation, facts: OrganisationFacts, now: datetime) -> None:
    before = (organisation.vat_number, organisation.country)
    values = asdict(facts)
    for several in ("related_enterprises", "years"):
        values.pop(several)
    for name, value in values.items():
        setattr(organisation, name, value)
    is_same = before == (organisation.vat_number, organisation.country)
    if not is_same:
        _forget_answer(organisation)
    is_asked = not is_same or organisation.vat_state is not rules.VatState.VALID
    if is_asked:
        organisation.vat_question += 1
    organisation.save()
    RelatedEnterprise.objects.bulk_create(
        RelatedEnterprise(organisation=organisation, **asdict(other))
        for other in facts.related_enterprises
    )
    OrganisationYear.objects.bulk_create(
        OrganisationYear(organisation=organisation, **asdict(year)) for year in facts.years
    )
    if is_asked:
        _promise_question(organisation, failures=0, now=now, after=timedelta())


def _forget_answer(organisation: Organisation) -> None:
    organisation.vat_state, organisation.vat_checked_at = rules.VatState.UNKNOWN, None
    organisation.vat_name = organisation.vat_consultation = organisation.vat_reason = ""


def _promise_question(
    organisation: Organisation, *, failures: int, now: datetime, after: timedelta
) -> None:
    """Promise that the register is asked, where it is to be asked and knows the country's numbers."""
    number = organisation.vat_number
    if not (settings.UZINA.vat.is_asked and rules.is_in_register(organisation.country)):
        return
    if number:
        promise(
            "people.ask_vat",
            key=f"vat:{organisation.code}:{organisation.vat_question}",
            now=now,
            after=after,
            organisation=organisation.code,
            number=number,
            question=organisation.vat_question,
            failures=failures,
        )


@action
def note_vat_answer(
    code: str, answer: VatAnswer, *, number: str, question: int, failures: int, now: datetime
) -> Organisation:
    """Keep what the register said of an organisation's VAT number; ask again where it was nothing.

    An answer to an older question, or about a number that was changed meanwhile, changes nothing.
    A no is told to the representatives, who may have mistyped it; nobody is refused anything.
    """
    organisation: Organisation = Organisation.objects.select_for_update().get(code=code)
    if (organisation.vat_number, organisation.vat_question) != (number, question):
        return organisation

    _forget_answer(organisation)
    organisation.vat_checked_at = now
    match answer:
        case Valid():
            organisation.vat_state = rules.VatState.VALID
            organisation.vat_name = answer.name
            organisation.vat_consultation = answer.consultation
        case NotValid():
            organisation.vat_state = rules.VatState.NOT_VALID
            _ask_to_mend(organisation, now=now)
        case Unknown():
            organisation.vat_reason = answer.reason
            wait = rules.ask_again_after(failures + 1)
            if wait is not None:
                organisation.vat_question += 1
                _promise_question(organisation, failures=failures + 1, now=now, after=wait)
    organisation.save()
    log(
        "organisation.vat_checked",
        organisation.code,
        by=None,
        now=now,
        state=organisation.vat_state,
        consultation=organisation.vat_consultation,
        reason=organisation.vat_reason,
    )
    return organisation


def _ask_to_mend(organisation: Organisation, *, now: datetime) -> None:
    representatives = Affiliation.objects.filter(
        organisation=organisation, is_representative=True, person__is_active=True
    )
    for row in representatives.select_related("person").order_by("pk"):
        write_message(
            row.person,
            kind="people.vat_not_valid",
            facts={
                "organisation": organisation,
                "path": f"/organisations/{organisation.code}/change/",
            },
            about=organisation.code,
            key=f"vat.{organisation.code}.{organisation.vat_question}.{row.person.code}",
            now=now,
        )


def hold_organisations(ids: Collection[int]) -> list[Organisation]:
    """Lock organisations until the action that asks for it ends, in the order of their ids.

    For what is added up over several of them and must not be added up twice at once.
    """
    return list(Organisation.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
