"""Reviews: asked for, accepted, written, handed in; replies; who is told what."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Bid, Reply, Review, Step
from uzina.calls.rules import reviews as rules
from uzina.calls.rules.modes import Criterion, Scoring
from uzina.calls.tests.reviewing import (
    DAY,
    FULL,
    assigned,
    hand_in,
    judged_call,
    make_reviewer,
    profile,
    written,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people.models import Message

TICK = timedelta(microseconds=1)


def criteria(*weights):
    return tuple(
        Criterion(f"c{number}", {"en": "x", "ro": "x"}, weight, 0)
        for number, weight in enumerate(weights)
    )


def scoring(*weights, least=1, most=5):
    return Scoring(least, most, 0, 2, "single", 3, criteria(*weights))


# Rules ------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 100)), min_size=1, max_size=10),
    st.data(),
)
def test_a_weighted_score_lies_between_its_scores_and_grows_with_each(pairs, data):
    weighed = criteria(*(weight for weight, _score in pairs))
    scores = {f"c{number}": score for number, (_weight, score) in enumerate(pairs)}
    result = rules.weighted_milli(scores, weighed)
    assert 1000 * min(scores.values()) <= result <= 1000 * max(scores.values())
    exact = sum(weight * score for weight, score in pairs) / sum(weight for weight, _ in pairs)
    assert abs(result - 1000 * exact) <= 0.5 + 1e-6
    better = data.draw(st.sampled_from(sorted(scores)))
    assert rules.weighted_milli(scores | {better: scores[better] + 1}, weighed) >= result


@pytest.mark.parametrize(
    ("scores", "milli"), [((4, 5), 4333), ((1, 2), 1333), ((5, 5), 5000), ((2, 1), 1667)]
)
def test_weights_of_two_and_one_count_double_and_single(scores, milli):
    given = {"c0": scores[0], "c1": scores[1]}
    assert rules.weighted_milli(given, criteria(2, 1)) == milli


def test_half_a_thousandth_is_rounded_up():
    assert rules.weighted_milli({"c0": 1, "c1": 0}, criteria(1, 1999)) == 1


@pytest.mark.parametrize("score", [0, 6, "4", 4.0, True])
def test_a_score_off_the_scale_is_not_kept(score):
    with pytest.raises(Invalid) as refused:
        rules.read_scores({"c0": score}, scoring(1))
    assert [one.field for one in refused.value.problems] == ["scores.c0"]


def test_a_score_of_no_criterion_is_not_kept():
    with pytest.raises(Invalid):
        rules.read_scores({"elsewhere": 3}, scoring(1))


def test_a_score_taken_back_is_none():
    assert rules.read_scores({"c0": None, "c1": 5}, scoring(1, 1)) == {"c1": 5}


def test_the_usual_scale_has_words_and_another_only_its_ends():
    assert rules.scale(scoring(1))[4] == (5, "Excellent")
    assert rules.scale(scoring(1, most=3)) == [(1, "Lowest"), (2, ""), (3, "Highest")]


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("We at Limbă Vie SRL train it.", "We at ▇▇▇ train it."),
        ("LIMBA VIE trains it.", "▇▇▇ trains it."),
        ("Limba-Vie trains it.", "▇▇▇ trains it."),
        ("Write to ana@startup.example.", "Write to ▇▇▇."),
        ("Ana Pop leads; Popa helps.", "▇▇▇ leads; Popa helps."),
        ("Nothing to cover.", "Nothing to cover."),
    ],
)
def test_a_blind_text_names_nobody(text, covered):
    names = ["Limbă Vie SRL", "limba vie", "ana@startup.example", "Ana Pop"]
    assert rules.blinded(text, names) == covered


def test_reminders_come_before_and_when_late_to_the_tick():
    asked, due = NOW, NOW + 12 * DAY
    soon = due - 3 * DAY
    assert rules.reminder(asked, due, 0, soon - TICK) == 0
    assert rules.reminder(asked, due, 0, soon) == 1
    assert rules.reminder(asked, due, 0, due - TICK) == 1
    assert rules.reminder(asked, due, 1, due) == 2
    assert rules.remind_from(NOW, NOW + 3 * DAY) == NOW + 2 * DAY


# Actions ----------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(operator):
    return judged_call(operator)


@pytest.fixture
def mara(operator):
    return make_reviewer(operator, "Mara Ionescu")


@pytest.fixture
def janis(operator):
    return make_reviewer(operator, "Ilze Kalniņa")


@pytest.fixture
def application(call, org, ana):
    return hand_in(call, ana, org)


@pytest.fixture
def review(operator, application, mara):
    return assigned(operator, application, mara)[0]


def save(review, version, **changed):
    return actions.save_review(
        review, **{**FULL, **changed}, version=version, by=review.reviewer, now=NOW
    )


def test_a_reviewer_who_is_asked_is_told_and_due_when_the_step_is(review, mara, application):
    step = Step.objects.get(application=application, kind="peer_review")
    assert (review.state, review.due_at, review.is_by_hand) == ("assigned", step.due_at, True)
    message = Message.objects.get(to=mara, kind="calls.review_asked")
    assert review.code in message.body
    assert application.title not in message.body
    assert LogEntry.objects.filter(event="review.assigned", subject=review.code).exists()


def test_asking_again_for_the_same_review_changes_nothing(operator, review, mara):
    again = actions.assign_review(review.application, mara, by=operator, now=NOW + DAY)
    assert again.pk == review.pk
    assert Message.objects.filter(kind="calls.review_asked").count() == 1


def test_only_operators_assign(review, mara, janis):
    for act in (
        lambda: actions.assign_review(review.application, janis, by=mara, now=NOW),
        lambda: actions.unassign_review(review, by=mara, now=NOW),
        lambda: actions.replace_review(review, janis, by=mara, now=NOW),
    ):
        with pytest.raises(NotAllowed):
            act()
    review.refresh_from_db()
    assert review.state == "assigned"
    assert Review.objects.count() == 1


def test_nobody_outside_the_pool_is_asked(operator, call, application, mara, stranger):
    actions.leave_out(call, queries.reviewer_of(mara), by=operator, now=NOW)
    for person in (mara, stranger):
        with pytest.raises(Refused, match="is not among the reviewers"):
            actions.assign_review(application, person, by=operator, now=NOW)
    assert not Review.objects.exists()

    actions.take_in(call, queries.reviewer_of(mara), by=operator, now=NOW)
    assert actions.assign_review(application, mara, by=operator, now=NOW).state == "assigned"


def test_who_rests_is_asked_for_nothing_new(operator, application, mara):
    actions.rest_reviewer(queries.reviewer_of(mara), by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.assign_review(application, mara, by=operator, now=NOW)
    assert refused.value.code == "assignment.assign.not_in_pool"
    actions.wake_reviewer(queries.reviewer_of(mara), by=operator, now=NOW)
    assert list(queries.pool(application.call)) == [queries.reviewer_of(mara)]


def test_a_review_declined_tells_the_operators_why_and_who_is_next(review, operator, mara, janis):
    with pytest.raises(Invalid):
        actions.refuse_review(review, reason=" ", by=mara, now=NOW)
    review.refresh_from_db()
    assert review.state == "assigned"

    actions.refuse_review(review, reason="On leave until May", by=mara, now=NOW)
    message = Message.objects.get(to=operator, kind="calls.review_lost")
    assert "On leave until May" in message.body
    assert "Ilze Kalniņa" in message.body
    assert "Mara" not in message.body.split("best first:")[1]


def test_a_declined_review_goes_to_somebody_else(operator, review, mara, janis):
    actions.refuse_review(review, reason="No time", by=mara, now=NOW)
    fresh = actions.replace_review(review, janis, by=operator, now=NOW)
    assert (fresh.reviewer, fresh.state) == (janis, "assigned")
    review.refresh_from_db()
    assert review.state == "refused"
    assert not Message.objects.filter(kind="calls.review_replaced").exists()


def test_a_replaced_reviewer_is_told_but_not_why(operator, review, mara, janis):
    with pytest.raises(Invalid):
        actions.replace_review(review, mara, by=operator, now=NOW)
    actions.replace_review(review, janis, by=operator, now=NOW)
    review.refresh_from_db()
    assert review.state == "replaced"
    assert Message.objects.get(kind="calls.review_replaced").to == mara
    assert not Review.objects.given_to(mara).exists()


def test_only_the_reviewer_writes_and_only_after_accepting(review, mara, janis, operator):
    for person in (janis, operator):
        with pytest.raises(NotAllowed) as refused:
            actions.accept_review(review, by=person, now=NOW)
        assert refused.value.code == "review.accept.not_yours"
    with pytest.raises(Refused) as refused:
        save(review, 0)
    assert refused.value.code == "review.save.not_now"

    accepted = actions.accept_review(review, by=mara, now=NOW)
    assert actions.accept_review(review, by=mara, now=NOW + DAY).answered_at == NOW
    saved = save(accepted, 0, comment="")
    assert (saved.version, saved.scores) == (1, FULL["scores"])


def test_saving_the_same_again_changes_nothing(review, mara):
    actions.accept_review(review, by=mara, now=NOW)
    save(review, 0)
    entries = LogEntry.objects.count()
    assert save(review, 0).version == 1
    assert LogEntry.objects.count() == entries


def test_the_later_of_two_windows_is_told_and_loses_nothing(review, mara):
    actions.accept_review(review, by=mara, now=NOW)
    save(review, 0)
    with pytest.raises(Refused) as refused:
        save(review, 0, comment="typed elsewhere")
    assert (refused.value.code, refused.value.facts["version"]) == (
        "review.save.changed_meanwhile",
        1,
    )
    review.refresh_from_db()
    assert review.comment == FULL["comment"]
    assert save(review, 1, comment="typed elsewhere").version == 2


def test_handing_in_says_everything_that_is_missing(review, mara):
    actions.accept_review(review, by=mara, now=NOW)
    with pytest.raises(Invalid) as refused:
        actions.submit_review(
            review,
            scores={"impact": 3},
            comment=" ",
            panel_comment="",
            notes="",
            version=0,
            by=mara,
            now=NOW,
        )
    assert [one.field for one in refused.value.problems] == ["scores.excellence", "comment"]
    review.refresh_from_db()
    assert (review.state, review.version, review.scores) == ("accepted", 0, {})


def test_peer_review_ends_with_the_last_review_needed(operator, application, mara, janis, ana):
    first, second = assigned(operator, application, mara, janis)
    assert written(first).score_milli == 4333
    assert queries.step_under_way(application).kind == "peer_review"
    assert queries.comments_for_applicant(application) == []
    assert not Message.objects.filter(kind="calls.reply_open").exists()

    written(second, scores={"excellence": 2, "impact": 2})
    step = queries.step_under_way(application)
    assert (step.kind, step.state) == ("right_to_reply", "open")
    assert Message.objects.get(kind="calls.reply_open").to == ana
    assert [one.comment for one in queries.comments_for_applicant(application)] == 2 * [
        FULL["comment"]
    ]


def test_a_review_can_be_changed_until_the_panel_begins(operator, application, mara, janis, ana):
    first, second = assigned(operator, application, mara, janis)
    written(first)
    written(second)
    again = actions.submit_review(
        first,
        **FULL | {"scores": {"excellence": 1, "impact": 1}},
        version=1,
        by=mara,
        now=NOW + DAY,
    )
    assert (again.score_milli, again.submitted_at) == (1000, NOW + DAY)

    actions.reply(application, text="The data are public.", by=ana, now=NOW + DAY)
    assert queries.step_under_way(application).kind == "panel"
    with pytest.raises(Refused) as refused:
        actions.submit_review(first, **FULL, version=2, by=mara, now=NOW + 2 * DAY)
    assert refused.value.code == "review.submit.too_late"
    first.refresh_from_db()
    assert first.score_milli == 1000


def test_a_reviewer_sees_the_others_only_after_handing_in(operator, application, mara, janis):
    first, second = assigned(operator, application, mara, janis)
    written(first)
    second = actions.accept_review(second, by=janis, now=NOW)
    assert queries.others_of(second, janis) == []
    second = actions.submit_review(second, **FULL, version=0, by=janis, now=NOW)
    assert queries.others_of(second, janis) == [first]
    assert queries.others_of(second, mara) == []


def test_peer_review_with_fewer_reviews_needs_an_operator_a_reason_and_a_review(
    operator, application, mara, janis
):
    first, second = assigned(operator, application, mara, janis)

    def close(**changed):
        values = {"reason": "The second expert is ill", "by": operator} | changed
        actions.close_peer_review(application, **values, now=NOW)

    with pytest.raises(Refused) as refused:
        close()
    assert refused.value.code == "review.close.none"
    written(first)
    with pytest.raises(NotAllowed):
        close(by=mara)
    with pytest.raises(Invalid):
        close(reason="")
    assert queries.step_under_way(application).kind == "peer_review"

    close()
    second.refresh_from_db()
    assert second.state == "replaced"
    step = Step.objects.get(application=application, kind="peer_review")
    assert (step.state, step.outcome) == ("done", "closed")
    entry = LogEntry.objects.get(event="review.closed")
    assert (entry.facts["reviews"], entry.facts["reason"]) == (1, "The second expert is ill")
    with pytest.raises(Refused) as refused:
        close()
    assert refused.value.code == "review.close.not_now"


@pytest.fixture
def reviewed(operator, application, mara, janis):
    for one in assigned(operator, application, mara, janis):
        written(one)
    return application


def test_only_the_applicant_replies_once_and_in_time(reviewed, ana, mara):
    due = queries.step_under_way(reviewed).due_at
    with pytest.raises(NotAllowed):
        actions.reply(reviewed, text="Not mine", by=mara, now=NOW)
    with pytest.raises(Invalid):
        actions.reply(reviewed, text="  ", by=ana, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.reply(reviewed, text="Too late", by=ana, now=due)
    assert refused.value.code == "reply.send.too_late"
    assert not Reply.objects.exists()

    actions.reply(reviewed, text="In time", by=ana, now=due - TICK)
    with pytest.raises(Refused) as refused:
        actions.reply(reviewed, text="Twice", by=ana, now=due - TICK)
    assert refused.value.code == "reply.send.not_now"
    assert Reply.objects.get().text == "In time"
    assert Step.objects.get(application=reviewed, kind="right_to_reply").outcome == "replied"


def test_silence_ends_the_time_to_reply_at_its_deadline_not_before(reviewed):
    due = queries.step_under_way(reviewed).due_at
    tasks.watch_reviews(now=due - TICK)
    assert queries.step_under_way(reviewed).kind == "right_to_reply"
    tasks.watch_reviews(now=due)
    assert queries.step_under_way(reviewed).kind == "panel"
    assert Step.objects.get(application=reviewed, kind="right_to_reply").outcome == "silent"
    tasks.watch_reviews(now=due)


def test_an_applicant_may_go_on_without_a_reply(reviewed, ana, mara):
    with pytest.raises(NotAllowed):
        actions.waive_reply(reviewed, by=mara, now=NOW)
    actions.waive_reply(reviewed, by=ana, now=NOW)
    assert queries.step_under_way(reviewed).kind == "panel"
    with pytest.raises(Refused) as refused:
        actions.waive_reply(reviewed, by=ana, now=NOW)
    assert refused.value.code == "reply.waive.not_now"


def test_a_mode_without_a_right_to_reply_goes_on_to_the_panel(operator, org, ana, mara, janis):
    call = judged_call(operator, slug="short", right_to_reply=-1)
    application = hand_in(call, ana, org)
    for one in assigned(operator, application, mara, janis):
        written(one)
    assert queries.step_under_way(application).kind == "panel"
    assert not Message.objects.filter(kind="calls.reply_open").exists()


def test_late_reviewers_are_reminded_twice_and_operators_told_once(review, operator, mara):
    soon = rules.remind_from(review.assigned_at, review.due_at)
    for moment, reminders, told in (
        (soon - TICK, 0, 0),
        (soon, 1, 0),
        (soon + TICK, 1, 0),
        (review.due_at - TICK, 1, 0),
        (review.due_at, 2, 1),
        (review.due_at + 30 * DAY, 2, 1),
    ):
        tasks.watch_reviews(now=moment)
        assert Message.objects.filter(to=mara, kind="calls.review_reminder").count() == reminders
        assert Message.objects.filter(to=operator, kind="calls.review_lost").count() == told


def test_a_bid_is_kept_and_changed_but_not_by_who_may_not(call, application, mara, stranger):
    with pytest.raises(NotAllowed):
        actions.bid(application, value=2, by=stranger, now=NOW)
    with pytest.raises(Invalid):
        actions.bid(application, value=3, by=mara, now=NOW)
    assert not Bid.objects.exists()
    actions.bid(application, value=2, by=mara, now=NOW)
    actions.bid(application, value=0, by=mara, now=NOW)
    assert Bid.objects.get().value == 0


def test_nobody_bids_before_conflicts_were_looked_for(call, org, ana, mara):
    application = hand_in(call, ana, org, screened=False)
    assert not queries.biddable_by(mara).exists()
    tasks.find_conflicts(event="application.submitted", subject=application.code, facts={}, now=NOW)
    assert list(queries.biddable_by(mara)) == [application]


def test_a_profile_says_everything_that_is_wrong_with_it(operator, stranger):
    with pytest.raises(Invalid) as refused:
        actions.make_reviewer(
            stranger,
            profile(topics=["alchemy"], languages=[], most=0, orcid="0000-0002-1825-0098"),
            by=operator,
            now=NOW,
        )
    assert {one.field for one in refused.value.problems} == {
        "topics",
        "languages",
        "most",
        "orcid",
    }
    assert queries.reviewer_of(stranger) is None
    assert not type(stranger).objects.get(pk=stranger.pk).roles


def test_only_operators_make_reviewers_and_only_the_person_or_they_change_one(
    operator, mara, stranger
):
    with pytest.raises(NotAllowed):
        actions.make_reviewer(stranger, profile(), by=mara, now=NOW)
    with pytest.raises(NotAllowed):
        actions.change_profile(queries.reviewer_of(mara), profile(most=1), by=stranger, now=NOW)
    with pytest.raises(NotAllowed):
        actions.rest_reviewer(queries.reviewer_of(mara), by=mara, now=NOW)
    changed = actions.change_profile(queries.reviewer_of(mara), profile(most=3), by=mara, now=NOW)
    assert changed.most == 3


def test_a_withdrawn_application_is_in_no_reviewers_hands(review, ana, mara):
    actions.withdraw(review.application, by=ana, now=NOW)
    assert not queries.reviews_of(mara).exists()
    with pytest.raises(Refused) as refused:
        actions.accept_review(review, by=mara, now=NOW)
    assert refused.value.code == "review.accept.too_late"


def test_a_review_handed_in_while_the_clock_stood_still_ends_peer_review_afterwards(
    operator, application, mara, janis
):
    first, second = assigned(operator, application, mara, janis)
    written(first)
    Step.objects.filter(application=application, kind="peer_review").update(state="paused")
    written(second)
    assert queries.step_under_way(application).kind == "peer_review"
    Step.objects.filter(application=application, kind="peer_review").update(state="open")
    tasks.watch_reviews(now=NOW)
    assert queries.step_under_way(application).kind == "right_to_reply"
