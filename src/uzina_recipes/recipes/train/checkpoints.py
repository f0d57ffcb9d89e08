"""Checkpoints that are complete or not there: COMMITTED is written last, with every file's hash."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

from safetensors.torch import load, save

from uzina_recipes import faults
from uzina_recipes.run_directory import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import Tensor

KEEP = 2
TENSORS = "state.safetensors"
FACTS = "state.json"
MARK = "COMMITTED"


class Damaged(Exception):
    """A checkpoint whose files are not what its mark says."""


def number(folder: Path) -> int:
    """The step of a checkpoint folder."""
    return int(folder.name.removeprefix("step-"))


def folders(root: Path) -> list[Path]:
    """Every checkpoint folder, complete or not, newest first."""
    return sorted(root.glob("step-*"), key=number, reverse=True)


def write_durably(path: Path, data: bytes) -> str:
    """Write and sync a file; returns its SHA-256."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return hashlib.sha256(data).hexdigest()


def write(root: Path, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> int:
    """Write a checkpoint and drop all but the two newest complete ones; returns its bytes.

    Raises OSError when the disk is full; what was written of it is removed then. Holds the
    checkpoint in memory once more while it is written.
    """
    folder = root / f"step-{step}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
        files = {TENSORS: write_durably(folder / TENSORS, data)}
        faults.kill_if("kill-in-checkpoint", step)
        text = json.dumps({"step": step, **facts}, indent=2) + "\n"
        files[FACTS] = write_durably(folder / FACTS, text.encode())
        sync_folder(folder)
        write_atomically(folder / MARK, json.dumps(files, indent=2) + "\n")
        sync_folder(root)
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    complete = [path for path in folders(root) if (path / MARK).exists()]
    for old in complete[KEEP:]:
        shutil.rmtree(old)
    return len(data)


def read(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """A checkpoint's tensors and facts; Damaged when a file is not what COMMITTED says."""
    try:
        files = json.loads((folder / MARK).read_text("utf-8"))
        parts = {name: (folder / name).read_bytes() for name in (TENSORS, FACTS)}
    except (OSError, ValueError) as error:
        raise Damaged(f"{folder.name}: {error}") from error
    for name, data in parts.items():
        if hashlib.sha256(data).hexdigest() != files.get(name):
            raise Damaged(f"{folder.name}: {name} is not what was written")
    return load(parts[TENSORS]), json.loads(parts[FACTS])


def newest(
    root: Path, refused: Callable[[int, str], None]
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The newest complete checkpoint, or None; `refused` hears of each one passed over."""
    for folder in folders(root):
        if not (folder / MARK).exists():
            refused(number(folder), "it was never completed")
            continue
        try:
            return read(folder)
        except Damaged as error:
            refused(number(folder), str(error))
    return None


def remove_incomplete(root: Path) -> None:
    """Remove folders without a mark."""
    for folder in folders(root):
        if not (folder / MARK).exists():
            shutil.rmtree(folder)
