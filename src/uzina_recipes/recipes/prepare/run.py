"""Prepare: documents in, tokenised shards and a report out.

Four passes, each streaming, so that memory does not grow with the text: count lines; clean and
sign; settle duplicates and write the splits; train the tokenizer and tokenise. What stays in
memory for each document is its digest, its signature and a line of facts.
"""

from __future__ import annotations

import json
import lzma
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from uzina_recipes import shards
from uzina_recipes.recipes.prepare import duplicates, texts
from uzina_recipes.run_directory import Failed, RunDirectory, Stopped, file_sha256, files_under, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value

SAMPLES = 3
EXCERPT = 160
BATCH = 64
FIELDS = ("id", "text", "language", "source")


@dataclass
class Kept:
    """One document that came through cleaning: where it lies and what it is."""

    at: int
    id: str
    language: str
    digest: str
    words: int


class Report:
    """Counts of what came in, what each rule took and what went out, by language."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.counts: dict[str, dict[str, dict[str, int]]] = defaultdict(
            lambda: defaultdict(lambda: {"documents": 0, "bytes": 0})
        )
        self.samples: dict[str, list[dict[str, Any]]] = defaultdict(list)

    def add(self, name: str, language: str, size: int, *, documents: int = 1) -> None:
        """Count something of this many bytes under a name and a language."""
        row = self.counts[name][language]
        row["documents"] += documents
        row["bytes"] += size

    def sample(self, rule: str, document: str, text: str, **facts: Any) -> None:
        """Keep up to three examples of what a rule took."""
        if len(self.samples[rule]) < SAMPLES:
            excerpt = " ".join(text.split())[:EXCERPT]
            self.samples[rule].append({"id": document, "excerpt": excerpt, **facts})

    def exclude(self, rule: str, row: Mapping[str, str], text: str, **facts: Any) -> None:
        """Count a document that a rule left out."""
        self.add(rule, row["language"], len(text.encode()))
        self.sample(rule, row["id"], text, language=row["language"], **facts)

    def rules(self, names: tuple[str, ...]) -> dict[str, Any]:
        """What each rule took, by language, with samples."""
        return {
            name: {"by_language": dict(self.counts[name]), "samples": self.samples[name]}
            for name in names
        }


LINE_RULES = ("boilerplate_line", "foreign_line")
DOCUMENT_RULES = (
    "unreadable",
    "language",
    "too_short",
    "few_letters",
    "word_length",
    "repeated_lines",
    "wrong_language",
    "exact_duplicate",
    "near_duplicate",
    "near_held_out",
)


def input_files(run: RunDirectory) -> list[Path]:
    """The .jsonl and .jsonl.xz files staged under inputs/, sorted; Failed when there are none."""
    staged = files_under(run.path / "inputs")
    found = [path for path in staged if path.name.endswith((".jsonl", ".jsonl.xz"))]
    if not found:
        raise Failed(
            "No input holds documents: stage a dataset version with .jsonl or .jsonl.xz files "
            "under inputs/."
        )
    return found


def raw_documents(files: list[Path]) -> Iterator[dict[str, str] | str]:
    """Every document of the files in order; a line that is not one comes as an error sentence."""
    for path in files:
        opened = lzma.open if path.suffix == ".xz" else open
        with opened(path, "rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                    yield {name: unicode(row[name]) for name in FIELDS}
                except (ValueError, KeyError, TypeError) as error:
                    yield f"{path.name} line {number}: {type(error).__name__} {error}"


def unicode(value: object) -> str:
    """A text that can be written as UTF-8; TypeError or UnicodeError when it is not one."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    value.encode()
    return value


class Preparation:
    """One run of the recipe over one run directory."""

    def __init__(self, run: RunDirectory, settings: Mapping[str, Value]) -> None:
        """Find the inputs and make room for the work."""
        self.run = run
        self.settings = settings
        self.files = input_files(run)
        self.data = run.path / "export" / "data"
        self.work = run.path / "work"
        for folder in (self.data, self.work):
            folder.mkdir(parents=True, exist_ok=True)
        self.clean_path = self.work / "clean.jsonl"
        self.report = Report()
        self.kept: list[Kept] = []
        self.shingler = duplicates.Shingler()
        self.began = time.monotonic()
        self.documents = 0

    def tick(self, phase: str, done: int, total: int) -> None:
        """Record progress and stop here if that is asked for.

        Raises Stopped. There is nothing to save: a preparation starts again from its inputs.
        """
        seconds = time.monotonic() - self.began
        self.run.step = done
        self.run.metric(
            phase=phase,
            step=done,
            documents=done,
            total=total,
            elapsed_s=round(seconds, 3),
            eta_s=None,
        )
        if by := self.run.stop_wanted():
            self.run.honour("STOP")
            self.run.event("stop_requested", by=by)
            raise Stopped(step=done, by=by)

    def count_lines(self) -> texts.LineCounts:
        """First pass: in how many documents each line occurs."""
        self.run.enter("count")
        counts = texts.LineCounts()
        for number, row in enumerate(raw_documents(self.files), 1):
            self.documents = number
            if isinstance(row, dict):
                counts.add(texts.normalise(row["text"], row["language"]).split("\n"))
            if number % BATCH == 0:
                self.tick("count", number, 0)
        return counts

    def clean(self, counts: texts.LineCounts) -> NDArray[np.uint32]:
        """Second pass: normalise, clean, judge and sign; kept texts go to a work file."""
        self.run.enter("clean")
        minhash = duplicates.MinHash(int(self.settings["seed"]))
        signatures = []
        seen: set[str] = set()
        with self.clean_path.open("wb") as out:
            for number, row in enumerate(raw_documents(self.files), 1):
                if number % BATCH == 0:
                    self.tick("clean", number, self.documents)
                text = self.cleaned(row, counts)
                if text is None or isinstance(row, str):
                    continue
                digest = duplicates.text_digest(text)
                if digest in seen:
                    self.report.exclude("exact_duplicate", row, text)
                    continue
                seen.add(digest)
                tokens = texts.words(text)
                signatures.append(minhash.signature(self.shingler.shingles(tokens)))
                place = Kept(out.tell(), row["id"], row["language"], digest, len(tokens))
                self.kept.append(place)
                out.write(json.dumps({**row, "text": text}, ensure_ascii=False).encode() + b"\n")
        if not signatures:
            raise Failed(
                "No document came through cleaning. Loosen the rules; report.json says why."
            )
        return np.array(signatures)

    def cleaned(self, row: dict[str, str] | str, counts: texts.LineCounts) -> str | None:
        """A document's clean text, or None when a rule leaves it out; either way it is counted."""
        if isinstance(row, str):
            self.report.add("in", "", 0)
            self.report.add("unreadable", "", 0)
            self.report.sample("unreadable", row, "")
            return None
        language = row["language"]
        self.report.add("in", language, len(row["text"].encode()))
        text = texts.normalise(row["text"], language)
        self.report.add("normalised", language, len(text.encode()))
        lines, removed = texts.clean_lines(text, language, counts, self.settings)
        for rule, taken in removed.items():
            for line in taken:
                self.report.add(rule, language, len(line.encode()) + 1)
                self.report.sample(rule, row["id"], line, language=language)
        if verdict := texts.judge(lines, language, self.settings):
            self.report.exclude(
                verdict.rule,
                row,
                "\n".join(lines),
                measured=verdict.measured,
                threshold=verdict.threshold,
            )
            return None
        return "\n".join(lines)

    def read_kept(self, wanted: list[Kept]) -> Iterator[dict[str, str]]:
        """The clean documents at these places, in order of the work file."""
        with self.clean_path.open("rb") as file:
            for place in wanted:
                file.seek(place.at)
                yield json.loads(file.readline())

    def without_near_duplicates(self, signatures: NDArray[np.uint32]) -> list[Kept]:
        """Keep the first document of each group of near duplicates."""
        self.run.enter("deduplicate")
        first = duplicates.near_duplicates(signatures, float(self.settings["near_duplicate"]))
        alone = [place for at, place in enumerate(self.kept) if first[at] == at]
        dropped = [(at, place) for at, place in enumerate(self.kept) if first[at] != at]
        rows = self.read_kept([place for _, place in dropped])
        for (at, _), row in zip(dropped, rows, strict=True):
            like = self.kept[int(first[at])].id
            self.report.exclude("near_duplicate", row, row["text"], like=like)
        return alone

    def split(self, alone: list[Kept]) -> tuple[list[Kept], list[Kept]]:
        """Training and held-out documents; training text near to held-out text is left out."""
        self.run.enter("split")
        share = float(self.settings["held_out"])
        held = [place for place in alone if duplicates.is_held_out(place.digest, share)]
        if not held or len(held) == len(alone):
            raise Failed(
                f"{len(held)} of {len(alone)} documents were held out: both splits need some. "
                "Change held_out, or stage more documents."
            )
        border = duplicates.HeldOut(
            self.shingler.shingles(texts.words(row["text"])) for row in self.read_kept(held)
        )
        aside = {place.at for place in held}
        train = []
        candidates = [place for place in alone if place.at not in aside]
        for place, row in zip(candidates, self.read_kept(candidates), strict=True):
            overlap = border.overlap(self.shingler.shingles(texts.words(row["text"])))
            if overlap > float(self.settings["near_held_out"]):
                self.report.exclude("near_held_out", row, row["text"], overlap=round(overlap, 3))
            else:
                train.append(place)
        if not train:
            raise Failed("No training document is left beside the held-out ones. Lower held_out.")
        return train, held

    def train_tokenizer(self, train: list[Kept]) -> Tokenizer:
        """Learn a byte-level BPE from the training documents only."""
        self.run.enter("tokenizer")
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=int(self.settings["vocabulary"]),
            special_tokens=[shards.SEPARATOR],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator((row["text"] for row in self.read_kept(train)), trainer)
        tokenizer.save(str(self.data / "tokenizer.json"))
        return tokenizer

    def tokenise(self, tokenizer: Tokenizer, split: str, places: list[Kept]) -> dict[str, Any]:
        """Write one split's shard; returns its tokens, documents and bytes, by language too."""
        self.run.enter("tokenise")
        separator = tokenizer.token_to_id(shards.SEPARATOR)
        languages: dict[str, dict[str, int]] = defaultdict(
            lambda: {"tokens": 0, "documents": 0, "bytes": 0}
        )
        rows = self.read_kept(places)
        with (self.data / f"{split}.bin").open("wb") as out:
            for start in range(0, len(places), BATCH):
                batch = [next(rows) for _ in places[start : start + BATCH]]
                codes = tokenizer.encode_batch([row["text"] for row in batch])
                for row, code in zip(batch, codes, strict=True):
                    out.write(np.array([separator, *code.ids], shards.TOKEN).tobytes())
                    facts = languages[row["language"]]
                    facts["tokens"] += 1 + len(code.ids)
                    facts["documents"] += 1
                    facts["bytes"] += len(row["text"].encode())
                self.tick(f"tokenise {split}", start + len(batch), len(places))
        total = {
            name: sum(facts[name] for facts in languages.values())
            for name in ("tokens", "documents", "bytes")
        }
        return {**total, "by_language": dict(languages)}

    def write_held_out(self, held: list[Kept]) -> None:
        """Write the held-out texts, for evaluation and baselines."""
        with (self.data / "heldout.jsonl").open("wb") as out:
            for row in self.read_kept(held):
                out.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")

    def work_through(self) -> dict[str, Any]:
        """Run all passes and write everything but the report, which is returned."""
        signatures = self.clean(self.count_lines())
        alone = self.without_near_duplicates(signatures)
        train, held = self.split(alone)
        tokenizer = self.train_tokenizer(train)
        self.write_held_out(held)
        facts = {
            "format": "little-endian uint16, a separator before each document",
            "vocabulary": tokenizer.get_vocab_size(),
            "separator": tokenizer.token_to_id(shards.SEPARATOR),
            "train": self.tokenise(tokenizer, "train", train),
            "heldout": self.tokenise(tokenizer, "heldout", held),
        }
        path = self.data / "shards.json"
        path.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")
        return facts

    def written(self, facts: dict[str, Any]) -> dict[str, Any]:
        """The report: what came in, what each rule took, what went out, digests of both sides."""
        return {
            "in": dict(self.report.counts["in"]),
            "after_normalising": dict(self.report.counts["normalised"]),
            "removed_lines": self.report.rules(LINE_RULES),
            "excluded_documents": self.report.rules(DOCUMENT_RULES),
            "out": {name: facts[name] for name in ("train", "heldout")},
            "vocabulary": facts["vocabulary"],
            "settings": dict(self.settings),
            "digests": {
                "in": {
                    path.relative_to(self.run.path / "inputs").as_posix(): file_sha256(path)
                    for path in self.files
                },
                "out": {
                    path.name: file_sha256(path)
                    for path in sorted(self.data.iterdir())
                    if path.name != "report.json"
                },
            },
            "seconds": round(time.monotonic() - self.began, 1),
        }


def run(directory: RunDirectory, settings: Mapping[str, Value]) -> int:
    """Prepare the staged documents; returns the number of documents read.

    Raises Stopped, and Failed when there is nothing to prepare or nothing is left.
    """
    directory.event("started", life=directory.life)
    preparation = Preparation(directory, settings)
    facts = preparation.work_through()
    report = preparation.written(facts)
    directory.enter("report")
    directory.export("data/report.json", report)
    preparation.clean_path.unlink()
    preparation.work.rmdir()
    say(
        f"{preparation.documents} documents in, {facts['train']['documents']} to train on, "
        f"{facts['heldout']['documents']} held out; {facts['train']['tokens']:,} and "
        f"{facts['heldout']['tokens']:,} tokens."
    )
    return preparation.documents
