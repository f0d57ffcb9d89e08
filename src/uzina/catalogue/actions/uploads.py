"""Bytes that people send: in one request, or in parts that survive whatever ends the sending."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from io import BufferedReader, RawIOBase
from typing import Any

from uzina.catalogue import access, rules
from uzina.catalogue.actions import spaces as rooms
from uzina.catalogue.actions.naming import keep_bytes
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Upload
from uzina.catalogue.ports import Incoming, Part, StoreDown, WrongBytes, incomplete, wrong_file
from uzina.catalogue.queries import spaces as space_queries
from uzina.catalogue.queries import uploads as queries
from uzina.catalogue.rules import contents
from uzina.catalogue.rules import spaces as space_rules
from uzina.catalogue.rules import uploads as own
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people.models import Person

SWEEP_AFTER_S = 24 * 3600
PIECE = 1 << 20
PROGRESS_BYTES = 256 << 20
STEP = own.LIFE / 7
"""How far an upload's end moves at a time, so that not every part writes to the database."""


# --- in one request ---------------------------------------------------------------------------


def upload(sha256: str, chunks: Iterable[bytes], *, size: int, by: Person, now: datetime) -> Upload:
    """Keep a file under its checksum, read in bounded memory. Sending it again changes nothing.

    size  bytes announced

    Raises NotAllowed blob.upload.not_allowed, Refused blob.upload.form, WrongBytes
    blob.upload.wrong_checksum or blob.upload.cut_short, StoreRefused blob.upload.store_full, and
    what contents.check_archive raises; whatever is raised, nothing can be used.
    """
    _check_may(by)
    if not rules.SHA256.fullmatch(sha256) or not 0 <= size <= rules.LARGEST_FILE:
        raise Refused(
            "blob.upload.form",
            _("Send to an address that ends in the SHA-256, with a Content-Length up to {most}."),
            most=rules.LARGEST_FILE,
        )
    kept = store()
    kept.put(sha256, chunks, size=size)
    found = _look(
        lambda first, after: b"".join(kept.open(sha256, first=first, after=after)),
        size=size,
        name=sha256[:12],
    )
    return _note_upload(sha256, size=size, found=found, by=by, now=now)


def _check_may(by: Person) -> None:
    if not access.may_upload(by):
        raise NotAllowed(
            "blob.upload.not_allowed",
            _("To send files, be a member of a project or a representative of an organisation."),
        )


def _check_named(sha256: str, *, size: int) -> None:
    """Keep the bytes until the transaction ends, and see that nobody removed them just before."""
    keep_bytes()
    if store().size(sha256) != size:
        msg = f"{sha256} was removed while it was sent again"
        raise StoreDown(msg)


@action
def _note_upload(sha256: str, *, size: int, found: str, by: Person, now: datetime) -> Upload:
    _check_named(sha256, size=size)
    row: Upload | None = Upload.objects.kept().filter(sha256=sha256, person=by).first()
    if row is not None:
        Upload.objects.filter(pk=row.pk).update(at=now)
    if row is None:
        row = Upload.objects.create(
            person=by,
            bytes=size,
            sha256=sha256,
            found_type=found,
            state=rules.UploadState.KEPT,
            at=now,
        )
        log("blob.uploaded", sha256, by=by, now=now, bytes=size)
    return row


# --- in parts ---------------------------------------------------------------------------------


def begin_upload(
    *,
    name: str,
    size: int,
    sha256: str = "",
    purpose: str = "dataset",
    space: str = "",
    by: Person,
    now: datetime,
) -> Upload:
    """Begin to take a file in parts. The room for it is set aside before a byte moves.

    name     the path it shall have
    sha256   of the whole, where it is known already; else it is said at the end
    purpose  "dataset": a version will name it; "space": it is put there when it is whole
    space    PROJECT:KIND whose quota it takes; "" for none

    Raises NotAllowed blob.upload.not_allowed, Invalid with every mistake, Refused
    upload.begin.too_many, StoreRefused blob.upload.store_full, and what spaces.reserve raises.
    """
    _check_may(by)
    problems = own.upload_problems(name=name, size=size, sha256=sha256, purpose=purpose)
    if purpose == "space" and not space:
        problems.append(
            Problem("space", "upload.begin.no_space", _("Say in which space: PROJECT:KIND."))
        )
    if problems:
        raise Invalid(problems)
    row = _open(name=name, size=size, sha256=sha256, purpose=purpose, space=space, by=by, now=now)
    try:
        incoming = store().begin(row.code, size=size, part_bytes=row.part_bytes)
    except (Refused, StoreDown) as failed:
        _stop(row, failed if isinstance(failed, Refused) else None, by=None, now=now)
        raise
    return _note_handle(row, incoming.handle)


@action
def _open(
    *, name: str, size: int, sha256: str, purpose: str, space: str, by: Person, now: datetime
) -> Upload:
    if Upload.objects.open().filter(person=by).count() >= own.MOST_OPEN:
        raise Refused(
            "upload.begin.too_many",
            _("You have {most} uploads open. Complete or abort some first."),
            most=own.MOST_OPEN,
        )
    row: Upload = Upload.objects.create(
        person=by,
        name=name,
        bytes=size,
        sha256=sha256,
        was_announced=bool(sha256),
        part_bytes=own.part_bytes(size),
        purpose=purpose,
        at=now,
        expires_at=now + own.LIFE,
    )
    if space:
        found = find_space(space)
        row.space = found.reference
        row.save(update_fields=["space"])
        hours = int((own.LONGEST_LIFE + timedelta(days=1)) / timedelta(hours=1))
        rooms.reserve(found, size=size, files=1, key=row.code, by=by, now=now, hours=hours)
    log("upload.begun", row.code, by=by, now=now, bytes=size, purpose=purpose)
    return row


def find_space(reference: str) -> Any:
    """Return a space by PROJECT:KIND. Raises Refused space.find.unknown."""
    project, kind, path = space_rules.parse_space(reference)
    found = None if path else space_queries.space(project, kind)
    if found is None:
        raise space_rules.unknown(reference)
    return found


@action
def _note_handle(row: Upload, handle: str) -> Upload:
    row.handle = handle
    row.save(update_fields=["handle"])
    return row


def put_part(
    row: Upload, number: int, chunks: Iterable[bytes], *, checksum: str, by: Person, now: datetime
) -> Part:
    """Keep one part of an upload. Parts may come in any order, several at once, and twice.

    checksum  of this part, as rules.parse_checksum gives it

    Raises NotAllowed upload.send.not_yours, Invalid upload.part.number, Refused
    upload.send.not_now once it was completed or stopped, and what the store's put_part raises.
    """
    _check_open(row, "send", by)
    own.check_part_number(number, queries.incoming(row).part_count)
    part = store().put_part(queries.incoming(row), number, chunks, checksum=checksum)
    if row.expires_at and now + own.LIFE - row.expires_at >= STEP:
        _prolong(row, now=now)
    return part


def _check_open(row: Upload, verb: str, by: Person) -> None:
    if row.person_id != by.pk:
        raise NotAllowed(
            f"upload.{verb}.not_yours", _("Only who began this upload can go on with it.")
        )
    own.UPLOAD.after(verb, row.state)


@action
def _prolong(row: Upload, *, now: datetime) -> None:
    until = min(now + own.LIFE, row.at + own.LONGEST_LIFE)
    Upload.objects.open().filter(pk=row.pk).update(expires_at=until)


def complete(row: Upload, *, sha256: str = "", by: Person, now: datetime) -> Upload:
    """Check that the file is whole and what it was said to be, and keep it. Again is harmless.

    sha256  of the whole, as whoever sends knows it; "" to believe what is found

    What can be told at once is; a large file that has to be read once more is checked by the
    worker, and the upload is "checking" until then.

    Raises NotAllowed upload.complete.not_yours, Refused upload.complete.not_now,
    upload.complete.parts_missing, upload.complete.busy; WrongBytes upload.complete.wrong_checksum;
    what contents.check_archive, contents.check_type and spaces.settle raise. After the last three
    the upload is stopped and nothing of it is kept.
    """
    if row.state in {rules.UploadState.KEPT, rules.UploadState.CHECKING}:
        return row
    _check_open(row, "complete", by)
    if sha256 and not rules.SHA256.fullmatch(sha256):
        raise Invalid(own.upload_problems(name="a", size=0, sha256=sha256, purpose="dataset"))
    incoming = queries.incoming(row)
    there = {one.number for one in store().list_parts(incoming)}
    if missing := [one for one in range(1, incoming.part_count + 1) if one not in there]:
        raise incomplete(missing, incoming.part_count)
    if sha256:
        row = _note_checksum(row, sha256)
    if store().is_quick(incoming) and not _is_long_to_look_into(incoming):
        return finish(row, by=by, now=now)
    return _leave_to_worker(row, now=now)


def _is_long_to_look_into(incoming: Incoming) -> bool:
    if incoming.size <= own.AT_ONCE:
        return False
    head = store().read(incoming, first=0, after=contents.HEAD_BYTES)
    return contents.found_type(head) in contents.UNPACKED


@action
def _note_checksum(row: Upload, sha256: str) -> Upload:
    if row.was_announced and row.sha256 != sha256:
        raise WrongBytes(
            "upload.complete.other_checksum",
            _("This upload was begun for the SHA-256 {announced}, not {found}. Begin a new one."),
            announced=row.sha256,
            found=sha256,
        )
    row.sha256, row.was_announced = sha256, True
    row.save(update_fields=["sha256", "was_announced"])
    return row


@action
def _leave_to_worker(row: Upload, *, now: datetime) -> Upload:
    row = Upload.objects.select_for_update(of=("self",)).get(pk=row.pk)
    row.state = own.UPLOAD.after("complete", row.state)
    row.checked_bytes, row.reason = 0, {}
    row.save(update_fields=["state", "checked_bytes", "reason"])
    promise(
        "catalogue.check_upload",
        key=f"upload.check:{row.code}:{now.timestamp()}",
        now=now,
        code=row.code,
    )
    return row


def check_upload(code: str, *, now: datetime) -> None:
    """Check a large upload and keep it; what is wrong with it is noted for who sent it."""
    row: Upload | None = Upload.objects.select_related("person").filter(code=code).first()
    if row is None or row.state is not rules.UploadState.CHECKING:
        return
    try:
        finish(row, by=row.person, now=now)
    except Refused as refused:
        if refused.code == "upload.complete.busy":
            raise  # the worker tries again


def finish(row: Upload, *, by: Person, now: datetime) -> Upload:
    """Read, compare, look into, keep. A part of complete(), or of the worker's task."""
    incoming, kept = queries.incoming(row), store()
    try:
        found = _digest(row, incoming)
    except Refused as refused:
        if refused.code == "upload.part.gone":
            stop(row, refused, by=None, now=now)
        elif refused.code == "upload.complete.parts_missing":
            _reopen(row, refused, now=now)
        raise
    try:
        if row.was_announced and found != row.sha256:
            raise wrong_file(announced=row.sha256, found=found)
        kind = row.found_type or _look(
            lambda first, after: kept.read(incoming, first=first, after=after),
            size=row.bytes,
            name=row.name,
        )
        contents.check_type(row.name, declared=rules.media_type(row.name), found=kind)
        row = _note_found(row, found, kind)
        kept.keep(incoming, found)
        return _keep(row, by=by, now=now)
    except Refused as refused:
        stop(row, refused, by=None, now=now)
        raise


def _digest(row: Upload, incoming: Incoming) -> str:
    """Return the whole's SHA-256. After a crash between keeping and noting it is known already."""
    kept, told = store(), [0]

    def progress(count: int) -> None:
        if count - told[0] >= PROGRESS_BYTES:
            told[0] = count
            _note_progress(row, count)

    try:
        return kept.digest(incoming, progress=progress)
    except Refused as refused:
        if (
            refused.code == "upload.part.gone"
            and row.found_type
            and row.sha256
            and kept.size(row.sha256) == row.bytes
        ):
            return str(row.sha256)
        raise


def _look(read: Any, *, size: int, name: str) -> str:
    """Return what bytes are by their looks. Raises for an archive that does harm."""
    kind = contents.found_type(read(0, min(size, contents.HEAD_BYTES)) if size else b"")
    contents.check_archive(
        BufferedReader(_Bytes(read, size), PIECE), size=size, kind=kind, name=name
    )
    return kind


class _Bytes(RawIOBase):
    """What is in the store, as a file."""

    def __init__(self, read: Any, size: int) -> None:
        self.bytes, self.length, self.at = read, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = {0: 0, 1: self.at, 2: self.length}[whence]
        if start + offset < 0:
            raise ValueError("before the beginning")
        self.at = start + offset
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        found = self.bytes(self.at, min(self.length, self.at + len(buffer)))
        buffer[: len(found)] = found
        self.at += len(found)
        return len(found)


@action
def _note_progress(row: Upload, count: int) -> None:
    Upload.objects.filter(pk=row.pk).update(checked_bytes=count)


@action
def _note_found(row: Upload, sha256: str, kind: str) -> Upload:
    """Note what it is before it is kept: who goes on after a crash then needs no second look."""
    row.sha256, row.found_type, row.checked_bytes = sha256, kind, row.bytes
    row.save(update_fields=["sha256", "found_type", "checked_bytes"])
    return row


@action
def _keep(row: Upload, *, by: Person, now: datetime) -> Upload:
    row = Upload.objects.select_for_update(of=("self",)).select_related("person").get(pk=row.pk)
    if row.state is rules.UploadState.KEPT:
        return row
    row.state, row.at = own.UPLOAD.after("keep", row.state), now
    _check_named(row.sha256, size=row.bytes)
    if row.purpose == "space":
        file = space_rules.file(row.name, size=row.bytes, sha256=row.sha256)
        rooms.settle(row.code, files=[file], by=by, now=now)
    elif row.space:
        rooms.release(row.code, now=now)

    row.handle, row.expires_at, row.reason = "", None, {}
    row.save()
    log("upload.kept", row.code, by=by, now=now, bytes=row.bytes, sha256=row.sha256)
    return row


@action
def _reopen(row: Upload, refused: Refused, *, now: datetime) -> None:
    """Let missing parts be sent after all; who waits is told which."""
    row = Upload.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.state is rules.UploadState.CHECKING:
        row.state = own.UPLOAD.after("reopen", row.state)
        row.reason = _told(refused)
        row.expires_at = now + own.LIFE
        row.save(update_fields=["state", "reason", "expires_at"])


def abort(row: Upload, *, by: Person, now: datetime) -> Upload:
    """Throw away what has arrived of an upload. Raises NotAllowed upload.abort.not_yours."""
    if row.person_id != by.pk:
        raise NotAllowed(
            "upload.abort.not_yours", _("Only who began this upload can go on with it.")
        )
    if row.state is rules.UploadState.STOPPED:
        return row
    own.UPLOAD.after("abort", row.state)
    return stop(row, None, by=by, now=now)


def stop(row: Upload, refused: Refused | None, *, by: Person | None, now: datetime) -> Upload:
    """End an upload and throw away its bytes; first the row, so that nothing more is taken."""
    row = _stop(row, refused, by=by, now=now)
    if row.state is rules.UploadState.STOPPED:
        store().abort(queries.incoming(row))
    return row


@action
def _stop(row: Upload, refused: Refused | None, *, by: Person | None, now: datetime) -> Upload:
    row = Upload.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if row.state in {rules.UploadState.KEPT, rules.UploadState.STOPPED}:
        return row
    row.state, row.expires_at = own.UPLOAD.after("abort", row.state), None
    row.reason = _told(refused) if refused else {}
    row.save(update_fields=["state", "expires_at", "reason"])
    if row.space:
        rooms.release(row.code, now=now)
    log("upload.stopped", row.code, by=by, now=now, why=refused.code if refused else "")
    return row


def _told(refused: Refused) -> dict[str, Any]:
    told: Refused | Problem = refused.problems[0] if isinstance(refused, Invalid) else refused
    return {"code": told.code, "message": told.message, "facts": dict(told.facts)}


def sweep(*, now: datetime) -> int:
    """Stop uploads nobody came back to, and remove what others that died left in the store."""
    for row in Upload.objects.open().filter(expires_at__lte=now).order_by("pk"):
        gone = Refused(
            "upload.sweep.expired",
            _("Nothing came for {days} days, so what had arrived was thrown away."),
            days=own.LIFE.days,
        )
        stop(row, gone, by=None, now=now)
    codes = frozenset(Upload.objects.open().values_list("code", flat=True))
    return store().sweep(older_than_s=SWEEP_AFTER_S, spare=codes)


def wrong_types(files: Sequence[rules.File], *, by: Person | None) -> list[Problem]:
    """Return a problem for each file that is declared as something its bytes are not. One query."""
    if by is None:
        return []
    found = dict(
        Upload.objects.kept()
        .filter(person=by, sha256__in={one.sha256 for one in files})
        .exclude(found_type="")
        .values_list("sha256", "found_type")
    )
    problems = []
    for at, one in enumerate(files):
        try:
            contents.check_type(one.path, declared=one.media_type, found=found.get(one.sha256, ""))
        except Refused as refused:
            field = f"files.{at}.media_type"
            problems.append(Problem(field, refused.code, refused.message, refused.facts))
    return problems
