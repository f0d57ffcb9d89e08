"""A small real corpus, prepared once, and helpers to start runs."""

from __future__ import annotations

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uzina_recipes import cli, corpora
from uzina_recipes.run_directory import read_lines

SMALL = {
    "steps": 12,
    "batch": 4,
    "context": 32,
    "width": 32,
    "layers": 2,
    "heads": 4,
    "kv_heads": 2,
    "hidden": 48,
    "warmup": 3,
    "checkpoint_every": 4,
    "evaluate_every": 6,
    "threads": 1,
    "learning_rate": 0.01,
}


def write_config(folder: Path, settings: dict) -> None:
    """Write config.toml."""
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    (folder / "config.toml").write_text("".join(lines), "utf-8")


def run_folder(folder: Path, settings: dict, **inputs: Path) -> Path:
    """A run directory with its configuration and linked inputs."""
    (folder / "inputs").mkdir(parents=True)
    write_config(folder, settings)
    for name, path in inputs.items():
        (folder / "inputs" / name).symlink_to(path)
    return folder


def start(recipe: str, folder: Path) -> int:
    """Run a recipe in this process; returns its exit code."""
    return cli.main([recipe, "--run-dir", str(folder)])


def start_apart(recipe: str, folder: Path, faults: str = "", **options) -> subprocess.Popen:
    """Run a recipe in a process of its own, with faults if any."""
    environment = {**os.environ, "UZINA_RECIPES_FAULTS": faults}
    return subprocess.Popen(
        [sys.executable, "-m", "uzina_recipes", recipe, "--run-dir", str(folder)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def ended(folder: Path) -> dict:
    """What exit.json says."""
    return json.loads((folder / "exit.json").read_text("utf-8"))


def losses(folder: Path) -> dict[int, tuple[str, float]]:
    """Samples and loss of each step; a step done twice must be equal both times."""
    found: dict[int, tuple[str, float]] = {}
    for row in read_lines(folder / "metrics.jsonl"):
        entry = (row["samples"], row["loss"])
        assert found.setdefault(row["step"], entry) == entry
    return found


def event_names(folder: Path) -> list[str]:
    """The events of a run, in order."""
    return [row["event"] for row in read_lines(folder / "events.jsonl")]


@pytest.fixture(scope="session")
def rows() -> list[dict]:
    """Some documents of the shipped corpus, of every source and both languages."""
    path = corpora.folder("debian-docs") / "documents.jsonl.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        every = [json.loads(line) for line in file]
    return every[::9]


@pytest.fixture(scope="session")
def prepared(rows, tmp_path_factory) -> Path:
    """The run directory of a preparation of these documents."""
    folder = tmp_path_factory.mktemp("prepare")
    source = folder / "inputs" / "documents"
    source.mkdir(parents=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (source / "documents.jsonl").write_text(text, "utf-8")
    write_config(folder, {"vocabulary": 512, "held_out": 0.1, "workers": 1})
    assert start("prepare", folder) == 0
    return folder


@pytest.fixture(scope="session")
def data(prepared) -> Path:
    """The prepared shards."""
    return prepared / "export" / "data"


@pytest.fixture(scope="session")
def straight(data, tmp_path_factory) -> Path:
    """A small training run that nobody disturbed."""
    folder = run_folder(tmp_path_factory.mktemp("straight") / "run", SMALL, data=data)
    assert start("train", folder) == 0
    return folder
