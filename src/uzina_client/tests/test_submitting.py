"""Submitting from a terminal: what is sent, what is followed, and the exit code."""

import json
import tomllib
from pathlib import Path

import pytest

from uzina_client import cli
from uzina_client.cli import jobs, submitting
from uzina_client.tests.conftest import Reply, ScriptedPortal
from uzina_client.tests.test_command import JOB, home, signed_in

__all__ = ["home", "signed_in"]
RUNNING = JOB | {"state": "running", "started_at": "2026-11-23T09:00:01Z", "tasks": 1}
ENDED = RUNNING | {"state": "failed", "exit_code": 3, "why": "It ended with an error."}


def log(text: str, offset: int) -> Reply:
    return Reply(body={"text": text, "next_offset": offset, "is_end": True})


@pytest.fixture
def toml(tmp_path: Path) -> str:
    """Return the path of a small job.toml."""
    (tmp_path / "job.toml").write_text('project = "PRJ-1"\nname = "a"\ncommand = ["true"]\n')
    return str(tmp_path / "job.toml")


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask again at once."""
    monkeypatch.setattr(submitting, "POLL_S", 0)


def test_a_job_is_followed_without_repeating_and_its_exit_code_is_the_commands(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], toml: str
) -> None:
    signed_in.will(
        Reply(201, JOB | {"state": "created"}),
        Reply(body=RUNNING),
        log("one\n", 4), log("", 4), log("", 0),
        Reply(body=ENDED),
        log("two\n", 8), log("", 8), log("oh\n", 3), log("", 3),
    )  # fmt: skip

    assert cli.run(["submit", toml]) == 3

    seen = capsys.readouterr()
    assert seen.out.startswith("one\ntwo\n")
    assert "oh\n" in seen.err
    assert "JOB-1: failed (It ended with an error.)" in seen.err
    offsets = [one.path for one in signed_in.asked if "logs?stream=stdout" in one.path]
    assert [path.partition("offset=")[2] for path in offsets] == ["0", "4", "4", "8"]


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"state": "done", "exit_code": 0}, 0),
        ({"state": "failed", "exit_code": 139}, 139),
        ({"state": "cancelled", "exit_code": None}, 1),
        ({"state": "failed", "exit_code": 0}, 1),
    ],
)
def test_only_a_job_that_was_done_gives_0(job: dict[str, object], code: int) -> None:
    assert submitting.outcome(job) == code


def test_detached_it_says_the_job_and_asks_no_more(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], toml: str
) -> None:
    signed_in.will(Reply(201, JOB))
    assert cli.run(["submit", toml, "-d", "--json", "--key", "mine"]) == 0
    assert json.loads(capsys.readouterr().out)["code"] == "JOB-1"
    assert len(signed_in.asked) == 1
    assert signed_in.asked[0].headers["Idempotency-Key"] == "mine"


def test_ctrl_c_lets_the_job_go_on_and_says_so(
    signed_in: ScriptedPortal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    toml: str,
) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(submitting.time, "sleep", interrupted)
    signed_in.will(Reply(201, JOB), Reply(body=RUNNING), log("", 0), log("", 0))

    assert cli.run(["submit", toml]) == 130

    seen = capsys.readouterr()
    assert "JOB-1 goes on without you." in seen.err
    assert "Next: uzina logs -f JOB-1" in seen.err
    assert [one.method for one in signed_in.asked] == ["POST", "GET", "GET", "GET"]


def test_a_script_is_sent_whole_with_its_words_and_what_the_options_say(
    signed_in: ScriptedPortal, tmp_path: Path
) -> None:
    (tmp_path / "train.sh").write_text("#!/bin/bash\n#SBATCH -t 5\ntrue\n")
    signed_in.will(Reply(201, JOB))
    words = ["--script", str(tmp_path / "train.sh"), "--project", "PRJ-1", "--gpus", "0"]
    assert cli.run(["submit", "-d", "--array", "0-3", *words, "--", "--lr", "0.1"]) == 0
    assert signed_in.asked[0].json() == {
        "project": "PRJ-1",
        "spec": {
            "name": "train",
            "script": "#!/bin/bash\n#SBATCH -t 5\ntrue\n",
            "arguments": ["--lr", "0.1"],
            "array": "0-3",
            "gpus": 0,
        },
    }


def test_a_check_submits_nothing_and_fails_where_something_is_in_the_way(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], toml: str
) -> None:
    good = {"code": "fit.ok", "level": "ok", "text": "It fits."}
    bad = {"code": "fit.gpus", "level": "refuse", "text": "Too many GPUs."}
    signed_in.will(
        Reply(body={"may_submit": True, "checks": [good]}),
        Reply(body={"may_submit": False, "checks": [good, bad]}),
    )
    assert cli.run(["submit", "--check", toml]) == 0
    assert cli.run(["submit", "--check", toml]) == 1
    assert "Too many GPUs." in capsys.readouterr().out
    assert {one.path for one in signed_in.asked} == {"/api/v1/compute/jobs/check"}


def test_a_rehearsal_is_asked_for_and_what_it_showed_is_told(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], toml: str
) -> None:
    done = RUNNING | {"state": "done", "rehearsal": "It went well.", "started_at": None}
    signed_in.will(Reply(201, JOB), Reply(body=done))
    assert cli.run(["submit", "--rehearse", toml]) == 0
    assert "It went well." in capsys.readouterr().out
    assert signed_in.asked[0].json()["is_rehearsal"] is True


@pytest.mark.parametrize("words", [["submit"], ["submit", "a.toml", "b.toml"]])
def test_what_to_submit_has_to_be_named_once(signed_in: ScriptedPortal, words: list[str]) -> None:
    assert cli.run(words) == 2
    assert signed_in.asked == []


def test_a_clone_is_a_job_toml_that_says_the_same(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {
        "name": 'a "name" ș',
        "command": ["bash", "-c", "a\\b\n\x7f"],
        "recipe": "",
        "script": "#!/bin/bash\necho 'a'\n",
        "gpus": 2,
        "inputs": [{"dataset": "ro-corpus", "version": 3, "at": "in"}],
        "environment": {"A": "b", "C_D": ""},
        "files": {"a/b.txt": "x\n'''\n"},
        "is_rehearsal": True,
    }
    signed_in.will(Reply(body=JOB | {"spec": spec}))
    assert cli.run(["clone", "JOB-1"]) == 0
    read = tomllib.loads(capsys.readouterr().out)
    assert read == {"project": "PRJ-1"} | {name: one for name, one in spec.items() if one != ""}


def test_a_job_is_run_again_under_a_key(signed_in: ScriptedPortal) -> None:
    signed_in.will(Reply(201, JOB | {"rerun_of": "JOB-0"}))
    assert cli.run(["rerun", "JOB-0", "--key", "again"]) == 0
    [asked] = signed_in.asked
    assert (asked.path, asked.headers["Idempotency-Key"]) == (
        "/api/v1/compute/jobs/JOB-0/rerun", "again",
    )  # fmt: skip


def test_the_log_of_one_task_is_read(signed_in: ScriptedPortal) -> None:
    signed_in.will(Reply(body=JOB), log("", 0))
    assert cli.run(["logs", "JOB-1", "--task", "3"]) == 0
    assert "stream=stdout-3" in signed_in.asked[1].path


def test_what_to_do_stands_below_a_failed_job() -> None:
    advice = {"why": "It was killed.", "step": "Ask for more memory."}
    assert jobs.told_advice({"advice": advice}) == "It was killed. Ask for more memory."
    assert jobs.told_advice({}) == ""
