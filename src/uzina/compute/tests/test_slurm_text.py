"""What Slurm's commands are told and what their real output is read as.

The files in slurm/ were recorded from Slurm 22.05.8 of tests/services/slurm.py.
"""

from pathlib import Path

import pytest

from uzina.compute.adapters.commands import LocalCommands, Ran
from uzina.compute.adapters.slurm import SlurmScheduler, batch_script, job_name, sbatch_argv
from uzina.compute.adapters.slurm.jobs import (
    agree,
    read_records,
    read_sbatch,
    read_squeue,
    sacct_window,
)
from uzina.compute.adapters.slurm.script import key_of
from uzina.compute.adapters.slurm.site import read_sinfo
from uzina.compute.ports import Accepted, Rejected, SchedulerDown, SchedulerRefused, Unknown
from uzina.compute.rules import JobSpec, JobState
from uzina.compute.tests.test_scheduler import is_gone

RECORDED = Path(__file__).parent / "slurm"


def recorded(name):
    return (RECORDED / name).read_text()


def by_key(sights):
    return {sight.key: sight for sight in sights}


SPEC = JobSpec(name="Train: a Model!", command=("python", "a b.py"), nodes=2, gpus=4, cpus=8)


def test_everything_a_job_needs_is_asked_for():
    argv = sbatch_argv(SPEC, key="job-1", run_dir=Path("/runs/50%"), account="a", partition="p")

    for word in (
        "--parsable", "--job-name=train-a-model.job-1", "--comment=job-1", "--account=a",
        "--partition=p", "--nodes=2", "--gpus-per-node=4", "--cpus-per-task=8", "--mem=1000M",
        "--time=60", "--chdir=/runs/50%", "--output=/runs/50%%/logs/stdout.log", "--no-requeue",
    ):  # fmt: skip
        assert word in argv


@pytest.mark.parametrize(("seconds", "minutes"), [(1, 1), (60, 1), (61, 2), (3600, 60)])
def test_a_time_limit_is_rounded_up_to_slurms_minutes_and_kept_to_the_second(seconds, minutes):
    spec = JobSpec(name="x", command=("true",), time_limit_s=seconds)

    argv = sbatch_argv(spec, key="k", run_dir=Path("/r"), account="", partition="")
    assert f"--time={minutes}" in argv
    assert f"timeout --kill-after=10 {seconds} true" in batch_script(
        spec, key="k", run_dir=Path("/r")
    )
    assert not any(word.startswith(("--account", "--partition", "--gpus")) for word in argv)


def test_words_are_quoted_in_the_script():
    spec = JobSpec(name="x", command=("echo", "a b", "$(id)"), environment={"A": "it's `x`"})
    script = batch_script(spec, key="k", run_dir=Path("/r r"))

    assert "echo 'a b' '$(id)'" in script
    assert "export A='it'\"'\"'s `x`'" in script
    assert "export UZINA_RUN_DIR='/r r'" in script


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("train.job-7q3k2m-1f", "job-7q3k2m-1f"), ("a.b.c", "c"), ("a|b|x.k-1", "k-1"),
        ("nokey", ""), (".k", ""), ("x.", ""), ("x.K", ""), ("x.a b", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_key_is_the_last_part_of_the_name(name, key):
    assert key_of(name) == key


def test_a_name_of_odd_letters_still_ends_in_the_key():
    assert job_name(JobSpec(name="șță ☃", command=()), "k-1") == "job.k-1"
    assert len(job_name(JobSpec(name="x" * 80, command=()), "k" * 64)) < 110


@pytest.mark.parametrize(
    ("ran", "answer"),
    [
        (Ran(0, "17\n", ""), Accepted("17", 5)),
        (Ran(0, "17;uzina\n", "sbatch: warning: retrying"), Accepted("17", 5)),
        (
            Ran(
                1, "",
                "sbatch: error: Batch job submission failed: Requested node configuration is "
                "not available\n",
            ),
            Rejected("Requested node configuration is not available"),
        ),
        (
            Ran(
                1, "",
                "sbatch: error: Batch job submission failed: Invalid account or "
                "account/partition combination specified\n",
            ),
            Rejected("Invalid account or account/partition combination specified"),
        ),
        (
            Ran(
                1, "",
                "sbatch: error: AssocGrpGRESMinutes\nsbatch: error: Batch job submission failed: "
                "Job violates accounting/QOS policy (job submit limit, user's size and/or time "
                "limits)\n",
            ),
            Rejected(
                "AssocGrpGRESMinutes; Job violates accounting/QOS policy (job submit limit, user's size and/or time "
                "limits)"
            ),
        ),
    ],
)  # fmt: skip
def test_what_sbatch_says_is_taken_on_or_refused(ran, answer):
    assert read_sbatch(ran, now_s=5) == answer


@pytest.mark.parametrize(
    "ran",
    [
        Ran(None, "", "sbatch was stopped after 30 s"),
        Ran(-9, "", ""),
        Ran(1, "", "sbatch: error: Batch job submission failed: Socket timed out on send/recv"),
        Ran(1, "", "sbatch: error: Zero Bytes were transmitted or received"),
        Ran(1, "", ""),
        Ran(0, "", ""),
        Ran(0, "Submitted", ""),
        Ran(134, "", "Aborted"),
    ],
)
def test_whatever_else_sbatch_says_leaves_the_job_in_doubt(ran):
    assert isinstance(read_sbatch(ran, now_s=5), Unknown)


@pytest.mark.parametrize(
    "stderr",
    [
        "sbatch: error: Batch job submission failed: Unable to contact (connect failure)",
        "sbatch: fatal: Unable to process configuration file",
    ],
)
def test_what_never_left_this_machine_is_down(stderr):
    with pytest.raises(SchedulerDown):
        read_sbatch(Ran(1, "", stderr), now_s=5)


def test_the_queue_is_read_with_its_reasons():
    seen = by_key(read_squeue(recorded("squeue_mixed.txt")))

    assert (seen["k-run"].state, seen["k-run"].started_s) == (JobState.RUNNING, 1795298796)
    assert (seen["k-big"].state, seen["k-big"].reason) == (JobState.QUEUED, "Resources")
    assert seen["k-big"].started_s is None
    assert seen["k-behind"].reason == "Priority"
    assert seen["k-held"].reason == "JobHeldUser"
    assert (seen["k-done"].state, seen["k-done"].ended_s) == (JobState.DONE, 1795298797)
    assert (seen["k-fail"].state, seen["k-fail"].reason) == (JobState.FAILED, "NonZeroExitCode")
    assert seen["k-array"].native_id.startswith("7_")


def test_a_failed_node_and_a_requeued_job_are_told_apart_in_the_queue():
    seen = by_key(read_squeue(recorded("squeue_node_failed.txt")))

    assert (seen["k-nodefail"].state, seen["k-nodefail"].reason) == (JobState.FAILED, "NodeFail")
    assert (seen["k-requeued"].state, seen["k-requeued"].reason) == (JobState.QUEUED, "BeginTime")
    assert seen["k-pipe"].state is JobState.DONE
    assert seen["k-cancelrun"].state is JobState.CANCELLED


def rows(text):
    return [row for _word, row, _sight in read_records(text) if row]


def test_measurements_are_read_to_the_second():
    window = recorded("sacct_window.txt")
    by_job = {(row.key, row.native_id): row for row in rows(window)}

    assert by_job[("k-timeout", "4")].elapsed_s == 65
    assert by_job[("k-run", "6")].gpus == 2
    assert (by_job[("k-big", "9")].gpus, by_job[("k-big", "9")].nodes) == (8, 2)
    assert by_job[("k-pipe", "20")].gpus == 1
    array = [row for row in rows(window) if row.key == "k-array"]
    assert sorted(row.native_id for row in array) == ["7_1", "7_2", "7_3", "7_4", "7_5"]
    for line in window.splitlines():
        elapsed = int(line.split("|")[6])
        for row in rows(line + "\n"):
            assert row.elapsed_s == elapsed


def test_a_job_cancelled_while_it_waited_never_started():
    [row] = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-held"]
    assert (row.started_s, row.elapsed_s, row.gpus) == (None, 0, 0)


def test_a_refused_job_leaves_a_row_that_used_nothing():
    [row] = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-imp"]
    assert (row.started_s, row.elapsed_s) == (None, 0)


def test_every_run_of_a_requeued_job_has_its_row():
    runs = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-requeued"]
    assert [(row.state, row.elapsed_s) for row in runs] == [("NODE_FAIL", 3), ("CANCELLED", 0)]


@pytest.mark.parametrize(
    "line",
    [
        "9|COMPLETED|0:0|100|101|Unknown|9|1|1|cpu=1,gres/gpu=1|x.k",
        "9|RUNNING|0:0|100|101|Unknown|9|1|1|cpu=1,gres/gpu=1|x.k",
        "9|COMPLETED|0:0|100|101|None|9|1|1|cpu=1,gres/gpu=1|x.k",
        "9|PENDING|0:0|100|Unknown|Unknown|0|1|1||x.k",
    ],
)
def test_a_row_without_a_numeric_end_is_no_measurement(line):
    assert rows(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "|" * 10,
        "9|COMPLETED|0:0|yesterday|1|2|1|1|1|cpu=1|x.k",
        "9|NEW|0:0|1|1|2|1|1|1||x.k",
    ],
)
def test_lines_that_are_no_row_of_ours_are_passed_over(line):
    assert list(read_records(line)) == []
    assert read_squeue(line) == []


@pytest.mark.parametrize(
    ("text", "code"), [("0:0", 0), ("3:0", 3), ("0:9", 137), ("0:15", 143), ("", None)]
)
def test_an_exit_code_is_told_as_a_shell_would(text, code):
    line = f"9|FAILED|{text}|100|101|102|1|1|1|cpu=1|x.k"
    [(_word, _row, sight)] = read_records(line)
    assert sight.exit_code == code


def test_nodes_are_counted_with_what_is_in_use():
    first, second = read_sinfo(recorded("sinfo.txt")).nodes

    assert (first.name, first.partition, first.state) == ("n1", "gpu", "mixed")
    assert (first.cpus, first.cpus_used, first.gpus, first.gpus_used) == (8, 1, 4, 1)
    assert (second.gpus_used, second.memory_mb) == (2, 16000)


def test_a_typed_gpu_is_counted():
    line = (
        "n1".ljust(80) + "gpu".ljust(40) + "idle*".ljust(30) + "2/6/0/8".ljust(30)
        + "1000".ljust(20) + "gpu:h100:4(S:0-1)".ljust(120) + "gpu:h100:3(IDX:0-2)".ljust(120)
    )  # fmt: skip
    [node] = read_sinfo(line).nodes
    assert (node.gpus, node.gpus_used, node.state) == (4, 3, "idle")


def test_a_job_has_ended_only_when_accounting_has_its_times():
    queued = read_squeue(recorded("squeue_mixed.txt"))
    done = by_key(agree(queued, []))["k-done"]
    assert (done.state, done.reason) == (JobState.RUNNING, "Unmeasured")

    recorded_rows = [sight for _w, _r, sight in read_records(recorded("sacct_window.txt"))]
    done = by_key(agree(queued, recorded_rows))["k-done"]
    assert (done.state, done.exit_code, done.ended_s) == (JobState.DONE, 0, 1795298797)


def test_the_window_names_an_end_or_slurm_ignores_the_states():
    assert sacct_window("uzina", 100, "CA") == [
        "-A", "uzina", "-S", "uts100", "-E", "now", "-s", "CA",
    ]  # fmt: skip


def slurm(*answers):
    left = list(answers)
    return SlurmScheduler(
        slurm_conf="", account="uzina", partition="", run=lambda *_, **__: left.pop(0)
    )


def test_accounting_that_does_not_answer_leaves_the_picture_incomplete():
    queue = Ran(0, recorded("squeue_mixed.txt"), "")
    away = Ran(1, "", "sacct: error: Connection refused")

    snapshot = slurm(queue, away).status([("2", "k-done"), ("77", "k-gone")], since_s=0)

    assert not snapshot.is_complete
    assert by_key(snapshot.jobs)["k-done"].state is JobState.RUNNING


def test_usage_that_cannot_be_read_moves_no_cursor():
    with pytest.raises(SchedulerDown):
        slurm(Ran(1, "", "sacct: error: Connection refused")).usage(since_s=0)
    with pytest.raises(SchedulerDown):
        slurm(Ran(None, "", "sacct was stopped after 30 s")).usage(since_s=0)


def test_a_key_is_not_absent_while_either_source_is_silent():
    with pytest.raises(SchedulerDown):
        slurm(Ran(0, "", ""), Ran(1, "", "sacct: error: x")).find("k", since_s=0)
    with pytest.raises(SchedulerDown):
        slurm(Ran(1, "", "squeue: error: x")).find("k", since_s=0)


def test_a_stop_that_may_not_be_is_told_from_one_that_was_not_heard():
    with pytest.raises(SchedulerRefused):
        slurm(Ran(1, "", "scancel: error: Kill job error: Access/permission denied")).cancel(["1"])
    with pytest.raises(SchedulerDown):
        slurm(Ran(1, "", "scancel: error: Unable to contact slurm controller")).cancel(["1"])
    slurm(Ran(1, "", "scancel: error: Kill job error on job id 1: Invalid job id")).cancel(["1"])


def test_a_command_that_hangs_is_stopped_with_its_children(tmp_path):
    run = LocalCommands({"PATH": "/usr/bin:/bin"}, timeout_s=0.3)
    ran = run(["sh", "-c", f"sleep 60 & echo $! >{tmp_path}/child; wait"])

    assert ran.code is None
    assert is_gone(int((tmp_path / "child").read_text()))


def test_a_command_that_is_not_there_is_down():
    run = LocalCommands({"PATH": "/nowhere"})
    with pytest.raises(SchedulerDown):
        read_sbatch(run(["sbatch"]), now_s=1)
