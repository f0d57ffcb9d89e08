"""Files on their way to and from a portal, each known by its SHA-256."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uzina_client.transport import Transport

PIECE = 1 << 20


@dataclass(frozen=True)
class Blob:
    """What a file is, whatever its name. The portal knows the type by name and by content."""

    bytes: int
    sha256: str
    media_type: str = ""

    def as_file(self, name: str) -> dict[str, str | int]:
        """Return the manifest entry of this file under a name."""
        return {
            "path": name,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "media_type": self.media_type,
        }


def blob_of(path: Path) -> Blob:
    """Read a file once and return what it is."""
    digest = hashlib.sha256()
    length = 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            length += len(piece)
    return Blob(bytes=length, sha256=digest.hexdigest())


def pieces_of(path: Path, blob: Blob) -> Iterator[bytes]:
    """Yield a file piece by piece, checking that it is still what it was.

    Raises OSError at the end when the file changed since it was read for its checksum.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            yield piece
    if digest.hexdigest() != blob.sha256:
        msg = f"{path} changed while it was sent. Send it again when it is at rest."
        raise OSError(msg)


def files_under(path: Path) -> dict[str, Path]:
    """Return the files to send: one file under its name, or a folder's by their paths in it."""
    if path.is_file():
        return {path.name: path}
    return {
        found.relative_to(path).as_posix(): found
        for found in sorted(path.rglob("*"))
        if found.is_file()
    }


def place(folder: Path, name: str) -> Path:
    """Return where a file of a manifest goes in a folder.

    Raises OSError for a name that would lead out of the folder.
    """
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or parts[0] == "/" or "\\" in name or ":" in parts[0]:
        msg = f"The portal named a file {name!r}, which would lie outside {folder}."
        raise OSError(msg)
    return folder.joinpath(*parts)


def is_there(path: Path, blob: Blob) -> bool:
    """Tell whether a file is already there, whole and right."""
    return (
        path.is_file() and path.stat().st_size == blob.bytes and blob_of(path).sha256 == blob.sha256
    )


def write(path: Path, pieces: Iterable[bytes], blob: Blob) -> None:
    """Write a file beside its place, check it, and put it there in one step.

    Raises OSError when what came does not match its checksum; nothing is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    try:
        with part.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != blob.sha256:
            msg = f"{path.name} came broken: its checksum does not match. Fetch it again."
            raise OSError(msg)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def fetch_files(
    transport: "Transport", base: str, manifest: Iterable[Mapping[str, Any]], *, to: Path
) -> list[Path]:
    """Fetch the files of a manifest into a folder and return where they are."""
    fetched = []
    for entry in manifest:
        path = place(to, entry["path"])
        blob = Blob(bytes=int(entry["bytes"]), sha256=entry["sha256"], media_type="")
        if not is_there(path, blob):
            with transport.stream(f"{base}/files/{entry['path']}") as reply:
                write(path, reply.iter_bytes(), blob)
        fetched.append(path)
    return fetched
