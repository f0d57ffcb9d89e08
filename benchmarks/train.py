"""Tokens per CPU second of our training loop beside the Hugging Face Trainer.

    python benchmarks/train.py [--quick]

Both train the same model from the same first weights on the same samples of the shipped corpus, in
the same order, with the same optimizer and batch, on one thread, each in a process of its own, in
turns. A step is timed from the end of one to the end of the next in CPU seconds of the process, so
that logging and everything else around the update counts too, and other work on the machine hardly
does. The first steps are dropped. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

SETTINGS = {
    "batch": 4,
    "context": 256,
    "learning_rate": 0.001,
    "final_rate": 1.0,
    "warmup": 0,
    "threads": 1,
    "precision": "fp32",
    "evaluate_every": 0,
    "checkpoint_every": 100_000_000,
}
DROPPED = 3
BETAS = (0.9, 0.95)


def prepare(folder: Path) -> Path:
    """Tokenise the shipped corpus; returns the folder with the shards."""
    from uzina_recipes import cli, corpora

    inputs = folder / "inputs"
    inputs.mkdir(parents=True)
    (inputs / "documents").symlink_to(corpora.folder("debian-docs"))
    if cli.main(["prepare", "--run-dir", str(folder)]):
        raise SystemExit("The corpus could not be prepared.")
    return folder / "export" / "data"


def ours(folder: Path, data: Path, steps: int) -> dict[str, list[float]]:
    """Run our recipe; CPU seconds and loss of each step."""
    from uzina_recipes import cli
    from uzina_recipes.run_directory import read_lines

    (folder / "inputs").mkdir(parents=True)
    (folder / "inputs" / "data").symlink_to(data)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in SETTINGS.items()]
    (folder / "config.toml").write_text("".join([*lines, f"steps = {steps}\n"]), "utf-8")
    if cli.main(["train", "--run-dir", str(folder)]):
        raise SystemExit("Our recipe failed.")
    rows = read_lines(folder / "metrics.jsonl")
    seconds = [row["cpu_s"] for row in rows]
    return {
        "cpu_s": [after - before for before, after in pairwise(seconds)],
        "loss": [row["loss"] for row in rows],
    }


def theirs(folder: Path, data: Path, steps: int) -> dict[str, list[float]]:
    """Run the Hugging Face Trainer on the same; CPU seconds and loss of each step."""
    import numpy as np
    import torch
    import transformers
    from torch.utils.data import SequentialSampler

    from uzina_recipes import catalogue, hf, shards
    from uzina_recipes.model import Llama
    from uzina_recipes.recipes.train import order
    from uzina_recipes.recipes.train.run import shape_of

    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    settings = catalogue.load()["train"].resolve({**SETTINGS, "steps": steps})
    batch, context, seed = SETTINGS["batch"], SETTINGS["context"], settings["seed"]
    split = shards.open_shards(data, "train")
    count = order.windows(len(split.tokens), context)
    chosen = np.concatenate([order.samples(seed, step + 1, batch, count) for step in range(steps)])
    windows = [
        torch.from_numpy(split.tokens[at : at + context + 1].astype(np.int64))
        for at in chosen * context
    ]
    torch.manual_seed(seed)
    first = Llama(shape_of(settings, split.vocabulary))
    hf.write(folder / "hf", first, tokenizer=data / "tokenizer.json", separator=split.separator)
    model = transformers.LlamaForCausalLM.from_pretrained(folder / "hf", dtype=torch.float32)
    ends: list[float] = []

    class Clock(transformers.TrainerCallback):
        def on_step_end(self, *_, **__):
            ends.append(time.process_time())

    class InOrder(transformers.Trainer):
        def _get_train_sampler(self, *_):
            return SequentialSampler(self.train_dataset)

    trainer = InOrder(
        model=model,
        args=transformers.TrainingArguments(
            output_dir=str(folder / "out"),
            per_device_train_batch_size=batch,
            max_steps=steps,
            learning_rate=SETTINGS["learning_rate"],
            lr_scheduler_type="constant",
            optim="adamw_torch_fused",
            adam_beta1=BETAS[0],
            adam_beta2=BETAS[1],
            weight_decay=settings["weight_decay"],
            max_grad_norm=settings["clip"],
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
        ),
        train_dataset=[
            {"input_ids": row[:-1], "labels": row[1:], "shift_labels": row[1:]} for row in windows
        ],
        callbacks=[Clock()],
    )
    trainer.train()
    return {
        "cpu_s": [after - before for before, after in pairwise(ends)],
        "loss": [row["loss"] for row in trainer.state.log_history if "loss" in row],
    }


CONTENDERS = {"uzina": ours, "hf-trainer": theirs}


def measure(name: str, folder: Path, data: Path, steps: int) -> dict[str, list[float]]:
    """Run one contender in a process of its own, on one thread."""
    out = folder / "result.json"
    folder.mkdir(parents=True)
    command = [sys.executable, __file__, "--contender", name, "--folder", str(folder)]
    done = subprocess.run(
        [*command, "--data", str(data), "--steps", str(steps), "--out", str(out)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr}")
    return json.loads(out.read_text("utf-8"))


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| loop | CPU s a step, median (range) | tokens / CPU s | ratio | last loss |",
        "|---|---|---|---|---|",
    ]
    base = results["uzina"]["tokens_per_cpu_s"]
    for name, row in results.items():
        lines.append(
            f"| {name} | {row['cpu_s']:.3f} ({row['low']:.3f}-{row['high']:.3f}) "
            f"| {row['tokens_per_cpu_s']:,.0f} | {row['tokens_per_cpu_s'] / base:.2f} "
            f"| {row['last_loss']:.4f} |"
        )
    return "\n".join(lines)


def compare(steps: int, rounds: int) -> dict[str, object]:
    """Run the contenders in turns and put their steps together."""
    from uzina_recipes.device import processor_name

    every: dict[str, dict[str, list[float]]] = {
        name: {"cpu_s": [], "medians": [], "loss": []} for name in CONTENDERS
    }
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        data = prepare(root / "prepare")
        for turn in range(rounds):
            for name in CONTENDERS:
                found = measure(name, root / f"{name}-{turn}", data, steps)
                kept = found["cpu_s"][DROPPED:]
                every[name]["cpu_s"] += kept
                every[name]["medians"].append(statistics.median(kept))
                every[name]["loss"] = found["loss"]
    tokens = SETTINGS["batch"] * SETTINGS["context"]
    results = {}
    for name, row in every.items():
        median = statistics.median(row["cpu_s"])
        results[name] = {
            "cpu_s": median,
            "low": min(row["medians"]),
            "high": max(row["medians"]),
            "tokens_per_cpu_s": tokens / median,
            "last_loss": row["loss"][-1],
        }
    pairs = zip(every["uzina"]["loss"], every["hf-trainer"]["loss"], strict=True)
    print(table(results))
    return {
        "benchmark": "train",
        "machine": {"processor": processor_name(), "cores": os.cpu_count(), "threads_used": 1},
        "steps": steps,
        "rounds": rounds,
        "tokens_a_step": tokens,
        "results": results,
        "ratio_uzina_to_hf": results["uzina"]["tokens_per_cpu_s"]
        / results["hf-trainer"]["tokens_per_cpu_s"],
        "max_loss_difference": max(abs(left - right) for left, right in pairs),
    }


def main() -> None:
    """Compare, or run one contender for the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps, for a check in CI")
    parser.add_argument("--contender", choices=CONTENDERS)
    for name in ("folder", "data", "out"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args()
    if given.contender:
        found = CONTENDERS[given.contender](given.folder / "run", given.data, given.steps)
        given.out.write_text(json.dumps(found), "utf-8")
        return
    steps, rounds = (8, 1) if given.quick else (given.steps, 3)
    print(json.dumps(compare(steps, rounds)))


if __name__ == "__main__":
    main()
