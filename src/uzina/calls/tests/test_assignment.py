"""Assignment by optimum: what holds of every plan, what is refused and why, preview and adoption."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.calls import actions, queries
from uzina.calls.models import AssignmentPlan, Review
from uzina.calls.rules import assignment, topics
from uzina.calls.rules.assignment import Paper, Problem, Referee
from uzina.calls.tests.conftest import changed
from uzina.calls.tests.reviewing import (
    assigned,
    hand_in,
    judged_call,
    make_applicant,
    make_reviewer,
)
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people.models import Message

SLUGS = ("a", "b", "c")


@st.composite
def problems(draw, most_papers=4, most_referees=4):
    """Return a small problem, feasible or not."""
    referees = [
        Referee(
            f"R{number}",
            tuple(draw(st.sets(st.sampled_from(SLUGS), max_size=2))),
            tuple(draw(st.sets(st.sampled_from(["en", "ro"]), min_size=1))),
            most=draw(st.integers(1, 3)),
            load=draw(st.integers(0, 1)),
        )
        for number in range(draw(st.integers(1, most_referees)))
    ]
    papers = []
    for number in range(draw(st.integers(1, most_papers))):
        share = draw(st.integers(0, 1000))
        papers.append(
            Paper(
                f"P{number}",
                {"a": share, draw(st.sampled_from(["b", "c"])): 1000 - share},
                draw(st.sampled_from(["en", "ro"])),
                need=draw(st.integers(0, 2)),
                fixed=tuple(draw(st.sets(st.sampled_from(["R0", "R9"]), max_size=1))),
            )
        )
    pairs = [(paper.code, one.code) for paper in papers for one in referees]
    return Problem(
        tuple(papers),
        tuple(referees),
        frozenset(draw(st.sets(st.sampled_from(pairs), max_size=4))),
        draw(st.dictionaries(st.sampled_from(pairs), st.integers(0, 2), max_size=5)),
        seed=draw(st.integers(0, 3)),
    )


def check(problem, pairs):
    """Tell whether an assignment keeps every rule."""
    people = {one.code: one for one in problem.referees}
    for paper in problem.papers:
        mine = [referee for code, referee in pairs if code == paper.code]
        holders = {*mine, *paper.fixed}
        if len(mine) != paper.need or len(set(mine)) != len(mine) or set(mine) & set(paper.fixed):
            return False
        reads = any(one in people and paper.language in people[one].languages for one in holders)
        if paper.need and not reads:
            return False
    loads = {one.code: one.load for one in problem.referees}
    for pair in pairs:
        loads[pair[1]] += 1
    return not set(pairs) & problem.barred and all(
        loads[one.code] <= max(one.most, one.load) for one in problem.referees
    )


def best_by_trying_all(problem):
    """Return the best objective of all assignments that keep the rules; None where none does."""
    options = [
        list(itertools.combinations([one.code for one in problem.referees], paper.need))
        for paper in problem.papers
    ]
    best = None
    for chosen in itertools.product(*options):
        pairs = [
            (paper.code, referee)
            for paper, group in zip(problem.papers, chosen, strict=True)
            for referee in group
        ]
        if check(problem, pairs):
            total, crowds = assignment.worth_of(problem, pairs)
            best = total - crowds if best is None else max(best, total - crowds)
    return best


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_plan_keeps_every_rule_and_none_is_better_or_there_is_none(problem):
    best = best_by_trying_all(problem)
    if best is None:
        with pytest.raises(Refused) as refused:
            assignment.solve(problem)
        assert refused.value.code == "assignment.plan.cannot"
        assert refused.value.facts["short"]
        return
    plan = assignment.solve(problem)
    assert check(problem, [(one.paper, one.referee) for one in plan.pairs])
    assert plan.objective == best
    assert plan.objective <= plan.bound + 1


@settings(max_examples=15, deadline=None)
@given(problems(), st.randoms())
def test_the_order_of_the_inputs_decides_nothing(problem, random):
    papers, referees = list(problem.papers), list(problem.referees)
    random.shuffle(papers)
    random.shuffle(referees)
    shuffled = replace(problem, papers=tuple(papers), referees=tuple(referees))
    assert _result(problem) == _result(shuffled)


def _result(problem):
    try:
        return assignment.solve(problem)
    except Refused as refused:
        return refused.facts["papers"]


def equals(papers, referees, *, need=1, most=2, **facts):
    """Return a problem in which everybody is as good as everybody else."""
    return Problem(
        tuple(Paper(f"P{n}", {"a": 1000}, "en", need) for n in range(papers)),
        tuple(Referee(f"R{n}", ("a",), ("en",), most) for n in range(referees)),
        **facts,
    )


def test_among_equals_the_seed_decides_and_always_the_same_way():
    plans = {seed: assignment.solve(equals(6, 6, seed=seed)) for seed in range(4)}
    assert len({plan.pairs for plan in plans.values()}) > 1
    assert len({plan.objective for plan in plans.values()}) == 1
    for seed, plan in plans.items():
        assert assignment.solve(equals(6, 6, seed=seed)) == plan


def test_load_is_spread_evenly_among_equals():
    plan = assignment.solve(equals(8, 4, need=2, most=8))
    loads = [sum(one.referee == f"R{n}" for one in plan.pairs) for n in range(4)]
    assert loads == [4, 4, 4, 4]


def test_a_glad_bid_wins_and_an_unwilling_reviewer_comes_last():
    problem = equals(1, 3, bids={("P0", "R1"): 2, ("P0", "R2"): 0})
    assert [one.referee for one in assignment.solve(problem).pairs] == ["R1"]
    best = assignment.best_for(problem, "P0", most=3)
    assert [one.referee for one in best] == ["R1", "R0", "R2"]
    three = replace(problem, papers=(replace(problem.papers[0], need=3),))
    assert len(assignment.solve(three).pairs) == 3


def test_somebody_reads_the_language_even_where_others_know_more():
    papers = (Paper("P0", {"a": 1000}, "ro", 2),)
    referees = (
        Referee("R0", ("a",), ("en",), 5),
        Referee("R1", ("a",), ("en",), 5),
        Referee("R2", (), ("ro",), 5),
    )
    plan = assignment.solve(Problem(papers, referees))
    assert "R2" in {one.referee for one in plan.pairs}


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        (equals(1, 2, need=3), "few"),
        (equals(1, 2, need=2, barred=frozenset({("P0", "R0")})), "few"),
        (equals(3, 1, most=2), "full"),
        (
            Problem((Paper("P0", {}, "ro", 1),), (Referee("R0", (), ("en",), 3),)),
            "reader",
        ),
    ],
)
def test_what_cannot_be_served_is_named_with_the_reason(problem, why):
    with pytest.raises(Refused) as refused:
        assignment.solve(problem)
    assert refused.value.code == "assignment.plan.cannot"
    assert {one["why"] for one in refused.value.facts["short"].values()} == {why}
    assert all(code in refused.value.facts["papers"] for code in refused.value.facts["short"])


def test_an_answer_that_is_none_is_refused_not_taken(monkeypatch):
    monkeypatch.setattr(assignment, "TIME_LIMIT_S", 0)
    with pytest.raises(Refused) as refused:
        assignment.solve(equals(30, 30, need=3, most=9))
    assert refused.value.code == "assignment.plan.no_answer"


@settings(max_examples=30, deadline=None)
@given(problems())
def test_a_problem_is_found_again_as_it_was_kept(problem):
    assert assignment.problem_of(problem.kept()) == problem


def test_nothing_needed_is_an_empty_plan():
    assert assignment.solve(equals(2, 2, need=0)).pairs == ()


# Topics -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["PE6", "PE6_7", "LS7", "SH4", "XX1"]), st.integers(1, 100), max_size=4
    ),
    st.sampled_from(["", "language model", "protein, patient", "nothing known"]),
)
def test_shares_of_topics_add_up_or_there_are_none(panels, keywords):
    about = topics.shares(queries.topics(), panels=panels, keywords=keywords)
    assert sum(about.values()) in {0, topics.WHOLE}
    assert set(about) <= set(queries.topics())


def test_a_panel_is_about_the_topics_that_its_keywords_name():
    about = topics.shares(queries.topics(), panels={"PE6": 100}, keywords="Large language models")
    assert about == {"language-models": 1000}
    both = topics.shares(queries.topics(), panels={"PE6": 50, "LS7": 50}, keywords="LLM")
    assert both == {"language-models": 500, "health": 500}
    assert topics.shares(queries.topics(), panels={}, keywords="LLM, speech") == {
        "language-models": 500,
        "speech": 500,
    }


def test_every_panel_of_the_form_has_a_topic_and_every_topic_both_languages():
    for topic in queries.topics().values():
        assert topic.title["en"]
        assert topic.title["ro"]
    answered = {panel for topic in queries.topics().values() for panel in topic.erc}
    asked = {f"PE{n}" for n in range(1, 12)} | {f"LS{n}" for n in range(1, 10)}
    assert asked | {f"SH{n}" for n in range(1, 9)} == answered


# Actions ----------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(operator):
    return judged_call(operator, reviewers=2)


@pytest.fixture
def crowd(operator):
    return [
        make_reviewer(operator, name, most=3)
        for name in ("Mara Ionescu", "Dan Marin", "Ilze Kalniņa")
    ]


@pytest.fixture
def applications(call, crowd):
    rows = []
    for number in range(3):
        person, organisation = make_applicant(number)
        rows.append(hand_in(call, person, organisation))
    return rows


def plan_of(call, operator, **facts):
    return actions.plan_assignment(call, cut_off=None, seed=1, by=operator, now=NOW, **facts)


def test_a_plan_is_looked_at_before_anybody_is_asked(call, operator, applications, crowd):
    with pytest.raises(NotAllowed):
        plan_of(call, crowd[0])
    plan = plan_of(call, operator)
    assert len(plan.result["pairs"]) == 6
    assert not Review.objects.exists()
    assert not Message.objects.filter(kind="calls.review_asked").exists()
    entry = LogEntry.objects.get(event="assignment.planned")
    assert entry.facts["objective"] == plan.result["objective"]

    again = assignment.solve(assignment.problem_of(plan.inputs))
    assert again.kept() == plan.result


def test_adopting_asks_everybody_once_each_in_one_message(call, operator, applications, crowd):
    plan = plan_of(call, operator)
    with pytest.raises(NotAllowed):
        actions.adopt_assignment(plan, by=crowd[0], now=NOW)
    made = actions.adopt_assignment(plan, by=operator, now=NOW)
    assert len(made) == 6
    assert {one.is_by_hand for one in made} == {False}
    assert Message.objects.filter(kind="calls.review_asked").count() == 3
    again = actions.adopt_assignment(plan, by=operator, now=NOW)
    assert {one.pk for one in again} == {one.pk for one in made}
    assert Message.objects.filter(kind="calls.review_asked").count() == 3

    with pytest.raises(Refused) as refused:
        plan_of(call, operator)
    assert refused.value.code == "assignment.plan.nothing"


def test_a_conflict_found_since_makes_a_plan_outdated(call, operator, applications, crowd):
    plan = plan_of(call, operator)
    pair = plan.result["pairs"][0]
    application = next(one for one in applications if one.code == pair["paper"])
    person = next(one for one in crowd if one.code == pair["referee"])
    actions.note_conflict(application, person, reason="Told me so", by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.adopt_assignment(plan, by=operator, now=NOW)
    assert refused.value.code == "assignment.adopt.outdated"
    assert not Review.objects.exists()
    assert AssignmentPlan.objects.get().adopted_at is None


def test_a_plan_fills_up_what_was_assigned_by_hand_and_asks_no_one_who_declined(
    call, operator, applications, crowd
):
    mara, dan, ilze = crowd
    first, second, _third = applications
    assigned(operator, first, mara)
    declined = assigned(operator, second, dan)[0]
    actions.refuse_review(declined, reason="No time", by=dan, now=NOW)

    plan = plan_of(call, operator)
    pairs = {(one["paper"], one["referee"]) for one in plan.result["pairs"]}
    assert len(pairs) == 5
    assert (first.code, mara.code) not in pairs
    assert {who for paper, who in pairs if paper == second.code} == {mara.code, ilze.code}


def test_applications_that_cannot_be_served_are_named_and_nothing_is_kept(
    call, operator, applications, crowd
):
    for person in crowd[1:]:
        actions.rest_reviewer(queries.reviewer_of(person), by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        plan_of(call, operator)
    assert refused.value.code == "assignment.plan.cannot"
    assert set(refused.value.facts["short"]) == {one.code for one in applications}
    assert not AssignmentPlan.objects.exists()


def test_suggestions_are_the_best_first_and_leave_out_who_must_not(call, operator, crowd):
    mara, _dan, ilze = crowd
    person, organisation = make_applicant(9)
    members = [{"name": "Dan Marin", "country": "RO"}]
    application = hand_in(call, person, organisation, team=changed("team", members=members))
    actions.bid(application, value=2, by=ilze, now=NOW)
    assert [one.referee for one in queries.suggestions(application)] == [ilze.code, mara.code]
