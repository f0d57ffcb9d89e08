"""Bytes that people send."""

from collections.abc import Iterable
from datetime import datetime

from uzina.catalogue import access, rules
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Upload
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person

SWEEP_AFTER_S = 24 * 3600


def upload(sha256: str, chunks: Iterable[bytes], *, size: int, by: Person, now: datetime) -> Upload:
    """Keep a file under its checksum, read in bounded memory. Sending it again changes nothing.

    size  bytes announced

    Raises NotAllowed blob.upload.not_allowed, Refused blob.upload.form, WrongBytes
    blob.upload.wrong_checksum or blob.upload.cut_short, StoreRefused blob.upload.store_full;
    whatever is raised, nothing is kept.
    """
    if not access.may_upload(by):
        raise NotAllowed(
            "blob.upload.not_allowed",
            _("To send files, be a member of a project or a representative of an organisation."),
        )
    if not rules.SHA256.fullmatch(sha256) or not 0 <= size <= rules.LARGEST_FILE:
        raise Refused(
            "blob.upload.form",
            _("Send to an address that ends in the SHA-256, with a Content-Length up to {most}."),
            most=rules.LARGEST_FILE,
        )
    store().put(sha256, chunks, size=size)
    return _note_upload(sha256, size=size, by=by, now=now)


@action
def _note_upload(sha256: str, *, size: int, by: Person, now: datetime) -> Upload:
    row, is_new = Upload.objects.get_or_create(
        sha256=sha256, person=by, defaults={"bytes": size, "at": now}
    )
    if is_new:
        log("blob.uploaded", sha256, by=by, now=now, bytes=size)
    return row


def sweep() -> int:
    """Remove what uploads that died left in the store, a day after; return how many pieces."""
    return store().sweep(older_than_s=SWEEP_AFTER_S)
