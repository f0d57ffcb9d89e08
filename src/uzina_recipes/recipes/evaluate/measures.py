"""Bits per byte: of a model, of a unigram model and of a compressor. Pure, but for torch.

Bits per byte does not depend on the tokenizer, so models and compressors can stand in one table:
the information a predictor needs for a text, in bits, over the text's bytes in UTF-8.
"""

from __future__ import annotations

import lzma
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from uzina_recipes.model import Llama

XZ_PRESET = 9 | lzma.PRESET_EXTREME


@dataclass(frozen=True)
class Window:
    """A stretch of a document: which tokens go in, and which of its targets count.

    start     first token read
    length    tokens read
    scored    how many of the last targets count; the ones before were scored by another window
    """

    document: int
    start: int
    length: int
    scored: int


def bits_per_byte(nats: float, size: int) -> float:
    """Nats over bytes, as bits per byte."""
    return nats / math.log(2) / size


def windows(lengths: Sequence[int], context: int, stride: int) -> list[Window]:
    """Cut documents so that each token but the first is a counted target exactly once.

    lengths  tokens of each document, its separator included
    stride   1 to context: targets that each window after the first adds
    """
    cut = []
    for document, length in enumerate(lengths):
        targets = length - 1
        done = 0
        while done < targets:
            end = min(context if not done else done + stride, targets)
            start = max(0, end - context)
            cut.append(Window(document, start, end - start, end - done))
            done = end
    return cut


def batches(cut: list[Window], size: int) -> Iterator[list[Window]]:
    """Groups of windows of like length, the longest first."""
    ordered = sorted(cut, key=lambda window: -window.length)
    for at in range(0, len(ordered), size):
        yield ordered[at : at + size]


@torch.no_grad()
def window_nats(
    model: Llama, documents: Sequence[NDArray[np.int64]], batch: list[Window]
) -> list[float]:
    """The nats that a model needs for the counted targets of each window."""
    width = max(window.length for window in batch)
    rows: NDArray[np.int64] = np.zeros((len(batch), width + 1), np.int64)
    counts: NDArray[np.bool_] = np.zeros((len(batch), width), bool)
    for row, window in enumerate(batch):
        tokens = documents[window.document][window.start : window.start + window.length + 1]
        rows[row, : len(tokens)] = tokens
        counts[row, window.length - window.scored : window.length] = True
    tokens = torch.from_numpy(rows).to(next(model.parameters()).device)
    logits = model(tokens[:, :-1]).to(torch.float32)
    nats = functional.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none").cpu()
    kept = torch.where(torch.from_numpy(counts), nats, 0.0)
    return kept.to(torch.float64).sum(dim=1).tolist()


def unigram_nats(counts: NDArray[np.int64], symbols: NDArray[np.int64]) -> float:
    """The nats that a unigram model needs, with one added to every count.

    counts   [symbols] how often each occurs in the text it learns from
    symbols  [n] the text it is asked about
    """
    shares = (counts + 1) / (counts.sum() + len(counts))
    return float(-np.log(shares[symbols]).sum())


def xz_size(data: bytes) -> int:
    """Bytes of a text after xz -9e, as raw LZMA2 without headers.

    The window is set to reach over the whole text, which the preset alone does only to 64 MiB.
    """
    window = min(max(len(data), 4096), 2**30)
    filters = [{"id": lzma.FILTER_LZMA2, "preset": XZ_PRESET, "dict_size": window}]
    return len(lzma.compress(data, lzma.FORMAT_RAW, filters=filters))
