"""The contract of the Scheduler port, asked of every adapter alike."""

import os
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from uzina.compute.adapters.commands import LocalCommands, client_environment
from uzina.compute.adapters.local import LocalScheduler
from uzina.compute.adapters.slurm import SlurmScheduler
from uzina.compute.ports import Accepted, Rejected
from uzina.compute.rules import AccountStep, JobSpec, JobState

SLURM_CONF = os.environ.get("UZINA_TEST_SLURM_CONF", "")
SLURM_24_CONF = os.environ.get("UZINA_TEST_SLURM_2411_CONF", "")
SLURM_24_ENTER = os.environ.get("UZINA_TEST_SLURM_2411_ENTER", "")
CLUSTERS = [*(["slurm"] if SLURM_CONF else []), *(["slurm-24"] if SLURM_24_CONF else [])]
KINDS = ["local", *CLUSTERS]


def on_slurm(kind):
    """Return the adapter to a real Slurm; 24.11 runs in a folder that commands have to enter."""
    if kind == "slurm":
        return SlurmScheduler(slurm_conf=SLURM_CONF, account="uzina", partition="gpu")
    here = LocalCommands(client_environment(SLURM_24_CONF))
    return SlurmScheduler(
        account="uzina",
        partition="gpu",
        run=lambda argv, *stdin, **limits: here([SLURM_24_ENTER, *argv], *stdin, **limits),
    )


@pytest.fixture(params=KINDS)
def scheduler(request, tmp_path):
    """A scheduler with at least two GPUs and two cores free."""
    if request.param == "local":
        return LocalScheduler(
            folder=tmp_path / "scheduler", cpus=2, gpus=2, memory_mb=2000, grace_s=0.3
        )
    return on_slurm(request.param)


@pytest.fixture(params=CLUSTERS)
def cluster(request):
    """A real Slurm, which has accounts."""
    return on_slurm(request.param)


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "a run, with 100%"
    folder.mkdir()
    return folder


def new_key():
    return f"test-{uuid.uuid4().hex}"


def script(text, **changes):
    return replace(
        JobSpec(name="Contract test", command=("bash", "-c", text), memory_mb=100, time_limit_s=60),
        **changes,
    )


def now_s():
    return int(time.time())


def submitted(scheduler, spec, run_dir, key=None):
    key = key or new_key()
    scheduler.lay(run_dir, spec.files, user="")
    answer = scheduler.submit(spec, key=key, run_dir=run_dir, user="", account="")
    assert isinstance(answer, Accepted)
    return answer.native_id, key


def seen(scheduler, job):
    snapshot = scheduler.status([job], since_s=now_s() - 60)
    assert snapshot.is_complete
    return next((one for one in snapshot.jobs if one.native_id == job[0]), None)


def wait_for(scheduler, job, *states, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        sight = seen(scheduler, job)
        if sight is not None and sight.state in states:
            return sight
        time.sleep(0.1)
    msg = f"job {job} did not become {states} but is {sight}"
    raise AssertionError(msg)


def usage_of(scheduler, job, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page = scheduler.usage(since_s=now_s() - 600)
        rows = [row for row in page.rows if (row.native_id, row.key) == job]
        if rows:
            return rows
        time.sleep(0.1)
    return []


def text_of(scheduler, run_dir, stream="stdout"):
    return scheduler.logs(run_dir, stream, offset=0, limit=10_000).data.decode()


def test_a_job_runs_in_its_directory_and_is_measured_in_whole_seconds(scheduler, run_dir):
    spec = script("pwd; echo $UZINA_RUN_DIR; echo out; echo err >&2; sleep 1", gpus=2)
    job = submitted(scheduler, spec, run_dir)

    sight = wait_for(scheduler, job, JobState.DONE)

    assert (sight.exit_code, sight.key) == (0, job[1])
    assert text_of(scheduler, run_dir) == f"{run_dir}\n{run_dir}\nout\n"
    assert text_of(scheduler, run_dir, "stderr") == "err\n"
    [row] = usage_of(scheduler, job)
    assert (row.gpus, row.nodes, row.cpus) == (2, 1, 1)
    assert row.elapsed_s == row.ended_s - row.started_s
    assert 1 <= row.elapsed_s <= 20


def test_the_environment_is_the_jobs_own_and_names_its_gpus(scheduler, run_dir, monkeypatch):
    monkeypatch.setenv("UZINA_SECRET", "of the worker")
    quoted = "a 'quoted' \"value\" $HOME; `id`\nin two lines"
    spec = script("env", gpus=2, environment={"MINE": quoted})
    job = submitted(scheduler, spec, run_dir)
    wait_for(scheduler, job, JobState.DONE)

    text = text_of(scheduler, run_dir)
    assert f"MINE={quoted}\n" in text
    assert "CUDA_VISIBLE_DEVICES=0,1\n" in text or "CUDA_VISIBLE_DEVICES=" in text
    devices = next(line for line in text.splitlines() if line.startswith("CUDA_VISIBLE_DEVICES="))
    assert len(devices.removeprefix("CUDA_VISIBLE_DEVICES=").split(",")) == 2
    assert "UZINA_SECRET" not in text


def test_words_of_a_command_arrive_as_they_were_written(scheduler, run_dir):
    words = ("a b", "$HOME", "`id`", "'", '"', "\\", "*", "", "\n")
    command = ("python3", "-c", "import sys; print(ascii(sys.argv[1:]))", *words)
    job = submitted(scheduler, replace(script(""), command=command), run_dir)
    wait_for(scheduler, job, JobState.DONE)

    assert text_of(scheduler, run_dir).strip() == ascii(list(words))


def test_a_program_that_fails_is_failed_with_its_exit_code(scheduler, run_dir):
    job = submitted(scheduler, script("exit 3"), run_dir)

    sight = wait_for(scheduler, job, JobState.FAILED)

    assert (sight.exit_code, sight.reason) == (3, "NonZeroExitCode")


def test_a_program_that_is_not_there_says_so_in_its_log(scheduler, run_dir):
    spec = replace(script(""), command=("no-such-program-here",))
    job = submitted(scheduler, spec, run_dir)

    assert wait_for(scheduler, job, JobState.FAILED).exit_code == 127
    assert "no-such-program-here" in text_of(scheduler, run_dir, "stderr")


def test_a_job_that_can_never_run_is_rejected_in_words(scheduler, run_dir):
    answer = scheduler.submit(
        script("true", gpus=60), key=new_key(), run_dir=run_dir, user="", account=""
    )

    assert isinstance(answer, Rejected)
    assert len(answer.reason) > 10


def test_the_time_limit_ends_a_job_and_its_children_that_ignore_it(scheduler, run_dir):
    text = 'trap "" TERM; (trap "" TERM; sleep 300) & echo $! >child; echo $$ >parent; sleep 300'
    began = time.monotonic()
    job = submitted(scheduler, script(text, time_limit_s=2), run_dir)

    sight = wait_for(scheduler, job, JobState.FAILED)

    assert time.monotonic() - began < 120
    assert sight.ended_s - sight.started_s >= 2
    for name in ("child", "parent"):
        assert is_gone(int((run_dir / name).read_text()))


def is_gone(pid):
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.1)
    return False


def test_a_running_job_is_cancelled_with_all_its_children(scheduler, run_dir):
    text = "sleep 300 & echo $! >child.part; mv child.part child; sleep 300"
    job = submitted(scheduler, script(text), run_dir)
    wait_for(scheduler, job, JobState.RUNNING)
    while not (run_dir / "child").exists():
        time.sleep(0.05)

    scheduler.cancel([job[0]])

    sight = wait_for(scheduler, job, JobState.CANCELLED)
    assert sight.reason == "Cancelled"
    assert is_gone(int((run_dir / "child").read_text()))
    [row] = usage_of(scheduler, job)
    assert row.elapsed_s == sight.ended_s - sight.started_s


def test_a_waiting_job_is_cancelled_and_was_never_started(scheduler, tmp_path):
    with_gpus = [node for node in scheduler.inventory().nodes if node.gpus]
    big, nodes = with_gpus[0], len(with_gpus)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    whole = {"gpus": big.gpus, "nodes": nodes}
    running = submitted(scheduler, script("sleep 300", **whole), first)
    wait_for(scheduler, running, JobState.RUNNING)
    waiting = submitted(scheduler, script("touch ran", **whole), second)
    assert wait_for(scheduler, waiting, JobState.QUEUED).started_s is None

    scheduler.cancel([waiting[0]])
    sight = wait_for(scheduler, waiting, JobState.CANCELLED)
    scheduler.cancel([running[0]])
    wait_for(scheduler, running, JobState.CANCELLED)

    assert sight.started_s is None
    assert not (second / "ran").exists()
    assert all(row.elapsed_s == 0 for row in usage_of(scheduler, waiting))


def test_a_job_is_found_by_its_key_while_it_waits_runs_and_after(scheduler, run_dir):
    key, began = new_key(), now_s()
    assert scheduler.find(key, since_s=began) == []

    job = submitted(scheduler, script("sleep 1"), run_dir, key)
    assert [one.native_id for one in scheduler.find(key, since_s=began)] == [job[0]]
    wait_for(scheduler, job, JobState.DONE)

    assert [one.native_id for one in scheduler.find(key, since_s=began)] == [job[0]]
    assert scheduler.find("another-key", since_s=began) == []


def test_cancelling_what_is_unknown_or_over_is_passed_over(scheduler, run_dir):
    job = submitted(scheduler, script("true"), run_dir)
    wait_for(scheduler, job, JobState.DONE)

    scheduler.cancel([job[0], "99999999"])
    scheduler.cancel([])

    assert seen(scheduler, job).state is JobState.DONE


def test_an_unknown_job_is_absent_from_a_complete_snapshot(scheduler):
    snapshot = scheduler.status([("99999999", new_key())], since_s=now_s())

    assert snapshot.is_complete
    assert snapshot.jobs == ()


def test_a_job_is_not_taken_for_another_of_the_same_number(scheduler, run_dir):
    job = submitted(scheduler, script("true"), run_dir)
    wait_for(scheduler, job, JobState.DONE)

    assert scheduler.status([(job[0], new_key())], since_s=now_s() - 60).jobs == ()


def test_logs_are_read_on_from_an_offset(scheduler, run_dir):
    scheduler.lay(run_dir, {}, user="")
    (run_dir / "logs" / "stdout.log").write_bytes(b"0123456789")

    first = scheduler.logs(run_dir, "stdout", offset=0, limit=4)
    rest = scheduler.logs(run_dir, "stdout", offset=first.next_offset, limit=100)

    assert (first.data, first.is_end) == (b"0123", False)
    assert (rest.data, rest.next_offset, rest.is_end) == (b"456789", 10, True)


def test_the_inventory_counts_what_runs(scheduler, run_dir):
    job = submitted(scheduler, script("sleep 300", gpus=2), run_dir)
    wait_for(scheduler, job, JobState.RUNNING)

    nodes = scheduler.inventory().nodes
    scheduler.cancel([job[0]])
    wait_for(scheduler, job, JobState.CANCELLED)

    assert sum(node.gpus_used for node in nodes) == 2
    assert sum(node.cpus_used for node in nodes) >= 1
    assert all(node.cpus >= 2 and node.memory_mb > 0 for node in nodes)


def test_an_array_is_one_job_whose_tasks_are_measured_each_by_itself(scheduler, run_dir):
    text = "[ $SLURM_ARRAY_TASK_ID != 3 ] || exit 4"
    job = submitted(scheduler, script(text, array="1-3%2"), run_dir)

    sight = wait_for(scheduler, job, JobState.FAILED)

    assert (sight.exit_code, sight.reason) == (4, "NonZeroExitCode")
    [found] = scheduler.find(job[1], since_s=now_s() - 60)
    assert (found.native_id, found.state) == (job[0], JobState.FAILED)
    rows = usage_of_key(scheduler, job[1], count=3)
    assert sorted(row.native_id for row in rows) == [f"{job[0]}_{task}" for task in (1, 2, 3)]
    assert scheduler.status([job], since_s=now_s() - 60).jobs == (sight,)


def usage_of_key(scheduler, key, *, count, seconds=60):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page = scheduler.usage(since_s=now_s() - 600)
        rows = {row.native_id: row for row in page.rows if row.key == key}
        if len(rows) >= count:
            return list(rows.values())
        time.sleep(0.1)
    msg = f"{len(rows)} of {count} rows of {key} came"
    raise AssertionError(msg)


def test_what_a_job_used_and_for_whom_is_told(scheduler, run_dir):
    job = submitted(scheduler, script("for i in $(seq 150000); do :; done; sleep 2"), run_dir)
    wait_for(scheduler, job, JobState.DONE)

    [row] = usage_of(scheduler, job)
    assert row.partition in {"local", "gpu"}
    assert row.user
    assert "Contract test" in row.name or "contract-test" in row.name
    assert (row.memory_mb, row.suspended_s) == (100, 0)
    assert row.account == ("uzina" if scheduler.has_accounts else "")
    effort = scheduler.efforts([job[0], "99999999"])
    assert set(effort) == {job[0]}
    assert effort[job[0]].cpu_s > 0
    assert effort[job[0]].energy_j is None


def test_the_parts_answer_and_a_well_set_site_has_no_finding(scheduler):
    health = scheduler.health()

    assert (health.is_controller_up, health.is_accounting_up) == (True, True)
    assert health.version
    assert abs(health.skew_s) < 5
    assert health.findings == ()


def test_partitions_and_queue_are_told_with_the_machines(scheduler, run_dir):
    job = submitted(scheduler, script("sleep 300", gpus=1), run_dir)
    wait_for(scheduler, job, JobState.RUNNING)

    seen = scheduler.inventory()
    scheduler.cancel([job[0]])
    wait_for(scheduler, job, JobState.CANCELLED)

    [default] = [one for one in seen.partitions if one.is_default]
    assert default.is_up
    assert {node.partition for node in seen.nodes} == {one.name for one in seen.partitions}
    [queue] = [one for one in seen.queue if one.partition == default.name]
    assert queue.jobs_running >= 1


def test_without_accounts_nothing_is_seen_and_every_change_refused(tmp_path):
    local = LocalScheduler(folder=tmp_path, cpus=1, gpus=0, memory_mb=100)
    assert (local.has_accounts, local.limits()) == (False, ())
    assert len(local.apply([AccountStep("block", "a"), AccountStep("block", "b")])) == 2


def account(cluster, name):
    return next((one for one in cluster.limits() if one.name == name), None)


@pytest.fixture
def names():
    """Names of accounts that no test used before."""
    mark = uuid.uuid4().hex[:10]
    return [f"uz-{mark}-{number}" for number in range(4)]


def test_accounts_are_made_with_limits_and_users_and_read_back(cluster, names):
    a, b, c, d = names
    step = AccountStep
    made = [step("add_account", name, parent="uzina") for name in names]
    limits = [
        step("limit", name, gpu_min=at, billing_min=at * 1000) for at, name in enumerate(names)
    ]
    users = [step("add_user", name, users=frozenset({"root", "daemon"})) for name in (a, b)]
    change = [step("block", c), step("block_user", b, users=frozenset({"daemon"}))]

    assert cluster.apply([*made, *limits, *users, *change]) == ()

    seen = {one.name: one for one in cluster.limits() if one.name in names}
    assert [(seen[name].gpu_min, seen[name].billing_min) for name in names] == [
        (0, 0), (1, 1000), (2, 2000), (3, 3000),
    ]  # fmt: skip
    assert seen[a].users == seen[b].users == {"root", "daemon"}
    assert (seen[a].blocked_users, seen[b].blocked_users) == (frozenset(), {"daemon"})
    assert [seen[name].is_blocked for name in names] == [False, False, True, False]
    assert {one.parent for one in seen.values()} == {"uzina"}

    assert (
        cluster.apply(
            [
                step("limit", d, gpu_min=None, billing_min=7),
                step("unblock_user", b, users=frozenset({"daemon"})),
                step("unblock", c),
            ]
        )
        == ()
    )
    seen = {one.name: one for one in cluster.limits() if one.name in names}
    assert (seen[d].gpu_min, seen[d].billing_min) == (None, 7)
    assert (seen[b].blocked_users, seen[c].is_blocked) == (frozenset(), False)


def test_what_cannot_be_done_is_refused_in_words_and_leaves_nothing(cluster, names):
    a, b, _c, _d = names

    refused = cluster.apply(
        [
            AccountStep("add_account", a, parent=f"{a}-none"),
            AccountStep("limit", b, gpu_min=5),
            AccountStep("block", b),
        ]
    )

    assert [one.partition(":")[0] for one in refused] == [
        f"limit {b}", f"add_account {a}", f"block {b}",
    ]  # fmt: skip
    assert account(cluster, a) is None
    assert account(cluster, b) is None


def test_a_blocked_account_takes_no_job_and_an_open_one_is_charged(cluster, names, run_dir):
    name = names[0]
    cluster.apply(
        [
            AccountStep("add_account", name, parent="uzina"),
            AccountStep("limit", name, gpu_min=60, billing_min=600_000),
            AccountStep("add_user", name, users=frozenset({"root"})),
            AccountStep("block", name),
        ]
    )
    cluster.lay(run_dir, {}, user="")
    work = script("sleep 1", gpus=1)
    answer = cluster.submit(work, key=new_key(), run_dir=run_dir, user="", account=name)
    assert isinstance(answer, Rejected)

    cluster.apply([AccountStep("unblock", name)])
    key = new_key()
    answer = cluster.submit(work, key=key, run_dir=run_dir, user="", account=name)
    assert isinstance(answer, Accepted)
    wait_for(cluster, (answer.native_id, key), JobState.DONE)
    [row] = usage_of(cluster, (answer.native_id, key))
    assert (row.account, row.user) == (name, "root")


def test_jobs_submitted_past_the_portal_are_measured_too(cluster, run_dir):
    ran = cluster.run(
        ["sbatch", "--parsable", "-J", "by hand", "-A", "uzina", "-t1", "--mem=50M", "-o/dev/null"],
        "#!/bin/bash\ntrue\n",
    )
    native_id = ran.stdout.strip()
    assert native_id.isdigit()

    [row] = usage_of(cluster, (native_id, ""))
    assert (row.account, row.name) == ("uzina", "by hand")
