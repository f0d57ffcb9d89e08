"""What texts have in common with texts that are held out, and which texts those are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from uzina_recipes.corpus import near
from uzina_recipes.corpus.words import Folded
from uzina_recipes.recipes.prepare import parts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from uzina_recipes.corpus.batch import Batch

RUN = 5


def text_digest(text: str) -> bytes:
    """The SHA-256 of a text: what exact duplicates share and what the split goes by."""
    return hashlib.sha256(text.encode()).digest()


def is_held_out(digests: NDArray[np.uint64], share: float) -> NDArray[np.bool_]:
    """Which texts are held out, by the first eight bytes of their digests, big-endian.

    So the same text is on the same side in every run, whatever stands beside it.
    """
    limit = int(share * 2**64)
    chosen: NDArray[np.bool_] = digests < np.uint64(min(limit, 2**64 - 1))
    return chosen


def shingles(batch: Batch) -> Iterator[NDArray[np.uint64]]:
    """The different runs of five words of each text, sorted; a shorter text is one run."""
    folded = Folded.of(batch)
    for first, last in zip(folded.starts[:-1].tolist(), folded.starts[1:].tolist(), strict=True):
        run = max(1, min(RUN, last - first))
        found = np.zeros(max(last - first, 1), np.uint64)
        count = near.shingles(folded.hashes, first, last, run, found)
        yield np.unique(found[:count])


class HeldOut:
    """The shingles of some texts, to keep what they say out of training, exactly."""

    def __init__(
        self,
        shingles: NDArray[np.uint64],
        owners: NDArray[np.uint32],
        sizes: NDArray[np.int64],
    ) -> None:
        """Keep an index made by `of`."""
        self.shingles, self.owners, self.sizes = shingles, owners, sizes

    @classmethod
    def of(cls, documents: Iterable[NDArray[np.uint64]]) -> HeldOut:
        """Index the shingle sets of texts."""
        sets = list(documents)
        sizes = np.array([len(one) for one in sets], np.int64)
        every = np.concatenate(sets) if sets else np.zeros(0, np.uint64)
        owner: NDArray[np.uint32] = np.repeat(np.arange(len(sets), dtype=np.uint32), sizes)
        order = np.argsort(every, kind="stable")
        return cls(every[order], owner[order], sizes)

    def save(self, stem: Path) -> None:
        """Write the index beside others of a work folder."""
        for name in ("shingles", "owners", "sizes"):
            parts.save(stem.with_suffix(f".{name}"), getattr(self, name))

    @classmethod
    def opened(cls, stem: Path) -> HeldOut:
        """Map an index written by `save`."""
        return cls(
            parts.load(stem.with_suffix(".shingles"), "<u8"),
            parts.load(stem.with_suffix(".owners"), "<u4"),
            parts.load(stem.with_suffix(".sizes"), "<i8"),
        )

    def overlap(self, found: NDArray[np.uint64]) -> float:
        """The largest share that a text has in common with one of these, 0 to 1.

        The share is of the smaller of the two, so a short text inside a long one counts whole.
        """
        if not len(self.shingles) or not len(found):
            return 0.0
        left: NDArray[np.intp] = np.searchsorted(self.shingles, found, "left")
        right: NDArray[np.intp] = np.searchsorted(self.shingles, found, "right")
        met = np.flatnonzero(right > left)
        if not len(met):
            return 0.0
        owners = np.concatenate([self.owners[left[at] : right[at]] for at in met])
        common = np.bincount(owners, minlength=len(self.sizes))
        smaller = np.minimum(self.sizes, len(found))
        return float((common / np.maximum(smaller, 1)).max())
