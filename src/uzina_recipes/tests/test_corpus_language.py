"""Languages are told as fastText tells them, by our own reading of its model."""

import functools

import fasttext
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina_recipes.corpus import language

ARTICLE_1 = {
    "ro": "Toate ființele umane se nasc libere și egale în demnitate și în drepturi.",
    "en": "All human beings are born free and equal in dignity and rights.",
    "fr": "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "de": "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "es": "Todos los seres humanos nacen libres e iguales en dignidad y derechos.",
    "it": "Tutti gli esseri umani nascono liberi ed eguali in dignità e diritti.",
    "pl": "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw.",
    "hu": "Minden emberi lény szabadon születik és egyenlő méltósága és joga van.",
    "bg": "Всички хора се раждат свободни и равни по достойнство и права.",
    "el": "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα.",
    "tr": "Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.",
    "uk": "Всі люди народжуються вільними і рівними у своїй гідності та правах.",
}


@functools.cache
def oracle():
    return fasttext.load_model(str(language.model_path()))


def ask(text: str) -> tuple[str, float]:
    labels, scores = oracle().predict(text.replace("\n", " "))
    return labels[0].removeprefix("__label__"), float(scores[0])


def test_the_first_article_of_human_rights_is_told_in_twelve_languages():
    found = language.identify(list(ARTICLE_1.values()))
    assert found.names == list(ARTICLE_1)
    assert found.scores.min() > 0.5
    assert found.scores.max() <= 1


def test_real_pages_are_told_as_fasttext_tells_them(rows):
    texts = [row["text"] for row in rows[::2]]
    found = language.identify(texts)
    for text, name, score in zip(texts, found.names, found.scores, strict=True):
        label, expected = ask(text)
        assert name == label
        assert score == pytest.approx(expected, abs=2e-3)
    assert {"ro", "en"} <= set(found.names)


@given(st.text(min_size=1, max_size=60).filter(lambda text: text.isprintable() and text.strip()))
@settings(max_examples=60, deadline=None)
def test_any_text_is_told_as_fasttext_tells_it(text):
    label, expected = ask(text)
    found = language.identify([text])
    if found.names == [""]:  # no word and no run of it is in the model: fastText guesses
        assert expected < 0.2
        return
    assert found.scores[0] == pytest.approx(min(expected, 1), abs=2e-3)
    if expected > 0.3:  # below, two labels may be as likely
        assert found.names == [label]


def test_where_there_is_nothing_to_go_by_no_language_is_named():
    found = language.identify(["", " \n\t ", ARTICLE_1["ro"]])
    assert found.names == ["", "", "ro"]
    assert found.scores[:2].tolist() == [0, 0]


def test_a_sample_is_the_beginning_and_the_middle(rows):
    menu, prose = "File Edit View Help " * 50, (ARTICLE_1["ro"] + " ") * 100
    assert language.sample("short") == "short"
    taken = language.sample(menu + prose)
    assert len(taken) <= 2 * language.SAMPLE + 41
    assert taken.startswith(menu[: language.SAMPLE])
    assert ARTICLE_1["ro"] in taken
    assert language.identify([menu + prose], whole=False).names == ["ro"]

    texts = [row["text"] for row in rows]
    whole = language.identify(texts)
    quick = language.identify(texts, whole=False)
    assert np.mean([a == b for a, b in zip(whole.names, quick.names, strict=True)]) > 0.9


@pytest.mark.parametrize("size", [1, 5])
def test_what_is_told_does_not_depend_on_the_batch(size, rows):
    texts = [row["text"] for row in rows[:40]]
    whole = language.identify(texts)
    parts = [language.identify(texts[at : at + size]) for at in range(0, len(texts), size)]
    assert [name for part in parts for name in part.names] == whole.names
    assert np.concatenate([part.scores for part in parts]).tolist() == whole.scores.tolist()


def test_a_model_of_another_kind_is_refused(tmp_path, monkeypatch):
    other = bytearray(language.model_path().read_bytes())
    other[4] = 11  # the version
    path = tmp_path / "other.ftz"
    path.write_bytes(other)
    monkeypatch.setattr(language, "model_path", lambda: path)
    with pytest.raises(ValueError, match="not of the kind"):
        language.load.__wrapped__()
