"""Reads about projects."""

from collections.abc import Collection

from django.db.models import Q, QuerySet

from uzina.people import rules
from uzina.people.models import (
    Affiliation,
    Membership,
    Organisation,
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


def leads_of(project: Project) -> list[Person]:
    """Return who leads the project. One query."""
    leads = members_of(project).filter(kind=rules.MembershipKind.LEAD)
    return [member.person for member in leads]


def organisations_of_project(project: Project) -> QuerySet[Organisation]:
    """Return the organisations that the project's members belong to, and its own."""
    members = Membership.objects.filter(project=project).values("person")
    theirs = Affiliation.objects.filter(person__in=members).values("organisation")
    return Organisation.objects.filter(  # type: ignore[no-any-return]
        Q(pk__in=theirs) | Q(pk=project.organisation_id)
    ).order_by("name")


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


def fellows_of(ids: Collection[int]) -> dict[int, list[tuple[Person, str]]]:
    """Return with whom people share or shared a project, and its code, by person. Two queries."""
    mine = Membership.objects.filter(person__in=list(ids)).values_list("person", "project")
    of_project: dict[int, list[int]] = {}
    for person, project_id in mine.order_by("pk"):
        of_project.setdefault(project_id, []).append(person)
    found: dict[int, list[tuple[Person, str]]] = {one: [] for one in ids}
    rows = Membership.objects.filter(project__in=of_project).select_related("person", "project")
    for row in rows.order_by("pk"):
        for person in of_project[row.project_id]:
            if person != row.person_id:
                found[person].append((row.person, row.project.code))
    return found
