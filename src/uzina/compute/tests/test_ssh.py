"""Commands by SSH, through a real OpenSSH server to the real Slurm of the tests."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from uzina.compute import adapters
from uzina.compute.adapters import ssh
from uzina.compute.adapters.commands import LocalCommands, client_environment
from uzina.compute.adapters.slurm import SlurmScheduler
from uzina.compute.adapters.ssh import Identity, SshCommands
from uzina.compute.ports import Rejected, SchedulerDown, Unknown
from uzina.compute.rules import JobState
from uzina.compute.tests.test_scheduler import (
    new_key,
    now_s,
    script,
    submitted,
    text_of,
    usage_of,
    wait_for,
)

SSHD = Path(__file__).parents[4] / "tests/services/sshd.py"
SLURM_CONF = os.environ.get("UZINA_TEST_SLURM_CONF", "")
needs_slurm = pytest.mark.skipif(not SLURM_CONF, reason="needs the Slurm of tests/services")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running sshd: what it says of itself, and its folder."""
    if shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        pytest.skip("needs openssh-server: scripts/services install")
    folder = tmp_path_factory.mktemp("sshd")
    command = [sys.executable, str(SSHD)]
    done = subprocess.run(
        [*command, "start", "--folder", folder], capture_output=True, text=True, check=True
    )
    words = [line.removeprefix("export UZINA_TEST_SSH_") for line in done.stdout.splitlines()]
    yield {name: shlex.split(value)[0] for name, _is, value in (w.partition("=") for w in words)}
    subprocess.run([*command, "stop", "--folder", folder], check=True)


class Relay:
    """A wire between us and the server that can be cut."""

    def __init__(self, port):
        self.port_behind = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted, self.ends, self.is_closed = 0, [], False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.port_behind))
                self.accepted += 1
                self.ends += [near, far]
                if self.is_closed:  # while this connection was being made
                    self.cut()
                for one, other in ((near, far), (far, near)):
                    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_RDWR)

    def cut(self):
        ends, self.ends = self.ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self.is_closed = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


@pytest.fixture
def wire(server):
    made = Relay(int(server["PORT"]))
    yield made
    made.close()


@pytest.fixture
def identity(server, wire, tmp_path):
    """Whom we are on the server behind the wire."""
    known = tmp_path / "known_hosts"
    key = Path(server["KNOWN_HOSTS"]).read_text().partition(" ")[2]
    known.write_text(f"[127.0.0.1]:{wire.port} {key}")
    found = Identity("127.0.0.1", wire.port, server["USER"], server["KEY"], str(known))
    yield found
    ssh.kept(found, os.getpid()).close()


@pytest.fixture
def run(identity):
    return SshCommands(identity, client_environment(SLURM_CONF), timeout_s=60)


@pytest.fixture
def scheduler(run):
    return SlurmScheduler(slurm_conf=SLURM_CONF, account="uzina", partition="gpu", run=run)


@pytest.fixture
def run_dir(tmp_path):
    folder = tmp_path / "a run, with 100%"
    (folder / "logs").mkdir(parents=True)
    return folder


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_words_and_what_stands_on_standard_input_arrive_as_they_were_written(run):
    words = ["a b", "$HOME", "`id`", "'", '"', "\\", "*", "", "\n", "ș"]
    program = "import sys; print(ascii(sys.argv[1:])); print(ascii(sys.stdin.buffer.read()))"
    stdin = bytes(range(256)) * 5000

    ran = run([sys.executable, "-c", program, *words], stdin)

    assert ran.code == 0
    assert ran.stdout == f"{words!a}\n{stdin!a}\n"


def test_a_command_gets_our_environment_and_nothing_else_of_ours(run, monkeypatch):
    monkeypatch.setenv("UZINA_SECRET", "of the server")
    lines = run(["env"]).stdout.splitlines()
    assert {line.partition("=")[0] for line in lines} == set(run.environment)
    assert "SLURM_TIME_FORMAT=%s" in lines


def test_a_command_that_fails_says_so_as_it_does_here(run):
    ran = run(["bash", "-c", "echo no >&2; exit 3"])
    assert (ran.code, ran.stdout, ran.stderr) == (3, "", "no\n")
    missing = run(["no-such-program"])
    assert missing.code == 127
    assert missing.stderr.startswith("No such file or directory: 'no-such-program'")


def test_a_command_that_takes_too_long_is_ended_over_there(run, tmp_path):
    ran = run(["bash", "-c", f"echo $$ >{tmp_path}/pid; exec sleep 300"], timeout_s=2)
    assert ran.code is None
    pid = (tmp_path / "pid").read_text().strip()
    until(lambda: not Path(f"/proc/{pid}").exists() or "Z" in state_of(pid))


def state_of(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_twenty_at_once_share_one_connection(run, wire):
    with ThreadPoolExecutor(20) as pool:
        rans = list(pool.map(lambda n: run(["echo", str(n)]), range(20)))
    assert [ran.stdout for ran in rans] == [f"{n}\n" for n in range(20)]
    assert wire.accepted == 1


def test_a_command_whose_connection_was_cut_has_no_known_end(run, wire, tmp_path):
    results = []
    text = f"touch {tmp_path}/begun; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; touch {tmp_path}/done"
    caller = threading.Thread(target=lambda: results.append(run(["bash", "-c", text])))
    caller.start()
    until((tmp_path / "begun").exists)

    wire.cut()
    caller.join(60)

    [ran] = results
    assert ran.code is None
    (tmp_path / "go").touch()
    until((tmp_path / "done").exists)  # over there it went on


def test_a_connection_that_died_while_nothing_ran_is_made_again(run, wire):
    assert run(["echo", "1"]).stdout == "1\n"
    wire.cut()
    assert run(["echo", "2"]).stdout == "2\n"
    assert wire.accepted == 2


def test_where_no_connection_can_be_made_it_is_certain_that_nothing_was_begun(run, wire, tmp_path):
    run(["true"])
    wire.close()
    with pytest.raises(SchedulerDown, match="127.0.0.1"):
        run(["touch", str(tmp_path / "begun")])
    assert not (tmp_path / "begun").exists()


@pytest.mark.parametrize("known", ["another", "none", "no file"])
def test_a_host_whose_key_is_not_known_is_refused(run, identity, server, tmp_path, known):
    file = tmp_path / "others"
    if known == "another":
        line = Path(identity.known_hosts).read_text().split()[0]
        key = Path(server["KEY"] + ".pub").read_text().split()
        file.write_text(f"{line} {key[0]} {key[1]}\n")
    elif known == "none":
        file.touch()
    stranger = replace(run, identity=replace(identity, known_hosts=str(file)))

    with pytest.raises(SchedulerDown):
        stranger(["touch", str(tmp_path / "begun")])

    assert not (tmp_path / "begun").exists()


def test_who_has_no_key_there_is_refused(run, identity, tmp_path):
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "mine"]
    subprocess.run(keygen, check=True)
    stranger = replace(run, identity=replace(identity, key=str(tmp_path / "mine")))
    with pytest.raises(SchedulerDown, match="Permission denied"):
        stranger(["true"])


def test_the_configuration_chooses_ssh(identity, wire):
    config = settings.UZINA
    scheduler = replace(
        config.scheduler,
        kind="slurm",
        slurm_conf="/there/slurm.conf",
        transport="ssh",
        ssh_host=identity.host,
        ssh_port=identity.port,
        ssh_user=identity.user,
        ssh_key=identity.key,
        ssh_known_hosts=identity.known_hosts,
    )
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        ran = adapters.scheduler().run(["env"])
        assert adapters.scheduler().run(["true"]).code == 0
    assert "SLURM_CONF=/there/slurm.conf" in ran.stdout.splitlines()
    assert wire.accepted == 1


@needs_slurm
def test_a_job_goes_its_whole_way_by_ssh(scheduler, run_dir):
    key, began = new_key(), now_s()
    assert scheduler.find(key, since_s=began) == []
    job = submitted(scheduler, script("pwd; echo err >&2; sleep 1", gpus=2), run_dir, key)

    sight = wait_for(scheduler, job, JobState.DONE)

    assert (sight.exit_code, sight.key) == (0, key)
    assert text_of(scheduler, run_dir) == f"{run_dir}\n"
    assert [one.native_id for one in scheduler.find(key, since_s=began)] == [job[0]]
    [row] = usage_of(scheduler, job)
    assert (row.gpus, row.nodes) == (2, 1)
    assert row.elapsed_s == row.ended_s - row.started_s


@needs_slurm
def test_a_job_is_stopped_and_another_refused_by_ssh(scheduler, run_dir):
    refused = scheduler.submit(
        script("true", gpus=60), key=new_key(), run_dir=run_dir, user="", account=""
    )
    assert isinstance(refused, Rejected)
    job = submitted(scheduler, script("sleep 300"), run_dir)
    wait_for(scheduler, job, JobState.RUNNING)
    scheduler.cancel([job[0]])
    assert wait_for(scheduler, job, JobState.CANCELLED).reason == "Cancelled"
    assert scheduler.inventory().nodes


@needs_slurm
def test_a_submission_whose_answer_was_lost_is_found_by_its_key(run, wire, run_dir, tmp_path):
    """The connection breaks after Slurm took the job and before the answer came."""

    def slow(argv, stdin="", **limits):
        if argv[0] != "sbatch":
            return run(argv, stdin, **limits)
        text = f'sbatch "$@" >{tmp_path}/id && touch {tmp_path}/taken; sleep 300'
        return run(["bash", "-c", text, *argv], stdin, **limits)

    scheduler = SlurmScheduler(slurm_conf=SLURM_CONF, account="uzina", partition="gpu", run=slow)
    key, began, answers = new_key(), now_s(), []
    job = {"key": key, "run_dir": run_dir, "user": "", "account": ""}
    caller = threading.Thread(
        target=lambda: answers.append(scheduler.submit(script("true"), **job))
    )
    caller.start()
    until((tmp_path / "taken").exists)

    wire.cut()
    caller.join(60)

    assert isinstance(answers[0], Unknown)
    [found] = scheduler.find(key, since_s=began)
    assert found.native_id == (tmp_path / "id").read_text().strip()


@needs_slurm
def test_a_submission_that_could_not_be_sent_is_certainly_not_there(scheduler, wire, run_dir):
    wire.close()
    with pytest.raises(SchedulerDown):
        submitted(scheduler, script("true"), run_dir)


def test_two_hundred_commands_over_one_connection(run, wire, record_property):
    """What a command costs over the kept connection, beside the same here; a record, no limit."""
    here = LocalCommands(run.environment)
    took = {}
    for name, one in (("local", here), ("ssh", run)):
        one(["true"])
        began = time.monotonic()
        assert all(one(["true"]).code == 0 for _ in range(200))
        took[name] = (time.monotonic() - began) * 1000 / 200
        record_property(f"{name}_ms_per_command", round(took[name], 2))
    print({name: f"{ms:.1f} ms/command" for name, ms in took.items()})
    assert wire.accepted == 1
