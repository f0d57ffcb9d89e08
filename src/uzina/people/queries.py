"""Reads worth a name."""

import hashlib
from collections.abc import Collection
from datetime import datetime

from django.db.models import QuerySet

from uzina.people import rules
from uzina.people.models import (
    Affiliation,
    ApiToken,
    Membership,
    Organisation,
    Person,
    Project,
    Role,
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


def projects_of(person: Person) -> QuerySet[Project]:
    """Return the projects the person takes part in, newest first."""
    return Project.objects.filter(memberships__person=person).order_by("-pk")  # type: ignore[no-any-return]


def members_of(project: Project) -> QuerySet[Membership]:
    """Return the project's memberships with their people, leads first."""
    return (
        Membership.objects.filter(project=project)
        .select_related("person")
        .order_by("kind", "person__name")
    )


def people_in(projects: Collection[int]) -> QuerySet[Person]:
    """Return the active people who take part in any of the projects, each once."""
    members = Membership.objects.filter(project__in=projects).values("person")
    return Person.objects.filter(is_active=True, pk__in=members).order_by("pk")  # type: ignore[no-any-return]


def person(code: str) -> Person | None:
    """Return the person of a code."""
    return Person.objects.filter(code=code).first()  # type: ignore[no-any-return]


def person_by_email(email: str) -> Person | None:
    """Return the person who signs in with the address, in any case."""
    return Person.objects.filter(email__iexact=email).first()  # type: ignore[no-any-return]


def people_with_role(kind: rules.RoleKind) -> QuerySet[Person]:
    """Return the active people who have the role."""
    holders = Role.objects.filter(kind=kind).values("person")
    return Person.objects.filter(is_active=True, pk__in=holders).order_by("name")  # type: ignore[no-any-return]


def projects_by_id(ids: Collection[int]) -> dict[int, Project]:
    """Return projects by their ids. One query."""
    return dict(Project.objects.in_bulk(list(ids)))


def project(code: str) -> Project | None:
    """Return the project with the code."""
    return Project.objects.select_related("organisation").filter(code=code).first()  # type: ignore[no-any-return]


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


def token_holder(secret: str, *, now: datetime) -> Person | None:
    """Return who acts through the token, None when it is unknown, expired or revoked."""
    digest = hashlib.sha256(secret.encode()).hexdigest()
    token = (
        ApiToken.objects.select_related("person")
        .filter(digest=digest, revoked_at=None, expires_at__gt=now, person__is_active=True)
        .first()
    )
    if token is None:
        return None
    token.person.via = token.code
    return token.person
