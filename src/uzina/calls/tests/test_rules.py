"""Modes as data, sections, the clock, the queue and the timeline: each edge, no database."""

import copy
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls import queries
from uzina.calls.rules import awards, clock, mode_data, modes, sections
from uzina.calls.rules.awards import Queued, first_in_first_out
from uzina.calls.rules.clock import Window
from uzina.calls.rules.flows import (
    APPLICATION,
    AWARD,
    CALL,
    ApplicationState,
    AwardState,
    CallState,
)
from uzina.calls.tests.conftest import ANSWERS
from uzina.core.errors import Invalid, Refused
from uzina.core.tests import NOW

TICK = timedelta(microseconds=1)
BUCHAREST = {"country": "RO", "zone": "Europe/Bucharest"}

PLAYGROUND = queries.shipped_modes()["playground"]

QUALIFIES = {
    "organisation_kind": "startup",
    "size_class": "small",
    "country": "RO",
    "team_countries": ("RO", "LV", "CH"),
    "civilian_purpose": True,
    "contract_covers": True,
    "has_defaulted": False,
    "months": 2,
    "gpu_hours": 5000,
}


# --- modes ---


def test_who_meets_every_rule_qualifies_with_a_reason_and_a_source_for_each():
    verdict = modes.qualify(QUALIFIES, PLAYGROUND)

    assert verdict.qualifies
    assert [reason.rule for reason in verdict.reasons] == [rule.key for rule in PLAYGROUND.rules]
    for reason in verdict.reasons:
        assert (reason.passed, dict(reason.todo)) == (True, {})
        assert reason.source
        assert set(reason.text) == {"en", "ro"}


@pytest.mark.parametrize(
    ("fact", "value", "rule"),
    [
        *[
            ("organisation_kind", kind, "organisation")
            for kind in ("large_enterprise", "university", "research", "public", "ngo", "other")
        ],
        ("size_class", "large", "size"),
        ("country", "US", "country"),
        ("country", "ZZ", "country"),
        ("team_countries", ("RO", "US"), "team"),
        ("civilian_purpose", False, "purpose"),
        ("contract_covers", False, "contract"),
        ("months", 4, "duration"),
        ("months", 0, "duration"),
        ("gpu_hours", 5001, "ask"),
        ("has_defaulted", True, "reports"),
    ],
)
def test_one_fact_that_does_not_fit_fails_its_rule_and_says_what_to_do(fact, value, rule):
    verdict = modes.qualify(QUALIFIES | {fact: value}, PLAYGROUND)

    assert not verdict.qualifies
    (failed,) = verdict.failed
    assert failed.rule == rule
    assert failed.todo["en"]
    assert failed.todo["ro"]


def test_a_fact_that_is_not_known_fails_nothing_and_stays_open():
    verdict = modes.qualify({"organisation_kind": "sme", "country": "RO"}, PLAYGROUND)

    assert verdict.qualifies
    unknown = [reason.rule for reason in verdict.reasons if reason.passed is None]
    assert unknown == ["size", "team", "purpose", "contract", "duration", "ask", "reports"]


def test_size_is_asked_of_enterprises_only():
    verdict = modes.qualify({"organisation_kind": "university", "country": "RO"}, PLAYGROUND)

    assert "size" not in [reason.rule for reason in verdict.reasons]


def test_the_countries_are_the_27_and_those_that_take_part():
    groups = queries.country_groups()
    allowed = PLAYGROUND.rules[2].allowed

    assert len(groups["eu"]) == 27
    assert {"RO", "LV", "NO", "CH", "GB", "UA"} <= set(allowed)
    assert not {"US", "CN", "RU", "ZZ"} & set(allowed)
    assert len(allowed) == len(set(allowed)) == sum(len(codes) for codes in groups.values())


@given(
    st.fixed_dictionaries(
        {
            name: st.one_of(st.none(), st.integers(), st.booleans(), st.text())
            for name in modes.FACTS
        }
        | {
            "team_countries": st.one_of(st.none(), st.lists(st.text()).map(tuple)),
            "gpu_hours": st.one_of(st.none(), st.integers(0, 2**63)),
        }
    )
)
def test_a_verdict_has_a_text_for_whatever_is_asked(facts):
    verdict = modes.qualify(facts, PLAYGROUND)

    assert all(reason.text["en"] for reason in verdict.reasons)
    kept = modes.kept(verdict)
    again = tuple(modes.Reason(**reason) for reason in kept["reasons"])
    assert modes.Verdict("playground", kept["version"], again).qualifies == kept["qualifies"]


def test_a_mode_file_with_mistakes_names_them_all():
    raw = copy.deepcopy(next(one for one in queries.shipped() if one.slug == "playground").data)
    raw |= {
        "package_gpu_hours": -1,
        "durations_months": [],
        "order": "lottery",
        "checked_on": "yesterday",
        "amendments": "none",
        "steps": [{"kind": "decision", "owner": "fate"}, {"kind": "completeness", "owner": "rule"}],
        "at_exhaustion": "shout",
        "sections": ["poem"],
        "slug": 7,
        "title": {"en": "Only English"},
    }
    del raw["sources"]["order"]
    raw["rules"][0] |= {"check": "guess", "source": ""}
    raw["rules"][1]["allowed"] = []
    raw["rules"][2]["allowed"] = ["group:moon"]
    raw["rules"][3]["fact"] = "weather"
    raw["rules"][4]["yes"] = {"en": "{nobody}", "ro": "{nobody}"}
    raw["rules"][1]["when"] = {"fact": "weather"}
    raw["rules"][7]["limit"] = "sky"

    with pytest.raises(Invalid) as invalid:
        mode_data.parse_mode(raw)

    assert {problem.field for problem in invalid.value.problems} == {
        "package_gpu_hours",
        "durations_months",
        "order",
        "checked_on",
        "amendments",
        "steps",
        "steps.0.owner",
        "at_exhaustion",
        "sections",
        "slug",
        "title",
        "sources.order",
        "rules.0.check",
        "rules.0.source",
        "rules.1.allowed",
        "rules.1.when.fact",
        "rules.1.when.values",
        "rules.2.allowed",
        "rules.3.fact",
        "rules.4.yes.en",
        "rules.4.yes.ro",
        "rules.7.limit",
    }


@pytest.mark.parametrize("raw", [{}, {"rules": []}, {"rules": [{}]}])
def test_an_empty_mode_file_is_refused_not_crashed_on(raw):
    with pytest.raises(Invalid):
        mode_data.parse_mode(raw)


# --- sections ---

FORM_SLUGS = list(ANSWERS)


def parse(slug, raw):
    asked = sections.asked(slug, sections.Offer())
    return sections.parse(asked, raw, countries=("RO", "LV"))


@pytest.mark.parametrize("slug", FORM_SLUGS)
def test_complete_answers_are_kept_as_they_are_and_miss_nothing(slug):
    answers = parse(slug, ANSWERS[slug])

    assert answers == ANSWERS[slug]
    assert sections.missing(sections.asked(slug, sections.Offer()), answers) == []


@pytest.mark.parametrize("slug", FORM_SLUGS)
def test_an_empty_section_misses_exactly_what_is_not_optional(slug):
    section = sections.asked(slug, sections.Offer())
    missing = {problem.field for problem in sections.missing(section, {})}

    assert missing == {
        field.name for field in section.fields if field.missing and not field.needed_where
    }


def test_an_answer_is_needed_only_where_another_says_so():
    data = {**ANSWERS["data"], "has_personal_data": True}

    (problem,) = sections.missing(sections.DATA, data)

    assert problem.field == "personal_data_measures"
    assert not sections.missing(sections.DATA, data | {"personal_data_measures": "GDPR 6(1)(a)"})


def test_a_row_that_is_begun_must_be_finished_and_empty_rows_are_dropped():
    raw = {**ANSWERS["team"], "members": [{"name": "", "country": ""}, {"name": "Bo"}]}

    answers = parse("team", raw)

    assert answers["members"] == [{"name": "Bo"}]
    (problem,) = sections.missing(sections.TEAM, answers)
    assert problem.field == "members.0.country"


@pytest.mark.parametrize(
    ("typed", "kept"), [("7 000 000", 7_000_000), ("7\u00a0000", 7000), (5, 5), ("0005", 5)]
)
def test_numbers_are_read_as_people_write_them(typed, kept):
    assert parse("work", {"parameters": typed}) == {"parameters": kept}


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        (0, False),
        (1, True),
        (10_000_000, True),
        (10_000_001, False),
        (True, False),
        (1.0, False),
        ("1e3", False),
        ("-1", False),
        ("٣", False),
        ("9" * 19, False),
    ],
)
def test_hours_are_whole_and_within_their_range(value, is_kept):
    if is_kept:
        assert parse("work", {"gpu_hours": value}) == {"gpu_hours": value}
        return
    with pytest.raises(Invalid) as invalid:
        parse("work", {"gpu_hours": value})
    assert invalid.value.problems[0].code == "application.section.whole"


@pytest.mark.parametrize(
    ("slug", "raw", "code"),
    [
        ("project", {"poem": 1}, "unknown"),
        ("project", {"title": "a\x07b"}, "unseen"),
        ("project", {"title": "\ud800"}, "unseen"),
        ("project", {"title": "a" * 151}, "too_long"),
        ("project", {"title": ["a"]}, "text"),
        ("project", {"is_confidential": "maybe"}, "yes_no"),
        ("project", {"is_confidential": []}, "yes_no"),
        ("work", {"task": {}}, "choice"),
        ("team", {"lead_country": "FR"}, "choice"),
        ("team", {"lead_email": "a@b"}, "email"),
        ("team", {"members": {"name": "x"}}, "rows"),
        ("team", {"members": ["x"]}, "rows"),
        ("team", {"members": [{}] * 21}, "too_many"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(slug, raw, code):
    with pytest.raises(Invalid) as invalid:
        parse(slug, raw)

    assert [one.code for one in invalid.value.problems] == [f"application.section.{code}"]
    assert all(str(one) for one in invalid.value.problems)


def test_a_text_at_its_limit_is_kept_and_line_breaks_are_one_character():
    assert parse("project", {"title": "a" * 150})
    assert parse("project", {"summary": "a\r\nb"}) == {"summary": "a\nb"}
    assert parse("project", {"title": "a\n b"}) == {"title": "a b"}


@given(
    st.dictionaries(
        st.sampled_from([field.name for s in sections.ALL.values() for field in s.fields]),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
    ),
    st.sampled_from(FORM_SLUGS),
)
def test_whatever_is_sent_is_kept_typed_or_refused(raw, slug):
    try:
        answers = parse(slug, raw)
    except Invalid as invalid:
        said = [str(problem) for problem in invalid.problems]
    else:
        said = ["kept"] if parse(slug, answers) == answers else []
    assert said
    assert all(said)


# --- the clock ---


@pytest.mark.parametrize(
    ("now", "is_open"),
    [
        (NOW - TICK, False),
        (NOW, True),
        (NOW + timedelta(days=1) - TICK, True),
        (NOW + timedelta(days=1), False),
    ],
)
def test_a_window_is_open_from_opening_up_to_closing(now, is_open):
    assert clock.is_open(Window(NOW, NOW + timedelta(days=1)), now) is is_open


def test_a_window_without_an_end_stays_open():
    assert clock.is_open(Window(NOW, None), NOW + timedelta(days=3650))


def local(day, hour, minute=0):
    """Return an instant of November or December 2026 in Bucharest, two hours ahead of UTC."""
    return datetime(2026, day[0], day[1], hour, minute, tzinfo=UTC) - timedelta(hours=2)


@pytest.mark.parametrize(
    ("submitted", "last_day"),
    [
        (local((11, 23), 9), (11, 25)),  # Monday: Tuesday and Wednesday
        (local((11, 23), 23, 59), (11, 25)),
        (local((11, 24), 0), (11, 26)),
        (local((11, 26), 17), (12, 2)),  # Thursday: Friday; 30 November and 1 December are free
        (local((11, 27), 10), (12, 3)),  # Friday: Wednesday and Thursday
        (local((11, 28), 10), (12, 3)),  # Saturday
        (local((11, 30), 10), (12, 3)),  # Saint Andrew's Day
        (local((12, 1), 23, 59), (12, 3)),  # National Day
        (local((12, 2), 0), (12, 4)),
        (local((12, 23), 12), (12, 28)),  # Wednesday: Thursday; Christmas; Monday
    ],
)
def test_two_working_days_in_romania_end_at_midnight_of_the_second(submitted, last_day):
    due = clock.due_at(submitted, working_days=2, **BUCHAREST)

    assert due == local(last_day, 0) + timedelta(days=1)


def test_the_country_decides_which_days_are_free():
    submitted = local((11, 27), 10)

    in_france = clock.due_at(submitted, working_days=2, country="FR", zone="Europe/Bucharest")

    assert in_france == local((12, 1), 0) + timedelta(days=1)


def test_a_day_of_the_change_to_summer_time_is_still_a_day():
    friday = datetime(2026, 3, 27, 10, tzinfo=UTC)

    due = clock.due_at(friday, working_days=1, **BUCHAREST)

    assert due == datetime(2026, 3, 30, 21, tzinfo=UTC)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 - made aware
        lambda at: at.replace(tzinfo=UTC)
    ),
    st.integers(1, 30),
)
def test_what_is_due_has_that_many_working_days_left_when_it_begins(start, days):
    due = clock.due_at(start, working_days=days, **BUCHAREST)

    left = clock.working_days_left(start, due, **BUCHAREST)
    today = start.astimezone(clock.ZoneInfo("Europe/Bucharest")).date()
    assert left == days + clock.is_working_day(today, "RO")
    assert clock.working_days_left(due, due, **BUCHAREST) == 0
    assert clock.working_days_left(due - TICK, due, **BUCHAREST) == 1


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ((2026, 11, 23), 3, (2027, 2, 23)),
        ((2026, 11, 30), 3, (2027, 2, 28)),
        ((2027, 11, 30), 3, (2028, 2, 29)),
        ((2026, 12, 31), 1, (2027, 1, 31)),
        ((2026, 1, 31), 12, (2027, 1, 31)),
    ],
)
def test_months_later_is_the_same_day_or_the_last_of_a_shorter_month(start, months, end):
    later = clock.after_months(datetime(*start, 9, tzinfo=UTC), months)

    assert (later.date(), later.hour) == (date(*end), 9)


# --- the queue ---


def test_first_come_is_first_served_while_the_hours_last():
    queue = [Queued(name, 10, is_assessed=True) for name in "abc"]

    assert first_in_first_out(queue, 29).offers == ("a", "b")
    assert first_in_first_out(queue, 29).reserves == ("c",)
    assert first_in_first_out(queue, 30).offers == ("a", "b", "c")


def test_a_small_ask_does_not_overtake_a_large_one():
    queue = [Queued("large", 20, is_assessed=True), Queued("small", 1, is_assessed=True)]

    assert first_in_first_out(queue, 19) == awards.Outcome((), ("large", "small"))


def test_hours_are_kept_for_who_is_still_being_assessed():
    queue = [Queued("first", 10, is_assessed=False), Queued("second", 10, is_assessed=True)]

    assert first_in_first_out(queue, 19) == awards.Outcome((), ("second",))
    assert first_in_first_out(queue, 20) == awards.Outcome(("second",), ())


@given(st.lists(st.tuples(st.integers(1, 100), st.booleans()), max_size=30), st.integers(-50, 500))
def test_offers_never_exceed_what_is_free_and_keep_the_order(rows, free):
    queue = [Queued(str(n), amount, is_assessed=done) for n, (amount, done) in enumerate(rows)]
    amounts = {one.code: one.gpu_ms for one in queue}

    outcome = first_in_first_out(queue, free)

    assert sum(amounts[code] for code in outcome.offers) <= max(free, 0)
    assert sorted(outcome.offers + outcome.reserves, key=int) == [
        one.code for one in queue if one.is_assessed
    ]
    if outcome.offers and outcome.reserves:
        assert int(outcome.offers[-1]) < int(outcome.reserves[0])


# --- life cycles and the timeline ---


def test_each_life_cycle_ends():
    assert APPLICATION.verbs(ApplicationState.AWARDED) == []
    assert APPLICATION.verbs(ApplicationState.DECLINED) == ["uphold", "reinstate"]
    assert AWARD.verbs(AwardState.ACCEPTED) == []
    assert CALL.verbs(CallState.ARCHIVED) == []


def test_an_answer_is_in_time_up_to_the_deadline():
    awards.check_answer(NOW, NOW - TICK)
    with pytest.raises(Refused, match="open until 2026-11-23, 09:00 UTC"):
        awards.check_answer(NOW, NOW)


def test_a_refusal_says_when_the_call_opens_or_closed():
    window = Window(NOW, NOW + timedelta(hours=1))

    with pytest.raises(Refused, match="opens on 2026-11-23, 09:00 UTC"):
        clock.check_open([window], NOW - TICK, verb="submit")
    with pytest.raises(Refused, match="closed on 2026-11-23, 10:00 UTC"):
        clock.check_open([window], NOW + timedelta(hours=1), verb="submit")
