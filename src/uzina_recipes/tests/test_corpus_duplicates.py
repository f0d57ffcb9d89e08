"""Exact and near duplicates, and pieces of evaluation sets, against plain sets of Python."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina_recipes.corpus import exact, keys
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.decontaminate import HeldOut
from uzina_recipes.corpus.exact import Exact
from uzina_recipes.corpus.near import NONE, Near, Shape, band_keys

SHAPE = Shape()
WORDS = [
    f"{a}{b}" for a in ("ba", "co", "du", "fe", "gi", "lo", "mu", "pa") for b in "abcdefghijkl"
]


def prose(seed: int, count: int) -> list[str]:
    draw = random.Random(seed)
    return [draw.choice(WORDS) for _ in range(count)]


def changed(words: list[str], places: int, seed: int) -> list[str]:
    """The words with so many of them replaced, evenly spread."""
    words = list(words)
    for at in np.linspace(0, len(words) - 1, places).astype(int):
        words[at] = f"x{seed}{at}"
    return words


def jaccard(one: list[str], other: list[str]) -> float:
    first, second = (
        {tuple(words[at : at + 5]) for at in range(len(words) - 4)} for words in (one, other)
    )
    return len(first & second) / len(first | second)


def settled(folder, texts, shape=SHAPE, among=None) -> list[int]:
    found = Near(folder, shape)
    found.add(band_keys(Batch.of(texts), shape))
    return found.settle(among).tolist()


@pytest.mark.parametrize("places", [2, 6, 10, 20, 40])
def test_signatures_meet_as_often_as_the_overlap_says(places):
    pairs = [(prose(seed, 400), seed) for seed in range(60)]
    both = [(words, changed(words, places, seed)) for words, seed in pairs]
    shares = [jaccard(*pair) for pair in both]
    first, second = (
        band_keys(Batch.of([" ".join(pair[side]) for pair in both]), SHAPE) for side in (0, 1)
    )
    met = float((first == second).mean())
    assert met == pytest.approx(np.mean([share**8 for share in shares]), abs=0.06)
    near_ = float((first == second).any(axis=1).mean())
    expected = np.mean([1 - (1 - share**8) ** 14 for share in shares])
    assert near_ == pytest.approx(expected, abs=0.17)


def test_near_duplicates_are_grouped_with_their_first_and_others_stay_alone(tmp_path):
    one, other = prose(1, 300), prose(2, 300)
    texts = [
        one,
        other,
        changed(one, 2, 7),
        prose(3, 300),
        changed(other, 1, 8),
        changed(one, 1, 9),
    ]
    assert settled(tmp_path, [" ".join(words) for words in texts]) == [0, 1, 0, 3, 1, 0]


def test_case_accents_numbers_and_punctuation_do_not_tell_texts_apart(tmp_path):
    text = "Toate ființele umane se nasc libere, în 1948, și egale în demnitate."
    same = "TOATE fiintele umane - se nasc libere (in 2026) si egale in demnitate"
    assert settled(tmp_path, [text, same]) == [0, 0]


def test_a_text_of_fewer_words_than_a_run_is_near_to_nothing(tmp_path):
    assert settled(tmp_path, ["one two three four"] * 3 + [""] * 2) == [0, 1, 2, 3, 4]
    assert settled(tmp_path / "5", ["one two three four five"] * 2) == [0, 0]
    assert (band_keys(Batch.of(["one two"]), SHAPE) == NONE).all()


def test_only_the_texts_that_are_asked_for_are_compared(tmp_path):
    texts = [" ".join(prose(1, 50))] * 3
    among = np.array([False, True, True])
    assert settled(tmp_path, texts, among=among) == [0, 1, 1]


@pytest.mark.parametrize("size", [1, 3, 100])
def test_groups_depend_neither_on_the_batch_nor_on_the_rounds_of_sorting(
    size, tmp_path, monkeypatch
):
    base = [prose(seed, 60) for seed in range(6)]
    texts = [" ".join(changed(base[at % 6], at // 6, at)) for at in range(40)]
    expected = settled(tmp_path / "whole", texts)
    monkeypatch.setattr(keys, "AT_ONCE", 4)
    monkeypatch.setattr(keys, "READ", 7)
    found = Near(tmp_path / "parts", SHAPE)
    for at in range(0, len(texts), size):
        found.add(band_keys(Batch.of(texts[at : at + size]), SHAPE))
    assert found.settle().tolist() == expected
    assert len(set(expected)) < len(texts)


def test_another_seed_draws_other_functions_and_finds_the_same_pair(tmp_path):
    one = prose(1, 300)
    texts = [" ".join(one), " ".join(changed(one, 1, 5))]
    shapes = Shape(seed=1), Shape(seed=2)
    first, second = (band_keys(Batch.of(texts), shape) for shape in shapes)
    assert not (first == second).any()
    assert [settled(tmp_path / str(s.seed), texts, s) for s in shapes] == [[0, 0], [0, 0]]


@given(st.lists(st.sampled_from(["a", "b", "", "ab", "c" * 40, "ș", "ş"]), max_size=30))
@settings(max_examples=50, deadline=None)
def test_exact_duplicates_point_to_the_first_that_is_equal(tmp_path_factory, texts):
    found = Exact(tmp_path_factory.mktemp("exact"))
    for at in range(0, len(texts), 4):
        found.add(exact.digests(texts[at : at + 4]))
    assert found.settle().tolist() == [texts.index(text) for text in texts]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**64 - 1)), max_size=40),
    st.integers(1, 9),
)
@settings(max_examples=50, deadline=None)
def test_texts_that_share_any_key_are_joined_whatever_the_round(tmp_path_factory, rows, at_once):
    file = keys.KeyFile(tmp_path_factory.mktemp("keys") / "k", 2)
    file.add(np.array([(a * (2**62), b) for a, b in rows], np.uint64).reshape(-1, 2))
    group = list(range(len(rows)))
    for one, other in itertools.combinations(range(len(rows)), 2):
        if rows[one][0] == rows[other][0] or rows[one][1] == rows[other][1]:
            old, new = max(group[one], group[other]), min(group[one], group[other])
            group = [new if number == old else number for number in group]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "AT_ONCE", at_once)
        found = keys.first_of_group(file, [slice(0, 1), slice(1, 2)], None)
    assert found.tolist() == group


def test_half_a_row_left_by_a_kill_is_cut_off_and_the_rest_is_still_there(tmp_path):
    found = Exact(tmp_path)
    found.add(exact.digests(["a", "b", "a"]))
    with found.file.path.open("ab") as file:
        file.write(b"half a row")
    again = Exact(tmp_path)
    assert len(again) == 3
    again.add(exact.digests(["b"]))
    assert again.settle().tolist() == [0, 1, 0, 1]
    again.file.truncate(1)
    assert again.settle().tolist() == [0]


def test_keys_of_another_width_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"not \[texts, 2\]"):
        Exact(tmp_path).add(np.zeros((3, 1), np.uint64))
    assert len(Exact(tmp_path)) == 0


def plain_hits(text: list[str], items: list[list[str]], run: int, shortest: int) -> int:
    runs = set()
    for item in items:
        length = min(len(item), run)
        if length >= shortest:
            runs |= {tuple(item[at : at + length]) for at in range(len(item) - length + 1)}
    lengths = {len(one) for one in runs}
    return sum(
        tuple(text[at : at + length]) in runs
        for length in lengths
        for at in range(len(text) - length + 1)
    )


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_runs_shared_with_held_out_items_are_counted_as_plain_sets_count_them(data):
    words = st.lists(st.sampled_from(["a", "b", "c"]), max_size=14)
    items, texts = data.draw(st.lists(words, max_size=4)), data.draw(st.lists(words, max_size=4))
    held = HeldOut.of([" ".join(item) for item in items], run=5, shortest=3)
    hits = held.overlap(Batch.of([" ".join(text) for text in texts]))
    assert hits.tolist() == [plain_hits(text, items, 5, 3) for text in texts]


def test_thirteen_words_of_an_item_contaminate_and_twelve_do_not():
    item = prose(1, 40)
    held = HeldOut.of([" ".join(item)])
    inside = [" ".join([*prose(5, 30), *item[10 : 10 + many], *prose(6, 30)]) for many in (12, 13)]
    assert held.overlap(Batch.of(inside)).tolist() == [0, 1]


def test_a_short_item_contaminates_only_whole_and_from_eight_words_on():
    item = prose(1, 8)
    held = HeldOut.of([" ".join(item), " ".join(prose(2, 7))])
    texts = ["x " + " ".join(item).upper() + ". y", " ".join(item[:7]), " ".join(prose(2, 7))]
    assert held.overlap(Batch.of(texts)).tolist() == [1, 0, 0]


def test_items_that_come_in_batches_are_those_that_come_at_once():
    items = [" ".join(prose(seed, 10 + seed)) for seed in range(9)]
    texts = Batch.of([*items, "nothing of it"])
    at_once, in_batches = HeldOut.of(items), HeldOut.joined([items[:4], items[4:], []])
    assert at_once.overlap(texts).tolist() == in_batches.overlap(texts).tolist()
    assert HeldOut.of([]).overlap(texts).tolist() == [0] * 10
