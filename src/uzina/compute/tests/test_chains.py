"""Jobs that wait for jobs, chains past the time limit, arrays, outputs: on every cluster there is."""

import json

import pytest
from django.utils import timezone

from uzina.compute import actions, queries, tasks
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.compute.tests.conftest import HOUR, balance, spec, work, work_until_settled
from uzina.core.errors import Refused
from uzina.core.models import LogEntry, Promise

pytestmark = pytest.mark.django_db

LINK = """
echo step >>progress; echo '{"step": 1}' >>metrics.jsonl
[ "$(wc -l <progress)" -ge 3 ] && exit 0
until [ -e STOP ]; do sleep 0.1; done
"""
"""A program that saves its work when told to stop, and has finished on its third start."""


def submit(project, ana, key="key-1", command="true", **changes):
    described = spec(command, gpus=0, **changes)
    return actions.submit(project, spec=described, by=ana, now=timezone.now(), key=key)


def over(*codes):
    """Tell whether jobs are over and all that follows their ends is done."""
    return not (
        Job.objects.filter(code__in=codes, settled_at=None).exists()
        or Promise.objects.filter(task="compute.follow_up").exclude(state="done").exists()
    )


def links(first):
    found = [first]
    while follower := queries.next_link(found[-1]):
        found.append(follower)
    return [Job.objects.get(pk=one.pk) for one in found]


def chain_is_over(first):
    last = links(first)[-1]
    return "why" in last.chain and last.settled_at is not None


# --- chains ---


def test_a_chain_goes_on_past_its_time_limit_until_the_program_has_finished(
    ana, project, allocation, cluster_kind
):
    first = submit(project, ana, command=LINK, chain=5, time_limit_s=4, stop_before_s=3)
    work(until=lambda: chain_is_over(first))

    one, two, three = links(first)

    assert [job.state for job in (one, two, three)] == [JobState.DONE] * 3
    assert (two.continues, three.continues) == (one, two)
    assert [job.chain_left for job in (one, two, three)] == [5, 4, 3]
    assert len({job.run_dir for job in (one, two, three)}) == 1
    assert three.chain["why"] == "finished"
    assert (queries.run_dir(one) / "progress").read_text() == "step\n" * 3
    assert balance(allocation).held == 0


def test_a_chain_whose_program_is_killed_at_the_limit_goes_on_and_keeps_to_its_links(
    ana, project, allocation, cluster_kind
):
    program = "echo step >>progress; trap '' TERM; sleep 60"
    first = submit(project, ana, command=program, chain=1, time_limit_s=2, stop_before_s=1)
    work(until=lambda: chain_is_over(first))

    one, two = links(first)

    assert (one.state, one.reason) == (JobState.FAILED, "TimeLimit")
    assert (two.reason, two.chain_left, two.chain["why"]) == ("TimeLimit", 0, "links")


def test_a_link_that_made_no_step_ends_the_chain_and_says_so(ana, project, allocation):
    program = "echo talk; until [ -e STOP ]; do sleep 0.1; done"
    first = submit(project, ana, command=program, chain=9, time_limit_s=3, stop_before_s=2)
    work(until=lambda: chain_is_over(first))

    [only] = links(first)

    assert only.chain["why"] == "no_step"
    assert LogEntry.objects.filter(event="job.chain_ended", subject=only.code).count() == 1


def ended_link(project, ana, **changes):
    """Return a link that ran into its limit, with a step made, as if a cluster had said so."""
    job = submit(project, ana, chain=3, time_limit_s=600)
    Job.objects.filter(pk=job.pk).update(
        state="failed", reason="TimeLimit", settled_at=timezone.now(), gpu_ms=0, **changes
    )
    return Job.objects.get(pk=job.pk)


def chain_on(job, **changes):
    facts = {"was_stopped": True, "said": None, "mark": "further"}
    return actions.chain_on(job, now=timezone.now(), **facts | changes)


def test_a_link_follows_once_however_often_the_news_comes(ana, project, allocation):
    job = ended_link(project, ana)

    first = chain_on(job)

    assert (first.continues, first.chain_left) == (job, 2)
    assert chain_on(job).pk == first.pk
    assert Job.objects.count() == 2


def test_a_chain_without_hours_ends_with_the_refusal_in_words(ana, project, allocation):
    job = ended_link(project, ana)
    submit(project, ana, key="rest", cpus=20, time_limit_s=balance(allocation).free // 1000)
    before = (Job.objects.count(), balance(allocation).held)

    assert chain_on(job) is None

    job.refresh_from_db()
    assert (job.chain["why"], job.chain["code"]) == ("refused", "allocation.hold.too_big")
    assert (Job.objects.count(), balance(allocation).held) == before


@pytest.mark.parametrize(
    ("changes", "facts", "why"),
    [
        ({"cancel_asked_at": timezone.now()}, {}, "cancelled"),
        ({"state": "done", "reason": "None"}, {"was_stopped": False}, "finished"),
        ({"state": "done", "reason": "None"}, {"said": False}, "finished"),
        ({"state": "failed", "reason": "NonZeroExitCode"}, {}, "failed"),
        ({"state": "lost", "reason": "Vanished"}, {}, "failed"),
        ({}, {"said": False}, "failed"),
        ({}, {"mark": ""}, "no_step"),
        ({"chain_left": 0}, {}, "links"),
        ({"chain_left": 1}, {}, None),
        ({"state": "done", "reason": "None"}, {}, None),
    ],
)
def test_why_a_chain_ends(ana, project, allocation, changes, facts, why):
    job = ended_link(project, ana)
    Job.objects.filter(pk=job.pk).update(**changes)

    follower = chain_on(job, **facts)

    job.refresh_from_db()
    assert (follower is None, job.chain.get("why")) == (why is not None, why)


# --- dependencies ---


def test_a_job_starts_after_the_one_it_waits_for_was_done(ana, project, allocation, cluster_kind):
    first = submit(project, ana, command="sleep 1; date +%s%N >ended")
    second = submit(project, ana, "key-2", "date +%s%N >began", after=[first.code])
    assert (second.reason, queries.why(second)) == (
        "Dependency", "It waits for another job to end.",
    )  # fmt: skip
    work(until=lambda: over(first.code, second.code))

    first, second = (Job.objects.get(pk=one.pk) for one in (first, second))

    ended = int((queries.run_dir(first) / "ended").read_text())
    began = int((queries.run_dir(second) / "began").read_text())
    assert second.state is JobState.DONE
    assert ended < began


def test_a_job_whose_wait_is_in_vain_ends_with_a_reason_and_gives_its_hours_back(
    ana, project, allocation
):
    first = submit(project, ana, command="exit 3")
    in_vain = submit(project, ana, "key-2", after=[first.code])
    in_vain_too = submit(project, ana, "key-3", after=[in_vain.code])
    any_end = submit(project, ana, "key-4", after_any=[first.code])
    codes = [one.code for one in (first, in_vain, in_vain_too, any_end)]
    work(until=lambda: over(*codes))

    _first, second, third, fourth = (Job.objects.get(code=code) for code in codes)

    assert (second.state, second.gpu_ms, second.detail) == (JobState.CANCELLED, 0, first.code)
    assert second.reason == third.reason == "DependencyNeverSatisfied"
    assert (third.detail, fourth.state) == (second.code, JobState.DONE)
    assert balance(allocation).held == 0


def test_a_job_that_comes_after_a_chain_waits_for_its_last_link(ana, project, allocation):
    link = ended_link(project, ana)
    later = submit(project, ana, "key-2", after=[link.code])
    assert later.reason == "Dependency"
    follower = chain_on(link)

    actions.release(later, now=timezone.now())
    later.refresh_from_db()
    assert later.reason == "Dependency"
    assert [one.pk for one in queries.waiting_for(follower)] == [later.pk]

    Job.objects.filter(pk=follower.pk).update(
        state="done", settled_at=timezone.now(), gpu_ms=0, chain={"why": "finished"}
    )
    later = actions.release(later, now=timezone.now())
    assert later.reason == "HandOver"


def test_a_job_waits_only_for_jobs_of_its_own_project(ana, project, allocation, grant_hours):
    before = (Job.objects.count(), balance(allocation).held)
    with pytest.raises(Refused) as refused:
        submit(project, ana, after=["JOB-0000"])
    assert refused.value.code == "job.submit.no_such_job"
    assert (Job.objects.count(), balance(allocation).held) == before


def test_a_wait_that_is_in_vain_from_the_start_is_refused(ana, project, allocation):
    first = actions.cancel(submit(project, ana), by=ana, now=timezone.now())
    before = (Job.objects.count(), balance(allocation).held)
    with pytest.raises(Refused) as refused:
        submit(project, ana, "key-2", after=[first.code])
    assert refused.value.code == "job.submit.after_hopeless"
    assert (Job.objects.count(), balance(allocation).held) == before
    assert submit(project, ana, "key-3", after_any=[first.code]).reason == "HandOver"


def test_a_job_that_waits_for_another_can_be_cancelled_and_is_never_handed_over(
    ana, project, allocation
):
    first = submit(project, ana)
    second = submit(project, ana, "key-2", after=[first.code])
    tasks.hand_over(job=second.code, now=timezone.now())
    second.refresh_from_db()
    assert (second.state, second.attempts) == (JobState.CREATED, 0)

    second = actions.cancel(second, by=ana, now=timezone.now())
    assert (second.state, second.gpu_ms) == (JobState.CANCELLED, 0)


# --- what is run again, what is left behind ---


def test_a_job_is_run_again_exactly_in_a_directory_of_its_own(ana, project, allocation):
    job = submit(project, ana, command="echo a", environment={"SEED": "7"})

    again = actions.rerun(job, by=ana, now=timezone.now(), key="again")

    assert (again.rerun_of, again.spec) == (job, job.spec)
    assert again.run_dir != job.run_dir
    assert actions.rerun(job, by=ana, now=timezone.now(), key="again").pk == again.pk
    assert balance(allocation).held == 2 * job.held_gpu_ms


def test_outputs_are_listed_with_their_checksums_and_no_link_is_followed(
    ana, project, allocation, cluster_kind
):
    command = (
        "mkdir -p export/deep; printf abc >export/deep/a.txt; printf x >other.txt;"
        " ln -s /etc/passwd export/link; ln -s /etc export/etc; printf log >export/b.log"
    )
    job = submit(project, ana, command=command, outputs=["export/**/*.txt", "export/link"])
    work(until=lambda: over(job.code))

    listed = json.loads((queries.run_dir(job) / "outputs.json").read_text())

    assert listed == {
        "outputs": [
            {
                "path": "export/deep/a.txt",
                "bytes": 3,
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            }
        ]
    }


def test_what_a_job_really_used_is_kept(ana, project, allocation):
    job = submit(project, ana, command="python3 -c 'sum(range(3*10**7))'")
    work(until=lambda: over(job.code))

    job = Job.objects.get(pk=job.pk)

    assert job.effort["cpu_s"] > 0
    assert job.effort["max_rss_mb"] > 0
    assert "energy_j" not in job.effort


# --- arrays ---


def test_each_task_of_an_array_runs_by_itself_and_all_are_charged(
    ana, project, allocation, cluster_kind
):
    command = "echo task $UZINA_TASK_ID $SLURM_ARRAY_TASK_ID; sleep 1; [ $UZINA_TASK_ID != 3 ]"
    job = submit(project, ana, command=command, array="1-3%2", cpus=1)
    assert job.held_gpu_ms == 3 * 60 * 50
    job = work_until_settled(job.code)

    runs = list(queries.usage_of(job))

    logs = queries.run_dir(job) / "logs"
    for number in (1, 2, 3):
        assert (logs / f"stdout-{number}.log").read_text() == f"task {number} {number}\n"
    assert {run.native_id.partition("_")[2] for run in runs} == {"1", "2", "3"}
    assert job.state is JobState.FAILED
    assert job.gpu_ms == sum(run.gpu_ms for run in runs) >= 3 * 50
    assert balance(allocation).held == 0
    assert balance(allocation).free == 10 * HOUR - job.gpu_ms


def test_a_cancelled_array_ends_all_its_tasks(ana, project, allocation, cluster_kind):
    job = submit(project, ana, command="sleep 100", array="0-2%1")
    work(until=lambda: Job.objects.get(pk=job.pk).state is JobState.RUNNING)
    actions.cancel(job, by=ana, now=timezone.now())

    job = work_until_settled(job.code)

    assert job.state is JobState.CANCELLED
    assert balance(allocation).held == 0
