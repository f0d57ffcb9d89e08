"""Real processes on this machine, with slots for cores, GPUs and memory: the embedded default.

There is no daemon. The queue is an SQLite file; whoever calls takes a lock, notes what ended,
starts what fits, first come first served, and goes on. Each running job has a parent of its own
(supervisor.py) that outlives the caller.
"""

import contextlib
import fcntl
import getpass
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uzina.compute.adapters import run_directory, supervisor
from uzina.compute.adapters.arrays import together
from uzina.compute.ports import (
    Accepted,
    Chunk,
    Effort,
    Health,
    Inventory,
    Node,
    PartitionSeen,
    QueueSeen,
    Rejected,
    SchedulerDown,
    Snapshot,
    UsagePage,
    UsageRow,
)
from uzina.compute.rules import AccountSeen, AccountStep, JobSpec, JobState, Sight, read_array

SCHEMA = """
    CREATE TABLE IF NOT EXISTS job (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL,
        array INTEGER,
        task INTEGER NOT NULL DEFAULT -1,
        at_once INTEGER NOT NULL DEFAULT 0,
        name TEXT NOT NULL,
        argv TEXT NOT NULL,
        environment TEXT NOT NULL,
        run_dir TEXT NOT NULL,
        cpus INTEGER NOT NULL,
        memory_mb INTEGER NOT NULL,
        gpus INTEGER NOT NULL,
        time_limit_s INTEGER NOT NULL,
        state TEXT NOT NULL,
        reason TEXT NOT NULL,
        slots TEXT NOT NULL DEFAULT '',
        submitted_s INTEGER NOT NULL,
        started_s INTEGER,
        ended_s INTEGER,
        exit_code INTEGER,
        UNIQUE (key, task)
    );
    CREATE INDEX IF NOT EXISTS job_of_array ON job (array) WHERE array IS NOT NULL;
    CREATE INDEX IF NOT EXISTS job_open ON job (id) WHERE state IN ('queued', 'running');
    CREATE INDEX IF NOT EXISTS job_ended ON job (ended_s);
"""
PARTITION = "local"
GRACE_S = 5.0
"""Between TERM and KILL when a job is ended. Slurm's KillWait is 30 s by default."""


class LocalScheduler:
    """The Scheduler port over processes of this machine.

    folder            the queue and one folder a job; short-lived callers may share it
    cpus, gpus        slots; declared, not probed, as a laptop may pretend
    memory_mb         what all running jobs may ask for together
    """

    has_accounts = False

    def __init__(
        self, *, folder: Path, cpus: int, gpus: int, memory_mb: int, grace_s: float = GRACE_S
    ) -> None:
        self.folder = folder
        self.cpus, self.gpus, self.memory_mb = cpus, gpus, memory_mb
        self.grace_s = grace_s

    def health(self) -> Health:
        """Return whether the queue can be used. Slots keep budgets true: there is no finding."""
        try:
            with self._locked():
                is_up = True
        except SchedulerDown:
            is_up = False
        return Health(
            is_controller_up=is_up,
            is_accounting_up=is_up,
            version="local",
            skew_s=0.0,
            findings=(),
        )

    def lay(self, run_dir: Path, files: Mapping[str, str], *, user: str) -> None:  # noqa: ARG002
        """Make the run directory. Every job runs as the factory's own user here."""
        run_directory.make(run_dir, files)

    def submit(
        self,
        spec: JobSpec,
        *,
        key: str,
        run_dir: Path,
        user: str,  # noqa: ARG002
        account: str,  # noqa: ARG002
    ) -> Accepted | Rejected:
        """Queue a job; the same key gives the same job. Starts it at once where it fits."""
        with self._locked() as queue:
            first = "SELECT * FROM job WHERE key = ? ORDER BY id LIMIT 1"
            known = queue.execute(first, [key]).fetchone()
            if known is None:
                too_big = self._too_big(spec)
                if too_big:
                    return Rejected(too_big)
                _enqueue(queue, spec, key=key, run_dir=run_dir)
                known = queue.execute(first, [key]).fetchone()
                self._advance(queue)
            return Accepted(str(known["id"]), known["submitted_s"])

    def find(self, key: str, *, since_s: int) -> list[Sight]:  # noqa: ARG002
        """Return the job of this key: one at most, whenever it was submitted."""
        with self._locked() as queue:
            self._advance(queue)
            rows = queue.execute("SELECT * FROM job WHERE key = ?", [key])
            return together(_sight(row) for row in rows)

    def cancel(self, native_ids: Sequence[str]) -> None:
        """Take waiting jobs from the queue and have running ones ended by their supervisors."""
        with self._locked() as queue:
            self._advance(queue)
            for row in self._rows(queue, native_ids):
                if row["state"] == JobState.QUEUED:
                    now_s = int(time.time())
                    _end(queue, row, state="cancelled", reason="Cancelled", ended_s=now_s)
                elif row["state"] == JobState.RUNNING:
                    (self._job_folder(row["id"]) / "cancel").touch()

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:  # noqa: ARG002
        """Return what is known of the jobs. Ids are never reused here."""
        with self._locked() as queue:
            self._advance(queue)
            keys = dict(jobs)
            rows = self._rows(queue, list(keys))
            ours = (row for row in rows if row["key"] == keys.get(str(row["array"] or row["id"])))
            return Snapshot(tuple(together(map(_sight, ours))), is_complete=True)

    def usage(self, *, since_s: int, until_s: int | None = None) -> UsagePage:  # noqa: ARG002
        """Return rows of the jobs that ended since then. Lost jobs have no measured end: none."""
        with self._locked() as queue:
            self._advance(queue)
            rows = queue.execute(
                "SELECT * FROM job WHERE ended_s >= ? AND state != 'lost' ORDER BY ended_s, id",
                [since_s],
            ).fetchall()
        usage = tuple(_usage(row) for row in rows)
        return UsagePage(usage, max([since_s, *(row.ended_s for row in usage)]))

    def efforts(self, native_ids: Sequence[str]) -> Mapping[str, Effort]:
        """Return what their supervisors measured of ended jobs."""
        found = {}
        with self._locked() as queue:
            rows = self._rows(queue, [one.partition("_")[0] for one in native_ids])
        for row in rows:
            ended = _record(self._job_folder(row["id"]) / "ended.json")
            if _native_id(row) in native_ids and "cpu_s" in ended:
                effort = Effort(ended["cpu_s"], ended["max_rss_mb"], None)
                found[_native_id(row)] = effort
        return found

    def inventory(self) -> Inventory:
        """Return this machine with its slots."""
        with self._locked() as queue:
            self._advance(queue)
            running = queue.execute("SELECT * FROM job WHERE state = 'running'").fetchall()
            waiting = queue.execute("SELECT gpus FROM job WHERE state = 'queued'").fetchall()
        node = Node(
            name=os.uname().nodename,
            partition=PARTITION,
            state="idle" if not running else "mixed",
            cpus=self.cpus,
            cpus_used=sum(row["cpus"] for row in running),
            memory_mb=self.memory_mb,
            gpus=self.gpus,
            gpus_used=sum(row["gpus"] for row in running),
        )
        partition = PartitionSeen(
            name=PARTITION,
            is_up=True,
            is_default=True,
            max_time_s=None,
            default_time_s=None,
            billing={},
        )
        queued = QueueSeen(
            partition=PARTITION,
            jobs_running=len(running),
            jobs_waiting=len(waiting),
            gpus_wanted=sum(row["gpus"] for row in waiting),
        )
        return Inventory((node,), (partition,), (queued,))

    def jobs_of_account(self, account: str) -> tuple[str, ...]:  # noqa: ARG002 - it has no accounts
        """Return nothing: this machine has no accounts."""
        return ()

    def limits(self) -> tuple[AccountSeen, ...]:
        """Return nothing: there are no accounts here."""
        return ()

    def apply(self, steps: Sequence[AccountStep]) -> tuple[str, ...]:
        """Refuse every change: there are no accounts here."""
        return tuple(f"{step.verb} {step.account}: there are no accounts here." for step in steps)

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return a piece of a log in the run directory."""
        return run_directory.chunk(run_dir, f"logs/{stream}.log", offset=offset, limit=limit)

    # --- the queue ---

    @contextmanager
    def _locked(self) -> Iterator[sqlite3.Connection]:
        """Hold the scheduler's lock and a transaction on its queue."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (self.folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                queue = sqlite3.connect(self.folder / "queue.sqlite3", isolation_level=None)
                with contextlib.closing(queue):
                    queue.row_factory = sqlite3.Row
                    queue.execute("PRAGMA journal_mode = WAL")
                    queue.executescript(SCHEMA)
                    yield queue
        except (OSError, sqlite3.OperationalError) as error:
            msg = f"The folder {self.folder} cannot be used: {error}"
            raise SchedulerDown(msg) from error

    def _rows(self, queue: sqlite3.Connection, native_ids: Sequence[str]) -> list[sqlite3.Row]:
        """Return the jobs of these ids: of an array's, all its tasks."""
        ids = json.dumps([int(one) for one in native_ids if one.isdigit()])
        return queue.execute(
            "SELECT * FROM job WHERE id IN (SELECT value FROM json_each(?1))"
            " OR array IN (SELECT value FROM json_each(?1)) ORDER BY id",
            [ids],
        ).fetchall()

    def _too_big(self, spec: JobSpec) -> str:
        """Return why the job can never run here, "" when it can."""
        if spec.nodes > 1:
            return f"This machine is one node; the job asks for {spec.nodes}."
        asked = {"cores": spec.cpus, "GPUs": spec.gpus, "MB of memory": spec.memory_mb}
        has = {"cores": self.cpus, "GPUs": self.gpus, "MB of memory": self.memory_mb}
        return " ".join(
            f"This machine has {has[name]} {name}; the job asks for {asked[name]}."
            for name in asked
            if asked[name] > has[name]
        )

    def _advance(self, queue: sqlite3.Connection) -> None:
        """Note what ended, start what fits. First come, first served: who waits, waits in turn."""
        for row in queue.execute("SELECT * FROM job WHERE state = 'running'").fetchall():
            self._note_progress(queue, row)
        running = Counter(
            array for [array] in queue.execute("SELECT array FROM job WHERE state = 'running'")
        )
        for row in queue.execute("SELECT * FROM job WHERE state = 'queued' ORDER BY id").fetchall():
            if row["at_once"] and running[row["array"]] >= row["at_once"]:
                self._hold_back(queue, row)
                continue
            slots = self._free_slots(queue, row)
            if slots is None:
                self._say_why(queue, row)
                return
            queue.execute(
                "UPDATE job SET state = 'running', reason = 'None', slots = ? WHERE id = ?",
                [",".join(map(str, slots)), row["id"]],
            )
            running[row["array"]] += 1
            # Committed first: whoever comes after a crash sees that it may have been started,
            # and the supervisor's lock tells whether it was.
            self._launch(queue, row["id"])

    def _hold_back(self, queue: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Say of a task that as many of its array run as may run at once."""
        if row["reason"] != "JobArrayTaskLimit":
            queue.execute("UPDATE job SET reason = 'JobArrayTaskLimit' WHERE id = ?", [row["id"]])

    def _free_slots(self, queue: sqlite3.Connection, row: sqlite3.Row) -> list[int] | None:
        """Return the GPU slots for a job, None when something it asks for is not free."""
        running = queue.execute("SELECT * FROM job WHERE state = 'running'").fetchall()
        taken = {slot for one in running for slot in one["slots"].split(",") if slot}
        free = [slot for slot in range(self.gpus) if str(slot) not in taken]
        is_room = (
            row["cpus"] <= self.cpus - sum(one["cpus"] for one in running)
            and row["memory_mb"] <= self.memory_mb - sum(one["memory_mb"] for one in running)
            and row["gpus"] <= len(free)
        )
        return free[: row["gpus"]] if is_room else None

    def _say_why(self, queue: sqlite3.Connection, head: sqlite3.Row) -> None:
        queue.execute(
            "UPDATE job SET reason = CASE id WHEN ? THEN 'Resources' ELSE 'Priority' END"
            " WHERE state = 'queued'",
            [head["id"]],
        )

    # --- one job ---

    def _job_folder(self, number: int) -> Path:
        return self.folder / "jobs" / str(number)

    def _launch(self, queue: sqlite3.Connection, number: int) -> None:
        """Start the supervisor of a job whose row says running. Starting twice does no harm."""
        row = queue.execute("SELECT * FROM job WHERE id = ?", [number]).fetchone()
        folder = self._job_folder(number)
        folder.mkdir(parents=True, exist_ok=True)
        run_dir = Path(row["run_dir"])
        (run_dir / "logs").mkdir(parents=True, exist_ok=True)
        job = {
            "argv": json.loads(row["argv"]),
            "environment": environment(row, run_dir),
            "folder": str(run_dir),
            "time_limit_s": row["time_limit_s"],
            "memory_mb": row["memory_mb"],
            "grace_s": self.grace_s,
            "logs": "" if row["array"] is None else f"-{row['task']}",
        }
        (folder / "job.json").write_text(json.dumps(job))
        subprocess.run(
            [sys.executable, "-I", "-S", supervisor.__file__, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            timeout=60,
            check=False,
        )
        self._note_progress(queue, row, may_launch=False)

    def _note_progress(
        self, queue: sqlite3.Connection, row: sqlite3.Row, *, may_launch: bool = True
    ) -> None:
        """Bring the row of a running job in step with what its supervisor wrote."""
        folder = self._job_folder(row["id"])
        is_supervised = _is_held(folder / "lock")
        ended, started = _record(folder / "ended.json"), _record(folder / "started.json")
        if started and row["started_s"] is None:
            queue.execute("UPDATE job SET started_s = ? WHERE id = ?", [started["at"], row["id"]])
        if ended:
            _end(
                queue, row, state=ended["state"], reason=ended["reason"], ended_s=ended["at"],
                exit_code=ended["exit_code"],
            )  # fmt: skip
        elif started and not is_supervised:
            # No end was written and nobody is left to write one: the machine or the supervisor
            # died. Absent is not finished, and its hours were not measured.
            end_leftovers(row["key"], task=row["task"])
            _end(queue, row, state="lost", reason="Rebooted", ended_s=int(time.time()))
        elif not started and not is_supervised and may_launch:
            self._launch(queue, row["id"])


def environment(row: Mapping[str, Any] | sqlite3.Row, run_dir: Path) -> dict[str, str]:
    """Return all that a job finds in its environment; nothing of the worker's own leaks in."""
    return {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "HOME": str(run_dir),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(row["cpus"]),
        **json.loads(row["environment"]),
        "CUDA_VISIBLE_DEVICES": row["slots"],
        "UZINA_RUN_DIR": str(run_dir),
        "UZINA_JOB_KEY": row["key"],
        **(_task(row) if row["array"] is not None else {}),
    }


def _task(row: Mapping[str, Any] | sqlite3.Row) -> dict[str, str]:
    number, array = str(row["task"]), str(row["array"])
    return {
        "UZINA_TASK_ID": number,
        "SLURM_ARRAY_TASK_ID": number,
        "SLURM_ARRAY_JOB_ID": array,
    }


def end_leftovers(key: str, *, task: int = -1) -> None:
    """Kill what is left of a job whose supervisor is gone: whoever carries its key."""
    marks = {f"UZINA_JOB_KEY={key}".encode()}
    if task >= 0:
        marks.add(f"SLURM_ARRAY_TASK_ID={task}".encode())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if marks <= set((entry / "environ").read_bytes().split(b"\0")):
                    os.kill(int(entry.name), signal.SIGKILL)


def _is_held(path: Path) -> bool:
    """Tell whether a supervisor lives: it holds the lock until its last breath."""
    try:
        with path.open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _record(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text())  # type: ignore[no-any-return]
    except FileNotFoundError:
        return {}


def _end(
    queue: sqlite3.Connection,
    row: sqlite3.Row,
    *,
    state: str,
    reason: str,
    ended_s: int,
    exit_code: int | None = None,
) -> None:
    queue.execute(
        "UPDATE job SET state = ?, reason = ?, ended_s = ?, exit_code = ?, slots = '' WHERE id = ?",
        [state, reason, ended_s, exit_code, row["id"]],
    )


def _enqueue(queue: sqlite3.Connection, spec: JobSpec, *, key: str, run_dir: Path) -> None:
    """Put a job in the queue, or all tasks of an array, in one step."""
    numbers, at_once = read_array(spec.array) if spec.array else ((-1,), 0)
    row = (
        *(key, spec.name, json.dumps(spec.command), json.dumps(dict(spec.environment))),
        *(str(run_dir), spec.cpus, spec.memory_mb, spec.gpus, spec.time_limit_s),
        *(int(time.time()), at_once),
    )
    queue.execute("BEGIN IMMEDIATE")
    queue.executemany(
        "INSERT INTO job (key, name, argv, environment, run_dir, cpus, memory_mb, gpus,"
        " time_limit_s, state, reason, submitted_s, at_once, task)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', 'None', ?, ?, ?)",
        [(*row, number) for number in numbers],
    )
    if spec.array:
        queue.execute(
            "UPDATE job SET array = (SELECT min(id) FROM job WHERE key = ?1) WHERE key = ?1", [key]
        )
    queue.execute("COMMIT")


def _native_id(row: sqlite3.Row) -> str:
    return str(row["id"]) if row["array"] is None else f"{row['array']}_{row['task']}"


def _sight(row: sqlite3.Row) -> Sight:
    return Sight(
        native_id=_native_id(row),
        key=row["key"],
        state=JobState(row["state"]),
        reason=row["reason"],
        submitted_s=row["submitted_s"],
        started_s=row["started_s"],
        ended_s=row["ended_s"],
        exit_code=row["exit_code"],
    )


def _usage(row: sqlite3.Row) -> UsageRow:
    return UsageRow(
        native_id=_native_id(row),
        key=row["key"],
        submitted_s=row["submitted_s"],
        started_s=row["started_s"],
        ended_s=row["ended_s"],
        nodes=1,
        cpus=row["cpus"],
        gpus=row["gpus"],
        memory_mb=row["memory_mb"],
        state=row["state"],
        name=row["name"],
        user=getpass.getuser(),
        partition=PARTITION,
        raw=json.dumps({name: row[name] for name in _PUBLIC}),
    )


_PUBLIC = (
    "id", "key", "state", "reason", "cpus", "memory_mb", "gpus", "time_limit_s", "submitted_s",
    "started_s", "ended_s", "exit_code",
)  # fmt: skip
