"""Mails in the person's language, offers that lapse, and two answers at one moment."""

import threading
from datetime import timedelta

import pytest
from django.core import mail
from django.db import connection
from django.utils import timezone

from uzina.calls import actions, queries, tasks
from uzina.calls.models import Application, Award
from uzina.calls.tests.conftest import ANSWERS, MINUTE, assess, submitted
from uzina.core.models import Promise
from uzina.core.promises import find_task
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger_queries
from uzina.ledger.models import Allocation
from uzina.people import queries as people
from uzina.people.models import Project
from uzina.people.tests import deliver

pytestmark = pytest.mark.django_db


def keep_promises():
    """Run what was promised of calls, as the worker does; then let the messages leave."""
    for row in Promise.objects.filter(task__startswith="calls.", repeat_s=None).order_by("pk"):
        find_task(row.task)(**row.args, now=timezone.now())
    deliver()


def speaking(person, language):
    person.language = language
    person.save()
    return person


def test_the_receipt_says_what_happens_next_and_by_when(eligible, ana):
    keep_promises()

    (sent,) = mail.outbox
    assert sent.to == [ana.email]
    assert sent.subject == f"{eligible.code}: your application is in"
    assert "“A language model for Romanian”" in sent.body
    assert "You hear from us before 26 November 2026, 00:00 EET." in sent.body
    assert f"/applications/{eligible.code}/" in sent.body
    (kept,) = people.messages_about(eligible.code, ana)
    assert (kept.kind, kept.state) == ("calls.receipt", "sent")
    assert sent.extra_headers["Message-ID"] == f"<{kept.code.lower()}@127.0.0.1>"


def test_a_mail_is_in_the_language_of_the_person(call, org, ana):
    application = submitted(call, org, speaking(ana, "ro"))

    keep_promises()

    (sent,) = mail.outbox
    assert sent.subject == f"{application.code}: am primit cererea"
    assert "Bună ziua, Ana Pop," in sent.body
    assert "26 noiembrie 2026, 00:00 EET" in sent.body


def test_a_declined_applicant_gets_each_reason_its_source_and_what_to_do(call, org, ana):
    work = {**ANSWERS["work"], "gpu_hours": 9000}
    submitted(call, org, ana, work=work)

    keep_promises()

    (sent,) = mail.outbox
    assert (
        "Your work needs 9\u202f000 GPU-hours and the Playground package has 5\u202f000."
        in sent.body
    )
    assert "Ask for a first part here" in sent.body
    assert "Source: AI Factories access, Playground" in sent.body
    assert "&" not in sent.body


def test_a_negative_assessment_is_mailed_with_the_engineers_words_but_not_the_note(
    eligible, assessor
):
    assess(eligible, assessor, hours=0, is_ready=False)

    tasks.mail_decline(application=eligible.code, now=NOW)
    deliver()

    assert "Make the code run on one GPU first." in mail.outbox[0].body


def test_the_offer_is_mailed_with_its_hours_and_deadline(award):
    tasks.mail_award(award=award.code, now=NOW)
    deliver()

    (sent,) = mail.outbox
    assert "an award of 5,000 GPU-hours" in sent.body
    assert "The project runs for 3 months from the day on which you accept." in sent.body
    assert "before 7 December 2026, 11:01 EET." in sent.body
    assert f"/awards/{award.code}/" in sent.body


def test_who_waits_for_hours_is_told_once_that_they_keep_their_place(call, org, ana, assessor):
    waiting = [submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(3)]
    for application in waiting:
        assess(application, assessor)
    actions.offer_next(call, now=NOW)

    assert Promise.objects.filter(task="calls.mail_reserve").count() == 1
    tasks.mail_reserve(application=waiting[2].code, now=NOW)
    deliver()

    assert "you keep your place in the queue" in mail.outbox[0].body


def test_offers_lapse_by_themselves_and_the_reserve_moves_up(call, org, ana, assessor):
    waiting = [submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(3)]
    for application in waiting:
        assess(application, assessor)
    first = Award.objects.get(application=waiting[0])

    tasks.lapse_offers(now=first.answer_by - timedelta(microseconds=1))
    assert Award.objects.filter(state="offered").count() == 2

    tasks.lapse_offers(now=first.answer_by)

    assert Award.objects.filter(state="lapsed").count() == 2
    assert Award.objects.get(application=waiting[2]).state == "offered"
    tasks.mail_lapse(award=first.code, now=NOW)
    deliver()
    assert mail.outbox[0].subject == f"{first.code}: the offer has lapsed"


def test_the_reserve_moves_up_when_the_call_gets_more_hours(call, org, ana, assessor):
    from uzina.ledger import actions as ledger

    waiting = [submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(3)]
    for application in waiting:
        assess(application, assessor)
    ledger.fund(
        call.capacities.get().account,
        amount=5000 * 3_600_000,
        reason="second tranche",
        key="more",
        by=None,
        now=NOW,
    )

    tasks.lapse_offers(now=NOW)

    assert Award.objects.filter(application=waiting[2], state="offered").exists()
    assert not queries.calls_with_reserve().exists()


def at_once(*calls):
    """Run the calls in threads of their own; return what each raised or None."""
    outcomes = [None] * len(calls)
    barrier = threading.Barrier(len(calls))

    def run(number, call):
        barrier.wait()
        try:
            call()
        except Exception as error:  # noqa: BLE001 - what was raised is the result
            outcomes[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


@pytest.mark.django_db(transaction=True)
def test_accepting_at_one_moment_from_eight_places_opens_one_project(award, ana):
    outcomes = at_once(*[lambda: actions.accept(award, by=ana, now=NOW)] * 8)

    assert outcomes == [None] * 8
    assert Project.objects.filter(award_code=award.code).count() == 1
    assert Allocation.objects.filter(resource__slug="gpu-hours").count() == 1
    assert ledger_queries.check_books().balanced


@pytest.mark.django_db(transaction=True)
def test_assessments_at_one_moment_never_offer_more_than_the_call_has(call, org, ana, assessor):
    waiting = [submitted(call, org, ana, now=NOW + number * MINUTE) for number in range(5)]

    outcomes = at_once(*[lambda one=one: assess(one, assessor) for one in waiting])

    assert outcomes == [None] * 5
    assert Award.objects.count() == 2
    states = [Application.objects.get(pk=one.pk).state for one in waiting]
    assert states == ["awarded", "awarded", "eligible", "eligible", "eligible"]


@pytest.mark.django_db(transaction=True)
def test_accepting_and_refusing_at_one_moment_gives_one_answer(award, ana):
    outcomes = at_once(
        lambda: actions.accept(award, by=ana, now=NOW),
        lambda: actions.refuse(award, by=ana, now=NOW),
    )

    state = Award.objects.get().state
    assert sum(outcome is None for outcome in outcomes) == 1
    assert state in {"accepted", "refused"}
    assert Project.objects.exists() is (state == "accepted")
