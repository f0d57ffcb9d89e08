"""Links by which the files of a version are fetched for a short time."""

from datetime import datetime
from typing import Annotated, Any

from django.conf import settings
from django.http import Http404
from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import Field

from uzina.catalogue import actions, queries, rules
from uzina.catalogue.api.shared import Number, Slug, visible_version
from uzina.people.types import SignedIn

router = Router()

Path = Annotated[str, Field(max_length=4096)]


class LinksIn(Schema):
    paths: Annotated[list[Path], Field(min_length=1, max_length=1000)]


class LinkOut(Schema):
    path: str
    bytes: int
    sha256: str
    url: str
    expires_at: datetime


@router.post("/datasets/{slug}/versions/{number}/links", response=list[LinkOut])
def make_links(request: SignedIn, slug: Slug, number: Number, body: LinksIn) -> Any:
    """Addresses of some files of a version that need no token, for a quarter of an hour.

    They take ranges. What they give is bound to who asked: a permission that ends, ends them.
    """
    version = visible_version(request, slug, number)
    files = {one.path: one for one in version.files}
    if any(path not in files for path in body.paths):
        raise Http404
    moment = now()
    actions.begin_read(version, by=request.user, now=moment)
    links = {
        path: queries.link(
            version, files[path], person=request.user, base=settings.UZINA.site.url, now=moment
        )
        for path in body.paths
    }
    return [_link(files[path], links[path].url, links[path].expires_at) for path in body.paths]


def _link(file: rules.File, url: str, expires_at: datetime) -> dict[str, Any]:
    return {
        "path": file.path,
        "bytes": file.bytes,
        "sha256": file.sha256,
        "url": url,
        "expires_at": expires_at,
    }
