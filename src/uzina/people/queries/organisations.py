"""Reads about organisations."""

from collections.abc import Collection
from typing import Any

from django.db.models import QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext

from uzina.people import rules
from uzina.people.models import (
    Affiliation,
    Organisation,
    Person,
    RelatedEnterprise,
)


def organisations_of(person: Person) -> QuerySet[Organisation]:
    """Return the organisations the person is affiliated with."""
    return Organisation.objects.filter(affiliations__person=person).order_by("name")  # type: ignore[no-any-return]


def represents(person: Person, organisation: Organisation) -> bool:
    """Tell whether the person may apply in the organisation's name."""
    return Affiliation.objects.filter(
        person=person, organisation=organisation, is_representative=True
    ).exists()


def representatives_of(organisation: Organisation) -> list[Person]:
    """Return the active people who may act in the organisation's name, by name. One query."""
    rows = Affiliation.objects.filter(
        organisation=organisation, is_representative=True, person__is_active=True
    )
    return [row.person for row in rows.select_related("person").order_by("person__name", "pk")]


def is_affiliated(person: Person, organisation: Organisation) -> bool:
    """Tell whether the person belongs to the organisation (a conflict of interest, for one)."""
    return Affiliation.objects.filter(person=person, organisation=organisation).exists()


def sized(organisation: Organisation) -> rules.Sized:
    """Return the organisation's size class and why, related enterprises included. Two queries."""
    return rules.size_over(
        years_of(organisation),
        related=related_of(organisation),
        public_share_percent=organisation.public_share_percent,
    )


def years_of(organisation: Organisation) -> list[rules.Year]:
    """Return the figures of its closed years; of no known year where none were given."""
    return [
        rules.Year(row.year, row.headcount, row.turnover_eur, row.balance_eur, row.is_estimate)
        for row in organisation.years.all()
    ] or [
        rules.Year(0, organisation.headcount, organisation.turnover_eur, organisation.balance_eur)
    ]


def size_reasons(sized: rules.Sized) -> list[str]:
    """Return why the size is as it is, in the language at hand."""
    return [
        gettext(reason.message).format(
            **{name: _shown(name, value) for name, value in reason.facts.items()}
        )
        for reason in sized.reasons
    ]


def _shown(name: str, value: Any) -> str:
    if name == "year":
        return str(value or gettext("Last closed year"))
    if isinstance(value, rules.SizeClass):
        return gettext(value.label)
    return number_format(value, 0, force_grouping=True) if isinstance(value, int) else str(value)


def related_of(organisation: Organisation) -> list[rules.Related]:
    """Return the organisation's partner and linked enterprises."""
    return [
        rules.Related(
            row.name,
            rules.Relation(row.relation),
            row.share_percent,
            row.headcount,
            row.turnover_eur,
            row.balance_eur,
        )
        for row in organisation.related_enterprises.all()
    ]


def organisations_by_person(ids: Collection[int]) -> dict[int, list[Organisation]]:
    """Return the organisations of several people, by the id of the person. One query."""
    found: dict[int, list[Organisation]] = {one: [] for one in ids}
    rows = Affiliation.objects.filter(person__in=list(ids)).select_related("organisation")
    for row in rows.order_by("pk"):
        found[row.person_id].append(row.organisation)
    return found


def linked_names(ids: Collection[int]) -> dict[int, list[str]]:
    """Return the names of the linked enterprises of organisations, by organisation. One query."""
    found: dict[int, list[str]] = {one: [] for one in ids}
    rows = RelatedEnterprise.objects.filter(
        organisation__in=list(ids), relation=rules.Relation.LINKED
    )
    for row in rows.order_by("pk"):
        found[row.organisation_id].append(row.name)
    return found


def names_and_links() -> tuple[dict[int, str], dict[int, list[str]]]:
    """Return every organisation's name, and the names of the enterprises it says it is linked with.

    Both by id: who is one undertaking with whom is told from them. Two queries.
    """
    names = dict(Organisation.objects.values_list("pk", "name"))
    linked: dict[int, list[str]] = {}
    rows = RelatedEnterprise.objects.filter(relation=rules.Relation.LINKED)
    for pk, name in rows.values_list("organisation", "name"):
        linked.setdefault(pk, []).append(name)
    return names, linked
