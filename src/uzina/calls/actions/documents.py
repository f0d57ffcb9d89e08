"""Files that applicants send with a draft."""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from django.core.files import File

from uzina.calls import access, queries
from uzina.calls.models import Application, Document
from uzina.calls.models.applications import documents_storage
from uzina.calls.rules import documents
from uzina.calls.rules.flows import APPLICATION
from uzina.calls.rules.modes import DocumentSpec
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Person


def _locked_draft(application: Application, by: Person, verb: str) -> Application:
    locked: Application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call")
        .get(pk=application.pk)
    )
    if not access.may_edit(by, locked):
        raise NotAllowed(
            f"document.{verb}.not_yours",
            _("Only the applicant and those who help with the draft can do this."),
        )
    APPLICATION.after("save", locked.state)
    return locked


def _spec(application: Application, slug: str) -> DocumentSpec:
    specs = application.call.mode.documents
    found = next((one for one in specs if one.slug == slug), None)
    if found is None:
        raise Refused(
            "document.attach.not_asked",
            _("This call asks for these documents: {documents}."),
            documents=", ".join(one.slug for one in specs) or "-",
        )
    return found


@contextmanager
def received(pieces: Iterator[bytes], *, most_mib: int) -> Iterator[BinaryIO]:
    """Give what arrives as a file, on disk beyond a megabyte; stop reading once it is too large.

    Raises Refused document.attach.too_large.
    """
    with SpooledTemporaryFile(max_size=documents.MIB) as file:
        size = 0
        for piece in pieces:
            size += len(piece)
            documents.check_size(size, most_mib)
            file.write(piece)
        yield cast("BinaryIO", file)


@action
def attach(
    application: Application, *, slug: str, name: str, file: BinaryIO, by: Person, now: datetime
) -> Document:
    """Keep a file with a draft, in the place of an earlier one for the same document.

    file  can be read again from the start; its content decides what it is

    Raises NotAllowed document.attach.not_yours, Refused application.save.not_now,
    document.attach.not_asked, .too_large, .empty, .type, .name, .harmful, .bomb, .unreadable,
    .duplicate.
    """
    application = _locked_draft(application, by, "attach")
    spec = _spec(application, slug)
    documents.check_size(file.seek(0, 2), spec.most_mib)
    kind = documents.kind_of(file, spec.types)
    shown = documents.clean_name(name, kind)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    kept = list(queries.attached(application))
    if same := next((one for one in kept if one.sha256 == sha256), None):
        raise Refused(
            "document.attach.duplicate",
            _("The same file is here already, as “{name}”."),
            name=same.name,
            document=same.code,
        )

    storage = documents_storage()
    stored = storage.save(secrets.token_hex(20), File(file))
    try:
        document = Document.objects.create(
            application=application,
            slug=slug,
            name=shown,
            media_type=documents.MEDIA_TYPES[kind],
            size=file.seek(0, 2),
            sha256=sha256,
            file=stored,
            sent_by=by,
            sent_at=now,
        )
        for earlier in kept:
            if earlier.slug == slug:
                _take_out(earlier, by=by, now=now)
        log(
            "document.attached",
            application.code,
            by=by,
            now=now,
            document=document.code,
            slug=slug,
            name=shown,
            sha256=sha256,
        )
    except BaseException:
        storage.delete(stored)
        raise
    return document


@action
def detach(document: Document, *, by: Person, now: datetime) -> Document:
    """Take a file out of a draft: its row stays, the file is deleted.

    Taking it out again changes nothing. Raises NotAllowed document.detach.not_yours, Refused
    application.save.not_now.
    """
    _locked_draft(document.application, by, "detach")
    document = Document.objects.select_for_update(of=("self",)).get(pk=document.pk)
    if document.removed_at is None:
        _take_out(document, by=by, now=now)
    return document


def _take_out(document: Document, *, by: Person, now: datetime) -> None:
    document.removed_at = now
    document.save(update_fields=["removed_at"])
    log(
        "document.removed",
        document.application.code,
        by=by,
        now=now,
        document=document.code,
        slug=document.slug,
    )
    promise(
        "calls.delete_file", key=f"delete_file:{document.code}", now=now, document=document.code
    )


def delete_file(document: Document) -> None:
    """Delete the file of a document that was taken out. Once more does no harm."""
    if document.removed_at is not None:
        documents_storage().delete(str(document.file.name))
