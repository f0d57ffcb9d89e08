"""Texts are written one way, and what they say stays."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina_recipes.corpus.normalise import normalise, normalise_all


@pytest.mark.parametrize(
    ("raw", "language", "expected"),
    [
        ("fiinţe şi Ţară", "ro", "ființe și Țară"),
        ("fiinţe şi Ţară", "", "fiinţe şi Ţară"),
        ("Türkçe şarkı", "tr", "Türkçe şarkı"),
        ("s\u0326i t\u0326ara\u0306", "ro", "și țară"),
        ("s\u0327i", "ro", "și"),
        ("e\u0301te\u0301", "fr", "été"),
        ("a\u00a0b \t c\u2009d", "", "a b c d"),
        ("a \n  b\t\n\n\n\n c ", "", "a\nb\n\nc"),
        ("a\r\nb\rc\x0bd\u2028e", "", "a\nb\nc\nd\ne"),
        ("so\u00adft\u200b \ufeffzero\x00\x1b[", "", "soft zero["),
        ("می\u200cخواهم", "fa", "می\u200cخواهم"),
        ("a\ud800b", "", "ab"),
        ("e\x00\u0301 e\u200b\u0301", "", "é é"),
        ("ﬁ ½", "", "ﬁ ½"),
        ("", "ro", ""),
    ],
)
def test_a_text_is_composed_clean_and_evenly_spaced(raw, language, expected):
    assert normalise(raw, language) == expected


@given(st.text(max_size=80), st.sampled_from(["", "ro", "tr"]))
@settings(max_examples=100, deadline=None)
def test_normalising_twice_changes_nothing_more(text, language):
    once = normalise(text, language)
    assert normalise(once, language) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "  " not in once
    assert "\n\n\n" not in once
    assert once.encode().decode() == once


def test_each_text_is_normalised_by_its_own_language():
    assert normalise_all(["şi", "şi"], ["ro", "tr"]) == ["și", "şi"]
    assert normalise_all(["a  b"]) == ["a b"]
