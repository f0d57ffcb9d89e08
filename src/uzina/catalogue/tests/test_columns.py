"""Columns and samples of real Parquet, and of JSON lines as they come. No database."""

import io
import json
import struct
import tracemalloc
from datetime import date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uzina.catalogue import rules
from uzina.catalogue.rules import columns
from uzina.catalogue.rules.records import Column

DAY, MOMENT = date(2020, 2, 29), datetime(2020, 2, 29, 12, 30)  # noqa: DTZ001
TABLE = pa.table(
    {
        "id": pa.array([1, None, 3], pa.int64()),
        "small": pa.array([1, 2, None], pa.uint8()),
        "share": pa.array([0.5, None, 1.0], pa.float32()),
        "half": pa.array([0.5, None, 1.0], pa.float16()),
        "price": pa.array([Decimal("1.50"), None, None], pa.decimal128(10, 2)),
        "is_open": pa.array([True, None, False]),
        "Titlu, ș": pa.array(["Iași", None, ""]),
        "kind": pa.array(["a", "b", "a"]).dictionary_encode(),
        "raw": pa.array([b"\x00\xff", None, b""]),
        "day": pa.array([DAY, None, DAY]),
        "ms": pa.array([MOMENT, None, MOMENT], pa.timestamp("ms")),
        "ns": pa.array([MOMENT, None, MOMENT], pa.timestamp("ns")),
        "utc": pa.array([MOMENT, None, MOMENT], pa.timestamp("us", "UTC")),
        "hour": pa.array([time(1, 2), None, time(3, 4)], pa.time64("us")),
        "list": pa.array([[1], None, []]),
        "deep": pa.array([[[{"a": [1]}]], None, []]),
        "object": pa.array([{"a": 1, "b": {"c": [1, 2]}}, None, {"a": None, "b": None}]),
        "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int64())),
        "empty": pa.nulls(3),
        "0": pa.array([1, 2, 3]),
    }
)
KINDS = {
    "id": "integer", "small": "integer", "share": "number", "half": "number",
    "price": "number", "is_open": "boolean", "Titlu, ș": "text", "kind": "text",
    "raw": "text", "day": "date", "ms": "instant", "ns": "instant", "utc": "instant",
    "hour": "text", "list": "list", "deep": "list", "object": "object", "map": "object",
    "empty": "text", "0": "integer",
}  # fmt: skip


@pytest.fixture(autouse=True)
def licences():
    """Nothing here is kept anywhere."""


def parquet(table, **how):
    file = io.BytesIO()
    pq.write_table(table, file, **how)
    return file.getvalue()


def read(body):
    """Read the columns of a Parquet file as actions.layouts does: the tail, then the footer."""
    length = columns.footer_length(body[-8:])
    return columns.parquet_columns(body[len(body) - 8 - length : -8]) if length else ()


def kinds(found):
    return {one.name: one.kind for one in found}


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"version": "1.0"},
        {"version": "2.4", "data_page_version": "2.0", "compression": "zstd"},
        {"use_deprecated_int96_timestamps": True, "row_group_size": 1},
        {"store_schema": False, "write_statistics": False},
    ],
)
def test_every_kind_of_a_parquet_column_is_told_whoever_wrote_it(how):
    assert kinds(read(parquet(TABLE, **how))) == KINDS


def test_a_parquet_file_without_rows_has_columns_and_one_without_columns_has_none():
    assert kinds(read(parquet(TABLE.slice(0, 0)))) == KINDS
    assert read(parquet(pa.table({}))) == ()


@pytest.mark.parametrize(
    "names",
    [["a\0b"], ["a", "a"], ["x" * 201], ["\u202ename"], [""]],
    ids=["nul", "twice", "long", "turned round", "none"],
)
def test_names_that_cannot_be_kept_or_shown_leave_a_parquet_file_without_columns(names):
    table = pa.Table.from_arrays([pa.array([1])] * len(names), names=names)
    assert read(parquet(table)) == ()


def test_more_columns_than_are_looked_at_are_none():
    def wide(count):
        return read(parquet(pa.table({f"c{at}": pa.array([], pa.int8()) for at in range(count)})))

    assert len(wide(columns.MOST_COLUMNS)) == columns.MOST_COLUMNS
    assert wide(columns.MOST_COLUMNS + 1) == ()


WHOLE = parquet(TABLE)


@given(st.integers(0, len(WHOLE)), st.integers(0, 255), st.integers(0, len(WHOLE)))
@example(at=len(WHOLE) - 5, value=255, end=len(WHOLE))
def test_a_parquet_file_damaged_anywhere_has_columns_or_none_and_breaks_nothing(at, value, end):
    body = bytearray(WHOLE)
    body[min(at, len(body) - 1)] = value
    for damaged in (bytes(body), bytes(body[:end])):
        assert all(isinstance(one, Column) for one in read(damaged))


@given(st.binary(max_size=300))
def test_bytes_that_only_end_as_parquet_break_nothing(junk):
    body = b"PAR1" + junk + struct.pack("<I", len(junk)) + b"PAR1"
    assert all(isinstance(one, Column) for one in read(body))


def test_a_footer_longer_than_the_file_or_than_is_read_has_no_columns():
    for length in (len(WHOLE), columns.LARGEST_FOOTER + 1, 2**32 - 1):
        tail = struct.pack("<I", length) + b"PAR1"
        assert columns.footer_length(tail) in {0, length}
        assert read(WHOLE[:-8] + tail) == ()
    assert columns.footer_length(struct.pack("<I", columns.LARGEST_FOOTER + 1) + b"PAR1") == 0


def test_a_footer_that_unfolds_into_more_than_it_holds_is_left_alone():
    """A list of lists of truths: without a byte for each, a million bytes said 10¹¹ of them."""
    inner = b"\xf1" + b"\xff\xff\x3f"  # a list of 1,048,575 truths, which follow nowhere
    count = 200_000
    outer = b"\x29" + b"\xf9" + bytes([count & 0x7F | 0x80, count >> 7 & 0x7F | 0x80, count >> 14])
    tracemalloc.start()
    assert columns.parquet_columns(outer + inner * count) == ()
    small = b"\x29\xf9\x90\x4e" + b"\xf1\x90\x4e" * 10_000  # 10,000 lists of 10,000
    assert columns.parquet_columns(small) == ()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


# JSON lines ------------------------------------------------------------------------------------


def lines(*rows):
    return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in rows).encode()


def jsonl(body):
    return kinds(columns.columns("application/jsonl", body))


def test_records_of_one_shape_have_columns_with_their_kinds():
    rows = [
        {"id": 1, "x": 1, "t": "a", "on": "2020-01-02", "at": "2020-01-02T03:04:05Z", "ok": True},
        {"id": 2, "x": 1.5, "t": None, "on": "2021-01-02", "at": None, "ok": False},
        {"id": None, "x": None, "nested": {"a": [1]}, "list": [{"a": 1}], "nothing": None},
    ]
    assert jsonl(lines(*rows)) == {
        "id": "integer", "x": "number", "t": "text", "on": "date", "at": "instant",
        "ok": "boolean", "nested": "object", "list": "list", "nothing": "text",
    }  # fmt: skip


def test_a_column_of_several_kinds_is_text():
    assert jsonl(lines({"a": 1}, {"a": "one"}, {"a": [1]})) == {"a": "text"}
    assert jsonl(lines({"a": True}, {"a": 1})) == {"a": "text"}


@pytest.mark.parametrize("odd", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\r"])
def test_a_line_ends_where_json_lines_say_and_not_inside_a_text(odd):
    text = odd if odd > "\x1f" else json.dumps(odd)[1:-1]
    body = f'{{"text": "one{text}two", "n": 1}}\n{{"text": "b", "n": 2}}'.encode()
    assert jsonl(body) == {"text": "text", "n": "integer"}
    assert len(rules.sample("a.jsonl", body).rows) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\n \n"])
def test_empty_lines_and_the_ends_of_windows_are_no_broken_lines(end):
    body = end.join(['{"a": 1}', '{"a": 2}', ""]).encode()
    assert jsonl(body) == {"a": "integer"}
    assert rules.sample("a.jsonl", body).rows == (("1",), ("2",))


@pytest.mark.parametrize(
    "body",
    [
        lines({"a": 1}, '{"a": '),
        lines({"a": 1}, [1]),
        lines("text"),
        lines("[" * 100_000),
        lines("1" * 5_000),
        lines({"a\0": 1}),
        lines('{"\\ud800": 1}'),
        lines({"": 1}),
        lines({"12": 1, "13": 2}),
        b"\x80\x02}q\x00.",
        WHOLE[: columns.PIECE],
        b"",
    ],
    ids=[
        *("broken", "no object", "text", "deep", "long number", "nul", "half character"),
        *("no name", "numbers", "pickle", "parquet", "empty"),
    ],
)
def test_what_only_pretends_to_be_records_has_no_columns_and_its_sample_can_be_sent(body):
    assert jsonl(body) == {}
    shown = rules.sample("a.jsonl", body)
    for cell in (*shown.header, *(cell for row in shown.rows for cell in row), *shown.lines):
        cell.encode()


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_characters_in_a_text_are_shown_as_replaced(text):
    shown = rules.sample("a.jsonl", json.dumps({"a": text, "b": [text]}).encode())
    assert shown.header == ("a", "b")
    assert "?" in shown.rows[0][0]
    assert "".join(shown.rows[0]).encode()


def test_a_line_longer_than_the_piece_has_no_columns_and_one_cut_off_is_left_out():
    huge = lines({"text": "x" * (2 * columns.PIECE)})
    assert jsonl(huge[: columns.PIECE]) == {}
    assert rules.sample("a.jsonl", huge[: rules.SAMPLE_BYTES]).lines
    cut = (lines({"a": 1}, {"a": 2}) + b"\n" + huge)[: columns.PIECE]
    assert jsonl(cut) == {"a": "integer"}
    assert rules.sample("a.jsonl", cut).rows == (("1",), ("2",))


@given(st.binary(max_size=200))
def test_any_bytes_as_records_break_nothing(body):
    for start in (body, b'{"a": ' + body + b"}"):
        assert all(isinstance(one, Column) for one in columns.columns("application/jsonl", start))
        rules.sample("a.jsonl", start)
