"""The monthly look at the use of awards."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.calls import actions as calls
from uzina.calls.tests.accepted import HOUR, accepted, national
from uzina.compute import queries as compute
from uzina.compute.tests.machines import sample, usage
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger
from uzina.ledger.models import Allocation
from uzina.people.models import Message
from uzina.programme import actions, tasks
from uzina.programme.models import UseCheck
from uzina.programme.rules import use

TICK = timedelta(microseconds=1)
FIRST = datetime(2026, 12, 31, 22, 0, tzinfo=UTC)
"""The first of January in Bucharest."""


@pytest.fixture
def award(operator, org, ana):
    """1,000 hours for three months from 23 November 2026."""
    return accepted(national(operator), org, ana)


def spend(award, hours, *, now=NOW):
    allocation = Allocation.objects.get(project=award.project, resource__slug="gpu-hours")
    held = ledger.hold(
        allocation, amount=hours * HOUR, subject="JOB-1", key=f"h{hours}", by=None, now=now
    )
    ledger.settle(held, used=hours * HOUR, by=None, now=now)


def questions():
    return list(Message.objects.filter(kind="programme.not_used").order_by("pk"))


# --- the rule


@pytest.mark.parametrize(("used", "asked"), [(49_999, True), (50_000, False), (50_001, False)])
def test_it_is_asked_below_the_share_and_not_at_it(used, asked):
    assert use.is_asked(use.Use(100_000, used), share_percent=50) is asked


def test_before_anything_is_expected_nothing_is_asked():
    assert not use.is_asked(use.Use(0, 0), share_percent=100)
    assert use.Use(0, 0).percent == 100


@given(granted=st.integers(0, 10**15), seconds=st.integers(-10, 200), whole=st.integers(1, 100))
def test_an_even_pace_goes_from_nothing_to_everything(granted, seconds, whole):
    ends_at = NOW + timedelta(seconds=whole)
    found = use.expected(
        granted, starts_at=NOW, ends_at=ends_at, now=NOW + timedelta(seconds=seconds)
    )
    assert 0 <= found <= granted
    if seconds >= whole:
        assert found == granted
    if seconds <= 0:
        assert found == 0


# --- the look


def test_a_month_is_looked_at_once_from_its_first_instant_here_on(award):
    tasks.check_use(now=FIRST - TICK)
    assert UseCheck.objects.get().month == date(2026, 12, 1)
    for now in (FIRST, FIRST, FIRST + timedelta(days=9)):
        tasks.check_use(now=now)
    assert [one.month for one in UseCheck.objects.order_by("month")] == [
        date(2026, 12, 1),
        date(2027, 1, 1),
    ]


def test_the_leads_are_asked_why_with_what_the_record_says(award, ana):
    cluster = compute.cluster()
    for day in (5, 6):
        at = datetime(2026, 12, day, 0, tzinfo=UTC)
        ended_at = at + timedelta(hours=3)
        usage(cluster, day, ended_at, run_s=None, wait_s=7200, project=award.project)
        for hour in (1, 2):
            sample(cluster, at + timedelta(hours=hour), full_looks=60)
    tasks.check_use(now=FIRST)
    (row,) = UseCheck.objects.all()
    assert row.asked_at == FIRST
    assert (row.facts["full"], row.facts["nothing"]) == (2, 29)
    (letter,) = questions()
    assert letter.to == ana
    assert "on 29 days nothing was submitted" in letter.body
    assert "on 2 days jobs waited and the cluster was full" in letter.body
    assert f"/projects/{award.project.code}/use/" in letter.body


def test_who_uses_enough_is_not_asked(award):
    spend(award, 300)
    tasks.check_use(now=FIRST)
    row = UseCheck.objects.get()
    assert (row.used_gpu_ms, row.asked_at, questions()) == (300 * HOUR, None, [])
    with pytest.raises(Refused, match="nothing is asked"):
        actions.answer_use(row, answer="x", by=award.application.applicant, now=FIRST)


@pytest.mark.parametrize(("days", "asked"), [(6, False), (7, True)])
def test_an_award_of_a_few_days_is_not_asked_yet(operator, org, ana, days, asked):
    accepted(national(operator), org, ana, now=FIRST - timedelta(days=days))
    tasks.check_use(now=FIRST)
    assert bool(UseCheck.objects.get().asked_at) is asked


def test_paused_and_ended_awards_are_left_alone(award, operator):
    calls.amend(award, kind="suspension", facts={}, reason="x", by=operator, now=NOW)
    tasks.check_use(now=FIRST)
    assert not UseCheck.objects.exists()
    calls.amend(award, kind="resumption", facts={}, reason="x", by=operator, now=NOW)
    award.refresh_from_db()
    tasks.check_use(now=award.ends_at)
    assert not UseCheck.objects.exists()
    tasks.check_use(now=award.ends_at - TICK)
    assert UseCheck.objects.count() == 1


def test_a_lead_answers_and_may_change_the_answer(award, ana, stranger, operator):
    tasks.check_use(now=FIRST)
    row = UseCheck.objects.get()
    for person in (stranger, operator):
        with pytest.raises(NotAllowed):
            actions.answer_use(row, answer="x", by=person, now=FIRST)
    with pytest.raises(Invalid):
        actions.answer_use(row, answer=" ", by=ana, now=FIRST)
    with pytest.raises(Invalid):
        actions.answer_use(row, answer="x" * 4001, by=ana, now=FIRST)
    assert not LogEntry.objects.filter(event="use.answered").exists()
    actions.answer_use(row, answer="The data came late.", by=ana, now=FIRST)
    actions.answer_use(row, answer=" The data came late, see the mail. ", by=ana, now=FIRST)
    row.refresh_from_db()
    assert row.answer == "The data came late, see the mail."


def test_the_page_asks_the_lead_and_only_shows_to_others(
    award, ana, stranger, operator, auditor, client, api
):
    tasks.check_use(now=FIRST)
    row = UseCheck.objects.get()
    page = f"/projects/{award.project.code}/use/"
    answer = f"{page}{row.pk}/"
    for person, status in ((stranger, 404), (operator, 200), (auditor, 200), (ana, 200)):
        client.force_login(person)
        shown = client.get(page)
        assert shown.status_code == status
        if status == 200:
            assert ("<textarea" in shown.content.decode()) is (person == ana)
    client.force_login(stranger)
    assert client.post(answer, {"answer": "x"}).status_code == 404
    client.force_login(operator)
    assert client.post(answer, {"answer": "x"}).status_code == 422
    client.force_login(ana)
    assert client.post(answer, {"answer": ""}).status_code == 422
    assert client.post(answer, {"answer": "<b>Late</b>"}).status_code == 302
    assert "&lt;b&gt;Late" in client.get(page).content.decode()
    address = f"/api/v1/programme/projects/{award.project.code}/use"
    (told,) = api(ana).get(address).json()
    assert (told["answer"], told["percent"], told["days"]) == ("<b>Late</b>", 0, row.facts)
    assert api(stranger).get(address).status_code == 404
    sent = {"data": {"answer": "By API"}, "content_type": "application/json"}
    assert api(stranger).post(f"{address}/{row.pk}", **sent).status_code == 404
    assert api(operator).post(f"{address}/{row.pk}", **sent).status_code == 403
    assert api(ana).post(f"{address}/{row.pk}", **sent).json()["answer"] == "By API"
