"""What is held out depends on the text alone, and its border is exact."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina_recipes.corpus.batch import Batch
from uzina_recipes.recipes.prepare import duplicates, parts

LETTERS = "abcdefghij"
WORDS = [LETTERS[n // 100] + LETTERS[n // 10 % 10] + LETTERS[n % 10] for n in range(400)]


def shingles(words):
    return next(duplicates.shingles(Batch.of([" ".join(words)])))


def first_word(text):
    return np.array([int.from_bytes(duplicates.text_digest(text)[:8], "big")], np.uint64)


def is_held_out(text, share):
    return bool(duplicates.is_held_out(first_word(text), share)[0])


def test_a_text_has_one_shingle_for_each_run_of_five_words():
    assert len(shingles(WORDS[:5])) == 1
    assert len(shingles(WORDS[:6])) == 2
    assert len(shingles(WORDS[:3])) == 1
    assert len(shingles([])) == 0


def test_the_order_of_words_matters_to_a_shingle():
    assert shingles(["a", "b", "c", "d", "e"]) != shingles(["b", "a", "c", "d", "e"])


@given(st.text(max_size=50))
def test_the_split_is_a_pure_function_of_the_text(text):
    assert is_held_out(text, 0.2) == is_held_out(text, 0.2)
    assert not is_held_out(text, 0.0)
    assert is_held_out(text, 1.0)


def test_about_the_asked_share_is_held_out():
    held = sum(is_held_out(str(number), 0.04) for number in range(20_000))
    assert 700 < held < 900


def test_a_larger_share_holds_out_all_that_a_smaller_one_does():
    for number in range(1000):
        if is_held_out(str(number), 0.05):
            assert is_held_out(str(number), 0.1)


def test_overlap_is_the_exact_share_of_the_smaller_text(tmp_path):
    made = duplicates.HeldOut.of([shingles(WORDS[:54]), shingles(WORDS[100:204])])
    made.save(tmp_path / "held")
    for border in (made, duplicates.HeldOut.opened(tmp_path / "held")):
        assert border.overlap(shingles(WORDS)) == 1.0  # 50 of 50
        assert border.overlap(shingles(WORDS[29:54] + ["n"] * 400)) == pytest.approx(21 / 26)
        assert border.overlap(shingles(WORDS[204:])) == 0.0
        assert border.overlap(shingles([])) == 0.0
    assert duplicates.HeldOut.of([]).overlap(shingles(WORDS)) == 0.0


def test_an_array_comes_back_as_it_was_saved_even_an_empty_one(tmp_path):
    for rows in (0, 3):
        table = np.arange(2 * rows, dtype="<u8").reshape(rows, 2)
        parts.save(tmp_path / "table", table)
        assert (parts.load(tmp_path / "table", "<u8", 2) == table).all()
        assert parts.load(tmp_path / "table", "<u8", 2).shape == (rows, 2)
