"""Reading, scoring and ranking entries, against figures worked out by hand."""

import gzip
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls.rules import challenges as rules
from uzina.calls.rules.challenges import Answer, Counted, Metric
from uzina.core.errors import Refused

TRUTH = b"id,answer,part\na,cat,public\nb,dog,public\nc,cat,private\nd,bird,private\n"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_answers_are_read_with_their_part():
    assert rules.read_truth(TRUTH, Metric.ACCURACY) == {
        "a": Answer("cat", is_public=True),
        "b": Answer("dog", is_public=True),
        "c": Answer("cat", is_public=False),
        "d": Answer("bird", is_public=False),
    }


def test_without_a_column_for_it_about_three_answers_in_ten_are_public_and_always_the_same():
    content = ("id,answer\n" + "".join(f"i{n},{n % 7}\n" for n in range(5000))).encode()
    first = rules.read_truth(content, Metric.ACCURACY)
    public = sum(one.is_public for one in first.values())
    assert 1350 < public < 1650
    assert rules.read_truth(content, Metric.ACCURACY) == first


def test_another_answer_somewhere_draws_the_public_part_anew():
    """So nobody who knows the ids alone can compute which are public."""
    rows = [f"i{n},{n % 7}\n" for n in range(500)]
    one = rules.read_truth(("id,answer\n" + "".join(rows)).encode(), Metric.ACCURACY)
    other = rules.read_truth(("id,answer\n" + "".join([*rows, "z,1\n"])).encode(), Metric.ACCURACY)
    assert [one[f"i{n}"].is_public for n in range(500)] != [
        other[f"i{n}"].is_public for n in range(500)
    ]


@pytest.mark.parametrize(
    ("content", "metric", "code", "line"),
    [
        (b"", "accuracy", "empty", None),
        (b"\n\n\r\n", "accuracy", "empty", None),
        (b"id;prediction\na;cat\n", "accuracy", "header", None),
        (b"prediction,id\ncat,a\n", "accuracy", "header", None),
        (b"id,prediction,answer\na,cat,cat\n", "accuracy", "header", None),
        (b"id,prediction\na,cat\na,dog\n", "accuracy", "twice", 3),
        (b"id,prediction\na,cat\n\na ,dog\n", "accuracy", "twice", 4),
        (b"id,prediction\na\n", "accuracy", "columns", 2),
        (b"id,prediction\na,cat,dog\n", "accuracy", "columns", 2),
        (b"id,prediction\n,cat\n", "accuracy", "id", 2),
        (b"id,prediction\n" + b"x" * 101 + b",cat\n", "accuracy", "id", 2),
        (b"id,prediction\na,\n", "accuracy", "value", 2),
        (b'id,prediction\na,"cat\nb,dog"\n', "accuracy", "quotes", 2),
        (b'id,prediction\na,"cat"dog\n', "accuracy", "quotes", 2),
        (b"id,prediction\na,c\x00t\n", "accuracy", "not_text", 2),
        (b"id,prediction\na,c\xfft\n", "accuracy", "not_text", 2),
        ("id,prediction\na,c\u202et\n".encode(), "accuracy", "not_text", 2),
        ("id,prediction\na,cat\n".encode("utf-16"), "accuracy", "not_text", 1),
        (gzip.compress(b"id,prediction\na,cat\n", mtime=0), "accuracy", "not_text", 1),
        (b"id,prediction\na," + b"x" * 4000 + b"\n", "accuracy", "line_too_long", 2),
        (b"id,prediction\na,nan\n", "rmse", "number", 2),
        (b"id,prediction\na,inf\n", "rmse", "number", 2),
        (b"id,prediction\na,-Infinity\n", "mae", "number", 2),
        (b"id,prediction\na,1e999999999\n", "rmse", "number", 2),
        (b"id,prediction\na,1000000000.5\n", "rmse", "number", 2),
        (b"id,prediction\na,1_000\n", "rmse", "number", 2),
        ("id,prediction\na,\u0661\n".encode(), "rmse", "number", 2),
        (b"id,prediction\na,=1+1\n", "mae", "number", 2),
        (b"id,prediction\na,0x10\n", "mae", "number", 2),
        (b"id,prediction\na," + b"1" * 41 + b"\n", "mae", "number", 2),
    ],
)
def test_a_hostile_file_is_refused_with_its_line(content, metric, code, line):
    with pytest.raises(Refused) as refused:
        rules.read_entry(content, Metric(metric))
    assert refused.value.code == f"entry.send.{code}"
    assert refused.value.facts.get("line") == line


def test_a_file_of_the_most_bytes_and_lines_is_read_and_one_more_is_refused(monkeypatch):
    monkeypatch.setattr(rules, "MOST_ROWS", 3)
    content = b"id,prediction\na,1\nb,1\nc,1\n"
    monkeypatch.setattr(rules, "MOST_BYTES", len(content) + 4)
    assert len(rules.read_entry(content, Metric.MAE)) == 3
    with pytest.raises(Refused) as too_many:
        rules.read_entry(content + b"d,1\n", Metric.MAE)
    with pytest.raises(Refused) as too_big:
        rules.read_entry(content + b"\n" * 5, Metric.MAE)
    assert [too_many.value.code, too_big.value.code] == [
        "entry.send.too_many",
        "entry.send.too_big",
    ]


def test_what_spreadsheets_write_is_read_the_byte_order_mark_line_ends_and_quotes():
    content = b'\xef\xbb\xbfid,prediction\r\na,"one, two"\r\n"b", x \r\n'
    assert rules.read_entry(content, Metric.EXACT_MATCH) == {"a": "one, two", "b": "x"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"id,prediction\na,cat\n", "header"),
        (b"id,answer,part\na,cat,secret\n", "part"),
        (b"id,answer,part\na,cat,public\nb,cat,public\n", "one_part"),
        (b"id,answer\n", "one_part"),
        (b"id,answer,part\na,cat\n", "columns"),
    ],
)
def test_answers_that_cannot_be_scored_on_are_refused(content, code):
    with pytest.raises(Refused) as refused:
        rules.read_truth(content, Metric.ACCURACY)
    assert refused.value.code == f"challenge.truth.{code}"


@pytest.mark.parametrize(
    ("metric", "pairs", "millionths"),
    [
        # 2 of 3 right
        ("accuracy", [("a", "a"), ("b", "b"), ("c", "a")], 666_667),
        ("accuracy", [("a", "A")], 0),
        ("exact_match", [("Bună  ziua", "bună ziua"), ("a", "b")], 500_000),
        ("exact_match", [("s\u0326i", "\u0219i")], 1_000_000),
        # a: TP 1, FP 1, FN 1: 2/4. b: TP 1, FP 1, FN 0: 2/3. c: TP 0: 0. Mean (1/2 + 2/3) / 3
        ("macro_f1", [("a", "a"), ("a", "b"), ("b", "b"), ("c", "a")], 388_889),
        # a label that only the entrant has counts as one: (2/2 + 0 + 0) / 3
        ("macro_f1", [("a", "a"), ("b", "x")], 333_333),
        # errors 3 and -4: root of 12.5, mean of 3.5
        ("rmse", [("0", "3"), ("4", "0")], 3_535_534),
        ("mae", [("0", "3"), ("4", "0")], 3_500_000),
        ("mae", [("1000000000", "-1e9")], 2_000_000_000_000_000),
        ("rmse", [("1000000000", "-1e9")], 2_000_000_000_000_000),
        ("mae", [("0.1", "0.1")], 0),
    ],
)
def test_scores_are_what_they_are_by_hand(metric, pairs, millionths):
    assert rules.score(pairs, Metric(metric)) == millionths


@given(
    st.sampled_from(sorted(Metric)),
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=30),
    st.randoms(),
)
def test_a_score_does_not_depend_on_the_order_of_the_lines(metric, numbers, shuffle):
    pairs = [(str(right), str(said)) for right, said in numbers]
    mixed = list(pairs)
    shuffle.shuffle(mixed)
    assert rules.score(pairs, metric) == rules.score(mixed, metric)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abcd")), min_size=1))
def test_macro_f1_agrees_with_precision_and_recall_label_by_label(pairs):
    labels = {one for pair in pairs for one in pair}
    total = 0.0
    for label in labels:
        hits = sum(right == said == label for right, said in pairs)
        said = sum(one == label for _, one in pairs)
        right = sum(one == label for one, _ in pairs)
        precision, recall = hits / said if said else 0, hits / right if right else 0
        total += 2 * precision * recall / (precision + recall) if precision + recall else 0
    assert rules.score(pairs, Metric.MACRO_F1) == pytest.approx(total / len(labels) * 1e6, abs=0.51)


def test_each_part_is_scored_by_itself():
    truth = rules.read_truth(TRUTH, Metric.ACCURACY)
    said = {"a": "cat", "b": "cat", "c": "cat", "d": "bird"}
    assert rules.scores(said, truth, Metric.ACCURACY) == rules.Scores(500_000, 1_000_000)


@pytest.mark.parametrize(
    ("said", "code", "facts"),
    [
        ({"a": "cat", "c": "x"}, "entry.score.missing", {"count": 2, "id": "b"}),
        (
            dict.fromkeys("abcde", "x"),
            "entry.score.unknown",
            {"count": 1, "id": "e"},
        ),
        (dict.fromkeys("abcx", "x"), "entry.score.missing", {"count": 1, "id": "d"}),
    ],
)
def test_ids_that_are_not_those_asked_for_are_refused_without_an_answer(said, code, facts):
    truth = rules.read_truth(TRUTH, Metric.ACCURACY)
    with pytest.raises(Refused) as refused:
        rules.scores(said, truth, Metric.ACCURACY)
    assert (refused.value.code, refused.value.facts) == (code, facts)
    assert not any(word in str(refused.value) for word in ("cat", "dog", "bird", "public"))


def test_a_day_is_the_factorys_and_has_23_or_25_hours_when_the_clocks_change():
    spring = rules.day_of(datetime(2026, 3, 29, 12, tzinfo=UTC), "Europe/Bucharest")
    autumn = rules.day_of(datetime(2026, 10, 25, 12, tzinfo=UTC), "Europe/Bucharest")
    assert spring == (
        datetime(2026, 3, 28, 22, tzinfo=UTC),
        datetime(2026, 3, 29, 21, tzinfo=UTC),
    )
    assert autumn == (
        datetime(2026, 10, 24, 21, tzinfo=UTC),
        datetime(2026, 10, 25, 22, tzinfo=UTC),
    )
    assert rules.day_of(autumn[1] - SECOND, "Europe/Bucharest") == autumn
    assert rules.day_of(autumn[1], "Europe/Bucharest")[0] == autumn[1]


@pytest.mark.parametrize(
    ("scored", "refused", "is_taken"),
    [(0, 0, True), (4, 9, True), (5, 0, False), (0, 10, False)],
)
def test_so_many_entries_are_taken_in_a_day_and_some_broken_ones_forgiven(
    scored, refused, is_taken
):
    if is_taken:
        rules.check_pace(scored=scored, refused=refused, per_day=5, next_day="")
        return
    with pytest.raises(Refused) as too_often:
        rules.check_pace(scored=scored, refused=refused, per_day=5, next_day="2026-11-23")
    assert too_often.value.code == "entry.send.too_often"
    assert too_often.value.facts["next_day"] == "2026-11-23"


def test_of_equal_scores_the_earlier_entry_comes_first_and_the_better_score_before_both():
    entries = [
        Counted("late", "E1", 900, NOON + SECOND),
        Counted("early", "E2", 900, NOON),
        Counted("best", "E3", 901, NOON + 9 * SECOND),
    ]
    upward = rules.ranked(entries, Metric.ACCURACY)
    assert [(one.rank, one.entrant) for one in upward] == [(1, "best"), (2, "early"), (3, "late")]
    downward = rules.ranked(entries, Metric.MAE)
    assert [one.entrant for one in downward] == ["early", "late", "best"]


def test_prizes_go_by_rank_and_those_after_one_who_may_not_have_it_move_up():
    ranking = rules.ranked(
        [Counted(name, name, 9 - number, NOON) for number, name in enumerate("abcd")],
        Metric.ACCURACY,
    )
    assert rules.winners(ranking, [100, 50]) == {"a": 100, "b": 50}
    assert rules.winners(ranking, [100, 50], passed_over=["a"]) == {"b": 100, "c": 50}
    assert rules.winners(ranking[:1], [100, 50]) == {"a": 100}
    assert rules.winners([], [100]) == {}
