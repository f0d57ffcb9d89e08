"""Files of spaces laid into the run directory of a job, and what a job made put back.

Copies, never links: a job that runs as the factory's own user could write through a link into the
store. Compute nodes need no network: all of it happens where the portal's worker runs.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.utils.functional import lazy

from uzina.catalogue.actions.filing import note_use
from uzina.catalogue.actions.laying import is_laid
from uzina.catalogue.actions.spaces import check_may_write, put_files, release, reserve, settle
from uzina.catalogue.adapters import store
from uzina.catalogue.models.spaces import Reservation, Space
from uzina.catalogue.ports import StoreDown, no_room_to_stage
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.rules import spaces as rules
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.http import told
from uzina.core.log import log
from uzina.people import actions as people
from uzina.people.models import Person, Project

PIECE = 1 << 20
MB = rules.MB


def stage_folder(
    reference: str,
    *,
    to: Path,
    by: Person | None,
    project: Project,
    now: datetime,
    subject: str,
) -> int:
    """Lay the files at a path of a space into `to`, read-only; return their bytes.

    Each is copied beside its place, compared with its checksum and moved there whole, so what a
    killed staging has finished is not copied again. Too little room is told before the first byte.

    subject  the code of the job, for the log

    Raises what usable_folder raises, StoreRefused blob.stage.disk_full, StoreDown.
    """
    space, path, rows = queries.usable_folder(reference, by=by, project=project)
    cut = len(path) + 1 if path else 0
    places = [(one, to / one.path[cut:] if one.path[cut:] else to) for one in rows]
    missing = [
        (one, place)
        for one, place in places
        if not is_laid(place, size=one.bytes, sha256=one.sha256)
    ]
    _check_disk(to, sum(one.bytes for one, _place in missing))
    for one, place in missing:
        lay(one.sha256, one.bytes, place)
    note_use(space, [one.path for one in rows], now=now)
    size = sum(one.bytes for one in rows)
    _note_staged(space, path, subject=subject, files=len(rows), size=size, by=by, now=now)
    return size


def _check_disk(to: Path, needed: int) -> None:
    above = next((one for one in (to, *to.parents) if one.is_dir()), Path("/"))
    if needed > shutil.disk_usage(above).free:
        raise no_room_to_stage()


def lay(sha256: str, size: int, target: Path) -> None:
    """Copy bytes of the store to a new read-only file, whole and compared, or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name[:200]}.partial")
    partial.unlink(missing_ok=True)
    hasher, count = hashlib.sha256(), 0
    try:
        with partial.open("xb") as file:
            for piece in store().open(sha256):
                hasher.update(piece)
                count += len(piece)
                file.write(piece)
            os.fchmod(file.fileno(), 0o444)
        if (hasher.hexdigest(), count) != (sha256, size):
            msg = f"the store gave {count} other bytes for {sha256}"
            raise StoreDown(msg)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@action
def _note_staged(
    space: Space,
    path: str,
    *,
    subject: str,
    files: int,
    size: int,
    by: Person | None,
    now: datetime,
) -> None:
    log(
        "space.staged",
        space.reference,
        by=by,
        now=now,
        job=subject,
        path=path,
        files=files,
        bytes=size,
    )


# Back ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Made:
    """One file a job made. pieces: called with [first, after), gives those bytes."""

    path: str
    size: int
    sha256: str
    pieces: Callable[[int, int], Iterator[bytes]]


def reserve_outputs(
    reference: str,
    *,
    size: int,
    subject: str,
    by: Person | None,
    project: Project,
    now: datetime,
    hours: int,
) -> None:
    """Set room aside for what a job will make, so that it is refused before it starts, not after.

    size   bytes; 0: only see whether files may be put there
    hours  until when, should nobody hear of its end

    Raises what reserve raises, Refused space.find.unknown.
    """
    space, _path = queries.resolve(by, reference)
    if space.project_id != project.pk:
        raise rules.unknown(reference)
    if size:
        reserve(space, size=size, key=_key(subject), by=by, now=now, hours=hours)
    else:
        check_may_write(space, by=by, now=now)


def _key(subject: str) -> str:
    return f"job:{subject}"


def release_outputs(*, subject: str, now: datetime) -> None:
    """Give back the room of a job that will make nothing."""
    release(_key(subject), now=now)


def take_outputs(
    reference: str,
    made: Sequence[Made],
    *,
    subject: str,
    by: Person | None,
    now: datetime,
) -> Refused | None:
    """Put what a job made below a path of a space. Return why not, where it does not fit.

    Bytes that the store has already are not copied again, so it may be done again after a kill.
    What is refused stays in the run directory; the log says so, and whose job it is is told.
    """
    try:
        space, path = queries.resolve(None, reference)
        kept = store()
        files = [
            rules.file(f"{path}/{one.path}" if path else one.path, size=one.size, sha256=one.sha256)
            for one in made
        ]
        room = Reservation.objects.filter(key=_key(subject), ended_at=None).first()
        if room is None or not rules.Room(room.bytes, len(files)).holds(
            sum(one.bytes for one in files), len(files)
        ):
            rules.check_room(
                space.reference,
                space.quota,
                space.taken,
                size=sum(one.bytes for one in files) - (room.bytes if room else 0),
                files=len(files),
            )
        for one in made:
            if kept.size(one.sha256) != one.size:
                kept.put(one.sha256, one.pieces(0, one.size), size=one.size)
        if room is not None:
            settle(_key(subject), files=files, by=by, now=now)
        else:
            put_files(space, files, by=by, now=now)
    except Refused as refused:
        release(_key(subject), now=now)
        _note_refused(reference, refused, subject=subject, by=by, now=now)
        return refused
    return None


@action
def _note_refused(
    reference: str, refused: Refused, *, subject: str, by: Person | None, now: datetime
) -> None:
    log("space.outputs_refused", subject, by=None, now=now, into=reference, code=refused.code)
    if by is None or not by.is_active:
        return
    people.write_message(
        by,
        kind="catalogue.outputs_refused",
        facts={
            "job": subject,
            "into": reference,
            "why": lazy(told, str)(refused),
            "path": f"/jobs/{subject}/",
        },
        about=subject,
        key=f"outputs_refused.{subject}",
        now=now,
    )
