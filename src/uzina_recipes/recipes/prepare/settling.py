"""What is decided over all documents at once, with a few bytes of each in memory and no text."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from uzina_recipes import shards
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.decontaminate import HeldOut as Evaluation
from uzina_recipes.corpus.exact import Exact
from uzina_recipes.corpus.keys import READ
from uzina_recipes.corpus.near import Near
from uzina_recipes.corpus.normalise import normalise
from uzina_recipes.corpus.tokens import train
from uzina_recipes.recipes.prepare import duplicates, parts, readers, steps
from uzina_recipes.recipes.prepare.report import SAMPLES, Tally
from uzina_recipes.recipes.prepare.steps import BORDER, EVALUATION, EXACT, HELD_OUT, NEAR, TRAIN
from uzina_recipes.run_directory import Failed, files_under, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

AT_ONCE = 2**24
CHUNK = 512
TOKENIZER_BYTES = 2**26
"""Learning from as much raw text of thirty languages took 536 MiB of memory."""
RULES = {
    EXACT: "exact_duplicate",
    NEAR: "near_duplicate",
    BORDER: "near_held_out",
    EVALUATION: "in_evaluation",
}


def chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts some at a time."""
    rest = iter(texts)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def frequent(tables: Sequence[Path], least: int, at_once: int = AT_ONCE) -> NDArray[np.uint64]:
    """The lines that occur in so many documents, by their hashes, sorted.

    tables   files of (hash, documents), each sorted by hash
    at_once  how many entries may be in memory: the space of hashes is gone through in slices
    """
    sizes = [path.stat().st_size // steps.LINES.itemsize for path in tables]
    slices = max(1, -(-sum(sizes) // at_once))
    found: list[NDArray[np.uint64]] = []
    for number in range(slices):
        low = np.uint64(number * 2**64 // slices)
        high = np.uint64(min((number + 1) * 2**64 // slices, 2**64 - 1))
        pieces = []
        for path in tables:
            table = parts.load(path, steps.LINES)
            left = np.searchsorted(table["hash"], low, "left")
            right = (
                len(table) if number == slices - 1 else np.searchsorted(table["hash"], high, "left")
            )
            pieces.append(np.array(table[left:right]))
        together = np.concatenate(pieces) if pieces else np.zeros(0, steps.LINES)
        hashes, owner = np.unique(together["hash"], return_inverse=True)
        counts = np.bincount(owner, together["documents"], len(hashes))
        found.append(hashes[(counts >= least) & (hashes != 0)])
    return np.concatenate(found)


class Settlement:
    """The decisions over all documents of a preparation."""

    def __init__(self, work: steps.Work, keys: Sequence[str], kept_out: Sequence[Path]) -> None:
        """Gather a line of facts of each document."""
        self.work, self.keys, self.kept_out = work, keys, kept_out
        self.settings = work.settings
        self.tally = Tally(work.judge.scrubbed)
        tables = [parts.load(work.step("clean").path(key, ".index"), parts.INDEX) for key in keys]
        self.sizes = [len(table) for table in tables]
        self.index = np.concatenate(tables) if tables else np.zeros(0, parts.INDEX)
        self.of_part: NDArray[np.intp] = np.repeat(np.arange(len(keys)), self.sizes)
        self.decisions: NDArray[np.uint8] = np.full(len(self.index), TRAIN, np.uint8)
        if not len(self.index):
            raise Failed(
                "No document came through cleaning. Loosen the rules: the samples in "
                "work/clean/*.json say why."
            )

    def rows(self, chosen: NDArray[np.intp]) -> Iterator[dict[str, Any]]:
        """The documents of these numbers, which are in order."""
        for part in np.unique(self.of_part[chosen]):
            mine = chosen[self.of_part[chosen] == part]
            path = self.work.step("clean").path(self.keys[int(part)], ".jsonl")
            for line in parts.lines_at(path, self.index["at"][mine]):
                yield json.loads(line)

    def drop(self, rule: int, numbers: NDArray[np.intp], facts: list[dict[str, Any]]) -> None:
        """Leave documents out: count them, and show the first few with what is known of them."""
        self.decisions[numbers] = rule
        name = RULES[rule]
        for language in np.unique(self.index["language"][numbers]):
            mine = numbers[self.index["language"][numbers] == language]
            self.tally.add(
                name, language.decode(), int(self.index["bytes"][mine].sum()), documents=len(mine)
            )
        few = numbers[: len(facts)]
        for row, known in zip(self.rows(few), facts, strict=True):
            self.tally.sample(name, row["id"], row["text"], language=row["language"], **known)

    def decide(self) -> None:
        """Settle duplicates and what is held out; ready the fence around it."""
        first = self.first_exact()
        everyone = np.arange(len(self.index))
        copies = np.flatnonzero(first != everyone)
        self.drop(EXACT, copies, self.like(first[copies][:SAMPLES]))
        first = self.first_near(self.decisions == TRAIN)
        copies = np.flatnonzero((first != everyone) & (self.decisions == TRAIN))
        self.drop(NEAR, copies, self.like(first[copies][:SAMPLES]))
        alone = self.decisions == TRAIN
        held = alone & duplicates.is_held_out(self.index["first"], float(self.settings["held_out"]))
        if not held.any() or (held == alone).all():
            raise Failed(
                f"{held.sum()} of {alone.sum()} documents were held out: both splits need some. "
                "Change held_out, or stage more documents."
            )
        self.decisions[held] = HELD_OUT
        texts = (row["text"] for row in self.rows(np.flatnonzero(held)))
        sets = (found for chunk in chunks(texts) for found in duplicates.shingles(Batch.of(chunk)))
        duplicates.HeldOut.of(sets).save(self.work.settled / "heldout")
        evaluation = Evaluation.joined(
            chunks(self.evaluation_texts()), run=int(self.settings["evaluation_run"])
        )
        for name in ("lengths", "keys", "filled"):
            parts.save(self.work.settled / f"evaluation.{name}", getattr(evaluation, name))
        self.save()

    def first_exact(self) -> NDArray[np.int64]:
        """The first document with the same text, for each document."""
        with TemporaryDirectory(dir=self.work.settled) as folder:
            exact = Exact(Path(folder))
            for begin in range(0, len(self.index), READ):
                rows = self.index[begin : begin + READ]
                exact.add(np.stack([rows["first"], rows["second"]], axis=1))
            return exact.settle()

    def first_near(self, among: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The first document of each document's group of near duplicates."""
        shape = self.work.judge.shape
        with TemporaryDirectory(dir=self.work.settled) as folder:
            close = Near(Path(folder), shape)
            for key in self.keys:
                path = self.work.step("clean").path(key, ".signatures")
                close.add(parts.load(path, "<u8", shape.bands))
            return close.settle(among)

    def like(self, originals: NDArray[np.int64]) -> list[dict[str, Any]]:
        """What copies are copies of, for the samples of the report."""
        return [
            {"like": self.work.judge.scrubbed(next(self.rows(np.array([at])))["id"])}
            for at in originals
        ]

    def evaluation_texts(self) -> Iterator[str]:
        """The texts of evaluation sets that came with the inputs, as training texts are written."""
        columns = self.work.columns
        for unit in readers.units(self.kept_out, columns):
            for batch in readers.batches(unit, readers.SMALLEST, columns):
                for record in batch:
                    if isinstance(record, readers.Broken):
                        raise Failed(f"An evaluation set cannot be read: {record}.")
                    found = readers.document(unit.kind, record, columns, source="")
                    if isinstance(found, readers.Broken):
                        raise Failed(f"An evaluation set cannot be read: {found}.")
                    yield normalise(found.text, found.language)

    def save(self) -> None:
        """Write the decisions of each part."""
        places = np.cumsum([0, *self.sizes])
        for key, begin, end in zip(self.keys, places, places[1:], strict=False):
            partial = self.work.settled / f"{key}.partial"
            parts.save(partial, self.decisions[begin:end])
            partial.replace(self.work.settled / f"{key}.decisions")

    def draw_border(self) -> None:
        """Leave out of training what is too near to held-out text and to evaluation sets."""
        overlaps = np.concatenate(
            [
                parts.load(self.work.step("border").path(key, ".overlaps"), "<f4", 2)
                for key in self.keys
            ]
        )
        limits = ((EVALUATION, 1, 0.0), (BORDER, 0, float(self.settings["near_held_out"])))
        for rule, column, limit in limits:
            measured = overlaps[:, column]
            numbers = np.flatnonzero((self.decisions == TRAIN) & (measured > limit))
            facts = [{"overlap": round(float(measured[at]), 3)} for at in numbers[:SAMPLES]]
            self.drop(rule, numbers, facts)
        if not (self.decisions == TRAIN).any():
            raise Failed("No training document is left beside the held-out ones. Lower held_out.")
        self.save()

    def make_tokenizer(self, inputs: Path) -> None:
        """Learn a byte-level BPE from training documents only, or take one that was staged."""
        out = self.work.settled / "tokenizer.json"
        if self.settings["tokenizer"] == "take":
            found = [path for path in files_under(inputs) if path.name == "tokenizer.json"]
            if len(found) != 1:
                raise Failed(
                    f"{len(found)} inputs hold tokenizer.json. Stage one, or let one be trained."
                )
            shutil.copyfile(found[0], out)
            try:
                known = Tokenizer.from_file(str(out)).token_to_id(shards.SEPARATOR)
            except Exception as error:
                raise Failed(f"The staged tokenizer.json cannot be read: {error}") from error
            if known is None:
                raise Failed(f"The staged tokenizer.json has no token {shards.SEPARATOR}.")
            return
        text = train(
            (row["text"] for row in self.rows(self.sample())),
            vocabulary=int(self.settings["vocabulary"]),
            special=[shards.SEPARATOR],
        )
        write_atomically(out, text)

    def sample(self) -> NDArray[np.intp]:
        """The training documents a tokenizer is learned from: all, or 64 MiB by their digests."""
        chosen = np.flatnonzero(self.decisions == TRAIN)
        whole = int(self.index["bytes"][chosen].sum(dtype=np.int64))
        if whole <= TOKENIZER_BYTES:
            return chosen
        # Other bytes of the digest than those that say what is held out.
        limit = np.uint64(TOKENIZER_BYTES / whole * 2**64)
        return chosen[self.index["second"][chosen] < limit]

    def commit(self) -> None:
        """Say that all of it is decided."""
        parts.write_json(self.work.settled / "settled.json", self.tally.facts())
