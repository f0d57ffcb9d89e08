"""Files that arrive in parts, in a folder: `uploads/UPL-…` with `data` and the journal `parts`.

The data lies at its place in one file from the start, so nothing is copied at the end. The
journal says which parts are whole: a line is added when one is, and one that takes it back
before it is written again. Whoever writes a part holds a lock on its bytes; whoever ends the
upload, on all. A process that dies takes its locks along.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from uzina.catalogue.ports import (
    Incoming,
    Part,
    StoreDown,
    StoreRefused,
    full,
    incomplete,
    part_busy,
    part_cut_short,
    part_full,
    still_arriving,
    upload_gone,
    wrong_part,
)
from uzina.catalogue.rules import AT_ONCE, Checksum
from uzina.core.errors import Refused

PIECE = 1 << 20
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CATCH_UP = 128 << 20
"""Bytes one request reads again at most, of parts that came before their turn."""
MOST_RUNNING = 256
"""Uploads whose checksum is kept as far as it has come. Beyond that it is made anew at the end."""

_FLOCK = "hhqqi4x"
"""struct flock of Linux on 64 bits: type, whence, start, length, process, padding."""


@dataclass
class Running:
    """A SHA-256 as far as it has come, in this process."""

    hasher: Any = field(default_factory=hashlib.sha256)
    at: int = 0
    seen: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)


class FolderParts:
    """The part of the folder store that takes files in parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uploads = folder / "uploads"

    def begin(self, code: str, *, size: int, part_bytes: int) -> Incoming:
        incoming = Incoming(code, code, size, part_bytes)
        place = self._place(incoming)
        with room_or_refused():
            place.mkdir(parents=True, exist_ok=True)
            try:
                if size > shutil.disk_usage(place).free:
                    raise full()
                with (place / "data").open("wb") as data:
                    _reserve(data.fileno(), size)
                (place / "parts").touch()
            except BaseException:
                shutil.rmtree(place, ignore_errors=True)
                raise
        return incoming

    def put_part(
        self, incoming: Incoming, number: int, chunks: Iterable[bytes], *, checksum: str
    ) -> Part:
        size, first = incoming.part_size(number), incoming.first_of(number)
        there = {one.number: one for one in self.list_parts(incoming)}
        if number in there and there[number].checksum == checksum:
            return _read_away(there[number], chunks)
        with self._data(incoming, os.O_RDWR) as data, room_or_refused(part_full(number)):
            _lock(data, fcntl.F_WRLCK, first, max(size, 1), part_busy(number))
            self._is_still(incoming, data)
            if number in there:
                self._note(incoming, f"{number} -")
            found, count = Checksum(checksum), 0
            with self._running(incoming, first) as running:
                for chunk in chunks:
                    count += len(chunk)
                    if count > size:
                        break
                    found.update(chunk)
                    _write_at(data, chunk, first + count - len(chunk))
                    if running:
                        running.hasher.update(chunk)
                if count != size:
                    raise part_cut_short(number, announced=size, found=count)
                if str(found) != checksum:
                    raise wrong_part(number, announced=checksum, found=str(found))
                _begin_writing(data, first, size)
                self._note(incoming, f"{number} {size} {checksum}")
                if running:
                    running.at = first + size
                    running.seen.append(checksum)
            self._catch_up(incoming, data)
        return Part(number, size, checksum)

    def list_parts(self, incoming: Incoming) -> list[Part]:
        try:
            lines = (self._place(incoming) / "parts").read_text().splitlines(keepends=True)
        except FileNotFoundError:
            raise upload_gone(incoming.code) from None
        found: dict[int, Part] = {}
        for line in lines:
            match line.split():
                case [number, "-"]:
                    found.pop(int(number), None)
                case [number, size, checksum] if line.endswith("\n"):
                    found[int(number)] = Part(int(number), int(size), checksum)
        return [found[number] for number in sorted(found)]

    def digest(self, incoming: Incoming, *, progress: Callable[[int], None] | None = None) -> str:
        with self._data(incoming, os.O_RDWR) as data:
            _lock(data, fcntl.F_WRLCK, 0, 0, still_arriving())
            self._whole(incoming)
            known = _running.get(self._key(incoming))
            # Another process may have taken a part again since: then it is not this checksum.
            if known and known.seen == [one.checksum for one in self.list_parts(incoming)]:
                return str(known.hasher.hexdigest())
            return self._read_through(incoming, data, progress or (lambda _count: None))

    def is_quick(self, incoming: Incoming) -> bool:
        with self._data(incoming, os.O_RDONLY) as data:
            self._catch_up(incoming, data)
        known = _running.get(self._key(incoming))
        return incoming.size <= AT_ONCE or (known is not None and known.at == incoming.size)

    def read(self, incoming: Incoming, *, first: int = 0, after: int | None = None) -> bytes:
        end = incoming.size if after is None else min(after, incoming.size)
        with self._data(incoming, os.O_RDONLY) as data:
            return os.pread(data, max(0, end - first), first)

    def _read_through(self, incoming: Incoming, data: int, progress: Callable[[int], None]) -> str:
        """Read the whole once: its SHA-256, and each part against its own checksum."""
        whole, damaged, at = hashlib.sha256(), [], 0
        for part in self.list_parts(incoming):
            found = Checksum(part.checksum)
            for piece in _pieces(data, at, at + part.bytes):
                whole.update(piece)
                found.update(piece)
                at += len(piece)
            if str(found) != part.checksum:
                damaged.append(part.number)
            progress(at)
        with room_or_refused():
            for number in damaged:
                self._note(incoming, f"{number} -")
        if damaged:
            raise incomplete(damaged, incoming.part_count)
        return whole.hexdigest()

    def _whole(self, incoming: Incoming) -> None:
        there = {one.number for one in self.list_parts(incoming)}
        missing = [one for one in range(1, incoming.part_count + 1) if one not in there]
        if missing:
            raise incomplete(missing, incoming.part_count)

    def keep_at(self, incoming: Incoming, target: Path) -> bool:
        """Move the whole to its place for good; False when there is no such upload."""
        place = self._place(incoming)
        if not (place / "data").exists():
            return False
        try:
            with self._data(incoming, os.O_RDWR) as data, room_or_refused():
                _lock(data, fcntl.F_WRLCK, 0, 0, still_arriving())
                self._is_still(incoming, data)
                self._whole(incoming)
                os.fchmod(data, 0o444)
                os.fsync(data)
                target.parent.mkdir(parents=True, exist_ok=True)
                (place / "data").replace(target)
                sync_folder(target.parent)
        except Refused as refused:
            if refused.code == "upload.part.gone":
                return False
            raise
        self._forget(incoming)
        return True

    def abort(self, incoming: Incoming) -> None:
        self._forget(incoming)

    def sweep_uploads(self, *, older_than_s: float, spare: Collection[str]) -> int:
        """Remove uploads nobody has touched for so long, but for those to be spared."""
        removed = 0
        if not self.uploads.is_dir():
            return removed
        for place in self.uploads.iterdir():
            if place.name in spare:
                continue
            newest = max(
                (one.stat().st_mtime for one in (place, *place.glob("*"))), default=time.time()
            )
            if time.time() - newest >= older_than_s:
                shutil.rmtree(place, ignore_errors=True)
                removed += 1
        return removed

    # --- the running checksum ------------------------------------------------------------------

    def _key(self, incoming: Incoming) -> tuple[str, str]:
        return str(self.folder), incoming.code

    @contextmanager
    def _running(self, incoming: Incoming, first: int) -> Iterator[Running | None]:
        """Give the running checksum to the part it waits for; what goes wrong spoils it."""
        with _registry:
            running = _running.setdefault(self._key(incoming), Running())
            _running.move_to_end(self._key(incoming))
            while len(_running) > MOST_RUNNING:
                _running.popitem(last=False)
        if first < running.at:
            with _registry:
                _running.pop(self._key(incoming), None)
            yield None
            return
        if first > running.at or not running.lock.acquire(blocking=False):
            yield None
            return
        try:
            if running.at != first:
                yield None
                return
            before = running.hasher.copy()
            try:
                yield running
            except BaseException:
                running.hasher = before
                raise
        finally:
            running.lock.release()

    def _catch_up(self, incoming: Incoming, data: int) -> None:
        """Read what arrived ahead of its turn while it is still in memory."""
        running = _running.get(self._key(incoming))
        if running is None or not running.lock.acquire(blocking=False):
            return
        try:
            there = {one.number: one for one in self.list_parts(incoming)}
            number = running.at // incoming.part_bytes + 1
            most = running.at + CATCH_UP
            while running.at < min(incoming.size, most) and number in there:
                end = running.at + there[number].bytes
                for piece in _pieces(data, running.at, end):
                    running.hasher.update(piece)
                running.at = end
                running.seen.append(there[number].checksum)
                number += 1
        finally:
            running.lock.release()

    def _forget(self, incoming: Incoming) -> None:
        with _registry:
            _running.pop(self._key(incoming), None)
        shutil.rmtree(self._place(incoming), ignore_errors=True)

    # --- files ---------------------------------------------------------------------------------

    def _place(self, incoming: Incoming) -> Path:
        if not incoming.code.replace("-", "").isalnum():
            msg = f"not the code of an upload: {incoming.code[:80]!r}"
            raise ValueError(msg)
        return self.uploads / incoming.code

    @contextmanager
    def _data(self, incoming: Incoming, flags: int) -> Iterator[int]:
        try:
            data = os.open(self._place(incoming) / "data", flags)
        except FileNotFoundError:
            raise upload_gone(incoming.code) from None
        try:
            yield data
        finally:
            os.close(data)

    def _is_still(self, incoming: Incoming, data: int) -> None:
        """Refuse when the file was moved to its place between opening and locking it."""
        with suppress(FileNotFoundError):
            if (self._place(incoming) / "data").stat().st_ino == os.fstat(data).st_ino:
                return
        raise upload_gone(incoming.code)

    def _note(self, incoming: Incoming, line: str) -> None:
        try:
            journal = os.open(self._place(incoming) / "parts", os.O_WRONLY | os.O_APPEND)
        except FileNotFoundError:
            raise upload_gone(incoming.code) from None
        try:
            os.write(journal, f"{line}\n".encode())
        finally:
            os.close(journal)


_registry = threading.Lock()
_running: "OrderedDict[tuple[str, str], Running]" = OrderedDict()


def _reserve(data: int, size: int) -> None:
    """Have the file system set the room aside now; where it cannot, the length only."""
    if not size:
        return
    try:
        os.posix_fallocate(data, 0, size)
    except OSError as broken:
        if broken.errno in NO_ROOM:
            raise
        os.ftruncate(data, size)


def _read_away(part: Part, chunks: Iterable[bytes]) -> Part:
    """Take a part that is there already off the wire, so that the connection can go on."""
    for _chunk in chunks:
        pass
    return part


def _lock(data: int, kind: int, first: int, length: int, busy: Exception) -> None:
    """Lock bytes of an open file for as long as it is open, or raise busy."""
    wanted = struct.pack(_FLOCK, kind, os.SEEK_SET, first, length, 0)
    try:
        fcntl.fcntl(data, fcntl.F_OFD_SETLK, wanted)
    except OSError as held:
        if held.errno in {errno.EAGAIN, errno.EACCES}:
            raise busy from held
        raise StoreDown(str(held)) from held


def _write_at(data: int, chunk: bytes, at: int) -> None:
    left = memoryview(chunk)
    while left:
        written = os.pwrite(data, left, at)
        at += written
        left = left[written:]


def _begin_writing(data: int, first: int, size: int) -> None:
    """Have the system write a part to the disk now, so that little is left when all are there."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(data, first, size, os.POSIX_FADV_DONTNEED)


def _pieces(data: int, at: int, end: int) -> Iterator[bytes]:
    while at < end and (piece := os.pread(data, min(PIECE, end - at), at)):
        yield piece
        at += len(piece)


@contextmanager
def room_or_refused(refused: StoreRefused | None = None) -> Iterator[None]:
    """Tell a full disk as a full store."""
    try:
        yield
    except OSError as broken:
        if broken.errno in NO_ROOM:
            raise (refused or full()) from broken
        raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
