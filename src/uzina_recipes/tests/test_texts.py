"""Rules hold exactly at their thresholds, and lines are counted for what they say."""

import numpy as np
import pytest

from uzina_recipes import catalogue
from uzina_recipes.recipes.prepare import parts, settling, steps, texts


@pytest.fixture
def settings():
    return catalogue.load()["prepare"].resolve({})


def judged(settings, text, language="ro", *, told="", wanted=()):
    row = {"text": text, "language": language, "told": told or language, "sure": 0.9}
    return texts.judge(row, set(wanted), settings)


def rule(settings, text, language="ro", **facts):
    verdict = judged(settings, text, language, **facts)
    return verdict.rule if verdict else None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Pachetul este instalat de către administrator și nu mai poate fi șters.", "ro"),
        ("The package is installed by the administrator and can not be removed.", "en"),
        ("apt install linux-image-amd64 firmware-linux", ""),
        ("", ""),
    ],
)
def test_a_sentence_is_told_by_its_commonest_words(text, language):
    assert texts.reads_as(texts.words(text)) == language


def test_lines_are_equal_by_their_words_in_order_whatever_the_numbers_and_accents():
    same = texts.line_hashes("Înapoi la Cap. 3\nINAPOI la cap 14!\nla înapoi Cap. 3\n\n— …\nCap.")
    assert same[0] == same[1]
    assert len({int(one) for one in same[[0, 2, 5]]}) == 3
    assert same[3] == same[4] == 0
    assert len(texts.line_hashes("")) == 0


def counts_file(folder, name, documents):
    """What reading these documents notes of their lines."""
    hashes = [np.unique(texts.line_hashes(one)) for one in documents]
    values, counts = np.unique(np.concatenate(hashes), return_counts=True)
    table = np.zeros(len(values), steps.LINES)
    table["hash"], table["documents"] = values, counts
    parts.save(folder / name, table)
    return folder / name


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_a_line_is_boilerplate_from_the_threshold_on_over_all_parts(tmp_path, at_once):
    pages = [f"Înapoi la Cap. {n}\nnumai aici {n * 'x'}y\n\nagain\nagain" for n in range(8)]
    tables = [
        counts_file(tmp_path, "a", pages[:5]),
        counts_file(tmp_path, "b", pages[5:]),
    ]
    line, again = texts.line_hashes("Înapoi la Cap. 99\nagain").tolist()
    for least, expected in ((8, {line, again}), (9, set())):
        found = settling.frequent(tables, least, at_once)
        assert set(found.tolist()) == expected
        assert (np.sort(found) == found).all()


def test_boilerplate_and_foreign_lines_are_removed_and_the_rest_stays(settings):
    english = "This is the page that the translators have not translated to this day."
    romanian = "Aceasta este pagina pe care au tradus-o deja și care nu mai este în engleză."
    lines = [romanian, english, "Cuprins"]
    known = np.array([False, False, True])
    kept, taken = texts.clean_lines(lines, "ro", known, settings)
    assert (kept, taken) == (
        [romanian],
        {"foreign_line": [english], "boilerplate_line": ["Cuprins"]},
    )
    kept, taken = texts.clean_lines(lines, "en", known, settings)
    assert (kept, taken["foreign_line"]) == ([english], [romanian])
    kept, taken = texts.clean_lines(lines, "de", known, settings)
    assert kept == [romanian, english]


def test_only_hashes_that_are_known_are_in():
    known = np.array([2, 5, 9], np.uint64)
    assert texts.is_in(np.array([1, 2, 9, 10], np.uint64), known).tolist() == [
        False,
        True,
        True,
        False,
    ]
    assert not texts.is_in(np.array([2], np.uint64), known[:0]).any()


def test_only_wanted_languages_stay_and_all_do_when_none_is_named(settings):
    text = " ".join(["munte"] * 40)
    assert rule(settings, text, "de", wanted=("ro", "en")) == "other_language"
    assert rule(settings, text, "de", wanted=("de",)) is None
    assert rule(settings, text, "de") is None


def test_a_document_in_another_language_than_it_says_is_left_out(settings):
    text = " ".join(["munte"] * 40)
    verdict = judged(settings, text, "ro", told="en")
    assert (verdict.rule, verdict.measured) == ("wrong_language", 0.9)


@pytest.mark.parametrize(("count", "expected"), [(0, "too_short"), (29, "too_short"), (30, None)])
def test_a_document_is_long_enough_from_thirty_words_on(settings, count, expected):
    verdict = judged(settings, " ".join(["munte"] * count))
    assert (verdict.rule if verdict else None) == expected
    if verdict:
        assert (verdict.measured, verdict.threshold) == (count, 30)


@pytest.mark.parametrize(("figures", "expected"), [(66, None), (67, "few_letters")])
def test_letters_must_be_six_tenths_of_what_is_seen(settings, figures, expected):
    # 100 letters, so 66 figures leave 100/166 = 0.602 and 67 leave 100/167 = 0.599.
    words = (
        " ".join(["verde"] * 20) + " " + " ".join(["12"] * (figures // 2)) + " 1" * (figures % 2)
    )
    assert rule(settings, words) == expected


@pytest.mark.parametrize(("length", "expected"), [(12, None), (13, "word_length")])
def test_words_may_be_twelve_letters_long_in_the_mean(settings, length, expected):
    assert rule(settings, " ".join(["a" * length] * 30)) == expected


def test_a_document_that_repeats_its_own_lines_is_left_out(settings):
    line = "un rând care se tot repetă în pagină"
    others = [f"rândul cu numărul de ordine {letter} este altul aici" for letter in "abcdefgh"]
    assert rule(settings, "\n".join([line, *others, line])) is None
    assert rule(settings, "\n".join([line] * 8 + others)) == "repeated_text"
