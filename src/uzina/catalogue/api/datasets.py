"""Datasets."""

from datetime import datetime
from typing import Annotated, Any

from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import access, actions, rules
from uzina.catalogue.api.shared import Code, Slug, visible_dataset, visible_datasets
from uzina.catalogue.api.versions import VersionSummary, told
from uzina.catalogue.models import Dataset, Version
from uzina.core.errors import Invalid, Problem
from uzina.core.inputs import Line, Paragraphs
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.models import Organisation, Project
from uzina.people.types import SignedIn

router = Router()


class DatasetIn(Schema):
    slug: Slug
    title: Line
    description: Paragraphs
    licence: Annotated[str, Field(max_length=40)]
    languages: Annotated[
        list[Annotated[str, Field(max_length=20)]], Field(max_length=rules.MOST_LANGUAGES)
    ]
    project: Code = ""
    holder: Code = ""


class DatasetOut(Schema):
    slug: str
    title: str
    description: str
    licence: str
    languages: list[str]
    holder: str
    project: str
    state: str
    made_at: datetime
    published_at: datetime | None
    versions: int
    allowed: list[str]

    @staticmethod
    def resolve_licence(row: Dataset) -> str:
        return row.licence.slug

    @staticmethod
    def resolve_languages(row: Dataset) -> list[str]:
        return row.language_codes

    @staticmethod
    def resolve_holder(row: Dataset) -> str:
        return row.holder.name

    @staticmethod
    def resolve_project(row: Dataset) -> str:
        return row.project.code if row.project else ""

    @staticmethod
    def resolve_versions(row: Dataset) -> int:
        return len(row.versions.all())

    @staticmethod
    def resolve_allowed(row: Dataset) -> list[str]:
        return rules.DATASET.verbs(row.state)


class DatasetDetail(DatasetOut):
    version_list: list[VersionSummary]

    @staticmethod
    def resolve_version_list(row: Dataset, context: dict[str, Any]) -> list[Version]:
        sees_jobs = access.may_see_jobs(context["request"].user, row)
        rows = sorted(row.versions.all(), key=lambda one: -one.number)
        return [told(one, sees_jobs=sees_jobs) for one in rows]


class Withdrawal(Schema):
    reason: Paragraphs


@router.get("/datasets", response=Page[DatasetOut])
def list_datasets(
    request: SignedIn,
    q: Annotated[str, Field(max_length=200)] = "",
    language: Annotated[str, Field(max_length=20)] = "",
    licence: Annotated[str, Field(max_length=40)] = "",
    project: Code = "",
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """Datasets one may see, newest first; q looks in name, title and description."""
    rows = visible_datasets(request).about(q.replace("\0", ""))
    if language:
        rows = rows.in_language(language.replace("\0", ""))
    if licence:
        rows = rows.filter(licence__slug=licence.replace("\0", ""))
    if project:
        rows = rows.filter(project__code=project.replace("\0", ""))
    return paged(rows, limit=limit, cursor=cursor)


@router.post("/datasets", response={201: DatasetOut})
def register_dataset(request: SignedIn, body: DatasetIn) -> Any:
    """Describe a new dataset: a draft, seen by the members of its project."""
    project, holder = _owner(request, body)
    actions.register_dataset(
        slug=body.slug,
        title=body.title,
        description=body.description,
        licence=body.licence,
        languages=body.languages,
        holder=holder,
        project=project,
        by=request.user,
        now=now(),
    )
    return Status(201, visible_dataset(request, body.slug))


def _owner(request: SignedIn, body: DatasetIn) -> tuple[Project | None, Organisation]:
    """Return the project and the holder a client named, from among those it may see."""
    if body.project:
        project = Project.objects.visible_to(request.user).filter(code=body.project).first()
        if project is None:
            raise Invalid([_not_there("project", body.project)])
        return project, project.organisation
    holder = Organisation.objects.visible_to(request.user).filter(code=body.holder).first()
    if holder is None:
        raise Invalid([_not_there("holder", body.holder)])
    return None, holder


def _not_there(field: str, given: str) -> Problem:
    return Problem(
        field,
        f"dataset.{field}.unknown",
        _("Name a project, or an organisation as holder, that you belong to; {given!r} is none."),
        {"given": given},
    )


@router.get("/datasets/{slug}", response=DatasetDetail)
def show_dataset(request: SignedIn, slug: Slug) -> Any:
    """One dataset with its versions, newest first."""
    return visible_dataset(request, slug)


@router.post("/datasets/{slug}/publish", response=DatasetOut)
def publish_dataset(request: SignedIn, slug: Slug) -> Any:
    """Let everybody see a draft and its versions."""
    actions.publish(visible_dataset(request, slug), by=request.user, now=now())
    return visible_dataset(request, slug)


@router.post("/datasets/{slug}/withdraw", response=DatasetOut)
def withdraw_dataset(request: SignedIn, slug: Slug, body: Withdrawal) -> Any:
    """Take a dataset out of sight and out of new jobs."""
    dataset = visible_dataset(request, slug)
    actions.withdraw(dataset, reason=body.reason, by=request.user, now=now())
    return _visible_or_gone(request, dataset)


def _visible_or_gone(request: SignedIn, dataset: Dataset) -> Dataset:
    """Return the dataset as it is now, even when the answer is the last the person sees of it."""
    found: Dataset = (
        Dataset.objects.select_related("licence", "holder", "project")
        .prefetch_related("versions")
        .get(pk=dataset.pk)
    )
    return found
