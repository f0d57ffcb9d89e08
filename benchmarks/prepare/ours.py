"""Our side of benchmarks/prepare.py, a process of its own: ours.py MODE PROCESSES OUT TOKENIZER PART...

MODE is strict, fast (language from two samples of a text) or train (make TOKENIZER from the texts
that stay). The stages are those of the peer, in the same order. Each worker takes slices of the
parts, writes what stays and its keys; this process settles duplicates in the order of the corpus;
workers tokenise what is left. Writes OUT/result.json, and for each slice left-N.jsonl and ids-N.bin.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from multiprocessing import forkserver, get_context
from pathlib import Path
from typing import Self

os.environ |= {"RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np

from uzina_recipes.corpus import exact, filters, language, near, tokens
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.recipes.prepare.workers import LOADED

SLICE = 4_000_000
BATCH = 64
SURE = 0.65
SHAPE = near.Shape()


def lines(path: Path, begin: int, end: int) -> Iterator[list[bytes]]:
    """The lines that begin in a slice of a file, some at a time."""
    with path.open("rb") as file:
        file.seek(max(begin - 1, 0))
        if begin:
            file.readline()
        batch = []
        while file.tell() < end and (line := file.readline()):
            batch.append(line)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def judge(task: tuple[int, Path, int, int], *, whole: bool, out: Path) -> dict:
    """Judge one slice: what became of each text, and the seconds of each stage."""
    number, path, begin, end = task
    rules = filters.Rules.published()
    spent: Counter[str] = Counter()
    fates, told = [np.zeros(0, np.int16)], []
    digests, keys = [exact.digests([])], [np.zeros((0, SHAPE.bands), np.uint64)]
    with (out / f"kept-{number:05}.jsonl").open("w", encoding="utf-8") as file:
        for raw in lines(path, begin, end):
            lap = Lap(spent)
            texts = [json.loads(line)["text"] for line in raw]
            lap("read")
            found = language.identify(texts, whole=whole)
            sure = np.flatnonzero(found.scores > SURE)
            told += found.names
            lap("language")
            judged = filters.judge(Batch.of([texts[at] for at in sure]), rules)
            fate = np.full(len(texts), len(rules.rules), np.int16)
            fate[sure] = judged.rule
            fates.append(fate)
            lap("rules")
            kept = judged.batch.texts()
            digests.append(exact.digests(kept))
            lap("exact")
            keys.append(near.band_keys(judged.batch, SHAPE))
            lap("near")
            file.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in kept)
            lap("write")
    return {
        "fate": np.concatenate(fates),
        "language": told,
        "digests": np.concatenate(digests),
        "keys": np.concatenate(keys),
        "spent": spent,
    }


@cache
def encoder_of(tokenizer: Path) -> tokens.Encoder:
    """The tokenizer, set up once a process."""
    return tokens.Encoder(tokenizer.read_text("utf-8"))


def encode(task: tuple[int, np.ndarray], *, out: Path, tokenizer: Path) -> dict:
    """Tokenise what is left of one slice."""
    number, left = task
    encoder = encoder_of(tokenizer)
    lap = Lap(spent := Counter())
    with (out / f"kept-{number:05}.jsonl").open(encoding="utf-8") as file:
        rows = [line for line, stays in zip(file, left, strict=True) if stays]
    (out / f"left-{number:05}.jsonl").write_text("".join(rows), "utf-8")
    texts = [json.loads(row) for row in rows]
    found = [encoder.encode(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)]
    ids = np.concatenate([one.ids for one in found] or [np.zeros(0, np.uint32)])
    ids.astype(np.uint16).tofile(out / f"ids-{number:05}.bin")
    sizes = np.concatenate([np.diff(one.starts) for one in found] or [np.zeros(0, np.int64)])
    lap("tokenise")
    return {"sizes": sizes, "spent": spent, "disagreed": encoder.disagreed}


class Lap:
    """CPU seconds of this process since the last call, added up by name."""

    def __init__(self, spent: Counter[str]) -> None:
        self.spent, self.last = spent, time.process_time()

    def __call__(self, name: str) -> None:
        now = time.process_time()
        self.spent[name] += now - self.last
        self.last = now


def prepare(mode: str, processes: int, out: Path, tokenizer: Path, parts: list[Path]) -> dict:
    """The whole preparation; returns what result.json says."""
    began, spent = time.monotonic(), Counter()
    slices = [
        (part, begin, begin + SLICE)
        for part in parts
        for begin in range(0, part.stat().st_size, SLICE)
    ]
    exacts, nears = exact.Exact(out), near.Near(out, SHAPE)
    fates, told, sizes = [], [], []
    work = partial(judge, whole=mode != "fast", out=out)
    context = get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    with context.Pool(processes) if processes > 1 else Alone() as pool:
        tasks = [(number, *slice_) for number, slice_ in enumerate(slices)]
        for done in pool.imap(work, tasks):
            exacts.add(done["digests"])
            nears.add(done["keys"])
            fates.append(done["fate"])
            told += done["language"]
            sizes.append(len(done["digests"]))
            spent += done["spent"]
        lap = Lap(spent)
        first = exacts.settle()
        single = first == np.arange(len(first))
        group = nears.settle(single)
        left = single & (group == np.arange(len(group)))
        lap("settle")
        survivors = np.split(left, np.cumsum(sizes)[:-1])
        if mode == "train":
            tokenizer.write_text(train(out, survivors), "utf-8")
        work = partial(encode, out=out, tokenizer=tokenizer)
        lengths = []
        for done in pool.imap(work, list(enumerate(survivors))):
            assert done["disagreed"] is None, done["disagreed"]
            lengths.append(done["sizes"])
            spent += done["spent"]
        pool.close()
        pool.join()
    # Its seconds and its workers' count only once it has ended.
    forkserver._forkserver._stop()  # noqa: SLF001
    fate = np.concatenate(fates)
    kept = np.flatnonzero(fate == filters.KEPT)
    np.save(out / "lengths.npy", np.concatenate(lengths))
    names = [rule.family for rule in filters.Rules.published().rules] + ["language"]
    stages = [names[at] if at >= 0 else "" for at in fate.tolist()]
    for at in kept[~single].tolist():
        stages[at] = "exact"
    for at in kept[single & ~left].tolist():
        stages[at] = "near"
    pairs = zip(kept.tolist(), kept[group].tolist(), strict=True)
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "spent": {name: round(seconds, 2) for name, seconds in spent.items()},
        "fate": stages,
        "language": told,
        "group": [(a, b) for a, b in pairs if a != b],
        "tokens": int(np.concatenate(lengths).sum()),
        "wall_s": round(time.monotonic() - began, 2),
        "largest_mib": max(use.ru_maxrss for use in used) // 1024,
    }


class Alone:
    """A pool of no worker: this process does the work."""

    imap = staticmethod(map)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Nothing to close."""

    join = close


def train(out: Path, survivors: list[np.ndarray]) -> str:
    """A tokenizer trained on what is left."""

    def texts() -> Iterator[str]:
        for number, left in enumerate(survivors):
            with (out / f"kept-{number:05}.jsonl").open(encoding="utf-8") as file:
                yield from (json.loads(x) for x, stays in zip(file, left, strict=True) if stays)

    return tokens.train(texts(), vocabulary=32_000, special=["<|endoftext|>"])


if __name__ == "__main__":
    mode, processes, out, tokenizer, *parts = sys.argv[1:]
    Path(out).mkdir(parents=True)
    result = prepare(mode, int(processes), Path(out), Path(tokenizer), [Path(one) for one in parts])
    (Path(out) / "result.json").write_text(json.dumps(result), "utf-8")
