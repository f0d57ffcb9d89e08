"""Duplicates are found, strangers are not, and the split depends on the text alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina_recipes.recipes.prepare import duplicates

WORDS = [f"w{number}" for number in range(400)]


def shingles(words):
    return duplicates.Shingler().shingles(words)


def signatures(*texts, seed=1):
    minhash = duplicates.MinHash(seed)
    return np.array([minhash.signature(shingles(words)) for words in texts])


def test_a_text_has_one_shingle_for_each_run_of_five_words():
    assert len(shingles(WORDS[:5])) == 1
    assert len(shingles(WORDS[:6])) == 2
    assert len(shingles(WORDS[:3])) == 1
    assert len(shingles([])) == 0


def test_the_order_of_words_matters_to_a_shingle():
    assert shingles(["a", "b", "c", "d", "e"]) != shingles(["b", "a", "c", "d", "e"])


@pytest.mark.parametrize("changed", [10, 40, 120])
def test_equal_places_estimate_what_two_texts_have_in_common(changed):
    left, right = WORDS, [*WORDS[:-changed], *(f"x{number}" for number in range(changed))]
    first, second = shingles(left), shingles(right)
    exact = len(np.intersect1d(first, second)) / len(np.union1d(first, second))
    pair = signatures(left, right)
    # Four standard deviations of 112 draws.
    assert abs(np.mean(pair[0] == pair[1]) - exact) < 4 * (exact * (1 - exact) / 112) ** 0.5 + 0.01


def test_near_duplicates_join_the_first_of_their_group_and_strangers_stay():
    nearly = [*WORDS[:-8], *"abcdefgh"]
    strangers = [f"y{number}" for number in range(400)]
    first = duplicates.near_duplicates(signatures(strangers, WORDS, nearly, WORDS), 0.7)
    assert first.tolist() == [0, 1, 1, 1]


def test_a_pair_below_the_threshold_is_not_joined():
    half = [*WORDS[:200], *(f"z{number}" for number in range(200))]
    assert duplicates.near_duplicates(signatures(WORDS, half), 0.7).tolist() == [0, 1]


def test_the_same_seed_gives_the_same_signatures_and_another_seed_others():
    assert (signatures(WORDS) == signatures(WORDS)).all()
    assert (signatures(WORDS) != signatures(WORDS, seed=2)).any()


@given(st.text(max_size=50))
def test_the_split_is_a_pure_function_of_the_text(text):
    digest = duplicates.text_digest(text)
    assert duplicates.is_held_out(digest, 0.2) == duplicates.is_held_out(digest, 0.2)
    assert not duplicates.is_held_out(digest, 0.0)
    assert duplicates.is_held_out(digest, 1.0)


def test_about_the_asked_share_is_held_out():
    digests = [duplicates.text_digest(str(number)) for number in range(20_000)]
    held = sum(duplicates.is_held_out(digest, 0.04) for digest in digests)
    assert 700 < held < 900


def test_a_larger_share_holds_out_all_that_a_smaller_one_does():
    for number in range(1000):
        digest = duplicates.text_digest(str(number))
        if duplicates.is_held_out(digest, 0.05):
            assert duplicates.is_held_out(digest, 0.1)


def test_overlap_is_the_exact_share_of_the_smaller_text():
    border = duplicates.HeldOut([shingles(WORDS[:54]), shingles(WORDS[100:204])])
    assert border.overlap(shingles(WORDS)) == 1.0  # 50 of 50
    assert border.overlap(shingles(WORDS[29:54] + ["n"] * 400)) == pytest.approx(21 / 26)
    assert border.overlap(shingles(WORDS[204:])) == 0.0
    assert border.overlap(shingles([])) == 0.0
    assert duplicates.HeldOut([]).overlap(shingles(WORDS)) == 0.0
