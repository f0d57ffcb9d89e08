"""The check of a job before it is submitted: does it fit, and what stands in its way."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from uzina.compute.rules.specs import JobSpec
from uzina.core.text import _

OK, WARN, REFUSE = "ok", "warn", "refuse"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. message: an English template with {facts}.

    level  "ok"; "warn": it may go wrong; "refuse": it cannot work as it is
    """

    code: str
    level: str
    message: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """A partition as it was counted last: over all nodes, and what of it is free."""

    name: str
    nodes: int
    nodes_up: int
    cpus: int
    cpus_free: int
    gpus: int
    gpus_free: int
    memory_mb: int
    max_time_s: int | None


def check_fit(spec: JobSpec, shape: Shape) -> Iterator[Check]:
    """Yield what a partition lacks for a job, or that it fits and whether it may start at once."""
    each = max(1, shape.nodes)
    wants = (
        ("nodes", spec.nodes, shape.nodes, _NODES),
        ("gpus", spec.gpus, shape.gpus // each, _GPUS),
        ("cpus", spec.cpus, shape.cpus // each, _CPUS),
        ("memory", spec.memory_mb, shape.memory_mb // each, _MEMORY),
    )
    lacks = [
        Check(f"fit.{name}", REFUSE, message, {"partition": shape.name, "asked": asked, "has": has})
        for name, asked, has, message in wants
        if asked > has
    ]
    if shape.max_time_s is not None and spec.time_limit_s > shape.max_time_s:
        facts = {
            "partition": shape.name,
            "asked": spec.time_limit_s // 60,
            "has": shape.max_time_s // 60,
        }
        lacks.append(Check("fit.time", REFUSE, _TIME, facts))
    if lacks:
        yield from lacks
        return
    yield Check("fit.ok", OK, _("It fits the partition {partition}."), {"partition": shape.name})
    if shape.nodes_up < spec.nodes:
        facts = {"partition": shape.name, "up": shape.nodes_up, "asked": spec.nodes}
        yield Check("fit.down", WARN, _DOWN, facts)
    elif spec.nodes * spec.gpus <= shape.gpus_free and spec.nodes * spec.cpus <= shape.cpus_free:
        yield Check("start.free", OK, _("What it asks for is free at the moment."))
    else:
        yield Check(
            "start.busy", WARN, _("What it asks for is in use at the moment: it will wait.")
        )


def check_environment(spec: JobSpec) -> Iterator[Check]:
    """Yield what only the node can tell, when the job starts."""
    if spec.modules:
        yield Check("environment.modules", WARN, _MODULES, {"names": ", ".join(spec.modules)})
    if spec.container:
        yield Check("environment.container", WARN, _CONTAINER, {"image": spec.container})
    if spec.python_lock:
        yield Check("environment.python", WARN, _PYTHON, {"name": spec.python_lock})


def check_answer(*, is_silent: bool, age_s: int | None) -> Check:
    """Return whether the cluster answers, and how old its last answer is."""
    if age_s is None:
        return Check("cluster.unseen", WARN, _("The cluster has not been asked yet."))
    if is_silent:
        return Check("cluster.silent", WARN, _SILENT, {"age": age_s})
    message = _("The cluster answers; last asked {age} s ago.")
    return Check("cluster.ok", OK, message, {"age": age_s})


def may_submit(checks: "list[Check]") -> bool:
    """Tell whether nothing stands in the way."""
    return all(one.level != REFUSE for one in checks)


_NODES = _("It asks for {asked} nodes; the partition {partition} has {has}.")
_GPUS = _("It asks for {asked} GPUs on each node; a node of {partition} has {has}.")
_CPUS = _("It asks for {asked} CPU cores on each node; a node of {partition} has {has}.")
_MEMORY = _("It asks for {asked} MB of memory on each node; a node of {partition} has {has}.")
_TIME = _("It asks for {asked} minutes; the partition {partition} allows {has}.")
_DOWN = _("Only {up} nodes of {partition} take jobs at the moment; it asks for {asked}.")
_SILENT = _(
    "The cluster does not answer; its last answer is {age} s old. The job would be kept and handed "
    "over when it does."
)
_MODULES = _(
    "Whether the node has the modules {names} shows when the job starts. Without them it ends with "
    "exit code 127 and says so."
)
_CONTAINER = _(
    "Whether the node has the image {image} and can run it shows when the job starts. If not, it "
    "ends with exit code 127 and says so."
)
_PYTHON = _(
    "The Python environment of {name} is built when the first job that needs it starts, which takes "
    "some of its time; later jobs find it ready."
)
MAINTENANCE = _(
    "It would run into the maintenance from {since} to {until}. Shorten its time limit, or expect "
    "that it waits until then or is stopped."
)
UNSEEN = _("The machines have not been counted yet, so whether it fits is not known.")
NO_PARTITION = _("The cluster has no partition {partition}. It has: {known}.")
BALANCE = _("It sets {held} GPU-hours aside; {left} stay free meanwhile.")
INPUTS = _("Its inputs may be used: {names}.")
WAITS = _("It waits for {jobs} first.")
NO_JOB = _("{project} has no job {job} to wait for.")
HOPELESS = _("{job} has ended and was not done, so a job that comes after it would never start.")
