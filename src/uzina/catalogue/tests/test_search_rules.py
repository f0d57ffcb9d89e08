"""Words, tags, counts and samples: no database."""

import gzip
import json
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.catalogue import rules


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


@pytest.mark.parametrize("typed", ["știri", "ştiri", "STIRI", "Știri", "s\u0326tiri", "stir"])
def test_letters_with_and_without_diacritics_find_each_other(typed):
    assert rules.wanted(typed, {}, "").words[0] in rules.index_of("Cele mai noi Știri")


@pytest.mark.parametrize(
    ("typed", "text", "is_found"),
    [
        ("tiri", "știri", False),
        ('"stir"', "știri", False),
        ('"stiri"', "știri", True),
        ("straße", "Strasse", True),
        ("Lodz", "Łódź", True),
        ("covid-19", "Date despre COVID-19", True),
        ("%", "100 %", True),
        ("news", "News!", True),
    ],
)
def test_words_are_found_by_their_beginning_and_quoted_ones_whole(typed, text, is_found):
    asked = rules.wanted(typed, {}, "").words
    assert all(word in rules.index_of(text) for word in asked) is is_found


def test_a_search_takes_ten_words_and_no_more():
    assert len(rules.wanted(" ".join(f"w{n}" for n in range(10)), {}, "").words) == 10
    assert len(rules.wanted(" ".join(f"w{n}" for n in range(11)), {}, "").words) == 10


@given(st.text())
def test_any_text_can_be_asked_and_indexed(text):
    words = rules.wanted(text, {}, "").words
    assert len(words) <= 10
    assert "\0" not in "".join(words)
    assert rules.index_of(text).startswith(" ")


@pytest.mark.parametrize(
    ("q", "sort", "kept"),
    [
        ("", "", "newest"),
        ("a", "", "relevance"),
        ("", "relevance", "newest"),
        ("a", "title", "title"),
        ("a", "drop table", "relevance"),
    ],
)
def test_an_order_that_is_not_ours_is_the_usual_one(q, sort, kept):
    assert rules.wanted(q, {}, sort).sort == kept


def test_an_address_that_is_not_ours_narrows_nothing():
    given_values = {"theme": ["EDUC", "EDUC", "x y", "\0", "'--", ""], "colour": ["red"]}
    assert rules.wanted("", given_values, "").chosen == {"theme": ("EDUC",)}


ROWS = [
    (1, "theme:EDUC language:ro access:public"),
    (2, "theme:EDUC theme:TRAN language:en access:public"),
    (3, "theme:TRAN language:ro access:restricted"),
    (4, ""),
]


def test_without_a_choice_all_rows_count():
    counted = rules.tally(ROWS, {})
    assert counted.found == [1, 2, 3, 4]
    assert counted.counts["theme"] == {"EDUC": 2, "TRAN": 2}


def test_a_facet_is_counted_under_the_others_and_as_if_it_were_free_itself():
    counted = rules.tally(ROWS, {"theme": ["EDUC"], "language": ["ro"]})
    assert counted.found == [1]
    assert counted.counts["theme"] == {"EDUC": 1, "TRAN": 1}
    assert counted.counts["language"] == {"ro": 1, "en": 1}
    assert counted.counts["access"] == {"public": 1}


def test_two_values_of_one_facet_widen_it():
    assert rules.tally(ROWS, {"theme": ["EDUC", "TRAN"]}).found == [1, 2, 3]


tags = st.dictionaries(
    st.sampled_from(["theme", "language", "access"]),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=3),
)


@given(st.lists(tags, max_size=30), tags)
def test_each_count_is_what_choosing_that_value_alone_would_leave(each, chosen):
    rows = [(key, rules.tags_of(one)) for key, one in enumerate(each)]
    counted = rules.tally(rows, chosen)
    for kind in ("theme", "language", "access"):
        for value in "abc":
            alone = rules.tally(rows, {**chosen, kind: [value]}).found
            assert counted.counts.get(kind, {}).get(value, 0) == len(alone)


def test_the_next_page_begins_after_the_last_row_wherever_it_went():
    assert rules.page_start([5, 4, 3, 2], "2-4") == 2
    assert rules.page_start([9, 5, 4, 3, 2], "2-4") == 3
    assert rules.page_start([5, 3, 2], "2-4") == 2
    assert rules.page_start([5], "7-4") == 1


@pytest.mark.parametrize("cursor", ["", "x", "-1-2", "1", "9" * 30 + "-1", "١-١", "0-9"])
def test_a_cursor_that_is_not_ours_begins_at_the_first_page(cursor):
    assert rules.page_start([5, 4], cursor) == 0


@pytest.mark.parametrize(
    ("size", "kind"),
    [
        (0, "tiny"),
        (10**6 - 1, "tiny"),
        (10**6, "small"),
        (10**8 - 1, "small"),
        (10**8, "medium"),
        (10**10, "large"),
        (10**12 - 1, "large"),
        (10**12, "huge"),
    ],
)
def test_sizes_are_sorted_into_classes_at_their_limits(size, kind):
    assert rules.size_class(size) == kind


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a/b.jsonl.xz", "JSONL"),
        ("a.CSV", "CSV"),
        ("x.gz", "GZ"),
        ("README", ""),
        (".hidden", ""),
        ("a.what is this", ""),
        ("a.b/c", ""),
    ],
)
def test_the_format_is_what_the_name_says(path, found):
    assert rules.file_format(path) == found


def test_only_codes_become_tags():
    assert rules.tags_of({"theme": ["EDUC", "x y", "<b>"], "year": [2026]}) == (
        "theme:EDUC year:2026"
    )


# Samples ----------------------------------------------------------------------------------------


def test_a_table_shows_its_first_rows_and_says_how_many_columns_are_left():
    text = ";".join(f"c{n}" for n in range(14)) + "\n" + "\n".join("1;2" for _ in range(20))
    shown = rules.sample("a.csv", text.encode())
    assert shown.header[:2] == ("c0", "c1")
    assert (len(shown.header), shown.columns_left, len(shown.rows)) == (12, 2, 10)


def test_records_are_shown_under_their_keys():
    lines = [{"text": "Bună", "id": 1}, {"text": "ziua", "meta": {"a": [1]}}]
    shown = rules.sample("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    assert shown.header == ("text", "id", "meta")
    assert shown.rows == (("Bună", "1", ""), ("ziua", "", '{"a": [1]}'))


def test_a_page_somebody_sent_is_shown_as_the_text_it_is():
    shown = rules.sample("a.html", b"<script>alert(1)</script>\n<p>")
    assert shown.lines == ("<script>alert(1)</script>", "<p>")


def test_a_line_that_was_cut_off_is_left_out():
    shown = rules.sample("a.txt", b"whole\n" + b"x" * rules.SAMPLE_BYTES)
    assert shown.lines == ("whole",)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress])
def test_a_packed_file_is_unpacked_no_further_than_a_sample(pack):
    bomb = pack(b"a,b\n" + b"1,2\n" * 10**6)
    ending = "gz" if pack is gzip.compress else "xz"
    shown = rules.sample(f"a.csv.{ending}", bomb[: rules.SAMPLE_BYTES])
    assert shown.header == ("a", "b")
    assert len(shown.rows) == 10


@pytest.mark.parametrize(
    "name", ["a.csv", "a.csv.gz", "a.txt.xz", "a.jsonl", "a.txt.bz2", "a.html"]
)
@given(start=st.binary(max_size=300))
def test_whatever_a_file_begins_with_a_sample_is_made(name, start):
    rules.sample(name, start)


def test_what_does_not_unpack_shows_nothing():
    shown = rules.sample("a.csv.gz", zlib.compress(b"x"))
    assert (shown.rows, shown.lines) == ((), ())


def test_the_file_that_tells_most_is_the_one_shown():
    assert rules.sampled_path(["LICENCE.txt", "b.jsonl.xz", "a.csv", "m.bin"]) == "a.csv"
    assert rules.sampled_path(["m.bin", "x.parquet"]) == ""
