"""Files that belong to applications."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from uzina.calls.models import Application, Document
from uzina.calls.queries.applications import answers_of
from uzina.calls.rules import documents, drafts


def attached(application: Application) -> QuerySet[Document]:
    """Return the files that an application has now, in order of their arrival."""
    return application.documents.filter(removed_at__isnull=True).order_by("pk")


def attached_slugs(application: Application) -> set[str]:
    """Return which of the documents that the mode asks for are there. One query where it asks."""
    if not application.call.mode.documents:
        return set()
    return set(attached(application).values_list("slug", flat=True))


def exported(application: Application, *, now: datetime) -> dict[str, Any]:
    """Return the whole application as data, in the form that import_draft takes in again."""
    call = application.call
    return {
        "format": drafts.FORMAT,
        "code": application.code,
        "call": call.slug,
        "mode": {"slug": call.mode.slug, "version": call.mode.version},
        "organisation": {
            "code": application.organisation.code,
            "name": application.organisation.name,
        },
        "title": application.title,
        "state": str(application.state),
        "made_at": application.made_at.isoformat(),
        "submitted_at": application.submitted_at and application.submitted_at.isoformat(),
        "exported_at": now.isoformat(),
        "sections": {slug: answers for slug, answers in answers_of(application).items() if answers},
        "documents": [
            {
                "code": one.code,
                "slug": one.slug,
                "name": one.name,
                "media_type": one.media_type,
                "size": one.size,
                "sha256": one.sha256,
            }
            for one in attached(application)
        ],
    }


def document(code: str) -> Document:
    """Return the document with the code."""
    return Document.objects.get(code=code)


def most_mib(application: Application, slug: str) -> int:
    """Return how large a document may be; the smallest there is for one that is not asked."""
    specs = application.call.mode.documents
    return next((one.most_mib for one in specs if one.slug == slug), 1)


def pieces(document: Document, first: int, after: int) -> Iterator[bytes]:
    """Return the bytes [first, after) of a file, piece by piece."""
    with document.file.open("rb") as file:
        file.seek(first)
        left = after - first
        while left and (piece := file.read(min(left, documents.PIECE))):
            left -= len(piece)
            yield piece
