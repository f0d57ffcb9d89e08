"""Files that belong to applications."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponseBase, UnreadablePostError
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Query, Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.applications import visible_application
from uzina.calls.api.shared import Code, Slug, words
from uzina.calls.models import Application, Document
from uzina.calls.rules import documents
from uzina.core.attachments import attachment
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class DocumentOut(Schema):
    """A file as it was kept; its type is what its content says."""

    code: str
    slug: str
    name: str
    media_type: str
    size: int
    sha256: str
    sent_at: datetime


class AskedOut(Schema):
    """A document that the call asks for, with the file that is there."""

    slug: str
    title: str
    is_required: bool
    kinds: list[str]
    most_mib: int
    document: DocumentOut | None


@router.get("/applications/{code}/documents", response=list[AskedOut])
def list_documents(request: SignedIn, code: Code) -> list[AskedOut]:
    """The documents that the call asks for, and those that are there."""
    application = visible_application(request, code)
    by_slug = {one.slug: one for one in queries.attached(application)}
    return [
        AskedOut(
            slug=spec.slug,
            title=words(spec.title),
            is_required=spec.is_required,
            kinds=list(spec.types),
            most_mib=spec.most_mib,
            document=DocumentOut.from_orm(by_slug[spec.slug]) if spec.slug in by_slug else None,
        )
        for spec in application.call.mode.documents
    ]


@router.put("/applications/{code}/documents/{slug}", response={201: DocumentOut})
def attach_document(
    request: SignedIn,
    code: Code,
    slug: Slug,
    name: Annotated[str, Field(max_length=300)] = Query(...),
) -> Any:
    """Send a file as the raw body. It takes the place of an earlier one."""
    application = visible_application(request, code)
    most = queries.most_mib(application, slug)
    with actions.received(_body(request), most_mib=most) as file:
        document = actions.attach(
            application, slug=slug, name=name, file=file, by=request.user, now=now()
        )
    return Status(201, document)


def _body(request: HttpRequest) -> Iterator[bytes]:
    """Return the body in pieces; a connection that breaks is no file."""
    try:
        while piece := request.read(documents.PIECE):
            yield piece
    except UnreadablePostError:
        return


def _visible_document(request: SignedIn, code: str) -> Document:
    visible = Application.objects.visible_to(request.user)
    found: Document = get_object_or_404(
        Document.objects.filter(application__in=visible, removed_at__isnull=True).select_related(
            "application__call"
        ),
        code=code,
    )
    return found


@router.get("/documents/{code}/content")
def show_document_content(request: SignedIn, code: Code) -> HttpResponseBase:
    """The bytes of a file, whole or the range asked for; to those who see the application."""
    found = _visible_document(request, code)
    return attachment(
        request,
        path=found.name,
        size=found.size,
        sha256=found.sha256,
        media_type=found.media_type,
        pieces=lambda first, after: queries.pieces(found, first, after),
    )


@router.delete("/documents/{code}", response={204: None})
def remove_document(request: SignedIn, code: Code) -> Any:
    """Take a file out of a draft."""
    actions.detach(_visible_document(request, code), by=request.user, now=now())
    return Status(204, None)
