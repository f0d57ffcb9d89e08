"""The `uzina` command: output for people and for programs, exit codes, and no tracebacks."""

import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from uzina_client import cli
from uzina_client.cli import data, shell, sizing
from uzina_client.tests.conftest import Reply, ScriptedPortal

ME = {"code": "PER-1", "name": "Ana", "email": "ana@startup.example", "roles": ["operator"]}
JOB = {
    "code": "JOB-1",
    "name": "first",
    "project": "PRJ-1",
    "state": "done",
    "reason": "",
    "why": "",
    "nodes": 1,
    "gpus": 1,
    "cpus": 2,
    "time_limit_s": 60,
    "submitted_at": "2026-11-23T09:00:00Z",
}


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give each test a configuration folder of its own, and no keyring."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    for name in ("UZINA_TOKEN", "UZINA_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "uzina"


@pytest.fixture
def signed_in(portal: ScriptedPortal, monkeypatch: pytest.MonkeyPatch) -> ScriptedPortal:
    """Return a portal that one is signed in to."""
    monkeypatch.setenv("UZINA_TOKEN", "uz_secret")
    monkeypatch.setenv("UZINA_URL", portal.url)
    return portal


def test_json_is_one_document_with_the_portals_keys(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(Reply(body={"items": [JOB], "next": None}))
    assert cli.run(["jobs", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [JOB]


def test_a_list_that_is_not_on_a_terminal_has_one_line_a_row_and_tabs(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = JOB | {"name": "two\nlines\tand a tab"}
    signed_in.will(Reply(body={"items": [JOB, odd], "next": None}))
    assert cli.run(["jobs", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        ["JOB-1", "first"],
        ["JOB-1", "two lines and a tab"],
    ]


def test_how_long_hours_last_is_a_line_and_says_nothing_it_does_not_know(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    hour = 3_600_000
    told = {
        "allocation": "ALL-1",
        "unit": "gpu_ms",
        "outlook": "lasts",
        "days": 9,
        "pace": 2 * hour,
        "early": None,
        "likely": None,
        "late": None,
        "unused": {"least": hour, "likely": 3 * hour, "most": 5 * hour},
    }
    silent = told | {"outlook": "too_early", "days": 0, "pace": 0, "unused": None}
    for answer in (told, silent):
        signed_in.will(Reply(body={"code": "ALL-1"}), Reply(body=answer))
        assert cli.run(["usage", "ALL-1", "--forecast"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t") == ["ALL-1", "lasts", "2.00 GPU-hours", "", "", "", "3.00 GPU-hours"]
    assert second.split("\t") == ["ALL-1", "too_early", "", "", "", "", ""]


def test_runs_and_totals_of_a_project_are_shown_with_those_past_the_portal(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    run = {
        "native_id": "7_1",
        "job": "",
        "user": "ana",
        "ended_at": "2026-11-23T09:00:00Z",
        "state": "COMPLETED",
        "gpu_ms": 3_600_000,
        "allocation": "",
    }
    total = {"month": "2026-11-01", "user": "ana", "runs": 3, "gpu_ms": 7_200_000}
    signed_in.will(Reply(body={"items": [run], "next": None}), Reply(body={"items": [total]}))
    assert cli.run(["usage", "PRJ-1", "--runs"]) == 0
    assert cli.run(["usage", "PRJ-1", "--totals"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.split("\t")[:3] == ["7_1", "past the portal", "ana"]
    assert first.endswith("1.00 GPU-hours\tnothing")
    assert second.split("\t") == ["2026-11", "ana", "3", "2.00 GPU-hours"]


def test_an_empty_list_prints_nothing_and_says_so_aside(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(*[Reply(body={"items": [], "next": None})] * 3)
    assert cli.run(["jobs", "list"]) == 0
    seen = capsys.readouterr()
    assert (seen.out, seen.err) == ("", "There is no job yet.\n")
    assert cli.run(["jobs", "list", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert cli.run(["jobs", "list", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2), (401, 4), (403, 5), (404, 3), (409, 6), (413, 2), (422, 2), (418, 1),
    ],
)  # fmt: skip
def test_each_refusal_has_its_exit_code(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], status: int, code: int
) -> None:
    signed_in.will(Reply(status, {"code": "a.b.c", "detail": "No.", "request_id": "r-1"}))
    assert cli.run(["jobs", "show", "JOB-1"]) == code
    seen = capsys.readouterr()
    assert seen.out == ""
    assert seen.err.startswith("uzina: No.\n")
    assert "Request: r-1" in seen.err


def test_busy_and_broken_portals_have_their_exit_codes() -> None:
    assert (cli.exit_code(429), cli.exit_code(500), cli.exit_code(503)) == (7, 8, 8)


def test_not_enough_hours_is_6_and_names_the_next_command(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "job.toml").write_text('project = "PRJ-1"\nname = "a"\ncommand = ["true"]\n')
    signed_in.will(Reply(409, {"code": "allocation.hold.too_big", "detail": "Too big."}))
    assert cli.run(["jobs", "submit", str(tmp_path / "job.toml")]) == 6
    assert "Next: uzina usage" in capsys.readouterr().err


def test_a_job_with_a_recipe_becomes_a_training_run(
    signed_in: ScriptedPortal, tmp_path: Path
) -> None:
    (tmp_path / "job.toml").write_text(
        'project = "PRJ-1"\nrecipe = "train"\ngpus = 1\n[params]\nsteps = 5\n'
    )
    signed_in.will(Reply(201, {"code": "RUN-1", "job": "JOB-1"}), Reply(body=JOB))
    assert cli.run(["jobs", "submit", str(tmp_path / "job.toml"), "-q"]) == 0
    assert signed_in.asked[0].path == "/api/v1/training/runs"
    assert signed_in.asked[0].json() == {
        "project": "PRJ-1", "recipe": "train", "gpus": 1, "params": {"steps": 5},
    }  # fmt: skip


def test_a_portal_that_is_away_is_8_and_nothing_is_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setattr(time, "sleep", lambda _s: None)
    monkeypatch.setenv("UZINA_TOKEN", "uz_x")
    assert cli.run(["whoami", "--portal", url]) == 8
    seen = capsys.readouterr().err
    assert "did not answer" in seen
    assert "Traceback" not in seen


def test_without_a_sign_in_it_is_4_and_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["jobs", "list", "--portal", "http://portal.example"]) == 4
    assert "Next: uzina login --portal http://portal.example" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["jobs", "frobnicate"], ["jobs", "show"], ["--nonsense"], ["estimate", "--parameters", "x"]],
)
def test_wrong_usage_is_2_and_names_the_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(arguments) == 2
    assert "--help" in capsys.readouterr().err


def test_a_broken_job_file_is_told_with_its_line(
    signed_in: ScriptedPortal, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "job.toml").write_text("name = \n")
    assert cli.run(["jobs", "submit", str(tmp_path / "job.toml")]) == 2
    assert "line 1" in capsys.readouterr().err
    assert signed_in.asked == []


def test_a_question_nobody_can_answer_stops_and_names_the_option(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["jobs", "cancel", "JOB-1", "--no-input"]) == 2
    assert "--yes" in capsys.readouterr().err
    assert signed_in.asked == []


def test_login_keeps_the_token_where_only_its_owner_can_read_it(
    portal: ScriptedPortal, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portal.will(Reply(body=ME), Reply(body=ME))
    done = subprocess.run(
        [
            *(sys.executable, "-c", "from uzina_client.cli import main; main()"),
            *("login", "--token-stdin", "--portal", portal.url),
        ],
        input="uz_secret\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "only you can read it" in done.stderr
    assert "uz_secret" not in done.stdout + done.stderr + (home / "config.toml").read_text()
    assert stat.S_IMODE((home / "tokens.json").stat().st_mode) == 0o600
    assert cli.run(["whoami"]) == 0
    assert portal.asked[1].headers["Authorization"] == "Bearer uz_secret"
    assert "ana@startup.example" in capsys.readouterr().out


def test_logout_forgets_the_token(portal: ScriptedPortal, home: Path) -> None:
    from uzina_client import settings

    settings.keep_token(home, portal.url, "uz_secret")
    known = settings.Settings().having(settings.Portal(portal.url, "a@b.example", "TOK-1"))
    settings.write(home, known)
    portal.will(Reply(204))
    assert cli.run(["logout"]) == 0
    assert portal.asked[0].path == "/api/v1/people/tokens/TOK-1/revoke"
    assert "uz_secret" not in (home / "tokens.json").read_text()
    assert cli.run(["whoami", "--portal", portal.url]) == 4


def test_a_token_from_input_comes_before_the_environment(
    signed_in: ScriptedPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, write = os.pipe()
    os.write(write, b"uz_given\n")
    os.close(write)
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        signed_in.will(Reply(body=ME))
        assert cli.run(["whoami", "--token-stdin"]) == 0
    assert signed_in.asked[0].headers["Authorization"] == "Bearer uz_given"


def test_logs_print_the_bytes_of_the_job_and_nothing_else(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(
        Reply(body=JOB),
        Reply(body={"text": "step 1\nste", "next_offset": 10}),
        Reply(body={"text": "p 2\n", "next_offset": 14}),
        Reply(body={"text": "", "next_offset": 14}),
    )
    assert cli.run(["jobs", "logs", "JOB-1"]) == 0
    assert capsys.readouterr().out == "step 1\nstep 2\n"


def test_a_fault_of_our_own_is_one_line(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(Reply(body={"unexpected": True}))
    assert cli.run(["whoami"]) == 1
    seen = capsys.readouterr().err
    assert "a fault of its own: KeyError" in seen
    assert "Traceback" not in seen


def test_the_command_starts_without_loading_http_tables_or_the_keyring() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, uzina_client.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert not loaded & {"httpx", "rich.table", "keyring", "django", "uzina"}


@pytest.mark.parametrize("command", ["jobs list", "data push", "apply", "estimate", "models card"])
def test_every_command_has_the_common_options(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*command.split(), "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--json", "--quiet", "--yes", "--no-input", "--portal", "--token-stdin"):
        assert option in said


@pytest.mark.parametrize(
    ("text", "value"),
    [("7b", 7 * 10**9), ("350m", 350_000_000), ("1.5k", 1500), ("1_000", 1000), ("2T", 2 * 10**12)],
)
def test_counts_are_read_as_people_write_them(text: str, value: int) -> None:
    assert sizing.count(text, "--tokens") == value


@pytest.mark.parametrize("text", ["", "b", "seven", "inf", "nan", "1e999"])
def test_counts_that_are_no_numbers_are_refused(text: str) -> None:
    with pytest.raises(shell.Stopped, match="--tokens: write a number"):
        sizing.count(text, "--tokens")


@pytest.mark.parametrize("reference", ["a@", "a@x", "a@-1", "a@٣"])
def test_a_reference_without_a_number_is_told_or_means_the_whole(reference: str) -> None:
    if reference == "a@":
        assert data.parse_reference(reference) == ("a", 0)
        return
    with pytest.raises(shell.Stopped, match="names no version"):
        data.parse_reference(reference)


@pytest.mark.parametrize(
    ("gpu_ms", "text"),
    [(0, "0 GPU-seconds"), (1_500_000, "1,500 GPU-seconds"), (3_600_000, "1.00 GPU-hours")],
)
def test_gpu_time_reads_in_seconds_below_an_hour_and_in_hours_from_it(
    gpu_ms: int, text: str
) -> None:
    assert shell.gpu_time(gpu_ms) == text


STANDING = {
    "project": "PRJ-1",
    "award": "AWD-1",
    "ends_at": "2027-02-23T09:00:00Z",
    "left_gpu_ms": 7_200_000,
    "granted_gpu_ms": 36_000_000,
    "pace_gpu_ms": 3_600_000,
    "spent_at": None,
    "data_deleted_at": "2027-03-25T09:00:00Z",
    "report": {"kind": "final", "due_at": "2027-05-23T09:00:00Z"},
    "is_suspended": True,
    "acknowledgement": "We acknowledge EuroHPC JU for awarding the project ID AWD-1.",
}
PROJECT = {
    "code": "PRJ-1",
    "title": "A model",
    "state": "active",
    "organisation": "ORG-1",
    "starts_at": "2026-11-23T09:00:00Z",
    "ends_at": "2027-02-23T09:00:00Z",
    "members": [],
}


def test_a_project_is_shown_with_what_it_has_left_and_owes(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(
        Reply(body=PROJECT), Reply(body={"items": [], "next": None}), Reply(body=STANDING)
    )
    assert cli.run(["projects", "show", "PRJ-1"]) == 0
    said = capsys.readouterr().out
    for line in ("2.00 GPU-hours of 10.00 GPU-hours", "1.00 GPU-hours", "due 2027-05-23"):
        assert line in said
    assert "2027-03-25" in said
    assert "jobs do not start" in said


def test_the_sentence_of_acknowledgement_is_printed_as_it_stands(
    signed_in: ScriptedPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_in.will(Reply(body=STANDING))
    assert cli.run(["acknowledge", "PRJ-1"]) == 0
    assert STANDING["acknowledgement"] in capsys.readouterr().out
