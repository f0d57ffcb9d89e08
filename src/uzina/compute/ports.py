"""What we ask of a batch system: ten questions and orders, answered by every adapter alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from uzina.compute.rules import JobSpec, Sight


class SchedulerDown(Exception):
    """The batch system did not answer, and it is certain that nothing changed: ask again later."""


class SchedulerRefused(Exception):
    """The batch system answered no. Asking again would not help."""


@dataclass(frozen=True)
class Accepted:
    """The job is in the queue. submitted_s: the cluster's own time, or the caller's just before."""

    native_id: str
    submitted_s: int


@dataclass(frozen=True)
class Rejected:
    """The job is not in the queue and will not get there as it is; reason in the cluster's words."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """The job may or may not be in the queue. Look its key up before anything else."""

    detail: str


@dataclass(frozen=True)
class Snapshot:
    """What the cluster says of many jobs.

    is_complete  every source answered, so a job that is not here is really not there
    """

    jobs: tuple[Sight, ...]
    is_complete: bool


@dataclass(frozen=True)
class UsageRow:
    """What one run of a job used. Times are whole epoch seconds; gpus and cpus over all nodes.

    Identified by (native_id, submitted_s, started_s): ids are reused, runs are repeated.
    started_s is None for a job that ended without having run.
    """

    native_id: str
    key: str
    submitted_s: int
    started_s: int | None
    ended_s: int
    nodes: int
    cpus: int
    gpus: int
    state: str
    raw: str

    @property
    def elapsed_s(self) -> int:
        """Whole seconds from start to end; 0 when it never ran."""
        return 0 if self.started_s is None else max(0, self.ended_s - self.started_s)


@dataclass(frozen=True)
class UsagePage:
    """Rows that ended at or after the asked time, and the time to ask from next."""

    rows: tuple[UsageRow, ...]
    cursor_s: int


@dataclass(frozen=True)
class Node:
    """One machine: what it has and what of it is in use."""

    name: str
    partition: str
    state: str
    cpus: int
    cpus_used: int
    memory_mb: int
    gpus: int
    gpus_used: int


@dataclass(frozen=True)
class Inventory:
    """The machines of a cluster."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True)
class Chunk:
    """A piece of a log. next_offset is where to read on; is_end when there is no more yet."""

    data: bytes
    next_offset: int
    is_end: bool


class Scheduler(Protocol):
    """A batch system.

    Every method may raise SchedulerDown. A key names a job for ever: small letters, digits and
    hyphens, at most 64 long.
    """

    def submit(self, spec: JobSpec, *, key: str, run_dir: Path) -> Accepted | Rejected | Unknown:
        """Put a job in the queue, to run spec.command in run_dir with its output in run_dir/logs.

        Raises SchedulerDown only where it is certain that the job was not taken.
        """

    def find(self, key: str, *, since_s: int) -> list[Sight]:
        """Return the jobs of this key submitted since then, oldest first, ended ones too.

        Raises SchedulerDown unless every place a job can be in was looked at.
        """

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End jobs. Ended and unknown ones are passed over in silence."""

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:
        """Return what is known of jobs given as (native_id, key), in at most two calls."""

    def usage(self, *, since_s: int) -> UsagePage:
        """Return what was used by jobs that ended at or after since_s. Rows may come again."""

    def inventory(self) -> Inventory:
        """Return the machines."""

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return at most limit bytes of a job's stdout or stderr from offset on."""
