"""Train: shards in, a model out; killed at any moment, it goes on as if nothing had happened.

What a step does is a function of the checkpoint before it and of the step's number: samples come
from order.samples, the learning rate from learning_rate, and there is no other state.
"""

from __future__ import annotations

import math
import os
import resource
import statistics
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import distributed
from torch.nn import functional

from uzina_recipes import device, faults, hf, shards
from uzina_recipes.catalogue import BadConfig
from uzina_recipes.model import Llama, Shape
from uzina_recipes.recipes.train import checkpoints, order
from uzina_recipes.run_directory import Failed, RunDirectory, Stopped, say

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from uzina_recipes.catalogue import Value

BETAS = (0.9, 0.95)
NOT_FINITE_ALLOWED = 3
EVALUATION_WINDOWS = 32
RECENT = 50
SAY_EVERY_S = 5
GIB = 2**30


def learning_rate(step: int, settings: Mapping[str, Value]) -> float:
    """The rate at a step, from 1: a straight warm-up, then a cosine down to the final share."""
    top, warmup = float(settings["learning_rate"]), int(settings["warmup"])
    if step <= warmup:
        return top * step / warmup
    span = max(1, int(settings["steps"]) - warmup)
    share = float(settings["final_rate"])
    return top * (share + (1 - share) * 0.5 * (1 + math.cos(math.pi * (step - warmup) / span)))


def shape_of(settings: Mapping[str, Value], vocabulary: int) -> Shape:
    """The model's shape; BadConfig when its numbers do not fit together."""
    shape = Shape(
        vocabulary=vocabulary,
        context=int(settings["context"]),
        width=int(settings["width"]),
        layers=int(settings["layers"]),
        heads=int(settings["heads"]),
        kv_heads=int(settings["kv_heads"]),
        hidden=int(settings["hidden"]),
        is_tied=bool(settings["tied"]),
    )
    if problems := shape.problems():
        raise BadConfig(problems)
    return shape


class World:
    """The processes that share a batch; one alone needs no torch.distributed."""

    def __init__(self) -> None:
        """Join the group that torchrun describes in the environment."""
        self.rank = int(os.environ.get("RANK", "0"))
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.local_rank = int(os.environ.get("LOCAL_RANK", "0"))
        self.local_size = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        if self.size > 1:
            has_gpu = torch.cuda.is_available()
            if has_gpu:
                torch.cuda.set_device(self.local_rank)
            distributed.init_process_group("nccl" if has_gpu else "gloo")

    def mean(self, tensor: Tensor) -> Tensor:
        """The mean over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(tensor)
            tensor /= self.size
        return tensor

    def agree(self, wish: str, place: torch.device) -> bool:
        """Whether any process wishes it: all answer alike."""
        flag = torch.tensor(float(bool(wish)), device=place)
        return bool(self.mean(flag) > 0)

    def leave(self) -> None:
        """Leave the group."""
        if self.size > 1:
            distributed.destroy_process_group()


class Meter:
    """Time and energy of a run, over all its lives."""

    def __init__(self, directory: RunDirectory) -> None:
        """Go on from the last line of measurements."""
        rows = [row for row in directory.metrics() if "cpu_s" in row]
        self.cpu_before = rows[-1]["cpu_s"] if rows else 0.0
        self.wall_before = rows[-1]["wall_s"] if rows else 0.0
        self.began = time.monotonic()

    def cpu_s(self) -> float:
        """CPU seconds of this process, all threads, all lives."""
        return self.cpu_before + time.process_time()

    def wall_s(self) -> float:
        """Seconds by the clock, without the time between lives."""
        return self.wall_before + time.monotonic() - self.began


class Training:
    """One life of a run."""

    def __init__(self, directory: RunDirectory, settings: Mapping[str, Value]) -> None:
        """Open the data, choose the device, make the model, and go on from a checkpoint if any.

        Raises Failed when the data are too short or do not fit; BadConfig for a shape that cannot
        be.
        """
        self.directory, self.settings = directory, settings
        self.meter = Meter(directory)
        self.world = World()
        self.steps, self.batch = int(settings["steps"]), int(settings["batch"])
        self.context, self.seed = int(settings["context"]), int(settings["seed"])
        self.data = directory.find_input("train.bin")
        self.train = shards.open_shards(self.data, "train")
        self.held_out = shards.open_shards(self.data, "heldout")
        self.shape = shape_of(settings, self.train.vocabulary)
        if self.batch % self.world.size:
            raise BadConfig(
                [f"batch is {self.batch}: give a multiple of the {self.world.size} processes."]
            )
        self.count = order.windows(len(self.train.tokens), self.context)
        if not self.count:
            raise Failed(
                f"The training text has {len(self.train.tokens)} tokens and one sample takes "
                f"{self.context + 1}. Prepare more text, or make the context shorter."
            )
        self.step = self.tokens = self.updates = self.not_finite = 0
        self.checkpoint_s = 0.0
        self.root = directory.path / "checkpoints"
        saved = checkpoints.newest(self.root, self.refused)
        precision = saved[1]["precision"] if saved else str(settings["precision"])
        threads = int(settings["threads"]) or len(os.sched_getaffinity(0)) // self.world.local_size
        self.device = device.probe(precision, max(1, threads))
        if self.device.kind == "cpu":
            torch.use_deterministic_algorithms(True)
            # Filling fresh memory with NaN helps to find bugs and costs 5 % of a step.
            torch.utils.deterministic.fill_uninitialized_memory = False
        torch.manual_seed(self.seed)
        self.model = Llama(self.shape).to(self.device.torch)
        self.optimizer = self.new_optimizer()
        if saved:
            self.restore(*saved)
        elif directory.is_writer:
            checkpoints.remove_incomplete(self.root)

    def refused(self, step: int, why: str) -> None:
        """Record a checkpoint that cannot be used."""
        self.directory.event("checkpoint_refused", step=step, why=why)

    def new_optimizer(self) -> torch.optim.AdamW:
        """AdamW; only matrices decay."""
        weights = list(self.model.parameters())
        groups = [
            {
                "params": [weight for weight in weights if weight.dim() > 1],
                "weight_decay": float(self.settings["weight_decay"]),
            },
            {"params": [weight for weight in weights if weight.dim() <= 1], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=0.0, betas=BETAS, fused=True)

    def restore(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Put weights, moments and counters back as they were."""
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                weight.copy_(tensors[f"weight {name}"])
                if facts["updates"]:
                    self.optimizer.state[weight] = {
                        "step": torch.tensor(float(facts["updates"]), device=weight.device),
                        "exp_avg": tensors[f"mean {name}"].to(weight.device),
                        "exp_avg_sq": tensors[f"square {name}"].to(weight.device),
                    }
        self.step, self.tokens = facts["step"], facts["tokens"]
        self.updates, self.not_finite = facts["updates"], facts["not_finite"]
        if facts["threads"] != self.device.threads or facts["world_size"] != self.world.size:
            self.directory.event(
                "not_bit_equal",
                why=f"{facts['threads']} threads in {facts['world_size']} processes before, "
                f"{self.device.threads} in {self.world.size} now",
            )
        if self.directory.is_writer:
            checkpoints.remove_incomplete(self.root)

    def save(self) -> None:
        """Write a checkpoint; a full disk comes out as OSError."""
        if not self.directory.is_writer or self.saved_already():
            return
        self.directory.enter("ckpt", step=self.step)
        began = time.monotonic()
        tensors = {}
        for name, weight in self.model.named_parameters():
            tensors[f"weight {name}"] = weight.detach()
            if weight in self.optimizer.state:
                tensors[f"mean {name}"] = self.optimizer.state[weight]["exp_avg"]
                tensors[f"square {name}"] = self.optimizer.state[weight]["exp_avg_sq"]
        facts = {
            "tokens": self.tokens,
            "updates": self.updates,
            "not_finite": self.not_finite,
            "precision": self.device.precision,
            "threads": self.device.threads,
            "world_size": self.world.size,
        }
        size = checkpoints.write(self.root, self.step, tensors, facts)
        self.checkpoint_s = time.monotonic() - began
        self.directory.event(
            "checkpoint", step=self.step, secs=round(self.checkpoint_s, 3), bytes=size
        )
        self.directory.enter("train")

    def saved_already(self) -> bool:
        """Whether this very step has a complete checkpoint."""
        return (self.root / f"step-{self.step}" / checkpoints.MARK).exists()

    def windows_at(self, source: shards.Shards, chosen: np.ndarray) -> Tensor:
        """Token windows with their targets, [samples, context + 1]."""
        starts = (chosen * self.context).tolist()
        rows = np.stack([source.tokens[at : at + self.context + 1] for at in starts])
        return torch.from_numpy(rows.astype(np.int64)).to(self.device.torch)

    def loss(self, windows: Tensor) -> tuple[Tensor, Tensor]:
        """The mean cross-entropy in nats, and what is minimised (with the z-loss, if any)."""
        is_narrow = self.device.precision == "bf16"
        with torch.autocast(self.device.kind, torch.bfloat16, enabled=is_narrow):
            logits = self.model(windows[:, :-1])
        logits = logits.reshape(-1, self.shape.vocabulary).to(torch.float32)
        loss = functional.cross_entropy(logits, windows[:, 1:].reshape(-1))
        z_loss = float(self.settings["z_loss"])
        if not z_loss:
            return loss, loss
        return loss, loss + z_loss * logits.logsumexp(-1).pow(2).mean()

    def update(self, windows: Tensor, rate: float) -> tuple[float, float]:
        """One step of the optimizer, unless something is not finite; returns loss and norm."""
        self.optimizer.zero_grad(set_to_none=True)
        loss, minimised = self.loss(windows)
        minimised.backward()
        for weight in self.model.parameters():
            if self.world.size > 1 and weight.grad is not None:
                self.world.mean(weight.grad)
        loss = self.world.mean(loss.detach().clone())
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), float(self.settings["clip"]))
        value, length = float(loss), float(norm)
        if faults.due("not-finite", self.step):
            value = math.nan
        if math.isfinite(value) and math.isfinite(length):
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            self.optimizer.step()
            self.updates += 1
        else:
            self.skip(value, length)
        return value, length

    def skip(self, loss: float, norm: float) -> None:
        """Count a step that was not made; after three of them the next one ends the run."""
        self.not_finite += 1
        self.directory.event(
            "nonfinite", step=self.step, loss=str(loss), gnorm=str(norm), count=self.not_finite
        )
        if self.not_finite > NOT_FINITE_ALLOWED:
            raise Failed(
                f"Loss or gradient was not finite {self.not_finite} times, last at step "
                f"{self.step}. Lower the learning rate, or look at the data of these steps.",
                step=self.step,
            )
        self.directory.event("skip_step", step=self.step)

    def evaluate(self) -> None:
        """Record the loss on the first windows of the held-out text."""
        count = min(EVALUATION_WINDOWS, order.windows(len(self.held_out.tokens), self.context))
        if not count:
            return
        self.directory.enter("eval")
        with torch.no_grad():
            chosen = np.arange(count)
            losses = [
                float(self.loss(self.windows_at(self.held_out, part))[0]) * len(part)
                for part in np.array_split(chosen, math.ceil(count / self.batch))
            ]
        loss = sum(losses) / count
        self.directory.event("eval", step=self.step, loss=loss, windows=count)
        say(f"step {self.step}: loss on held-out text {loss:.3f}")
        self.directory.enter("train")

    def go(self) -> None:
        """Take every step that is left.

        Raises Stopped after a checkpoint when asked to stop, Failed when it cannot go on.
        """
        self.directory.enter("train", step=self.step)
        tokens_a_step = self.batch * self.context
        share = self.batch // self.world.size
        recent: deque[float] = deque(maxlen=RECENT)
        said = 0.0
        cpu_before = self.meter.cpu_s()
        while self.step < self.steps:
            self.obey()
            began = time.perf_counter()
            self.step += 1
            chosen = order.samples(self.seed, self.step, self.batch, self.count)
            mine = chosen[self.world.rank * share : (self.world.rank + 1) * share]
            windows = self.windows_at(self.train, mine)
            data_s = time.perf_counter() - began
            rate = learning_rate(self.step, self.settings)
            loss, norm = self.update(windows, rate)
            self.tokens += tokens_a_step
            self.directory.step = self.step
            faults.kill_if("kill", self.step)
            step_s = time.perf_counter() - began
            recent.append(step_s)
            cpu_s = self.meter.cpu_s()
            self.record(
                loss=loss,
                lr=rate,
                gnorm=norm,
                step_s=step_s,
                data_s=data_s,
                watts=(cpu_s - cpu_before) / step_s * device.WATTS_PER_CORE,
                eta_s=(self.steps - self.step) * statistics.median(recent),
                samples=order.digest(chosen),
            )
            cpu_before = cpu_s
            if time.monotonic() - said > SAY_EVERY_S or self.step in {1, self.steps}:
                said = time.monotonic()
                self.tell(loss, statistics.median(recent))
            self.pause()

    def pause(self) -> None:
        """What is due between two steps: a checkpoint, a look at held-out text."""
        self.checkpoint_s = 0.0
        every = int(self.settings["evaluate_every"])
        if every and (self.step % every == 0 or self.step == self.steps):
            self.evaluate()
        is_due = self.step % int(self.settings["checkpoint_every"]) == 0
        if is_due or self.step == self.steps or self.directory.save_wanted():
            self.save()
            self.directory.honour("SAVE")

    def obey(self) -> None:
        """Stop here, with a checkpoint, when a process was asked to."""
        by = "test" if faults.due("stop", self.step) else self.directory.stop_wanted()
        if not self.world.agree(by, self.device.torch):
            return
        self.directory.event("stop_requested", by=by, step=self.step)
        if self.step:
            self.save()
        self.directory.honour("STOP")
        raise Stopped(step=self.step, by=by or "another process")

    def record(
        self,
        *,
        loss: float,
        lr: float,
        gnorm: float,
        step_s: float,
        data_s: float,
        watts: float,
        eta_s: float,
        samples: str,
    ) -> None:
        """Write one line of metrics.jsonl. What JSON cannot say (NaN, infinity) is null."""
        tokens = self.batch * self.context
        flop_s = self.shape.flop_per_token() * tokens / step_s / self.world.size
        cpu_s = self.meter.cpu_s()
        self.directory.metric(
            step=self.step,
            tokens=self.tokens,
            loss=loss if math.isfinite(loss) else None,
            lr=lr,
            gnorm=gnorm if math.isfinite(gnorm) else None,
            tok_s=round(tokens / step_s, 1),
            tflops_dev=round(flop_s / 1e12, 6),
            mfu=round(flop_s / self.device.peak_flop_s, 4),
            step_s=round(step_s, 6),
            data_s=round(data_s, 6),
            ckpt_s=round(self.checkpoint_s, 6),
            mem_gib=round(self.memory_gib(), 3),
            w_dev=round(watts, 2) if self.device.kind == "cpu" else None,
            kwh=round(device.energy(cpu_s, self.device)["kwh"], 9),
            eta_s=round(eta_s, 1),
            samples=samples,
            cpu_s=round(cpu_s, 3),
            wall_s=round(self.meter.wall_s(), 3),
        )

    def memory_gib(self) -> float:
        """The most memory taken so far: of the GPU where there is one, else of the process."""
        if self.device.kind == "cuda":
            return torch.cuda.max_memory_allocated() / GIB
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB

    def tell(self, loss: float, step_s: float) -> None:
        """One line for whoever follows the job's output."""
        if self.world.rank:
            return
        left = round((self.steps - self.step) * step_s)
        say(
            f"step {self.step}/{self.steps}: loss {loss:.3f}, "
            f"{self.batch * self.context / step_s:,.0f} tokens/s, {left // 60} min {left % 60} s left"
        )

    def export(self) -> None:
        """Write the model in the Hugging Face format, check it, and the facts of the run."""
        if not self.directory.is_writer:
            return
        self.directory.enter("export")
        folder = self.directory.path / "export" / "hf"
        hf.write(
            folder,
            self.model,
            tokenizer=self.data / "tokenizer.json",
            separator=self.train.separator,
        )
        tokens = self.held_out.tokens if len(self.held_out.tokens) else self.train.tokens
        sample = torch.from_numpy(np.asarray(tokens[: self.context], np.int64))[None]
        check = hf.check(folder, sample)
        self.directory.export("hf_check.json", check)
        if check["checked"] and not check["equal"] and check["max_difference"] > 1e-3:
            raise Failed(
                f"The export gives other logits in transformers (by {check['max_difference']}). "
                "This is a bug in the recipe: keep the run directory and report it.",
                step=self.step,
                resume=True,
            )
        self.directory.export("facts.json", self.facts())

    def facts(self) -> dict[str, Any]:
        """What a model card needs to know of this run."""
        size = self.model.size()
        counted = size["parameters_without_input_embedding"]
        cpu_s = self.meter.cpu_s() * self.world.size
        data = self.directory.manifest().get("inputs", {})
        return {
            **size,
            "architecture": {
                "family": "llama",
                "layers": self.shape.layers,
                "width": self.shape.width,
                "heads": self.shape.heads,
                "kv_heads": self.shape.kv_heads,
                "hidden": self.shape.hidden,
                "context": self.shape.context,
                "vocabulary": self.shape.vocabulary,
                "tied_embeddings": self.shape.is_tied,
                "positions": "rotary",
                "activation": "SwiGLU",
                "normalisation": "RMSNorm",
            },
            "tokens_seen": self.tokens,
            "tokens_in_training_data": len(self.train.tokens),
            "steps": self.step,
            "updates": self.updates,
            "flop": {
                "value": 6.0 * counted * self.tokens,
                "method": "6 N D: N parameters without the input embedding (where it is its own "
                "table), D tokens seen",
                "n": counted,
                "with_attention": self.shape.flop_per_token() * self.tokens,
            },
            "wall_seconds": round(self.meter.wall_s(), 3),
            "cpu_seconds": round(cpu_s, 3),
            "lives": self.directory.life,
            "processes": self.world.size,
            "energy": device.energy(cpu_s, self.device),
            "device": {
                "kind": self.device.kind,
                "name": self.device.name,
                "threads": self.device.threads,
                "precision": self.device.precision,
                "peak_flop_s": self.device.peak_flop_s,
                "peak_method": "fastest square matrix product of 1024 (CPU) or 8192 (GPU) in this "
                "precision, measured as the run started",
            },
            "data": {name: entry["digest"] for name, entry in data.items()},
        }


def run(directory: RunDirectory, settings: Mapping[str, Value]) -> int:
    """Train to the last step and export; returns the step.

    Raises Stopped, Failed, BadConfig, and OSError for a full disk.
    """
    training = Training(directory, settings)
    try:
        name = "resumed" if directory.life > 1 else "started"
        directory.event(
            name,
            step=training.step,
            job=directory.job,
            life=directory.life,
            **(
                {"from": f"step-{training.step}" if training.step else ""}
                if name == "resumed"
                else {}
            ),
        )
        size = training.model.size()["parameters"]
        say(
            f"{size:,} parameters on {training.device.name}, {training.device.threads} threads, "
            f"{training.device.precision}; step {training.step} of {training.steps}."
        )
        training.go()
        training.export()
    finally:
        training.world.leave()
    return training.step
