"""Reads about projects."""

from collections.abc import Collection

from django.db.models import QuerySet

from uzina.people.models import (
    Membership,
    Person,
    Project,
)


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


def projects_by_id(ids: Collection[int]) -> dict[int, Project]:
    """Return projects by their ids. One query."""
    return dict(Project.objects.in_bulk(list(ids)))


def project(code: str) -> Project | None:
    """Return the project with the code."""
    return Project.objects.select_related("organisation").filter(code=code).first()  # type: ignore[no-any-return]
