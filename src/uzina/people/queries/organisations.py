"""Reads about organisations."""

from collections.abc import Collection

from django.db.models import QuerySet

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


def is_affiliated(person: Person, organisation: Organisation) -> bool:
    """Tell whether the person belongs to the organisation (a conflict of interest, for one)."""
    return Affiliation.objects.filter(person=person, organisation=organisation).exists()


def sized(organisation: Organisation) -> rules.Sized:
    """Return the organisation's size class, related enterprises included. One query."""
    return rules.size_class(
        organisation.headcount,
        organisation.turnover_eur,
        organisation.balance_eur,
        related_of(organisation),
    )


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
