"""Texts that say nearly the same: MinHash signatures in bands, and the groups they make.

Broder, 1997, "On the resemblance and containment of documents"; bands as in Leskovec, Rajaraman and
Ullman, "Mining of Massive Datasets", 3.4. With 14 bands of 8 values over runs of 5 words, as
FineWeb has it, two texts that share 75 % of their runs meet with probability 0.77, 80 % 0.92 and
90 % 0.9998. Of a text only a 64-bit key a band is kept: 112 bytes, whatever its length.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uzina_recipes.corpus import words
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.gopher import BASE
from uzina_recipes.corpus.keys import KeyFile, first_of_group
from uzina_recipes.corpus.words import Folded

LARGEST = np.uint64(2**64 - 1)
NONE = np.uint64(0)
"""Key of a text too short to have a run of words: it is near to nothing."""


@dataclass(frozen=True)
class Shape:
    """How signatures are made."""

    bands: int = 14
    rows: int = 8
    run: int = 5
    seed: int = 1


@functools.cache
def functions(shape: Shape) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The hash functions of a signature: odd factors and offsets, drawn from the seed."""
    random = np.random.Generator(np.random.Philox(shape.seed))
    count = shape.bands * shape.rows
    factors = random.integers(0, 2**63, count, np.uint64) * np.uint64(2) + np.uint64(1)
    return factors, random.integers(0, 2**63, count, np.uint64)


def band_keys(batch: Batch, shape: Shape) -> NDArray[np.uint64]:
    """The key of each band of each text's signature, [texts, bands]; NONE for a text too short."""
    folded = Folded.of(batch)
    factors, offsets = functions(shape)
    keys = np.zeros((len(batch), shape.bands), np.uint64)
    sign(folded.starts, folded.hashes, shape.run, factors, offsets, keys)
    return keys


@njit(cache=True)
def shingles(hashes, first, last, run, out):  # pragma: no cover
    """The hashes of the runs of words of one text; returns how many."""
    for at in range(first, last - run + 1):
        value = np.uint64(0)
        for offset in range(run):
            value = value * BASE + hashes[at + offset]
        out[at - first] = words.mixed(value)
    return max(last - first - run + 1, 0)


@njit(cache=True)
def sign(starts, hashes, run, factors, offsets, keys):  # pragma: no cover
    """Fill the band keys of each text."""
    count, bands = len(factors), keys.shape[1]
    rows = count // bands
    most = 0
    for text in range(len(starts) - 1):
        most = max(most, starts[text + 1] - starts[text])
    found = np.zeros(most + 1, np.uint64)
    smallest = np.zeros(count, np.uint64)
    for text in range(len(starts) - 1):
        many = shingles(hashes, starts[text], starts[text + 1], run, found)
        if not many:
            continue
        smallest[:] = LARGEST
        for at in range(many):
            shingle = found[at]
            for index in range(count):
                value = shingle * factors[index] + offsets[index]
                if value < smallest[index]:
                    smallest[index] = value
        for band in range(bands):
            value = np.uint64(band)
            for row in range(rows):
                value = words.mixed(value * BASE + smallest[band * rows + row])
            keys[text, band] = value | np.uint64(1)  # never NONE


class Near:
    """Which texts belong together. On disk are 8 bytes a band; in memory 8 to 16 a text."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        """Keep keys in a folder; what was added to it before is still there."""
        self.shape = shape
        self.file = KeyFile(folder / "near.keys", shape.bands)

    def __len__(self) -> int:
        return len(self.file)

    def add(self, keys: NDArray[np.uint64]) -> None:
        """Add the band keys of the next texts of the corpus, [texts, bands]."""
        self.file.add(keys)

    def settle(self, among: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
        """The first text of each text's group; its own number where it is alone or first.

        among  [texts] which texts to compare; all where it is None
        """
        signed = np.zeros(len(self), np.bool_)
        for begin, part in self.file.parts():
            signed[begin : begin + len(part)] = part[:, 0] != NONE
        if among is not None:
            signed &= among
        return first_of_group(
            self.file, [slice(band, band + 1) for band in range(self.shape.bands)], signed
        )
