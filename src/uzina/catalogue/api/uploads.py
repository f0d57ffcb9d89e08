"""Bytes that people send: in one request, or in parts that survive whatever ends the sending."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import Http404, HttpRequest, UnreadablePostError
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Query, Router, Schema, Status
from pydantic import Field

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.api.shared import Code
from uzina.catalogue.models import Upload
from uzina.core.errors import Refused
from uzina.people.types import SignedIn

router = Router()


PIECE = 1 << 18
MOST_READ_AWAY = 64 << 20
"""Bytes of a refused part that are still read, so that its sender sees why before it gives up."""


class BlobOut(Schema):
    sha256: str
    bytes: int


class UploadIn(Schema):
    name: Annotated[str, Field(max_length=4096)]
    bytes: Annotated[int, Field(ge=0, le=rules.LARGEST_FILE)]
    sha256: Annotated[str, Field(max_length=64)] = ""
    purpose: Annotated[str, Field(max_length=10)] = "dataset"
    space: Annotated[str, Field(max_length=40)] = ""


class UploadEndIn(Schema):
    sha256: Annotated[str, Field(max_length=64)] = ""


class UploadPartOut(Schema):
    number: int
    bytes: int
    checksum: str
    tag: str


class UploadReasonOut(Schema):
    code: str
    detail: str


class UploadSummary(Schema):
    code: str
    name: str
    bytes: int
    sha256: str
    purpose: str
    space: str
    state: str
    part_bytes: int
    part_count: int
    checked_bytes: int
    is_direct: bool
    reason: UploadReasonOut | None
    expires_at: datetime | None

    @staticmethod
    def resolve_part_count(row: Upload) -> int:
        return queries.incoming(row).part_count if row.part_bytes else 1

    @staticmethod
    def resolve_is_direct(row: Upload) -> bool:  # noqa: ARG004 - ninja asks by name
        return queries.is_direct()

    @staticmethod
    def resolve_reason(row: Upload) -> dict[str, str] | None:
        told = row.reason
        if not told:
            return None
        return {"code": told["code"], "detail": gettext(told["message"]).format(**told["facts"])}


class UploadOut(UploadSummary):
    parts: list[UploadPartOut]

    @staticmethod
    def resolve_parts(row: Upload) -> list[Any]:
        return queries.parts(row)


class PartLinkOut(Schema):
    number: int
    url: str
    expires_at: datetime


def own_upload(request: SignedIn, code: str) -> Upload:
    """Return one's own upload. Raises Http404."""
    found: Upload = get_object_or_404(
        Upload.objects.visible_to(request.user).select_related("person"), code=code
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


@router.post("/uploads", response={201: UploadOut})
def begin_upload(request: SignedIn, body: UploadIn) -> Any:
    """Begin to send a file in parts: the room for it is set aside, the parts are decided.

    Send no Idempotency-Key: an upload that was begun twice is aborted or expires.
    """
    row = actions.begin_upload(
        name=body.name,
        size=body.bytes,
        sha256=body.sha256,
        purpose=body.purpose,
        space=body.space,
        by=request.user,
        now=now(),
    )
    return Status(201, row)


@router.get("/uploads", response=list[UploadSummary])
def list_uploads(request: SignedIn) -> Any:
    """One's own uploads that are on their way, the newest first."""
    return Upload.objects.visible_to(request.user).open().order_by("-pk")


@router.get("/uploads/{code}", response=UploadOut)
def show_upload(request: SignedIn, code: Code) -> Any:
    """One upload: where it stands, and the parts that have arrived."""
    return own_upload(request, code)


@router.put("/uploads/{code}/parts/{number}", response=UploadPartOut)
def send_part(
    request: SignedIn, code: Code, number: Annotated[int, Field(ge=1, le=100_000)]
) -> Any:
    """Send one part as the raw body, in any order, again if need be.

    With its checksum in X-Part-CRC32 (eight digits 0 to 9 and a to f) or Content-Digest (sha-256).
    """
    body = _body(request)
    try:
        return actions.put_part(
            own_upload(request, code),
            number,
            body,
            checksum=rules.parse_checksum(
                crc32=request.headers.get("X-Part-CRC32", ""),
                digest=request.headers.get("Content-Digest", ""),
            ),
            by=request.user,
            now=now(),
        )
    except (Refused, Http404):
        _read_away(body)
        raise


def _read_away(body: Iterator[bytes]) -> None:
    count = 0
    for piece in body:
        count += len(piece)
        if count > MOST_READ_AWAY:
            return


@router.get("/uploads/{code}/links", response=list[PartLinkOut])
def part_links(
    request: SignedIn,
    code: Code,
    first: Annotated[int, Query(ge=1, le=100_000)] = 1,
    count: Annotated[int, Query(ge=1, le=100)] = 100,
) -> Any:
    """Where parts go: addresses of the S3 with their permission in them, or this API's own.

    Parts that go to the S3 need no token and no checksum; send Content-Type
    application/octet-stream.
    """
    row = own_upload(request, code)
    return queries.part_links(row, first, count, base=settings.UZINA.site.url, now=now())


@router.post("/uploads/{code}/complete", response={200: UploadOut, 202: UploadOut})
def complete_upload(request: SignedIn, code: Code, body: UploadEndIn) -> Any:
    """Say that all parts are there. The whole is checked: its count, its sizes, its SHA-256.

    202 and "checking" for a large file that has to be read once more: ask again until it is
    "kept" or "stopped". Send no Idempotency-Key: completing again is harmless.
    """
    row = actions.complete(
        own_upload(request, code), sha256=body.sha256, by=request.user, now=now()
    )
    return Status(202 if row.state is rules.UploadState.CHECKING else 200, row)


@router.delete("/uploads/{code}", response={204: None})
def abort_upload(request: SignedIn, code: Code) -> Any:
    """Throw away what has arrived of an upload."""
    actions.abort(own_upload(request, code), by=request.user, now=now())
    return Status(204, None)
