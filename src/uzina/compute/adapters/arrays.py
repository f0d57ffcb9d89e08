"""The tasks of an array, "123_4", and the parts of a heterogeneous job, "123+1", seen as one job,
"123".
"""

import re
from collections.abc import Iterable
from dataclasses import replace

from uzina.compute.rules import JobState, Sight

S = JobState
WORST_FIRST = (S.FAILED, S.LOST, S.CANCELLED, S.DONE)


def together(sights: Iterable[Sight]) -> list[Sight]:
    """Return one sight a job. An array waits while none of its tasks began, runs while any may
    run, and ends as the worst of its tasks.
    """
    jobs: dict[tuple[str, str], list[Sight]] = {}
    for one in sights:
        jobs.setdefault((number_of(one.native_id), one.key), []).append(one)
    return [_one(number, tasks) for (number, _key), tasks in jobs.items()]


def number_of(native_id: str) -> str:
    """Return the number of the job that a task or a part belongs to; of a plain job its id."""
    return re.split(r"[_+]", native_id, maxsplit=1)[0]


def _one(number: str, tasks: list[Sight]) -> Sight:
    if len(tasks) == 1 and tasks[0].native_id == number:
        return tasks[0]
    states = {one.state for one in tasks}
    started = min((one.started_s for one in tasks if one.started_s is not None), default=None)
    is_open = bool(states & {S.QUEUED, S.RUNNING})
    if is_open:
        has_begun = started is not None or S.RUNNING in states
        state = S.RUNNING if has_begun else S.QUEUED
        waiting = next((one for one in tasks if one.state is S.QUEUED), None)
        running = next((one for one in tasks if one.state is S.RUNNING), None)
        speaker = running or waiting or tasks[0]
    else:
        state = next(one for one in WORST_FIRST if one in states)
        speaker = next(one for one in tasks if one.state is state)
    codes = [one.exit_code for one in tasks if one.exit_code is not None]
    ends = [one.ended_s for one in tasks if one.ended_s is not None]
    return replace(
        speaker,
        native_id=number,
        state=state,
        submitted_s=min(one.submitted_s for one in tasks),
        started_s=started,
        ended_s=max(ends) if ends and not is_open else None,
        exit_code=None if is_open or not codes else max(codes),
    )
