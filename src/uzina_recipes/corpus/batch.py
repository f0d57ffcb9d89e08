"""Texts laid end to end as code points: what every kernel reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Points: TypeAlias = NDArray[np.uint32]
Places: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some texts, one after the other.

    points  [characters] code points of all texts
    starts  [texts + 1] where each text begins; the last entry is the end
    """

    points: Points
    starts: Places

    @classmethod
    def of(cls, texts: Sequence[str]) -> Batch:
        """Lay texts end to end."""
        starts = np.zeros(len(texts) + 1, np.int64)
        np.cumsum([len(text) for text in texts], out=starts[1:])
        raw = "".join(texts).encode("utf-32-le", "surrogatepass")
        # A copy, since kernels are compiled once more for arrays that cannot be written to.
        return cls(np.frombuffer(raw, np.uint32).copy(), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def text(self, at: int) -> str:
        """One text again."""
        part = self.points[self.starts[at] : self.starts[at + 1]]
        return part.tobytes().decode("utf-32-le", "surrogatepass")

    def texts(self) -> list[str]:
        """All texts again."""
        return [self.text(at) for at in range(len(self))]

    def only(self, chosen: NDArray[np.bool_] | Places) -> Batch:
        """Some of the texts, by a mask or by their numbers, in order."""
        numbers = np.flatnonzero(chosen) if chosen.dtype == np.bool_ else chosen
        sizes = (self.starts[1:] - self.starts[:-1])[numbers]
        starts = np.zeros(len(numbers) + 1, np.int64)
        np.cumsum(sizes, out=starts[1:])
        parts = [self.points[self.starts[n] : self.starts[n + 1]] for n in numbers]
        return Batch(np.concatenate(parts) if parts else self.points[:0], starts)
