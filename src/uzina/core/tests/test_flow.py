import pytest

from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.flow import Flow, Move, States


class Lamp(States):
    OFF = "off", "Off", "quiet"
    ON = "on", "On", "good"
    BROKEN = "broken", "Broken", "bad"


LAMP = Flow(
    "lamp",
    {
        "light": Move(Lamp.OFF, to=Lamp.ON),
        "drop": Move(Lamp.OFF, Lamp.ON, to=Lamp.BROKEN),
    },
)


def test_a_verb_leads_to_its_state():
    assert LAMP.after("light", Lamp.OFF) is Lamp.ON


def test_a_verb_that_is_not_open_is_refused_with_what_is_possible():
    with pytest.raises(Refused, match="it is broken. Possible from: off, on") as refused:
        LAMP.after("drop", Lamp.BROKEN)
    assert refused.value.code == "lamp.drop.not_now"


def test_the_verbs_of_a_state_are_those_of_the_table():
    assert LAMP.verbs(Lamp.OFF) == ["light", "drop"]
    assert LAMP.verbs(Lamp.BROKEN) == []


def test_a_state_knows_its_word_and_tone():
    assert (Lamp.ON, Lamp.ON.label, Lamp.ON.tone) == ("on", "On", "good")


def test_invalid_names_every_field():
    invalid = Invalid([Problem("a", "x.a", "A."), Problem("b.0", "x.b", "B {n}.", {"n": 2})])
    assert str(invalid) == "2 answers need a change: a, b.0."
    assert [str(problem) for problem in invalid.problems] == ["A.", "B 2."]
