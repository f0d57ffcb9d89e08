"""The API of datasets, their versions and their bytes."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpRequest, HttpResponseBase, UnreadablePostError
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.models import Dataset, Version
from uzina.core.attachments import attachment
from uzina.core.errors import Invalid, Problem
from uzina.core.inputs import Line, Paragraphs
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.models import Organisation, Project
from uzina.people.types import SignedIn

router = Router(tags=["catalogue"])

PIECE = 1 << 20
Slug = Annotated[str, Field(max_length=63)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Code = Annotated[str, Field(max_length=16)]


class LicenceOut(Schema):
    slug: str
    spdx: str
    eu_uri: str
    url: str
    title_en: str
    title_ro: str
    plain_en: str
    plain_ro: str


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


class FileIn(Schema):
    path: Annotated[str, Field(max_length=4096)]
    bytes: Annotated[int, Field(ge=0, le=rules.LARGEST_FILE)]
    sha256: Annotated[str, Field(max_length=64)]
    media_type: Annotated[str, Field(max_length=130)] = ""


class FileOut(Schema):
    path: str
    bytes: int
    sha256: str
    media_type: str


class VersionIn(Schema):
    files: Annotated[list[FileIn], Field(max_length=rules.MOST_FILES)]
    note: Annotated[Paragraphs, Field(max_length=rules.LONGEST_NOTE)] = ""


class VersionSummary(Schema):
    dataset: str
    number: int
    reference: str
    digest: str
    bytes: int
    file_count: int
    note: str
    made_by_job: str
    created_at: datetime

    @staticmethod
    def resolve_dataset(row: Version) -> str:
        return row.dataset.slug


class VersionOut(VersionSummary):
    manifest: list[FileOut]
    facts: dict[str, Any]
    derived_from: list[str]

    @staticmethod
    def resolve_derived_from(row: Version, context: dict[str, Any]) -> list[str]:
        seen = queries.sources(row, seen_by=context["request"].user)
        return [one.reference for one in seen]


class DatasetDetail(DatasetOut):
    version_list: list[VersionSummary]

    @staticmethod
    def resolve_version_list(row: Dataset) -> list[Version]:
        return sorted(row.versions.all(), key=lambda one: -one.number)


class BlobOut(Schema):
    sha256: str
    bytes: int


class Withdrawal(Schema):
    reason: Paragraphs


def _visible(request: SignedIn) -> Any:
    return (
        Dataset.objects.visible_to(request.user)
        .filter(kind=rules.DatasetKind.DATA)
        .select_related("licence", "holder", "project")
        .prefetch_related("versions__dataset")
    )


def _dataset(request: SignedIn, slug: str) -> Dataset:
    found: Dataset = get_object_or_404(_visible(request), slug=slug)
    return found


def _version(request: SignedIn, slug: str, number: int) -> Version:
    found: Version = get_object_or_404(
        Version.objects.visible_to(request.user)
        .filter(dataset__kind=rules.DatasetKind.DATA)
        .whole(),
        dataset__slug=slug,
        number=number,
    )
    return found


@router.get("/licences", response=list[LicenceOut], auth=None)
def list_licences(request: HttpRequest) -> Any:
    """The licences a dataset can be under, each in plain words."""
    return queries.licences()


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
    rows = _visible(request).about(q.replace("\0", ""))
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
    return Status(201, _dataset(request, body.slug))


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
    return _dataset(request, slug)


@router.post("/datasets/{slug}/publish", response=DatasetOut)
def publish_dataset(request: SignedIn, slug: Slug) -> Any:
    """Let everybody see a draft and its versions."""
    actions.publish(_dataset(request, slug), by=request.user, now=now())
    return _dataset(request, slug)


@router.post("/datasets/{slug}/withdraw", response=DatasetOut)
def withdraw_dataset(request: SignedIn, slug: Slug, body: Withdrawal) -> Any:
    """Take a dataset out of sight and out of new jobs."""
    dataset = _dataset(request, slug)
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


@router.put("/blobs/{sha256}", response={201: BlobOut})
def upload_blob(request: SignedIn, sha256: Annotated[str, Field(max_length=64)]) -> Any:
    """Send the bytes of one file, as the raw body, to the address that ends in their SHA-256."""
    length = request.headers.get("Content-Length", "")
    size = int(length) if length.isascii() and length.isdigit() and len(length) < 19 else -1
    row = actions.upload(sha256, _body(request), size=size, by=request.user, now=now())
    return Status(201, {"sha256": row.sha256, "bytes": row.bytes})


def _body(request: HttpRequest) -> Iterator[bytes]:
    """Return the body in pieces; a connection that breaks ends it early, and the count tells."""
    try:
        while piece := request.read(PIECE):
            yield piece
    except UnreadablePostError:
        return


@router.get("/blobs/{sha256}", response=BlobOut)
def show_blob(request: SignedIn, sha256: Annotated[str, Field(max_length=64)]) -> Any:
    """Tell whether one's own upload of these bytes has arrived, so that it need not be repeated."""
    size = queries.has_blob(request.user, sha256) if rules.SHA256.fullmatch(sha256) else None
    if size is None:
        raise Http404
    return {"sha256": sha256, "bytes": size}


@router.post("/datasets/{slug}/versions", response={201: VersionOut})
def add_version(request: SignedIn, slug: Slug, body: VersionIn) -> Any:
    """Add a version of files whose bytes were sent before. It never changes afterwards."""
    version = actions.add_version(
        _dataset(request, slug),
        files=[one.model_dump() for one in body.files],
        note=body.note,
        by=request.user,
        now=now(),
    )
    return Status(201, version)


@router.get("/datasets/{slug}/versions/{number}", response=VersionOut)
def show_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """One version with its manifest, its digest and what it was made from."""
    return _version(request, slug, number)


@router.get("/datasets/{slug}/versions/{number}/files/{path:path}")
def download_file(
    request: SignedIn, slug: Slug, number: Number, path: Annotated[str, Field(max_length=4096)]
) -> HttpResponseBase:
    """The bytes of one file, whole or a range of them."""
    version = _version(request, slug, number)
    file = version.file(path)
    if file is None:
        raise Http404
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: queries.contents(version, path, first=first, after=after),
    )
