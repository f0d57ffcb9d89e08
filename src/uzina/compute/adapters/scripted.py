"""A seeded liar: a batch system that fails the way real ones were seen to fail.

For fault tests. It keeps jobs in memory, runs nothing, and before each answer draws what goes
wrong: refused, silent, accepted with the reply lost, taken although it said it was silent,
measurements twice or late. The same seed lies the same way.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from uzina.compute.ports import (
    Accepted,
    Chunk,
    Inventory,
    Node,
    Rejected,
    SchedulerDown,
    Snapshot,
    Unknown,
    UsagePage,
    UsageRow,
)
from uzina.compute.rules import ENDED, JobSpec, JobState, Sight

LIES = ("refuse", "silent", "lost_reply", "unknown", "twice", "late")
RUN_S, LATE_S = 5, 30
"""How long a job runs, and how much later than its end its measurement comes when it is late."""


@dataclass
class ScriptedScheduler:
    """The Scheduler port over a script of lies.

    odds   how likely each of LIES is, 0 to 1; what is not named never happens
    clock  whole epoch seconds, moved by tick()
    """

    seed: int = 0
    odds: dict[str, float] = field(default_factory=dict)
    clock: int = 1_000_000

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - lies, not secrets
        self.jobs: dict[str, Sight] = {}
        self.specs: dict[str, JobSpec] = {}
        self.measured_at: dict[str, int] = {}

    def _lies(self, lie: str) -> bool:
        return self.chance.random() < self.odds.get(lie, 0.0)

    def _speak(self) -> None:
        if self._lies("silent"):
            msg = "it does not answer"
            raise SchedulerDown(msg)

    def tick(self, seconds: int = 1) -> None:
        """Let time pass: what waits starts, what ran its time ends."""
        self.clock += seconds
        for native_id, before in list(self.jobs.items()):
            job = self.jobs[native_id] = self._after(before)
            if job.state in ENDED and native_id not in self.measured_at:
                delay = LATE_S if self._lies("late") else 0
                self.measured_at[native_id] = self.clock + delay

    def _after(self, job: Sight) -> Sight:
        if job.state is JobState.QUEUED:
            return replace(job, state=JobState.RUNNING, started_s=self.clock)
        if job.state is JobState.RUNNING and self.clock - (job.started_s or 0) >= RUN_S:
            return replace(job, state=JobState.DONE, ended_s=self.clock, exit_code=0)
        return job

    def submit(self, spec: JobSpec, *, key: str, run_dir: Path) -> Accepted | Rejected | Unknown:  # noqa: ARG002
        """Queue a job, or lie about it."""
        self._speak()
        if self._lies("refuse"):
            return Rejected("it is not wanted here")
        if self._lies("unknown"):
            return Unknown("it broke off before it took the job")
        native_id = str(len(self.jobs) + 1)
        self.jobs[native_id] = Sight(
            native_id=native_id,
            key=key,
            state=JobState.QUEUED,
            reason="Resources",
            submitted_s=self.clock,
            started_s=None,
            ended_s=None,
            exit_code=None,
        )
        self.specs[native_id] = spec
        if self._lies("lost_reply"):
            return Unknown("it broke off after it took the job")
        return Accepted(native_id, self.clock)

    def find(self, key: str, *, since_s: int) -> list[Sight]:  # noqa: ARG002
        """Return the jobs of this key."""
        self._speak()
        return [job for job in self.jobs.values() if job.key == key]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End jobs."""
        self._speak()
        for native_id in native_ids:
            job = self.jobs.get(native_id)
            if job is not None and job.state not in ENDED:
                self.jobs[native_id] = replace(
                    job, state=JobState.CANCELLED, reason="Cancelled", ended_s=self.clock
                )

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:  # noqa: ARG002
        """Return what is known of the jobs."""
        self._speak()
        keys = {key for _native_id, key in jobs}
        return Snapshot(
            tuple(job for job in self.jobs.values() if job.key in keys), is_complete=True
        )

    def usage(self, *, since_s: int) -> UsagePage:
        """Return the measurements that are there by now, some of them twice."""
        self._speak()
        rows = []
        for native_id, job in self.jobs.items():
            is_there = self.clock >= self.measured_at.get(native_id, self.clock + 1)
            if job.ended_s is not None and job.ended_s >= since_s and is_there:
                rows += [self._row(job)] * (2 if self._lies("twice") else 1)
        return UsagePage(tuple(rows), self.clock)

    def _row(self, job: Sight) -> UsageRow:
        spec = self.specs[job.native_id]
        return UsageRow(
            native_id=job.native_id,
            key=job.key,
            submitted_s=job.submitted_s,
            started_s=job.started_s,
            ended_s=job.ended_s or 0,
            nodes=spec.nodes,
            cpus=spec.nodes * spec.cpus,
            gpus=spec.nodes * spec.gpus,
            state=job.state.upper(),
            raw="",
        )

    def inventory(self) -> Inventory:
        """Return one pretended machine."""
        self._speak()
        return Inventory((Node("pretended", "scripted", "idle", 8, 0, 16_000, 8, 0),))

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:  # noqa: ARG002
        """Return nothing: nothing ran."""
        return Chunk(b"", offset, is_end=True)
