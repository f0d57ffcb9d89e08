"""Documents that say the same: exactly, nearly, or across the held-out border.

Near duplicates are found by MinHash with banding, in numpy, seeded. Memory: one signature of 448
bytes a document, whatever its length.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

PERMUTATIONS = 112
BANDS = 14
ROWS = PERMUTATIONS // BANDS
SHINGLE_WORDS = 5
BLOCK = 4096
MIX = np.uint64(0x9E3779B97F4A7C15)


def text_digest(text: str) -> str:
    """The SHA-256 of a text: what exact duplicates share and what the split goes by."""
    return hashlib.sha256(text.encode()).hexdigest()


def is_held_out(digest: str, share: float) -> bool:
    """Whether a document is held out: a pure function of its text's digest.

    So the same text is on the same side in every run, whatever stands beside it.
    """
    return int(digest[:16], 16) < share * 2**64


class Shingler:
    """Turns words into hashes of runs of five, remembering each word's hash."""

    LIMIT = 1_000_000  # words remembered; about 100 MB

    def __init__(self) -> None:
        """Start knowing no word."""
        self.known: dict[str, int] = {}

    def word_hash(self, word: str) -> int:
        """64 bits that stand for a word."""
        value = self.known.get(word)
        if value is None:
            digest = hashlib.blake2b(word.encode(), digest_size=8).digest()
            value = int.from_bytes(digest, "little")
            if len(self.known) < self.LIMIT:
                self.known[word] = value
        return value

    def shingles(self, words: Sequence[str]) -> NDArray[np.uint64]:
        """The different runs of five words, [n] sorted; a shorter text is one run."""
        hashes = np.array([self.word_hash(word) for word in words], np.uint64)
        width = min(SHINGLE_WORDS, len(hashes))
        if not width:
            return hashes
        count = len(hashes) - width + 1
        runs: NDArray[np.uint64] = np.zeros(count, np.uint64)
        for offset in range(width):
            # Multiply, add and fold: the order of the words matters.
            runs = (runs ^ hashes[offset : offset + count]) * MIX
            runs ^= runs >> np.uint64(29)
        return np.unique(runs)


class MinHash:
    """Signatures whose equal places estimate how much two sets have in common."""

    def __init__(self, seed: int) -> None:
        """Draw the hash functions from a seed."""
        random = np.random.Generator(np.random.Philox(seed))
        self.factors = random.integers(0, 2**63, PERMUTATIONS, np.uint64) * np.uint64(
            2
        ) + np.uint64(1)
        self.offsets = random.integers(0, 2**63, PERMUTATIONS, np.uint64)

    def signature(self, shingles: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """The smallest value of each hash function over the set, [112].

        shingles  [n] uint64, n at least 1
        """
        smallest: NDArray[np.uint32] = np.full(PERMUTATIONS, np.iinfo(np.uint32).max, np.uint32)
        for start in range(0, len(shingles), BLOCK):
            block = shingles[start : start + BLOCK, None]
            # Multiply-shift: the upper half of a * x + b modulo 2**64.
            values = ((block * self.factors + self.offsets) >> np.uint64(32)).astype(np.uint32)
            np.minimum(smallest, values.min(axis=0), out=smallest)
        return smallest


def near_duplicates(signatures: NDArray[np.uint32], threshold: float) -> NDArray[np.int64]:
    """For each document the first document of its group; its own number when it is alone.

    signatures  [documents, 112]
    threshold   share of equal places from which two documents count as one

    Two documents are compared when one of 14 bands of 8 places is equal: that finds a pair with
    80 % in common with probability 0.92, 90 % with 0.9998.
    """
    parent: NDArray[np.int64] = np.arange(len(signatures), dtype=np.int64)

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = int(parent[at])
        return at

    for band in range(BANDS):
        groups: dict[bytes, list[int]] = defaultdict(list)
        part = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS])
        for at, row in enumerate(part):
            groups[row.tobytes()].append(at)
        for group in groups.values():
            for at in group[1:]:
                first, second = root(group[0]), root(at)
                if first == second:
                    continue
                if np.mean(signatures[group[0]] == signatures[at]) >= threshold:
                    parent[max(first, second)] = min(first, second)
    return np.array([root(at) for at in range(len(parent))], np.int64)


class HeldOut:
    """The held-out documents' shingles, to keep their text out of training, exactly."""

    def __init__(self, documents: Iterable[NDArray[np.uint64]]) -> None:
        """Index the shingle sets of the held-out documents."""
        sets = list(documents)
        self.sizes = np.array([len(shingles) for shingles in sets], np.int64)
        every = np.concatenate(sets) if sets else np.zeros(0, np.uint64)
        owner: NDArray[np.intp] = np.repeat(np.arange(len(sets)), self.sizes)
        order = np.argsort(every, kind="stable")
        self.shingles, self.owners = every[order], owner[order]

    def overlap(self, shingles: NDArray[np.uint64]) -> float:
        """The largest share that a text has in common with one held-out document, 0 to 1.

        The share is of the smaller of the two, so a short text inside a long one counts whole.
        """
        if not len(self.shingles) or not len(shingles):
            return 0.0
        left: NDArray[np.intp] = np.searchsorted(self.shingles, shingles, "left")
        right: NDArray[np.intp] = np.searchsorted(self.shingles, shingles, "right")
        met = np.flatnonzero(right > left)
        if not len(met):
            return 0.0
        owners = np.concatenate([self.owners[left[at] : right[at]] for at in met])
        common = np.bincount(owners, minlength=len(self.sizes))
        smaller = np.minimum(self.sizes, len(shingles))
        return float((common / np.maximum(smaller, 1)).max())
