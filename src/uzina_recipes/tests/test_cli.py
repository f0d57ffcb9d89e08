"""Whatever happens, exit.json says it, and a person can read it."""

import json
import os

import pytest

from uzina_recipes import cli, verify
from uzina_recipes.run_directory import RunDirectory, read_lines
from uzina_recipes.tests.conftest import ended, run_folder, start, start_apart


def test_a_bad_configuration_lists_all_mistakes_and_ends_with_two_and_no_traceback(tmp_path):
    run = run_folder(tmp_path / "run", {"steps": 0, "clip": "x", "colour": "red"})
    done = start_apart("train", run)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in errors
    left = ended(run)
    assert (left["state"], left["resume"], left["step"]) == ("failed", False, 0)
    assert left["reason"].startswith("config.toml has 3 mistakes.")
    for name in ("steps", "clip", "colour"):
        assert name in left["reason"]
    assert not (run / "manifest.json").exists()


def test_numbers_that_do_not_fit_together_are_a_bad_configuration_too(data, tmp_path):
    run = run_folder(tmp_path / "run", {"width": 30, "heads": 4, "kv_heads": 3}, data=data)
    assert start("train", run) == 2
    assert "width must be an even multiple of heads" in ended(run)["reason"]
    assert "heads must be a multiple of kv_heads" in ended(run)["reason"]


@pytest.mark.parametrize("text", ["steps = ", "\x00", 'steps = "'])
def test_a_configuration_that_is_no_toml_says_so(tmp_path, text):
    run = run_folder(tmp_path / "run", {})
    (run / "config.toml").write_text(text)
    assert start("prepare", run) == 2
    assert "config.toml cannot be read" in ended(run)["reason"]


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert start("train", tmp_path / "nowhere") == 2
    assert "is not a folder" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()


def test_missing_inputs_are_a_failure_that_names_them(tmp_path):
    run = run_folder(tmp_path / "run", {})
    assert start("train", run) == 1
    assert "No input holds train.bin" in ended(run)["reason"]


def test_an_unforeseen_error_is_in_exit_json_too(tmp_path, data):
    source = tmp_path / "data"
    source.mkdir()
    for path in data.iterdir():
        (source / path.name).write_bytes(path.read_bytes())
    (source / "shards.json").write_text("{}")
    run = run_folder(tmp_path / "run", {}, data=source)
    assert start("train", run) == 1
    assert (ended(run)["state"], ended(run)["reason"]) == ("failed", "KeyError: 'vocabulary'")


def test_the_manifest_says_what_ran_on_what(straight, data):
    manifest = json.loads((straight / "manifest.json").read_text("utf-8"))
    assert manifest["recipe"] == {"slug": "train", "version": "1.0.0"}
    assert manifest["config"]["steps"] == 12
    assert manifest["config"]["clip"] == 1.0
    assert manifest["seed"] == manifest["config"]["seed"]
    assert manifest["world_size"] == 1
    assert len(manifest["code"]["sha256"]) == 64
    assert manifest["environment"]["torch"].startswith("2.13.0")
    names = {file["path"] for file in manifest["inputs"]["data"]["files"]}
    assert names == {path.name for path in data.iterdir()}


def test_no_environment_variable_is_in_the_run_directory(tmp_path, monkeypatch, data):
    monkeypatch.setenv("SOME_TOKEN", "uz_secret_in_the_environment")
    run = run_folder(tmp_path / "run", {"vocabulary": 400}, data=data)
    start("prepare", run)
    for path in run.rglob("*"):
        if path.is_file():
            assert b"uz_secret_in_the_environment" not in path.read_bytes()


def test_a_heartbeat_has_time_step_and_phase(straight):
    beat = json.loads((straight / "heartbeat.json").read_text("utf-8"))
    assert set(beat) == {"t", "step", "phase"}
    assert (beat["step"], beat["phase"]) == (12, "done")


def test_a_line_cut_off_by_a_crash_does_not_swallow_the_next_one(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "lo')
    RunDirectory(tmp_path).metric(step=3)
    assert [row["step"] for row in read_lines(path)] == [1, 3]


def row(step, samples, loss, life=1):
    return {"step": step, "samples": samples, "loss": loss, "life": life}


def write_metrics(folder, rows):
    folder.mkdir()
    text = "".join(json.dumps(line) + "\n" for line in rows)
    (folder / "metrics.jsonl").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("rows", "equal", "why"),
    [
        ([row(1, "a", 2.0), row(2, "b", 1.0)], True, {}),
        ([row(1, "a", 2.0), row(2, "b", 1.0), row(2, "b", 1.0, 2)], True, {"repeated": 1}),
        (
            [row(1, "a", 2.0), row(2, "b", 1.0), row(2, "b", 1.5, 2)],
            False,
            {"max_loss_difference": 0.5},
        ),
        ([row(1, "a", 2.0), row(2, "c", 1.0)], False, {"max_loss_difference": 0.0}),
        ([row(1, "a", 2.0), row(2, "b", 1.0 + 2**-52)], False, {}),
        ([row(1, "a", 2.0)], False, {"missing": [2]}),
        ([], False, {"steps": 0}),
    ],
)
def test_two_runs_are_equal_only_if_every_step_is(tmp_path, rows, equal, why):
    against = write_metrics(tmp_path / "b", [row(1, "a", 2.0), row(2, "b", 1.0)])
    found = verify.compare(write_metrics(tmp_path / "a", rows), against)
    assert found["equal"] is equal
    assert {name: found[name] for name in why} == why


def test_verify_resume_answers_with_its_exit_code(tmp_path, capsys):
    one = write_metrics(tmp_path / "a", [row(1, "a", 2.0)])
    two = write_metrics(tmp_path / "b", [row(1, "a", 2.5)])
    assert cli.main(["verify-resume", "--run-dir", str(one), "--against", str(one)]) == 0
    assert cli.main(["verify-resume", "--run-dir", str(one), "--against", str(two)]) == 1
    assert '"equal": true' in capsys.readouterr().out


@pytest.mark.parametrize("can", [True, False])
def test_compiled_kernels_go_to_the_run_only_where_no_other_folder_can_be_written_to(
    tmp_path, monkeypatch, can
):
    (tmp_path / "file").touch()
    folders = [tmp_path / "file" / "below", tmp_path / "made" if can else tmp_path / "file"]
    monkeypatch.setattr(cli, "KERNEL_FOLDERS", folders)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    run = run_folder(tmp_path / "run", {})
    assert start("prepare", run) == 1
    kept = os.environ.get("NUMBA_CACHE_DIR")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    assert kept == (None if can else str(run / "work" / "kernels"))
