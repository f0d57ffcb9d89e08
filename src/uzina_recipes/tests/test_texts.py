"""One spelling, and rules that hold exactly at their thresholds."""

import pytest

from uzina_recipes import catalogue
from uzina_recipes.recipes.prepare import texts


@pytest.fixture
def settings():
    return catalogue.load()["prepare"].resolve({})


def test_romanian_cedillas_become_commas_and_other_languages_keep_theirs():
    assert texts.normalise("Ţara şi Şcoala ţării", "ro") == "Țara și Școala țării"
    assert texts.normalise("Eskişehir", "en") == "Eskişehir"


def test_decomposed_letters_spaces_and_control_characters_are_normalised():
    assert texts.normalise("a\u0306  b\x00\tc\r\n\r\n  d ", "ro") == "ă b c\nd"


def test_normalising_twice_changes_nothing(rows):
    for row in rows[:40]:
        once = texts.normalise(row["text"], row["language"])
        assert texts.normalise(once, row["language"]) == once


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


@pytest.mark.parametrize(("documents", "removed"), [(7, False), (8, True)])
def test_a_line_is_boilerplate_from_the_threshold_on(settings, documents, removed):
    counts = texts.LineCounts()
    for number in range(documents):
        counts.add(["Înapoi la Cap. 3", f"numai aici {number * 'x'}", "Înapoi la Cap. 4"])
    kept, taken = texts.clean_lines("Înapoi la Cap. 5\nrest", "ro", counts, settings)
    assert ("Înapoi la Cap. 5" in taken["boilerplate_line"]) is removed
    assert "rest" in kept


def test_a_line_is_counted_once_a_document_however_often_it_stands_there():
    counts = texts.LineCounts()
    counts.add(["again"] * 50)
    assert counts.of(["again", "never"]).tolist() == [1, 0]


def test_a_foreign_line_is_removed_and_the_rest_of_the_document_stays(settings):
    english = "This is the page that the translators have not translated to this day."
    romanian = "Aceasta este pagina pe care au tradus-o deja și care nu mai este în engleză."
    both = f"{romanian}\n{english}"
    kept, taken = texts.clean_lines(both, "ro", texts.LineCounts(), settings)
    assert (kept, taken["foreign_line"]) == ([romanian], [english])
    kept, taken = texts.clean_lines(both, "en", texts.LineCounts(), settings)
    assert (kept, taken["foreign_line"]) == ([english], [romanian])


def test_documents_of_other_languages_are_left_out(settings):
    assert texts.judge(["Das ist ein Satz."], "de", settings).rule == "language"


@pytest.mark.parametrize(("count", "rule"), [(29, "too_short"), (30, None)])
def test_a_document_is_long_enough_from_thirty_words_on(settings, count, rule):
    verdict = texts.judge([" ".join(["munte"] * count)], "ro", settings)
    assert (verdict.rule if verdict else None) == rule
    if verdict:
        assert (verdict.measured, verdict.threshold) == (29, 30)


@pytest.mark.parametrize(("figures", "rule"), [(66, None), (67, "few_letters")])
def test_letters_must_be_six_tenths_of_what_is_seen(settings, figures, rule):
    # 100 letters, so 66 figures leave 100/166 = 0.602 and 67 leave 100/167 = 0.599.
    words = (
        " ".join(["verde"] * 20) + " " + " ".join(["12"] * (figures // 2)) + " 1" * (figures % 2)
    )
    verdict = texts.judge([words], "ro", settings)
    assert (verdict.rule if verdict else None) == rule


@pytest.mark.parametrize(("length", "rule"), [(12, None), (13, "word_length")])
def test_words_may_be_twelve_letters_long_in_the_mean(settings, length, rule):
    verdict = texts.judge([" ".join(["a" * length] * 30)], "ro", settings)
    assert (verdict.rule if verdict else None) == rule


def test_a_document_that_repeats_its_own_lines_is_left_out(settings):
    line = "un rând care se tot repetă în pagină"
    others = [f"rândul cu numărul de ordine {letter} este altul aici" for letter in "abcdefgh"]
    assert texts.judge([line, *others, line], "ro", settings) is None
    assert texts.judge([line] * 8 + others, "ro", settings).rule == "repeated_lines"


def test_a_document_in_the_other_language_is_left_out(settings):
    english = "it is for the best of all and that is what they have to say to you " * 3
    assert texts.judge([english], "ro", settings).rule == "wrong_language"
    assert texts.judge([english], "en", settings) is None
