"""The store as a folder of this machine: `objects/ab/abcd…`, one file a checksum."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from uzina.catalogue.adapters.folder_parts import (
    NO_ROOM,
    PIECE,
    FolderParts,
    room_or_refused,
    sync_folder,
)
from uzina.catalogue.ports import (
    Incoming,
    Link,
    StoreDown,
    cut_short,
    full,
    no_room_to_stage,
    upload_gone,
    wrong_checksum,
)
from uzina.catalogue.rules import SHA256


class FolderStore(FolderParts):
    """Keeps each blob as one read-only file.

    A blob is written under `incoming/`, flushed to the disk and then renamed: a reader sees all
    of it or nothing, also after a power cut. Whoever writes holds a lock on the file, so the
    sweep can tell an upload that lives from one that died.
    """

    is_direct = False

    def __init__(self, folder: Path) -> None:
        super().__init__(Path(folder))
        self.objects = self.folder / "objects"
        self.incoming = self.folder / "incoming"

    def put(self, sha256: str, chunks: Iterable[bytes], *, size: int) -> None:
        target = self._path(sha256)
        with room_or_refused():
            self.incoming.mkdir(parents=True, exist_ok=True)
            if size > shutil.disk_usage(self.incoming).free:
                raise full()
            handle, name = tempfile.mkstemp(dir=self.incoming)
        try:
            with os.fdopen(handle, "wb") as file, room_or_refused():
                fcntl.flock(file, fcntl.LOCK_EX)
                found, count = _write(file, chunks, at_most=size)
                if count != size:
                    raise cut_short(announced=size, found=count)
                if found != sha256:
                    raise wrong_checksum(announced=sha256, found=found)
                os.fchmod(file.fileno(), 0o444)
                os.fsync(file.fileno())
                target.parent.mkdir(parents=True, exist_ok=True)
                Path(name).replace(target)
                sync_folder(target.parent)
        finally:
            Path(name).unlink(missing_ok=True)

    def size(self, sha256: str) -> int | None:
        try:
            return self._path(sha256).stat().st_size
        except FileNotFoundError:
            return None
        except OSError as broken:
            raise StoreDown(str(broken)) from broken

    def open(self, sha256: str, *, first: int = 0, after: int | None = None) -> Iterator[bytes]:
        if self.size(sha256) is None:
            msg = f"the store has lost {sha256}"
            raise StoreDown(msg)
        return _pieces(self._path(sha256), first, after)

    def copy_to(self, sha256: str, target: Path) -> None:
        partial = target.with_name(f".{target.name}.partial")
        try:
            with self._path(sha256).open("rb") as source:
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with partial.open("wb") as copy:
                        shutil.copyfileobj(source, copy, PIECE)
                        os.fchmod(copy.fileno(), 0o444)
                    partial.replace(target)
                except OSError as broken:
                    partial.unlink(missing_ok=True)
                    if broken.errno in NO_ROOM:
                        raise no_room_to_stage() from broken
                    raise
        except FileNotFoundError as missing:
            msg = f"the store has lost {sha256}"
            raise StoreDown(msg) from missing

    def sweep(self, *, older_than_s: float, spare: Collection[str] = ()) -> int:
        removed = self.sweep_uploads(older_than_s=older_than_s, spare=spare)
        if not self.incoming.is_dir():
            return removed
        for path in self.incoming.iterdir():
            try:
                with path.open("rb") as file:
                    if time.time() - os.fstat(file.fileno()).st_mtime < older_than_s:
                        continue
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                    removed += 1
            except (BlockingIOError, FileNotFoundError):
                continue
        return removed

    def remove(self, sha256: str) -> bool:
        try:
            self._path(sha256).unlink()
        except FileNotFoundError:
            return False
        return True

    def part_link(self, incoming: Incoming, number: int, *, now: datetime) -> Link | None:
        del incoming, number, now
        return None

    def link(self, sha256: str, *, name: str, media_type: str, now: datetime) -> Link | None:
        del sha256, name, media_type, now
        return None

    def keep(self, incoming: Incoming, sha256: str) -> None:
        if not self.keep_at(incoming, self._path(sha256)) and self.size(sha256) != incoming.size:
            raise upload_gone(incoming.code)

    def _path(self, sha256: str) -> Path:
        if not SHA256.fullmatch(sha256):
            msg = f"not a SHA-256: {sha256[:80]!r}"
            raise ValueError(msg)
        return self.objects / sha256[:2] / sha256


def _write(file: BinaryIO, chunks: Iterable[bytes], *, at_most: int) -> tuple[str, int]:
    """Write chunks; return their SHA-256 and count. Stops reading once there is too much."""
    hasher, count = hashlib.sha256(), 0
    for chunk in chunks:
        count += len(chunk)
        if count > at_most:
            break
        hasher.update(chunk)
        file.write(chunk)
    file.flush()
    return hasher.hexdigest(), count


def _pieces(path: Path, first: int, after: int | None) -> Iterator[bytes]:
    """Return the bytes in pieces; the file is opened when the first is asked for."""
    with path.open("rb") as file:
        file.seek(first)
        left = None if after is None else after - first
        while left is None or left > 0:
            piece = file.read(PIECE if left is None else min(PIECE, left))
            if not piece:
                return
            if left is not None:
                left -= len(piece)
            yield piece
