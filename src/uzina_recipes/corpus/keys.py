"""Fixed-size keys of the texts of a corpus, on disk, and the groups that share one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]

READ = 1 << 16
"""Texts whose keys are read at once."""

AT_ONCE = 1 << 21
"""Keys that are sorted at once: about 100 MB with all that sorting needs."""


class KeyFile:
    """Rows of 64-bit keys, one row a text, in the order in which they were added."""

    def __init__(self, path: Path, width: int) -> None:
        """Open or begin a file; what an interrupted writer left of a row is cut off."""
        self.path, self.width = path, width
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self.row = 8 * width
        size = path.stat().st_size
        if size % self.row:
            with path.open("r+b") as file:
                file.truncate(size - size % self.row)

    def __len__(self) -> int:
        return self.path.stat().st_size // self.row

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Append rows, [texts, width]."""
        if keys.ndim != 2 or keys.shape[1] != self.width:
            raise ValueError(f"The keys are of shape {keys.shape}, not [texts, {self.width}].")
        with self.path.open("ab") as file:
            file.write(np.ascontiguousarray(keys, "<u8").tobytes())

    def truncate(self, texts: int) -> None:
        """Forget the rows of the texts from this number on."""
        with self.path.open("r+b") as file:
            file.truncate(texts * self.row)

    def parts(self) -> Iterator[tuple[int, NDArray[np.uint64]]]:
        """The rows, some at a time, each time with the number of the first."""
        with self.path.open("rb") as file:
            at = 0
            while raw := file.read(READ * self.row):
                rows = np.frombuffer(raw, "<u8").reshape(-1, self.width)
                yield at, rows
                at += len(rows)


def sorted_rounds(
    file: KeyFile, columns: slice, among: NDArray[np.bool_] | None
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.bool_]]]:
    """The texts in the order of their keys in these columns, in rounds of bounded memory.

    among    [texts] only these texts; all where it is None
    returns  [n] numbers of texts, ascending where keys are equal, and whether each one's keys are
             those of the one before it

    Each round takes a range of the first key, which is a hash and so spread evenly.
    """
    rounds = max(1, -(-len(file) // AT_ONCE))
    for at in range(rounds):
        first, last = (np.uint64((2**64 - 1) * edge // rounds) for edge in (at, at + 1))
        numbers, rows = [np.zeros(0, np.int64)], [np.zeros((0, file.width), np.uint64)[:, columns]]
        for begin, part in file.parts():
            keys = part[:, columns]
            inside = (keys[:, 0] >= first) & (keys[:, 0] < last)
            if at == rounds - 1:
                inside |= keys[:, 0] == last
            if among is not None:
                inside &= among[begin : begin + len(part)]
            chosen = np.flatnonzero(inside)
            numbers.append(chosen + begin)
            rows.append(keys[chosen])
        found, values = np.concatenate(numbers), np.concatenate(rows)
        order = np.lexsort((found, *values.T))
        found, values = found[order], values[order]
        same = np.zeros(len(found), np.bool_)
        same[1:] = (values[1:] == values[:-1]).all(axis=1)
        yield found, same


def first_of_group(file: KeyFile, bands: list[slice], among: NDArray[np.bool_] | None) -> Numbers:
    """The first text that shares the keys of one band with each text, or with one that does, ...

    Its own number where a text is alone or the first of its group.
    """
    parent = np.arange(len(file), dtype=np.int64)
    for columns in bands:
        for numbers, same in sorted_rounds(file, columns, among):
            join(parent, numbers, same)
    roots(parent)
    return parent


@njit(cache=True)
def root(parent, at):  # pragma: no cover
    """The first of a text's group so far; shortens the way to it."""
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@njit(cache=True)
def join(parent, numbers, same):  # pragma: no cover
    """Put each text into the group of the one before it where they are the same."""
    for at in range(1, len(numbers)):
        if same[at]:
            one, other = root(parent, numbers[at - 1]), root(parent, numbers[at])
            parent[max(one, other)] = min(one, other)


@njit(cache=True)
def roots(parent):  # pragma: no cover
    """Point each text straight at the first of its group."""
    for at in range(len(parent)):
        parent[at] = root(parent, at)
