"""What a job leaves in its run directory: how far it came, what it made, and the files one by one.

A job is a stranger's program, so no link is followed, only plain files are opened, and every walk
and every read has an end.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uzina.compute.adapters import run_directory
from uzina.compute.adapters.run_directory import INPUTS
from uzina.compute.rules import OUTPUTS, STOP

MAX_FILES, MAX_DEPTH = 10_000, 12
MAX_HASHED = 64 * 1024**3
"""At 1 GB/s about a minute; what lies beyond is listed without a checksum."""
PIECE = 1 << 20
NO_PROGRESS = re.compile(
    r"(logs/.*|inputs/.*|job\.sh|script\.sh|outputs\.json|STOP|exit\.json|heartbeat\.json|events\.jsonl)"
)
"""Files that change although a program gets no further."""


@dataclass(frozen=True)
class Output:
    """One file a job made. sha256 is "" where there was too much to read."""

    path: str
    bytes: int
    sha256: str


def mark(run_dir: Path) -> str:
    """Return what changes whenever a program gets further: its measurements, checkpoints, files."""
    digest = hashlib.sha256()
    for path, about, _folder in _walk(run_dir):
        if not NO_PROGRESS.fullmatch(path):
            digest.update(f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n".encode())
    digest.update(str(checkpoints(run_dir)).encode())
    return digest.hexdigest()


def checkpoints(run_dir: Path) -> int:
    """Return how many checkpoints the program says it has written."""
    saved = [one for one in run_directory.events(run_dir).records if one.get("event") == SAVED]
    return len(saved)


SAVED = "checkpoint"


def has_saved(run_dir: Path) -> bool:
    """Tell whether a checkpoint was noted, or lies in a folder of that name."""
    return bool(checkpoints(run_dir)) or any(
        SAVED in path.lower() or "ckpt" in path.lower() for path, _about, _folder in _walk(run_dir)
    )


def was_asked_to_stop(run_dir: Path) -> bool:
    """Tell whether the stop file was set because the time was nearly up."""
    return run_directory.chunk(run_dir, STOP, offset=0, limit=16).data.strip() == b"time"


def collect(run_dir: Path, patterns: Sequence[str]) -> list[Output]:
    """List the files that match with their checksums, and keep the list in outputs.json."""
    shapes = [_shape(one) for one in patterns]
    found, left = [], MAX_HASHED
    for path, about, folder in _walk(run_dir):
        if any(shape.fullmatch(path) for shape in shapes):
            left -= about.st_size
            digest = _sha256(path, folder) if left >= 0 else ""
            found.append(Output(path, about.st_size, digest))
    found.sort(key=lambda one: one.path)
    _write(run_dir, {"outputs": [asdict(one) for one in found]})
    return found


def outputs(run_dir: Path) -> list[Output]:
    """Return what was collected; nothing where there is no list or it cannot be understood."""
    piece = run_directory.chunk(run_dir, OUTPUTS, offset=0, limit=run_directory.MAX_READ)
    try:
        rows = json.loads(piece.data)["outputs"]
        return [Output(str(one["path"]), int(one["bytes"]), str(one["sha256"])) for one in rows]
    except (ValueError, TypeError, KeyError, RecursionError):
        return []


@dataclass(frozen=True)
class Opened:
    """A plain file of a run directory, as it is now."""

    size: int
    tag: str
    pieces: Callable[[int, int], Iterator[bytes]]


def opened(run_dir: Path, path: str) -> Opened | None:
    """Return a file to send; None for what is no plain file below the run directory, and for the
    inputs laid there: the catalogue gives those to who may read them.
    """
    parts = [one for one in path.split("/") if one]
    if parts[:1] == [INPUTS] or any(one.startswith(".") for one in parts):
        return None
    about = run_directory.about(run_dir, path)
    if about is None:
        return None

    def pieces(first: int, after: int) -> Iterator[bytes]:
        while first < after:
            limit = min(PIECE, after - first)
            data = run_directory.chunk(run_dir, path, offset=first, limit=limit).data
            if not data:
                return
            yield data
            first += len(data)

    tag = f"{about.st_ino:x}-{about.st_size:x}-{about.st_mtime_ns:x}"
    return Opened(about.st_size, tag, pieces)


def _walk(run_dir: Path) -> Iterator[tuple[str, os.stat_result, int]]:
    """Yield (path, what it is, its folder's descriptor) of plain files, hidden ones left out."""
    count = 0
    try:
        for folder, folders, names, descriptor in os.fwalk(run_dir, follow_symlinks=False):
            inside = Path(folder).relative_to(run_dir)
            folders[:] = sorted(one for one in folders if not one.startswith("."))
            if len(inside.parts) >= MAX_DEPTH:
                folders.clear()
            for name in sorted(names):
                about = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                if name.startswith(".") or not stat.S_ISREG(about.st_mode):
                    continue
                count += 1
                if count > MAX_FILES:
                    return
                yield (inside / name).as_posix(), about, descriptor
    except OSError:
        return


def _sha256(path: str, folder: int) -> str:
    try:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        file = os.open(path.rpartition("/")[2], flags, dir_fd=folder)
    except OSError:
        return ""
    with os.fdopen(file, "rb") as opened_file:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            return ""
        return hashlib.file_digest(opened_file, "sha256").hexdigest()


def _shape(pattern: str) -> re.Pattern[str]:
    """Return what a pattern matches: ** any folders, * and ? inside one name, a folder all in it."""
    parts = re.split(r"(\*\*/?|\*|\?)", pattern.strip("/"))
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    body = "".join(words.get(part, re.escape(part)) for part in parts)
    return re.compile(f"(?:{body})(?:/.*)?", re.DOTALL)


def _write(run_dir: Path, record: dict[str, Any]) -> None:
    """Put the list in its place in one step. A run directory that is another's is left alone."""
    part = run_dir / f".{OUTPUTS}.part"
    try:
        part.unlink(missing_ok=True)
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        with os.fdopen(file, "w") as opened_file:
            json.dump(record, opened_file)
        part.replace(run_dir / OUTPUTS)
    except PermissionError:
        return
