"""Evaluate: how many bits per byte a model needs for text it never saw, beside two baselines."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tokenizers import Tokenizer

from uzina_recipes import device, hf, shards
from uzina_recipes.recipes.evaluate import measures
from uzina_recipes.run_directory import Failed, RunDirectory, Stopped, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value
    from uzina_recipes.model import Llama

PROMPTS = {"ro": "Pentru a instala", "en": "To install the"}
TOP = 50
TOTAL = "total"
METHODS = {
    "model": "Each document is read after a separator, in windows of the model's context; every "
    "token is scored once, after the first window with at least context - stride tokens before it.",
    "unigram_token": "Token frequencies of the training text, one added to each.",
    "unigram_byte": "Byte frequencies of the training text, one added to each.",
    "xz": "What the held-out text adds to the training text's compressed size: xz(train + "
    "held-out) - xz(train), raw LZMA2 at preset 9e with a window over all of it.",
    "xz_alone": "xz of the held-out text by itself.",
}


class Evaluation:
    """One run of the recipe over one run directory."""

    def __init__(self, run: RunDirectory, settings: Mapping[str, Value]) -> None:
        """Load the model and the held-out texts."""
        self.run, self.settings = run, settings
        self.data = run.find_input("heldout.jsonl")
        folder = run.find_input(hf.WEIGHTS)
        threads = int(settings["threads"]) or len(os.sched_getaffinity(0))
        torch.set_num_threads(threads)
        self.model, self.separator = hf.read(folder)
        if torch.cuda.is_available():
            self.model = self.model.cuda()
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        with (self.data / "heldout.jsonl").open(encoding="utf-8") as file:
            self.rows = [json.loads(line) for line in file]
        self.sizes = [len(row["text"].encode()) for row in self.rows]
        self.languages = sorted({row["language"] for row in self.rows})
        if not self.rows:
            raise Failed("heldout.jsonl has no documents. Prepare the data with a larger held_out.")

    def by_language(self, values: list[float]) -> dict[str, float]:
        """Sum a number a document into one a language, and the total."""
        sums = {
            language: sum(
                value
                for value, row in zip(values, self.rows, strict=True)
                if row["language"] == language
            )
            for language in self.languages
        }
        return {TOTAL: sum(values), **sums}

    def per_byte(self, nats: Mapping[str, float]) -> dict[str, float]:
        """Bits per byte, in total and for each language."""
        sizes = self.by_language([float(size) for size in self.sizes])
        return {name: measures.bits_per_byte(nats[name], int(sizes[name])) for name in nats}

    def text(self, language: str) -> bytes:
        """The held-out text of a language, or of all."""
        return "\n".join(
            row["text"] for row in self.rows if language in {TOTAL, row["language"]}
        ).encode()

    def model_nats(self) -> tuple[dict[str, float], int]:
        """The model's nats by language, and how many tokens it read them in.

        Raises Stopped between two batches when that is asked for.
        """
        self.run.enter("eval")
        codes = self.tokenizer.encode_batch([row["text"] for row in self.rows])
        documents = [np.array([self.separator, *code.ids], np.int64) for code in codes]
        context = self.model.shape.context
        stride = min(int(self.settings["stride"]) or context // 2, context)
        cut = measures.windows([len(tokens) for tokens in documents], context, stride)
        nats = [0.0] * len(documents)
        done = 0
        for batch in measures.batches(cut, int(self.settings["batch"])):
            found = measures.window_nats(self.model, documents, batch)
            for window, value in zip(batch, found, strict=True):
                nats[window.document] += value
            done += len(batch)
            self.tick("model", done, len(cut))
        return self.by_language(nats), sum(len(tokens) - 1 for tokens in documents)

    def tick(self, phase: str, done: int, total: int) -> None:
        """Record progress and stop here if that is asked for."""
        self.run.step = done
        self.run.metric(phase=phase, step=done, total=total)
        if by := self.run.stop_wanted():
            self.run.honour("STOP")
            self.run.event("stop_requested", by=by)
            raise Stopped(step=done, by=by)

    def training_text(self) -> tuple[bytes, NDArray[np.int64], int]:
        """The training text that the baselines learn from, its token counts, and all its bytes.

        It is decoded from the shard, byte for byte, and cut to its last baseline_mib MiB.
        """
        split = shards.open_shards(self.data, "train")
        limit = int(self.settings["baseline_mib"]) * 2**20
        tokens = np.asarray(split.tokens[-limit:])
        starts = np.flatnonzero(tokens == split.separator)
        documents = [part[part != split.separator] for part in np.split(tokens, starts)]
        tokenizer = Tokenizer.from_file(str(self.data / "tokenizer.json"))
        texts = tokenizer.decode_batch([part.tolist() for part in documents if len(part)])
        counts = np.bincount(tokens, minlength=split.vocabulary).astype(np.int64)
        counts[split.separator] = 0
        return "\n".join(texts).encode()[-limit:], counts, int(split.facts["bytes"])

    def unigram(self, context: bytes, counts: NDArray[np.int64]) -> dict[str, dict[str, float]]:
        """Both unigram baselines: over the data's tokens, and over bytes."""
        tokenizer = Tokenizer.from_file(str(self.data / "tokenizer.json"))
        codes = tokenizer.encode_batch([row["text"] for row in self.rows])
        tokens = [measures.unigram_nats(counts, np.array(code.ids, np.int64)) for code in codes]
        bytes_seen = np.bincount(np.frombuffer(context, np.uint8), minlength=256).astype(np.int64)
        letters = [
            measures.unigram_nats(
                bytes_seen, np.frombuffer(row["text"].encode(), np.uint8).astype(np.int64)
            )
            for row in self.rows
        ]
        return {
            "unigram_token": self.per_byte(self.by_language(tokens)),
            "unigram_byte": self.per_byte(self.by_language(letters)),
        }

    def xz(self, context: bytes) -> dict[str, dict[str, float]]:
        """Xz with the training text before it, and by itself."""
        names = [TOTAL, *self.languages]
        texts = [self.text(name) for name in names]
        jobs = [context + b"\n", *(context + b"\n" + text for text in texts), *texts]
        with ThreadPoolExecutor(max(1, torch.get_num_threads())) as pool:
            base, *sizes = pool.map(measures.xz_size, jobs)
        after, alone = sizes[: len(names)], sizes[len(names) :]
        rows = list(zip(names, texts, after, alone, strict=True))
        return {
            "xz": {name: 8 * (size - base) / len(text) for name, text, size, _ in rows},
            "xz_alone": {name: 8 * size / len(text) for name, text, _, size in rows},
        }

    def samples(self) -> list[dict[str, Any]]:
        """A short text after a prompt in each language, drawn with the seed."""
        length = int(self.settings["sample_tokens"])
        if not length:
            return []
        self.run.enter("sample")
        return [
            {
                "language": language,
                "prompt": prompt,
                "text": self.continued(prompt, length),
                "seed": int(self.settings["seed"]),
                "temperature": float(self.settings["temperature"]),
                "top": TOP,
            }
            for language, prompt in PROMPTS.items()
        ]

    def continued(self, prompt: str, length: int) -> str:
        """What the model writes after a prompt."""
        generator = torch.Generator().manual_seed(int(self.settings["seed"]))
        tokens = [self.separator, *self.tokenizer.encode(prompt).ids]
        start = len(tokens)
        for _ in range(length):
            token = next_token(self.model, tokens, float(self.settings["temperature"]), generator)
            if token == self.separator:
                break
            tokens.append(token)
        return self.tokenizer.decode(tokens[start:])


@torch.no_grad()
def next_token(
    model: Llama, tokens: list[int], temperature: float, generator: torch.Generator
) -> int:
    """Draw the next token from the fifty likeliest."""
    place = next(model.parameters()).device
    seen = torch.tensor([tokens[-model.shape.context :]], device=place)
    logits = model(seen)[0, -1].to(torch.float32).cpu() / temperature
    best = logits.topk(min(TOP, len(logits)))
    return int(best.indices[torch.multinomial(best.values.softmax(-1), 1, generator=generator)])


def run(directory: RunDirectory, settings: Mapping[str, Value]) -> int:
    """Evaluate the staged model on the staged data; returns the number of windows scored.

    Raises Stopped, and Failed when an input is missing or cannot be read.
    """
    directory.event("started", life=directory.life)
    evaluation = Evaluation(directory, settings)
    nats, tokens = evaluation.model_nats()
    windows = directory.step
    directory.enter("baselines", step=windows)
    context, counts, available = evaluation.training_text()
    scores = {
        "model": evaluation.per_byte(nats),
        **evaluation.unigram(context, counts),
        **evaluation.xz(context),
    }
    inputs = directory.manifest().get("inputs", {})
    results = {
        "bits_per_byte": scores,
        "held_out": {
            "documents": len(evaluation.rows),
            "bytes": evaluation.by_language([float(size) for size in evaluation.sizes]),
            "tokens": tokens,
        },
        "baselines_learn_from_bytes": len(context),
        "training_bytes": available,
        "methods": METHODS,
        "samples": evaluation.samples(),
        "settings": dict(settings),
        "device": device.processor_name(),
        "inputs": {name: entry["digest"] for name, entry in inputs.items()},
    }
    directory.export("results.json", results)
    directory.event("eval", bits_per_byte=scores["model"][TOTAL])
    for name, row in scores.items():
        parts = ", ".join(f"{part} {value:.3f}" for part, value in row.items())
        say(f"{name}: {parts} bits per byte")
    return windows
