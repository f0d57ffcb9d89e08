"""The applicant's story in words: every situation says where it is, why, and what comes next."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls.rules import timeline
from uzina.calls.rules.flows import AppealState, ApplicationState, AwardState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.calls.rules.timeline import PauseFacts, StepFacts, Story
from uzina.core.tests import NOW

DAY = timedelta(days=1)
A, K, S = ApplicationState, StepKind, StepState


def at(kind, state=S.OPEN, **facts):
    """Return the steps of a mode that has all of them, with one under way and those before done."""
    steps = []
    for one in StepKind:
        place = list(StepKind).index(one) - list(StepKind).index(kind)
        here = state if place == 0 else S.DONE if place < 0 else S.WAITING
        steps.append(
            StepFacts(
                one,
                here,
                opened_at=NOW if place <= 0 else None,
                due_at=NOW + DAY if place == 0 else None,
                done_at=NOW if here is S.DONE else None,
                outcome="passed" if here is S.DONE else "",
                **(facts if place == 0 else {}),
            )
        )
    return tuple(steps)


def judged(kind, state=S.OPEN, step=None, **facts):
    return Story(
        facts.pop("application", A.ELIGIBLE),
        NOW,
        NOW,
        NOW + 9 * DAY,
        steps=at(kind, state, **(step or {})),
        **facts,
    )


def titles(story):
    return [one.title for one in timeline.entries(story)]


@pytest.mark.parametrize("state", list(ApplicationState))
def test_there_is_always_something_to_say_about_what_is_next(state):
    story = Story(state, NOW, NOW, NOW, award_state=AwardState.OFFERED, answer_by=NOW)

    assert timeline.next_step(story).text
    assert timeline.entries(story)[0].is_done


@pytest.mark.parametrize("kind", list(StepKind))
@pytest.mark.parametrize("state", [S.OPEN, S.PAUSED])
def test_each_step_under_way_says_what_happens_in_it_and_by_when(kind, state):
    story = judged(kind, state)

    coming = timeline.next_step(story)
    assert coming.text
    assert coming.at in {NOW + DAY, NOW + 9 * DAY, None}
    if kind is not K.APPEAL:
        (here,) = [one for one in timeline.entries(story) if one.is_now]
        assert here.text
        assert not here.is_done


def test_the_move_is_the_applicants_when_they_are_waited_for_and_only_then():
    yours = {
        name: timeline.next_step(story).is_yours
        for name, story in {
            "draft": Story(A.DRAFT, NOW),
            "assessed": judged(K.TECHNICAL_ASSESSMENT),
            "asked": judged(K.TECHNICAL_ASSESSMENT, S.PAUSED, question="QUE-1", question_by=NOW),
            "to reply": judged(K.RIGHT_TO_REPLY),
            "replied": judged(K.RIGHT_TO_REPLY, has_reply=True),
            "offered": Story(A.AWARDED, NOW, NOW, NOW, award_state=AwardState.OFFERED),
            "sent on": Story(A.REDIRECTED, NOW, NOW, NOW, sent_on="Fast Lane", draft="APP-1"),
            "declined": judged(K.APPEAL, application=A.DECLINED),
            "appealed": judged(
                K.APPEAL, application=A.DECLINED, appeal_state=AppealState.FILED, appeal_due_at=NOW
            ),
        }.items()
    }

    assert yours == {
        "draft": True,
        "assessed": False,
        "asked": True,
        "to reply": True,
        "replied": False,
        "offered": True,
        "sent on": True,
        "declined": True,
        "appealed": False,
    }


def test_waiting_for_hours_is_said_apart_from_waiting_for_the_assessment():
    waiting = judged(K.TECHNICAL_ASSESSMENT)
    assessed = judged(K.DECISION)
    reserve = judged(K.DECISION, reserve_at=NOW)

    texts = {timeline.next_step(story).text for story in (waiting, assessed, reserve)}
    assert len(texts) == 3
    assert "On the reserve list" in titles(reserve)


def test_steps_that_will_not_come_are_left_out():
    withdrawn = Story(
        A.WITHDRAWN, NOW, NOW, NOW, steps=(StepFacts(K.TECHNICAL_ASSESSMENT, S.SKIPPED, NOW),)
    )

    assert titles(withdrawn) == ["Started", "Handed in", "Withdrawn"]
    assert "Time to appeal" not in titles(judged(K.PANEL))
    assert titles(judged(K.APPEAL, application=A.DECLINED))[-2:] == ["Declined", "Time to appeal"]


def test_a_check_by_the_rules_alone_is_told_once():
    steps = (
        StepFacts(K.COMPLETENESS, S.DONE, NOW, done_at=NOW, outcome="passed", is_human=False),
        StepFacts(K.ELIGIBILITY, S.DONE, NOW, done_at=NOW, outcome="passed", is_human=False),
        StepFacts(K.TECHNICAL_ASSESSMENT, S.OPEN, NOW, due_at=NOW + DAY),
    )

    assert titles(Story(A.ELIGIBLE, NOW, NOW, NOW, steps=steps)) == [
        "Started",
        "Handed in",
        "Eligible by the rules",
        "Technical assessment",
    ]


def test_an_exception_is_told_as_one():
    steps = (StepFacts(K.ELIGIBILITY, S.DONE, NOW, done_at=NOW, outcome="exempted"),)

    assert "exception" in titles(Story(A.ELIGIBLE, NOW, NOW, NOW, steps=steps))[-1]


def test_pauses_go_along_with_the_step_they_stopped():
    pauses = (PauseFacts(NOW, NOW + DAY, 1), PauseFacts(NOW + 2 * DAY, None, 0))

    (here,) = [
        one
        for one in timeline.entries(judged(K.PEER_REVIEW, S.PAUSED, {"pauses": pauses}))
        if one.is_now
    ]

    assert here.pauses == pauses
    assert here.at is None


def test_a_step_that_waits_for_the_cut_off_says_so():
    story = judged(K.TECHNICAL_ASSESSMENT, step={"counts_from": NOW + 5 * DAY})

    (here,) = [one for one in timeline.entries(story) if one.is_now]

    assert here.facts == {"from_": NOW + 5 * DAY}


@given(
    st.sampled_from(ApplicationState),
    st.sampled_from([None, *AwardState]),
    st.sampled_from([None, *AppealState]),
    st.sampled_from(StepKind),
    st.sampled_from(StepState),
    st.booleans(),
)
def test_whatever_happened_the_story_can_be_told(state, award, appeal, kind, step_state, is_ranked):
    story = Story(
        state,
        NOW,
        NOW,
        NOW,
        steps=at(kind, step_state),
        award_state=award,
        appeal_state=appeal,
        is_ranked=is_ranked,
        sent_on="Fast Lane",
    )

    told = timeline.entries(story)
    assert told[0].title == "Started"
    assert all(one.title for one in told)
    coming = timeline.next_step(story)
    assert coming.text.format(**coming.facts)
    for one in told:
        assert not one.text or one.text.format(**one.facts)
