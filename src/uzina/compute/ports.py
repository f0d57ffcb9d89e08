"""What we ask of a batch system: questions and orders, answered by every adapter alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from uzina.compute.rules import AccountSeen, AccountStep, Finding, JobSpec, Sight


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


@dataclass(frozen=True, slots=True)
class UsageRow:
    """What one run of a job used. Times are whole epoch seconds; nodes, cpus, gpus and memory_mb
    are what was allocated, over all nodes.

    Identified by (native_id, submitted_s, started_s): ids are reused, runs are repeated.
    native_id   the cluster's text: "123", a task of an array "123_4", a part of a
                heterogeneous job "123+1"
    key         ours; "" for a job that was submitted past the portal
    run_id      the cluster's own number of the run, "" where it has no other than native_id: a task
                of an array is told as a job of its own for a moment, "14" before "12_1"
    started_s   None for a job that ended without having run
    suspended_s for how long it was suspended meanwhile, which is not counted
    energy_j    joules by the cluster's own counter; None where it has none
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
    name: str = ""
    account: str = ""
    user: str = ""
    partition: str = ""
    memory_mb: int = 0
    energy_j: int | None = None
    suspended_s: int = 0
    run_id: str = ""

    @property
    def elapsed_s(self) -> int:
        """Whole seconds from start to end less those suspended; 0 when it never ran."""
        if self.started_s is None:
            return 0
        return max(0, self.ended_s - self.started_s - self.suspended_s)


@dataclass(frozen=True)
class UsagePage:
    """Rows that ended at or after the asked time, and the time to ask from next."""

    rows: tuple[UsageRow, ...]
    cursor_s: int


@dataclass(frozen=True)
class Effort:
    """What the processes of a job really used: how well it used what it held.

    cpu_s       seconds of processor time; max_rss_mb the largest memory of any process tree, MiB
    """

    cpu_s: float | None
    max_rss_mb: int | None
    energy_j: int | None


@dataclass(frozen=True)
class Node:
    """One machine: what it has and what of it is in use. reason: why it takes no jobs."""

    name: str
    partition: str
    state: str
    cpus: int
    cpus_used: int
    memory_mb: int
    gpus: int
    gpus_used: int
    gpu_type: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PartitionSeen:
    """One partition and its limits. max_time_s, default_time_s: None where there is none.

    billing  the site's own weights: {"cpu": 1.0, "mem": 0.25 (a GiB), "gres/gpu": 1.0}
    """

    name: str
    is_up: bool
    is_default: bool
    max_time_s: int | None
    default_time_s: int | None
    billing: Mapping[str, float]


@dataclass(frozen=True)
class Inventory:
    """The machines of a cluster, its partitions, and its queue: jobs and GPUs by partition."""

    nodes: tuple[Node, ...]
    partitions: tuple[PartitionSeen, ...] = ()
    queue: tuple["QueueSeen", ...] = ()


@dataclass(frozen=True)
class QueueSeen:
    """How many jobs run and wait in a partition, and how many GPUs those that wait ask for."""

    partition: str
    jobs_running: int
    jobs_waiting: int
    gpus_wanted: int


@dataclass(frozen=True)
class Health:
    """Whether the parts of a batch system answer, and whether its settings keep budgets true.

    skew_s  its clock minus ours, seconds; None where it cannot be told
    """

    is_controller_up: bool
    is_accounting_up: bool
    version: str
    skew_s: float | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True)
class Chunk:
    """A piece of a log. next_offset is where to read on; is_end when there is no more yet."""

    data: bytes
    next_offset: int
    is_end: bool


class Scheduler(Protocol):
    """A batch system.

    Every method may raise SchedulerDown. A key names a job for ever: small letters, digits and
    hyphens, at most 64 long. `user` is the Unix name to act as; "" is the factory's own.
    """

    has_accounts: bool
    """Whether it knows accounts and limits at all; without, limits() is empty."""

    def health(self) -> Health:
        """Return what answers and what the preflight of the site found. Never SchedulerDown."""

    def lay(self, run_dir: Path, files: Mapping[str, str], *, user: str) -> None:
        """Make a run directory with logs/ and these files, owned by who runs the job."""

    def submit(
        self, spec: JobSpec, *, key: str, run_dir: Path, user: str, account: str
    ) -> Accepted | Rejected | Unknown:
        """Put a job in the queue, to run spec.command in run_dir with its output in run_dir/logs.

        account  what it is charged to on the cluster; "" for the configured one

        Raises SchedulerDown only where it is certain that the job was not taken.
        """

    def find(self, key: str, *, since_s: int) -> list[Sight]:
        """Return the jobs of this key submitted since then, oldest first, ended ones too.

        Raises SchedulerDown unless every place a job can be in was looked at.
        """

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End jobs, whoever owns them. Ended and unknown ones are passed over in silence."""

    def jobs_of_account(self, account: str) -> tuple[str, ...]:
        """Return the native ids of all jobs that wait or run for an account, ours or not."""

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:
        """Return what is known of jobs given as (native_id, key), in at most two calls.

        An array is one sight: waiting while none of its tasks began, running while any may run.
        """

    def usage(self, *, since_s: int, until_s: int | None = None) -> UsagePage:
        """Return what was used by all jobs of the cluster that ended in [since_s, until_s], ours or
        not; None is now. Rows may come again.
        """

    def efforts(self, native_ids: Sequence[str]) -> Mapping[str, Effort]:
        """Return what the processes of ended jobs used, of those for which it is known."""

    def inventory(self) -> Inventory:
        """Return the machines, the partitions and the queue."""

    def limits(self) -> tuple[AccountSeen, ...]:
        """Return every account below the factory's own, in a call or three however many."""

    def apply(self, steps: Sequence[AccountStep]) -> tuple[str, ...]:
        """Make changes one after another, in as few calls as can be; return what was refused.

        What the cluster says it did is not proof: read limits() again.
        """

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return at most limit bytes of a job's stdout or stderr from offset on."""
