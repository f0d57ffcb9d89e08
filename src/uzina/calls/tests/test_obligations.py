"""Reports that are owed: reminders, default, acceptance."""

from datetime import timedelta

import pytest

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Obligation
from uzina.calls.rules import clock, obligations
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.models import Message

from .accepted import accepted, national

TICK = timedelta(microseconds=1)
DAY = timedelta(days=1)


@pytest.fixture
def award(operator, org, ana):
    return accepted(national(operator), org, ana)


@pytest.fixture
def owed(award):
    return Obligation.objects.get(award=award)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def subjects(kind):
    found = Message.objects.filter(kind=f"calls.{kind}").order_by("pk")
    return [one.subject for one in found]


def test_acceptance_makes_the_final_report_due_three_months_after_the_end(award, owed):
    assert (owed.kind, owed.state, owed.told) == ("final", "due", 0)
    assert owed.due_at == award.report_due_at == clock.after_months(NOW, 6)
    actions.accept(award, by=award.application.applicant, now=NOW)
    assert Obligation.objects.count() == 1


def test_leads_are_reminded_thirty_seven_and_one_days_before_once_each(owed):
    for days, count in ((30, 1), (7, 2), (1, 3)):
        mark = owed.due_at - days * DAY
        tasks.watch_obligations(now=mark - TICK)
        assert len(subjects("report_due")) == count - 1
        for _again in range(2):
            tasks.watch_obligations(now=mark)
        assert len(subjects("report_due")) == count
    code = owed.award.project.code
    assert subjects("report_due") == [
        f"{code}: the final report is due in {words}" for words in ("30 days", "7 days", "1 day")
    ]


def test_of_reminders_that_were_missed_only_the_last_is_written(owed):
    tasks.watch_obligations(now=owed.due_at - DAY)
    assert len(subjects("report_due")) == 1
    assert fresh(owed).told == 3


def test_a_report_is_late_at_the_instant_it_is_due_and_not_before(owed):
    tasks.watch_obligations(now=owed.due_at - TICK)
    assert fresh(owed).state == "due"
    for _again in range(2):
        tasks.watch_obligations(now=owed.due_at)
    assert fresh(owed).state == "defaulted"
    assert len(subjects("report_late")) == 1
    assert LogEntry.objects.filter(event="obligation.defaulted").count() == 1


def test_who_did_not_deliver_is_known_until_the_report_is_in(owed, ana, org, stranger):
    assert not queries.has_defaulted(org, people=[ana])
    tasks.watch_obligations(now=owed.due_at)
    elsewhere = people.register_organisation(
        people.OrganisationFacts(name="B", kind="startup", country="RO"), by=stranger, now=NOW
    )
    assert queries.has_defaulted(org, people=[stranger])
    assert queries.has_defaulted(elsewhere, people=[ana])
    assert not queries.has_defaulted(elsewhere, people=[stranger])
    actions.submit_report(owed, by=ana, now=owed.due_at + DAY)
    assert not queries.has_defaulted(org, people=[ana])
    entry = LogEntry.objects.get(event="obligation.submitted")
    assert entry.facts["was_late"] is True


def test_an_accepted_final_report_closes_the_project(award, owed, ana, operator):
    tasks.watch_obligations(now=award.ends_at)
    actions.submit_report(owed, by=ana, now=award.ends_at + DAY)
    actions.accept_report(owed, by=operator, now=award.ends_at + 2 * DAY)
    assert fresh(owed).state == "accepted"
    assert fresh(award.project).state == "closed"
    assert len(subjects("report_accepted")) == 1
    tasks.watch_obligations(now=owed.due_at)
    assert fresh(owed).state == "accepted"


def test_a_report_that_is_accepted_early_leaves_the_project_running(award, owed, ana, operator):
    actions.submit_report(owed, by=ana, now=NOW + DAY)
    actions.accept_report(owed, by=operator, now=NOW + 2 * DAY)
    assert fresh(award.project).state == "active"


@pytest.mark.parametrize(("days_before", "days_left"), [(100, 100), (3, 14), (-5, 14)])
def test_a_report_that_is_sent_back_has_two_weeks_at_least(
    owed, ana, operator, days_before, days_left
):
    now = owed.due_at - days_before * DAY
    tasks.watch_obligations(now=now)
    actions.submit_report(owed, by=ana, now=now)
    actions.return_report(owed, reason="Say what came of it.", by=operator, now=now)
    back = fresh(owed)
    assert (back.state, back.note) == ("due", "Say what came of it.")
    assert back.due_at == now + days_left * DAY
    assert len(subjects("report_returned")) == 1
    actions.submit_report(back, by=ana, now=now + DAY)
    actions.return_report(fresh(owed), reason="Again.", by=operator, now=now + 2 * DAY)
    assert len(subjects("report_returned")) == 2


def test_only_a_lead_hands_in_and_only_an_operator_judges(owed, ana, stranger, operator, auditor):
    for person in (stranger, operator, auditor):
        with pytest.raises(NotAllowed):
            actions.submit_report(owed, by=person, now=NOW)
    with pytest.raises(Refused, match="Cannot accept"):
        actions.accept_report(owed, by=operator, now=NOW)
    actions.submit_report(owed, by=ana, now=NOW)
    for person in (ana, stranger, auditor):
        with pytest.raises(NotAllowed):
            actions.accept_report(owed, by=person, now=NOW)
        with pytest.raises(NotAllowed):
            actions.return_report(owed, reason="x", by=person, now=NOW)
    with pytest.raises(Refused):
        actions.return_report(owed, reason=" ", by=operator, now=NOW)
    assert fresh(owed).state == "submitted"


def test_days_left_are_counted_up_to_the_last_one():
    due = NOW + DAY
    assert obligations.days_left(due, NOW) == 1
    assert obligations.days_left(due, NOW + TICK) == 1
    assert obligations.days_left(due, NOW - TICK) == 2
    assert obligations.days_left(due, due) == 0
    assert obligations.days_left(due, due + DAY) == 0


def test_the_letters_are_in_the_language_of_their_reader(owed, ana):
    type(ana).objects.filter(pk=ana.pk).update(language="ro")
    tasks.watch_obligations(now=owed.due_at - DAY)
    message = Message.objects.get(kind="calls.report_due")
    assert "raportul final" in message.subject
    assert message.body.startswith("Bună ziua, Ana Pop")
    assert f"/reports/{owed.award.code}/final/" in message.body


def test_a_late_report_is_asked_about_at_the_next_application(award, owed, ana, operator):
    application = award.application
    verdict = queries.verdict_now(application)
    assert "reports" not in [one.rule for one in verdict.failed]
    tasks.watch_obligations(now=owed.due_at)
    failed = [one for one in queries.verdict_now(application).failed if one.rule == "reports"]
    assert "Hand the report in first" in failed[0].todo["en"]
    actions.submit_report(owed, by=ana, now=owed.due_at + DAY)
    assert "reports" not in [one.rule for one in queries.verdict_now(application).failed]
