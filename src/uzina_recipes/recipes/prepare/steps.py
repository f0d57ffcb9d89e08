"""What is done to one batch of documents at a time, in whichever process has time for it.

read      parse, normalise, note every line
clean     take out lines, tell the language, judge, scrub, and sign what stays
border    measure what each text has in common with what is held out
tokenise  write tokens, texts and sums

Each step reads the part before and leaves one of its own. Nothing here depends on who does it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from uzina_recipes import shards
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.decontaminate import HeldOut as Evaluation
from uzina_recipes.corpus.normalise import normalise
from uzina_recipes.corpus.tokens import Encoder
from uzina_recipes.recipes.prepare import duplicates, judging, parts, readers, texts
from uzina_recipes.recipes.prepare.parts import INDEX, Step
from uzina_recipes.recipes.prepare.readers import Broken, Columns
from uzina_recipes.recipes.prepare.report import Tally

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value

LINES = np.dtype([("hash", "<u8"), ("documents", "<u4")])
TRAIN, HELD_OUT, EXACT, NEAR, BORDER, EVALUATION = range(6)
CHUNK = 64


@dataclass(frozen=True)
class Work:
    """The folder of one preparation, and its settings: all that a worker needs to know."""

    folder: Path
    settings: Mapping[str, Value]

    def step(self, name: str) -> Step:
        """The parts of one step."""
        return Step(self.folder / name)

    @property
    def settled(self) -> Path:
        """Where lies what was decided over all documents."""
        return self.folder / "settled"

    @cached_property
    def columns(self) -> Columns:
        """How columns are called."""
        return Columns.of(self.settings)

    @cached_property
    def judge(self) -> judging.Judge:
        """The rules."""
        return judging.Judge(self.settings)

    @cached_property
    def frequent(self) -> NDArray[np.uint64]:
        """The hashes of lines that are boilerplate, sorted."""
        return parts.load(self.folder / "frequent.lines", "<u8")

    @cached_property
    def held_out(self) -> duplicates.HeldOut:
        """The held-out texts."""
        return duplicates.HeldOut.opened(self.settled / "heldout")

    @cached_property
    def evaluation(self) -> Evaluation:
        """The evaluation sets that came with the inputs."""
        return Evaluation(
            parts.load(self.settled / "evaluation.lengths", "<i8"),
            parts.load(self.settled / "evaluation.keys", "<u8"),
            parts.load(self.settled / "evaluation.filled", "<i4"),
        )

    @property
    def encoder(self) -> Encoder:
        """The tokenizer, read once a process."""
        text = (self.settled / "tokenizer.json").read_text("utf-8")
        return encoder(text, by_reference=self.by_reference.exists())

    @property
    def by_reference(self) -> Path:
        """Is there when the fast tokenizer gave other ids than the reference in some part."""
        return self.settled / "by_reference"

    @property
    def tokenised(self) -> Step:
        """The parts of the last step: other ones once the reference alone encodes."""
        return self.step("by_reference" if self.by_reference.exists() else "tokenise")

    def decisions(self, key: str) -> NDArray[np.uint8]:
        """What was decided of each document of a clean part."""
        return parts.load(self.settled / f"{key}.decisions", "u1")

    def __getstate__(self) -> dict[str, Any]:
        """Another process opens for itself what it needs."""
        return {"folder": self.folder, "settings": self.settings}


@lru_cache(2)
def encoder(text: str, *, by_reference: bool) -> Encoder:
    """The tokenizer of a tokenizer.json: setting it up takes as long as encoding a part."""
    found = Encoder(text)
    if by_reference:
        found.fast = None
    return found


def rows_of(path: Path) -> Iterator[dict[str, Any]]:
    """The documents of a part."""
    with path.open("rb") as file:
        for line in file:
            yield json.loads(line)


def written(row: Mapping[str, Any]) -> bytes:
    """A document as a line."""
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def read(
    work: Work, key: str, kind: str, records: Sequence[readers.Raw | Broken], source: str
) -> dict[str, Any]:
    """Parse a batch of records, normalise them and note their lines."""
    step = work.step("read")
    tally = Tally(work.judge.scrubbed)
    hashes: list[NDArray[np.uint64]] = [np.zeros(0, np.uint64)]
    with step.path(key, ".jsonl").open("wb") as out:
        for record in records:
            found = (
                record
                if isinstance(record, Broken)
                else readers.document(kind, record, work.columns, source=source)
            )
            if isinstance(found, Broken):
                tally.add("in", "", found.bytes)
                tally.add("unreadable", "", found.bytes)
                tally.sample("unreadable", f"{found.where}: {found.why}", "")
                continue
            text = normalise(found.text, found.language)
            tally.add("in", found.language, len(found.text.encode()))
            tally.add("normalised", found.language, len(text.encode()))
            out.write(written({**vars(found), "text": text}))
            hashes.append(texts.line_hashes(text))
    parts.save(step.path(key, ".lines"), np.concatenate(hashes))
    once = np.concatenate([np.unique(each) for each in hashes])
    values, counts = np.unique(once, return_counts=True)
    table: NDArray[Any] = np.zeros(len(values), LINES)
    table["hash"], table["documents"] = values, counts
    parts.save(step.path(key, ".counts"), table)
    facts = {"documents": len(records), **tally.facts()}
    step.commit(key, facts)
    return facts


def clean(work: Work, key: str) -> dict[str, Any]:
    """Take out lines, tell the language, judge, scrub and sign; what stays goes on."""
    before, step, judge = work.step("read"), work.step("clean"), work.judge
    tally = Tally(judge.scrubbed)
    rows = list(rows_of(before.path(key, ".jsonl")))
    hashes = parts.load(before.path(key, ".lines"), "<u8")
    at = 0
    for row in rows:
        lines = row["text"].split("\n") if row["text"] else []
        is_boilerplate = texts.is_in(hashes[at : at + len(lines)], work.frequent)
        at += len(lines)
        kept, removed = texts.clean_lines(lines, row["language"], is_boilerplate, work.settings)
        for rule, taken in removed.items():
            for line in taken:
                tally.add(rule, row["language"], len(line.encode()) + 1)
                tally.sample(rule, row["id"], line, language=row["language"])
        row["text"] = texts.BLANKS.sub("\n\n", "\n".join(kept)).strip("\n")
    # Told when navigation is out of the way, which on many pages is in another language.
    judge.tell_languages(rows)
    chosen = []
    for row, verdict, counts in zip(rows, *judge.verdicts(rows), strict=True):
        for rule, count in counts.items():
            tally.add(rule, row["language"], 0, documents=count)
        if verdict is None:
            chosen.append(row)
            continue
        measured = {"measured": verdict.measured, "threshold": verdict.threshold}
        tally.exclude(verdict.rule, row["id"], row["language"], row["text"], **measured)
    personal = judge.scrub(chosen)
    index: NDArray[Any] = np.zeros(len(chosen), INDEX)
    with step.path(key, ".jsonl").open("wb") as out:
        for place, row in zip(index, chosen, strict=True):
            digest = duplicates.text_digest(row["text"])
            place["at"] = out.tell()
            place["first"] = int.from_bytes(digest[:8], "big")
            place["second"] = int.from_bytes(digest[8:16], "big")
            place["bytes"] = len(row["text"].encode())
            place["language"] = row["language"].encode()[:8]
            out.write(written(row))
    parts.save(step.path(key, ".index"), index)
    parts.save(step.path(key, ".signatures"), judge.signatures([row["text"] for row in chosen]))
    facts = {"documents": len(rows), "kept": len(chosen), "personal": personal, **tally.facts()}
    step.commit(key, facts)
    return facts


def border(work: Work, key: str) -> dict[str, Any]:
    """Measure what each training text of a part has in common with what is held out.

    overlaps  [documents, 2] share in common with one held-out text; runs of words it shares with
              the evaluation sets
    """
    step = work.step("border")
    decisions = work.decisions(key)
    found: NDArray[np.float32] = np.zeros((len(decisions), 2), np.float32)
    places = np.flatnonzero(decisions == TRAIN)
    rows = [row["text"] for row in rows_of(work.step("clean").path(key, ".jsonl"))]
    batch = Batch.of([rows[at] for at in places])
    for at, shingles in zip(places, duplicates.shingles(batch), strict=True):
        found[at, 0] = work.held_out.overlap(shingles)
    if work.evaluation.filled.any():
        found[places, 1] = work.evaluation.overlap(batch)
    parts.save(step.path(key, ".overlaps"), found)
    facts = {"documents": len(decisions)}
    step.commit(key, facts)
    return facts


def tokenise(work: Work, key: str) -> dict[str, Any]:
    """Write a part's tokens of both splits, its held-out texts, and its sums."""
    step, encoder = work.tokenised, work.encoder
    encoder.checked, encoder.disagreed = 0, None
    decisions = work.decisions(key)
    separator = encoder.reference.token_to_id(shards.SEPARATOR)
    token = shards.token_type(encoder.reference.get_vocab_size())
    rows = list(rows_of(work.step("clean").path(key, ".jsonl")))
    facts: dict[str, Any] = {"documents": len(rows)}
    for split, decided in (("train", TRAIN), ("heldout", HELD_OUT)):
        mine = [row for row, decision in zip(rows, decisions, strict=True) if decision == decided]
        sums = Sums()
        with step.path(key, f".{split}.bin").open("wb") as out:
            for start in range(0, len(mine), CHUNK):
                batch = mine[start : start + CHUNK]
                codes = encoder.encode([row["text"] for row in batch])
                for at, row in enumerate(batch):
                    ids = codes.ids[codes.starts[at] : codes.starts[at + 1]]
                    out.write(np.array([separator, *ids], token).tobytes())
                    sums.add(row, 1 + len(ids))
        facts[split] = sums.facts()
        if split == "heldout":
            parts.write_durably(
                step.path(key, ".heldout.jsonl"), (written(shown(row)) for row in mine)
            )
        if work.settings["parquet"]:
            write_parquet(step.path(key, f".{split}.parquet"), mine)
    facts["encoded_twice"] = encoder.checked
    facts["disagreed"] = encoder.disagreed and work.judge.scrubbed(encoder.disagreed)
    step.commit(key, facts)
    return facts


SHOWN = ("id", "language", "source", "licence", "url", "date", "text")


def shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is told of a document outside: its origin and its text, empty columns left out."""
    always = {"id", "language", "source", "text"}
    return {name: row[name] for name in SHOWN if row[name] or name in always}


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write texts and where they are from; no file where there is none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not rows:
        return
    schema = pa.schema([(name, pa.string()) for name in SHOWN])
    table = pa.Table.from_pylist([{name: row[name] for name in SHOWN} for row in rows], schema)
    pq.write_table(table, path, compression="zstd", store_schema=False)


def domain(url: str) -> str:
    """The host a page was crawled from; empty for what was not."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


class Sums:
    """Documents, bytes and tokens by what the public summary of training content asks for."""

    TABLES = ("by_language", "by_source", "by_licence", "by_domain")

    def __init__(self) -> None:
        """Start at nothing."""
        self.tables: dict[str, dict[str, dict[str, int]]] = {name: {} for name in self.TABLES}
        self.days: list[str] = []

    def add(self, row: Mapping[str, Any], tokens: int) -> None:
        """Count one document."""
        size = len(row["text"].encode())
        names = (row["language"], row["source"], row["licence"] or "unknown", domain(row["url"]))
        for table, name in zip(self.TABLES, names, strict=True):
            if name:
                sums = self.tables[table].setdefault(
                    name, {"tokens": 0, "documents": 0, "bytes": 0}
                )
                sums["tokens"] += tokens
                sums["documents"] += 1
                sums["bytes"] += size
        if row["date"]:
            self.days.append(row["date"])

    def facts(self) -> dict[str, Any]:
        """All of it, for a marker."""
        return {
            **self.tables,
            "first": min(self.days, default=""),
            "last": max(self.days, default=""),
            "dated": len(self.days),
        }
