"""Rankings: the two rules against all that could have been, and the record that is kept."""

import copy
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.calls.rules import ranking
from uzina.core.errors import Refused


def inputs_of(applications, capacities, **changes):
    """Return the inputs of a record. applications: (code, score, hours, capacities) or a dict."""
    rows = []
    for number, one in enumerate(applications):
        row = (
            one
            if isinstance(one, dict)
            else dict(zip(("code", "score", "hours", "capacities"), one, strict=True))
        )
        rows.append(
            {
                "code": row["code"],
                "submitted_at": row.get("submitted_at", f"2026-09-01T10:00:{number:02}+00:00"),
                "scores": row.get("scores", {"quality": row.get("score", 0)}),
                "reviews": [],
                "asked_gpu_hours": row.get("asked", row["hours"]),
                "ceiling_gpu_hours": row["hours"],
                "capacities": list(row["capacities"]),
            }
        )
    return {
        "version": ranking.VERSION,
        "rule": "strict",
        "criteria": [{"key": "quality", "weight": 1, "threshold_milli": 0}],
        "threshold_milli": 3000,
        "least_share_percent": 100,
        "price_eur_cents": 0,
        "money_eur_cents": None,
        "capacities": [
            {"code": code, "partition": code, "gpu_hours": hours}
            for code, hours in capacities.items()
        ],
        "applications": rows,
    } | changes


def outcomes(inputs):
    """Return {code: (outcome, capacity, hours)}."""
    return {
        row["code"]: (row["outcome"], row["capacity"], row["gpu_hours"])
        for row in ranking.run(inputs)["applications"]
    }


def why(inputs, code):
    """Return the reason of one application."""
    return next(row["why"] for row in ranking.run(inputs)["applications"] if row["code"] == code)


THREE = [("A", 5000, 60, "P"), ("B", 4500, 50, "P"), ("C", 4000, 30, "P")]


def test_the_best_get_their_hours_until_the_capacity_ends_and_the_rest_is_the_reserve():
    assert outcomes(inputs_of(THREE, {"P": 110})) == {
        "A": ("award", "P", 60),
        "B": ("award", "P", 50),
        "C": ("reserve", "", 0),
    }


def test_strictly_nobody_overtakes_and_filling_lets_the_smaller_one_through():
    strict = inputs_of(THREE, {"P": 95})
    assert outcomes(strict)["B"] == ("reserve", "", 0)
    assert outcomes(strict)["C"] == ("reserve", "", 0)
    assert why(strict, "B") == {
        "kind": "capacity",
        "capacity": "P",
        "short_gpu_hours": 15,
        "left_gpu_hours": 35,
    }
    assert why(strict, "C") == {"kind": "behind", "code": "B"}

    fill = inputs_of(THREE, {"P": 95}, rule="fill")
    assert outcomes(fill)["C"] == ("award", "P", 30)
    assert outcomes(fill)["B"] == ("reserve", "", 0)


def test_filling_gives_the_largest_sum_even_against_the_first_in_order():
    inputs = inputs_of(
        [("A", 5000, 60, "P"), ("B", 4900, 50, "P"), ("C", 4800, 50, "P")], {"P": 100}, rule="fill"
    )
    assert [code for code, (what, *_rest) in outcomes(inputs).items() if what == "award"] == [
        "B",
        "C",
    ]


def test_who_misses_the_threshold_or_one_criterion_is_declined_and_told_by_how_much():
    criteria = [
        {"key": "excellence", "weight": 2, "threshold_milli": 3000},
        {"key": "impact", "weight": 1, "threshold_milli": 3000},
    ]
    rows = [
        {
            "code": "A",
            "hours": 1,
            "capacities": "P",
            "scores": {"excellence": 5000, "impact": 2999},
        },
        {
            "code": "B",
            "hours": 1,
            "capacities": "P",
            "scores": {"excellence": 3000, "impact": 3000},
        },
        {
            "code": "C",
            "hours": 1,
            "capacities": "P",
            "scores": {"excellence": 3499, "impact": 3500},
        },
    ]
    inputs = inputs_of(rows, {"P": 100}, criteria=criteria, threshold_milli=3500)
    assert why(inputs, "A") == {
        "kind": "criterion",
        "criterion": "impact",
        "score_milli": 2999,
        "threshold_milli": 3000,
    }
    assert why(inputs, "B") == {"kind": "threshold", "score_milli": 3000, "threshold_milli": 3500}
    assert why(inputs, "C")["score_milli"] == 3499

    rows[0]["scores"]["impact"] = 3000
    rows[2]["scores"]["excellence"] = 3500
    inputs = inputs_of(rows, {"P": 100}, criteria=criteria, threshold_milli=3500)
    assert outcomes(inputs)["A"] == outcomes(inputs)["C"] == ("award", "P", 1)


def test_equal_scores_go_by_the_criteria_in_order_and_then_by_submission():
    criteria = [
        {"key": "excellence", "weight": 1, "threshold_milli": 0},
        {"key": "impact", "weight": 1, "threshold_milli": 0},
    ]
    rows = [
        {
            "code": code,
            "hours": 1,
            "capacities": "P",
            "scores": {"excellence": excellence, "impact": 8000 - excellence},
            "submitted_at": f"2026-09-01T10:00:0{second}+00:00",
        }
        for code, excellence, second in (("C", 4000, 2), ("B", 4000, 1), ("A", 5000, 9))
    ]
    result = ranking.run(inputs_of(rows, {"P": 9}, criteria=criteria))
    assert [row["code"] for row in result["applications"]] == ["A", "B", "C"]


def test_at_the_line_a_part_is_given_down_to_the_least_share_and_not_below():
    rows = [("A", 5000, 60, "P"), ("B", 4500, 50, "P")]
    assert outcomes(inputs_of(rows, {"P": 90}, least_share_percent=60))["B"] == ("award", "P", 30)
    assert outcomes(inputs_of(rows, {"P": 89}, least_share_percent=60))["B"][0] == "reserve"


def test_what_the_host_recommends_is_the_most_even_below_the_least_share_of_the_ask():
    rows = [{"code": "A", "score": 5000, "asked": 100, "hours": 40, "capacities": "P"}]
    assert outcomes(inputs_of(rows, {"P": 500}, least_share_percent=60))["A"] == ("award", "P", 40)
    assert outcomes(inputs_of(rows, {"P": 39}, least_share_percent=60))["A"][0] == "reserve"


def test_the_fallback_partition_gives_all_before_the_first_choice_gives_a_part():
    rows = [("A", 5000, 60, "P"), ("B", 4500, 50, "PQ")]
    kept = inputs_of(rows, {"P": 100, "Q": 50}, least_share_percent=50)
    assert outcomes(kept)["B"] == ("award", "Q", 50)
    assert why(kept, "B") == {"kind": "full_fallback"}
    assert outcomes(inputs_of(rows, {"P": 100, "Q": 39}, least_share_percent=50))["B"] == (
        "award",
        "P",
        40,
    )


def test_money_limits_all_partitions_together():
    rows = [("A", 5000, 60, "P"), ("B", 4500, 50, "Q"), ("C", 4000, 10, "P")]
    money = {"price_eur_cents": 250, "money_eur_cents": 250 * 109}
    kept = inputs_of(rows, {"P": 100, "Q": 100}, **money)
    assert why(kept, "B") == {"kind": "money", "short_gpu_hours": 1, "left_gpu_hours": 49}
    assert outcomes(kept)["C"][0] == "reserve"
    money["money_eur_cents"] += 250
    assert outcomes(inputs_of(rows, {"P": 100, "Q": 100}, **money))["B"] == ("award", "Q", 50)


def test_an_application_without_a_partition_of_the_call_is_told_so():
    assert why(inputs_of([("A", 5000, 60, "X")], {"P": 100}), "A") == {"kind": "no_capacity"}


def test_so_many_hours_more_would_bring_it_above_the_line_and_one_fewer_would_not():
    for rule in ranking.RULES:
        inputs = inputs_of(THREE, {"P": 95}, rule=rule)
        more = ranking.hours_more(inputs, "B")
        assert more == 15 if rule == "strict" else more > 0
        enough = {**inputs, "capacities": [{"code": "P", "partition": "P", "gpu_hours": 95 + more}]}
        assert outcomes(enough)["B"][0] == "award"
    assert ranking.hours_more(inputs_of(THREE, {"P": 95}), "C") == 45
    assert ranking.hours_more(inputs_of(THREE, {"P": 95}, threshold_milli=4001), "C") is None


# Against all that could have been ------------------------------------------------------------

CODES = "ABCD"


@st.composite
def problems(draw, rule):
    """Draw a small instance: up to four applications, two partitions, perhaps money."""
    rows = []
    for code in CODES[: draw(st.integers(1, 4))]:
        asked = draw(st.integers(1, 6))
        rows.append(
            {
                "code": code,
                "score": draw(st.integers(2, 5)) * 1000,
                "asked": asked,
                "hours": draw(st.integers(1, asked)),
                "capacities": draw(st.sampled_from(["P", "Q", "PQ", "QP"])),
            }
        )
    return inputs_of(
        rows,
        {"P": draw(st.integers(0, 9)), "Q": draw(st.integers(0, 9))},
        rule=rule,
        least_share_percent=draw(st.sampled_from([100, 60, 30])),
        price_eur_cents=10,
        money_eur_cents=draw(st.one_of(st.none(), st.integers(0, 150))),
    )


def every_assignment(problem, passing):
    """Yield every way to give the applications hours within all limits, by code."""
    places = []
    for ask in passing:
        amounts = range(problem.least_hours(ask), ask.ceiling_hours + 1)
        places.append(
            [None, *((capacity, hours) for capacity in ask.capacities for hours in amounts)]
        )
    for picked in itertools.product(*places):
        used = dict.fromkeys(problem.capacities, 0)
        for one in picked:
            if one is not None:
                used[one[0]] += one[1]
        if any(used[code] > hours for code, hours in problem.capacities.items()):
            continue
        if problem.money_hours is not None and sum(used.values()) > problem.money_hours:
            continue
        yield picked


def overtakes(problem, passing, picked):
    """Tell whether somebody gets hours that one ahead, who got nothing, waits for."""
    for place, ask in enumerate(passing):
        if picked[place] is not None:
            continue
        before = [one for one in picked[:place] if one is not None]
        left = {
            code: hours - sum(amount for where, amount in before if where == code)
            for code, hours in problem.capacities.items()
        }
        least = problem.least_hours(ask)
        is_poor = (
            problem.money_hours is not None
            and problem.money_hours - sum(amount for _where, amount in before) < least
            and any(left[one] >= least for one in ask.capacities)
        )
        waited_for = set(problem.capacities) if is_poor else set(ask.capacities)
        if any(one is not None and one[0] in waited_for for one in picked[place + 1 :]):
            return True
    return False


def liking(ask, got):
    """Return how good what it gets is for an application: all, then the most, first choice first."""
    if got is None:
        return (0, 0, 0)
    capacity, hours = got
    return (1 + (hours == ask.ceiling_hours), hours, -ask.capacities.index(capacity))


def found(problem, passing):
    rows = {row["code"]: row for row in ranking.result_of(problem)["applications"]}
    return tuple(
        (rows[ask.code]["capacity"], rows[ask.code]["gpu_hours"])
        if rows[ask.code]["outcome"] == "award"
        else None
        for ask in passing
    )


@settings(max_examples=150, deadline=None)
@given(problems("strict"))
def test_strict_is_the_best_for_the_first_then_the_second_of_all_ways_without_overtaking(inputs):
    problem = ranking.read(inputs)
    passing = [ask for ask in problem.in_order() if not problem.failing(ask)]
    best = max(
        (
            picked
            for picked in every_assignment(problem, passing)
            if not overtakes(problem, passing, picked)
        ),
        key=lambda picked: [liking(ask, one) for ask, one in zip(passing, picked, strict=True)],
    )
    assert found(problem, passing) == best


@settings(max_examples=100, deadline=None)
@given(problems("fill"))
def test_filling_gives_the_largest_sum_of_all_ways(inputs):
    problem = ranking.read(inputs)
    passing = [ask for ask in problem.in_order() if not problem.failing(ask)]

    def total(picked):
        return sum(
            problem.score_milli(ask) * one[1]
            for ask, one in zip(passing, picked, strict=True)
            if one
        )

    ways = list(every_assignment(problem, passing))
    most = max(map(total, ways))
    got = found(problem, passing)
    assert got in ways
    assert total(got) == most
    gives = [one is not None for one in got]
    assert gives == max(
        [one is not None for one in picked] for picked in ways if total(picked) == most
    )


@settings(max_examples=150, deadline=None)
@given(problems("strict") | problems("fill"))
def test_no_more_is_given_than_there_is_and_nobody_gets_more_than_recommended(inputs):
    problem, result = ranking.read(inputs), ranking.run(inputs)
    asks = {ask.code: ask for ask in problem.asks}
    given_hours = [row for row in result["applications"] if row["outcome"] == "award"]
    for code, hours in problem.capacities.items():
        assert sum(row["gpu_hours"] for row in given_hours if row["capacity"] == code) <= hours
    for row in given_hours:
        ask = asks[row["code"]]
        assert problem.least_hours(ask) <= row["gpu_hours"] <= ask.ceiling_hours
    if problem.money_eur_cents is not None:
        cost = sum(row["gpu_hours"] for row in given_hours) * problem.price_eur_cents
        assert cost <= problem.money_eur_cents


@settings(max_examples=60, deadline=None)
@given(problems("strict"))
def test_the_hours_that_are_said_to_suffice_do(inputs):
    for row in ranking.run(inputs)["applications"]:
        if row["outcome"] != "reserve":
            continue
        more = ranking.hours_more(inputs, row["code"])
        if more is None:
            continue
        kept = copy.deepcopy(inputs)
        first = next(one for one in kept["applications"] if one["code"] == row["code"])
        for one in kept["capacities"]:
            one["gpu_hours"] += more if one["code"] == first["capacities"][0] else 0
        assert outcomes(kept)[row["code"]][0] == "award"


@settings(max_examples=40, deadline=None)
@given(problems("strict") | problems("fill"), st.randoms(use_true_random=False))
def test_the_same_record_gives_the_same_result_in_whatever_order_it_lists_them(inputs, randomly):
    again = copy.deepcopy(inputs)
    randomly.shuffle(again["applications"])
    assert ranking.canonical(ranking.run(again)) == ranking.canonical(ranking.run(inputs))


# The record ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ranking.RULES)
def test_a_record_is_run_again_and_whatever_was_changed_in_it_is_noticed(rule):
    inputs = inputs_of(THREE, {"P": 95}, rule=rule, least_share_percent=50)
    result = ranking.run(inputs)
    sealed = ranking.seal(inputs, result)
    assert ranking.check(inputs, result, sealed).is_sound

    raised = copy.deepcopy(inputs)
    raised["applications"][2]["scores"]["quality"] = 4900
    assert not ranking.check(raised, result, sealed).is_sealed
    better = copy.deepcopy(result)
    better["applications"][0]["gpu_hours"] += 1
    assert ranking.check(inputs, better, sealed) == ranking.Checked(is_sealed=False, is_same=False)
    assert not ranking.check(inputs, better, ranking.seal(inputs, better)).is_sound


def test_a_record_of_other_rules_is_not_run_as_if_it_were_of_these():
    with pytest.raises(Refused) as refused:
        ranking.run(inputs_of(THREE, {"P": 95}, version="0"))
    assert refused.value.code == "ranking.run.other_version"


def test_what_if_changes_capacities_weights_and_terms_and_leaves_the_record_alone():
    inputs = inputs_of(THREE, {"P": 95})
    before = copy.deepcopy(inputs)
    other = ranking.changed(
        inputs,
        capacities={"P": 140},
        weights={"quality": 7},
        rule="fill",
        least_share_percent=50,
        threshold_milli=4001,
    )
    assert outcomes(other)["B"] == ("award", "P", 50)
    assert outcomes(other)["C"][0] == "decline"
    assert inputs == before
