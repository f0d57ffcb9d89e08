"""The same bytes come out, whoever did the work and however often it was cut off."""

import gzip
import json
import os
import signal
import time
from pathlib import Path

import pytest

from uzina_recipes import cli
from uzina_recipes.recipes.prepare import readers
from uzina_recipes.run_directory import read_lines
from uzina_recipes.tests.conftest import ended, event_names, run_folder, start, start_apart

SETTINGS = {
    "vocabulary": 400,
    "held_out": 0.1,
    "parquet": True,
    "workers": 1,
    "gopher_quality": True,
}
STAGES = ("read", "count", "clean", "settle", "tokenise")


@pytest.fixture(scope="module")
def source(rows, tmp_path_factory):
    """A few files of every kind, some of one batch and one of several."""
    folder = tmp_path_factory.mktemp("texts")
    part = rows[:120]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
    (folder / "a.jsonl").write_text(text + "no document\n", "utf-8")
    more = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows[100:])
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(more.encode(), mtime=0))
    return folder


def folder_of(path, source, **changes):
    return run_folder(path / "run", SETTINGS | changes, texts=source)


def outputs(run):
    """Every file that came out, by its path."""
    data = run / "export" / "data"
    return {
        path.relative_to(data).as_posix(): path.read_bytes()
        for path in sorted(data.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def small_batches():
    """Batches of 64 KiB, here and in processes that are started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UZINA_RECIPES_BATCH", str(2**16))
        yield


@pytest.fixture(scope="module")
def straight(source, small_batches, tmp_path_factory):
    """What comes out when nobody disturbs."""
    run = folder_of(tmp_path_factory.mktemp("straight"), source)
    assert start("prepare", run) == 0
    return outputs(run)


def test_the_work_is_cut_into_several_batches(source, small_batches):
    files = readers.documents_under(source)
    units = readers.units(files, readers.Columns())
    assert len(units) > 3
    last = units[-1]
    assert len(list(readers.batches(last, readers.batch_bytes(files), readers.Columns()))) > 2


@pytest.mark.parametrize("workers", [2, 3])
def test_any_number_of_workers_gives_the_same_files(source, straight, tmp_path, workers):
    run = folder_of(tmp_path, source, workers=workers)
    assert start("prepare", run) == 0
    assert outputs(run) == straight


def test_a_run_that_is_killed_again_and_again_ends_with_the_same_files(source, straight, tmp_path):
    run = folder_of(tmp_path, source)
    for fault in ("read@1", "clean@2", "border@1", "settled@0", "tokenise@3"):
        process = start_apart("prepare", run, f"kill-in-{fault}")
        process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, fault
        assert not (run / "exit.json").exists()
    assert start("prepare", run) == 0
    assert outputs(run) == straight
    assert event_names(run) == ["started", *["resumed"] * 5, "done"]
    again = [row for row in read_lines(run / "metrics.jsonl") if row["phase"] == "read"]
    assert sum(1 for row in again if row["life"] > 3) == 0


def test_a_killed_run_leaves_no_worker_behind(source, small_batches, tmp_path):
    run = folder_of(tmp_path, source, workers=2)
    process = start_apart("prepare", run)
    children: list[str] = []
    # Python's own tracker, what workers are forked from, and a worker.
    while len(children) < 3 and process.poll() is None:
        time.sleep(0.05)
        children = below(str(process.pid))
    assert len(children) >= 3
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    deadline = time.monotonic() + 120
    while any(map(is_running, children)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not any(map(is_running, children))


def test_a_run_whose_worker_is_killed_ends_and_may_go_on(source, small_batches, tmp_path):
    run = folder_of(tmp_path, source, workers=2)
    process = start_apart("prepare", run, "kill-in-clean@2")
    process.communicate(timeout=240)
    assert process.returncode == 1
    left = ended(run)
    assert (left["state"], left["resume"]) == ("failed", True)
    assert "A worker was killed" in left["reason"]


def below(process):
    """The processes that a process started, and those that they started."""
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [*children, *(deeper for child in children for deeper in below(child))]


def is_running(process):
    """Whether a process is there and has not ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_other_settings_or_other_texts_begin_anew_and_mix_nothing(source, straight, tmp_path):
    run = folder_of(tmp_path, source, vocabulary=330)
    process = start_apart("prepare", run, "kill-in-tokenise@1")
    process.communicate(timeout=240)
    assert process.returncode == -signal.SIGKILL
    (run / "config.toml").write_text(
        "".join(f"{name} = {json.dumps(value)}\n" for name, value in SETTINGS.items())
    )
    assert start("prepare", run) == 0
    assert event_names(run) == ["started", "started", "done"]
    assert outputs(run) == straight


def test_a_stop_is_honoured_and_the_run_goes_on_where_it_was(source, straight, tmp_path):
    run = folder_of(tmp_path, source)
    process = start_apart("prepare", run, "kill-in-clean@3")
    process.communicate(timeout=240)
    done = sorted((run / "work" / "clean").glob("*.json"))
    (run / "STOP").touch()
    assert start("prepare", run) == 0
    assert (ended(run)["state"], ended(run)["resume"]) == ("stopped", True)
    assert not (run / "STOP").exists()
    assert sorted((run / "work" / "clean").glob("*.json")) == done
    assert start("prepare", run) == 0
    assert ended(run)["state"] == "done"
    assert outputs(run) == straight


def stage(run, name, task, tasks, monkeypatch):
    monkeypatch.setenv("UZINA_TASK_ID", str(task))
    words = ["prepare", "--run-dir", str(run), "--stage", name, "--tasks", str(tasks)]
    return cli.main(words)


def test_the_tasks_of_an_array_give_the_same_files(source, straight, tmp_path, monkeypatch):
    run = folder_of(tmp_path, source)
    for name in STAGES:
        for task in (2, 0, 1) if name in {"read", "clean", "tokenise"} else (0,):
            assert stage(run, name, task, 3, monkeypatch) == 0
            assert not (run / "exit.json").exists()
    monkeypatch.delenv("UZINA_TASK_ID")
    assert start("prepare", run) == 0
    assert outputs(run) == straight


def test_a_stage_does_not_begin_before_the_one_it_builds_on(source, tmp_path, monkeypatch):
    run = folder_of(tmp_path, source)
    assert stage(run, "read", 0, 2, monkeypatch) == 0
    for name in ("count", "clean", "settle", "tokenise"):
        assert stage(run, name, 0, 1, monkeypatch) == 1
        assert f"before {name} is not complete" in ended(run)["reason"]
        assert ended(run)["resume"] is True


def test_what_the_tasks_left_undone_is_done_by_the_last_job(
    source, straight, tmp_path, monkeypatch
):
    run = folder_of(tmp_path, source)
    assert stage(run, "read", 1, 2, monkeypatch) == 0
    assert stage(run, "clean", 0, 2, monkeypatch) == 1
    monkeypatch.delenv("UZINA_TASK_ID")
    assert start("prepare", run) == 0
    assert outputs(run) == straight


def test_there_is_no_task_beyond_the_last(source, tmp_path, monkeypatch):
    run = folder_of(tmp_path, source)
    assert stage(run, "read", 0, 0, monkeypatch) == 1
    assert "no task 0 of 0" in ended(run)["reason"]
