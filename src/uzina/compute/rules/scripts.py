"""Batch scripts that people bring: what their #SBATCH lines ask for, in our words.

Options of sbatch: its manual, https://slurm.schedmd.com/sbatch.html.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uzina.core.text import _

MAX_SCRIPT_BYTES = 262_144
LONG = {
    "A": "account", "a": "array", "b": "begin", "C": "constraint", "c": "cpus-per-task",
    "D": "chdir", "d": "dependency", "e": "error", "G": "gpus", "i": "input", "J": "job-name",
    "L": "licenses", "m": "distribution", "M": "clusters", "N": "nodes", "n": "ntasks",
    "o": "output", "O": "overcommit", "p": "partition", "q": "qos", "s": "oversubscribe",
    "t": "time", "v": "verbose", "w": "nodelist", "x": "exclude", "H": "hold", "Q": "quiet",
    "W": "wait", "k": "no-kill", "S": "core-spec",
}  # fmt: skip
FLAGS = frozenset(
    {"requeue", "no-requeue", "verbose", "quiet", "wait", "no-kill", "parsable", "hold",
     "overcommit", "exclusive", "oversubscribe", "contiguous", "spread-job", "use-min-nodes"}
)  # fmt: skip
"""Options that may stand without a value."""

OURS = frozenset({"account", "uid", "gid", "qos", "clusters", "wckey", "reservation", "comment"})
"""Options that would change who the job is charged to or as whom it runs."""

KEPT = frozenset(
    {"constraint", "exclude", "nodelist", "tmp", "switches", "gpu-bind", "mem-bind", "hint",
     "distribution", "licenses", "contiguous"}
)  # fmt: skip
"""Options handed on to the cluster as they are: they change where a job runs, not what it costs."""

UNUSED = frozenset(
    {"output", "error", "chdir", "open-mode", "mail-user", "mail-type", "requeue", "no-requeue",
     "verbose", "quiet", "wait", "parsable", "get-user-env", "export"}
)  # fmt: skip
"""Options that the factory sees to itself: where the logs go, that a job runs once."""

TIME = re.compile(r"(?:(\d{1,4})-)?(\d{1,6})(?::(\d{1,2}))?(?::(\d{1,2}))?")
MEMORY = re.compile(r"(\d{1,12})([KMGT]?)B?", re.IGNORECASE)
GPUS = re.compile(r"(?:gpu:)?(?:[A-Za-z][A-Za-z0-9_.-]*:)?(\d{1,4})")
VALUE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


class _Wrong(Exception):
    """An option of a script that cannot be taken."""

    def __init__(self, why: str, message: str) -> None:
        super().__init__(message)
        self.why, self.message = why, message


@dataclass
class ScriptAsks:
    """What a script's #SBATCH lines say.

    fields    of a job description: {"nodes": 2, "time_limit_s": 3600}
    options   handed on to the cluster: ("--constraint=h100",)
    unused    names of options that the factory sees to itself
    problems  (line number, why, message, the option) of what cannot be taken
    """

    fields: dict[str, Any] = field(default_factory=dict)
    options: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    problems: list[tuple[int, str, str, str]] = field(default_factory=list)


def interpreter(script: str) -> tuple[str, ...]:
    """Return what runs a script: its first line after #!, else bash."""
    first = script.partition("\n")[0].strip()
    try:
        words = tuple(shlex.split(first[2:])) if first.startswith("#!") else ()
    except ValueError:
        words = ()
    return words or ("bash",)


def read_script(script: str) -> ScriptAsks:
    """Read the #SBATCH lines of a batch script, as sbatch does: up to the first command."""
    asks = ScriptAsks()
    said: dict[str, int] = {}
    for number, line in enumerate(script.splitlines(), start=1):
        text = line.strip()
        if text and not text.startswith("#"):
            break
        if not line.startswith("#SBATCH"):
            continue
        try:
            words = shlex.split(line.removeprefix("#SBATCH"), comments=True)
            for name, value in _options(words):
                _take(asks, said, name, value)
        except _Wrong as wrong:
            asks.problems.append((number, wrong.why, wrong.message, text[:200]))
        except ValueError:
            asks.problems.append(
                (number, "script_line", _("Line {line} cannot be read: {option}"), text[:200])
            )
    try:
        _shape(asks, said)
    except _Wrong as wrong:
        asks.problems.append((0, wrong.why, wrong.message, ""))
    return asks


def _options(words: list[str]) -> list[tuple[str, str]]:
    """Return (long name, value) of the options of one line."""
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            has_value = bool(equals)
        elif re.fullmatch(r"-[A-Za-z].*", word):
            name, value = LONG.get(word[1], word[1]), word[2:].removeprefix("=")
            has_value = bool(value)
        else:
            raise ValueError(word)
        if not has_value and name not in FLAGS and rest and not rest[0].startswith("-"):
            value = rest.pop(0)
        found.append((name, value))
    return found


def _take(asks: ScriptAsks, said: dict[str, int], name: str, value: str) -> None:
    if name in OURS:
        raise _Wrong(
            "script_ours",
            _(
                "Line {line} would change whom the job is charged to or as whom it runs: {option}."
                " The factory sees to that. Take the line out."
            ),
        )
    if name == "dependency":
        raise _Wrong(
            "script_dependency",
            _("Line {line}: name the jobs to wait for by their codes, such as after = JOB-7Q3K2M."),
        )
    if name in TAKEN:
        TAKEN[name](asks, said, value)
    elif name in KEPT and (VALUE.fullmatch(value) or (name in FLAGS and not value)):
        asks.options.append(f"--{name}={value}" if value else f"--{name}")
    elif name in UNUSED:
        asks.unused.append(name)
    else:
        raise _Wrong(
            "script_unknown",
            _("Line {line} asks for something the factory does not know: {option}. Take it out."),
        )


def _count(name: str) -> Callable[[ScriptAsks, dict[str, int], str], None]:
    def take(_asks: ScriptAsks, said: dict[str, int], value: str) -> None:
        if not re.fullmatch(r"\d{1,6}", value) or int(value) < 1:
            raise _Wrong("script_line", _("Line {line} needs one whole number: {option}"))
        said[name] = int(value)

    return take


def _gpus(name: str) -> Callable[[ScriptAsks, dict[str, int], str], None]:
    def take(_asks: ScriptAsks, said: dict[str, int], value: str) -> None:
        found = GPUS.fullmatch(value)
        if found is None or (name == "gres" and not value.startswith("gpu:")):
            raise _Wrong(
                "script_line", _("Line {line} needs a number of GPUs, such as gpu:4: {option}")
            )
        said["gpus" if name == "gpus_total" else "gpus_per_node"] = int(found[1])

    return take


def _memory(name: str) -> Callable[[ScriptAsks, dict[str, int], str], None]:
    def take(_asks: ScriptAsks, said: dict[str, int], value: str) -> None:
        found = MEMORY.fullmatch(value)
        factor = {"K": 1 / 1024, "": 1, "M": 1, "G": 1024, "T": 1_048_576}
        if found is None or not int(found[1]):
            raise _Wrong("script_line", _("Line {line} needs an amount such as 64G: {option}"))
        said[name] = max(1, int(int(found[1]) * factor[found[2].upper()]))

    return take


def _time(asks: ScriptAsks, _said: dict[str, int], value: str) -> None:
    seconds = read_time(value)
    if not seconds:
        raise _Wrong("script_line", _("Line {line} needs a time such as 2:30:00: {option}"))
    asks.fields["time_limit_s"] = seconds


def _text(name: str) -> Callable[[ScriptAsks, dict[str, int], str], None]:
    def take(asks: ScriptAsks, _said: dict[str, int], value: str) -> None:
        if not VALUE.fullmatch(value):
            raise _Wrong("script_line", _("Line {line} cannot be read: {option}"))
        asks.fields[name] = value

    return take


TAKEN: Mapping[str, Callable[[ScriptAsks, dict[str, int], str], None]] = {
    "nodes": _count("nodes"),
    "ntasks": _count("ntasks"),
    "ntasks-per-node": _count("ranks"),
    "cpus-per-task": _count("cpus_per_task"),
    "gpus": _gpus("gpus_total"),
    "gpus-per-node": _gpus("gpus_per_node"),
    "gres": _gpus("gres"),
    "mem": _memory("mem"),
    "mem-per-cpu": _memory("mem_per_cpu"),
    "time": _time,
    "job-name": _text("name"),
    "array": _text("array"),
    "partition": _text("partition"),
    "nice": lambda asks, _said, value: asks.fields.update(
        nice=int(value) if value.isdigit() else 100
    ),
}


def _shape(asks: ScriptAsks, said: Mapping[str, int]) -> None:
    """Turn tasks and totals into what one node needs."""
    nodes = said.get("nodes", 1)
    ranks = said.get("ranks") or -(-said.get("ntasks", nodes) // nodes)
    if "nodes" in said:
        asks.fields["nodes"] = nodes
    if ranks > 1:
        asks.fields["ranks"] = ranks
    if ranks > 1 or "cpus_per_task" in said:
        asks.fields["cpus"] = ranks * said.get("cpus_per_task", 1)
    if "gpus_per_node" in said:
        asks.fields["gpus"] = said["gpus_per_node"]
    elif "gpus" in said:
        if said["gpus"] % nodes:
            raise _Wrong(
                "script_gpus",
                _("The GPUs do not divide evenly over the nodes. Give a number for each node."),
            )
        asks.fields["gpus"] = said["gpus"] // nodes
    if "mem" in said:
        asks.fields["memory_mb"] = said["mem"]
    elif "mem_per_cpu" in said:
        asks.fields["memory_mb"] = said["mem_per_cpu"] * asks.fields.get("cpus", 1)


def read_time(text: str) -> int:
    """Return the seconds of a time as sbatch writes it; 0 for what is none.

    minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]].
    """
    found = TIME.fullmatch(text)
    if found is None:
        return 0
    days, *parts = found.groups()
    numbers = [int(part) for part in parts if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, minutes, seconds = 0, *[*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
