"""The steward's questions: complete as data, asked when they apply, checked, carried over."""

import tomllib
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.stewardship import questions

PLAIN = {
    "collection": ["published"],
    "personal_data": "none",
    "capacity": "research",
    "cost": "free",
}
"""What has to be answered of open data without people in them."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


def keys(problems):
    return [one.field.removeprefix("answers.") for one in problems]


def test_each_question_is_whole_in_both_languages_and_names_its_law():
    sections = {one.key for one in stewardship.sections()}
    for one in questions().values():
        assert one.kind in stewardship.KINDS
        assert one.section in sections
        assert all([one.en, one.ro, one.hint_en, one.hint_ro, one.article]), one.key
        assert bool(one.options) == (one.kind in {"choice", "choices"}), one.key
        assert all(option.en and option.ro for option in one.options)
        assert len({option.code for option in one.options}) == len(one.options)
        assert not set("şţŞŢ") & set(one.ro + one.hint_ro)


def test_each_key_is_used_once_and_the_sources_are_dated():
    read = tomllib.loads(stewardship.FILE.read_text(encoding="utf-8"))
    assert len(questions()) == len(read["question"])
    assert isinstance(read["as_of"], date)
    used = {one["source"] for one in read["question"]}
    assert used == set(read["sources"])
    for one in read["sources"].values():
        assert one["on"] < read["as_of"]
        assert one["url"].startswith("https://eur-lex.europa.eu/eli/")


def test_a_question_waits_only_for_answers_that_can_be_given_before_it():
    seen = {}
    for one in questions().values():
        for key, values in one.when.items():
            if key == stewardship.ACCESS_RIGHT:
                assert set(values) <= {"public", "restricted", "non_public"}
            elif seen[key].kind == "yes_no":
                assert set(values) <= {True, False}
            else:
                assert set(values) <= {option.code for option in seen[key].options}, one.key
        seen[one.key] = one


def test_open_data_without_people_need_four_answers():
    assert keys(stewardship.unanswered({}, "public")) == [
        "collection",
        "personal_data",
        "capacity",
        "cost",
    ]
    assert stewardship.unanswered(PLAIN, "public") == []


def test_what_has_to_be_answered_grows_with_the_answers():
    assert keys(stewardship.unanswered(PLAIN, "restricted")) == ["purposes_allowed"]
    assert keys(stewardship.unanswered(PLAIN | {"personal_data": "personal"}, "public")) == [
        "legal_basis",
        "special_categories",
        "retention_until",
    ]
    deep = PLAIN | {"personal_data": "personal", "special_categories": True}
    assert "special_basis" in keys(stewardship.unanswered(deep, "public"))
    crawled = PLAIN | {"collection": ["published", "crawled"]}
    assert keys(stewardship.unanswered(crawled, "public")) == ["tdm_reservation"]
    told = crawled | {"tdm_reservation": "respected"}
    assert keys(stewardship.unanswered(told, "public")) == ["tdm_evidence"]
    assert keys(stewardship.unanswered(crawled | {"tdm_reservation": "unknown"}, "public")) == []


def test_a_no_is_an_answer_and_spaces_are_none():
    deep = PLAIN | {"personal_data": "personal", "special_categories": False}
    assert "special_categories" not in keys(stewardship.unanswered(deep, "public"))
    assert keys(stewardship.unanswered(PLAIN | {"cost": "fee", "cost_text": "  "}, "public")) == [
        "cost_text"
    ]


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("made_up", "x", "dataset.answer.unknown"),
        ("personal_data", "perhaps", "dataset.answer.form"),
        ("personal_data", ["none"], "dataset.answer.form"),
        ("personal_data", None, "dataset.answer.form"),
        ("collection", "crawled", "dataset.answer.form"),
        ("collection", ["crawled", "crawled"], "dataset.answer.form"),
        ("collection", ["crawled", 1], "dataset.answer.form"),
        ("collection", [["crawled"]], "dataset.answer.form"),
        ("special_categories", "yes", "dataset.answer.form"),
        ("special_categories", 1, "dataset.answer.form"),
        ("retention_until", "2027-02-30", "dataset.answer.form"),
        ("retention_until", "20270227", "dataset.answer.form"),
        ("retention_until", 20270227, "dataset.answer.form"),
        ("limits", 5, "dataset.answer.form"),
        ("limits", "a\0b", "text.nul"),
        ("limits", "x" * 2001, "text.too_long"),
        ("publisher", "x" * 201, "text.too_long"),
    ],
)
def test_a_mistake_stands_on_its_answer(key, value, code):
    (problem,) = stewardship.problems({key: value})
    assert problem.code == code
    assert problem.field == ("answers" if key == "made_up" else f"answers.{key}")
    assert str(problem)


def test_texts_up_to_their_longest_and_real_dates_are_fine():
    good = {"limits": "x" * 2000, "retention_until": "2028-02-29", "special_categories": False}
    assert stewardship.problems(good | PLAIN) == []


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from(list(questions())) | st.text(max_size=4), JSON, max_size=6))
def test_no_answers_upset_the_checker_and_those_it_passes_can_be_shown(answers):
    wrong = {one.field for one in stewardship.problems(answers)}
    passed = {k: v for k, v in answers.items() if f"answers.{k}" not in wrong and k in questions()}
    for right in ("public", "restricted"):
        public = stewardship.public_answers(passed, right)
        assert set(public) <= set(passed)
        for key, value in public.items():
            assert isinstance(questions()[key].shown(value, "ro"), str)
        stewardship.unanswered(passed, right)
    stewardship.inherited([passed, passed])


def test_what_is_kept_inside_or_no_longer_asked_is_not_public():
    answers = PLAIN | {
        "personal_data": "personal",
        "special_categories": True,
        "impact_assessment": "DPIA 12",
    }
    assert "impact_assessment" not in stewardship.public_answers(answers, "public")
    assert "special_categories" in stewardship.public_answers(answers, "public")
    answers["personal_data"] = "none"
    assert "special_categories" not in stewardship.public_answers(answers, "public")


def test_answers_are_shown_in_words():
    assert questions()["collection"].shown(["survey", "synthetic"], "en") == (
        "Asked of people: survey, interview, annotation; Made by a model or a simulation"
    )
    assert questions()["special_categories"].shown(False, "ro") == "nu"
    assert questions()["cost"].shown("free", "ro") == "Nimic"
    assert questions()["retention_until"].shown("2030-01-01", "en") == "2030-01-01"
    assert questions()["cost"].hint("en").endswith("(Data Governance Act, Art. 6)")
    assert questions()["cost"].hint("ro").endswith(", art. 6)")


def test_derived_data_are_as_personal_as_their_most_personal_source():
    sources = [PLAIN, PLAIN | {"personal_data": "pseudonymised", "retention_until": "2030-01-01"}]
    found = stewardship.inherited(sources)
    assert found["personal_data"] == "pseudonymised"
    assert found["collection"] == ["derived"]
    assert (found["cost"], found["retention_until"]) == ("free", "2030-01-01")
    assert "legal_basis" not in found


def test_derived_data_say_nothing_of_people_when_a_source_does_not():
    assert "personal_data" not in stewardship.inherited([PLAIN, {}])
    assert stewardship.inherited([]) == {"collection": ["derived"]}


def test_derived_data_of_complete_open_sources_need_nobody():
    assert stewardship.unanswered(stewardship.inherited([PLAIN, PLAIN]), "public") == []
