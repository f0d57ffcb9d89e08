"""Readers give every document and say every broken record, whatever the file does to them."""

import gzip
import json
import lzma

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uzina_recipes import catalogue
from uzina_recipes.recipes.prepare import readers
from uzina_recipes.recipes.prepare.pages import page_text
from uzina_recipes.recipes.prepare.readers import Broken, Columns, Document

COLUMNS = Columns()


def everything(folder, columns=COLUMNS, size=readers.SMALLEST):
    """Every document and every broken record of a folder, and the batches they came in."""
    found, batches = [], []
    for unit in readers.units(readers.documents_under(folder), columns):
        for records in readers.batches(unit, size, columns):
            batches.append(len(records))
            found += [
                one
                if isinstance(one, Broken)
                else readers.document(unit.kind, one, columns, source="here")
                for one in records
            ]
    documents = [one for one in found if isinstance(one, Document)]
    return documents, [one for one in found if isinstance(one, Broken)], batches


def lines(count, **facts):
    rows = [{"id": str(n), "text": f"text {n}", **facts} for n in range(count)]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".zst"])
def test_json_lines_are_read_however_they_are_compressed(tmp_path, ending):
    data = lines(50, language="ro", licence="CC0-1.0", url="https://a.ro/", date="2026-03-04T05")
    packed = {
        "": data,
        ".gz": gzip.compress(data),
        ".xz": lzma.compress(data),
        ".zst": pa.compress(data, "zstd", asbytes=True),
    }
    (tmp_path / f"a.jsonl{ending}").write_bytes(packed[ending])
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == [f"text {n}" for n in range(50)]
    assert vars(documents[0]) == {
        "id": "0",
        "text": "text 0",
        "language": "ro",
        "source": "here",
        "licence": "CC0-1.0",
        "url": "https://a.ro/",
        "date": "2026-03-04",
    }
    assert not broken


@pytest.mark.parametrize("size", [1, 7, 60, 10_000])
def test_pieces_of_a_file_hold_each_line_once_wherever_they_are_cut(tmp_path, monkeypatch, size):
    monkeypatch.setattr(readers, "SMALLEST", size)
    monkeypatch.setattr(readers, "BATCHES", 10**9)
    data = b"\n" + lines(30) + b'\n{"id": "last", "text": "no end of line"}'
    (tmp_path / "a.jsonl").write_bytes(data)
    documents, broken, batches = everything(tmp_path)
    assert [one.id for one in documents] == [*map(str, range(30)), "last"]
    assert not broken
    assert len(batches) == -(-len(data) // size)


@pytest.mark.parametrize("ending", ["gz", "xz", "zst"])
def test_a_compressed_file_that_was_cut_off_gives_what_came_before(tmp_path, ending):
    data = b"".join(lines(1, noise=f"{n * 7919 % 10007:x}") for n in range(20_000))
    pack = {"gz": gzip.compress, "xz": lzma.compress}.get(
        ending, lambda raw: pa.compress(raw, "zstd", asbytes=True)
    )
    packed = pack(data)
    (tmp_path / f"a.jsonl.{ending}").write_bytes(packed[: len(packed) // 2])
    (tmp_path / "b.jsonl").write_bytes(lines(1))
    documents, broken, _ = everything(tmp_path)
    assert 1 < len(documents) < 20_000
    assert 1 <= len(broken) <= 2
    assert "a.jsonl" in broken[0].where


def test_what_is_no_compressed_file_is_said_and_the_next_file_read(tmp_path):
    for ending in ("gz", "xz", "zst"):
        (tmp_path / f"a.jsonl.{ending}").write_bytes(b"this was never compressed" * 9)
    (tmp_path / "b.jsonl").write_bytes(lines(1))
    documents, broken, _ = everything(tmp_path)
    assert len(documents) == 1
    assert len(broken) == 3
    assert all("damaged" in one.why for one in broken)


def test_each_broken_line_is_said_with_its_place_and_never_quoted(tmp_path):
    bad = [
        b'{"id": 1, "text": "secret',
        b'{"id": "x", "text": 5}',
        b'{"id": "x"}',
        b"[]",
        b"null",
        b'{"text": "\xff\xfe secret"}',
        b'{"text": "\\ud800 secret"}',
        b"[" * 100_000,
        b'{"text": "fine", "id": ["secret"]}',
    ]
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([*bad, lines(1).strip()]))
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == ["text 0"]
    assert len(broken) == len(bad)
    assert not any("secret" in one.why for one in broken)
    assert len({one.where for one in broken}) == len(bad)


def test_a_line_of_more_than_the_limit_is_skipped_in_little_memory(tmp_path, monkeypatch):
    import tracemalloc

    monkeypatch.setattr(readers, "MAX_RECORD", 2**20)
    with (tmp_path / "a.jsonl").open("wb") as file:
        file.write(lines(1))
        file.write(b'{"id": "big", "text": "')
        for _ in range(200):
            file.write(b"x" * 2**20)
        file.write(b'"}\n')
        file.write(b'{"id": "after", "text": "t"}\n')
    tracemalloc.start()
    documents, broken, _ = everything(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.id for one in documents] == ["0", "after"]
    assert sum(one.bytes for one in broken) > 200 * 2**20
    assert peak < 16 * 2**20


def test_columns_may_have_other_names_and_others_are_left_aside(tmp_path):
    chosen = catalogue.load()["prepare"].resolve(
        {"text_column": "body", "id_column": "key", "language_column": "lang"}
    )
    row = {"body": "b", "key": 7, "lang": None, "text": {"not": "this"}}
    (tmp_path / "a.jsonl").write_text(json.dumps(row))
    pq.write_table(pa.table({"body": ["c"], "key": [8], "lang": ["ro"]}), tmp_path / "b.parquet")
    documents, broken, _ = everything(tmp_path, Columns.of(chosen))
    assert [(one.text, one.id, one.language) for one in documents] == [
        ("b", "7", ""),
        ("c", "8", "ro"),
    ]
    assert not broken


def test_a_parquet_file_is_read_by_row_groups_and_a_damaged_one_is_skipped(tmp_path):
    texts = [f"{n:05d}" * 400 for n in range(300)]
    path = tmp_path / "a.parquet"
    pq.write_table(
        pa.table({"text": texts}),
        path,
        row_group_size=100,
        compression="none",
        use_dictionary=False,
    )
    data = bytearray(path.read_bytes())
    second = pq.ParquetFile(path).metadata.row_group(1).column(0)
    begin = second.data_page_offset
    data[begin : begin + 24] = b"\xff" * 24
    path.write_bytes(data)
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == texts[:100] + texts[200:]
    assert len(broken) == 1
    assert "row group 1" in broken[0].where


@pytest.mark.parametrize(
    "data", [b"", b"PAR1", b"PAR1" + b"\xff" * 100 + b"PAR1", b"no parquet at all" * 100]
)
def test_what_is_no_parquet_file_is_said(tmp_path, data):
    (tmp_path / "a.parquet").write_bytes(data)
    documents, broken, _ = everything(tmp_path)
    assert not documents
    assert len(broken) == 1


def test_a_parquet_file_without_the_column_or_with_numbers_in_it_is_said(tmp_path):
    pq.write_table(pa.table({"other": ["x"]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"text": [1, None]}), tmp_path / "b.parquet")
    documents, broken, _ = everything(tmp_path)
    assert not documents
    assert [one.why for one in broken] == [
        "it has no column text",
        "its text is not a text",
        "its text is not a text",
    ]


def test_a_text_file_is_a_document_or_each_of_its_lines_is(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfunu\ndoi\n\n")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"trei"))
    (tmp_path / "c.txt").write_bytes("țară".encode("iso-8859-16"))
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == ["unu\ndoi\n\n", "trei"]
    assert [one.why for one in broken] == ["it is not UTF-8"]
    documents, _, _ = everything(tmp_path, Columns(by_line=True))
    assert [one.text.strip() for one in documents] == ["unu", "doi", "trei"]


def test_licences_and_notes_beside_records_are_no_documents(tmp_path):
    (tmp_path / "LICENCE.txt").write_text("all rights")
    (tmp_path / "README.md").write_text("read me")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert [path.name for path in readers.documents_under(tmp_path)] == ["LICENCE.txt"]
    (tmp_path / "a.jsonl").write_bytes(lines(1))
    assert [path.name for path in readers.documents_under(tmp_path)] == ["a.jsonl"]


# --- web archives -------------------------------------------------------------------------------


def record(body, *, length=None, kind="response", url="https://exemplu.ro/", headers=""):
    """One record of a web archive, its length told as it is or otherwise."""
    content = "application/http; msgtype=response" if kind == "response" else "text/plain"
    return (
        (
            f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {url}\r\n"
            f"WARC-Date: 2026-01-02T03:04:05Z\r\n"
            f"WARC-Record-ID: <urn:uuid:00000000-0000-0000-0000-000000000000>\r\n"
            f"Content-Type: {content}\r\n{headers}"
            f"Content-Length: {len(body) if length is None else length}\r\n\r\n"
        ).encode()
        + body
        + b"\r\n\r\n"
    )


def page(html, kind="text/html; charset=utf-8", headers=""):
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{headers}\r\n".encode() + html


GOOD = record(page("<title>Țara</title><p>Bună <b>ziua</b></p>".encode()))
NEXT = record(page(b"<p>next</p>"), url="https://altul.ro/b")


def test_pages_of_a_web_archive_become_lines_of_text_with_url_and_day(tmp_path):
    plain = record(b"text simplu", kind="conversion", url="https://wet.ro/")
    skipped = record(b"GET / HTTP/1.1\r\n\r\n", kind="request") + record(
        page(b"\x89PNG", kind="image/png")
    )
    (tmp_path / "a.warc").write_bytes(GOOD + skipped + plain)
    packed = page(gzip.compress(b"<p>packed</p>"), headers="Content-Encoding: gzip\r\n")
    latin = page("<meta charset=iso-8859-2><p>ţară</p>".encode("iso-8859-2"), kind="text/html")
    (tmp_path / "b.warc.gz").write_bytes(
        gzip.compress(record(packed)) + gzip.compress(record(latin))
    )
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == ["Țara\nBună ziua", "text simplu", "packed", "ţară"]
    assert (documents[0].id, documents[0].url) == ("https://exemplu.ro/",) * 2
    assert documents[0].date == "2026-01-02"
    assert not broken


@pytest.mark.parametrize(
    ("lie", "kept"),
    [
        (record(page(b"<p>lie</p>"), length=10**12), 1),
        (record(page(b"<p>lie lie lie</p>"), length=20), 1),
        (record(page(b"<p>lie</p>"), length=-5), 1),
        (record(page(b"<p>lie</p>"), length="many"), 1),
        (b"garbage\r\n\r\n", 1),
        (b"WARC/1.0\r\nX: " + b"a" * 2_000_000 + b"\r\n\r\n", 1),
        (record(page(b"<p>\xff\xfe\xfd\xfc</p>", kind="text/html; charset=rot13")), 2),
    ],
)
def test_a_web_archive_that_lies_is_read_as_far_as_it_can_be_and_said(tmp_path, lie, kept):
    (tmp_path / "a.warc").write_bytes(GOOD + lie + NEXT)
    (tmp_path / "b.warc").write_bytes(NEXT)
    documents, broken, _ = everything(tmp_path)
    assert documents[0].text == "Țara\nBună ziua"
    assert documents[-1].text == "next"
    assert len(documents) == kept + 1
    assert 1 <= len(broken) <= 2


def test_a_web_archive_that_was_cut_off_loses_its_last_record_only(tmp_path):
    (tmp_path / "a.warc").write_bytes((GOOD + NEXT)[:-12])
    (tmp_path / "b.warc.gz").write_bytes((gzip.compress(GOOD) + gzip.compress(NEXT))[:-15])
    documents, broken, _ = everything(tmp_path)
    assert [one.text for one in documents] == ["Țara\nBună ziua"] * 2
    assert len(broken) >= 2


@pytest.mark.parametrize(
    "html",
    ["<!--" * 50_000, "<a x='" * 50_000, "<script>" + "</scrip" * 50_000, "<" * 300_000],
)
def test_a_page_is_looked_at_once_whatever_is_left_open_in_it(html):
    # Python's own parser takes minutes for the first of these.
    assert page_text("<p>before</p>" + html).startswith("before")


def test_what_a_page_hides_is_not_text_and_lines_of_pre_stay():
    html = (
        "<script>if (a < b) alert('<p>no</p>')</script><style>p {}</style><!-- <p>no</p> -->"
        "<p>a &lt; b &amp; c<br/>d</p><pre>e\n  f</pre>1 < 2"
    )
    assert page_text(html) == "a < b & c\nd\ne\n  f\n1 < 2"
