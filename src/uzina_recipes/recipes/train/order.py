"""Which samples a step sees: a pure function of seed and step. There is no loader and no state.

The shard is cut into windows of `context` tokens (plus one, the last one's target). An epoch visits
every window once, in an order that is a keyed permutation (a Feistel network over the next power
of four, walked until it lands inside), so it needs no memory however long the shard is.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS = 4


def mixed(values: NDArray[np.uint64], key: int) -> NDArray[np.uint64]:
    """64 well-mixed bits from each value and a key (the finish of SplitMix64)."""
    x = values + np.uint64((key * 0x9E3779B97F4A7C15) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def permuted(places: NDArray[np.uint64], count: int, key: int) -> NDArray[np.uint64]:
    """Where each place of 0..count-1 goes in the permutation with this key."""
    bits = np.uint64(max(1, ((count - 1).bit_length() + 1) // 2))
    mask = np.uint64((1 << int(bits)) - 1)
    out = places.copy()
    todo: NDArray[np.bool_] = np.ones(len(out), bool)
    while todo.any():
        left, right = out[todo] >> bits, out[todo] & mask
        for turn in range(ROUNDS):
            left, right = right, left ^ (mixed(right, key * ROUNDS + turn) & mask)
        out[todo] = (left << bits) | right
        todo = out >= count
    return out


def windows(tokens: int, context: int) -> int:
    """How many windows a shard of this many tokens has."""
    return max(0, (tokens - 1) // context)


def samples(seed: int, step: int, batch: int, count: int) -> NDArray[np.int64]:
    """The windows that one step sees, [batch]; step counts from 1, count is how many there are."""
    places: NDArray[np.uint64] = np.arange((step - 1) * batch, step * batch, dtype=np.uint64)
    epochs, inside = places // np.uint64(count), places % np.uint64(count)
    chosen: NDArray[np.int64] = np.empty(batch, np.int64)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        key = int.from_bytes(hashlib.sha256(f"{seed} {epoch}".encode()).digest()[:6], "little")
        chosen[here] = permuted(inside[here], count, key).astype(np.int64)
    return chosen


def digest(chosen: NDArray[np.int64]) -> str:
    """Twelve hexadecimal digits that stand for the samples of a step, in their order."""
    return hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest()[:12]
