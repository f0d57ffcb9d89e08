"""Panels: who sits on them, what they see, what they agree on."""

from datetime import timedelta

import pytest
from django.test import Client

from uzina.calls import actions
from uzina.calls.models import Conflict, Consensus, PanelSeat
from uzina.calls.rules.steps import StepKind, StepState
from uzina.calls.tests.ranked import (
    KEYS,
    LATER,
    agree,
    at_step,
    other_organisation,
    ranked_call,
    set_rules,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people.tests import make_person

pytestmark = pytest.mark.django_db


@pytest.fixture
def call(operator):
    return ranked_call(operator)


@pytest.fixture
def chair(call, operator):
    person = make_person("chair@elsewhere.example", "Carmen Chair", "panel")
    actions.seat(call, person=person, is_for_appeals=False, is_chair=True, by=operator, now=NOW)
    return person


@pytest.fixture
def member(call, operator):
    person = make_person("member@elsewhere.example", "Mihai Member", "panel")
    actions.seat(call, person=person, is_for_appeals=False, is_chair=False, by=operator, now=NOW)
    return person


@pytest.fixture
def apart(call, ana, org):
    """Two applications: one whose reviewers agree, one whose do not."""
    return (
        at_step(call, ana, org, scores=[4, 4, 4], hours=60_000, title="Together"),
        at_step(call, ana, org, scores=[1, 3, 5], hours=60_000, title="Apart"),
    )


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


# Seats ----------------------------------------------------------------------------------------


def test_only_an_operator_seats_people_and_only_those_with_the_role(call, operator, ana, chair):
    with pytest.raises(NotAllowed) as refused:
        actions.seat(call, person=chair, is_for_appeals=False, is_chair=True, by=ana, now=NOW)
    assert refused.value.code == "panel.seat.not_operator"
    with pytest.raises(Refused) as refused:
        actions.seat(call, person=ana, is_for_appeals=False, is_chair=False, by=operator, now=NOW)
    assert refused.value.code == "panel.seat.not_panel"
    assert not PanelSeat.objects.filter(person=ana).exists()


def test_nobody_sits_on_both_panels_of_a_call(call, operator, member):
    with pytest.raises(Refused) as refused:
        actions.seat(call, person=member, is_for_appeals=True, is_chair=False, by=operator, now=NOW)
    assert refused.value.code == "panel.seat.other_panel"
    assert PanelSeat.objects.get(person=member).is_for_appeals is False


def test_a_panel_has_one_chair_and_each_panel_its_own(call, operator, chair, member):
    second = make_person("second@elsewhere.example", "Sanda Second", "panel")
    actions.seat(call, person=second, is_for_appeals=True, is_chair=True, by=operator, now=NOW)
    actions.seat(call, person=member, is_for_appeals=False, is_chair=True, by=operator, now=NOW)
    chairs = PanelSeat.objects.filter(call=call, is_chair=True).order_by("pk")
    assert {one.person for one in chairs} == {member, second}


def test_who_is_taken_off_a_panel_sees_nothing_more_of_it(call, operator, member, apart):
    assert signed_in(member).get("/panels/large-scale/1/").status_code == 200
    with pytest.raises(NotAllowed) as refused:
        actions.unseat(PanelSeat.objects.get(person=member), by=member, now=NOW)
    assert refused.value.code == "panel.unseat.not_operator"
    actions.unseat(PanelSeat.objects.get(person=member), by=operator, now=NOW)
    assert signed_in(member).get("/panels/large-scale/1/").status_code == 404
    assert signed_in(member).get(f"/applications/{apart[0].code}/").status_code == 404


# What it agrees on ------------------------------------------------------------------------------


def test_the_panel_writes_down_a_score_by_criterion_and_may_think_again(apart, chair, member):
    agree(apart[0], chair, score=4.5, comment="Good work.", note="Quickly agreed.")
    kept = agree(apart[0], member, score=4.25)
    assert kept.score_milli == 4250
    assert kept.scores == dict.fromkeys(KEYS, 4250)
    assert (kept.comment, kept.made_by) == ("", member)
    assert Consensus.objects.count() == 1
    assert LogEntry.objects.filter(event="consensus.agreed").count() == 2


@pytest.mark.parametrize("score", [0.999, 5.001])
def test_a_score_outside_the_scale_is_refused_for_each_criterion(apart, chair, score):
    with pytest.raises(Invalid) as refused:
        agree(apart[0], chair, score=score)
    assert [one.field for one in refused.value.problems] == list(KEYS)
    assert not Consensus.objects.exists()
    agree(apart[0], chair, score=1 if score < 1 else 5)


def test_nobody_outside_the_panel_agrees_on_anything(apart, call, ana, operator, chair):
    second = make_person("second@elsewhere.example", "Sanda Second", "panel")
    actions.seat(call, person=second, is_for_appeals=True, is_chair=True, by=operator, now=NOW)
    for person in (ana, operator, second):
        with pytest.raises(NotAllowed) as refused:
            agree(apart[0], person, score=4)
        assert refused.value.code == "consensus.agree.not_panel"
    assert not Consensus.objects.exists()


def test_a_member_with_an_interest_neither_sees_the_application_nor_writes_on_it(
    apart, call, member
):
    Conflict.objects.create(
        person=member, application=apart[1], kind="declared", is_declared=True, found_at=NOW
    )
    client = signed_in(member)
    page = client.get("/panels/large-scale/1/").content.decode()
    assert "Together" in page
    assert "Apart" not in page.replace("Apart by", "")
    for path in (f"/panels/large-scale/1/{apart[1].code}/", f"/applications/{apart[1].code}/"):
        assert client.get(path).status_code == 404
        assert client.post(path, {"comment": "x"}).status_code in {404, 405}
    assert client.get(f"/api/v1/calls/panels/large-scale/1/{apart[1].code}").status_code == 404
    with pytest.raises(NotAllowed) as refused:
        agree(apart[1], member, score=4)
    assert refused.value.code == "consensus.agree.conflict"
    assert not Consensus.objects.exists()


def test_a_member_who_applies_to_the_call_does_not_see_the_reviews_of_it(call, org, member):
    mine = at_step(call, member, org, scores=[5], hours=60_000)
    assert mine.title not in signed_in(member).get("/panels/large-scale/1/").content.decode()
    assert signed_in(member).get(f"/panels/large-scale/1/{mine.code}/").status_code == 404


def test_what_is_not_before_the_panel_is_not_agreed_on(call, ana, org, chair):
    early = at_step(call, ana, org, scores=[4], hours=60_000, step=StepKind.PEER_REVIEW)
    with pytest.raises(Refused) as refused:
        agree(early, chair, score=4)
    assert refused.value.code == "consensus.agree.not_now"


# Closing it -------------------------------------------------------------------------------------


def close(call, by, reason=""):
    return actions.close_panel(call, cut_off=call.cut_offs.first(), reason=reason, by=by, now=LATER)


def test_the_chair_closes_the_panel_and_everything_goes_to_the_ranking(call, apart, chair, member):
    for one in apart:
        agree(one, member, score=4)
    with pytest.raises(NotAllowed) as refused:
        close(call, member)
    assert refused.value.code == "panel.close.not_chair"

    assert {one.code for one in close(call, chair)} == {one.code for one in apart}
    for one in apart:
        states = dict(one.steps.values_list("kind", "state"))
        assert states[StepKind.PANEL] == StepState.DONE
        assert states[StepKind.RANKING] == StepState.OPEN
    with pytest.raises(Refused) as refused:
        agree(apart[0], chair, score=5)
    assert refused.value.code == "consensus.agree.not_now"
    with pytest.raises(Refused) as refused:
        close(call, chair)
    assert refused.value.code == "panel.close.nothing"


def test_without_a_word_on_one_the_panel_is_not_closed_and_with_a_reason_the_mean_stands(
    call, apart, chair
):
    agree(apart[0], chair, score=4)
    with pytest.raises(Refused) as refused:
        close(call, chair, reason="  ")
    assert refused.value.code == "panel.close.no_reason"
    assert apart[1].code in refused.value.facts["applications"]
    assert Consensus.objects.count() == 1

    close(call, chair, reason="Not discussed: all below the line.")
    kept = Consensus.objects.get(application=apart[1])
    assert (kept.score_milli, kept.is_by_mean) == (3000, True)


def test_the_panel_is_not_closed_while_an_application_of_its_cut_off_is_reviewed(
    call, apart, ana, org, chair
):
    late = at_step(call, ana, org, scores=[], hours=60_000, step=StepKind.PEER_REVIEW)
    with pytest.raises(Refused) as refused:
        close(call, chair, reason="The mean stands.")
    assert refused.value.code == "panel.close.not_all_there"
    assert refused.value.facts["applications"] == late.code


def test_what_has_no_review_has_no_mean(call, ana, org, chair):
    at_step(call, ana, org, scores=[], hours=60_000)
    with pytest.raises(Refused) as refused:
        close(call, chair, reason="The mean stands.")
    assert refused.value.code == "panel.close.no_review"
    assert not Consensus.objects.exists()


# Its pages --------------------------------------------------------------------------------------


def test_the_page_shows_those_first_whose_reviewers_are_furthest_apart(apart, member):
    page = signed_in(member).get("/panels/large-scale/1/").content.decode()
    assert page.index(apart[1].code) < page.index(apart[0].code)
    assert 'aria-label="Scores: 1, 3, 5"' in page


def test_save_and_next_goes_through_all_in_that_order(apart, chair):
    client = signed_in(chair)
    scores = dict.fromkeys(KEYS, "4.5")
    path = f"/panels/large-scale/1/{apart[1].code}/"
    page = client.get(path).content.decode()
    assert "Between us: 5." in page
    assert 'accesskey="s"' in page
    answer = client.post(path, scores | {"comment": "Bold.", "next": "1"})
    assert answer["Location"].endswith(f"/{apart[0].code}/")
    assert Consensus.objects.get(application=apart[1]).score_milli == 4500
    answer = client.post(answer["Location"], scores | {"next": "1"})
    assert answer["Location"] == "/panels/large-scale/1/"
    assert client.post(path, scores | {KEYS[0]: "6"}).status_code == 422


def test_a_double_blind_call_names_no_organisation_to_the_panel(call, apart, member, org):
    set_rules(call, scoring={**call.rules["scoring"], "blind": "double"})
    client = signed_in(member)
    assert org.name not in client.get("/panels/large-scale/1/").content.decode()
    detail = client.get(f"/panels/large-scale/1/{apart[0].code}/").content.decode()
    assert org.name not in detail


def test_strangers_reviewers_and_applicants_find_no_panel(apart, ana, stranger, assessor):
    for person in (ana, stranger, assessor):
        client = signed_in(person)
        assert client.get("/panels/large-scale/1/").status_code == 404
        assert client.get(f"/panels/large-scale/1/{apart[0].code}/").status_code == 404
        assert client.get("/panels/large-scale/seats/").status_code == 404
    assert Client().get("/panels/").status_code == 302


def test_an_operator_seats_people_on_the_page_and_an_auditor_only_reads_it(
    call, operator, auditor, member
):
    made = make_person("new@elsewhere.example", "Nina New", "panel")
    answer = signed_in(operator).post(
        "/panels/large-scale/seats/", {"person": made.code, "panel": "appeals", "is_chair": "on"}
    )
    assert answer.status_code == 302
    assert PanelSeat.objects.get(person=made).is_for_appeals
    assert "Nina New" in signed_in(auditor).get("/panels/large-scale/seats/").content.decode()
    assert signed_in(operator).get("/panels/large-scale/2/").status_code == 404


@pytest.mark.parametrize("path", ["/panels/large-scale/1/", "/panels/large-scale/seats/"])
def test_the_pages_ask_as_often_for_forty_applications_as_for_three(
    call, ana, org, operator, chair, django_assert_max_num_queries, path
):
    other = other_organisation(ana)
    for number in range(3):
        at_step(call, ana, org, scores=[2, 4], hours=60_000 + number)
    client = signed_in(operator)
    with django_assert_max_num_queries(12) as few:
        client.get(path)
    for number in range(37):
        one = at_step(call, ana, other, scores=[3, 5], hours=60_000 + number)
        if number % 3 == 0:
            agree(one, chair, score=4, now=NOW + timedelta(minutes=number))
    with django_assert_max_num_queries(12) as many:
        assert client.get(path).status_code == 200
    assert len(many) == len(few)
