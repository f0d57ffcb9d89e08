"""Prepare: documents in, tokenised shards and a report out.

    read      each batch: parse, normalise, note every line
    count     which lines are boilerplate
    clean     each batch: take out lines, tell the language, judge, scrub, sign
    settle    duplicates, what is held out, its border, the tokenizer
    tokenise  each batch: write tokens and texts
    finish    one behind the other; the report

Every step of every batch is kept as it is done (parts.py), so a preparation that was killed goes on
where it was, and the same steps may be shared out over workers of one machine or over the tasks of
an array on a cluster: with --stage, a process does that step only, and of the batches those that
UZINA_TASK_ID of --tasks owns. The bytes that come out are the same in every case. A process without
--stage does whatever is not done yet.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uzina_recipes import faults
from uzina_recipes.recipes.prepare import parts, readers, settling, steps
from uzina_recipes.recipes.prepare.finishing import finish
from uzina_recipes.recipes.prepare.workers import Pool
from uzina_recipes.run_directory import Failed, RunDirectory, Stopped, code_version, say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from uzina_recipes.catalogue import Value

STAGES = ("read", "count", "clean", "settle", "tokenise")
JOINING = {"count", "settle"}
"""Stages that one task does for all."""
ENDS = 2**16
WORTH = 2**23
EVALUATION_FILE, EVALUATION_FOLDER = "heldout.jsonl", "evaluation"


@dataclass(frozen=True)
class Share:
    """Which part of the work is this process's: one stage of an array's task, or everything."""

    stage: str = ""
    task: int = 0
    tasks: int = 1

    @classmethod
    def of(cls, run: RunDirectory) -> Share:
        """What the process was started for. Raises Failed for a task that cannot be."""
        if not 0 <= run.task < run.tasks:
            raise Failed(f"There is no task {run.task} of {run.tasks}: they begin at 0.")
        if run.stage in JOINING:
            return cls(run.stage)
        return cls(run.stage, run.task, run.tasks)

    def owns(self, number: int) -> bool:
        """Whether a batch is this task's."""
        return number % self.tasks == self.task


def input_files(run: RunDirectory) -> tuple[list[Path], list[Path]]:
    """The staged documents and the staged evaluation sets, sorted.

    What another preparation held out, and what lies in a folder named evaluation, is to be kept out
    of training. Raises Failed when there is nothing to prepare.
    """
    staged = run.path / "inputs"
    folders = sorted(staged.iterdir()) if staged.is_dir() else []
    found = [path for folder in folders for path in readers.documents_under(folder)]
    kept_out = [
        path
        for path in found
        if path.name == EVALUATION_FILE or EVALUATION_FOLDER in path.relative_to(staged).parts
    ]
    documents = [path for path in found if path not in set(kept_out)]
    if not documents:
        raise Failed(
            "No input holds documents: stage a dataset version with .jsonl, .parquet, .txt or "
            ".warc files under inputs/."
        )
    return documents, kept_out


def fingerprint(path: Path) -> tuple[int, str]:
    """A file's size and a digest of its ends: whether it is still the file it was."""
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = file.read(ENDS)
        file.seek(max(0, size - ENDS))
        ends += file.read(ENDS)
    return size, hashlib.sha256(ends).hexdigest()


def worth_it(files: Sequence[Path]) -> int:
    """How many workers pay: no more than there are cores, and one for each 8 MiB of files."""
    size = sum(path.stat().st_size for path in files)
    return max(1, min(len(os.sched_getaffinity(0)), size // WORTH))


class Preparation:
    """One run of the recipe over one run directory."""

    def __init__(self, run: RunDirectory, settings: Mapping[str, Value], share: Share) -> None:
        """Find the inputs and what is done already."""
        self.run = run
        self.settings = settings
        self.share = share
        self.inputs = run.path / "inputs"
        self.files, self.kept_out = input_files(run)
        self.work = steps.Work(run.path / "work", settings)
        self.units = readers.units(self.files, self.work.columns)
        self.work.judge.rules  # noqa: B018 - a mistake in them is told before anything is done
        self.began = time.monotonic()
        self.pool = Pool(int(settings["workers"]) or worth_it(self.files))
        self.begin()
        for name in ("read", "clean", "border", "tokenise"):
            self.work.step(name).ready()
        self.work.settled.mkdir(exist_ok=True)

    def begin(self) -> None:
        """Go on with the work that lies there, or clear it away when it was other work."""
        plan = self.work.folder / "plan.json"
        described = {
            "settings": {name: self.settings[name] for name in sorted(self.settings)}
            | {"workers": 0},
            "inputs": [
                [path.relative_to(self.inputs).as_posix(), *fingerprint(path)]
                for path in (*self.files, *self.kept_out)
            ],
            "code": code_version()["sha256"],
        }
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()
        known = parts.read_json(plan) if plan.exists() else {}
        if known == {"plan": digest}:
            self.run.event("resumed", life=self.run.life)
            return
        if self.share.stage not in {"", "read"}:
            raise Failed("The stages before this one were made with other settings or inputs.")
        if not self.share.stage:
            parts.clear(self.work.folder)
        self.work.folder.mkdir(parents=True, exist_ok=True)
        parts.write_json(plan, {"plan": digest})
        self.run.event("started", life=self.run.life)

    # --- progress ---

    def tick(self, phase: str, done: int, total: int, began: float) -> None:
        """Record progress and stop here if that is asked for. Raises Stopped."""
        now = time.monotonic()
        left = round((now - began) / done * (total - done), 1) if total and done else None
        self.run.step = done
        self.run.metric(
            phase=phase,
            step=done,
            documents=done,
            total=total,
            elapsed_s=round(now - self.began, 3),
            eta_s=left,
        )
        self.stop_if_wanted(done)

    def stop_if_wanted(self, done: int) -> None:
        """Raise Stopped if somebody asked; what is done is kept."""
        if by := self.run.stop_wanted():
            if not self.share.stage:
                # The tasks of an array all have to see it; the last process takes it away.
                self.run.honour("STOP")
            self.run.event("stop_requested", by=by)
            raise Stopped(step=done, by=by)

    def each(self, phase: str, work: Iterator[tuple[Any, ...]], total: int) -> None:
        """Do a step's function for each of its arguments, over the workers, with progress."""
        self.run.enter(phase)
        began = time.monotonic()
        done = 0
        waiting: set[Future[dict[str, Any]]] = set()

        def take(*, at_least_one: bool) -> None:
            nonlocal done, waiting
            timeout = None if at_least_one else 0
            over, waiting = wait(waiting, timeout, FIRST_COMPLETED)
            for future in over:
                done += future.result()["documents"]
                self.tick(phase, done, total, began)

        self.stop_if_wanted(0)
        for arguments in work:
            waiting.add(self.pool.submit(*arguments))
            take(at_least_one=len(waiting) >= 2 * self.pool.workers)
        while waiting:
            take(at_least_one=True)

    # --- stages ---

    def read(self) -> None:
        """Read every batch that was not read yet."""
        self.each("read", self.unread(), 0)

    def unread(self) -> Iterator[tuple[Any, ...]]:
        """The batches of this process's share that are not read yet."""
        size = readers.batch_bytes(self.files)
        step = self.work.step("read")
        for unit in self.units:
            total = unit.batches or self.batches_of(unit)
            mine = [number for number in range(total) if self.share.owns(unit.at + number)]
            if total and all(step.is_done(parts.key_of(unit.at, number)) for number in mine):
                continue
            source = unit.files[0].relative_to(self.inputs).parts[0]
            number = -1
            for number, records in enumerate(readers.batches(unit, size, self.work.columns)):
                key = parts.key_of(unit.at, number)
                if self.share.owns(unit.at + number) and not step.is_done(key):
                    yield steps.read, self.work, key, unit.kind, records, source
            if not unit.batches:
                parts.write_json(step.path(f"{unit.at:06d}", ".total"), number + 1)

    def batches_of(self, unit: readers.Unit) -> int:
        """How many batches a unit has that has to be read to know; 0 when nobody read it."""
        path = self.work.step("read").path(f"{unit.at:06d}", ".total")
        return int(parts.read_json(path)) if path.exists() else 0

    def keys(self) -> list[str]:
        """The parts of every batch, in the order of their documents."""
        return [
            parts.key_of(unit.at, number)
            for unit in self.units
            for number in range(unit.batches or self.batches_of(unit))
        ]

    def count(self) -> None:
        """Find the lines that occur in many documents."""
        self.run.enter("count")
        out = self.work.folder / "frequent.lines"
        if not out.exists():
            tables = [self.work.step("read").path(key, ".counts") for key in self.keys()]
            found = settling.frequent(tables, int(self.settings["boilerplate_documents"]))
            partial = out.with_suffix(".partial")
            parts.save(partial, found)
            partial.replace(out)

    def over_parts(
        self, step: parts.Step, function: Callable[..., Any], before: parts.Step, documents: str
    ) -> None:
        """Do a step for each part of this process's share that is not done yet.

        before, documents  where the step before says how many documents each part has
        """
        mine = [key for at, key in enumerate(self.keys()) if self.share.owns(at)]
        missing = [key for key in mine if not step.is_done(key)]
        total = sum(before.facts(key)[documents] for key in missing)
        self.each(step.folder.name, ((function, self.work, key) for key in missing), total)

    def clean(self) -> None:
        """Clean every part."""
        self.over_parts(self.work.step("clean"), steps.clean, self.work.step("read"), "documents")

    def settle(self) -> None:
        """Decide over all documents, and make the tokenizer."""
        if (self.work.settled / "settled.json").exists():
            return
        settlement = settling.Settlement(self.work, self.keys(), self.kept_out)
        self.run.enter("deduplicate")
        settlement.decide()
        self.stop_if_wanted(0)
        self.over_parts(self.work.step("border"), steps.border, self.work.step("clean"), "kept")
        self.run.enter("tokenizer")
        settlement.draw_border()
        settlement.make_tokenizer(self.inputs)
        faults.kill_if("kill-in-settled", 0)
        settlement.commit()

    def tokenise(self) -> None:
        """Tokenise every part; all of them again when the fast tokenizer was found to err."""
        work = self.work
        self.over_parts(work.tokenised, steps.tokenise, work.step("clean"), "kept")
        if self.share.stage or work.by_reference.exists():
            return
        if any(work.tokenised.facts(key)["disagreed"] for key in self.keys()):
            work.step("by_reference").ready()
            work.by_reference.touch()
            self.over_parts(work.tokenised, steps.tokenise, work.step("clean"), "kept")

    def check_before(self, stage: str) -> None:
        """Raise Failed when a stage that this one builds on is not complete."""
        folder = self.work.folder
        ready = {
            "count": lambda: all(map(self.work.step("read").is_done, self.keys())) and self.keys(),
            "clean": (folder / "frequent.lines").exists,
            "settle": lambda: all(map(self.work.step("clean").is_done, self.keys())),
            "tokenise": (self.work.settled / "settled.json").exists,
        }
        if stage in ready and not ready[stage]():
            raise Failed(
                f"The stage before {stage} is not complete. Let the run go on: what is missing is "
                "done then.",
                resume=True,
            )

    def work_through(self) -> dict[str, Any] | None:
        """Do this process's share; the last one writes everything and returns the report."""
        if self.share.stage:
            self.stop_if_wanted(0)
            self.check_before(self.share.stage)
            getattr(self, self.share.stage)()
            return None
        for stage in STAGES:
            getattr(self, stage)()
        self.run.enter("finish")
        return finish(self.work, self.keys(), self.run, self.files, self.kept_out)


def run(directory: RunDirectory, settings: Mapping[str, Value]) -> int:
    """Prepare the staged documents; returns the number of documents read.

    Raises Stopped, and Failed when there is nothing to prepare or nothing is left.
    """
    preparation = Preparation(directory, settings, Share.of(directory))
    with preparation.pool:
        report = preparation.work_through()
    if report is None:
        return directory.step
    parts.clear(preparation.work.folder)
    came_in = sum(row["documents"] for row in report["in"].values())
    train, held = report["out"]["train"], report["out"]["heldout"]
    say(
        f"{came_in} documents in, {train['documents']} to train on, {held['documents']} held out; "
        f"{train['tokens']:,} and {held['tokens']:,} tokens."
    )
    return came_in
