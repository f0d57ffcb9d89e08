"""Documents in files, whatever the format, in bounded memory, and every broken one said.

    .jsonl .ndjson  (.gz .xz .zst)   an object a line; columns are named in the configuration
    .parquet                         a row a document
    .txt            (.gz .xz .zst)   a file a document, or a line a document
    .warc           (.gz .zst)       pages and plain texts as they were crawled; HTML becomes text

Files are cut into batches: the unit of work, of resuming and of sharing work out. Where they are
cut depends on the files alone, so that it is the same for one worker and for a hundred.

A record that cannot be read becomes a Broken and reading goes on after it, or with the next file
where nothing after it can be found.
"""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import re
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from uzina_recipes.recipes.prepare.pages import page_text
from uzina_recipes.run_directory import files_under

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from uzina_recipes.catalogue import Value

MAX_RECORD = 32 * 2**20
"""A longer record is broken: nobody writes a document of 32 MiB, and memory is bounded by it."""
SMALLEST, LARGEST = 2**20, 2**26
BATCHES = 256
ROWS = 256
SKIP = 2**20
BUFFER = 2**16
LOST_SHARE = 0.001
COMPRESSIONS = ("gz", "xz", "zst")
KINDS = {
    "jsonl": "lines",
    "ndjson": "lines",
    "parquet": "parquet",
    "txt": "text",
    "warc": "warc",
}
OPTIONAL = ("source", "licence", "url", "date")
CHARSETS = re.compile(
    r"(utf-?(8|16(le|be)?)|us-ascii|ascii|(iso-?)?8859-?\d+|latin-?\d+|(windows-?|cp)\d+"
    r"|koi8-?[ru]|mac\w*|gb\w+|big5\w*|shift_?jis|euc-?\w+)",
    re.IGNORECASE,
)
"""Names of character sets; Python knows codecs that are none, and slow ones among them."""
CHARSET = re.compile(
    rb"""<meta[^>]{0,200}charset\s*=\s*["']?([A-Za-z0-9_-]{1,40})""", re.IGNORECASE
)
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

READ_ERRORS = (EOFError, OSError, ValueError, lzma.LZMAError, zlib.error)
"""What a broken file may raise while it is read: gzip, lzma, Arrow and the file system itself."""


class Raw(NamedTuple):
    """A record as it stands in a file: where, and bytes, a row, or a page with its headers."""

    where: str
    payload: Any


class Broken(NamedTuple):
    """A record that is no document, and why, in words that quote nothing of it."""

    where: str
    why: str
    bytes: int = 0


@dataclass(frozen=True)
class Document:
    """One text and what its source says about it."""

    id: str
    text: str
    language: str = ""
    source: str = ""
    licence: str = ""
    url: str = ""
    date: str = ""


@dataclass(frozen=True)
class Unit:
    """What is opened together: one file, a piece of one, or some small ones.

    batches  1 where the whole unit is one batch, 0 where it has to be read to know
    """

    at: int
    kind: str
    files: tuple[Path, ...]
    begin: int = 0
    end: int = 0
    batches: int = 1


@dataclass(frozen=True)
class Columns:
    """How the columns are called, and whether a line of a text file is a document."""

    text: str = "text"
    id: str = "id"
    language: str = "language"
    by_line: bool = False
    names: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Mapping[str, Value]) -> Columns:
        """What a configuration says."""
        return cls(
            text=str(settings["text_column"]),
            id=str(settings["id_column"]),
            language=str(settings["language_column"]),
            by_line=settings["text_files"] == "lines",
        )


def kind_of(path: Path) -> str:
    """How a file is read, by its name; empty for a file that holds no documents."""
    parts = path.name.lower().split(".")[1:]
    if parts and parts[-1] in COMPRESSIONS:
        parts.pop()
    elif parts and parts[-1] == "parquet":
        return "parquet"
    kind = KINDS.get(parts[-1], "") if parts else ""
    return "" if kind == "parquet" else kind


def is_compressed(path: Path) -> bool:
    """Whether a file has to be read from its beginning."""
    return path.suffix.lower().lstrip(".") in COMPRESSIONS


def batch_bytes(files: Sequence[Path]) -> int:
    """How large a batch is: about 256 of them, so that neither memory nor their number grows.

    UZINA_RECIPES_BATCH sets it for tests, whose texts are small.
    """
    if given := os.environ.get("UZINA_RECIPES_BATCH"):
        return int(given)
    total = sum(path.stat().st_size for path in files)
    return min(max(total // BATCHES, SMALLEST), LARGEST)


def units(files: Sequence[Path], columns: Columns) -> list[Unit]:
    """The units of work, in order: a function of names and sizes alone."""
    size = batch_bytes(files)
    found: list[Unit] = []
    small: list[Path] = []
    held = 0

    def flush() -> None:
        nonlocal held
        if small:
            found.append(Unit(len(found), "text", tuple(small)))
        small.clear()
        held = 0

    for path in files:
        kind = kind_of(path)
        length = path.stat().st_size
        if kind == "text" and not columns.by_line:
            if small and held + length > size:
                flush()
            small.append(path)
            held += length
            continue
        flush()
        if kind == "text":
            kind = "textlines"
        if kind in {"lines", "textlines"} and not is_compressed(path):
            for begin in range(0, length, size):
                found.append(Unit(len(found), kind, (path,), begin, min(begin + size, length)))
        else:
            found.append(Unit(len(found), kind, (path,), batches=0))
    flush()
    return found


def opened(path: Path) -> BinaryIO:
    """A file's content as it was before it was compressed."""
    match path.suffix.lower():
        case ".gz":
            return gzip.open(path, "rb")  # type: ignore[return-value]
        case ".xz":
            return lzma.open(path, "rb")  # type: ignore[return-value]
        case ".zst":
            import pyarrow as pa

            stream = pa.CompressedInputStream(pa.OSFile(str(path), "rb"), "zstd")
            return io.BufferedReader(stream, BUFFER)  # type: ignore[arg-type]
    return path.open("rb", buffering=SKIP)


def batches(unit: Unit, size: int, columns: Columns) -> Iterator[list[Raw | Broken]]:
    """A unit's records in batches of about this many bytes."""
    batch: list[Raw | Broken] = []
    held = 0
    for record, length in READERS[unit.kind](unit, columns):
        batch.append(record)
        held += length
        if held >= size and not unit.batches:
            yield batch
            batch, held = [], 0
    if batch or unit.batches:
        yield batch


def lines(unit: Unit, columns: Columns) -> Iterator[tuple[Raw | Broken, int]]:
    """The lines that begin in a piece of a file, each with its length."""
    del columns
    (path,) = unit.files
    name = place(path)
    number = 0
    try:
        with opened(path) as file:
            at = unit.begin
            if at:
                # A line that began before this piece belongs to the piece before.
                file.seek(at - 1)
                at += skip_line(file) - 1
            while not unit.end or at < unit.end:
                line = file.readline(MAX_RECORD + 1)
                if not line:
                    return
                number += 1
                where = f"{name} byte {at}" if unit.batches else f"{name} line {number}"
                length = len(line)
                if length > MAX_RECORD:
                    if not line.endswith(b"\n"):
                        length += skip_line(file)
                    yield Broken(where, f"the line is longer than {MAX_RECORD} bytes", length), 0
                elif line.strip():
                    yield Raw(where, line), length
                at += length
    except READ_ERRORS as error:
        yield Broken(f"{name} after line {number}", ends(error)), 0


def skip_line(file: BinaryIO) -> int:
    """Read to the end of the line and return how many bytes that took."""
    taken = 0
    while piece := file.readline(SKIP):
        taken += len(piece)
        if piece.endswith(b"\n"):
            break
    return taken


def texts(unit: Unit, columns: Columns) -> Iterator[tuple[Raw | Broken, int]]:
    """Whole files, one a document."""
    del columns
    for path in unit.files:
        try:
            with opened(path) as file:
                text = file.read(MAX_RECORD + 1)
        except READ_ERRORS as error:
            yield Broken(place(path), ends(error)), 0
            continue
        if len(text) > MAX_RECORD:
            yield Broken(place(path), f"the text is longer than {MAX_RECORD} bytes", len(text)), 0
        else:
            yield Raw(place(path), text), len(text)


def rows(unit: Unit, columns: Columns) -> Iterator[tuple[Raw | Broken, int]]:
    """The rows of a Parquet file; a row group that cannot be read is skipped."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (path,) = unit.files
    name = place(path)
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            known = set(file.schema_arrow.names)
            if columns.text not in known:
                yield Broken(name, f"it has no column {columns.text}"), 0
                return
            wanted = [
                column
                for column in (columns.text, columns.id, columns.language, *OPTIONAL)
                if column in known
            ]
            for group in range(file.num_row_groups):
                try:
                    for table in file.iter_batches(ROWS, row_groups=[group], columns=wanted):
                        for row in table.to_pylist():
                            number += 1
                            text = row[columns.text]
                            length = len(text) if isinstance(text, str | bytes) else 0
                            yield Raw(f"{name} row {number}", row), length
                except (pa.ArrowException, *READ_ERRORS) as error:
                    yield Broken(f"{name} row group {group}", ends(error)), 0
    except (pa.ArrowException, *READ_ERRORS) as error:
        yield Broken(name, ends(error)), 0


def pages(unit: Unit, columns: Columns) -> Iterator[tuple[Raw | Broken, int]]:
    """The pages and texts of a web archive; requests, images and the like are passed over."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    del columns
    (path,) = unit.files
    name = place(path)
    kept = WarcRecordType.response | WarcRecordType.resource | WarcRecordType.conversion
    number = 0
    try:
        with path.open("rb") as file:
            for record in ArchiveIterator(file, parse_http=True, auto_decode="all"):
                number += 1
                where = f"{name} record {number}"
                if not record.record_type & kept:
                    continue
                declared = record.content_length
                body = record.reader.read(MAX_RECORD + 1)
                kind = str(record.http_content_type or record.headers.get("Content-Type") or "")
                if len(body) > MAX_RECORD:
                    yield Broken(where, f"it is longer than {MAX_RECORD} bytes", len(body)), 0
                    continue
                if not body and declared:
                    yield Broken(where, "it ends before the length it declares"), 0
                    continue
                head = {
                    "url": str(record.headers.get("WARC-Target-URI") or ""),
                    "date": str(record.headers.get("WARC-Date") or ""),
                    "type": kind.split(";", maxsplit=1)[0].strip().lower(),
                    "charset": str(record.http_charset or ""),
                }
                encoded = record.http_headers and record.http_headers.get("Content-Encoding")
                if not encoded and len(body) < declared:
                    yield Broken(where, "it ends before the length it declares", len(body)), 0
                elif head["type"] in {"text/html", "application/xhtml+xml", "text/plain"}:
                    yield Raw(where, (head, body)), len(body)
    except READ_ERRORS as error:
        yield Broken(f"{name} after record {number}", ends(error)), 0


READERS = {"lines": lines, "textlines": lines, "text": texts, "parquet": rows, "warc": pages}


def place(path: Path) -> str:
    """A file as it is named to people: with the folder it lies in."""
    return f"{path.parent.name}/{path.name}"


def ends(error: BaseException) -> str:
    """Why nothing more is read of a file, without quoting it."""
    if isinstance(error, EOFError):
        return "the file ends in the middle of its compressed data"
    return f"the file is damaged here ({type(error).__name__})"


def document(kind: str, record: Raw, columns: Columns, *, source: str) -> Document | Broken:
    """The document a record holds."""
    try:
        match kind:
            case "lines":
                return of_row(record, json.loads(record.payload), columns, source)
            case "parquet":
                return of_row(record, record.payload, columns, source)
            case "warc":
                return of_page(record, source)
        text = record.payload.decode("utf-8-sig")
        return Document(id=record.where, text=text, source=source)
    except UnicodeError:
        return Broken(record.where, "it is not UTF-8")
    except json.JSONDecodeError as error:
        return Broken(record.where, f"it is not JSON ({error.msg})")
    except RecursionError:
        return Broken(record.where, "it is nested too deep")
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        return Broken(record.where, str(error.args[0]) if error.args else type(error).__name__)


def of_row(record: Raw, row: Any, columns: Columns, source: str) -> Document:
    """The document of an object with columns. TypeError when it is none."""
    if not isinstance(row, dict):
        raise TypeError("it is not an object with columns")
    if columns.text not in row:
        raise TypeError(f"it has no {columns.text}")
    facts = {name: plain(row.get(name), name) for name in OPTIONAL}
    return Document(
        id=plain(row.get(columns.id), columns.id) or record.where,
        text=plain(row[columns.text], columns.text, is_needed=True),
        language=plain(row.get(columns.language), columns.language),
        source=facts["source"] or source,
        licence=facts["licence"],
        url=facts["url"],
        date=day(facts["date"]),
    )


def plain(value: object, name: str, *, is_needed: bool = False) -> str:
    """A value as text that can be written as UTF-8. TypeError when it is not one."""
    if value is None and not is_needed:
        return ""
    if isinstance(value, bytes):
        value = value.decode("utf-8")
    elif not is_needed and not isinstance(value, str | bool | list | dict):
        value = str(value)
    if not isinstance(value, str):
        raise TypeError(f"its {name} is not a text")
    value.encode()
    return value


def day(text: str) -> str:
    """The day a date begins with; empty when it does not begin with one."""
    found = DAY.match(text)
    return found[0] if found else ""


def of_page(record: Raw, source: str) -> Document:
    """The document of a crawled page. ValueError when its letters cannot be told."""
    head, body = record.payload
    text = decoded(body, head["charset"])
    if head["type"] != "text/plain":
        text = page_text(text)
    return Document(
        id=head["url"] or record.where,
        text=text,
        source=source,
        url=head["url"],
        date=day(head["date"]),
    )


def decoded(body: bytes, charset: str) -> str:
    """A page's letters: as the server says, else as the page says, else UTF-8.

    One byte in a thousand may be wrong, as it is on real pages. Raises ValueError beyond that.
    """
    said = CHARSET.search(body[:4096])
    for name in (charset, said[1].decode() if said else "", "utf-8"):
        if not CHARSETS.fullmatch(name):
            continue
        try:
            text = body.decode(name, "replace")
        except (LookupError, ValueError):
            continue
        if text and text.count("\ufffd") <= LOST_SHARE * len(text):
            return text
    if not body:
        return ""
    raise ValueError("its letters cannot be told")


def documents_under(folder: Path) -> list[Path]:
    """Every file below a folder that may hold documents, sorted.

    Beside files of records, a text file is a licence or a note about them, and no document.
    """
    found = [path for path in files_under(folder) if kind_of(path)]
    if any(kind_of(path) != "text" for path in found):
        return [path for path in found if kind_of(path) != "text"]
    return found
