"""Versions and their files."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404, HttpResponseBase, HttpResponseRedirect
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import access, actions, queries, rules
from uzina.catalogue.api.shared import Number, Slug, visible_dataset, visible_version
from uzina.catalogue.models import Version
from uzina.core.attachments import attachment
from uzina.core.inputs import Paragraphs
from uzina.people.types import SignedIn

router = Router()


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


def told(row: Version, *, sees_jobs: bool) -> Version:
    """Return a version as somebody may see it: without its job where they see none. Not to be saved."""
    if not sees_jobs:
        row.made_by_job = ""
    return row


class VersionOut(VersionSummary):
    manifest: list[FileOut]
    facts: dict[str, Any]
    derived_from: list[str]

    @staticmethod
    def resolve_facts(row: Version, context: dict[str, Any]) -> dict[str, Any]:
        is_shown = access.may_see_sample(context["request"].user, row, now=now())
        return row.facts if is_shown else {}

    @staticmethod
    def resolve_derived_from(row: Version, context: dict[str, Any]) -> list[str]:
        seen = queries.sources(row, seen_by=context["request"].user)
        return [one.reference for one in seen]


@router.post("/datasets/{slug}/versions", response={201: VersionOut})
def add_version(request: SignedIn, slug: Slug, body: VersionIn) -> Any:
    """Add a version of files whose bytes were sent before. It never changes afterwards."""
    version = actions.add_version(
        visible_dataset(request, slug),
        files=[one.model_dump() for one in body.files],
        note=body.note,
        by=request.user,
        now=now(),
    )
    return Status(201, version)


@router.get("/datasets/{slug}/versions/{number}", response=VersionOut)
def show_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """One version with its manifest, its digest and what it was made from."""
    found = visible_version(request, slug, number)
    told(found, sees_jobs=access.may_see_jobs(request.user, found.dataset))
    if found.facts:
        actions.begin_look(found, by=request.user, now=now())
    return found


@router.api_operation(
    ["GET", "HEAD"],
    "/datasets/{slug}/versions/{number}/files/{path:path}",
    operation_id="catalogue_download_file",
)
def download_file(
    request: SignedIn, slug: Slug, number: Number, path: Annotated[str, Field(max_length=4096)]
) -> HttpResponseBase:
    """The bytes of one file, whole or a range of them; or, 307, where the S3 gives them."""
    version = visible_version(request, slug, number)
    file = version.file(path)
    if file is None:
        raise Http404
    actions.begin_read(version, by=request.user, now=now())
    if away := queries.away_link(file, now=now()):
        return HttpResponseRedirect(away.url, preserve_request=True)
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: queries.contents(version, path, first=first, after=after),
    )
