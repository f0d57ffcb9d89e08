"""Bytes that people send."""

from collections.abc import Iterator
from typing import Annotated, Any

from django.http import Http404, HttpRequest, UnreadablePostError
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.catalogue import actions, queries, rules
from uzina.people.types import SignedIn

router = Router()


PIECE = 1 << 20


class BlobOut(Schema):
    sha256: str
    bytes: int


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
