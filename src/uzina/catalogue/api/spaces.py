"""Spaces of projects and the files in them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpResponseBase
from django.utils.timezone import now
from ninja import Query, Router, Schema, Status
from pydantic import Field

from uzina.catalogue import access, rules
from uzina.catalogue.actions import filing, keeping
from uzina.catalogue.adapters import store
from uzina.catalogue.api.shared import Code, Number, Slug, visible_dataset, visible_version
from uzina.catalogue.api.versions import VersionOut
from uzina.catalogue.models import Purge, Space, Version
from uzina.catalogue.models.spaces import Item
from uzina.catalogue.queries import folders
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as own
from uzina.core.attachments import attachment
from uzina.core.errors import NotAllowed
from uzina.core.inputs import Paragraphs
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.types import SignedIn

router = Router()

Kind = Literal["scratch", "project", "dataset"]

SpacePath = Annotated[str, Field(max_length=rules.LONGEST_PATH)]

SpacePaths = Annotated[list[SpacePath], Field(min_length=1, max_length=own.MOST_AT_ONCE)]


class SpaceOut(Schema):
    project: str
    kind: str
    reference: str
    state: str
    byte_quota: int
    file_quota: int
    used_bytes: int
    used_files: int
    trash_bytes: int
    trash_files: int
    reserved_bytes: int
    reserved_files: int
    left_bytes: int
    left_files: int
    expires_at: datetime
    trashed_at: datetime | None
    gone_at: datetime | None
    unused_days: int | None
    allowed: list[str]

    @staticmethod
    def resolve_project(row: Space) -> str:
        return row.project.code

    @staticmethod
    def resolve_left_bytes(row: Space) -> int:
        return max(0, row.byte_quota - row.taken.bytes)

    @staticmethod
    def resolve_left_files(row: Space) -> int:
        return max(0, row.file_quota - row.taken.files)

    @staticmethod
    def resolve_gone_at(row: Space) -> datetime | None:
        return queries.gone_at(row) if row.trashed_at else None

    @staticmethod
    def resolve_unused_days(row: Space) -> int | None:
        return queries.keeping().scratch if row.kind is own.SpaceKind.SCRATCH else None

    @staticmethod
    def resolve_allowed(row: Space) -> list[str]:
        return [one for one in own.SPACE_FLOW.verbs(row.state) if one in {"trash", "restore"}]


class ItemOut(Schema):
    id: int
    path: str
    bytes: int
    sha256: str
    media_type: str
    put_at: datetime
    used_at: datetime
    trashed_at: datetime | None
    why: str


class FolderEntryOut(Schema):
    name: str
    path: str
    is_folder: bool
    bytes: int
    files: int
    changed_at: datetime
    ends_at: datetime | None


class FolderOut(Schema):
    path: str
    count: int
    entries: list[FolderEntryOut]


class PathsIn(Schema):
    paths: SpacePaths


class ItemIdsIn(Schema):
    ids: Annotated[
        list[Annotated[int, Field(ge=1, le=2**63 - 1)]],
        Field(min_length=1, max_length=own.MOST_AT_ONCE),
    ]


class ItemMoveIn(Schema):
    path: SpacePath
    to: SpacePath
    kind: Kind | None = None


class FolderVersionIn(Schema):
    path: SpacePath = ""
    dataset: Slug
    note: Annotated[Paragraphs, Field(max_length=rules.LONGEST_NOTE)] = ""


class FilesMoved(Schema):
    files: int


class PurgeIn(Schema):
    basis: Annotated[str, Field(max_length=24)]
    reason: Annotated[Paragraphs, Field(max_length=2000)]


class PurgeOut(Schema):
    version: str
    basis: str
    reason: str
    at: datetime

    @staticmethod
    def resolve_version(row: Purge) -> str:
        return row.version.reference


class MadeFromOut(Schema):
    reference: str
    kind: str
    made_by_job: str

    @staticmethod
    def resolve_kind(row: Version) -> str:
        return str(row.dataset.kind)


def _space(request: SignedIn, project: str, kind: str) -> Space:
    """Return a space the caller may see. Raises Http404."""
    rows = Space.objects.visible_to(request.user).select_related("project__organisation")
    found: Space | None = rows.filter(project__code=project, kind=kind).first()
    if found is None:
        raise Http404
    return found


def _readable(request: SignedIn, project: str, kind: str) -> Space:
    """Return a space whose files the caller may read. Raises Http404, NotAllowed."""
    space = _space(request, project, kind)
    if not access.may_read_space(request.user, space):
        raise NotAllowed(
            "space.read.not_yours",
            _("Only members of {project} can read its files."),
            project=space.project.code,
        )
    return space


@router.get("/spaces", response=Page[SpaceOut])
def list_spaces(
    request: SignedIn,
    project: Code = "",
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """The spaces one may see: how much each may hold, what is taken, and until when."""
    rows = Space.objects.visible_to(request.user).select_related("project")
    if project:
        rows = rows.filter(project__code=project.replace("\0", ""))
    return paged(rows, limit=limit, cursor=cursor)


@router.get("/spaces/{project}/{kind}", response=SpaceOut)
def show_space(request: SignedIn, project: Code, kind: Kind) -> Any:
    """One space."""
    return _space(request, project, kind)


@router.get("/spaces/{project}/{kind}/folder", response=FolderOut)
def show_folder(
    request: SignedIn,
    project: Code,
    kind: Kind,
    path: SpacePath = "",
    q: Annotated[str, Field(max_length=200)] = "",
    sort: folders.Sort = "name",
    first: Annotated[int, Query(ge=0, le=10**9)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> Any:
    """What is in a folder, folders first; with q, the files below it whose path has the words."""
    space = _readable(request, project, kind)
    own.check_path(path, may_be_whole=True)
    words = q.replace("\0", "")
    found = folders.listing(space, path, sort=sort, words=words, first=first, most=limit)
    return {"path": path, "count": found.count, "entries": found.entries}


@router.get("/spaces/{project}/{kind}/items", response=Page[ItemOut])
def list_items(
    request: SignedIn,
    project: Code,
    kind: Kind,
    path: SpacePath = "",
    is_trashed: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Annotated[str, Field(pattern=r"^\d{0,18}$")] = "",
) -> Any:
    """Every file at a path or below it, with its checksum; or what lies in the trash.

    In the order they came, up to 1,000 at once: a folder here is compared with one there.
    """
    space = _readable(request, project, kind)
    own.check_path(path, may_be_whole=True)
    rows = Item.objects.filter(space=space, trashed_at__isnull=not is_trashed)
    after = queries.at_or_below(rows, path).filter(pk__gt=int(cursor or 0)).order_by("pk")
    found = list(after[: limit + 1])
    more = str(found[limit - 1].pk) if len(found) > limit else None
    return {"items": found[:limit], "next": more}


@router.get("/spaces/{project}/{kind}/files/{path:path}")
def download_item(
    request: SignedIn, project: Code, kind: Kind, path: SpacePath
) -> HttpResponseBase:
    """The bytes of one file, whole or a range of them."""
    space = _readable(request, project, kind)
    item = queries.item(space, path)
    if item is None:
        raise Http404
    filing.note_use(space, [path], now=now())
    return attachment(
        request,
        path=item.path,
        size=item.bytes,
        sha256=item.sha256,
        media_type=item.media_type,
        pieces=lambda first, after: store().open(item.sha256, first=first, after=after),
    )


@router.post("/spaces/{project}/{kind}/trash", response=FilesMoved)
def trash_items(request: SignedIn, project: Code, kind: Kind, body: PathsIn) -> Any:
    """Move files and whole folders to the trash."""
    space = _space(request, project, kind)
    return {"files": filing.trash(space, body.paths, by=request.user, now=now())}


@router.post("/spaces/{project}/{kind}/restore", response=FilesMoved)
def restore_items(request: SignedIn, project: Code, kind: Kind, body: ItemIdsIn) -> Any:
    """Take files out of the trash, to where they were."""
    space = _space(request, project, kind)
    return {"files": len(filing.restore(space, body.ids, by=request.user, now=now()))}


@router.post("/spaces/{project}/{kind}/move", response=FilesMoved)
def move_items(request: SignedIn, project: Code, kind: Kind, body: ItemMoveIn) -> Any:
    """Give a file or folder another path, or another space of the project."""
    space = _space(request, project, kind)
    into = _space(request, project, body.kind) if body.kind else None
    count = filing.move(space, body.path, to=body.to, into=into, by=request.user, now=now())
    return {"files": count}


@router.post("/spaces/{project}/{kind}/empty-trash", response=FilesMoved)
def empty_trash(request: SignedIn, project: Code, kind: Kind) -> Any:
    """Delete for good what is in the trash. For leads and operators."""
    space = _space(request, project, kind)
    return {"files": keeping.empty_trash(space, by=request.user, now=now())}


@router.post("/spaces/{project}/{kind}/trash-all", response=SpaceOut)
def trash_space(request: SignedIn, project: Code, kind: Kind) -> Any:
    """Put a whole space into the trash. For leads and operators."""
    return keeping.trash_space(_space(request, project, kind), by=request.user, now=now())


@router.post("/spaces/{project}/{kind}/restore-all", response=SpaceOut)
def restore_space(request: SignedIn, project: Code, kind: Kind) -> Any:
    """Take a whole space out of the trash. For leads and operators."""
    return keeping.restore_space(_space(request, project, kind), by=request.user, now=now())


@router.post("/spaces/{project}/{kind}/version", response={201: VersionOut})
def add_folder_version(request: SignedIn, project: Code, kind: Kind, body: FolderVersionIn) -> Any:
    """Make a dataset version of a folder. Nothing is copied: the version names the same bytes."""
    version = filing.add_version_of_folder(
        _space(request, project, kind),
        body.path,
        dataset=visible_dataset(request, body.dataset),
        note=body.note,
        by=request.user,
        now=now(),
    )
    return Status(201, version)


@router.get("/datasets/{slug}/versions/{number}/made-from", response=list[MadeFromOut])
def list_made_from(request: SignedIn, slug: Slug, number: Number) -> Any:
    """Every version made from this one, directly or not, as far as one may see: data and models."""
    version = visible_version(request, slug, number)
    seen = Version.objects.visible_to(request.user).values_list("pk", flat=True)
    made = queries.made_from(version)
    kept = set(seen.filter(pk__in=[one.pk for one in made]))
    return [one for one in made if one.pk in kept]


@router.post("/datasets/{slug}/versions/{number}/purge", response=PurgeOut)
def purge_version(request: SignedIn, slug: Slug, number: Number, body: PurgeIn) -> Any:
    """Give up the bytes of a version, on a legal basis. The version and its lineage stay.

    basis: erasure, retention, rights, order or no_need.
    """
    return keeping.purge_version(
        visible_version(request, slug, number),
        basis=body.basis,
        reason=body.reason,
        by=request.user,
        now=now(),
    )
