"""The run directory: the contract between a job and the factory, read with suspicion.

The job writes it and the job is a stranger's program, so every read is bounded, follows no link,
opens plain files only, and takes what it cannot understand for absent.
"""

import codecs
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from uzina.compute.ports import Chunk

MAX_LINE = 65_536
MAX_READ = 1_048_576
MAX_RECORD = 65_536
MAX_ENTRIES, MAX_DEPTH = 500, 6
CURVE_PIECES, CURVE_PIECE = 32, 65_536
INPUTS = "inputs"


@dataclass(frozen=True)
class Lines:
    """Records of a .jsonl file from an offset on.

    next_offset  where to read on; a last line without its end is not counted yet
    skipped      lines that were no JSON object, or too long
    """

    records: tuple[dict[str, Any], ...]
    next_offset: int
    skipped: int


@dataclass(frozen=True)
class Entry:
    """A plain file under the run directory."""

    path: str
    size: int
    changed_at: float


def make(run_dir: Path, files: Mapping[str, str]) -> None:
    """Make the directory with `logs/` and the files of the description. Twice does no harm.

    What an earlier job left that would end this one at once (STOP) or speak for it (exit.json)
    goes.
    """
    (run_dir / "logs").mkdir(parents=True, exist_ok=True)
    for left in ("STOP", "exit.json"):
        (run_dir / left).unlink(missing_ok=True)
    for path, text in files.items():
        target = run_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def chunk(run_dir: Path, path: str, *, offset: int, limit: int) -> Chunk:
    """Return at most limit (1 MiB) bytes of a file; a negative offset counts from its end."""
    with _opened(run_dir, path) as (file, size):
        if file is None:
            return Chunk(b"", max(0, offset), is_end=True)
        start = max(0, size + offset) if offset < 0 else min(offset, size)
        data = os.pread(file, max(0, min(limit, MAX_READ)), start)
        return Chunk(data, start + len(data), is_end=start + len(data) >= size)


def names(run_dir: Path, folder: str) -> set[str]:
    """Return the names in a folder right below the run directory; none where it is a link."""
    try:
        with os.scandir(run_dir / folder) as entries:
            return set() if (run_dir / folder).is_symlink() else {one.name for one in entries}
    except OSError:
        return set()


def about(run_dir: Path, path: str) -> os.stat_result | None:
    """Return what a plain file below the run directory is; None where there is none."""
    with _opened(run_dir, path) as (file, _size):
        return None if file is None else os.fstat(file)


def whole_characters(data: bytes, *, is_end: bool) -> tuple[str, int]:
    """Return bytes as text, and how many of them: a character cut off at the end is left for the
    next piece, unless there is none.
    """
    size = len(data)
    if not is_end:
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        decoder.decode(data)
        size -= len(decoder.getstate()[0])
    return data[:size].decode("utf-8", "replace"), size


def events(run_dir: Path, *, after: int = 0) -> Lines:
    """Return what the job says of itself: started, checkpoint, done."""
    return lines(run_dir, "events.jsonl", after=after)


def metrics(run_dir: Path, *, after: int = 0) -> Lines:
    """Return what the job measured, one record a step or so."""
    return lines(run_dir, "metrics.jsonl", after=after)


def curve(run_dir: Path) -> list[dict[str, Any]]:
    """Return the measurements for a drawing: all of them, or of a long file 32 even pieces.

    Reads 2 MiB at most, so a page that refreshes costs the same after a week as after a day.
    """
    size = chunk(run_dir, "metrics.jsonl", offset=-1, limit=1).next_offset
    if size <= CURVE_PIECES * CURVE_PIECE:
        return [one for page in _pages(run_dir, size) for one in page.records]
    records: list[dict[str, Any]] = []
    for index in range(CURVE_PIECES):
        offset = index * (size - CURVE_PIECE) // (CURVE_PIECES - 1)
        piece = chunk(run_dir, "metrics.jsonl", offset=offset, limit=CURVE_PIECE).data
        lines_cut = piece.split(b"\n")[1 if index else 0 : -1]
        records += [one for line in lines_cut if (one := _parse(line)) is not None]
    return records


def _pages(run_dir: Path, size: int) -> Iterator[Lines]:
    after = 0
    while after < size:
        page = metrics(run_dir, after=after)
        yield page
        if page.next_offset == after:
            return
        after = page.next_offset


def heartbeat(run_dir: Path) -> dict[str, Any]:
    """Return the last sign of life {t, step, phase}; empty when there is none."""
    return record(run_dir, "heartbeat.json")


def exit_record(run_dir: Path) -> dict[str, Any]:
    """Return how the job says it ended {state, resume, step, reason}; empty when it does not."""
    return record(run_dir, "exit.json")


def lines(run_dir: Path, path: str, *, after: int) -> Lines:
    """Return the records of a .jsonl file from the byte `after` on, at most 1 MiB of it."""
    piece = chunk(run_dir, path, offset=max(0, after), limit=MAX_READ)
    whole, _end, torn = piece.data.rpartition(b"\n")
    if not whole and not _end:
        # Nothing but one unfinished line: wait for its end, unless it is a monster.
        is_monster = len(torn) > MAX_LINE
        return Lines((), piece.next_offset if is_monster else max(0, after), int(is_monster))
    records, skipped = [], 0
    for line in whole.split(b"\n"):
        parsed = _parse(line)
        if parsed is not None:
            records.append(parsed)
        elif line.strip():
            skipped += 1
    return Lines(tuple(records), piece.next_offset - len(torn), skipped)


def record(run_dir: Path, path: str) -> dict[str, Any]:
    """Return a JSON object from a small file; empty when it is absent, large or something else."""
    piece = chunk(run_dir, path, offset=0, limit=MAX_RECORD + 1)
    return (_parse(piece.data) if len(piece.data) <= MAX_RECORD else None) or {}


def files(run_dir: Path) -> list[Entry]:
    """Return the plain files but inputs and hidden ones, at most 500 and six folders deep."""
    found: list[Entry] = []
    _walk(run_dir, "", MAX_DEPTH, found)
    return sorted(found, key=lambda entry: entry.path)


def _walk(folder: Path, prefix: str, depth: int, found: list[Entry]) -> None:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(found) >= MAX_ENTRIES:
                    return
                if (
                    entry.name.startswith(".")
                    or entry.is_symlink()
                    or prefix + entry.name == INPUTS
                ):
                    continue
                path = (prefix + entry.name).encode("utf-8", "replace").decode()
                if entry.is_dir(follow_symlinks=False) and depth:
                    _walk(Path(entry.path), f"{path}/", depth - 1, found)
                elif entry.is_file(follow_symlinks=False):
                    about = entry.stat(follow_symlinks=False)
                    found.append(Entry(path, about.st_size, about.st_mtime))
    except OSError:
        return


def _parse(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a line; numbers that are none (NaN, 1e999) become None."""
    if len(line) > MAX_LINE:
        return None
    try:
        value = json.loads(line, parse_constant=lambda _name: None, parse_float=_finite)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


@contextmanager
def _opened(run_dir: Path, path: str) -> Iterator[tuple[int | None, int]]:
    """Open a plain file below the run directory without following a link on the way there."""
    parts = PurePosixPath(path).parts
    opened: list[int] = []
    try:
        file, size = None, 0
        if parts and ".." not in parts and not path.startswith("/") and "\0" not in path:
            try:
                folder = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY)
                opened.append(folder)
                for part in parts[:-1]:
                    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
                    folder = os.open(part, flags, dir_fd=folder)
                    opened.append(folder)
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptor = os.open(parts[-1], flags, dir_fd=folder)
                opened.append(descriptor)
                about = os.fstat(descriptor)
                if stat.S_ISREG(about.st_mode):
                    file, size = descriptor, about.st_size
            except OSError:
                pass
        yield file, size
    finally:
        for descriptor in opened:
            os.close(descriptor)
