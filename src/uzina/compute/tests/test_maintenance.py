"""Maintenance: announced, changed, called off, told to those it hits, and in the way of jobs."""

from datetime import timedelta

import pytest
from django.core import mail

from uzina.compute import actions, queries, tasks
from uzina.compute.models import Maintenance
from uzina.compute.ports import PartitionSeen
from uzina.compute.tests.machines import IN_A_WEEK, NOW, TICK, look, node, window
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.people.tests import deliver

# Maintenance ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ends_at": IN_A_WEEK}, "maintenance.announce.backwards"),
        ({"ends_at": IN_A_WEEK + TICK}, None),
        ({"ends_at": IN_A_WEEK + timedelta(days=60)}, None),
        ({"ends_at": IN_A_WEEK + timedelta(days=60) + TICK}, "maintenance.announce.too_long"),
        ({"starts_at": NOW - TICK, "ends_at": NOW}, "maintenance.announce.over"),
        ({"starts_at": NOW - TICK, "ends_at": NOW + TICK}, None),
        (
            {
                "starts_at": NOW + timedelta(days=730) + TICK,
                "ends_at": NOW + timedelta(days=731),
            },
            "maintenance.announce.too_far",
        ),
        ({"partition": "nowhere"}, "maintenance.announce.no_partition"),
    ],
)
def test_a_maintenance_is_announced_if_it_can_be_and_a_refusal_leaves_no_trace(
    changes, code, cluster, operator
):
    if code is None:
        actions.announce(cluster, window(**changes), by=operator, now=NOW)
        assert Maintenance.objects.count() == 1
        return
    log = LogEntry.objects.count()
    with pytest.raises(Refused) as refused:
        actions.announce(cluster, window(**changes), by=operator, now=NOW)

    assert refused.value.code == code
    assert (Maintenance.objects.count(), LogEntry.objects.count()) == (0, log)
    assert not Promise.objects.filter(key__startswith="maintenance").exists()


def test_only_operators_announce_change_and_call_off(cluster, ana, auditor, operator):
    made = actions.announce(cluster, window(), by=operator, now=NOW)
    for person in (ana, auditor):
        for verb in (
            lambda by: actions.announce(cluster, window(reason="x"), by=by, now=NOW),
            lambda by: actions.change(made, window(reason="x"), by=by, now=NOW),
            lambda by: actions.cancel_maintenance(made, by=by, now=NOW),
        ):
            with pytest.raises(NotAllowed):
                verb(person)
    assert [one.cancelled_at for one in Maintenance.objects.all()] == [None]


def test_the_same_maintenance_is_announced_once(cluster, operator):
    actions.announce(cluster, window(), by=operator, now=NOW)

    with pytest.raises(Refused) as refused:
        actions.announce(cluster, window(), by=operator, now=NOW)

    assert refused.value.code == "maintenance.announce.known"
    assert Maintenance.objects.count() == 1


@pytest.mark.parametrize(
    ("partition", "limit", "hit"),
    [
        ("gpu", timedelta(days=7), False),
        ("gpu", timedelta(days=7, seconds=1), True),
        ("cpu", timedelta(days=8), False),
        ("", timedelta(days=8), True),
    ],
)
def test_a_job_runs_into_a_maintenance_when_its_limit_reaches_over_the_beginning(
    cluster, operator, partition, limit, hit
):
    limits = [PartitionSeen("gpu", True, True, None, None, {})]
    seen = look(node("n1"), node("n2", "cpu"), partitions=limits)
    actions.count(cluster, inventory=seen, now=NOW)
    made = actions.announce(cluster, window(partition="gpu"), by=operator, now=NOW)

    found = queries.maintenance_for(partition, now=NOW, time_limit_s=int(limit.total_seconds()))

    assert found == (made if hit else None)


@pytest.mark.parametrize(
    ("now", "hit"),
    [(IN_A_WEEK + timedelta(hours=8) - TICK, True), (IN_A_WEEK + timedelta(hours=8), False)],
)
def test_a_maintenance_hits_jobs_up_to_its_end(cluster, operator, now, hit):
    actions.announce(cluster, window(), by=operator, now=NOW)

    assert bool(queries.maintenance_for("gpu", now=now, time_limit_s=1)) is hit


@pytest.mark.parametrize(
    ("now", "running", "coming"),
    [
        (IN_A_WEEK - timedelta(days=14), 0, 0),
        (IN_A_WEEK - timedelta(days=14) + TICK, 0, 1),
        (IN_A_WEEK - TICK, 0, 1),
        (IN_A_WEEK, 1, 0),
        (IN_A_WEEK + timedelta(hours=8) - TICK, 1, 0),
        (IN_A_WEEK + timedelta(hours=8), 0, 0),
    ],
)
def test_a_maintenance_is_shown_from_two_weeks_before_it_and_runs_up_to_its_end(
    cluster, operator, now, running, coming
):
    actions.announce(cluster, window(), by=operator, now=NOW - timedelta(days=10))

    standing = queries.standing(now=now)

    assert (len(standing.running), len(standing.coming)) == (running, coming)


def told():
    """Do what was promised about maintenance; return who got which mail."""
    mail.outbox.clear()
    for _round in range(2):
        for one in Promise.objects.filter(state="waiting", task__contains="maintenance"):
            getattr(tasks, one.task.removeprefix("compute."))(**one.args, now=NOW)
            Promise.objects.filter(pk=one.pk).update(state="done")
    deliver()
    return sorted((one.to[0], one.subject.partition(" on ")[0]) for one in mail.outbox)


def test_those_with_a_job_or_hours_are_told_of_each_turn_once_and_strangers_never(
    early_job, cluster, operator, ana, stranger
):
    made = actions.announce(cluster, window(), by=operator, now=NOW)
    assert told() == [(ana.email, "Maintenance")]
    assert "New firmware of the switches." in mail.outbox[0].body
    assert "29 November 2026" in mail.outbox[0].body
    made.refresh_from_db()
    assert made.told == [ana.code]
    tasks.tell_maintenance(maintenance=made.code, what="announced", now=NOW)
    assert told() == []

    later = window(starts_at=IN_A_WEEK + timedelta(hours=1))
    moved = actions.change(made, later, by=operator, now=NOW)
    made.refresh_from_db()
    assert (made.cancelled_at, moved.replaces_id) == (NOW, made.pk)
    assert told() == [(ana.email, "The maintenance is now")]

    actions.cancel_maintenance(moved, by=operator, now=NOW)
    [(address, subject)] = told()
    assert (address, "is called off" in subject) == (ana.email, True)
    for again in (
        lambda: actions.cancel_maintenance(moved, by=operator, now=NOW),
        lambda: actions.change(moved, window(), by=operator, now=NOW),
    ):
        with pytest.raises(Refused) as refused:
            again()
        assert refused.value.code == "maintenance.change.cancelled"


def test_a_maintenance_that_is_over_is_history(cluster, operator):
    made = actions.announce(cluster, window(), by=operator, now=NOW)
    actions.cancel_maintenance(made, by=operator, now=made.ends_at - TICK)
    made.cancelled_at = None
    made.save()

    with pytest.raises(Refused) as refused:
        actions.cancel_maintenance(made, by=operator, now=made.ends_at)

    assert refused.value.code == "maintenance.change.over"


def test_a_mail_about_what_was_called_off_meanwhile_is_not_sent(early_job, cluster, operator, ana):
    made = actions.announce(cluster, window(), by=operator, now=NOW)
    tasks.tell_maintenance(maintenance=made.code, what="announced", now=NOW)
    actions.cancel_maintenance(made, by=operator, now=NOW)
    Promise.objects.filter(key=f"maintenance:{made.code}:announced").update(state="done")

    assert [subject for _to, subject in told()] != []
    assert all("called off" in one.subject for one in mail.outbox)


def test_romanian_readers_are_told_in_romanian(early_job, cluster, operator, ana):
    type(ana).objects.filter(pk=ana.pk).update(language="ro")
    actions.announce(cluster, window(), by=operator, now=NOW)

    told()

    assert mail.outbox[0].subject.startswith("Mentenanță pe 29 noiembrie 2026")
    assert "Ce puteți face" in mail.outbox[0].body
