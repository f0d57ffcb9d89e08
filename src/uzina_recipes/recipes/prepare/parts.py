"""Work that survives a kill: each step of each batch leaves one part, complete once its marker is.

A part is a few files with one name, the unit's and the batch's numbers, and a marker beside them:

    work/read/000003-000012.jsonl     what the step made
    work/read/000003-000012.json      the marker: written last; what was counted

Markers carry no time and nothing of the machine, so work done twice is the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from uzina_recipes import faults
from uzina_recipes.run_directory import sync_folder, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

INDEX = np.dtype(
    [("at", "<u8"), ("first", "<u8"), ("second", "<u8"), ("bytes", "<u4"), ("language", "S8")]
)
"""A document of a part: where its line begins, the first two words of its text's SHA-256, its size
and its language: 36 bytes, which is all of it that is in memory while duplicates are settled."""


def key_of(unit: int, batch: int) -> str:
    """The name of a batch's parts; names sort as documents do."""
    return f"{unit:06d}-{batch:06d}"


def write_durably(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file and make its content durable; its marker makes it count."""
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())


def write_json(path: Path, facts: Any) -> None:
    """Write a JSON file so that it is there whole or not at all."""
    write_atomically(path, json.dumps(facts, ensure_ascii=False, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file says."""
    return json.loads(path.read_text("utf-8"))


@dataclass(frozen=True)
class Step:
    """One step's parts: a folder."""

    folder: Path

    def ready(self) -> None:
        """Make the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def path(self, key: str, ending: str) -> Path:
        """One file of a part."""
        return self.folder / f"{key}{ending}"

    def is_done(self, key: str) -> bool:
        """Whether a part is complete."""
        return self.path(key, ".json").exists()

    def done(self) -> list[str]:
        """The complete parts, in the order of their documents."""
        return sorted(
            path.stem for path in self.folder.glob("*.json") if not path.name.startswith(".")
        )

    def commit(self, key: str, facts: Any) -> None:
        """Say that a part is complete, and what was counted in it."""
        sync_folder(self.folder)
        faults.kill_if(f"kill-in-{self.folder.name}", int(key[:6]) + int(key[-6:]))
        write_json(self.path(key, ".json"), facts)

    def facts(self, key: str) -> Any:
        """What was counted in a part."""
        return read_json(self.path(key, ".json"))


def save(path: Path, array: NDArray[Any]) -> None:
    """Write an array's bytes, to be mapped by `load`."""
    write_durably(path, [np.ascontiguousarray(array).tobytes()])


def load(path: Path, dtype: Any, columns: int = 0) -> NDArray[Any]:
    """Map an array written by `save`: [n], or [n, columns]."""
    if not path.stat().st_size:
        found: NDArray[Any] = np.zeros(0, dtype)
    else:
        found = np.memmap(path, dtype, "r")
    return found.reshape(-1, columns) if columns else found


def lines_at(path: Path, places: Sequence[int] | NDArray[Any]) -> Iterator[bytes]:
    """The lines of a file that begin at these places, in order."""
    with path.open("rb") as file:
        for at in places:
            file.seek(int(at))
            yield file.readline()


def clear(folder: Path) -> None:
    """Remove a folder with everything in it."""
    shutil.rmtree(folder, ignore_errors=True)
