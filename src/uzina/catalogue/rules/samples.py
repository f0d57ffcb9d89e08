"""The beginning of a file, shown as text: rows of a table, records or lines."""

import bz2
import csv
import io
import json
import lzma
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SAMPLE_BYTES = 64 * 1024
"""Bytes of a file that are read for a sample, and bytes that they may unpack to."""

MOST_ROWS = 10
MOST_COLUMNS = 12
MOST_LINES = 20
LONGEST_CELL = 120
LONGEST_LINE = 400

ORDER = ("csv", "tsv", "jsonl", "txt", "md", "json", "xml", "html", "toml")
"""Formats of which a sample can be shown, those that tell most first."""

PACKED = ("gz", "xz", "bz2")


@dataclass(frozen=True)
class Sample:
    """The beginning of one file. Either a table (header and rows) or lines; both are plain text."""

    path: str
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    lines: tuple[str, ...] = field(default=())
    columns_left: int = 0


def sampled_path(paths: Sequence[str]) -> str:
    """Return the file a sample is best taken from, "" when none can be shown."""
    found = [(ORDER.index(kind), path) for path in paths if (kind := _kind(path)) in ORDER]
    return min(found)[1] if found else ""


def _kind(path: str) -> str:
    name, _dot, ending = path.lower().rpartition(".")
    return name.rpartition(".")[2] if ending in PACKED else ending


def sample(path: str, start: bytes) -> Sample:
    """Return what the first bytes of a file show.

    start  at most SAMPLE_BYTES; the last line, which may be cut off, is left out unless it is all
    """
    text = unpacked(path, start)[:SAMPLE_BYTES].decode("utf-8", errors="replace")
    is_cut = len(start) >= SAMPLE_BYTES or len(text) >= SAMPLE_BYTES
    text = text.removeprefix("\ufeff").replace("\0", "\ufffd")
    kind = _kind(path)
    lines = text.split("\n") if kind == "jsonl" else text.splitlines()
    if is_cut and len(lines) > 1:
        lines = lines[:-1]
    if kind in {"csv", "tsv"}:
        return _table(path, lines, "\t" if kind == "tsv" else "")
    if kind == "jsonl":
        return _records(path, [one for one in lines if one.strip()])
    return Sample(path, lines=tuple(one[:LONGEST_LINE] for one in lines[:MOST_LINES]))


def unpacked(path: str, start: bytes) -> bytes:
    """Return the first bytes that a packed beginning holds, never more than SAMPLE_BYTES.

    What cannot be unpacked is b"": a sample is never a reason to fail.
    """
    ending = path.lower().rpartition(".")[2]
    try:
        if ending == "gz":
            return zlib.decompressobj(wbits=31).decompress(start, SAMPLE_BYTES)
        if ending == "xz":
            reader = lzma.LZMADecompressor(memlimit=64 * 2**20)
            return reader.decompress(start, max_length=SAMPLE_BYTES)
        if ending == "bz2":
            return bz2.BZ2Decompressor().decompress(start, max_length=SAMPLE_BYTES)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError):
        return b""
    return start


def _table(path: str, lines: Sequence[str], mark: str) -> Sample:
    first = lines[0] if lines else ""
    mark = mark or max(",;\t|", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO("\n".join(lines[: 4 * MOST_ROWS])), delimiter=mark))
    except csv.Error:
        return Sample(path, lines=tuple(one[:LONGEST_LINE] for one in lines[:MOST_LINES]))
    if not rows:
        return Sample(path)
    return Sample(
        path,
        header=_cells(rows[0]),
        rows=tuple(_cells(row) for row in rows[1 : 1 + MOST_ROWS]),
        columns_left=max(0, len(rows[0]) - MOST_COLUMNS),
    )


def _cells(row: Sequence[str]) -> tuple[str, ...]:
    return tuple(_short(cell) for cell in row[:MOST_COLUMNS])


def _short(text: str) -> str:
    """Return the beginning of a text, with half characters that JSON can name but nobody can send
    replaced.
    """
    text = text[: LONGEST_CELL + 1].encode("utf-8", "replace").decode()
    return text if len(text) <= LONGEST_CELL else f"{text[:LONGEST_CELL]}…"


def _records(path: str, lines: Sequence[str]) -> Sample:
    """Show records that are objects as rows under their keys, anything else as lines."""
    found = []
    for line in lines[:MOST_ROWS]:
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    keys = list(dict.fromkeys(key for one in found if isinstance(one, Mapping) for key in one))
    if not keys or not all(isinstance(one, Mapping) for one in found):
        return Sample(path, lines=tuple(one[:LONGEST_LINE] for one in lines[:MOST_LINES]))
    shown = keys[:MOST_COLUMNS]
    return Sample(
        path,
        header=_cells(shown),
        rows=tuple(tuple(_short(_said(one.get(key))) for key in shown) for one in found),
        columns_left=max(0, len(keys) - MOST_COLUMNS),
    )


def _said(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)[: 2 * LONGEST_CELL]
