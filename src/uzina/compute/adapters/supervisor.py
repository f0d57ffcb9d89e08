"""The parent of one local job: starts it, keeps its limits, writes down when it began and ended.

Run as `python -I -S supervisor.py FOLDER`, standard library only. FOLDER/job.json says what to
run. It leaves the caller's session, so it outlives the worker that started it, and holds a lock
on FOLDER/lock for as long as it lives: whoever can take that lock knows it is gone. It writes

    started.json   {"pid", "at"}                                   when the job runs
    ended.json     {"started_at", "at", "state", "reason", "exit_code", "cpu_s", "max_rss_mb"}
                                                                   when nothing of it is left

each whole or not at all. A file FOLDER/cancel makes it end the job. Times are whole epoch seconds.
"""

# Importing pathlib would double the time a job takes to start.
# ruff: noqa: PTH105, PTH110, PTH118, PTH123, PTH208

import contextlib
import ctypes
import fcntl
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
TICK_S = 0.1
MEMORY_TICKS = 10
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


def main(folder: str) -> int:
    """Detach, then supervise. The caller gets its exit status once started.json is there."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(writing)
        return 0 if os.read(reading, 1) else 1
    os.close(reading)
    os.setsid()
    lock = os.open(os.path.join(folder, "lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.write(writing, b"+")  # another supervisor has this job
        return 0
    if os.path.exists(os.path.join(folder, "started.json")):
        os.write(writing, b"+")
        return 0
    supervise(folder, writing)
    return 0


def supervise(folder: str, ready: int) -> None:
    """Run the job of a folder to its end."""
    with open(os.path.join(folder, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    silence()
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP})
    started_at = int(time.time())
    began = time.monotonic()
    pid = spawn(job)
    write(folder, "started.json", {"pid": pid, "at": started_at})
    os.write(ready, b"+")
    os.close(ready)

    most_kb = [0]
    status, reason = watch(folder, job, pid, began, most_kb)
    clear(pid, grace_s=job["grace_s"] if reason else min(2.0, job["grace_s"]))
    if status is None:
        status = reap(pid)
    write(folder, "ended.json", outcome(status, reason, started_at) | effort(most_kb[0]))


def outcome(status: int | None, reason: str, started_at: int) -> dict[str, Any]:
    """Return the record of the end from the wait status and why we ended it, if we did."""
    code = None if status is None else os.waitstatus_to_exitcode(status)
    if code is not None and code < 0:
        code = 128 - code
    if reason:
        state = "cancelled" if reason == "Cancelled" else "failed"
    else:
        state, reason = ("done", "None") if code == 0 else ("failed", "NonZeroExitCode")
    return {
        "started_at": started_at,
        "at": max(started_at, int(time.time())),
        "state": state,
        "reason": reason,
        "exit_code": code,
    }


def effort(most_kb: int) -> dict[str, Any]:
    """Return what the ended processes used. We are the subreaper, so none of them is forgotten.

    most_kb  the most memory seen of all at one time; of a job too short to be looked at, that of
             its largest process
    """
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "max_rss_mb": -(-max(most_kb, used.ru_maxrss) // 1024),
    }


def spawn(job: dict[str, Any]) -> int:
    """Start the job as the leader of a session of its own and return its process id."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.chdir(job["folder"])
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
        for number, stream in ((1, "stdout"), (2, "stderr")):
            path = os.path.join("logs", f"{stream}{job['logs']}.log")
            os.dup2(os.open(path, flags, 0o644), number)
        os.execvpe(job["argv"][0], job["argv"], job["environment"])  # noqa: S606 - the job itself
    except OSError as error:
        with contextlib.suppress(OSError):
            os.write(2, f"{job['argv'][0]}: {error.strerror}\n".encode())
    os._exit(127)


def watch(
    folder: str, job: dict[str, Any], pid: int, began: float, most_kb: list[int]
) -> tuple[int | None, str]:
    """Wait for the end of the job, or for a reason to end it. most_kb[0]: memory seen in use."""
    cancel = os.path.join(folder, "cancel")
    ticks = 0
    while True:
        signal.sigtimedwait({signal.SIGCHLD}, TICK_S)
        status = reap(pid)
        if status is not None:
            return status, ""
        ticks += 1
        if os.path.exists(cancel):
            return None, "Cancelled"
        if time.monotonic() - began >= job["time_limit_s"]:
            return None, "TimeLimit"
        if ticks % MEMORY_TICKS == 0:
            most_kb[0] = max(most_kb[0], memory_kb(pid))
            if most_kb[0] > job["memory_mb"] * 1024:
                return None, "OutOfMemory"


_statuses: dict[int, int] = {}


def reap(pid: int) -> int | None:
    """Collect every ended child and return the wait status of this one once it is there."""
    with contextlib.suppress(ChildProcessError):
        while True:
            ended, status = os.waitpid(-1, os.WNOHANG)
            if not ended:
                break
            if ended == pid:
                _statuses[pid] = status
    return _statuses.get(pid)


def clear(pid: int, *, grace_s: float) -> None:
    """End every process of the job: TERM, then after grace_s KILL, until none is left."""
    until = time.monotonic() + grace_s
    for one in family(pid):
        send(one, signal.SIGTERM)
    while True:
        reap(pid)
        left = list(family(pid))
        if not left:
            return
        if time.monotonic() >= until:
            for one in left:
                send(one, signal.SIGKILL)
        time.sleep(0.02)


def send(pid: int, number: int) -> None:
    """Signal a process that may be gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def family(pid: int) -> Iterator[int]:
    """Yield the job's living processes: its session, and all that descend from this process.

    Orphans of the job become our children (we are the subreaper), so a process that left the
    session, as `setsid` and `nohup` make them, is found too.
    """
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with (
                contextlib.suppress(OSError, ValueError, IndexError),
                open(f"/proc/{name}/stat", "rb") as file,
            ):
                words = file.read().rpartition(b")")[2].split()
                if words[0] not in {b"Z", b"X"}:
                    parents[int(name)], sessions[int(name)] = int(words[1]), int(words[3])
    me = os.getpid()
    for one, session in sessions.items():
        above, steps = parents[one], 0
        while above in parents and above != me and steps < 1000:
            above, steps = parents[above], steps + 1
        if session == pid or above == me:
            yield one


def memory_kb(pid: int) -> int:
    """Return the resident memory of the job; shared pages count once where it matters."""
    members = list(family(pid))
    resident = 0
    for one in members:
        with contextlib.suppress(OSError), open(f"/proc/{one}/statm", "rb") as file:
            resident += int(file.read().split()[1]) * PAGE_KB
    if len(members) == 1:
        return resident
    shared_once = 0
    for one in members:
        with contextlib.suppress(OSError), open(f"/proc/{one}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    shared_once += int(line.split()[1])
    return min(resident, shared_once) if shared_once else resident


def write(folder: str, name: str, record: dict[str, Any]) -> None:
    """Write a record whole or not at all; on a full disk, try again until there is room."""
    path = os.path.join(folder, name)
    while True:
        try:
            with open(path + ".part", "w", encoding="utf-8") as file:
                json.dump(record, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(path + ".part", path)
        except OSError:
            time.sleep(1)
        else:
            return


def silence() -> None:
    """Let go of the caller's terminal and pipes, so that nobody waits for them to close."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
