"""Many jobs at once are taken on and handed over as one after another would be."""

import time

import pytest
from django.utils import timezone

from uzina.compute import actions, adapters, tasks
from uzina.compute.adapters.scripted import ScriptedScheduler
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.compute.tasks import handing
from uzina.compute.tests.conftest import HOUR, balance, spec
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import Worker
from uzina.ledger import queries as ledger_queries

pytestmark = pytest.mark.django_db
SPEC = {"name": "Burst", "command": ["true"], "gpus": 1, "time_limit_s": 60}
HELD = 60_000


@pytest.fixture
def cluster(monkeypatch):
    """A scripted cluster in the place of the configured one."""
    scripted = ScriptedScheduler(clock=int(time.time()))
    monkeypatch.setattr(adapters, "scheduler", lambda: scripted)
    monkeypatch.setattr(handing, "LOOK_AGAIN_S", 0.0)
    return scripted


def submit(project, ana, count, **changes):
    wanted = {str(number): spec(name=f"Job {number}", **changes) for number in range(count)}
    return actions.submit_many(project, wanted=wanted, by=ana, now=timezone.now())


def hand_over(jobs):
    tasks.hand_over_many(each=[{"job": job.code} for job in jobs], now=timezone.now())
    return [Job.objects.get(pk=job.pk) for job in jobs]


def test_a_burst_holds_the_hours_of_each_job_and_promises_each(ana, project, allocation):
    jobs = submit(project, ana, 5)

    assert [job.name for job in jobs] == [f"Job {number}" for number in range(5)]
    assert balance(allocation).held == 5 * HELD
    assert {job.hold.subject for job in jobs} == {job.code for job in jobs}
    assert Promise.objects.filter(task="compute.hand_over").count() == 5
    assert LogEntry.objects.filter(event="job.submitted").count() == 5
    assert ledger_queries.check_books().problems == []


def test_a_burst_again_is_the_same_jobs(ana, project, allocation):
    before = [job.code for job in submit(project, ana, 3)]
    assert [job.code for job in submit(project, ana, 3)] == before
    assert balance(allocation).held == 3 * HELD

    with pytest.raises(Refused) as refused:
        submit(project, ana, 3, gpus=2)
    assert refused.value.code == "job.submit.key_reused"


def test_a_burst_that_does_not_fit_leaves_no_trace(ana, project, allocation):
    fits = 10 * HOUR // HELD
    with pytest.raises(Refused) as refused:
        submit(project, ana, fits + 1)
    assert refused.value.code == "allocation.hold.too_big"
    assert not Job.objects.exists()
    assert balance(allocation).free == 10 * HOUR
    assert not Promise.objects.filter(task="compute.hand_over").exists()


def test_strangers_cannot_burst(stranger, project, allocation):
    with pytest.raises(NotAllowed) as refused:
        submit(project, stranger, 2)
    assert refused.value.code == "job.submit.not_a_member"


def test_what_waits_for_others_comes_with_a_burst_and_waits(ana, project, allocation):
    first = submit(project, ana, 1)[0]
    wanted = {"a": spec(), "b": spec(after=[first.code])}
    now_, later = actions.submit_many(project, wanted=wanted, by=ana, now=timezone.now())
    assert (now_.reason, later.reason) == ("HandOver", "Dependency")


def test_a_burst_over_http_is_handed_over_once_each(ana, project, allocation, api, cluster):
    client = api(ana)

    def post(key):
        return client.post(
            "/api/v1/compute/jobs/batch",
            {"project": project.code, "specs": [SPEC] * 60},
            content_type="application/json",
            headers={"Idempotency-Key": key},
        )

    reply = post("one")
    assert reply.status_code == 201
    codes = [item["code"] for item in reply.json()["items"]]
    assert len(set(codes)) == 60
    assert post("one").json() == reply.json()
    worker = Worker("w")
    while worker.run_one():
        pass

    jobs = Job.objects.filter(code__in=codes)
    assert {(job.state, job.attempts) for job in jobs} == {(JobState.QUEUED, 1)}
    assert {job.native_key: job.native_id for job in jobs} == {
        work.key: work.native_id for work in cluster.works
    }
    assert len(cluster.works) == 60


def test_a_wrong_description_in_a_burst_is_pointed_at(ana, project, allocation, api):
    reply = api(ana).post(
        "/api/v1/compute/jobs/batch",
        {"project": project.code, "specs": [SPEC, SPEC | {"gpus": -1}]},
        content_type="application/json",
        headers={"Idempotency-Key": "k"},
    )
    assert reply.status_code == 422
    assert "specs.1.gpus" in reply.content.decode()
    assert not Job.objects.exists()


def test_answers_lost_in_a_burst_make_no_second_jobs(ana, project, allocation, cluster):
    jobs = submit(project, ana, 12)
    cluster.odds = {"lost_reply": 0.5}
    jobs = hand_over(jobs)
    lost = [job for job in jobs if job.reason == "Uncertain"]
    assert lost
    cluster.odds = {}

    for job in jobs:
        tasks.hand_over(job=job.code, now=timezone.now())

    assert {job.state for job in Job.objects.all()} == {JobState.QUEUED}
    assert sorted(work.key for work in cluster.works) == sorted(job.native_key for job in jobs)


def test_once_the_cluster_is_silent_it_is_not_asked_for_the_rest_of_a_burst(
    ana, project, allocation, cluster, monkeypatch
):
    jobs = submit(project, ana, 40)
    asked = []
    cluster.odds = {"silent": 1.0}
    truly = cluster.submit
    monkeypatch.setattr(cluster, "submit", lambda *a, **k: asked.append(1) or truly(*a, **k))

    jobs = hand_over(jobs)

    assert {(job.state, job.reason) for job in jobs} == {(JobState.CREATED, "SchedulerDown")}
    assert len(asked) <= handing.AT_ONCE
    assert cluster.works == []


def test_a_crash_in_a_burst_is_looked_up_job_by_job(ana, project, allocation, cluster, monkeypatch):
    jobs = submit(project, ana, 6)
    with monkeypatch.context() as crash:
        crash.setattr(actions, "accept_many", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hand_over(jobs)
    assert len(cluster.works) == 6

    for job in jobs:
        tasks.hand_over(job=job.code, now=timezone.now())

    assert len(cluster.works) == 6
    assert {(job.state, job.attempts) for job in Job.objects.all()} == {(JobState.QUEUED, 2)}


def test_jobs_stopped_or_begun_before_are_left_out_of_a_burst(ana, project, allocation, cluster):
    stopped, begun, fresh = submit(project, ana, 3)
    actions.cancel(stopped, by=ana, now=timezone.now())
    actions.begin_attempt(begun, now=timezone.now())

    stopped, begun, fresh = hand_over([stopped, begun, fresh])

    assert (stopped.state, stopped.attempts) == (JobState.CANCELLED, 0)
    assert (begun.state, begun.attempts) == (JobState.QUEUED, 2)
    assert (fresh.state, fresh.attempts) == (JobState.QUEUED, 1)
    assert len(cluster.works) == 2
