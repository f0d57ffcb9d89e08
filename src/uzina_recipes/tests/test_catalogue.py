"""Recipes describe themselves, and a configuration hears of all its mistakes."""

import math

import pytest

from uzina_recipes import catalogue
from uzina_recipes.catalogue import BadConfig


@pytest.fixture
def train():
    return catalogue.load()["train"]


def test_there_are_three_recipes_in_alphabetical_order():
    assert list(catalogue.load()) == ["evaluate", "prepare", "train"]


@pytest.mark.parametrize("recipe", catalogue.load().values(), ids=lambda recipe: recipe.slug)
def test_every_default_is_within_its_own_range(recipe):
    defaults = {parameter.name: parameter.default for parameter in recipe.parameters}
    assert recipe.problems(defaults) == []
    assert recipe.resolve({}) == defaults


@pytest.mark.parametrize("recipe", catalogue.load().values(), ids=lambda recipe: recipe.slug)
def test_every_text_is_there_in_both_languages_with_comma_below(recipe):
    texts = [recipe.title, recipe.summary, recipe.hardware, recipe.expects]
    texts += [parameter.help for parameter in recipe.parameters]
    for text in texts:
        assert text.en
        assert text.ro
        assert text.en != text.ro
        assert not set(text.ro) & set("şţŞŢ")
        assert "TO MEASURE" not in text.en


@pytest.mark.parametrize(
    ("given", "mistake"),
    [
        ({"steps": 1}, ""),
        ({"steps": 0}, "steps is 0: give 1 to 1e+08."),
        ({"steps": 100_000_000}, ""),
        ({"steps": 100_000_001}, "steps is 100000001: give 1 to 1e+08."),
        ({"steps": 2.0}, "steps is 2.0: give a whole number."),
        ({"steps": True}, "steps is True: give a whole number."),
        ({"steps": "12"}, "steps is '12': give a whole number."),
        ({"learning_rate": 1}, ""),
        ({"learning_rate": math.nan}, "learning_rate is nan: give 0 to 1."),
        ({"learning_rate": math.inf}, "learning_rate is inf: give 0 to 1."),
        ({"precision": "bf16"}, ""),
        ({"precision": "fp8"}, "precision is 'fp8': choose one of auto, fp32, bf16."),
        ({"precision": ["auto"]}, "precision is ['auto']: choose one of auto, fp32, bf16."),
        ({"tied": True}, ""),
        ({"tied": 1}, "tied is 1: give true or false."),
    ],
)
def test_a_value_is_taken_or_refused_with_what_would_be_right(train, given, mistake):
    assert train.problems(given) == ([mistake] if mistake else [])


def test_every_mistake_is_listed_not_only_the_first(train):
    with pytest.raises(BadConfig) as refused:
        train.resolve({"steps": -1, "colour": "red", "clip": "loose"})
    assert len(refused.value.problems) == 3
    assert "colour is not a setting of train" in str(refused.value)


def test_a_whole_number_given_for_a_number_comes_back_as_a_number(train):
    value = train.resolve({"learning_rate": 1})["learning_rate"]
    assert (value, type(value)) == (1.0, float)
