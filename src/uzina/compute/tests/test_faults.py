"""What breaks and what is left of it: nothing lost, nothing doubled, the books balanced."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.compute import actions, adapters, queries, tasks
from uzina.compute.adapters.scripted import ScriptedScheduler
from uzina.compute.models import Job, Usage
from uzina.compute.ports import AccountStep, Rejected
from uzina.compute.rules import ENDED, JobState
from uzina.compute.tasks import handing, watching
from uzina.compute.tests.conftest import (
    HOUR,
    SLURM_CONF,
    balance,
    spec,
    work,
    work_until_settled,
)
from uzina.core.models import LogEntry, Promise
from uzina.ledger import queries as ledger_queries

needs_slurm = pytest.mark.skipif(not SLURM_CONF, reason="the Slurm of the tests is not running")


def submit(project, ana, key="key-1", **changes):
    return actions.submit(project, spec=spec(**changes), by=ana, now=timezone.now(), key=key)


@pytest.fixture
def lying(monkeypatch):
    """Return a function that puts a lying scheduler in the place of the configured one."""

    def put(**faults):
        liar = ScriptedScheduler(seed=faults.pop("seed", 1), odds=faults, clock=int(time.time()))
        monkeypatch.setattr(adapters, "scheduler", lambda: liar)
        monkeypatch.setattr(handing, "LOOK_AGAIN_S", 0.0)
        return liar

    return put


def turns(liar, *, count, start=None):
    """Run every promise that is due and the watch, in a made-up time of two seconds a turn."""
    now = start or timezone.now()
    for _turn in range(count):
        now += timedelta(seconds=2)
        liar.tick(2)
        for promised in Promise.objects.filter(state="waiting", run_at__lte=now):
            name = promised.task.removeprefix("compute.")
            if name in {"hand_over", "hand_cancel"}:
                getattr(tasks, name)(**promised.args, now=now)
                Promise.objects.filter(pk=promised.pk).update(state="done")
        tasks.watch(now=now)
        tasks.watch(now=now)
    return now


@pytest.mark.django_db
def test_a_silent_cluster_keeps_the_job_and_says_so_until_it_answers(
    ana, project, allocation, lying
):
    liar = lying(silent=1.0)
    job = submit(project, ana)
    now = turns(liar, count=3)

    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.CREATED, "SchedulerDown")
    assert "kept and will be handed over" in queries.why(job)
    assert balance(allocation).held == job.held_gpu_ms

    liar.odds = {}
    turns(liar, count=60, start=now)
    job.refresh_from_db()
    assert (job.state, len(liar.works)) == (JobState.DONE, 1)
    assert job.gpu_ms == balance(allocation).spent > 0


@pytest.mark.django_db
def test_a_reply_lost_after_the_job_was_taken_makes_no_second_job(ana, project, allocation, lying):
    liar = lying(lost_reply=1.0)
    job = submit(project, ana)

    turns(liar, count=1)
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.CREATED, "Uncertain")
    turns(liar, count=20)

    job.refresh_from_db()
    assert (job.state, len(liar.works)) == (JobState.DONE, 1)


@pytest.mark.django_db
def test_a_crash_between_acceptance_and_commit_heals_by_the_key(
    ana, project, allocation, lying, monkeypatch
):
    liar = lying()
    job = submit(project, ana)
    with monkeypatch.context() as crash:
        crash.setattr(actions, "accept", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tasks.hand_over(job=job.code, now=timezone.now())

    tasks.hand_over(job=job.code, now=timezone.now())

    job.refresh_from_db()
    assert (job.state, job.native_id, len(liar.works)) == (JobState.QUEUED, "1", 1)


@pytest.mark.django_db
def test_a_refusal_fails_the_job_with_the_reason_and_gives_its_hours_back(
    ana, project, allocation, lying
):
    liar = lying(refuse=1.0)
    job = submit(project, ana)

    turns(liar, count=1)

    job.refresh_from_db()
    assert (job.state, job.reason, job.detail) == (
        JobState.FAILED,
        "Rejected",
        "it is not wanted here",
    )
    assert balance(allocation).free == 10 * HOUR
    assert LogEntry.objects.filter(event="job.ended", subject=job.code).count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("took_s", "rest_s"), [(0.5, 1), (1, 6), (6, 36), (7, 37), (600, 630)])
def test_a_slow_look_is_followed_by_a_rest_but_not_by_a_long_one(
    ana, project, allocation, lying, monkeypatch, took_s, rest_s
):
    liar = lying()
    submit(project, ana)
    turns(liar, count=1)
    now = timezone.now() + timedelta(hours=1)
    asked = liar.status

    def slowly(*arguments, **named):
        clock.monotonic = lambda: took_s
        return asked(*arguments, **named)

    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr(watching, "time", clock)
    liar.status = slowly
    tasks.watch(now=now)

    assert queries.cluster().poll_next_at == now + timedelta(seconds=rest_s)


NO_ACCOUNT = "Invalid account or account/partition combination specified"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("account", "late", "state"),
    [
        ("uz-prj-1", -timedelta(microseconds=1), JobState.CREATED),
        ("uz-prj-1", timedelta(0), JobState.FAILED),
        ("", -timedelta(microseconds=1), JobState.FAILED),
    ],
)
def test_a_job_waits_for_an_account_that_is_being_made(
    ana, project, allocation, lying, account, late, state
):
    liar = lying()
    liar.submit = lambda *_, **__: Rejected(NO_ACCOUNT)
    job = submit(project, ana)
    Job.objects.filter(pk=job.pk).update(site_account=account)

    tasks.hand_over(job=job.code, now=job.submitted_at + handing.ACCOUNT_WITHIN + late)

    job.refresh_from_db()
    assert (job.state, job.detail) == (state, NO_ACCOUNT)
    if state is JobState.CREATED:
        assert "is being made" in queries.why(job)
        del liar.submit
        liar.apply((AccountStep("add_account", account), AccountStep("add_user", account)))
        turns(liar, count=60, start=job.submitted_at + handing.ACCOUNT_WITHIN)
        job.refresh_from_db()
        assert job.state is JobState.DONE, (job.reason, job.detail)


@pytest.mark.django_db
def test_a_second_job_of_one_key_is_stopped_and_not_charged(ana, project, allocation, lying):
    liar = lying()
    job = submit(project, ana)
    turns(liar, count=1)
    job.refresh_from_db()
    liar.submit(spec(), key=job.native_key, run_dir=queries.run_dir(job), user="", account="")

    turns(liar, count=20)

    job.refresh_from_db()
    assert (job.state, job.native_id) == (JobState.DONE, "1")
    assert liar.works[1].units[0].state is JobState.CANCELLED
    assert Usage.objects.get(job=job).elapsed_s > 0
    assert not Usage.objects.exclude(job=job).exclude(project=None, transfer=None).exists()
    assert balance(allocation).spent == job.gpu_ms


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_lied_about_no_job_is_lost_doubled_or_charged_wrongly(
    ana, project, allocation, lying, seed
):
    liar = lying(
        seed=seed, silent=0.3, refuse=0.1, lost_reply=0.3, unknown=0.2, twice=0.5, late=0.3
    )
    jobs = [submit(project, ana, key=str(number)) for number in range(12)]
    now = turns(liar, count=40)
    liar.odds = {}
    turns(liar, count=80, start=now)

    states = [Job.objects.get(pk=job.pk) for job in jobs]
    assert all(job.state in ENDED and job.settled_at for job in states)
    assert {job.state for job in states} <= {JobState.DONE, JobState.FAILED}
    keys = [work.key for work in liar.works]
    assert len(keys) == len(set(keys))
    truth = sum(row.elapsed_s * row.gpus * 1000 for row in liar.truth())
    assert balance(allocation).spent == truth
    assert balance(allocation).held == 0
    assert ledger_queries.check_books().problems == []
    assert LogEntry.objects.filter(event="job.ended").count() == 12


@pytest.mark.django_db
def test_a_job_stopped_while_the_cluster_is_silent_never_reaches_it(
    ana, project, allocation, lying
):
    liar = lying(silent=1.0)
    job = submit(project, ana)
    turns(liar, count=1)

    job = actions.cancel(job, by=ana, now=timezone.now())
    liar.odds = {}
    turns(liar, count=40)

    assert (job.state, liar.works) == (JobState.CANCELLED, [])
    assert balance(allocation).free == 10 * HOUR


@pytest.mark.django_db
def test_a_full_disk_keeps_the_job_until_there_is_room(
    ana, project, allocation, lying, monkeypatch
):
    liar = lying()
    job = submit(project, ana)

    def no_room(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(liar, "lay", no_room)
        now = turns(liar, count=2)
    job.refresh_from_db()
    assert (job.state, job.reason) == (JobState.CREATED, "DiskFull")
    assert "no room" in queries.why(job)

    turns(liar, count=40, start=now)
    job.refresh_from_db()
    assert job.state is JobState.DONE


@pytest.mark.django_db
def test_what_is_in_doubt_is_told_apart_from_what_waits(ana, project, allocation, lying):
    lying(lost_reply=1.0)
    job = submit(project, ana)
    tasks.hand_over(job=job.code, now=timezone.now())
    job.refresh_from_db()

    assert "looked up" in queries.why(job)


# --- real processes, real Slurm -----------------------------------------------------------------


@pytest.mark.django_db
def test_the_time_limit_ends_a_job_and_says_so(ana, project, allocation, cluster_kind):
    job = submit(project, ana, command="sleep 300", time_limit_s=2)

    job = work_until_settled(job.code)

    assert (job.state, job.reason) == (JobState.FAILED, "TimeLimit")
    assert job.gpu_ms == queries.usage_of(job).get().elapsed_s * 1000 >= 2000


@pytest.mark.django_db
def test_a_running_job_is_stopped_and_charged_until_then(ana, project, allocation, cluster_kind):
    job = submit(project, ana, command="sleep 300", time_limit_s=600)
    work(until=lambda: Job.objects.get(pk=job.pk).state is JobState.RUNNING)
    time.sleep(1.1)

    actions.cancel(job, by=ana, now=timezone.now())
    job = work_until_settled(job.code)

    assert job.state is JobState.CANCELLED
    assert 0 < job.gpu_ms < 300_000
    assert balance(allocation).free == 10 * HOUR - job.gpu_ms


@pytest.mark.django_db
@needs_slurm
def test_while_slurm_is_away_jobs_are_kept_and_handed_over_when_it_is_back(
    ana, project, allocation, on_slurm, tmp_path
):
    running = submit(project, ana, key="before", command="sleep 25")
    work(until=lambda: Job.objects.get(pk=running.pk).state is JobState.RUNNING)
    text = Path(SLURM_CONF).read_text()
    away = tmp_path / "slurm.conf"
    away.write_text(
        "\n".join(
            "SlurmctldPort=1" if line.startswith("SlurmctldPort=") else line
            for line in text.splitlines()
        )
        + "\nMessageTimeout=2\n"
    )
    config = settings.UZINA
    gone = replace(config, scheduler=replace(config.scheduler, slurm_conf=str(away)))

    job = submit(project, ana, key="while")
    with override_settings(UZINA=gone):
        work(until=lambda: Job.objects.get(pk=job.pk).reason == "SchedulerDown", seconds=90)
        work(until=lambda: queries.cluster().silent_since is not None, seconds=90)
    job.refresh_from_db()
    running.refresh_from_db()
    assert job.state is JobState.CREATED
    assert "kept and will be handed over" in queries.why(job)
    assert running.state is JobState.RUNNING
    assert "does not answer" in queries.why(running)

    job, running = work_until_settled(job.code, running.code, seconds=120)
    assert (job.state, running.state) == (JobState.DONE, JobState.DONE)
    assert balance(allocation).spent == job.gpu_ms + running.gpu_ms


@pytest.mark.django_db
@needs_slurm
def test_fifty_jobs_through_real_slurm_are_charged_to_the_exact_sum_of_its_accounting(
    ana, project, allocation, on_slurm
):
    jobs = [
        submit(project, ana, key=str(number), command=f"sleep 0.{number % 10}", gpus=1 + number % 2)
        for number in range(50)
    ]

    jobs = work_until_settled(*[job.code for job in jobs], seconds=240)

    told = subprocess.run(
        [
            "sacct",
            "-n",
            "-P",
            "-X",
            "-D",
            "-A",
            "uzina",
            "-S",
            "now-1hour",
            "-o",
            "JobName,ElapsedRaw,AllocTRES",
        ],
        env=os.environ | {"SLURM_CONF": SLURM_CONF},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    keys = {job.native_key for job in jobs}
    truth, rows = 0, 0
    for line in told.splitlines():
        name, elapsed, tres = line.rsplit("|", 2)
        if name.rpartition(".")[2] in keys:
            gpus = int(dict(part.split("=") for part in tres.split(","))["gres/gpu"])
            truth += gpus * int(elapsed) * 1000
            rows += 1
    assert rows == 50
    assert all(job.state is JobState.DONE for job in jobs)
    assert sum(job.gpu_ms for job in jobs) == truth
    assert balance(allocation).spent == truth
    assert balance(allocation).held == 0
    assert ledger_queries.check_books().problems == []


WORKER = """
import os, sys
import django
django.setup()
from dataclasses import replace
from django.conf import settings
from pathlib import Path
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
base = Path(sys.argv[2])
config = settings.UZINA
settings.UZINA = replace(
    config,
    folders=replace(config.folders, var=base / "var"),
    scheduler=replace(config.scheduler, run_root=base / "runs", state=base / "scheduler",
                      cpus=2, gpus=2),
)
from uzina.compute import tasks
if sys.argv[3] != "whole":
    # Die at the named moment of handing over, as kill -9 would.
    from uzina.compute import actions
    from uzina.compute.adapters.local import LocalScheduler
    def die(*_, **__):
        os.kill(os.getpid(), 9)
    if sys.argv[3] == "before":
        LocalScheduler.submit = die
    else:
        actions.accept = die
from datetime import timedelta
from uzina.core.promises import Worker
worker = Worker(f"w{os.getpid()}", lease=timedelta(seconds=1))
import time
end = time.monotonic() + 120
while time.monotonic() < end:
    if not worker.run_one():
        time.sleep(0.05)
"""


def start_worker(folders, moment):
    from django.db import connection

    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        "PYTHONWARNINGS": "ignore",
    }
    return subprocess.Popen(
        [sys.executable, "-c", WORKER, connection.settings_dict["NAME"], str(folders), moment],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_killed_while_it_hands_over_is_replaced_and_the_job_runs_once(
    ana, project, allocation, folders, moment
):
    job = submit(project, ana, command="echo ran >>count; sleep 0.2")
    with start_worker(folders, moment) as killed:
        assert killed.wait(timeout=60) == -signal.SIGKILL
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.CREATED, 1)

    time.sleep(1.1)
    job = work_until_settled(job.code)

    assert job.state is JobState.DONE
    assert (queries.run_dir(job) / "count").read_text() == "ran\n"


@pytest.mark.django_db(transaction=True)
def test_jobs_that_run_and_wait_outlive_a_worker_that_is_killed(ana, project, allocation, folders):
    jobs = [
        submit(project, ana, key=str(number), command="sleep 2; echo ran >>count", gpus=2)
        for number in range(2)
    ]
    worker = start_worker(folders, "whole")
    with worker:
        until = time.monotonic() + 120
        while not (folders / "runs" / jobs[0].code / "logs").exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        while not Job.objects.filter(pk=jobs[1].pk, state=JobState.QUEUED).exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        worker.kill()

    time.sleep(1.1)
    jobs = work_until_settled(*[job.code for job in jobs])

    assert [job.state for job in jobs] == [JobState.DONE, JobState.DONE]
    for job in jobs:
        assert (queries.run_dir(job) / "count").read_text() == "ran\n"
        assert job.gpu_ms == 2 * queries.usage_of(job).get().elapsed_s * 1000 >= 2 * 2000
