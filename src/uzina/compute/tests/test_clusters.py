"""Looks at the machines, their history, waits, waste, and unused hours from the tables."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from uzina.compute import actions, queries, tasks
from uzina.compute.models import Job, Maintenance, Partition, Sample
from uzina.compute.ports import PartitionSeen, QueueSeen, SchedulerDown
from uzina.compute.rules import Why
from uzina.compute.tests.conftest import SLURM_CONF
from uzina.compute.tests.machines import NOW, TICK, look, node, sample, usage

HOUR = 3600


# Looks ---------------------------------------------------------------------------------------------


def test_a_look_keeps_what_each_partition_has_free_and_drained(cluster):
    seen = look(
        node("n1", gpus_used=3, state="mixed"),
        node("n2", state="drained", reason="bad DIMM", gpu_type="h100"),
        node("n1", "debug", gpus_used=3, state="mixed"),
        partitions=[PartitionSeen("gpu", False, True, 86_400, None, {})],
        queue=[QueueSeen("gpu", 2, 5, 20)],
    )
    actions.count(cluster, inventory=seen, now=NOW)
    actions.count(cluster, inventory=seen, now=NOW + timedelta(minutes=1))

    debug, gpu = queries.partitions()
    assert (gpu.nodes, gpu.nodes_up, gpu.gpus, gpu.gpus_used, gpu.gpus_free) == (2, 1, 8, 3, 1)
    assert (gpu.is_up, gpu.is_default, gpu.max_time_s) == (False, True, 86_400)
    assert (gpu.jobs_running, gpu.jobs_waiting, gpu.gpus_wanted) == (2, 5, 20)
    assert gpu.drained == [
        {"name": "n2", "state": "drained", "reason": "bad DIMM", "since": NOW.isoformat()}
    ]
    assert [(one["gpu_type"], one["state"], one["gpus"]) for one in gpu.groups] == [
        ("a100", "mixed", 4),
        ("h100", "drained", 4),
    ]
    assert (debug.nodes, debug.jobs_waiting, debug.is_up, debug.drained) == (1, 0, True, [])


def test_a_drain_for_another_reason_begins_anew_and_a_partition_without_nodes_goes(cluster):
    actions.count(cluster, inventory=look(node("n1", state="drained", reason="x")), now=NOW)
    later = NOW + timedelta(hours=1)
    again = look(node("n1", "other", state="drained", reason="y"))
    actions.count(cluster, inventory=look(node("n1", state="drained", reason="y")), now=later)
    assert queries.partitions().get().drained[0]["since"] == later.isoformat()

    actions.count(cluster, inventory=again, now=later)
    assert [one.name for one in queries.partitions()] == ["other"]


def test_looks_add_up_by_the_hour_for_each_partition_and_once_for_the_whole(cluster):
    busy = node("n1", gpus_used=4, state="allocated")
    full = look(busy, node("n1", "all", gpus_used=4), queue=[QueueSeen("gpu", 1, 2, 8)])
    end = NOW.replace(minute=59, second=59, microsecond=999_999)
    for at in (NOW, end, end + TICK):
        actions.count(cluster, inventory=full, now=at)

    rows = Sample.objects.order_by("hour_at", "partition").values_list(
        "partition", "hour_at", "looks", "full_looks", "gpus", "gpus_used", "jobs_waiting"
    )
    ten = NOW.replace(minute=0)
    eleven = ten + timedelta(hours=1)
    assert list(rows) == [
        ("", ten, 2, 2, 8, 8, 4),
        ("all", ten, 2, 0, 8, 8, 0),
        ("gpu", ten, 2, 2, 8, 8, 4),
        ("", eleven, 1, 1, 4, 4, 2),
        ("all", eleven, 1, 0, 4, 4, 0),
        ("gpu", eleven, 1, 1, 4, 4, 2),
    ]


def test_a_look_takes_as_many_statements_for_thirty_partitions_as_for_two(
    cluster, django_assert_num_queries
):
    for count in (2, 30):
        seen = look(*(node(f"n{n}", f"p{n}") for n in range(count)))
        actions.count(cluster, inventory=seen, now=NOW)
        with django_assert_num_queries(8):  # savepoint and release among them
            actions.count(cluster, inventory=seen, now=NOW)
    assert Partition.objects.count() == 30


def test_history_is_kept_two_years_and_not_an_hour_more(cluster):
    edge = NOW - timedelta(days=731)
    for at in (edge - TICK, edge):
        Sample.objects.create(cluster=cluster, partition="gpu", hour_at=at)

    tasks.forget_samples(now=NOW)

    assert [one.hour_at for one in Sample.objects.all()] == [edge]


def test_the_machines_are_counted_while_no_job_is_open_and_silence_is_noted(cluster, monkeypatch):
    class Away:
        def inventory(self):
            raise SchedulerDown("connect failure")

    tasks.count(now=NOW)
    assert queries.partitions().get().gpus == 2
    assert queries.known_cluster().answered_at == NOW

    monkeypatch.setattr("uzina.compute.adapters.scheduler", Away)
    tasks.count(now=NOW + timedelta(minutes=1))
    silent = queries.known_cluster()
    assert silent.silent_since == NOW + timedelta(minutes=1)
    assert (silent.counted_at, queries.partitions().get().gpus) == (NOW, 2)


# History -------------------------------------------------------------------------------------------


def test_history_has_hours_up_to_three_days_then_days_and_gaps_where_nobody_looked(cluster):
    ten = NOW.replace(minute=0)
    sample(cluster, ten - timedelta(hours=2))
    sample(cluster, ten, full_looks=15, gpus_used=480)
    sample(cluster, ten, "", gpus_used=0)

    short = queries.history(
        cluster, partition="gpu", since=ten - timedelta(days=3), until=ten + timedelta(hours=1)
    )
    hours = queries.history(
        cluster, partition="gpu", since=ten - timedelta(hours=2), until=ten + TICK
    )

    assert [(one.at, one.used_percent, one.full_percent) for one in hours] == [
        (ten - timedelta(hours=2), 25.0, 0.0),
        (ten - timedelta(hours=1), None, None),
        (ten, 100.0, 25.0),
    ]
    assert (hours[0].average("gpus_used"), hours[1].average("gpus_used")) == (2.0, None)
    assert [one.looks for one in short] == [0, 0, 0, 120]
    assert short[-1].used_percent == 62.5


def test_a_day_of_the_history_is_the_factorys_with_25_hours_in_autumn(cluster):
    midnight = datetime(2026, 10, 24, 21, tzinfo=UTC)  # 25 October in Bucharest, summer time
    for hours in (-1, 0, 24, 25):
        sample(cluster, midnight + timedelta(hours=hours))

    days = queries.history(
        cluster,
        partition="gpu",
        since=midnight - timedelta(days=2),
        until=midnight + timedelta(days=2),
    )

    looks = {one.at.date().isoformat(): one.looks for one in days}
    assert (looks["2026-10-24"], looks["2026-10-25"], looks["2026-10-26"]) == (60, 120, 60)


def test_waits_count_the_latest_revision_of_each_run_that_ran_and_ended_in_the_time(
    cluster, project
):
    since = NOW - timedelta(days=1)
    usage(cluster, 1, since, wait_s=10, project=project)
    usage(cluster, 2, since - TICK, wait_s=7)
    usage(cluster, 3, NOW, wait_s=7)
    usage(cluster, 4, NOW - TICK, wait_s=30, partition="cpu")
    usage(cluster, 5, NOW - timedelta(hours=1), wait_s=7, run_s=None)
    for revision, wait_s in enumerate((999, 20)):
        usage(cluster, 6, NOW - timedelta(hours=1), wait_s=wait_s, revision=revision)

    found = queries.waits(cluster, since=since, until=NOW)

    assert [(one.name, one.runs, one.p50_s, one.p95_s) for one in found.by_partition] == [
        ("gpu", 2, 10, 20),
        ("cpu", 1, 30, 30),
    ]
    assert [(one.name, one.runs) for one in found.by_project] == [("", 2), (project.code, 1)]
    assert [one.name for one in found.by_organisation] == ["", project.organisation.name]
    assert (found.runs, found.is_partly) == (3, False)


def test_waits_say_when_they_are_only_of_the_newest_runs(cluster, monkeypatch):
    monkeypatch.setattr(sys.modules["uzina.compute.queries.history"], "MOST_WAITS", 2)
    for number, wait_s in enumerate((1, 2, 3)):
        usage(cluster, number, NOW, wait_s=wait_s)

    found = queries.waits(cluster, since=NOW, until=NOW + TICK)

    assert (found.runs, found.is_partly, found.by_partition[0].p50_s) == (2, True, 2)


def test_the_biggest_users_are_those_of_most_gpu_time_with_what_belongs_to_nobody(cluster, project):
    usage(cluster, 1, NOW, run_s=100, gpus=3, project=project)
    usage(cluster, 2, NOW, run_s=50, gpus=8)
    usage(cluster, 3, NOW, run_s=9999, gpus=0, project=project)
    usage(cluster, 4, NOW + TICK, run_s=9999, gpus=8)

    found = queries.biggest_users(cluster, since=NOW - timedelta(days=1), until=NOW + TICK)

    assert [(one.code, one.runs, one.gpu_s) for one in found] == [
        ("", 1, 400),
        (project.code, 1, 300),
    ]


def test_a_loop_of_moments_is_told_from_the_fifth_run_of_a_minute_at_most(cluster, project):
    for number in range(5):
        usage(cluster, number, NOW, run_s=60, project=project)
        usage(cluster, 10 + number, NOW, run_s=61, user="bea")
        usage(cluster, 20 + number, NOW, run_s=60, user="cpu", gpus=0)
        if number:
            usage(cluster, 30 + number, NOW, run_s=1, user="dan")

    [found] = queries.loops(cluster, since=NOW - timedelta(days=1), until=NOW + TICK)

    assert (found.project, found.user, found.runs) == (project.code, "ana", 5)


def test_wasteful_are_running_jobs_and_those_ended_since_whose_effort_is_known(early_job, cluster):
    def found(**changes):
        Job.objects.filter(pk=early_job.pk).update(**changes)
        return [
            (one.job.code, one.how, one.person.name)
            for one in queries.wasteful(cluster, since=NOW - timedelta(days=1), now=NOW)
        ]

    started = {"started_at": NOW - timedelta(days=2), "state": "running"}
    ours = (early_job.code, ["idle"], "Ana Pop")
    assert found(**started) == []
    assert found(effort={"cpu_s": 5}) == [ours]
    ended_at = NOW - timedelta(days=1)
    assert found(state="done", ended_at=ended_at) == [ours]
    assert found(ended_at=ended_at - TICK) == []


# Why hours were not used, from the tables ---------------------------------------------------------


def test_unused_joins_runs_jobs_looks_and_maintenance_in_four_statements(
    early_job, cluster, project, django_assert_num_queries
):
    zone = queries.zone()
    first = datetime(2026, 11, 2, tzinfo=zone)
    early_job.submitted_at = first + timedelta(days=2, hours=1)
    early_job.partition = "gpu"
    early_job.save()
    usage(cluster, 1, first + timedelta(hours=3), wait_s=3600, run_s=3600, project=project)
    sample(cluster, (first + timedelta(days=2, hours=1)).astimezone(UTC), full_looks=60)
    Maintenance.objects.create(
        cluster=cluster,
        starts_at=first + timedelta(days=2, hours=3),
        ends_at=first + timedelta(days=2, hours=4),
        reason="x",
        by_code="",
        made_at=NOW,
    )

    with django_assert_num_queries(4):
        days = queries.unused(project, since=first, until=first + timedelta(days=2, hours=5))

    assert [day.why for day in days] == [Why.RAN, Why.NOTHING, Why.WAITED]
    assert (days[0].waited_s, days[0].ran_s, days[0].gpu_s) == (3600, 3600, 7200)
    assert (days[2].full_s, days[2].maintenance_s, days[2].waited_s) == (3600, 3600, 7200)
    assert days[2].ends_s - days[2].starts_s == 5 * HOUR
    assert queries.unused(project, since=first, until=first) == []


@pytest.mark.skipif(not SLURM_CONF, reason="the Slurm of the tests is not running")
def test_a_real_slurm_is_counted_with_its_gpus_its_limits_and_a_drain_in_the_reasons_words(
    on_slurm, db
):
    def scontrol(**facts):
        argv = ["scontrol", "update", *(f"{name}={value}" for name, value in facts.items())]
        subprocess.run(argv, check=True, env=os.environ | {"SLURM_CONF": SLURM_CONF})

    tasks.count(now=NOW)
    before = {one.name: one for one in queries.partitions()}
    scontrol(nodename="n2", state="drain", reason="fans și filtre")
    try:
        tasks.count(now=NOW + timedelta(minutes=1))
        tasks.count(now=NOW + timedelta(minutes=2))
        after = {one.name: one for one in queries.partitions()}
    finally:
        scontrol(nodename="n2", state="resume")

    assert (before["gpu"].nodes, before["gpu"].gpus, before["gpu"].is_up) == (2, 8, True)
    assert before["gpu"].drained == []
    [drained] = after["gpu"].drained
    assert (drained["name"], drained["reason"]) == ("n2", "fans și filtre")
    assert drained["since"] == (NOW + timedelta(minutes=1)).isoformat()
    assert after["gpu"].nodes_up == before["gpu"].nodes_up - 1
    assert after["gpu"].gpus_free <= 4
    assert Sample.objects.get(partition="").looks == 3
