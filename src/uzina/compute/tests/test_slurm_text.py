"""What Slurm's commands are told and what their real output is read as.

The files in slurm/ were recorded from Slurm 22.05.8 of tests/services/slurm.py.
"""

import time
from pathlib import Path

import pytest

from uzina.compute.adapters.commands import LocalCommands, Ran
from uzina.compute.adapters.slurm import SlurmScheduler, batch_script, job_name, sbatch_argv
from uzina.compute.adapters.slurm.accounts import absent, orders, read_accounts, refusal
from uzina.compute.adapters.slurm.jobs import (
    agree,
    read_efforts,
    read_records,
    read_sbatch,
    read_squeue,
    window,
)
from uzina.compute.adapters.slurm.script import key_of
from uzina.compute.adapters.slurm.site import (
    NODE_FIELDS,
    read_config,
    read_nodes,
    read_partitions,
    read_queue,
)
from uzina.compute.ports import (
    Accepted,
    Effort,
    PartitionSeen,
    QueueSeen,
    Rejected,
    SchedulerDown,
    SchedulerRefused,
    Unknown,
)
from uzina.compute.rules import (
    FINDINGS,
    AccountStep,
    JobSpec,
    JobState,
    finding_in_words,
    site_preflight,
)
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

    assert (seen["k-run"].state, seen["k-run"].started_s) == (JobState.RUNNING, 1795312303)
    assert (seen["k-big"].state, seen["k-big"].reason) == (JobState.QUEUED, "Resources")
    assert (seen["k-big"].started_s, seen["k-big"].expected_s) == (None, 1795312380)
    assert seen["k-behind"].reason == "Priority"
    assert (seen["k-held"].reason, seen["k-held"].expected_s) == ("JobHeldUser", None)
    assert (seen["k-done"].state, seen["k-done"].ended_s) == (JobState.DONE, 1795312303)
    assert (seen["k-fail"].state, seen["k-fail"].reason) == (JobState.FAILED, "NonZeroExitCode")


def test_a_failed_node_and_a_requeued_job_are_told_apart_in_the_queue():
    seen = by_key(read_squeue(recorded("squeue_node_failed.txt")))

    assert (seen["k-nodefail"].state, seen["k-nodefail"].reason) == (JobState.FAILED, "NodeFail")
    assert (seen["k-requeued"].state, seen["k-requeued"].reason) == (JobState.QUEUED, "BeginTime")
    assert seen["k-pipe"].state is JobState.DONE
    assert seen["k-cancelrun"].state is JobState.CANCELLED


def sights(text):
    return [sight for _row, sight in read_records(text) if sight]


def rows(text):
    return [row for row, _sight in read_records(text) if row]


def test_measurements_are_read_to_the_second():
    window = recorded("sacct_window.txt")
    by_job = {(row.key, row.native_id): row for row in rows(window)}

    assert by_job[("k-timeout", "42")].elapsed_s == 80
    assert (by_job[("k-run", "46")].gpus, by_job[("k-run", "46")].memory_mb) == (2, 200)
    assert (by_job[("k-big", "50")].gpus, by_job[("k-big", "50")].nodes) == (8, 2)
    assert by_job[("k-pipe", "61")].name == "a|b|x.k-pipe"
    array = [row for row in rows(window) if row.key == "k-array"]
    assert sorted(row.native_id for row in array) == ["45_1", "45_2", "45_3", "45_4", "45_5"]
    for line in window.splitlines():
        elapsed = int(line.split("|")[6])
        for row in rows(line + "\n"):
            assert row.elapsed_s == elapsed
            assert (row.account, row.user, row.partition) == ("uzina", "root", "gpu")
            assert row.energy_j is None


def test_every_record_of_the_cluster_is_read_also_those_that_are_not_ours():
    window = recorded("sacct_window.txt")
    assert len(rows(window)) == len(window.splitlines())
    [foreign] = [row for row in rows(window) if not row.key]
    assert (foreign.name, foreign.native_id) == ("wrap", "52")
    assert "52" not in {sight.native_id for sight in sights(window)}


def test_each_part_of_a_heterogeneous_job_is_measured_by_itself():
    parts = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-het"]
    assert [(row.native_id, row.gpus, row.cpus) for row in parts] == [
        ("53+0", 1, 1),
        ("53+1", 0, 2),
    ]


def test_time_in_which_a_job_was_suspended_is_not_counted():
    [row] = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-suspended"]
    assert (row.ended_s - row.started_s, row.suspended_s, row.elapsed_s) == (8, 5, 3)


@pytest.mark.parametrize("key", ["k-held", "k-imp"])
def test_a_job_cancelled_or_refused_while_it_waited_used_nothing(key):
    [row] = [row for row in rows(recorded("sacct_window.txt")) if row.key == key]
    assert (row.started_s, row.elapsed_s, row.gpus) == (None, 0, 0)


def test_every_run_of_a_requeued_job_has_its_row():
    runs = [row for row in rows(recorded("sacct_window.txt")) if row.key == "k-requeued"]
    assert [(row.state, row.elapsed_s) for row in runs] == [("NODE_FAIL", 3), ("CANCELLED", 0)]


def record(**changes):
    """Return one line of sacct."""
    fields = {
        "id": "9", "state": "COMPLETED", "code": "0:0", "submit": "100", "start": "101",
        "end": "102", "elapsed": "1", "nodes": "1", "tres": "cpu=1,gres/gpu=1", "energy": "",
        "account": "a", "user": "u", "partition": "p", "run": "9", "name": "x.k",
    }  # fmt: skip
    return "|".join((fields | changes).values())


@pytest.mark.parametrize(
    "changes",
    [
        {"end": "Unknown", "elapsed": "9"},
        {"end": "None"},
        {"end": ""},
        {"state": "RUNNING", "end": "Unknown"},
        {"state": "PENDING", "start": "Unknown", "end": "Unknown", "tres": ""},
    ],
)
def test_a_row_without_a_numeric_end_is_no_measurement(changes):
    assert rows(record(**changes)) == []


@pytest.mark.parametrize("line", ["", "garbage", "|" * 13, record(submit="yesterday")])
def test_lines_that_are_no_row_are_passed_over(line):
    assert list(read_records(line)) == []
    assert read_squeue(line) == []


def test_a_state_that_is_not_known_is_neither_over_nor_measured():
    [(row, sight)] = read_records(record(state="EXPEDITING"))
    assert (row, sight.state) == (None, JobState.RUNNING)
    [queued] = read_squeue("7|STRANGE|None|100|101|N/A|x.k")
    assert queued.state is JobState.RUNNING


@pytest.mark.parametrize(
    ("text", "code"), [("0:0", 0), ("3:0", 3), ("0:9", 137), ("0:15", 143), ("", None)]
)
def test_an_exit_code_is_told_as_a_shell_would(text, code):
    [sight] = sights(record(state="FAILED", code=text))
    assert sight.exit_code == code


@pytest.mark.parametrize(
    ("text", "mib"),
    [("100M", 100), ("2G", 2048), ("1.50G", 1536), ("1T", 1_048_576), ("2048K", 2), ("7", 7),
     ("?", 0)],
)  # fmt: skip
def test_memory_is_read_in_each_of_slurms_units(text, mib):
    [row] = rows(record(tres=f"cpu=1,mem={text},node=1"))
    assert row.memory_mb == mib


@pytest.mark.parametrize(
    ("text", "joules"), [("", None), ("0", None), ("4200", 4200), ("18446744073709551614", None)]
)
def test_energy_that_nobody_measured_is_not_zero(text, joules):
    [row] = rows(record(energy=text))
    assert row.energy_j == joules


def test_what_the_steps_of_a_job_used_is_added_up():
    told = (
        "7|00:00.004||\n7.batch|00:01.500|3112960|0\n7.0|1-02:03:04|2097152|500\n"
        "8_1.batch|01:00|1048576|\n8_2.batch|02:00|1048577|\n9|00:00||\n"
    )
    found = read_efforts(told, ["7", "8", "8_2", "9"])

    assert found == {
        "7": Effort(cpu_s=93785.5, max_rss_mb=3, energy_j=500),
        "8": Effort(cpu_s=180.0, max_rss_mb=2, energy_j=None),
        "8_2": Effort(cpu_s=120.0, max_rss_mb=2, energy_j=None),
    }


def test_nodes_are_counted_with_what_is_in_use_and_why_they_take_no_jobs():
    plain, first, second = read_nodes(recorded("sinfo.txt"))

    assert (plain.partition, plain.gpus, plain.gpus_used, plain.gpu_type) == ("cpu", 0, 0, "")
    assert (first.name, first.partition, first.state) == ("n1", "gpu", "mixed")
    assert (first.cpus, first.cpus_used, first.gpus, first.gpus_used) == (8, 2, 4, 2)
    assert (first.reason, first.memory_mb) == ("", 16000)
    assert (second.state, second.reason, second.cpus) == ("drained", "răcire: pompa 3", 8)


@pytest.mark.parametrize(
    ("gres", "used", "found"),
    [
        ("gpu:h100:4(S:0-1)", "gpu:h100:3(IDX:0-2)", (4, 3, "h100")),
        ("gpu:4", "gpu:0", (4, 0, "")),
        ("gpu:a100:2,gpu:h100:2", "gpu:a100:1(IDX:0),gpu:h100:0", (4, 1, "a100+h100")),
        ("gpu:1g.10gb:7", "gpu:1g.10gb:2", (7, 2, "1g.10gb")),
        ("(null)", "gpu:0", (0, 0, "")),
    ],
)
def test_gpus_are_counted_whatever_their_type(gres, used, found):
    line = "".join(
        text.ljust(width)
        for text, (_name, width) in zip(
            ("n1", "gpu", "idle*", "2/6/0/8", "1000", gres, used, "none"), NODE_FIELDS, strict=True
        )
    )
    [node] = read_nodes(line)
    assert (node.gpus, node.gpus_used, node.gpu_type) == found
    assert node.state == "idle"


def test_partitions_are_read_with_their_limits_and_weights():
    gpu, cpu = read_partitions(recorded("partitions.txt"))

    assert (gpu.name, gpu.is_up, gpu.is_default) == ("gpu", True, True)
    assert (gpu.max_time_s, gpu.default_time_s) == (None, 3600)
    assert gpu.billing == {"cpu": 50.0, "gres/gpu": 1000.0}
    assert (cpu.is_default, cpu.billing) == (False, {"cpu": 50.0})


@pytest.mark.parametrize(
    ("weights", "read"),
    [
        ("CPU=1.0,Mem=0.25G,GRES/gpu=16", {"cpu": 1.0, "mem": 0.25, "gres/gpu": 16.0}),
        ("Mem=0.001", {"mem": 1.024}),
        ("CPU=2,Mem=1T,license/matlab=3", {"cpu": 2.0, "mem": 1 / 1024, "license/matlab": 3.0}),
        ("(null)", {}),
    ],
)
def test_weights_of_memory_are_those_of_a_gib(weights, read):
    line = f"PartitionName=p State=DOWN MaxTime=2-01:00:00 TRESBillingWeights={weights}"
    [partition] = read_partitions(line)
    assert partition.billing == pytest.approx(read)
    assert (partition.is_up, partition.max_time_s) == (False, 176_400)
    assert partition.default_time_s is None


def test_the_queue_is_counted_by_partition_each_task_of_an_array_by_itself():
    assert read_queue(recorded("squeue_by_partition.txt")) == (
        QueueSeen("cpu", jobs_running=1, jobs_waiting=1, gpus_wanted=0),
        QueueSeen("gpu", jobs_running=2, jobs_waiting=4, gpus_wanted=9),
    )


def test_a_job_has_ended_only_when_accounting_has_its_times():
    queued = read_squeue(recorded("squeue_mixed.txt"))
    done = by_key(agree(queued, []))["k-done"]
    assert (done.state, done.reason) == (JobState.RUNNING, "Unmeasured")

    done = by_key(agree(queued, sights(recorded("sacct_window.txt"))))["k-done"]
    assert (done.state, done.exit_code, done.ended_s) == (JobState.DONE, 0, 1795312303)


def test_an_array_and_a_heterogeneous_job_are_one_sight_each():
    queued = read_squeue(recorded("squeue_mixed.txt"))
    seen = [one for one in agree(queued, []) if one.key in {"k-array", "k-arraywait", "k-het"}]

    assert sorted((one.native_id, one.key, one.state) for one in seen) == [
        ("45", "k-array", JobState.RUNNING),
        ("48", "k-arraywait", JobState.QUEUED),
        ("53", "k-het", JobState.QUEUED),
    ]
    assert by_key(seen)["k-arraywait"].expected_s == 1795315901
    ended = by_key(agree(read_squeue(""), sights(recorded("sacct_window.txt"))))
    array = ended["k-array"]
    assert (array.state, array.exit_code, array.reason) == (JobState.FAILED, 1, "NonZeroExitCode")
    assert (array.started_s, array.ended_s) == (1795312302, 1795312315)
    assert (ended["k-het"].state, ended["k-het"].native_id) == (JobState.DONE, "53")
    assert ended["k-arraywait"].state is JobState.CANCELLED


def test_an_array_cancelled_before_it_began_ends_although_its_list_of_tasks_changed():
    queued = read_squeue("48_[5-9%2]|CANCELLED|None|100|200|200|x.k")
    told = sights(record(id="48_[3-9%2]", state="CANCELLED by 0", end="200", tres=""))
    [one] = agree(queued, told)
    assert (one.native_id, one.state) == ("48", JobState.CANCELLED)


def test_a_task_that_was_requeued_is_no_second_job():
    queued = read_squeue(
        "45_1|PENDING|BeginTime|170|290|350|x.k\n45_2|RUNNING|None|100|101|160|x.k"
    )
    [one] = agree(queued, [])
    assert (one.native_id, one.state, one.submitted_s) == ("45", JobState.RUNNING, 100)


def test_the_window_names_an_end_or_slurm_ignores_the_states():
    assert window(100, 200, "CA") == ["-a", "-S", "uts100", "-E", "uts200", "-s", "CA"]
    open_end = window(-5, None, "CA")
    assert open_end[2] == "uts0"
    assert int(open_end[4].removeprefix("uts")) > time.time()


def test_accounts_below_ours_are_read_with_their_limits_users_and_use():
    seen = read_accounts(recorded("associations.txt"), recorded("shares.txt"), below="uzina")

    first, second, below = seen
    assert [one.name for one in seen] == ["uz-a", "uz-b", "uz-sub"]
    assert (first.parent, below.parent) == ("uzina", "uz-a")
    assert first.users == {"bin", "daemon", "root"}
    assert first.blocked_users == {"bin"}
    assert (first.gpu_min, first.used_gpu_min) == (60, 5)
    assert (first.billing_min, first.used_billing_min) == (60_000, 5000)
    assert (first.is_blocked, second.is_blocked) == (False, True)
    assert (second.gpu_min, second.billing_min) == (None, None)


def told(steps, *, parents=None):
    parents = {"a": "up", "b": "up", "c": "other"} if parents is None else parents
    return [
        (" ".join(one.argv[2:]), one.stdin)
        for one in orders(steps, cluster="here", parents=parents)
    ]


def test_changes_of_one_sort_are_one_order():
    step = AccountStep
    assert told(
        [
            step("add_account", "x", parent="up"),
            step("add_account", "y", parent="up"),
            step("limit", "x", gpu_min=5, billing_min=6),
            step("limit", "y", gpu_min=5, billing_min=6),
            step("block", "a"),
            step("block", "b"),
            step("add_user", "x", users=frozenset({"v", "u"})),
            step("add_user", "y", users=frozenset({"u", "v"})),
            step("block_user", "a", users=frozenset({"u"})),
        ]
    ) == [
        ("add account x,y cluster=here parent=up Description=uzina Organization=up", ""),
        ("modify account where name=x,y cluster=here set GrpTRESMins=gres/gpu=5,billing=6", ""),
        ("modify account where name=a,b cluster=here set GrpSubmitJobs=0", ""),
        ("add user u,v account=x,y cluster=here", ""),
        (
            "modify user where name=u account=a cluster=here set GrpSubmitJobs=0 MaxSubmitJobs=0",
            "",
        ),
    ]


def test_many_different_limits_go_in_one_file_that_names_each_parent():
    steps = [AccountStep("limit", name, gpu_min=at) for at, name in enumerate("cab")]

    assert told(steps) == [
        (
            "load /dev/stdin",
            "Cluster - 'here'\nParent - 'other'\nAccount - 'c':GrpTRESMins=gres/gpu=0,billing=-1\n"
            "Parent - 'up'\nAccount - 'a':GrpTRESMins=gres/gpu=1,billing=-1\n"
            "Account - 'b':GrpTRESMins=gres/gpu=2,billing=-1\n",
        )
    ]


def test_many_different_users_go_in_files_of_accounts_that_are_there():
    names = ["a", "b", "c", "gone"]
    steps = [
        AccountStep("add_user", name, users=frozenset({f"u{at}", "w"}))
        for at, name in enumerate(names)
    ]

    assert told(steps) == [
        (
            "load /dev/stdin",
            "Cluster - 'here'\nParent - 'a'\nUser - 'u0'\nUser - 'w'\nParent - 'b'\nUser - 'u1'\n"
            "User - 'w'\nParent - 'c'\nUser - 'u2'\nUser - 'w'\n",
        )
    ]
    assert list(absent(steps, dict.fromkeys("abc", "up"))) == [
        "add_user gone: there is no such account."
    ]


def test_an_account_that_is_not_there_is_refused_a_limit_and_not_made_by_it():
    steps = [AccountStep("limit", name, gpu_min=1) for name in ("a", "gone")]

    assert told(steps) == [
        ("modify account where name=a cluster=here set GrpTRESMins=gres/gpu=1,billing=-1", "")
    ]
    assert list(absent(steps, {"a": "up"})) == ["limit gone: there is no such account."]


def test_users_come_in_portions_that_accounting_can_swallow():
    users = frozenset(f"u{number}" for number in range(20))
    steps = [AccountStep("add_user", f"x{number}", users=users) for number in range(5)]
    assert len(told(steps)) == 3


def test_what_was_so_already_is_no_refusal():
    [order] = orders([AccountStep("block", "a")], cluster="here", parents={})
    assert refusal(order, code=0, said="") == ""
    assert refusal(order, code=1, said=" Nothing new added.") == ""
    assert refusal(order, code=1, said=" Nothing modified\n") == "block a: Nothing modified"


DATE = Ran(0, "100\n", "")


def slurm(*answers):
    left = list(answers)
    return SlurmScheduler(
        slurm_conf="", account="uzina", partition="", run=lambda *_, **__: left.pop(0)
    )


def test_the_cursor_is_the_clusters_own_time_while_it_is_behind_ours():
    page = slurm(DATE, Ran(0, recorded("sacct_window.txt"), "")).usage(since_s=0)
    assert page.cursor_s == 100
    ahead = Ran(0, f"{int(time.time()) + 9999}\n", "")
    for clock in (ahead, Ran(127, "", "no date")):
        page = slurm(clock, Ran(0, "", "")).usage(since_s=0)
        assert abs(page.cursor_s - time.time()) < 60
    assert slurm(Ran(0, "", "")).usage(since_s=0, until_s=50).cursor_s == 50


def test_a_record_that_has_no_name_yet_is_left_for_the_next_look():
    now_s = int(time.time())
    for ended_s, count in ((now_s, 0), (now_s - 500, 0), (now_s - 601, 1)):
        line = record(name="allocation", end=str(ended_s))
        assert len(slurm(DATE, Ran(0, line, "")).usage(since_s=0).rows) == count
    named = record(end=str(now_s))
    assert len(slurm(DATE, Ran(0, named, "")).usage(since_s=0).rows) == 1


def test_accounting_that_does_not_answer_leaves_the_picture_incomplete():
    queue = Ran(0, recorded("squeue_mixed.txt"), "")
    away = Ran(1, "", "sacct: error: Connection refused")

    snapshot = slurm(queue, away).status([("2", "k-done"), ("77", "k-gone")], since_s=0)

    assert not snapshot.is_complete
    assert by_key(snapshot.jobs)["k-done"].state is JobState.RUNNING


def test_usage_that_cannot_be_read_moves_no_cursor():
    with pytest.raises(SchedulerDown):
        slurm(DATE, Ran(1, "", "sacct: error: Connection refused")).usage(since_s=0)
    with pytest.raises(SchedulerDown):
        slurm(DATE, Ran(None, "", "sacct was stopped after 30 s")).usage(since_s=0)


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


def slurm_settings(**changes):
    return dict(read_config(recorded("config.txt"))) | changes


def partition(name="gpu", default_time_s=3600, billing=(("cpu", 1.0),)):
    return PartitionSeen(name, True, True, None, default_time_s, dict(billing))


def test_settings_are_read_with_the_controllers_time():
    settings = slurm_settings()
    assert settings["now"] == "1795312416"
    assert (settings["SLURM_VERSION"], settings["ClusterName"]) == ("22.05.8", "uzina")


def test_a_site_set_as_it_should_be_has_no_finding():
    assert site_preflight(slurm_settings(), [partition()], skew_s=4.9) == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PriorityDecayHalfLife": "7-00:00:00"}, "decay"),
        ({"PriorityDecayHalfLife": "00:00:01"}, "decay"),
        ({"PriorityUsageResetPeriod": "MONTHLY"}, "usage_reset"),
        ({"PriorityType": "priority/basic"}, "no_usage"),
        ({"AccountingStorageTRES": "cpu,mem,energy,node,billing"}, "gpus_not_counted"),
        ({"AccountingStorageEnforce": "associations,limits"}, "not_enforced"),
        ({"AccountingStorageEnforce": "none"}, "not_enforced"),
        ({"AccountingStorageType": "accounting_storage/none"}, "no_accounting"),
    ],
)
def test_settings_that_make_budgets_lie_are_refused(changes, code):
    [finding] = site_preflight(slurm_settings(**changes), [partition()])
    assert (finding.code, finding.level) == (code, "refuse")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"MinJobAge": "59 sec"}, "short_job_age"),
        ({"AccountingStoreFlags": "(null)"}, "no_job_comment"),
        ({"SchedulerParameters": "(null)"}, "batch_delay"),
        ({"SchedulerParameters": "batch_sched_delay=1"}, "batch_delay"),
        ({"PrivateData": "jobs,usage"}, "private"),
    ],
)
def test_settings_that_make_life_harder_are_warned_of(changes, code):
    [finding] = site_preflight(slurm_settings(**changes), [partition()])
    assert (finding.code, finding.level) == (code, "warn")


def test_partitions_and_clocks_are_looked_at_too():
    lacking = [partition("a", default_time_s=None), partition("b", billing=()), partition("c")]
    found = site_preflight(slurm_settings(MinJobAge="60 sec"), lacking, skew_s=-5.0)

    assert [(one.code, dict(one.facts)) for one in found] == [
        ("no_default_time", {"partitions": "a"}),
        ("no_billing_weights", {"partitions": "b"}),
        ("skew", {"value": "-5"}),
    ]
    assert finding_in_words("skew", found[2].facts).startswith("The cluster's clock differs")
    assert all(finding_in_words(one.code, one.facts) != one.code for one in found)
    assert finding_in_words("unheard", {}) == "unheard"
    assert finding_in_words("decay", {}) == FINDINGS["decay"]


def test_accounts_are_left_alone_when_accounting_is_away():
    config = Ran(0, recorded("config.txt"), "")
    with pytest.raises(SchedulerDown):
        slurm(config, Ran(1, "", "sacctmgr: error: Connection refused")).limits()
    seen = Ran(0, recorded("associations.txt"), "")
    for away in (Ran(None, "", "stopped"), Ran(1, "", "error: Problem talking to the database")):
        with pytest.raises(SchedulerDown):
            slurm(config, seen, away).apply([AccountStep("block", "uz-a")])


def test_a_cluster_that_is_away_is_told_as_it_is():
    away = Ran(1, "", "Unable to contact slurm controller (connect failure)")
    health = slurm(away, away, Ran(0, "uzina\n", "")).health()

    assert (health.is_controller_up, health.is_accounting_up) == (False, True)
    assert (health.version, health.skew_s) == ("", None)
    assert [one.code for one in health.findings] == ["controller_silent"]
