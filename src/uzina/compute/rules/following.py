"""What to do about what the cluster was seen to say."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from uzina.compute.rules.states import OPEN, JobState

S = JobState

FORGET_AFTER = timedelta(minutes=10)
"""A job absent from the queue and from accounting for this long is lost. Accounting may lag by as
long as its database is away; only answers of both sources start this clock."""


@dataclass(frozen=True)
class Wanted:
    """What the factory believes of an open job."""

    key: str
    state: JobState
    native_id: str
    cancel_asked: bool
    missing_since: datetime | None


@dataclass(frozen=True)
class Sight:
    """What the cluster says of a job, in our states. Times are whole epoch seconds.

    expected_s  when a waiting job starts at the earliest, as the cluster reckons
    """

    native_id: str
    key: str
    state: JobState
    reason: str
    submitted_s: int
    started_s: int | None
    ended_s: int | None
    exit_code: int | None
    expected_s: int | None = None


@dataclass(frozen=True)
class Step:
    """One thing to do about a job: observe, cancel_twin, miss, found or lose."""

    verb: str
    key: str
    sight: Sight | None = None


def plan(
    wanted: Iterable[Wanted], seen: Sequence[Sight], *, is_complete: bool, now: datetime
) -> list[Step]:
    """Return what to do so that our jobs agree with what the cluster was seen to say.

    is_complete  every source answered, so a job that is not in `seen` is really absent.

    Absent is not finished: it is missing for FORGET_AFTER before it is lost.
    """
    by_key: dict[str, list[Sight]] = {}
    for sight in seen:
        by_key.setdefault(sight.key, []).append(sight)
    steps: list[Step] = []
    for one in wanted:
        found = sorted(
            by_key.get(one.key, []), key=lambda sight: (sight.submitted_s, sight.native_id)
        )
        if not found:
            steps += _absent(one, is_complete=is_complete, now=now)
            continue
        ours = next((sight for sight in found if sight.native_id == one.native_id), found[0])
        steps.append(Step("observe", one.key, ours))
        steps += [
            Step("cancel_twin", one.key, sight)
            for sight in found
            if sight is not ours and sight.state in OPEN
        ]
    return steps


def _absent(one: Wanted, *, is_complete: bool, now: datetime) -> list[Step]:
    if not is_complete or one.state is S.CREATED:
        return []
    if one.missing_since is None:
        return [Step("miss", one.key)]
    if now - one.missing_since >= FORGET_AFTER:
        return [Step("lose", one.key)]
    return []


TIMED_OUT = (124, 137)
"""What `timeout` ends with: TERM was enough, or KILL was needed (coreutils manual)."""


def ending(sight: Sight, *, time_limit_s: int) -> str:
    """Return the reason code of an end. The batch script keeps limits to the second by `timeout`,
    which Slurm sees as a program that failed with its exit code.
    """
    if sight.state is S.FAILED and sight.exit_code in TIMED_OUT:
        ran_s = (sight.ended_s or 0) - (sight.started_s or 0)
        if ran_s >= time_limit_s:
            return "TimeLimit"
    return sight.reason


def is_ours_to_charge(state: JobState, reason: str) -> bool:
    """Tell whether the project pays: not for what the cluster lost or a node's failure cut off."""
    return state is not S.LOST and not reason.startswith("NodeFail")


def hand_over_delay(attempt: int) -> timedelta:
    """Return how long to wait before the next attempt at an unreachable cluster: 2 s to 1 min."""
    return timedelta(seconds=min(60, 2 ** min(attempt, 6)))


TASKS = re.compile(r"\d+_\[([0-9,:-]+)(?:%\d+)?\]")


def tasks_in(native_id: str) -> int:
    """Return how many runs an id stands for: "7_[3-5%2]" is tasks 3, 4 and 5 of an array that never
    began; every other id is one run.
    """
    found = TASKS.fullmatch(native_id)
    if found is None:
        return 1
    count = 0
    for part in found[1].split(","):
        span, _colon, step = part.partition(":")
        first, _dash, last = span.partition("-")
        if not first.isdigit() or not (last or first).isdigit() or (step and not step.isdigit()):
            return 1
        count += max(0, (int(last or first) - int(first)) // max(1, int(step or 1))) + 1
    return count
