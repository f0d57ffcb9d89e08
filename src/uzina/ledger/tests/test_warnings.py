"""What a project is told when its hours come to their end."""

from datetime import timedelta

import pytest
from django.core import mail
from hypothesis import given
from hypothesis import strategies as st

from uzina.core.models import LogEntry, Promise
from uzina.core.promises import find_task
from uzina.core.tests import NOW
from uzina.ledger import actions, queries, rules
from uzina.ledger.models import Allocation
from uzina.ledger.rules import Balance, Charge
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.rules import MembershipKind
from uzina.people.tests import deliver

from .conftest import HOUR

LATER = NOW + timedelta(hours=1)


def granted(project, capacity, policy="finish"):
    return actions.grant(
        project,
        capacity=capacity,
        amount=100 * HOUR,
        starts_at=NOW - timedelta(days=1),
        ends_at=NOW + timedelta(days=30),
        policy=rules.AtExhaustion(policy),
        key="grant",
        by=None,
        now=NOW,
    )


def spend(allocation, amount, key, now=LATER):
    actions.charge([Charge(allocation, amount, key)], by=None, now=now)


def told():
    rows = LogEntry.objects.filter(event__in=["allocation.warned", "allocation.exhausted"])
    return [(row.event, row.facts["percent"]) for row in rows.order_by("seq")]


def keep_promises():
    for row in Promise.objects.filter(task__startswith="ledger.mail").order_by("pk"):
        find_task(row.task)(**row.args, now=LATER)
    deliver(LATER)


@pytest.mark.parametrize(
    ("spent", "level"),
    [(0, 0), (749, 0), (750, 75), (899, 75), (900, 90), (999, 90), (1000, 100), (1200, 100)],
)
def test_a_level_is_reached_to_the_last_millisecond(spent, level):
    assert rules.level(Balance(900, 0, 0, spent, 0, 0, 100)) == level


@given(granted=st.integers(1, rules.LARGEST), spent=st.integers(0, rules.LARGEST))
def test_a_level_is_told_exactly_when_so_much_is_spent(granted, spent):
    level = rules.level(Balance(granted, 0, 0, spent, 0, 0))
    assert level in {0, *rules.WARN_AT}
    assert spent * 100 >= level * granted
    assert all(spent * 100 < one * granted for one in rules.WARN_AT if one > level)


def test_each_level_is_told_once(allocation):
    for number in range(20):
        spend(allocation, 5 * HOUR, f"row:{number}")
    assert told() == [
        (event, level)
        for event, level in zip(["allocation.warned"] * 3, rules.WARN_AT, strict=True)
    ]
    spend(allocation, HOUR, "over")
    assert len(told()) == 3


def test_one_step_over_several_levels_tells_the_highest(allocation):
    spend(allocation, 95 * HOUR, "row")
    assert told() == [("allocation.warned", 90)]


def test_settling_a_job_tells_too_and_holding_does_not(allocation):
    hold = actions.hold(allocation, amount=80 * HOUR, subject="JOB-1", key="h", by=None, now=NOW)
    assert told() == []
    actions.settle(hold, used=80 * HOUR, by=None, now=LATER)
    assert told() == [("allocation.warned", 75)]
    actions.settle(hold, used=80 * HOUR, by=None, now=LATER)
    assert len(told()) == 1


@pytest.mark.parametrize("gift", ["top_up", "overdraw", "refund"])
def test_after_hours_were_given_a_level_is_told_again(allocation, operator, gift):
    spend(allocation, 76 * HOUR, "row")
    give = {"amount": 10 * HOUR, "reason": "More", "key": "g", "by": operator, "now": LATER}
    getattr(actions, gift)(allocation, **give)
    assert Allocation.objects.get().warned == 0
    spend(allocation, 20 * HOUR, "more", now=LATER + timedelta(hours=1))
    assert told() == [("allocation.warned", 75)] * 2
    assert Promise.objects.filter(task="ledger.mail_warned").count() == 2


def test_a_correction_and_its_correction_tell_nothing_twice(allocation):
    spend(allocation, 75 * HOUR, "row")
    spend(allocation, -HOUR, "less")
    spend(allocation, HOUR, "again")
    assert told() == [("allocation.warned", 75)]


def test_an_allocation_that_has_ended_is_told_nothing(allocation, operator):
    actions.expire(allocation, reason="Over", key="end", by=operator, now=NOW)
    spend(allocation, 100 * HOUR, "late")
    assert told() == []
    assert Allocation.objects.get().warned == 0


@pytest.mark.parametrize("policy", ["finish", "slow", "stop"])
def test_only_where_jobs_are_to_be_stopped_the_end_is_news_for_them(project, capacity, policy):
    allocation = granted(project, capacity, policy)
    spend(allocation, 100 * HOUR - 1, "row")
    assert told() == [("allocation.warned", 90)]
    spend(allocation, 1, "last")
    expected = [("allocation.warned", 90), ("allocation.warned", 100)]
    if policy == "stop":
        expected.append(("allocation.exhausted", 100))
    assert told() == expected
    facts = LogEntry.objects.filter(event="allocation.warned").latest("seq").facts
    assert facts == {"percent": 100, "policy": policy}


@pytest.mark.parametrize(
    ("policy", "spent", "slow"),
    [("slow", 89, False), ("slow", 90, True), ("finish", 90, False), ("stop", 90, False)],
)
def test_new_jobs_are_slow_from_ninety_per_cent_where_the_call_says_so(
    project, capacity, policy, spent, slow
):
    allocation = granted(project, capacity, policy)
    spend(allocation, spent * HOUR, "row")
    assert queries.is_slow(allocation) is slow


def test_the_leads_get_a_mail_and_the_members_do_not(allocation, project, ana, stranger):
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    spend(allocation, 75 * HOUR, "row")
    keep_promises()
    (sent,) = mail.outbox
    assert sent.to == [ana.email]
    assert sent.subject == f"{allocation.code}: 75 % of the GPU-hours are spent"
    assert "“A language model for Romanian” has spent 75 of its 100 GPU-hours." in sent.body
    assert "When all hours are spent no new job starts. Jobs that run may finish." in sent.body
    assert f"/allocations/{allocation.code}/" in sent.body
    (kept,) = people_queries.messages_about(project.code, ana)
    assert (kept.kind, kept.key.rpartition(".")[0]) == (
        "ledger.warned",
        f"warned.{allocation.code}.75.{100 * HOUR}",
    )


@pytest.mark.parametrize(
    ("policy", "amount", "words"),
    [
        ("stop", 75, "have them save their state in time"),
        ("stop", 100, "jobs that run are stopped. Save what you need."),
        ("slow", 75, "From 90 % on, new jobs wait behind everybody else's."),
        ("slow", 100, "Jobs that run may finish."),
        ("finish", 100, "Jobs that run may finish."),
    ],
)
def test_the_mail_says_what_happens_at_the_end(project, capacity, policy, amount, words):
    spend(granted(project, capacity, policy), amount * HOUR, "row")
    keep_promises()
    assert words in mail.outbox[0].body


def test_the_mail_is_in_the_language_of_the_lead(allocation, ana):
    ana.language = "ro"
    ana.save()
    spend(allocation, 90 * HOUR, "row")
    keep_promises()
    (sent,) = mail.outbox
    assert sent.subject == f"{allocation.code}: s-au consumat 90 % din orele GPU"
    assert "Bună ziua, Ana Pop," in sent.body
