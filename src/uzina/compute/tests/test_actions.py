"""What each verb changes, logs and promises, and that a refusal changes nothing."""

import pytest
from django.utils import timezone

from uzina.compute import actions, queries, rules
from uzina.compute.models import Job, Usage
from uzina.compute.rules import JobState, Sight, Step
from uzina.compute.tests.conftest import HOUR, balance, spec, work_until_settled
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.ledger import queries as ledger_queries

pytestmark = pytest.mark.django_db


def submit(project, ana, key="key-1", **changes):
    return actions.submit(project, spec=spec(**changes), by=ana, now=timezone.now(), key=key)


def traces():
    return (
        Job.objects.count(),
        LogEntry.objects.count(),
        Promise.objects.count(),
        ledger_queries.check_books().transfers,
    )


def test_submit_holds_the_hours_logs_and_promises_to_hand_over(ana, project, allocation):
    job = submit(project, ana, gpus=2, time_limit_s=1800)

    assert job.state is JobState.CREATED
    assert job.held_gpu_ms == 2 * 1800 * 1000
    assert balance(allocation).held == HOUR
    assert balance(allocation).free == 9 * HOUR
    assert LogEntry.objects.filter(event="job.submitted", subject=job.code, actor=ana.code).exists()
    [promised] = Promise.objects.filter(task="compute.hand_over")
    assert promised.args == {"job": job.code}


def test_the_same_key_gives_the_same_job_and_one_hold(ana, project, allocation):
    first = submit(project, ana)
    before = traces()

    assert submit(project, ana).pk == first.pk
    assert traces() == before


def test_the_same_key_for_another_job_is_refused(ana, project, allocation):
    first = submit(project, ana)
    before = traces()

    with pytest.raises(Refused, match=first.code) as refused:
        submit(project, ana, time_limit_s=61)

    assert refused.value.code == "job.submit.key_reused"
    assert traces() == before


@pytest.mark.parametrize(("seconds", "is_taken"), [(36_000, True), (36_001, False)])
def test_a_job_may_ask_for_all_that_is_left_and_not_a_second_more(
    ana, project, allocation, seconds, is_taken
):
    before = traces()
    if is_taken:
        submit(project, ana, time_limit_s=seconds)
        assert balance(allocation).free == 0
        return

    with pytest.raises(Refused, match=r"10") as refused:
        submit(project, ana, time_limit_s=seconds)

    assert refused.value.code == "allocation.hold.too_big"
    assert traces() == before
    assert balance(allocation).free == 10 * HOUR


def test_what_another_job_holds_is_not_there_to_ask_for(ana, project, allocation):
    submit(project, ana, time_limit_s=30_000)

    with pytest.raises(Refused, match=r"1\.6|1\.7"):
        submit(project, ana, key="key-2", time_limit_s=6_001)


def test_strangers_and_operators_cannot_spend_a_projects_hours(
    ana, project, allocation, stranger, operator
):
    before = traces()
    for person in (stranger, operator):
        with pytest.raises(NotAllowed) as refused:
            submit(project, person)
        assert refused.value.code == "job.submit.not_a_member"
    assert traces() == before


def test_a_project_without_hours_is_told_so(ana, project):
    before = traces()
    with pytest.raises(Refused) as refused:
        submit(project, ana)

    assert refused.value.code == "job.submit.no_allocation"
    assert traces() == before


def test_a_job_goes_on_in_the_directory_of_one_that_is_over(ana, project, allocation):
    now = timezone.now()
    first = submit(project, ana)
    with pytest.raises(Refused) as refused:
        actions.submit(project, spec=spec(), by=ana, now=now, key="key-2", continues=first)
    assert refused.value.code == "job.submit.still_running"
    first = actions.cancel(first, by=ana, now=now)

    second = actions.submit(project, spec=spec(), by=ana, now=now, key="key-2", continues=first)

    assert second.run_dir == first.run_dir
    with pytest.raises(Refused, match=second.code):
        actions.submit(project, spec=spec(), by=ana, now=now, key="key-3", continues=first)


def test_an_input_that_is_not_there_is_refused_before_anything_is_held(ana, project, allocation):
    before = traces()
    with pytest.raises(Refused, match="ro-corpus@3"):
        submit(project, ana, inputs=["ro-corpus@3"])
    assert traces() == before


def test_a_job_that_never_left_the_factory_is_cancelled_at_once(ana, project, allocation):
    job = submit(project, ana)

    job = actions.cancel(job, by=ana, now=timezone.now())

    assert (job.state, job.gpu_ms) == (JobState.CANCELLED, 0)
    assert balance(allocation).free == 10 * HOUR
    assert LogEntry.objects.get(event="job.ended").facts["state"] == "cancelled"


def test_an_ended_job_cannot_be_cancelled(ana, project, allocation):
    job = actions.cancel(submit(project, ana), by=ana, now=timezone.now())

    with pytest.raises(Refused) as refused:
        actions.cancel(job, by=ana, now=timezone.now())

    assert refused.value.code == "job.cancel.not_now"


def test_who_is_not_in_the_project_cannot_cancel(ana, project, allocation, stranger, operator):
    job = submit(project, ana)
    with pytest.raises(NotAllowed) as refused:
        actions.cancel(job, by=stranger, now=timezone.now())
    assert refused.value.code == "job.cancel.not_yours"

    assert actions.cancel(job, by=operator, now=timezone.now()).state is JobState.CANCELLED


def accepted(project, ana, **changes):
    job = submit(project, ana, **changes)
    actions.begin_attempt(job, now=timezone.now())
    return actions.accept(job, native_id="7", submitted_s=1000, now=timezone.now())


def sight(job, state, **changes):
    facts = {
        "native_id": "7",
        "key": job.native_key,
        "reason": "None",
        "submitted_s": 1000,
        "started_s": 1001,
        "ended_s": None,
        "exit_code": None,
    }
    return Sight(state=state, **(facts | changes))


def see(job, state, **changes):
    step = Step("observe", job.native_key, sight(job, state, **changes))
    return actions.observe(job, step=step, now=timezone.now())


def usage_row(job, **changes):
    from uzina.compute.ports import UsageRow

    facts = {
        "native_id": "7",
        "key": job.native_key,
        "submitted_s": 1000,
        "started_s": 1001,
        "ended_s": 1011,
        "nodes": 1,
        "cpus": 1,
        "gpus": 1,
        "state": "COMPLETED",
        "raw": "",
    }
    return UsageRow(**(facts | changes))


def measured(job, *rows):
    from uzina.compute.ports import UsagePage

    actions.measure(job.cluster, page=UsagePage(rows, 2000), now=timezone.now())
    return actions.settle(job, now=timezone.now())


def test_a_finished_job_is_charged_what_was_measured_once_it_is(ana, project, allocation):
    job = see(accepted(project, ana, gpus=2), JobState.DONE, ended_s=1011, exit_code=0)
    assert (job.state, job.settled_at) == (JobState.DONE, None)
    assert actions.settle(job, now=timezone.now()).settled_at is None

    job = measured(job, usage_row(job, gpus=2))

    assert job.gpu_ms == 2 * 10 * 1000
    after = balance(allocation)
    assert (after.spent, after.held, after.free) == (20_000, 0, 10 * HOUR - 20_000)
    assert LogEntry.objects.get(event="job.ended").facts["gpu_ms"] == 20_000


def test_a_row_that_comes_twice_is_kept_and_charged_once(ana, project, allocation):
    job = see(accepted(project, ana), JobState.DONE, ended_s=1011, exit_code=0)
    row = usage_row(job)

    measured(job, row, row)
    job = measured(job, row)

    assert Usage.objects.count() == 1
    assert (job.gpu_ms, balance(allocation).spent) == (10_000, 10_000)
    assert LogEntry.objects.filter(event="job.ended").count() == 1


def test_rows_of_others_and_of_a_second_hand_over_are_not_ours(ana, project, allocation):
    job = see(accepted(project, ana), JobState.DONE, ended_s=1011, exit_code=0)

    job = measured(job, usage_row(job, native_id="8"), usage_row(job, key="somebody-else"))

    assert list(Usage.objects.values_list("job", "project")) == [(None, None)] * 2
    assert job.settled_at is None
    assert balance(allocation).spent == 0


def test_every_run_of_a_job_is_charged_but_not_those_a_node_cut_off(ana, project, allocation):
    job = accepted(project, ana)
    job = see(job, JobState.DONE, submitted_s=1100, started_s=1101, ended_s=1105, exit_code=0)
    job = measured(
        job,
        usage_row(job, state="NODE_FAIL"),
        usage_row(job, submitted_s=1050, started_s=1051, ended_s=1053, state="PREEMPTED"),
        usage_row(job, submitted_s=1100, started_s=1101, ended_s=1105),
    )

    assert job.gpu_ms == 4 * 1000


def test_a_job_cancelled_while_it_waited_costs_nothing(ana, project, allocation):
    job = accepted(project, ana)
    job = see(job, JobState.CANCELLED, started_s=None, ended_s=1005, reason="Cancelled")

    assert (job.gpu_ms, balance(allocation).free) == (0, 10 * HOUR)


def test_a_node_failure_is_not_charged(ana, project, allocation):
    job = see(accepted(project, ana), JobState.FAILED, ended_s=1011, reason="NodeFail")

    assert (job.state, job.gpu_ms) == (JobState.FAILED, 0)
    assert balance(allocation).free == 10 * HOUR


def test_what_was_used_beyond_the_hold_is_charged_too(ana, project, allocation):
    job = see(accepted(project, ana, time_limit_s=5), JobState.FAILED, ended_s=1011, exit_code=124)
    job = measured(job, usage_row(job, state="FAILED"))

    assert (job.reason, job.gpu_ms) == ("TimeLimit", 10_000)
    assert balance(allocation).spent == 10_000


def test_a_job_without_gpus_pays_the_share_its_cores_keep_away(ana, project, allocation):
    job = accepted(project, ana, gpus=0, cpus=4)
    assert job.held_gpu_ms == 4 * 60 * 50
    job = see(job, JobState.DONE, ended_s=1011, exit_code=0)
    job = measured(job, usage_row(job, gpus=0, cpus=4))

    assert job.gpu_ms == 4 * 10 * 50


def test_an_absent_job_is_lost_only_after_a_while_and_costs_nothing(ana, project, allocation):
    job = accepted(project, ana)
    now = timezone.now()
    job = actions.observe(job, step=Step("miss", job.native_key), now=now)
    assert (job.state, job.missing_since) == (JobState.QUEUED, now)

    job = actions.observe(job, step=Step("lose", job.native_key), now=now + rules.FORGET_AFTER)

    assert (job.state, job.gpu_ms) == (JobState.LOST, 0)
    assert balance(allocation).free == 10 * HOUR


def test_an_ended_job_stays_as_it_ended(ana, project, allocation):
    job = see(accepted(project, ana), JobState.DONE, ended_s=1011, exit_code=0)

    assert see(job, JobState.RUNNING).state is JobState.DONE


def test_a_second_job_in_one_directory_really_runs(ana, project, allocation, cluster_kind):
    first = work_until_settled(submit(project, ana, command="echo one >>count").code)
    second = actions.submit(
        project,
        spec=spec("echo two >>count"),
        by=ana,
        now=timezone.now(),
        key="key-2",
        continues=first,
    )
    second = work_until_settled(second.code)

    assert (first.state, second.state) == (JobState.DONE, JobState.DONE)
    assert (queries.run_dir(second) / "count").read_text() == "one\ntwo\n"


def test_a_job_really_runs_is_measured_and_charged(ana, project, allocation, cluster_kind):
    job = submit(project, ana, command="echo hello; sleep 1", gpus=2)

    job = work_until_settled(job.code)

    assert (job.state, job.exit_code) == (JobState.DONE, 0)
    assert (queries.run_dir(job) / "logs" / "stdout.log").read_text() == "hello\n"
    [usage] = queries.usage_of(job)
    assert job.gpu_ms == 2 * usage.elapsed_s * 1000 > 0
    assert balance(allocation).spent == job.gpu_ms
    assert ledger_queries.check_books().problems == []
