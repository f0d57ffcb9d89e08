"""Texts that are the same to the letter, by a digest of 128 bits, in the order of the corpus."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uzina_recipes.corpus.keys import KeyFile, first_of_group

DIGEST_BYTES = 16


def digests(texts: Sequence[str]) -> NDArray[np.uint64]:
    """A digest of each text, [texts, 2]."""
    raw = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()
        for text in texts
    )
    return np.frombuffer(raw, np.uint64).reshape(len(texts), 2)


class Exact:
    """Which texts repeat an earlier one. On disk are 16 bytes a text; memory does not grow."""

    def __init__(self, folder: Path) -> None:
        """Keep digests in a folder; what was added to it before is still there."""
        self.file = KeyFile(folder / "exact.keys", 2)

    def __len__(self) -> int:
        return len(self.file)

    def add(self, found: NDArray[np.uint64]) -> None:
        """Add the digests of the next texts of the corpus, [texts, 2]."""
        self.file.add(found)

    def settle(self) -> NDArray[np.int64]:
        """The first text that is equal, for each text; its own number where it is that one."""
        return first_of_group(self.file, [slice(0, 2)], None)
