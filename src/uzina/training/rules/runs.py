"""Runs: their settings, what they read, how they end; and the life of a model version."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from uzina.core.errors import Problem
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

Value = int | float | str | bool

LONGEST_NAME = 63
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
MOST_INPUTS = 16
NEEDED = {"data": "shards.json", "model": "model.safetensors"}
"""A file that shows a version to be what a recipe reads under that name."""
SEVERAL = frozenset({"documents"})
"""Inputs that may be more than one version."""


class RunState(States):
    """Where a run stands: as its newest job, and then as what the job left behind."""

    CREATED = "created", _("Being handed over"), "quiet"
    QUEUED = "queued", _("Waiting in the queue"), "quiet"
    RUNNING = "running", _("Running"), "busy"
    COLLECTING = "collecting", _("Being collected"), "busy"
    DONE = "done", _("Done"), "good"
    STOPPED = "stopped", _("Stopped, can go on"), "quiet"
    FAILED = "failed", _("Failed"), "bad"
    CANCELLED = "cancelled", _("Cancelled"), "quiet"
    LOST = "lost", _("Lost by the cluster"), "bad"


R = RunState
ENDED = frozenset({R.DONE, R.STOPPED, R.FAILED, R.CANCELLED, R.LOST})
RUN = Flow(
    "run",
    {
        "stop": Move(R.CREATED, R.QUEUED, R.RUNNING, to=R.STOPPED),
        "resume": Move(R.STOPPED, R.FAILED, R.CANCELLED, R.LOST, to=R.CREATED),
    },
)


class ModelState(States):
    """Where a version of a model stands."""

    CANDIDATE = "candidate", _("Candidate"), "quiet"
    RELEASED = "released", _("Released for use"), "good"
    RETIRED = "retired", _("Retired"), "bad"


M = ModelState
MODEL = Flow(
    "model",
    {
        "release": Move(M.CANDIDATE, to=M.RELEASED),
        "retire": Move(M.CANDIDATE, M.RELEASED, to=M.RETIRED),
    },
)


class Output(States):
    """What a recipe leaves behind."""

    DATA = "data", _("Data"), "quiet"
    MODEL = "hf", _("Model"), "quiet"
    RESULTS = "results", _("Results"), "quiet"


FOLDERS = {Output.DATA: "export/data", Output.MODEL: "export/hf"}


def output_of(schema: Mapping[str, Any]) -> Output:
    """Return what a recipe leaves behind, by the first output it names."""
    return Output(schema["outputs"][0])


def settings(
    schema: Mapping[str, Any], given: Mapping[str, Any]
) -> tuple[dict[str, Value], list[Problem]]:
    """Return a recipe's settings with defaults filled in, and every mistake in what was given.

    schema  a recipe as `uzina_recipes.catalogue` describes it, as a mapping
    """
    parameters = {one["name"]: one for one in schema["parameters"]}
    problems = [
        Problem(
            f"params.{str(name)[:60]}",
            "run.params.unknown",
            _("This recipe has no setting {name}. Known: {known}."),
            {"name": str(name)[:60], "known": ", ".join(parameters)},
        )
        for name in given
        if name not in parameters
    ]
    chosen: dict[str, Value] = {}
    for name, parameter in parameters.items():
        value = given.get(name, parameter["default"])
        if problem := _wrong(parameter, value):
            problems.append(problem)
        elif parameter["kind"] == "number":
            chosen[name] = float(value)
        else:
            chosen[name] = value
    return chosen, problems


def _wrong(parameter: Mapping[str, Any], value: Any) -> Problem | None:
    where, kind = f"params.{parameter['name']}", parameter["kind"]
    if kind == "choice":
        if value in parameter["choices"]:
            return None
        choices = ", ".join(parameter["choices"])
        return Problem(
            where, "run.params.choice", _("Choose one of: {choices}."), {"choices": choices}
        )
    if kind == "boolean":
        return (
            None
            if isinstance(value, bool)
            else Problem(where, "run.params.type", _("Give true or false."))
        )
    if kind == "text":
        most = parameter["maximum"]
        if isinstance(value, str) and len(value) <= most and value.isprintable():
            return None
        return Problem(
            where,
            "run.params.text",
            _("Use at most {most} characters on one line."),
            {"most": most},
        )
    wanted = (int,) if kind == "integer" else (int, float)
    if isinstance(value, bool) or not isinstance(value, wanted):
        noun = _("Give a whole number.") if kind == "integer" else _("Give a number.")
        return Problem(where, "run.params.type", noun)
    low, high = parameter["minimum"], parameter["maximum"]
    is_number = isinstance(value, int) or math.isfinite(value)
    if not is_number or (low is not None and high is not None and not low <= value <= high):
        return Problem(
            where,
            "run.params.range",
            _("Give a value from {low} to {high}."),
            {"low": f"{low:g}", "high": f"{high:g}"},
        )
    return None


MOST_TASKS = 256


def tasks_problems(schema: Mapping[str, Any], tasks: int) -> list[Problem]:
    """Return what is wrong with sharing a run out over so many tasks."""
    if tasks > 1 and not schema.get("stages"):
        return [
            Problem(
                "tasks",
                "run.tasks.one",
                _("This recipe is one job and cannot be shared out. Leave tasks at 1."),
            )
        ]
    if not 1 <= tasks <= MOST_TASKS:
        return [
            Problem(
                "tasks",
                "run.tasks.range",
                _("Give a whole number from {low} to {high}."),
                {"low": 1, "high": MOST_TASKS},
            )
        ]
    return []


def config_toml(chosen: Mapping[str, Value]) -> str:
    """Return settings as the config.toml that a recipe reads."""
    return "".join(f"{name} = {_toml(value)}\n" for name, value in chosen.items())


def _toml(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return repr(value)


def name_problems(name: str) -> list[Problem]:
    """Return what is wrong with the name that what comes out is to have."""
    if NAME.fullmatch(name):
        return []
    return [
        Problem(
            "name",
            "run.name.form",
            _(
                "Name what comes out with 1 to 63 small letters a to z, digits and hyphens, "
                "beginning and ending with a letter or digit."
            ),
        )
    ]


@dataclass(frozen=True)
class Wanted:
    """One input of a run: the folder it is laid into, and the version, by name."""

    at: str
    dataset: str
    version: int


def place_inputs(
    schema: Mapping[str, Any],
    references: Sequence[tuple[str, int]],
    model: tuple[str, int] | None,
) -> tuple[tuple[Wanted, ...], list[Problem]]:
    """Say where each input of a run goes.

    references  data versions in the order of the recipe's inputs; several where it takes several
    model       the model version, where the recipe reads one
    """
    problems: list[Problem] = []
    names = [name for name in schema["inputs"] if name != "model"]
    wants_model = "model" in schema["inputs"]
    if wants_model != (model is not None):
        message = (
            _("Choose the model version to use.")
            if wants_model
            else _("This recipe reads no model: leave it out.")
        )
        problems.append(Problem("model", "run.model.count", message))
    takes_several = bool(names) and names[-1] in SEVERAL
    is_enough = len(references) >= len(names) if takes_several else len(references) == len(names)
    if not is_enough or len(references) > MOST_INPUTS:
        problems.append(
            Problem(
                "inputs",
                "run.inputs.count",
                _("Choose the data versions this recipe reads: {names}."),
                {"names": ", ".join(names) or "-"},
            )
        )
    if len(set(references)) != len(references):
        problems.append(
            Problem("inputs", "run.inputs.twice", _("A data version is named twice. Name it once."))
        )
    places = []
    for index, (slug, number) in enumerate(references if is_enough else ()):
        place = names[min(index, len(names) - 1)]
        extra = index - len(names) + 1
        places.append(Wanted(f"{place}-{extra + 1}" if extra > 0 else place, slug, number))
    if model is not None and wants_model:
        places.append(Wanted("model", *model))
    return tuple(places), problems


def lacks(at: str, paths: Sequence[str]) -> str:
    """Return the file a version must have to be read as an input of that name; "" when it has it."""
    needed = NEEDED.get(at, "")
    return "" if not needed or needed in paths else needed


def ending(job_state: str, record: Mapping[str, Any]) -> RunState:
    """Return how a run ended, from its job and its exit.json.

    exit.json is the truth where there is one: exit codes cannot say "stopped, go on". A job that
    the cluster ended without it is as the cluster says.
    """
    said = record.get("state")
    if job_state == "done":
        return {"done": R.DONE, "stopped": R.STOPPED}.get(str(said), R.FAILED)
    if said == "stopped" and job_state in {"cancelled", "failed"}:
        return R.STOPPED
    return RunState(job_state) if job_state in {"cancelled", "lost"} else R.FAILED


def carried(licences: Sequence[str]) -> str:
    """Return the licence of what is made of data under the given ones.

    One licence carries over. Several cannot be merged by a program: the result says so, and the
    sources are in its lineage.
    """
    known = set(licences)
    if not known or "restricted" in known:
        return "restricted"
    return known.pop() if len(known) == 1 else "mixed-see-files"
