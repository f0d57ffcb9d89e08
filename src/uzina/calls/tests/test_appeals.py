"""Appeals: once, in time, before another panel, and with an outcome that moves the ledger."""

import importlib
from datetime import timedelta

import pytest
from django.test import Client

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Appeal, Application, Award, Capacity, Conflict, Decision, Letter
from uzina.calls.rules.steps import StepKind
from uzina.calls.tests.ranked import HOUR, LATER, at_step, ranked_call, released, reviewer
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people.models import Message
from uzina.people.tests import make_person

pytestmark = pytest.mark.django_db

GROUNDS = "The second review is about another application."
TICK = timedelta(microseconds=1)


@pytest.fixture
def call(operator):
    return ranked_call(operator)


def seated(call, operator, email, *, is_for_appeals):
    person = make_person(email, email.partition("@")[0].title(), "panel")
    actions.seat(
        call, person=person, is_for_appeals=is_for_appeals, is_chair=False, by=operator, now=NOW
    )
    return person


@pytest.fixture
def first(call, operator):
    return seated(call, operator, "first@elsewhere.example", is_for_appeals=False)


@pytest.fixture
def second(call, operator):
    return seated(call, operator, "second@elsewhere.example", is_for_appeals=True)


@pytest.fixture
def declined(call, ana, org, operator, first, second):
    """One that is declined beside one that takes 150,000 of 200,000 hours."""
    at_step(call, ana, org, scores=[5], hours=150_000, step=StepKind.RANKING)
    weak = at_step(call, ana, org, scores=[2], hours=60_000, step=StepKind.RANKING)
    released(call, operator)
    return fresh(weak)


def fresh(application):
    return Application.objects.select_related("call", "decision").get(pk=application.pk)


@pytest.fixture
def appeal(declined, ana):
    return actions.file_appeal(declined, grounds=GROUNDS, by=ana, now=LATER)


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


# Filing it -------------------------------------------------------------------------------------


def test_an_appeal_is_filed_up_to_the_last_instant_of_its_working_days(declined, ana):
    deadline = queries.appeal_by(declined)
    with pytest.raises(Refused) as refused:
        actions.file_appeal(declined, grounds=GROUNDS, by=ana, now=deadline)
    assert refused.value.code == "appeal.file.too_late"
    assert not Appeal.objects.exists()
    made = actions.file_appeal(declined, grounds=GROUNDS, by=ana, now=deadline - TICK)
    assert made.state == "filed"
    step = declined.steps.get(kind=StepKind.APPEAL)
    assert (step.state, step.due_at) == ("open", made.due_at)
    assert made.due_at > deadline


def test_it_is_filed_by_the_applicant_only_once_and_with_grounds(declined, ana, operator, second):
    for person in (operator, second):
        with pytest.raises(NotAllowed) as refused:
            actions.file_appeal(declined, grounds=GROUNDS, by=person, now=LATER)
        assert refused.value.code == "appeal.file.not_yours"
    with pytest.raises(Invalid):
        actions.file_appeal(declined, grounds=" \n", by=ana, now=LATER)
    assert not Appeal.objects.exists()
    actions.file_appeal(declined, grounds=GROUNDS, by=ana, now=LATER)
    with pytest.raises(Refused) as refused:
        actions.file_appeal(declined, grounds="Again.", by=ana, now=LATER)
    assert refused.value.code == "appeal.file.already"


def test_there_is_no_appeal_against_an_award_nor_before_the_release(
    call, ana, org, operator, declined
):
    award = Application.objects.get(call=call, state="awarded")
    with pytest.raises(Refused) as refused:
        actions.file_appeal(award, grounds=GROUNDS, by=ana, now=LATER)
    assert refused.value.code == "appeal.file.no_appeal"
    waiting = at_step(call, ana, org, scores=[2], hours=60_000, step=StepKind.RANKING)
    with pytest.raises(Refused) as refused:
        actions.file_appeal(waiting, grounds=GROUNDS, by=ana, now=LATER)
    assert refused.value.code == "appeal.file.no_appeal"


def test_the_time_to_appeal_ends_by_itself_at_its_deadline_and_not_before(declined):
    deadline = queries.appeal_by(declined)
    step = declined.steps.get(kind=StepKind.APPEAL)
    assert step.due_at == deadline
    tasks.end_appeal_periods(now=deadline - TICK)
    step.refresh_from_db()
    assert step.state == "open"
    tasks.end_appeal_periods(now=deadline)
    step.refresh_from_db()
    assert step.state == "skipped"


def test_an_appeal_that_was_filed_is_not_ended_by_the_clock(appeal, declined):
    tasks.end_appeal_periods(now=LATER + timedelta(days=90))
    assert declined.steps.get(kind=StepKind.APPEAL).state == "open"


# Hearing it -------------------------------------------------------------------------------------


def test_only_the_second_panel_hears_it_and_nobody_who_reviewed_or_has_an_interest(
    appeal, declined, first, second, operator, call
):
    judge = reviewer(0)
    type(judge).objects.get(pk=judge.pk)
    from uzina.people import actions as people
    from uzina.people.rules import RoleKind

    people.appoint(judge, kind=RoleKind.PANEL, by=None, now=NOW)
    judge = type(judge).objects.get(pk=judge.pk)
    actions.seat(call, person=judge, is_for_appeals=True, is_chair=False, by=operator, now=NOW)
    biased = seated(call, operator, "biased@elsewhere.example", is_for_appeals=True)
    Conflict.objects.create(
        person=biased, application=declined, kind="declared", is_declared=True, found_at=NOW
    )
    for person in (first, judge, biased, operator):
        for verb in ("uphold", "dismiss"):
            asked = {"gpu_hours": 1} if verb == "uphold" else {}
            with pytest.raises(NotAllowed) as refused:
                getattr(actions, verb)(appeal, text="No.", by=person, now=LATER, **asked)
            assert refused.value.code == f"appeal.{verb}.not_hearing"
    for person in (first, judge, biased):
        assert signed_in(person).get(f"/appeals/{appeal.code}/").status_code == 404
        assert appeal.code not in signed_in(person).get("/appeals/").content.decode()
    assert signed_in(second).get(f"/appeals/{appeal.code}/").status_code == 200
    assert signed_in(biased).get(f"/applications/{declined.code}/").status_code == 404
    assert str(Appeal.objects.get().state) == "filed"


def test_the_second_panel_sees_only_what_is_under_appeal(call, declined, second, ana):
    client = signed_in(second)
    assert client.get(f"/applications/{declined.code}/").status_code == 404
    actions.file_appeal(declined, grounds=GROUNDS, by=ana, now=LATER)
    assert client.get(f"/applications/{declined.code}/").status_code == 200
    assert client.get("/panels/large-scale/1/").status_code == 404


def test_an_upheld_appeal_gives_an_award_and_leaves_the_decision_as_it_was(
    appeal, declined, second, ana, call
):
    award = actions.uphold(appeal, gpu_hours=50_000, text="You are right.", by=second, now=LATER)
    assert str(fresh(declined).state) == "awarded"
    assert Decision.objects.get(application=declined).outcome == "decline"
    assert award.value_eur_cents == 50_000 * 250
    accepted = actions.accept(award, by=ana, now=LATER + TICK)
    capacity = Capacity.objects.select_related("account").get(call=call)
    assert capacity.account.balance == 150_000 * HOUR
    assert accepted.project is not None
    assert LogEntry.objects.get(event="appeal.upheld").facts["award"] == award.code


def test_no_more_is_given_than_was_asked_or_is_left(appeal, second, declined):
    for hours, code in (
        (0, "appeal.uphold.amount"),
        (60_001, "appeal.uphold.amount"),
        (50_001, "appeal.uphold.no_capacity"),
    ):
        with pytest.raises(Refused) as refused:
            actions.uphold(appeal, gpu_hours=hours, text="Right.", by=second, now=LATER)
        assert refused.value.code == code
    with pytest.raises(Invalid):
        actions.uphold(appeal, gpu_hours=1, text=" ", by=second, now=LATER)
    assert str(fresh(declined).state) == "declined"
    assert not Award.objects.filter(application=declined).exists()


def test_hours_that_an_operator_allowed_are_added_only_when_it_is_upheld(
    appeal, second, operator, call
):
    capacity = Capacity.objects.select_related("account").get(call=call)
    with pytest.raises(NotAllowed):
        actions.allow_funding(appeal, reason="Reserve of the director", by=second, now=LATER)
    actions.allow_funding(appeal, reason="Reserve of the director", by=operator, now=LATER)
    capacity.account.refresh_from_db()
    assert capacity.account.balance == 200_000 * HOUR
    actions.uphold(appeal, gpu_hours=60_000, text="Right.", by=second, now=LATER)
    capacity.account.refresh_from_db()
    assert capacity.account.balance == 210_000 * HOUR
    assert queries.unpromised_gpu_ms(capacity) == 0


def test_a_dismissed_appeal_leaves_everything_as_it_was_and_is_told(appeal, declined, second):
    actions.dismiss(appeal, text="The review is about yours.", by=second, now=LATER)
    assert str(fresh(declined).state) == "declined"
    assert not Award.objects.filter(application=declined).exists()
    with pytest.raises(Refused) as refused:
        actions.uphold(appeal, gpu_hours=1, text="Right.", by=second, now=LATER)
    assert refused.value.code == "appeal.uphold.not_now"
    tasks.write_letter(application=declined.code, kind="appeal", now=LATER)
    tasks.mail_appeal_outcome(appeal=appeal.code, now=LATER)
    assert Letter.objects.filter(application=declined, kind="appeal").exists()
    assert "The review is about yours." in Message.objects.get(kind="calls.appeal_outcome").body


def test_an_appeal_is_withdrawn_by_the_applicant_and_not_decided_then(
    appeal, ana, second, declined
):
    with pytest.raises(NotAllowed):
        actions.withdraw_appeal(appeal, by=second, now=LATER)
    actions.withdraw_appeal(appeal, by=ana, now=LATER)
    assert declined.steps.get(kind=StepKind.APPEAL).state == "skipped"
    with pytest.raises(Refused) as refused:
        actions.dismiss(appeal, text="No.", by=second, now=LATER)
    assert refused.value.code == "appeal.dismiss.not_now"


# Doors ----------------------------------------------------------------------------------------


def test_it_is_filed_heard_and_upheld_on_the_pages(declined, ana, second, operator, monkeypatch):
    views = importlib.import_module("uzina.calls.views.appeals")

    monkeypatch.setattr(views, "now", lambda: LATER)
    client = signed_in(ana)
    page = client.get(f"/applications/{declined.code}/").content.decode()
    assert f"/applications/{declined.code}/appeal/" in page
    answer = client.post(f"/applications/{declined.code}/appeal/", {"grounds": GROUNDS})
    place = answer["Location"]
    assert client.post(place, {"outcome": "uphold"}).status_code == 404
    assert Appeal.objects.get().state == "filed"
    signed_in(operator).post(f"{place}fund/", {"reason": "Reserve"})
    judge = signed_in(second)
    assert judge.post(place, {"outcome": "uphold", "gpu_hours": "0"}).status_code == 422
    decided = {"outcome": "uphold", "gpu_hours": "55000", "text": "Right."}
    assert judge.post(place, decided).status_code == 302
    assert Award.objects.get(application=declined).gpu_ms == 55_000 * HOUR
    assert "55,000" in client.get(place).content.decode()


def test_the_same_by_the_api(declined, ana, second, monkeypatch):
    api = importlib.import_module("uzina.calls.api.appeals")

    monkeypatch.setattr(api, "now", lambda: LATER)
    client, base = signed_in(ana), "/api/v1/calls"

    def post(who, path, body=None):
        return who.post(f"{base}{path}", body or {}, content_type="application/json")

    made = post(client, f"/applications/{declined.code}/appeal", {"grounds": GROUNDS}).json()
    assert made["allowed"] == ["withdraw"]
    judge = signed_in(second)
    listed = judge.get(f"{base}/appeals").json()["items"]
    assert [one["allowed"] for one in listed] == [["uphold", "dismiss"]]
    path = f"/appeals/{made['code']}"
    assert post(client, f"{path}/dismiss", {"text": "No."}).status_code == 403
    assert post(judge, f"{path}/dismiss", {"text": "No."}).json()["state"] == "dismissed"
    assert post(client, f"{path}/withdraw").status_code == 409


def test_the_list_of_appeals_asks_as_often_for_many_as_for_few(
    call, ana, org, operator, declined, appeal, django_assert_max_num_queries
):
    client = signed_in(operator)
    with django_assert_max_num_queries(12) as few:
        client.get("/appeals/")
    for _number in range(8):
        one = at_step(call, ana, org, scores=[], hours=60_000, step=StepKind.RANKING)
        Appeal.objects.create(
            application=one, grounds=GROUNDS, filed_by=ana, filed_at=LATER, due_at=LATER
        )
    with django_assert_max_num_queries(12) as many:
        assert client.get("/appeals/").status_code == 200
    assert len(many) == len(few)
