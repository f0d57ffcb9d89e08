"""The columns of a file, read from a piece of it: CSV, TSV, JSON lines and Parquet.

A file that cannot be read this way has no columns; that is never a reason to fail.
"""

import csv
import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uzina.catalogue.rules.records import Column

PIECE = 64 * 1024
"""Bytes read from the beginning of a file, and from the end of a Parquet file at first."""

MOST_LAID_OUT = 100
"""Files of one version whose columns are read and told."""

LARGEST_FOOTER = 2**20
"""Bytes of a Parquet footer that are read; a larger one is left alone."""

MOST_COLUMNS = 1_000

MOST_ELEMENTS = 20_000
"""Of a Parquet schema: columns, with all that is nested in them."""

LONGEST_NAME = 200

ROWS_LOOKED_AT = 50

MEDIA_TYPES = frozenset(
    {
        "application/jsonl",
        "application/vnd.apache.parquet",
        "text/csv",
        "text/tab-separated-values",
    }
)
"""Kinds of files that have columns we can read."""

PARQUET = "application/vnd.apache.parquet"

MAGIC = b"PAR1"

FORMS = (
    ("integer", re.compile(r"[+-]?\d{1,18}")),
    ("number", re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")),
    ("boolean", re.compile(r"true|false", re.IGNORECASE)),
    ("date", re.compile(r"\d{4}-\d{2}-\d{2}")),
    (
        "instant",
        re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?"),
    ),
)
"""What all filled cells of a column have to look like, the narrowest first."""


def columns(media_type: str, start: bytes) -> tuple[Column, ...]:
    """Return the columns that the first PIECE bytes of a file show; () when they show none."""
    text = start.decode("utf-8", errors="replace").removeprefix("\ufeff")
    text = text.replace("\0", "\ufffd")
    is_records = media_type == "application/jsonl"
    lines = text.split("\n") if is_records else text.splitlines()
    if len(start) >= PIECE and len(lines) > 1:
        lines = lines[:-1]
    if is_records:
        return _of_records([one for one in lines if one.strip()][:ROWS_LOOKED_AT])
    if media_type in {"text/csv", "text/tab-separated-values"}:
        mark = "\t" if media_type != "text/csv" else ""
        return _of_table(lines, mark)
    return ()


def _of_table(lines: Sequence[str], mark: str) -> tuple[Column, ...]:
    if not lines:
        return ()
    mark = mark or max(",;\t|", key=lines[0].count)
    try:
        rows = list(csv.reader(lines[: 4 * ROWS_LOOKED_AT], delimiter=mark))
    except csv.Error:
        return ()
    header, body = rows[0], rows[1 : 1 + ROWS_LOOKED_AT]
    if not _is_header(header):
        return ()
    return tuple(
        Column(name.strip(), _kind_of_cells([row[at] for row in body if at < len(row)]))
        for at, name in enumerate(header)
    )


def _is_header(names: Sequence[str]) -> bool:
    """Tell whether cells can name columns: each filled, told apart, short and not a number."""
    bare = [one.strip() for one in names]
    return _are_names(bare) and not any(form.fullmatch(one) for one in bare for _k, form in FORMS)


def _are_names(names: Sequence[str]) -> bool:
    return (
        0 < len(names) <= MOST_COLUMNS
        and len(set(names)) == len(names)
        and all(one and len(one) <= LONGEST_NAME and one.isprintable() for one in names)
    )


def _kind_of_cells(cells: Sequence[str]) -> str:
    filled = [one.strip() for one in cells if one.strip()]
    for kind, form in FORMS:
        if filled and all(form.fullmatch(one) for one in filled):
            return kind
    return "text"


def _of_records(lines: Sequence[str]) -> tuple[Column, ...]:
    kinds: dict[str, set[str]] = {}
    for line in lines:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            return ()
        if not isinstance(found, Mapping):
            return ()
        for key, value in found.items():
            kinds.setdefault(key, set()).update(_kind_of_value(value))
    if not _is_header(list(kinds)):
        return ()
    return tuple(Column(key, _joined(found)) for key, found in kinds.items())


def _kind_of_value(value: Any) -> set[str]:
    match value:
        case None:
            return set()
        case bool():
            return {"boolean"}
        case int():
            return {"integer"}
        case float():
            return {"number"}
        case list():
            return {"list"}
        case Mapping():
            return {"object"}
        case _:
            return {_kind_of_cells([value]) if _is_time(value) else "text"}


def _is_time(value: str) -> bool:
    return any(form.fullmatch(value) for kind, form in FORMS if kind in {"date", "instant"})


def _joined(kinds: set[str]) -> str:
    if kinds == {"integer", "number"}:
        return "number"
    return kinds.pop() if len(kinds) == 1 else "text"


def footer_length(tail: bytes) -> int:
    """Return how long the footer of a Parquet file is, from its last 8 bytes; 0: there is none."""
    if len(tail) < 8 or tail[-4:] != MAGIC:
        return 0
    length: int = struct.unpack("<I", tail[-8:-4])[0]
    return length if length <= LARGEST_FOOTER else 0


def parquet_columns(footer: bytes) -> tuple[Column, ...]:
    """Return the top columns of a Parquet file; () when its footer cannot be read, or its names
    cannot be shown.

    footer  the footer_length() bytes before the last 8: FileMetaData in Thrift's compact protocol
            (Apache Parquet format, parquet.thrift)
    """
    try:
        found = tuple(_top_columns(_schema(footer)))
    except (IndexError, ValueError, TypeError, KeyError, AttributeError):
        return ()
    return found if _are_names([one.name for one in found]) else ()


def _top_columns(elements: Sequence[Mapping[int, Any]]) -> Iterator[Column]:
    """Give the children of the root; what is nested below them is stepped over."""
    if elements[0][5] > MOST_COLUMNS:
        raise ValueError("more columns than are looked at")
    at = 1
    for _child in range(elements[0][5]):
        element = elements[at]
        yield Column(element[4].decode(), _parquet_kind(element))
        left, at = element.get(5, 0), at + 1
        while left:
            left += elements[at].get(5, 0) - 1
            at += 1


def _parquet_kind(element: Mapping[int, Any]) -> str:
    """Return our kind of a SchemaElement: 1 type, 3 repetition, 5 children, 6 converted type,
    10 logical type, which newer writers give alone.
    """
    converted = element.get(6)
    if element.get(3) == 2 or converted == 3:
        return "list"
    if element.get(5):
        return "object"
    for logical in element.get(10, {}):
        if logical in LOGICAL:
            return LOGICAL[logical]
    if converted is not None and converted in CONVERTED:
        return CONVERTED[converted]
    return PHYSICAL.get(element.get(1, -1), "text")


PHYSICAL = {0: "boolean", 1: "integer", 2: "integer", 3: "instant", 4: "number", 5: "number"}

CONVERTED = {
    0: "text", 5: "number", 6: "date", 7: "text", 8: "text", 9: "instant", 10: "instant",
}  # fmt: skip
"""A time of day is text: none of our kinds is one."""

LOGICAL = {
    1: "text", 4: "text", 5: "number", 6: "date", 7: "text", 8: "instant",
    11: "text", 12: "text", 14: "text", 15: "number",
}  # fmt: skip
"""1 string, 4 enum, 5 decimal, 6 date, 7 time, 8 timestamp, 11 nothing but nulls, 12 JSON, 14 UUID,
15 half float; 10, whole numbers, is as its physical type says.
"""


def _schema(footer: bytes) -> list[dict[int, Any]]:
    """Return field 2 of FileMetaData, a list of SchemaElement; what follows is not read."""
    reader = _Compact(footer)
    for field, kind in reader.fields():
        value = reader.value(kind, depth=0)
        if field == 2:
            return list(value)
    raise ValueError("no schema")


class _Compact:
    """Reads Thrift's compact protocol from bytes, as far as a Parquet schema needs it."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def varint(self) -> int:
        found = shift = 0
        while True:
            one = self.byte()
            found |= (one & 0x7F) << shift
            if one < 0x80:
                return found
            shift += 7
            if shift > 63:
                raise ValueError("number too long")

    def signed(self) -> int:
        found = self.varint()
        return (found >> 1) ^ -(found & 1)

    def fields(self) -> Iterator[tuple[int, int]]:
        """Give number and kind of each field of a struct; who asks reads the value."""
        field = 0
        while head := self.byte():
            field = field + (head >> 4) if head >> 4 else self.signed()
            yield field, head & 0x0F

    def value(self, kind: int, *, depth: int) -> Any:
        if depth > 8:
            raise ValueError("nested too deep")
        match kind:
            case 1 | 2:
                return kind == 1
            case 3:
                return self.byte()
            case 4 | 5 | 6:
                return self.signed()
            case 7:
                self.at += 8
                return None
            case 8:
                return self.binary()
            case 9 | 10:
                return self.many(depth=depth)
            case 12:
                return {field: self.value(inner, depth=depth + 1) for field, inner in self.fields()}
            case _:
                raise ValueError("a kind that no schema has")

    def binary(self) -> bytes:
        length = self.varint()
        if self.at + length > len(self.data):
            raise ValueError("text beyond the end")
        self.at += length
        return self.data[self.at - length : self.at]

    def many(self, *, depth: int) -> list[Any]:
        head = self.byte()
        count = self.varint() if head >> 4 == 15 else head >> 4
        if count > MOST_ELEMENTS:
            raise ValueError("more elements than are looked at")
        if head & 0x0F in {1, 2}:  # in a list, unlike in a struct, a truth takes a byte
            return [self.byte() == 1 for _one in range(count)]
        return [self.value(head & 0x0F, depth=depth + 1) for _one in range(count)]
