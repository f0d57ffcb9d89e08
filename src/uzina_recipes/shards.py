"""Tokenised text on disk: files that are mapped, not read, and the facts beside them.

train.bin, heldout.bin   little-endian uint16, or uint32 for a vocabulary beyond 65,536; each
                         document is a separator and its tokens
heldout.jsonl            the held-out texts: id, language, source, text and what else is known
tokenizer.json           a byte-level BPE, so any text comes back byte for byte
shards.json              vocabulary, separator, and for each split tokens, documents, bytes
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from uzina_recipes.run_directory import Failed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TOKEN: np.dtype[Any] = np.dtype("<u2")
LONG_TOKEN: np.dtype[Any] = np.dtype("<u4")
SEPARATOR = "<|endoftext|>"


@dataclass(frozen=True)
class Shards:
    """One split's tokens, mapped from disk, and what shards.json says of it."""

    tokens: NDArray[np.uint16] | NDArray[np.uint32]
    vocabulary: int
    separator: int
    facts: dict[str, Any]


def token_type(vocabulary: int) -> np.dtype[Any]:
    """What one token is written as."""
    return TOKEN if vocabulary <= 2 ** (8 * TOKEN.itemsize) else LONG_TOKEN


def open_shards(folder: Path, split: str) -> Shards:
    """Map a split's tokens.

    Raises Failed when the file is not as long as shards.json says.
    """
    facts = json.loads((folder / "shards.json").read_text("utf-8"))
    path = folder / f"{split}.bin"
    token = token_type(facts["vocabulary"])
    expected = facts[split]["tokens"] * token.itemsize
    if path.stat().st_size != expected:
        raise Failed(
            f"{path.name} has {path.stat().st_size} bytes and shards.json says {expected}. "
            "Stage the data again."
        )
    tokens = np.memmap(path, token, "r") if expected else np.zeros(0, token)
    return Shards(tokens, facts["vocabulary"], facts["separator"], facts[split])
