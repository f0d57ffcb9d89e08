"""Settings, inputs, endings; the arithmetic of thresholds; documents from full and empty records."""

import json
import math
import re
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.core.errors import Refused
from uzina.training.rules import ai_act, card, entries, figures, form, lineage, record, runs
from uzina.training.rules.runs import RunState

HERE = Path(form.__file__).parent.parent
FORM = form.parse(tomllib.loads((HERE / "documentation_form.toml").read_text()))
THRESHOLDS = ai_act.parse(tomllib.loads((HERE / "ai_act.toml").read_text()))


def say(text):
    return text


def parameter(name, kind, default, low=None, high=None, choices=()):
    return {
        "name": name, "kind": kind, "default": default,
        "minimum": low, "maximum": high, "choices": list(choices),
    }  # fmt: skip


SCHEMA = {
    "inputs": ["data"],
    "outputs": ["hf"],
    "parameters": [
        parameter("steps", "integer", 4, 1, 100),
        parameter("rate", "number", 0.5, 0.0, 1.0),
        parameter("precision", "choice", "auto", choices=("auto", "fp32")),
        parameter("tied", "boolean", default=False),
    ],
}


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("steps", 1, None),
        ("steps", 100, None),
        ("steps", 0, "range"),
        ("steps", 101, "range"),
        ("steps", 2.0, "type"),
        ("steps", True, "type"),
        ("steps", "4", "type"),
        ("steps", 10**400, "range"),
        ("rate", 0, None),
        ("rate", 1.0000001, "range"),
        ("rate", math.nan, "range"),
        ("rate", math.inf, "range"),
        ("rate", False, "type"),
        ("precision", "fp32", None),
        ("precision", "fp8", "choice"),
        ("precision", ["auto"], "choice"),
        ("tied", True, None),
        ("tied", 1, "type"),
        ("made_up", 1, "unknown"),
    ],
)
def test_a_setting_is_taken_within_its_range_and_refused_one_step_beyond(name, value, code):
    _chosen, problems = runs.settings(SCHEMA, {name: value})
    assert [one.code for one in problems] == ([f"run.params.{code}"] if code else [])


@given(
    st.fixed_dictionaries(
        {
            "steps": st.integers(1, 100),
            "rate": st.floats(0, 1),
            "precision": st.sampled_from(["auto", "fp32"]),
            "tied": st.booleans(),
        }
    )
)
def test_the_written_config_reads_back_as_the_same_settings(given_settings):
    chosen, problems = runs.settings(SCHEMA, given_settings)
    assert not problems
    assert tomllib.loads(runs.config_toml(chosen)) == chosen


@given(st.text(max_size=50))
def test_any_text_survives_the_config(text):
    assert tomllib.loads(runs.config_toml({"a": text.replace("\ud800", "")})) == {
        "a": text.replace("\ud800", "")
    }


@pytest.mark.parametrize(
    ("job", "said", "state"),
    [
        ("done", "done", "done"),
        ("done", "stopped", "stopped"),
        ("done", "failed", "failed"),
        ("done", None, "failed"),
        ("failed", None, "failed"),
        ("failed", "done", "failed"),
        ("failed", "stopped", "stopped"),
        ("cancelled", None, "cancelled"),
        ("cancelled", "stopped", "stopped"),
        ("lost", None, "lost"),
        ("lost", "done", "lost"),
    ],
)
def test_exit_json_is_the_truth_where_the_cluster_cannot_know(job, said, state):
    assert runs.ending(job, {} if said is None else {"state": said}) is RunState(state)


@pytest.mark.parametrize(
    ("sources", "licence"),
    [
        ([], "restricted"),
        (["mit"], "mit"),
        (["mit", "mit"], "mit"),
        (["mit", "cc0-1.0"], "mixed-see-files"),
        (["mit", "restricted"], "restricted"),
    ],
)
def test_a_licence_is_carried_only_where_it_is_the_only_one(sources, licence):
    assert runs.carried(sources) == licence


def test_a_model_is_released_once_and_retired_for_good():
    with pytest.raises(Refused) as refused:
        runs.MODEL.after("release", runs.ModelState.RETIRED)
    assert refused.value.code == "model.release.not_now"
    assert runs.MODEL.after("retire", runs.ModelState.CANDIDATE) is runs.ModelState.RETIRED


@pytest.mark.parametrize(
    ("flop", "reached"),
    [
        (None, None),
        (1e23 * (1 - 1e-15), False),
        (1e23, False),
        (1e23 * (1 + 1e-15), True),
    ],
)
def test_a_threshold_is_passed_only_above_it(flop, reached):
    first = ai_act.standings(THRESHOLDS, flop=flop, base_flop=None)[0]
    assert (first.threshold.slug, first.is_reached) == ("general-purpose", reached)


def test_one_third_is_counted_from_the_base_model_and_unknown_without_one():
    third = {one.slug: one for one in THRESHOLDS}["one-third"]
    alone = ai_act.standings([third], flop=1e20, base_flop=None)[0]
    above = ai_act.standings([third], flop=3.4e20, base_flop=1e21)[0]
    below = ai_act.standings([third], flop=3.3e20, base_flop=1e21)[0]
    assert (alone.is_reached, above.is_reached, below.is_reached) == (None, True, False)


def test_thresholds_are_dated_and_name_their_source():
    assert [one.flop for one in THRESHOLDS] == [1e23, 1e25, 0.0]
    assert all(
        one.source and one.url and one.in_force_from and one.status["ro"] for one in THRESHOLDS
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7.3e10, "7.3×10¹⁰"), (6.4e12, "6.4×10¹²"), (3_400_000, "3.4×10⁶"), (0.0123, "0.012"),
     (4e-7, "4.0×10⁻⁷"), (12_345, "12,000")],
)  # fmt: skip
def test_figures_have_two_significant_digits(value, text):
    assert figures.significant(value) == text


# --- documents ----------------------------------------------------------------------------------

EMPTY = {
    "model": {
        "reference": "m@1", "slug": "m", "number": 1, "title": "m", "state": "candidate",
        "digest": "sha256:" + "0" * 64, "bytes": 3, "files": [], "languages": ["ro"],
        "run": "RUN-AAAAAA", "created_at": "2026-11-23T09:00:00Z", "released_at": None,
        "retired_at": None, "project": {"code": "PRJ-AAAAAA", "title": "P"},
        "provider": {"name": "Org", "code": "ORG-A", "country": "RO", "kind": "startup"},
    },
    "award": None, "allocations": [], "runs": [], "data": [], "base_model": None,
    "base_flop": None, "facts": {}, "evaluations": [], "answers": {},
}  # fmt: skip


def test_the_form_has_every_field_of_the_reference_and_says_who_each_is_for():
    slugs = [one.slug for one in FORM]
    assert len(slugs) == len(set(slugs)) == 47
    sections = list(dict.fromkeys(one.section for one in FORM))
    assert sections == [
        "general", "properties", "distribution", "use", "training", "data", "compute", "energy",
    ]  # fmt: skip
    assert all(set(one.audience) <= {"AIO", "NCA", "DP"} and one.audience for one in FORM)
    assert all(one.title["en"] and one.title["ro"] for one in FORM)
    assert set(entries.FILLERS) <= set(slugs)


def test_every_field_of_an_empty_record_is_shown_and_the_unknown_is_missing():
    filled = form.fill(EMPTY, FORM, say)
    assert [one.field.slug for one in filled.rows] == [one.slug for one in FORM]
    assert filled.missing + filled.filled == len(FORM)
    missing = {one.field.slug for one in filled.rows if one.is_missing}
    assert {"architecture", "compute_amount", "energy_amount", "training_time", "release_date",
            "data_provenance", "intended_uses", "decision_rationale"} <= missing  # fmt: skip
    assert "model_authenticity" not in missing


def test_what_a_person_states_fills_a_field_beside_the_record():
    stated = EMPTY | {
        "answers": {
            "intended_uses": {"text": "Demos.", "revision": 2, "by": "PER-A", "at": "2026-11-24"},
            "model_name": {"text": "Also known as M.", "revision": 1, "by": "PER-A", "at": "2026"},
        }
    }
    rows = {one.field.slug: one for one in form.fill(stated, FORM, say).rows}
    assert (rows["intended_uses"].source, rows["intended_uses"].stated) == ("person", "Demos.")
    assert rows["model_name"].source == "both"
    assert rows["document_version"].value == "4"


def test_documents_carry_the_digest_of_the_record_and_another_record_another_digest():
    digest = record.digest(EMPTY)
    changed = EMPTY | {"facts": {"steps": 1}}
    assert form.fill(EMPTY, FORM, say).record_digest == digest
    assert card.write(EMPTY, say).record_digest == digest
    assert lineage.trace(EMPTY, say, "en").record_digest == digest
    assert record.digest(changed) != digest
    assert record.digest(json.loads(json.dumps(EMPTY))) == digest


def test_missing_links_are_drawn_as_missing():
    chain = lineage.trace(EMPTY, say, "en")
    missing = [one.kind for one in chain.nodes if one.is_missing]
    assert missing == ["call", "application", "award", "data", "evaluation"]
    assert chain.missing == 5


HOSTILE = (
    "</p><script>alert(1)</script> [x](javascript:alert(1)) ![y](http://evil/z.png) `\"'\n"
    "# Head\n- item\n| a | b |\n```\n---\n<img src=x onerror=a()> https://evil.example www.evil.example &amp;"
)


def test_hostile_text_in_a_card_is_neither_html_nor_a_link_nor_a_heading():
    model = EMPTY["model"] | {
        "title": HOSTILE,
        "provider": EMPTY["model"]["provider"] | {"name": HOSTILE},
    }
    answers = {
        "intended_uses": {"text": HOSTILE, "revision": 1, "by": "PER-A", "at": "2026"},
        "licence_link": {"text": HOSTILE, "revision": 1, "by": "PER-A", "at": "2026"},
    }
    text = card.markdown(card.write(EMPTY | {"model": model, "answers": answers}, say), say)
    head, _rule, body = text.partition("\n---\n\n")
    assert json.loads(head.removeprefix("---\n"))["library_name"] == "transformers"
    assert "<" not in body.replace("&lt;", "")
    assert not re.search(r"(?<!\\)\]\(", body)
    assert not re.search(r"https?://|www\.", body)
    headings = [line for line in body.splitlines() if line.startswith("#")]
    assert all(
        "Head" not in line or (line.startswith("# ") and line == headings[0]) for line in headings
    )
    assert not [line for line in body.splitlines() if line.startswith(("- item", "| a"))]


@given(st.text(max_size=60))
def test_no_text_makes_markup_of_its_own(text):
    shown = card.plain(text)
    assert "<" not in shown
    assert ">" not in shown
    assert not re.search(
        r"(?<!\\)(?:\\\\)*[`*_\[\]|~!$]", re.sub(r"\\[\\`*_{}\[\]#|~!$]", "", shown)
    )
    assert "http:" not in shown
    assert "https:" not in shown
