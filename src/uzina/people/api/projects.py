"""The API of projects."""

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from uzina.core.paging import Page, paged
from uzina.people import queries
from uzina.people.models import Project
from uzina.people.types import SignedIn

router = Router(tags=["people"])


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
