"""Commands for the agent of a cluster: taken once, answered once, by nobody else."""

import base64
import json
import os
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.utils import timezone

from uzina.compute import actions, adapters, queries
from uzina.compute.adapters.agent import GRACE_S, WAIT_S, AgentCommands
from uzina.compute.models import AgentCommand
from uzina.compute.ports import SchedulerDown
from uzina.core.errors import Refused
from uzina.core.tests import NOW
from uzina_client import agent

TOKEN = "of the agent " + "x" * 32
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def by_agent(db):
    """Commands go by the agent."""
    config = settings.UZINA
    scheduler = replace(config.scheduler, kind="slurm", transport="agent", agent_token=TOKEN)
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        yield queries.cluster()


def waiting(cluster, *, at=NOW, argv=("squeue",), stdin=b"", timeout_s=30.0):
    return AgentCommand.objects.create(
        cluster=cluster, argv=list(argv), stdin=stdin, timeout_s=timeout_s, made_at=at
    )


def seconds(number):
    return timedelta(seconds=number)


def answered(cluster, command, **changes):
    facts = {"offset": 0, "stdout": b"", "is_last": True, "code": 0, "stderr": "", "now": NOW}
    return actions.answer_command(cluster, command.pk, **(facts | changes))


# --- taking and answering -----------------------------------------------------------------------


def test_commands_are_taken_once_in_their_order_and_one_at_a_time(by_agent):
    first, second = waiting(by_agent), waiting(by_agent)

    assert actions.take_command(by_agent, now=NOW).pk == first.pk
    assert actions.take_command(by_agent, now=NOW) is None
    answered(by_agent, first)
    assert actions.take_command(by_agent, now=NOW).pk == second.pk
    answered(by_agent, second)
    assert actions.take_command(by_agent, now=NOW) is None


def test_a_command_whose_agent_was_lost_holds_the_others_up_until_it_cannot_run_any_more(by_agent):
    lost = waiting(by_agent, timeout_s=20)
    actions.take_command(by_agent, now=NOW)
    over = NOW + seconds(20 + GRACE_S)
    follows = waiting(by_agent, at=over)

    assert actions.take_command(by_agent, now=over - seconds(0.001)) is None
    assert actions.take_command(by_agent, now=over).pk == follows.pk
    lost.refresh_from_db()
    assert lost.state == "taken"


def test_a_command_that_waited_too_long_is_not_taken_any_more(by_agent):
    """Who left it may be gone and have looked it up since: run now, it would run twice."""
    waiting(by_agent)
    late = NOW + seconds(WAIT_S)

    assert queries.next_command(by_agent, now=late) is None
    assert actions.take_command(by_agent, now=late) is None
    assert actions.take_command(by_agent, now=late - seconds(0.001)) is not None


def test_a_long_answer_comes_in_pieces_and_each_may_come_again(by_agent):
    command = waiting(by_agent)
    actions.take_command(by_agent, now=NOW)

    answered(by_agent, command, stdout=b"abc", is_last=False)
    answered(by_agent, command, stdout=b"abc", is_last=False)
    with pytest.raises(Refused) as gap:
        answered(by_agent, command, stdout=b"ghi", offset=6, code=0)
    assert gap.value.code == "agent.answer.gap"
    done = answered(by_agent, command, stdout=b"def", offset=3, code=3, stderr="no")
    assert (done.state, bytes(done.stdout), done.code, done.stderr) == ("done", b"abcdef", 3, "no")

    again = answered(by_agent, command, stdout=b"other", code=0)
    assert (bytes(again.stdout), again.code) == (b"abcdef", 3)


def test_what_was_not_taken_cannot_be_answered(by_agent):
    command = waiting(by_agent)
    with pytest.raises(Refused) as refused:
        answered(by_agent, command, stdout=b"x")
    assert refused.value.code == "agent.answer.not_taken"
    command.refresh_from_db()
    assert (command.state, bytes(command.stdout)) == ("waiting", b"")


# --- the door -----------------------------------------------------------------------------------


def post(path, body, **headers):
    return Client().post(
        f"/api/v1/compute/agent/{path}",
        json.dumps(body),
        content_type="application/json",
        headers=headers,
    )


def test_the_agent_fetches_a_command_and_gives_back_any_bytes(by_agent):
    command = waiting(by_agent, at=timezone.now(), argv=["sbatch", "--parsable"], stdin=b"\x00\xff")
    found = post("next", {"wait_s": 0}, **HEADERS).json()["command"]
    assert found == {
        "id": command.pk,
        "argv": ["sbatch", "--parsable"],
        "stdin": base64.b64encode(b"\x00\xff").decode(),
        "timeout_s": 30.0,
    }
    assert post("next", {"wait_s": 0}, **HEADERS).json() == {"command": None}

    body = {"stdout": base64.b64encode(b"\xfe\x00").decode(), "code": 1, "stderr": "ș"}
    reply = post(f"commands/{command.pk}/result", body, **HEADERS)

    assert reply.json() == {"state": "done", "kept": 2}
    command.refresh_from_db()
    assert (bytes(command.stdout), command.code, command.stderr) == (b"\xfe\x00", 1, "ș")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("next", {"wait_s": 5.1}, 422),
        ("next", {"wait_s": -1}, 422),
        ("commands/999999/result", {}, 404),
        ("commands/1/result", {"stdout": "ș"}, 422),
        ("commands/1/result", {"code": 65_536}, 422),
        ("commands/1/result", {"stderr": "x" * 20_001}, 422),
    ],
)
def test_rubbish_is_refused_at_the_door(by_agent, path, body, status):
    assert post(path, body, **HEADERS).status_code == status


def test_only_the_agents_own_secret_opens_the_door_and_opens_no_other(by_agent, operator):
    from uzina.people import actions as people

    now = timezone.now()
    waiting(by_agent, at=now)
    issued = people.issue_token(
        operator, name="mine", lifetime=timedelta(days=1), by=operator, now=now
    )
    for headers in (
        {},
        {"Authorization": f"Bearer {issued.secret}"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Basic {TOKEN}"},
    ):
        assert post("next", {"wait_s": 0}, **headers).status_code == 401
    signed_in = Client(enforce_csrf_checks=True)
    signed_in.force_login(operator)
    path = "/api/v1/compute/agent/next"
    assert signed_in.post(path, "{}", content_type="application/json").status_code == 401
    assert Client(headers=HEADERS).get("/api/v1/compute/jobs").status_code == 401
    assert AgentCommand.objects.get().state == "waiting"


@pytest.mark.parametrize("changes", [{"transport": "local"}, {"agent_token": ""}])
def test_without_an_agent_in_the_configuration_the_door_is_shut(by_agent, changes):
    config = settings.UZINA
    scheduler = replace(config.scheduler, **changes)
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        for secret in (TOKEN, "", " "):
            headers = {"Authorization": f"Bearer {secret}"}
            assert post("next", {"wait_s": 0}, **headers).status_code == 401


# --- who waits ----------------------------------------------------------------------------------


@pytest.fixture
def committed(transactional_db, by_agent):
    """The server's side needs commits: another process takes what it leaves."""
    return by_agent


def test_who_left_a_command_gets_its_end_and_leaves_no_row(committed, monkeypatch):
    """While the server pauses between two looks, an agent takes the command and answers it."""

    def agents_turn(_seconds):
        found = actions.take_command(committed, now=timezone.now())
        assert (found.argv, bytes(found.stdin)) == (["squeue", "-h"], b"text")
        answered(committed, found, stdout="ș\n".encode(), code=3, stderr="no")

    monkeypatch.setattr("uzina.compute.adapters.agent.time.sleep", agents_turn)
    ran = adapters.commands()(["squeue", "-h"], "text")

    assert (ran.code, ran.stdout, ran.stderr) == (3, "ș\n", "no")
    assert not AgentCommand.objects.exists()


def test_a_command_that_the_agent_does_not_run_was_certainly_not_begun(committed, monkeypatch):
    def agents_turn(_seconds):
        found = actions.take_command(committed, now=timezone.now())
        told = f"The agent did not run it: {agent.why_not(found.argv, [])}"
        answered(committed, found, code=126, stderr=told)

    monkeypatch.setattr("uzina.compute.adapters.agent.time.sleep", agents_turn)
    with pytest.raises(SchedulerDown, match="not on the agent's list"):
        adapters.commands()(["rm", "-r", "/"])


def test_a_command_that_was_taken_and_is_not_answered_has_no_known_end(committed, monkeypatch):
    monkeypatch.setattr("uzina.compute.adapters.agent.GRACE_S", 0.1)
    monkeypatch.setattr(
        "uzina.compute.adapters.agent.time.sleep",
        lambda _seconds: actions.take_command(committed, now=timezone.now()),
    )
    ran = AgentCommands(committed.slug, "slurm", timeout_s=0.1, wait_s=0.1)(["sbatch"])
    assert (ran.code, ran.stdout) == (None, "")
    assert "lost" in ran.stderr


def test_without_an_agent_it_is_certain_that_nothing_was_run(committed):
    run = AgentCommands(committed.slug, "slurm", wait_s=0.1)
    with pytest.raises(SchedulerDown, match="took no command"):
        run(["sbatch"], "script")
    assert not AgentCommand.objects.exists()
    assert actions.take_command(committed, now=timezone.now()) is None


def test_a_command_is_not_left_where_nobody_could_see_it(by_agent):
    with pytest.raises(RuntimeError, match="commit"):
        AgentCommands(by_agent.slug, "slurm")(["squeue"])


# --- the agent ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["bash", "-c", "id"], ["/bin/sh"], ["/usr/bin/sbatch"], ["./sbatch"], [], [""],
        ["sbatch\0"], ["sudo", "-n", "id"], ["sudo", "-n", "/usr/local/sbin/uzina-as2", "ana"],
        ["scontrol", "shutdown"], ["scontrol", "update", "node=n1"], ["scontrol"],
        ["scontrol", "-o"], ["env", "sbatch"], [1],
    ],
)  # fmt: skip
def test_the_agent_runs_nothing_that_is_not_on_its_list(argv):
    assert agent.why_not(argv, agent.WRAPPER.split())


@pytest.mark.parametrize(
    "argv",
    [
        ["sbatch", "--parsable"], ["squeue", "-h"], ["scontrol", "-o", "show", "config"],
        ["scontrol", "ping"], ["date", "+%s"], [*agent.WRAPPER.split(), "ana", "lay", "/runs/x"],
    ],
)  # fmt: skip
def test_the_agent_runs_what_the_factory_needs(argv):
    assert agent.why_not(argv, agent.WRAPPER.split()) == ""


def test_the_agent_gives_programs_nothing_of_its_own_environment(monkeypatch, tmp_path):
    program = tmp_path / "told"
    program.write_text("#!/bin/sh\nenv; cat\n")
    program.chmod(0o755)
    monkeypatch.setenv("UZINA_TOKEN", TOKEN)
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    ended = agent.execute(["told"], b"\xff", timeout_s=30)

    assert ended.code == 0
    names = {line.partition(b"=")[0] for line in ended.stdout.splitlines() if b"=" in line}
    assert names - {b"PWD", b"OLDPWD", b"_", b"SHLVL"} == {
        b"PATH", b"LANG", b"SLURM_TIME_FORMAT", b"SLURM_CONF",
    }  # fmt: skip
    assert ended.stdout.endswith(b"\xff")


def test_the_agent_ends_what_takes_too_long_and_tells_what_is_missing():
    assert agent.execute(["sleep", "300"], b"", timeout_s=0.2).code is None
    missing = agent.execute(["no-such-program"], b"", timeout_s=5)
    assert (missing.code, missing.stderr) == (127, "No such file or directory: 'no-such-program'")
