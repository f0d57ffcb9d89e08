"""The description of a job: what it must say."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

MAX_NODES, MAX_GPUS, MAX_CPUS = 1024, 64, 4096
MAX_MEMORY_MB = 16_000_000
MAX_TIME_LIMIT_S = 30 * 24 * 3600
MAX_WORDS, MAX_WORD = 256, 32_768
MAX_FILES, MAX_FILES_BYTES = 64, 1_048_576
RESERVED = ("UZINA_", "SLURM_", "CUDA_VISIBLE_DEVICES")
OURS = ("logs", "inputs", "job.sh", "events.jsonl", "metrics.jsonl", "exit.json", "heartbeat.json")

NAME = re.compile(r"[^\x00-\x1f\x7f]{1,80}")
RECIPE = re.compile(r"[a-z][a-z0-9-]{0,39}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
DATASET = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
DURATION = re.compile(r"(?:(\d{1,6})d)?(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,8})s)?")
SIZE = re.compile(r"(\d{1,9})([MGT])")


@dataclass(frozen=True)
class Input:
    """One dataset version put under `inputs/<at>` of the run directory before the start."""

    dataset: str
    version: int
    at: str


@dataclass(frozen=True)
class JobSpec:
    """One piece of work, as its author described it. gpus, cpus, memory are those of one node."""

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

    @property
    def kind(self) -> str:
        """The recipe's name, or "command"."""
        return self.recipe or "command"

    def as_json(self) -> dict[str, Any]:
        """Return what parse_spec() reads back to an equal description."""
        return {
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


def parse_spec(mapping: Mapping[str, Any], *, within: str = "") -> JobSpec:
    """Read a job.toml or the `spec` of the API.

    within  what the description lies in, for the places of mistakes: "spec" gives "spec.name"

    Besides the fields of JobSpec it takes `time_limit = "1h30m"`, `memory = "256G"`, a command
    as one string, and inputs as "slug@3". Raises Invalid with every mistake at once.
    """
    return _Reading(mapping, within).spec()


class _Reading:
    """One pass over a description that gathers what is wrong with it."""

    def __init__(self, mapping: Mapping[str, Any], within: str) -> None:
        self.mapping = mapping
        self.prefix = f"{within}." if within else ""
        self.problems: list[Problem] = []

    def wrong(self, where: str, why: str, message: str, **facts: Any) -> None:
        self.problems.append(Problem(f"{self.prefix}{where}", f"job.spec.{why}", message, facts))

    def spec(self) -> JobSpec:
        known = {*JobSpec.__dataclass_fields__, "time_limit", "memory"}
        for name in sorted(str(name) for name in self.mapping if name not in known)[:20]:
            self.wrong(
                name[:80], "unknown", _("There is no setting of this name. Known: {known}."),
                known=", ".join(sorted(known)),
            )  # fmt: skip
        recipe = self._recipe()
        spec = JobSpec(
            name=self._name(),
            command=self._command(recipe),
            recipe=recipe,
            environment=self._environment(),
            nodes=self._number("nodes", 1, MAX_NODES, 1),
            gpus=self._number("gpus", 0, MAX_GPUS, 0),
            cpus=self._number("cpus", 1, MAX_CPUS, 1),
            memory_mb=self._memory(),
            time_limit_s=self._time_limit(),
            inputs=self._inputs(),
            outputs=self._outputs(),
            files=self._files(),
        )
        if self.problems:
            raise Invalid(self.problems)
        return spec

    def _name(self) -> str:
        name = self.mapping.get("name")
        if isinstance(name, str) and NAME.fullmatch(name.strip()):
            return name.strip()
        self.wrong("name", "name", _("Give the job a name of 1 to 80 characters on one line."))
        return ""

    def _recipe(self) -> str:
        recipe = self.mapping.get("recipe", "")
        if recipe == "" or (isinstance(recipe, str) and RECIPE.fullmatch(recipe)):
            return str(recipe)
        self.wrong(
            "recipe", "recipe", _("Name a recipe in small letters, such as train, or leave it out.")
        )
        return ""

    def _command(self, recipe: str) -> tuple[str, ...]:
        command = self.mapping.get("command", ())
        if isinstance(command, str):
            try:
                command = shlex.split(command)
            except ValueError:
                self.wrong(
                    "command", "command", _("A quotation mark in the command is not closed.")
                )
                return ()
        if not isinstance(command, list | tuple) or not all(_is_word(word) for word in command):
            self.wrong(
                "command", "command",
                _("Write the command as a list of words, each at most {most} characters long."),
                most=MAX_WORD,
            )  # fmt: skip
            return ()
        if len(command) > MAX_WORDS:
            self.wrong(
                "command", "command", _("A command has at most {most} words."), most=MAX_WORDS
            )
        if bool(command) == bool(recipe):
            self.wrong(
                "command", "command", _("Say what to run: either a command or a recipe, not both.")
            )
        elif command and not command[0]:
            self.wrong("command", "command", _("The first word of the command names a program."))
        return tuple(command)

    def _environment(self) -> dict[str, str]:
        given = self.mapping.get("environment", {})
        if not isinstance(given, Mapping) or len(given) > 100:
            self.wrong(
                "environment", "environment", _('List at most 100 variables as name = "value".')
            )
            return {}
        for name, value in given.items():
            where = f"environment.{str(name)[:60]}"
            if not isinstance(name, str) or not VARIABLE.fullmatch(name):
                self.wrong(
                    where, "environment",
                    _("A variable's name has letters, digits and _ and begins with no digit."),
                )  # fmt: skip
            elif name.startswith(RESERVED):
                self.wrong(
                    where, "reserved", _("{name} is set by the factory. Choose another name."),
                    name=name,
                )  # fmt: skip
            if not _is_word(value):
                self.wrong(where, "environment", _("Write the value as text."))
        return dict(given)

    def _number(self, name: str, low: int, high: int, default: int) -> int:
        value = self.mapping.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.wrong(
            name, "number", _("Give a whole number from {low} to {high}."), low=low, high=high
        )
        return default

    def _memory(self) -> int:
        if "memory" not in self.mapping:
            return self._number("memory_mb", 16, MAX_MEMORY_MB, 1000)
        found = SIZE.fullmatch(str(self.mapping["memory"]))
        factor = {"M": 1, "G": 1024, "T": 1024 * 1024}
        value = int(found[1]) * factor[found[2]] if found else 0
        if "memory_mb" in self.mapping or not 16 <= value <= MAX_MEMORY_MB:
            self.wrong("memory", "memory", _('Give the memory of one node once, such as "64G".'))
        return value

    def _time_limit(self) -> int:
        if "time_limit" not in self.mapping:
            if "time_limit_s" not in self.mapping:
                self.wrong(
                    "time_limit_s", "time_limit",
                    _('Say how long the job may run, such as time_limit = "2h30m".'),
                )  # fmt: skip
                return 1
            return self._number("time_limit_s", 1, MAX_TIME_LIMIT_S, 1)
        found = DURATION.fullmatch(str(self.mapping["time_limit"]))
        days, hours, minutes, seconds = (
            (int(part or 0) for part in found.groups()) if found else (0,) * 4
        )
        value = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        if "time_limit_s" in self.mapping or not 1 <= value <= MAX_TIME_LIMIT_S:
            self.wrong(
                "time_limit", "time_limit",
                _('Say once how long the job may run, such as "2h30m", at most 30 days.'),
            )  # fmt: skip
        return value

    def _inputs(self) -> tuple[Input, ...]:
        given = self.mapping.get("inputs", ())
        if not isinstance(given, list | tuple) or len(given) > 32:
            self.wrong("inputs", "inputs", _("List at most 32 inputs."))
            return ()
        inputs = [self._input(index, one) for index, one in enumerate(given)]
        places = [one.at for one in inputs if one]
        if len(places) != len(set(places)):
            self.wrong("inputs", "inputs", _("Two inputs go to the same place. Give each its own."))
        return tuple(one for one in inputs if one)

    def _input(self, index: int, given: Any) -> Input | None:
        if isinstance(given, str):
            given = {"dataset": given}
        if not isinstance(given, Mapping):
            given = {}
        slug, _at, number = str(given.get("dataset", "")).partition("@")
        version = given.get("version", int(number) if re.fullmatch(r"\d{1,9}", number) else 0)
        at = given.get("at") or slug
        is_number = isinstance(version, int) and 1 <= version <= 2**31 - 1
        if not DATASET.fullmatch(slug) or not is_number or not DATASET.fullmatch(str(at)):
            self.wrong(
                f"inputs.{index}", "inputs",
                _('Name a dataset and its version, such as "ro-corpus@3"; `at` is one folder.'),
            )  # fmt: skip
            return None
        return Input(slug, version, str(at))

    def _outputs(self) -> tuple[str, ...]:
        given = self.mapping.get("outputs", ())
        if not isinstance(given, list | tuple) or len(given) > 32:
            self.wrong("outputs", "outputs", _("List at most 32 outputs."))
            return ()
        for index, path in enumerate(given):
            self._path(f"outputs.{index}", path)
        return tuple(str(path) for path in given)

    def _files(self) -> dict[str, str]:
        given = self.mapping.get("files", {})
        if not isinstance(given, Mapping) or len(given) > MAX_FILES:
            self.wrong("files", "files", _("Bring at most {most} files."), most=MAX_FILES)
            return {}
        size = 0
        for path, text in given.items():
            where = f"files.{str(path)[:80]}"
            if self._path(where, path) and PurePosixPath(path).parts[0] in OURS:
                self.wrong(
                    where, "reserved", _("The factory writes this file. Choose another name.")
                )
            if not isinstance(text, str):
                self.wrong(where, "files", _("Write the content of the file as text."))
            else:
                size += len(text.encode(errors="replace"))
        if size > MAX_FILES_BYTES:
            self.wrong(
                "files", "files",
                _("The files are larger than 1 MiB together. Register large ones as a dataset."),
            )  # fmt: skip
        return dict(given)

    def _path(self, where: str, path: Any) -> bool:
        if isinstance(path, str) and 0 < len(path) <= 200 and not _has_controls(path):
            pure = PurePosixPath(path)
            if pure.parts and not pure.is_absolute() and ".." not in pure.parts:
                return True
        self.wrong(where, "path", _("Write a path inside the run directory, such as export/data."))
        return False


def _is_word(value: Any) -> bool:
    return (
        isinstance(value, str)
        and len(value) <= MAX_WORD
        and "\0" not in value
        and not any(0xD800 <= ord(letter) <= 0xDFFF for letter in value)
    )


def _has_controls(text: str) -> bool:
    return any(ord(letter) < 32 or 0xD800 <= ord(letter) <= 0xDFFF for letter in text)


def argv(spec: JobSpec, *, python: str, run_dir: str) -> tuple[str, ...]:
    """Return what is executed: the command, or the interpreter with the recipe."""
    if spec.recipe:
        return (python, "-m", "uzina_recipes", spec.recipe, "--run-dir", run_dir)
    return spec.command


def check_stream(stream: str) -> str:
    """Return the path of a log in the run directory. Raises Refused job.log.no_such_stream."""
    if stream not in {"stdout", "stderr"}:
        raise Refused(
            "job.log.no_such_stream", _("There are two logs: stdout and stderr."), stream=stream
        )
    return f"logs/{stream}.log"
