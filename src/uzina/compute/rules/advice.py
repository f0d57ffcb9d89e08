"""What to do when a job failed, and how well it used what it held."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uzina.compute.rules.states import JobState
from uzina.core.text import _

SIGNALLED = 128
"""A shell adds this to the number of the signal that ended a program."""


@dataclass(frozen=True)
class Advice:
    """Why a job failed, and what to do next: two English templates with {facts}."""

    why: str
    step: str
    facts: Mapping[str, Any] = field(default_factory=dict)


def advice(
    *,
    state: JobState,
    reason: str,
    exit_code: int | None,
    memory_mb: int,
    time_limit_s: int,
) -> Advice | None:
    """Return what to do about a job that did not end well; None where there is nothing to say."""
    if state not in {JobState.FAILED, JobState.LOST} and reason != "DependencyNeverSatisfied":
        return None
    if reason in BY_REASON:
        why, step = BY_REASON[reason]
        facts = {"memory": memory_mb, "minutes": -(-time_limit_s // 60)}
        return Advice(why, step, facts)
    if exit_code is None:
        return None
    why, step = BY_CODE.get(exit_code, _SIGNAL if exit_code > SIGNALLED else _CODE)
    return Advice(why, step, {"code": exit_code, "signal": exit_code - SIGNALLED})


BY_REASON = {
    "OutOfMemory": (
        _("It needed more than the {memory} MB of memory on each node that it asked for."),
        _("Ask for more memory, or let it work on less at a time: a smaller batch, fewer workers."),
    ),
    "TimeLimit": (
        _("It was not finished after the {minutes} minutes it asked for."),
        _("Ask for more time, or have it save its work and go on by itself: chain = 5."),
    ),
    "NodeFail": (
        _("A node broke down under it. That is no fault of the job."),
        _("Run it again. The hours were not charged."),
    ),
    "Rebooted": (
        _("The machine stopped while it ran. That is no fault of the job."),
        _("Run it again. The hours were not charged."),
    ),
    "Vanished": (
        _("The cluster lost it. That is no fault of the job."),
        _("Run it again. The hours were not charged."),
    ),
    "Inputs": (
        _("Something it needs could not be put into its run directory."),
        _("Read what is missing above, see that the dataset may still be used, and run it again."),
    ),
    "Rejected": (
        _("The cluster would not take it as it is."),
        _("Read its reason above, change what the job asks for, and submit a copy."),
    ),
    "DependencyNeverSatisfied": (
        _("The job it was to come after did not end well."),
        _("See why that one failed, run it again, and submit a copy of this one after it."),
    ),
}
_CODE = (
    _("Its program ended by itself with the error code {code}."),
    _("The last lines of the log say why. Mend it, and submit a copy."),
)
_SIGNAL = (
    _("Its program was ended by signal {signal}."),
    _("The last lines of the log may say why. Mend it, and submit a copy."),
)
BY_CODE = {
    126: (
        _("What it was to run is there but is no program: exit code 126."),
        _("Name its interpreter, such as bash run.sh or python train.py, and submit a copy."),
    ),
    127: (
        _("A program it was to run is not on the node: exit code 127."),
        _("The log names it. Load a module, use an image, or give the whole path."),
    ),
    134: (
        _("Its program gave up by itself: an assertion or a library failed (signal 6)."),
        _("The last lines of the log say where. Mend it, and submit a copy."),
    ),
    135: (
        _("Its program was ended by a bus error (signal 7), most often for want of shared memory."),
        _("Use fewer data loading workers, or keep shared files outside /dev/shm."),
    ),
    137: (
        _("Its program was killed (signal 9), most often because memory ran out."),
        _("Ask for more memory, or let it work on less at a time, and submit a copy."),
    ),
    139: (
        _("Its program touched memory that is not its own (signal 11)."),
        _("Most often two libraries do not fit one another: build the environment anew."),
    ),
    143: (
        _(
            "Its program was asked to end (signal 15): by its own code, or from outside the factory."
        ),
        _("If nobody stopped it, run it again."),
    ),
}


def shares(
    effort: Mapping[str, Any], *, cpus: int, memory_mb: int, elapsed_s: int
) -> dict[str, float]:
    """Return how much of the cores and of the memory held was used, 0 to 1, where it was measured.

    cpus, memory_mb  over all nodes; for an array of one task, with elapsed_s over all of them
    """
    found = {}
    if effort.get("cpu_s") is not None and cpus and elapsed_s:
        found["cpu"] = min(1.0, float(effort["cpu_s"]) / (cpus * elapsed_s))
    if effort.get("max_rss_mb") and memory_mb:
        found["memory"] = min(1.0, float(effort["max_rss_mb"]) / memory_mb)
    return found
