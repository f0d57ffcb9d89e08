"""The description of a job, and what is where in its run directory."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from uzina.compute.rules.arrays import read_array
from uzina.core.errors import Refused
from uzina.core.text import _

BODY, SCRIPT, OUTPUTS, STOP = "job.sh", "script.sh", "outputs.json", "STOP"
"""Files of the run directory: what is set up around the program, the author's own batch script,
what was collected at the end, and the sign that the program should save its work and end."""
OURS = (
    *("logs", "inputs", BODY, SCRIPT, OUTPUTS, STOP),
    *("events.jsonl", "metrics.jsonl", "exit.json", "heartbeat.json"),
)


REHEARSAL_S = 120


@dataclass(frozen=True)
class Input:
    """One dataset version put under `inputs/<at>` of the run directory before the start."""

    dataset: str
    version: int
    at: str


def space_place(reference: str) -> str:
    """Return the name under `inputs/` of what PROJECT:KIND/path names: its last name."""
    return reference.replace(":", "/").rpartition("/")[2]


@dataclass(frozen=True)
class JobSpec:
    """One piece of work, as its author described it. gpus, cpus, memory are those of one node.

    script         a whole batch script, instead of a command or a recipe; arguments are its own,
                   or the recipe's
    array          numbers of tasks, each a run of its own with UZINA_TASK_ID: "0-9%2"
    after          codes of jobs that must have been done first; after_any: that must have ended
    ranks          processes that `srun` starts on each node; they share its cores
    modules        loaded before the program
    container      an image the program runs in
    python_lock    one of LOCKS among the files: an environment is built from it, once
    chain          how many more jobs may follow in the same run directory when time is up
    stop_before_s  how long before the time limit the file STOP appears, so that the program saves
    is_rehearsal   two minutes to see whether it saves its work and stops when asked
    options        of a script, handed to the cluster as they are
    spaces         files of the project's storage put under `inputs/`, by the last name of their
                   path: PRJ-7Q3K2M:scratch/run-1
    outputs_to     where in the project's storage the outputs go when it has ended
    outputs_mb     room set aside for them before it starts, MB
    """

    name: str
    command: tuple[str, ...]
    recipe: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    nodes: int = 1
    gpus: int = 0
    cpus: int = 1
    memory_mb: int = 1000
    time_limit_s: int = 3600
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    script: str = ""
    arguments: tuple[str, ...] = ()
    array: str = ""
    after: tuple[str, ...] = ()
    after_any: tuple[str, ...] = ()
    partition: str = ""
    ranks: int = 1
    modules: tuple[str, ...] = ()
    container: str = ""
    python_lock: str = ""
    chain: int = 0
    stop_before_s: int = 0
    nice: int = 0
    is_rehearsal: bool = False
    options: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    outputs_to: str = ""
    outputs_mb: int = 0

    @property
    def kind(self) -> str:
        """The recipe's name, "script" or "command"."""
        return self.recipe or ("script" if self.script else "command")

    @property
    def task_numbers(self) -> tuple[int, ...]:
        """The numbers of an array's tasks; empty for a plain job."""
        return read_array(self.array)[0] if self.array else ()

    @property
    def tasks(self) -> int:
        """How many runs it asks for."""
        return len(self.task_numbers) or 1

    def rehearsal(self) -> "JobSpec":
        """Return the same work for two minutes, asked to stop after one, to see whether it does."""
        return replace(
            self,
            time_limit_s=REHEARSAL_S,
            stop_before_s=REHEARSAL_S // 2,
            chain=0,
            array=str(self.task_numbers[0]) if self.array else "",
            after=(),
            after_any=(),
            is_rehearsal=True,
        )

    def as_json(self) -> dict[str, Any]:
        """Return what parse_spec() reads back to an equal description."""
        described: dict[str, Any] = {
            "name": self.name,
            "command": list(self.command),
            "recipe": self.recipe,
            "environment": dict(self.environment),
            "nodes": self.nodes,
            "gpus": self.gpus,
            "cpus": self.cpus,
            "memory_mb": self.memory_mb,
            "time_limit_s": self.time_limit_s,
            "inputs": [
                {"dataset": one.dataset, "version": one.version, "at": one.at}
                for one in self.inputs
            ],
            "outputs": list(self.outputs),
            "files": dict(self.files),
        }
        rare = {name: getattr(self, name) for name in RARE}
        return described | {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in rare.items()
            if value != JobSpec.__dataclass_fields__[name].default
        }


RARE = (
    *("script", "arguments", "array", "after", "after_any", "partition", "ranks", "modules"),
    *("container", "python_lock", "chain", "stop_before_s", "nice", "is_rehearsal"),
    *("spaces", "outputs_to", "outputs_mb"),
)
"""Fields that stand in a description only where they say something."""


def check_stream(stream: str) -> str:
    """Return the path of a log in the run directory. Raises Refused job.log.no_such_stream.

    Each task of an array has logs of its own: "stdout-3".
    """
    if not re.fullmatch(r"(stdout|stderr)(-\d{1,7})?", stream):
        raise Refused(
            "job.log.no_such_stream", _("There are two logs: stdout and stderr."), stream=stream
        )
    return f"logs/{stream}.log"
