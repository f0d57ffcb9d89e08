"""What the local scheduler promises beyond the port: a queue, slots, and surviving its callers."""

import json
import os
import signal
import threading
import time

import pytest

from uzina.compute.adapters.local import LocalScheduler
from uzina.compute.ports import Accepted, Rejected, SchedulerDown
from uzina.compute.rules import JobState
from uzina.compute.tests.test_scheduler import (
    is_gone,
    new_key,
    now_s,
    script,
    seen,
    submitted,
    text_of,
    wait_for,
)

GATE = "while [ ! -e ../open ]; do sleep 0.02; done"
"""What a job does until the test lets it go on, however slow the machine is."""


@pytest.fixture
def local(tmp_path):
    return LocalScheduler(
        folder=tmp_path / "scheduler", cpus=4, gpus=2, memory_mb=1000, grace_s=0.3
    )


@pytest.fixture
def run_dirs(tmp_path):
    def make(number):
        folder = tmp_path / f"run-{number}"
        folder.mkdir()
        return folder

    return make


def record(local, job, name):
    return json.loads((local.folder / "jobs" / job[0] / name).read_text())


def test_the_same_key_gives_the_same_job_which_runs_once(local, run_dirs):
    key, folder = new_key(), run_dirs(1)
    first = local.submit(script("echo ran >>count"), key=key, run_dir=folder, user="", account="")
    second = local.submit(script("echo ran >>count"), key=key, run_dir=folder, user="", account="")
    wait_for(local, (first.native_id, key), JobState.DONE)

    third = local.submit(script("echo ran >>count"), key=key, run_dir=folder, user="", account="")

    assert first == second == third
    assert (folder / "count").read_text() == "ran\n"


def test_many_callers_at_once_with_one_key_make_one_job(local, run_dirs):
    key, folder, answers = new_key(), run_dirs(1), []

    def call():
        answers.append(
            local.submit(script("echo ran >>count"), key=key, run_dir=folder, user="", account="")
        )

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(local, (answers[0].native_id, key), JobState.DONE)

    assert len({answer.native_id for answer in answers}) == 1
    assert (folder / "count").read_text() == "ran\n"


def test_no_two_running_jobs_share_a_gpu_and_the_first_to_come_is_the_first_to_run(local, run_dirs):
    text = f"echo $CUDA_VISIBLE_DEVICES; date +%s%N >began; {GATE}; date +%s%N >ended"
    folders = [run_dirs(number) for number in range(5)]
    jobs = [submitted(local, script(text, gpus=1), folder) for folder in folders]
    assert [seen(local, job).state for job in jobs[:2]] == [JobState.RUNNING] * 2
    assert seen(local, jobs[2]).reason == "Resources"
    assert seen(local, jobs[3]).reason == "Priority"
    (folders[0].parent / "open").touch()
    for job in jobs:
        wait_for(local, job, JobState.DONE)

    spans = [
        (
            int((folder / "began").read_text()),
            int((folder / "ended").read_text()),
            text_of(local, folder).strip(),
        )
        for folder in folders
    ]
    for index, (began, ended, gpu) in enumerate(spans):
        for other_began, other_ended, other_gpu in spans[index + 1 :]:
            assert gpu != other_gpu or ended <= other_began or other_ended <= began
    starts = [record(local, job, "started.json")["at"] for job in jobs]
    assert starts == sorted(starts)


def test_a_small_job_does_not_overtake_a_large_one_that_waits(local, run_dirs):
    folder = run_dirs(1)
    running = submitted(local, script(GATE, gpus=1), folder)
    large = submitted(local, script("true", gpus=2), run_dirs(2))
    small = submitted(local, script("true", gpus=1), run_dirs(3))

    assert seen(local, running).state is JobState.RUNNING
    assert seen(local, large).state is JobState.QUEUED
    assert seen(local, small).state is JobState.QUEUED
    (folder.parent / "open").touch()
    assert wait_for(local, small, JobState.DONE)
    assert record(local, large, "started.json")["at"] <= record(local, small, "started.json")["at"]


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({"cpus": 4}, True), ({"cpus": 5}, False), ({"gpus": 2}, True), ({"gpus": 3}, False),
        ({"memory_mb": 1000}, True), ({"memory_mb": 1001}, False), ({"nodes": 2}, False),
    ],
)  # fmt: skip
def test_a_job_larger_than_the_machine_is_rejected_with_what_it_has(
    local, run_dirs, changes, is_taken
):
    answer = local.submit(
        script("true", **changes), key=new_key(), run_dir=run_dirs(1), user="", account=""
    )

    assert isinstance(answer, Accepted if is_taken else Rejected)
    if not is_taken:
        assert str(next(iter(changes.values()))) in answer.reason


def test_a_job_that_takes_more_memory_than_it_asked_for_is_stopped(local, run_dirs):
    text = "exec python3 -c 'x = bytearray(300_000_000); import time; time.sleep(60)'"
    job = submitted(local, script(text, memory_mb=100), run_dirs(1))

    assert wait_for(local, job, JobState.FAILED).reason == "OutOfMemory"


def test_children_that_left_the_session_end_with_the_job(local, run_dirs):
    folder = run_dirs(1)
    text = "setsid bash -c 'trap \"\" TERM; echo $$ >child; sleep 300' & sleep 0.5; exit 0"
    job = submitted(local, script(text), folder)

    assert wait_for(local, job, JobState.DONE).exit_code == 0
    assert is_gone(int((folder / "child").read_text()))


def test_a_job_whose_supervisor_was_killed_is_lost_and_leaves_nothing_running(local, run_dirs):
    folder = run_dirs(1)
    text = "setsid sleep 300 & echo $! >child.part; mv child.part child; sleep 300"
    job = submitted(local, script(text, gpus=2), folder)
    while not (folder / "child").exists():
        time.sleep(0.02)
    started = record(local, job, "started.json")
    parent = int(open_stat(started["pid"])[1])

    os.kill(parent, signal.SIGKILL)
    sight = wait_for(local, job, JobState.LOST)

    assert sight.reason == "Rebooted"
    assert is_gone(started["pid"])
    assert is_gone(int((folder / "child").read_text()))
    assert [row for row in local.usage(since_s=0).rows if row.key == job[1]] == []
    after = submitted(local, script("true", gpus=2), run_dirs(2))
    wait_for(local, after, JobState.DONE)


def open_stat(pid):
    from pathlib import Path

    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_after_a_reboot_what_ran_is_lost_and_what_waited_runs(local, run_dirs):
    """A reboot leaves the files and takes every process: the state a power cut leaves."""
    waiting_folder = run_dirs(2)
    running = submitted(local, script("sleep 300", gpus=2), run_dirs(1))
    waiting = submitted(local, script("touch ran", gpus=2), waiting_folder)
    os.kill(int(open_stat(record(local, running, "started.json")["pid"])[1]), signal.SIGKILL)
    os.kill(record(local, running, "started.json")["pid"], signal.SIGKILL)

    restarted = LocalScheduler(folder=local.folder, cpus=4, gpus=2, memory_mb=1000, grace_s=0.3)

    assert wait_for(restarted, waiting, JobState.DONE)
    assert seen(restarted, running).state is JobState.LOST
    assert (waiting_folder / "ran").exists()


def test_a_job_marked_to_start_whose_supervisor_never_came_is_started(local, run_dirs):
    """The caller was killed between its commit and the start of the supervisor."""
    folder = run_dirs(1)
    job = submitted(local, script("sleep 300", gpus=2), run_dirs(0))
    waiting = submitted(local, script("touch ran"), folder)
    with local._locked() as queue:
        queue.execute("UPDATE job SET state = 'running' WHERE id = ?", [waiting[0]])

    wait_for(local, waiting, JobState.DONE)

    assert (folder / "ran").exists()
    local.cancel([job[0]])


def test_a_folder_that_cannot_be_used_is_down_not_empty(tmp_path):
    (tmp_path / "scheduler").write_text("a file where the folder should be")
    local = LocalScheduler(folder=tmp_path / "scheduler", cpus=1, gpus=0, memory_mb=100)

    with pytest.raises(SchedulerDown):
        local.status([("1", "k")], since_s=now_s())


def test_logs_that_point_elsewhere_are_not_written_through(local, run_dirs, tmp_path):
    folder = run_dirs(1)
    (folder / "logs").mkdir()
    (tmp_path / "victim").write_text("kept")
    (folder / "logs" / "stdout.log").symlink_to(tmp_path / "victim")

    job = submitted(local, script("echo overwritten"), folder)

    assert wait_for(local, job, JobState.FAILED).exit_code == 127
    assert (tmp_path / "victim").read_text() == "kept"
