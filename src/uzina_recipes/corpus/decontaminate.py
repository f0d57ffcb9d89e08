"""Texts that hold a piece of an evaluation set: they would let a model answer from memory.

A text is contaminated when it shares a run of 13 words with a held-out item (Brown et al., 2020,
"Language Models are Few-Shot Learners", appendix C), or holds the whole of a shorter item of at
least 8 words. Words are compared in lower case, without accents and punctuation, numbers as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uzina_recipes.corpus import words
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.gopher import BASE, room_for, slot
from uzina_recipes.corpus.words import Folded

RUN, SHORTEST = 13, 8


@dataclass(frozen=True)
class HeldOut:
    """The runs of words of held-out items.

    lengths  [lengths] of the runs, ascending: the run itself and those of shorter items
    keys     [room] open table of the runs' hashes
    filled   [room] 1 where a key stands
    """

    lengths: NDArray[np.int64]
    keys: NDArray[np.uint64]
    filled: NDArray[np.int32]

    @classmethod
    def of(cls, texts: Sequence[str], *, run: int = RUN, shortest: int = SHORTEST) -> HeldOut:
        """Index held-out items; an item of fewer words than the shortest is left aside."""
        return cls.joined([texts], run=run, shortest=shortest)

    @classmethod
    def joined(
        cls, batches: Iterable[Sequence[str]], *, run: int = RUN, shortest: int = SHORTEST
    ) -> HeldOut:
        """Index held-out items that come a batch at a time."""
        found, lengths = [np.zeros(0, np.uint64)], {run}
        for texts in batches:
            folded = Folded.of(Batch.of(texts))
            for at in range(len(texts)):
                part = folded.hashes[folded.starts[at] : folded.starts[at + 1]]
                length = min(len(part), run)
                if length < shortest:
                    continue
                lengths.add(length)
                out = np.zeros(len(part) - length + 1, np.uint64)
                run_hashes(part, length, out)
                found.append(out)
        every = np.unique(np.concatenate(found))
        room = room_for(len(every) + 1)
        keys, filled = np.zeros(room, np.uint64), np.zeros(room, np.int32)
        fill(keys, filled, every)
        return cls(np.array(sorted(lengths), np.int64), keys, filled)

    def overlap(self, batch: Batch) -> NDArray[np.int64]:
        """How many runs of each text are held out, [texts]; from one on it is contaminated."""
        folded = Folded.of(batch)
        hits = np.zeros(len(batch), np.int64)
        count_hits(folded.starts, folded.hashes, self.lengths, self.keys, self.filled, hits)
        return hits


@njit(cache=True)
def run_hashes(hashes, length, out):  # pragma: no cover
    """The hash of each run of so many words; its length counts too."""
    for at in range(len(hashes) - length + 1):
        value = np.uint64(length)
        for offset in range(length):
            value = value * BASE + hashes[at + offset]
        out[at] = words.mixed(value)


@njit(cache=True)
def fill(keys, filled, every):  # pragma: no cover
    """Put hashes into the table."""
    for key in every:
        at = slot(keys, filled, 1, key)
        keys[at], filled[at] = key, 1


@njit(cache=True)
def count_hits(starts, hashes, lengths, keys, filled, hits):  # pragma: no cover
    """Count the runs of each text that are in the table."""
    for text in range(len(starts) - 1):
        part = hashes[starts[text] : starts[text + 1]]
        for length in lengths:
            many = len(part) - length + 1
            if many < 1:
                continue
            out = np.zeros(many, np.uint64)
            run_hashes(part, length, out)
            for key in out:
                hits[text] += filled[slot(keys, filled, 1, key)]
