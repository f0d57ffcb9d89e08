"""What a call asks, how answers are read, and what is still missing."""

import tomllib

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls import queries
from uzina.calls.queries.sections import PANELS
from uzina.calls.rules import modes, sections
from uzina.calls.rules.modes import PartitionAsk
from uzina.calls.rules.sections import Offer, asked, asked_facts, incomplete, missing, parse
from uzina.calls.tests.conftest import ANSWERS, LONG_ANSWERS
from uzina.core.errors import Invalid
from uzina.core.tests import NOW

LEONARDO = PartitionAsk("Leonardo Booster", 4, 20_000, 90_000)
LUMI = PartitionAsk("LUMI-G", 8, 30_000, 60_000)
PANEL = (("PE6", "PE6 Computer Science and Informatics"), ("SH4", "SH4 The Human Mind"))
LONG = Offer(
    durations=(6,),
    partitions=(LEONARDO, LUMI),
    unit="node_hour",
    is_package=False,
    is_long=True,
    terms_version="2026-11-22/x/1",
    panels=PANEL,
)
SHORT = Offer(durations=(1, 2, 3), partitions=(PartitionAsk("", 1, 1, 10_000_000),))


def read(slug, raw, offer=LONG):
    return parse(asked(slug, offer), raw, countries=("RO", "LV"))


def lacks(slug, answers, offer=LONG):
    return {one.field: one.code.rpartition(".")[2] for one in missing(asked(slug, offer), answers)}


def refused(slug, raw, offer=LONG):
    with pytest.raises(Invalid) as invalid:
        read(slug, raw, offer)
    assert all(str(one) for one in invalid.value.problems)
    return [one.code.rpartition(".")[2] for one in invalid.value.problems]


WORK = {
    "task": "pretraining",
    "partition": "LUMI-G",
    "gpu_hours": 30_000,
    "readiness": "cluster",
    "hardware_reason": "Memory.",
    **LONG_ANSWERS["work"],
}


# --- which questions ---


def names(slug, offer):
    return [field.name for field in asked(slug, offer).fields]


def test_the_short_form_stays_short():
    assert names("work", SHORT) == [
        "task",
        "parameters",
        "tokens",
        "gpu_hours",
        "code",
        "readiness",
        "hardware_reason",
    ]
    assert sum(len(asked(slug, SHORT).fields) for slug in ANSWERS) <= 40


def test_a_long_form_asks_for_the_system_and_leaves_the_code_to_its_own_section():
    long = names("work", LONG)
    assert {"partition", "fallback_partition", "jobs", "pilot", "ask_reason"} <= set(long)
    assert "code" not in long


def test_nobody_without_hours_is_asked_for_them():
    offer = Offer(has_hours=False)
    assert "months" not in names("project", offer)
    assert not {"gpu_hours", "partition"} & set(names("work", offer))
    assert read("interest", LONG_ANSWERS["interest"], offer) == LONG_ANSWERS["interest"]


def test_the_amount_is_asked_in_the_unit_of_the_mode():
    def label(offer):
        return next(f.label for f in asked("work", offer).fields if f.name == "gpu_hours")

    assert label(LONG) == "Node-hours you ask for"
    assert label(SHORT) == "GPU-hours you expect to use"


def test_every_section_with_full_answers_is_kept_as_it_is_and_misses_nothing():
    for slug, answers in {**ANSWERS, **LONG_ANSWERS, "work": WORK}.items():
        given = dict(answers)
        if slug == "declarations":
            given["accepts_terms"] = LONG.terms_version
        if slug == "project":
            given["months"] = 6
        assert read(slug, given) == given
        assert lacks(slug, given) == {}


def test_every_section_and_field_has_a_name_of_its_own_and_words():
    for section in sections.ALL.values():
        assert section.title
        assert section.lead
        own = [field.name for field in section.fields]
        assert len(own) == len(set(own))
        for field in section.fields:
            assert field.label
            assert not field.needed_where or field.needed_where[0] in own


# --- what is offered ---


@pytest.mark.parametrize(("months", "is_offered"), [(5, False), (6, True), (7, False)])
def test_a_duration_that_is_not_offered_is_kept_in_the_draft_and_told(months, is_offered):
    answers = read("project", {**ANSWERS["project"], "months": months})
    assert answers["months"] == months
    assert ("months" not in lacks("project", answers)) is is_offered
    if not is_offered:
        (problem,) = missing(asked("project", LONG), answers)
        assert str(problem) == "This call offers 6. Choose one of these."


@pytest.mark.parametrize(
    ("partition", "amount", "is_within"),
    [
        ("Leonardo Booster", 19_999, False),
        ("Leonardo Booster", 20_000, True),
        ("Leonardo Booster", 90_000, True),
        ("Leonardo Booster", 90_001, False),
        ("LUMI-G", 29_999, False),
        ("LUMI-G", 30_000, True),
        ("LUMI-G", 60_001, False),
    ],
)
def test_each_partition_has_its_own_limits(partition, amount, is_within):
    found = lacks("work", WORK | {"partition": partition, "gpu_hours": amount})
    assert found == ({} if is_within else {"gpu_hours": "limits"})


def test_the_only_partition_has_limits_without_being_named():
    offer = Offer(partitions=(LEONARDO,), is_package=False)
    assert "partition" not in names("work", offer)
    work = {**ANSWERS["work"], "gpu_hours": 5}
    assert lacks("work", work, offer) == {"gpu_hours": "limits"}
    assert lacks("work", work, Offer(partitions=(LEONARDO,))) == {}


def test_the_second_partition_is_another_one_and_needed_where_the_mode_says_so():
    assert lacks("work", WORK | {"fallback_partition": "LUMI-G"}) == {
        "fallback_partition": "same_partition"
    }
    needs = Offer(**{**vars(LONG), "needs_fallback": True})
    assert lacks("work", WORK, needs) == {"fallback_partition": "missing"}
    with pytest.raises(Invalid) as invalid:
        read("work", {"partition": "Frontier"})
    assert "This call offers Leonardo Booster, LUMI-G." in str(invalid.value.problems[0])


def test_a_partition_that_the_call_lost_meanwhile_is_told():
    gone = Offer(**{**vars(LONG), "partitions": (LEONARDO, PartitionAsk("MN5", 4, 1, 9))})
    assert "not_offered" in lacks("work", WORK, gone).values()


# --- rows whose shares sum ---


@pytest.mark.parametrize(("shares", "is_good"), [((60, 40), True), ((60, 41), False), ((1,), True)])
def test_shares_come_to_at_most_a_hundred(shares, is_good):
    rows = [{"panel": "PE6", "share": share} for share in shares]
    found = lacks("research", {**LONG_ANSWERS["research"], "fields": rows})
    assert found == ({} if is_good else {"fields": "sum"})


@given(st.lists(st.integers(1, 100), min_size=1, max_size=20))
def test_the_sum_decides_and_nothing_else(shares):
    rows = [{"panel": "PE6", "share": share} for share in shares]
    found = lacks("research", {**LONG_ANSWERS["research"], "fields": rows})
    assert ("fields" in found) is (sum(shares) > 100)


def test_the_panels_are_the_28_of_2024():
    raw = tomllib.loads(PANELS.read_text(encoding="utf-8"))
    expected = [f"PE{n}" for n in range(1, 12)] + [f"LS{n}" for n in range(1, 10)]
    expected += [f"SH{n}" for n in range(1, 9)]
    assert list(raw["panels"]) == expected
    assert raw["source"]
    assert all(row["en"] and row["ro"] for row in raw["panels"].values())


# --- kinds ---


@pytest.mark.parametrize(
    ("slug", "name", "good", "bad", "code"),
    [
        ("date_of_birth", "born_on", "1985-03-27", "27.3.1985", "date"),
        ("date_of_birth", "born_on", "1900-01-01", "1899-12-31", "date"),
        ("date_of_birth", "born_on", "2024-02-29", "2023-02-29", "date"),
        ("date_of_birth", "born_on", "1985-03-27", 19850327, "date"),
        ("principal_investigator", "phone", "+40 256 123 456", "call me", "phone"),
        ("principal_investigator", "phone", "(0256)123456"[1:5] + " 123 456", "+", "phone"),
        (
            "principal_investigator",
            "website",
            "https://example.org/a?b=c",
            "javascript:alert(1)",
            "url",
        ),
        (
            "principal_investigator",
            "website",
            "http://a.example",
            'https://a.example/"><script>',
            "url",
        ),
        ("principal_investigator", "website", "https://a.example", "https://user@a.example", "url"),
        ("code", "support", ["course", "epicure"], ["course", "rubbish"], "choice"),
        ("code", "support", "hlst", [["hlst"]], "choice"),
        ("code", "support", ["hlst", "hlst"], 7, "choice"),
        ("interest", "person_months", "1 000", "-1", "whole"),
        ("research", "fields", [{"panel": "SH4", "share": 5}], [{"panel": "XX1"}], "choice"),
    ],
)
def test_each_kind_takes_what_it_should_and_no_more(slug, name, good, bad, code):
    assert read(slug, {name: good})[name]
    assert refused(slug, {name: bad}) == [code]


def test_choices_are_kept_once_in_their_own_order():
    assert read("code", {"support": ["course", "epicure", "course"]})["support"] == [
        "epicure",
        "course",
    ]
    assert read("code", {"support": []}) == {}


def test_a_secret_is_not_asked_by_default():
    for mode in queries.shipped_modes().values():
        assert "date_of_birth" not in mode.sections, mode.slug
    gender = next(one for one in sections.PRINCIPAL_INVESTIGATOR.fields if one.name == "gender")
    assert not gender.missing
    assert "unsaid" in dict(gender.choices)


# --- terms ---


def test_accepting_keeps_the_version_and_an_older_one_does_not_count():
    for said in (True, "yes", "on", LONG.terms_version):
        assert read("declarations", {"accepts_terms": said}) == {
            "accepts_terms": LONG.terms_version
        }
    assert read("declarations", {"accepts_terms": False}) == {}
    assert refused("declarations", {"accepts_terms": "2025-01-01/x/1"}) == ["terms"]
    for kept in ("2025-01-01/x/1", True):
        assert "accepts_terms" in lacks("declarations", {"accepts_terms": kept})


def test_the_terms_are_whole_in_both_languages_for_every_mode(db, operator):
    from uzina.calls.models import Call

    for mode in queries.shipped_modes().values():
        call = Call(slug=mode.slug, rules=queries.mode_data(on=NOW.date())[mode.slug])
        english, romanian = queries.terms_of(call, "en"), queries.terms_of(call, "ro")
        assert len(english) == len(romanian) >= 5
        for en, ro in zip(english, romanian, strict=True):
            assert en["title"] != ro["title"] or en["text"] != ro["text"]
            assert "{" not in en["text"] + ro["text"]
            assert "ş" not in ro["text"]
            assert "ţ" not in ro["text"]
        text = " ".join(one["text"] for one in english)
        assert ("not extended" in text) is (mode.kind == "hours" and not mode.is_extendable)
        if mode.kind == "hours":
            assert f"due {mode.report_months} months" in text
            assert f"{mode.data_days} days" in text
        else:
            assert "not extended" not in text
        assert ("binds nobody" in text) is (mode.kind == "interest")
        assert mode.version in queries.terms_version(call)


# --- the whole, and what rules read ---


def test_what_is_missing_over_all_sections_names_section_and_question():
    problems = incomplete([asked("project", LONG), asked("research", LONG)], {"project": {}})
    assert {"project.title", "research.fields"} <= {one.field for one in problems}


def test_rules_read_gpu_hours_and_the_partition_also_where_it_was_not_asked():
    answers = {"work": WORK, "research": {"has_he_funding": True}}
    facts = asked_facts(answers, LONG)
    assert (facts["gpu_hours"], facts["partition"]) == (240_000, "LUMI-G")
    assert facts["has_he_funding"] is True
    only = asked_facts({"work": {"gpu_hours": 10}}, Offer(partitions=(LEONARDO,), unit="node_hour"))
    assert (only["gpu_hours"], only["partition"]) == (40, "Leonardo Booster")
    assert set(asked_facts({})) <= set(modes.FACTS)
    assert set(asked_facts({}).values()) == {None}


@given(
    st.sampled_from(sorted(sections.ALL)),
    st.dictionaries(
        st.sampled_from(sorted({f.name for s in sections.ALL.values() for f in s.fields})),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["share", "panel", "title", "name"]), inner, max_size=3
                )
            ),
            max_leaves=6,
        ),
        max_size=4,
    ),
)
def test_whatever_is_sent_is_kept_typed_or_refused(slug, raw):
    try:
        answers = read(slug, raw)
    except Invalid:
        return
    assert read(slug, answers) == answers
    missing(asked(slug, LONG), answers)


def test_panels_are_named_in_the_language_of_the_reader(call):
    with override("ro"):
        assert dict(queries.offer(call).panels)["PE6"] == "PE6 Informatică"
    assert dict(queries.offer(call).panels)["PE9"] == "PE9 Universe Sciences"
