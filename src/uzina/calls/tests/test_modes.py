"""The shipped modes, who qualifies at each edge, what fits best, cut-offs over nights of change."""

import copy
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.calls import queries
from uzina.calls.models import AccessMode
from uzina.calls.queries import modes as mode_queries
from uzina.calls.rules import cut_offs, fits, mode_data, modes, steps
from uzina.calls.rules.clock import Window, is_open
from uzina.core.errors import Invalid, Refused
from uzina.people.rules import OrganisationKind
from uzina.people.rules.sizes import Year

SECOND = timedelta(seconds=1)
BRUSSELS = "Europe/Brussels"
TEN = time(10)
MODES = queries.shipped_modes()
BY_SLUG = pytest.mark.parametrize("slug", sorted(MODES))

SLUGS = {
    "playground",
    "fast-lane",
    "large-scale",
    "ai-for-science",
    "benchmark",
    "development",
    "regular",
    "extreme-scale",
    "national",
    "grand-challenge",
    "expression-of-interest",
}

STARTUP = {
    "organisation_kind": "startup",
    "size_class": "small",
    "country": "RO",
    "civilian_purpose": True,
}
BODY = {"organisation_kind": "public", "country": "LV", "civilian_purpose": True}


def raw(slug):
    return copy.deepcopy(next(one for one in queries.shipped() if one.slug == slug).data)


def failed(slug, facts):
    return [reason.rule for reason in modes.qualify(facts, MODES[slug]).failed]


# --- the files ---


def test_every_access_mode_of_the_domain_is_shipped():
    assert set(MODES) == SLUGS
    assert {one.kind for one in MODES.values()} == {"hours", "challenge", "interest"}
    assert {one.order for one in MODES.values()} == {"fifo", "ranked"}


@BY_SLUG
def test_every_figure_and_every_rule_of_a_shipped_mode_has_a_source(slug):
    data = raw(slug)

    figures = set(data) - mode_data.NEEDS_NO_SOURCE
    assert figures == set(data["sources"])
    assert all(data["sources"].values())
    for row in [*data["rules"], *data["fits"]]:
        assert len(row["source"]) > 10, row


@BY_SLUG
def test_the_days_of_the_steps_make_up_the_target_of_a_mode(slug):
    mode = MODES[slug]

    assert sum(step.working_days for step in mode.steps) == mode.target_working_days


@BY_SLUG
def test_a_mode_says_everything_in_both_languages_without_the_cedillas_of_old_fonts(slug):
    def texts(value):
        if isinstance(value, dict):
            if "en" in value or "ro" in value:
                yield value
            for one in value.values():
                yield from texts(one)
        elif isinstance(value, list):
            for one in value:
                yield from texts(one)

    found = list(texts(raw(slug)))
    assert found
    for text in found:
        assert text["en"].strip()
        assert text["ro"].strip()
        assert not set("şţŞŢ") & set(text["ro"])


@BY_SLUG
def test_each_step_that_is_judged_by_criteria_has_them(slug):
    mode = MODES[slug]

    assert (mode.scoring is not None) == (mode.step(steps.StepKind.PEER_REVIEW) is not None)
    if mode.scoring is not None:
        assert [one.key for one in mode.scoring.criteria] == [
            "excellence",
            "impact",
            "implementation",
        ]
        assert "unverified" in mode.sources["scoring"]


@BY_SLUG
@pytest.mark.parametrize("kind", [*OrganisationKind])
def test_only_bodies_that_may_use_them_qualify_for_the_modes_of_industry(slug, kind):
    if slug in {"playground", "fast-lane", "large-scale"}:
        is_taken = kind in {"startup", "sme"} or (
            kind == "large_enterprise" and slug != "playground"
        )
        assert ("organisation" not in failed(slug, {"organisation_kind": kind})) == is_taken


def test_what_a_mode_lets_one_change_after_the_award_is_as_published():
    science = {one.kind: one for one in MODES["ai-for-science"].amendments}
    assert science["extension"].most_months == 3
    assert science["top_up"].most_percent == 10
    assert science["extension"].needs_report
    assert science["top_up"].needs_report
    renewal = {one.kind: one for one in MODES["development"].amendments}["extension"]
    assert (renewal.most_months, renewal.needs_report) == (24, False)
    assert {one.kind for one in MODES["playground"].amendments}.isdisjoint({"extension", "top_up"})
    assert MODES["large-scale"].needs_fallback
    assert not MODES["fast-lane"].needs_fallback


@BY_SLUG
def test_an_application_asks_what_the_rules_of_its_mode_ask(slug):
    mode = MODES[slug]
    asked = {
        "team_countries": "team",
        "civilian_purpose": "project",
        "contract_covers": "team",
        "months": "project",
        "gpu_hours": "work",
        "partition": "work",
        "has_he_funding": "research",
    }

    for rule in mode.rules:
        assert asked.get(rule.fact, "project") in mode.sections, rule.key


# --- the edges of what may be asked ---


@pytest.mark.parametrize(
    ("slug", "partition", "least", "most"),
    [
        ("playground", "", None, 5_000),
        ("fast-lane", "", 10_001, 50_000),
        ("large-scale", "", 50_001, 2_400_000),
        ("national", "", 100, 50_000),
        ("ai-for-science", "Leonardo Booster", 80_000, 360_000),
        ("benchmark", "Karolina GPU", None, 3_200),
        ("benchmark", "Leonardo Booster", None, 14_000),
        ("development", "Discoverer GPU", None, 3_600),
        ("regular", "LUMI-G", 80_000, 920_000),
        ("extreme-scale", "Leonardo Booster", 980_000, 12_000_000),
        ("extreme-scale", "LUMI-G", 400_000, 12_000_000),
    ],
)
def test_an_ask_is_taken_from_the_least_to_the_most_and_not_one_hour_further(
    slug, partition, least, most
):
    def takes(hours):
        facts = {"gpu_hours": hours, "partition": partition}
        return not {"least", "most", "menu", "ask"} & set(failed(slug, facts))

    if least is not None:
        assert [takes(least - 1), takes(least), takes(least + 1)] == [False, True, True]
    assert [takes(most - 1), takes(most), takes(most + 1)] == [True, True, False]


def test_without_a_partition_the_widest_limits_of_all_hold():
    assert modes.ask_limits(MODES["extreme-scale"]) == modes.AskLimits(400_000, 12_000_000)
    assert modes.ask_limits(MODES["extreme-scale"], "no such") == modes.AskLimits(
        400_000, 12_000_000
    )
    assert modes.ask_limits(MODES["benchmark"], "Deucalion GPU") == modes.AskLimits(800, 800)


def test_a_fixed_menu_gives_what_it_says_whatever_is_asked():
    answers = {"work": {"gpu_hours": 7, "partition": "Karolina GPU"}}

    asked = modes.asked_gpu_ms(MODES["benchmark"], answers, gpus_per_node=8)

    assert asked == 400 * 8 * modes.MS_PER_HOUR


@pytest.mark.parametrize(
    ("slug", "months", "is_taken"),
    [
        ("large-scale", 2, False),
        ("large-scale", 3, True),
        ("large-scale", 4, False),
        ("ai-for-science", 6, True),
        ("ai-for-science", 7, False),
        ("development", 12, True),
    ],
)
def test_only_the_durations_of_a_mode_are_open(slug, months, is_taken):
    assert ("duration" not in failed(slug, {"months": months})) == is_taken


def test_enterprises_enter_ai_for_science_only_with_a_project_that_the_union_funds():
    facts = STARTUP | {"gpu_hours": 100_000}

    assert failed("ai-for-science", facts | {"has_he_funding": False}) == ["funded"]
    assert failed("ai-for-science", facts | {"has_he_funding": True}) == []
    assert failed("ai-for-science", BODY | {"gpu_hours": 100_000, "has_he_funding": False}) == []


# --- what fits best ---


@pytest.mark.parametrize(
    ("facts", "slug"),
    [
        (STARTUP | {"gpu_hours": 5_000}, "playground"),
        (STARTUP | {"gpu_hours": 5_001}, "national"),
        (STARTUP | {"gpu_hours": 10_000}, "national"),
        (STARTUP | {"gpu_hours": 10_001}, "fast-lane"),
        (STARTUP | {"gpu_hours": 50_000}, "fast-lane"),
        (STARTUP | {"gpu_hours": 50_001}, "large-scale"),
        (STARTUP | {"purpose": "first_steps"}, "playground"),
        (STARTUP | {"purpose": "testing", "gpu_hours": 3_000}, "benchmark"),
        (STARTUP | {"purpose": "consortium"}, "expression-of-interest"),
        (STARTUP | {"purpose": "challenge"}, "grand-challenge"),
        (BODY, "ai-for-science"),
        (BODY | {"purpose": "public_service", "gpu_hours": 100_000}, "ai-for-science"),
        (BODY | {"purpose": "public_service", "gpu_hours": 5_000}, "national"),
        (BODY | {"purpose": "research", "gpu_hours": 500_000}, "regular"),
        (BODY | {"purpose": "research", "gpu_hours": 2_000_000}, "extreme-scale"),
        (BODY | {"purpose": "development"}, "development"),
        (
            {"organisation_kind": "large_enterprise", "country": "DE", "gpu_hours": 100_000}
            | {"has_he_funding": True, "civilian_purpose": True},
            "large-scale",
        ),
    ],
)
def test_the_mode_that_fits_best_is_the_one_a_human_would_name(facts, slug):
    best = fits.best_fit(fits.answers(facts, MODES.values()))

    assert best is not None
    assert best.mode.slug == slug
    assert best.because
    assert best.sources


@pytest.mark.parametrize(
    "facts", [STARTUP | {"civilian_purpose": False}, STARTUP | {"country": "US"}]
)
def test_who_is_taken_by_no_mode_gets_no_recommendation_but_all_the_reasons(facts):
    answers = fits.answers(facts, MODES.values())

    assert fits.best_fit(answers) is None
    assert all(one.verdict.failed for one in answers)
    assert all(reason.todo for reason in answers[0].verdict.failed)


def test_the_purpose_is_said_by_applying_and_nothing_later_asks_it():
    verdict = modes.qualify({}, MODES["benchmark"])

    (purpose,) = [one for one in verdict.reasons if one.rule == "work"]
    assert purpose.passed is None
    assert purpose.text["en"].endswith("You say so by applying here.")


def test_a_size_that_was_passed_for_one_year_only_is_kept():
    def size(**more):
        return modes.organisation_facts(
            kind="sme",
            country="RO",
            headcount=800,
            turnover_eur=200_000_000,
            balance_eur=200_000_000,
            related=(),
            **more,
        )["size_class"]

    small = Year(0, 200, 40_000_000, 30_000_000)
    assert size() == "large"
    assert size(before=small) == "medium"
    assert size(before=Year(0, 800, 200_000_000, 200_000_000)) == "large"
    assert size(before=small, public_share_percent=25) == "large"


def some(*values):
    return st.one_of(st.none(), st.sampled_from(values))


FACTS = st.fixed_dictionaries(
    {
        "organisation_kind": some(*map(str, OrganisationKind)),
        "size_class": some("micro", "small", "medium", "large"),
        "country": some("RO", "LV", "US", "ZZ"),
        "team_countries": some((), ("RO",), ("US",)),
        "civilian_purpose": some(True, False),
        "contract_covers": some(True, False),
        "months": some(1, 3, 6, 12, 13),
        "gpu_hours": st.one_of(st.none(), st.integers(0, 15_000_000)),
        "partition": some("", "LUMI-G", "Karolina GPU"),
        "purpose": some(*modes.PURPOSES),
        "has_he_funding": some(True, False),
    }
)


@given(FACTS)
@settings(max_examples=100, deadline=None)
def test_a_mode_that_does_not_take_the_applicant_is_never_recommended(facts):
    answers = fits.answers(facts, MODES.values())
    best = fits.best_fit(answers)

    assert {one.mode.slug for one in answers} == SLUGS
    if best is None:
        assert not any(one.verdict.qualifies and one.points for one in answers)
    else:
        assert modes.qualify(facts, best.mode).qualifies
        assert best.because
        taken = [one for one in answers if one.verdict.qualifies]
        assert best.points == max(one.points for one in taken)


# --- cut-offs ---


def test_ten_in_brussels_is_an_hour_earlier_in_summer():
    assert cut_offs.instant_of(date(2026, 10, 24), TEN, BRUSSELS) == datetime(
        2026, 10, 24, 8, tzinfo=UTC
    )
    assert cut_offs.instant_of(date(2026, 10, 25), TEN, BRUSSELS) == datetime(
        2026, 10, 25, 9, tzinfo=UTC
    )
    assert cut_offs.instant_of(date(2027, 3, 27), TEN, BRUSSELS) == datetime(
        2027, 3, 27, 9, tzinfo=UTC
    )
    assert cut_offs.instant_of(date(2027, 3, 28), TEN, BRUSSELS) == datetime(
        2027, 3, 28, 8, tzinfo=UTC
    )


def test_a_time_that_comes_twice_means_the_later_and_one_that_is_skipped_is_refused():
    twice = cut_offs.instant_of(date(2026, 10, 25), time(2, 30), BRUSSELS)
    assert twice == datetime(2026, 10, 25, 1, 30, tzinfo=UTC)

    last = cut_offs.instant_of(date(2027, 3, 28), time(1, 59), BRUSSELS)
    assert last == datetime(2027, 3, 28, 0, 59, tzinfo=UTC)
    with pytest.raises(Refused) as refused:
        cut_offs.instant_of(date(2027, 3, 28), time(2), BRUSSELS)
    assert refused.value.code == "cut_off.read.no_such_time"
    first = cut_offs.instant_of(date(2027, 3, 28), time(3), BRUSSELS)
    assert first == datetime(2027, 3, 28, 1, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(2026, 10, 25), date(2027, 3, 28), date(2026, 12, 1)])
def test_a_cut_off_is_open_one_second_before_and_closed_at_it(day):
    plan = cut_offs.CutOffPlan((day,), 0, TEN, BRUSSELS)
    opens = datetime(2026, 10, 1, tzinfo=UTC)

    (window,) = cut_offs.planned(plan, opens_at=opens, closes_at=None)

    closes = cut_offs.instant_of(day, TEN, BRUSSELS)
    assert window == Window(opens, closes)
    assert is_open(window, opens)
    assert not is_open(window, opens - SECOND)
    assert is_open(window, closes - SECOND)
    assert not is_open(window, closes)


def test_the_plan_of_large_scale_makes_the_cut_offs_that_are_still_to_come():
    plan = MODES["large-scale"].cut_offs
    opens = datetime(2026, 11, 22, tzinfo=UTC)

    windows = cut_offs.planned(plan, opens_at=opens, closes_at=None)

    assert [one.closes_at for one in windows] == [
        datetime(2026, 11, 30, 9, tzinfo=UTC),
        datetime(2026, 12, 15, 9, tzinfo=UTC),
        datetime(2027, 1, 4, 9, tzinfo=UTC),
    ]
    assert [one.opens_at for one in windows] == [opens, *(one.closes_at for one in windows[:-1])]


def test_the_first_of_each_month_is_planned_for_a_year_or_up_to_the_end_of_the_call():
    plan = MODES["benchmark"].cut_offs
    opens = datetime(2026, 12, 1, 9, tzinfo=UTC)

    year = cut_offs.planned(plan, opens_at=opens, closes_at=None)
    closing = datetime(2027, 4, 1, 8, tzinfo=UTC)
    short = cut_offs.planned(plan, opens_at=opens, closes_at=closing)
    shorter = cut_offs.planned(plan, opens_at=opens, closes_at=closing - SECOND)

    assert len(year) == 12
    assert year[0].closes_at == datetime(2027, 1, 1, 9, tzinfo=UTC)
    assert short[-1].closes_at == closing
    assert len(shorter) == len(short) - 1


CLOSES = datetime(2026, 12, 15, 9, tzinfo=UTC)
NEXT = datetime(2027, 1, 4, 9, tzinfo=UTC)
AT = datetime(2026, 12, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "now", "code"),
    [
        (CLOSES + SECOND, AT, None),
        (CLOSES - SECOND, AT, None),
        (CLOSES, AT, "same"),
        (AT + timedelta(days=7), AT, None),
        (AT + timedelta(days=7) - SECOND, AT, "too_soon"),
        (AT, AT, "past"),
        (NEXT - SECOND, AT, None),
        (NEXT, AT, "next"),
        (CLOSES + SECOND, CLOSES - SECOND, None),
        (CLOSES + SECOND, CLOSES, "passed"),
        (AT + timedelta(days=8), AT - timedelta(days=60), "opening"),
    ],
)
def test_a_cut_off_moves_only_where_nobody_is_cut_off(after, now, code):
    def move():
        cut_offs.check_move(
            opens_at=datetime(2026, 12, 10, tzinfo=UTC) if code == "opening" else AT,
            before=CLOSES,
            after=after,
            next_closes_at=NEXT,
            now=now,
        )

    if code is None:
        move()
        return
    with pytest.raises(Refused) as refused:
        move()
    assert refused.value.code == f"cut_off.move.{code}"
    assert str(refused.value)


# --- reading what somebody wrote ---


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("nonsense",), 1, "nonsense"),
        (("rules",), [1], "rules"),
        (("rules", 0, "allowed"), "all", "rules.0.allowed"),
        (("rules", 0, "poem"), 1, "rules.0.poem"),
        (("rules", 1, "use"), "nothing", "rules.1.use"),
        (("rules", 1, "when"), [], "rules.1.when"),
        (("scoring",), [], "scoring"),
        (("scoring", "criteria", 0, "weight"), 0, "scoring.criteria.0.weight"),
        (("scoring", "criteria", 0, "threshold"), 6, "scoring.criteria"),
        (("cut_offs", "days"), ["2026-13-01"], "cut_offs.days"),
        (("cut_offs", "days"), ["2026-02-02", "2026-02-01"], "cut_offs.days"),
        (("cut_offs", "at"), "25:00", "cut_offs.at"),
        (("cut_offs", "zone"), "Mars/Olympus", "cut_offs.zone"),
        (("cut_offs", "zone"), "../etc/passwd", "cut_offs.zone"),
        (("cut_offs", "month_day"), 29, "cut_offs.month_day"),
        (("sources", "least"), " ", "sources.least"),
        (("sources", "weather"), "the sky", "sources.weather"),
        (("fits", 0, "points"), 101, "fits.0.points"),
        (("fits", 0, "because", "en"), "{poem}", "fits.0.because.en"),
        (("title", "en"), "a\x00b", "title"),
        (("summary", "ro"), 7, "summary"),
        (("least",), 2_400_001, "most"),
        (("valid_until",), "2026-01-01", "valid_until"),
        (("needs_fallback",), "yes", "needs_fallback"),
        (("documents", 0, "most_mib"), 51, "documents.0.most_mib"),
        (("price_eur_cents",), True, "price_eur_cents"),
    ],
)
def test_each_mistake_in_a_mode_is_named_by_its_path(path, value, field):
    data = raw("large-scale")
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value

    with pytest.raises(Invalid) as invalid:
        mode_data.parse_mode(data)

    assert field in {one.field for one in invalid.value.problems}
    assert all(str(one) for one in invalid.value.problems)


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(raw("large-scale"))), ANYTHING, max_size=3))
@settings(max_examples=80, deadline=None)
def test_no_value_in_any_place_of_a_mode_makes_the_reader_stumble(changes):
    data = mode_data.resolve(raw("large-scale") | changes, {"eu": ["RO"]}, {})

    problems = []
    try:
        mode = mode_data.parse_mode(data)
        assert modes.qualify({}, mode).qualifies
    except Invalid as invalid:
        problems = invalid.problems
    assert all(str(one) for one in problems)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("slug = ", "mode.read.not_toml"),
        ("a = " + "[" * 5000 + "]" * 5000, "mode.read.not_toml"),
        ("a = " + "9" * 5000, "mode.read.not_toml"),
        ("#" * 200_001, "mode.read.too_long"),
        ("a = 1", "mode.read.wrong"),
        ("use = 1\nrules = [1]\nsources = 7", "mode.read.wrong"),
    ],
)
def test_a_text_that_is_no_mode_is_refused_with_a_word(text, code):
    with pytest.raises(Invalid) as invalid:
        queries.read_text(text)

    assert {one.code for one in invalid.value.problems} == {code}


def test_the_text_of_each_shipped_file_reads_as_itself():
    for one in queries.shipped():
        assert queries.read_text(one.text) == one.data


def test_a_difference_shows_what_is_gone_and_what_is_new_with_what_stands_around_it():
    before = "a\nb\nc\nd\n--x\nf\ng\nh\ni\nj"
    after = before.replace("--x", "++y")

    shown = queries.difference(before, after)

    assert shown == [
        ("same", "b"),
        ("same", "c"),
        ("same", "d"),
        ("gone", "--x"),
        ("new", "++y"),
        ("same", "f"),
        ("same", "g"),
        ("same", "h"),
    ]
    assert queries.difference(before, before) == []


# --- versions ---


def written(operator, valid_from, version, **changes):
    data = raw("playground") | {"version": version} | changes
    return AccessMode.objects.create(
        slug="playground",
        version=version,
        rules=data | {"valid_from": valid_from.isoformat()},
        text="",
        valid_from=valid_from,
        reason="",
        made_by=operator,
        made_at=datetime(2026, 11, 22, tzinfo=UTC),
    )


def test_the_version_of_a_mode_is_the_one_valid_on_the_day(operator):
    written(operator, date(2026, 12, 1), "two", package_gpu_hours=6000)
    written(operator, date(2027, 1, 1), "three", valid_until="2027-03-01")

    def on(day):
        found = queries.mode_data(on=day).get("playground", {})
        return found.get("version"), found.get("package_gpu_hours")

    assert on(date(2026, 11, 30)) == ("2026-11-22", 5000)
    assert on(date(2026, 12, 1)) == ("two", 6000)
    assert on(date(2026, 12, 31)) == ("two", 6000)
    assert on(date(2027, 1, 1)) == ("three", 5000)
    assert on(date(2027, 2, 28)) == ("three", 5000)
    assert on(date(2027, 3, 1)) == (None, None)
    assert on(date(2025, 12, 31)) == (None, None)
    assert [one.version for one in queries.mode_versions("playground")] == [
        "three",
        "two",
        "2026-11-22",
    ]
    assert queries.valid_modes(on=date(2026, 12, 1))["playground"].package_gpu_hours == 6000


def test_of_two_versions_of_the_same_day_the_later_written_holds(operator):
    written(operator, date(2026, 1, 1), "over the file")
    assert queries.mode_data(on=date(2026, 2, 1))["playground"]["version"] == "over the file"
    written(operator, date(2026, 1, 1), "over that")
    assert queries.mode_data(on=date(2026, 2, 1))["playground"]["version"] == "over that"


def test_files_beside_the_modes_are_no_modes():
    names = {path.stem for path in mode_queries.MODES.glob("*.toml")}

    assert names == SLUGS | mode_queries.NO_MODES
