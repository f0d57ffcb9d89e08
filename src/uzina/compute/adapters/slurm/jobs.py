"""Jobs as squeue and sacct tell of them: what to ask, and how to read the answers."""

import math
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from uzina.compute.adapters.arrays import number_of, together
from uzina.compute.adapters.commands import Ran
from uzina.compute.adapters.slurm.script import key_of
from uzina.compute.ports import Accepted, Effort, Rejected, SchedulerDown, Unknown, UsageRow
from uzina.compute.rules import ENDED, JobState, Sight

QUEUE_FIELDS = "%i|%T|%r|%V|%S|%e|%j"
RECORD_FIELDS = (
    "JobID,State,ExitCode,Submit,Start,End,ElapsedRaw,NNodes,AllocTRES,ConsumedEnergyRaw,"
    "Account,User,Partition,JobIDRaw,JobName"
)
EFFORT_FIELDS = "JobID,TotalCPU,MaxRSS,ConsumedEnergyRaw"
TERMINAL = "CA,CD,F,TO,NF,OOM,PR,BF,DL,RQ"
EVERY_STATE = f"{TERMINAL},PD,R,S"

STATES = {
    "PENDING": JobState.QUEUED,
    "REQUEUED": JobState.QUEUED,
    "REQUEUE_HOLD": JobState.QUEUED,
    "SPECIAL_EXIT": JobState.QUEUED,
    "RESV_DEL_HOLD": JobState.QUEUED,
    "CONFIGURING": JobState.RUNNING,
    "RUNNING": JobState.RUNNING,
    "SUSPENDED": JobState.RUNNING,
    "STOPPED": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "COMPLETING": JobState.RUNNING,
    "COMPLETED": JobState.DONE,
    "FAILED": JobState.FAILED,
    "TIMEOUT": JobState.FAILED,
    "OUT_OF_MEMORY": JobState.FAILED,
    "DEADLINE": JobState.FAILED,
    "BOOT_FAIL": JobState.FAILED,
    "NODE_FAIL": JobState.FAILED,
    "PREEMPTED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
}
ENDINGS = {
    "COMPLETED": "None",
    "FAILED": "NonZeroExitCode",
    "TIMEOUT": "TimeLimit",
    "OUT_OF_MEMORY": "OutOfMemory",
    "NODE_FAIL": "NodeFail",
    "BOOT_FAIL": "NodeFail",
    "PREEMPTED": "NodeFail",
    "CANCELLED": "Cancelled",
}
MEASURED = {*ENDINGS, "REQUEUED", "DEADLINE"}
"""The states of a run that is over; what it used is to be counted."""

NOT_SENT = re.compile(
    r"connect failure|Connection refused|Unable to process configuration file|cannot stat file"
    r"|could not establish a configuration source|No such file or directory: 'sbatch'",
    re.IGNORECASE,
)
AMBIGUOUS = re.compile(
    r"timed out|Zero Bytes were transmitted|Unexpected message|Communication|Transport endpoint"
    r"|Resource temporarily|temporarily unable|Protocol|Header lengths|broken pipe"
    r"|Connection reset",
    re.IGNORECASE,
)
DAY_S = 86_400
NO_VALUE = 2**62
NAMELESS, NAMELESS_S = "allocation", 600
KIB = {"": 1 / 1024, "K": 1, "M": 1024, "G": 1024**2, "T": 1024**3, "P": 1024**4}

REFUSAL = re.compile(r"error: (?:Batch job submission failed: )?(.+)")


def squeue_argv() -> list[str]:
    """Return the command that lists all jobs the controller still knows."""
    return ["squeue", "-h", "-t", "all", "-o", QUEUE_FIELDS]


def sacct_argv(*which: str) -> list[str]:
    """Return the command that lists accounting rows, one a run, repeated runs too (-D)."""
    return ["sacct", "-n", "-P", "-X", "-D", "-o", RECORD_FIELDS, *which]


def window(since_s: int, until_s: int | None, states: str) -> list[str]:
    """Return which rows to ask for: of everyone, in these states in [since_s, until_s].

    -s needs -E to be honoured. Without an end it is a day ahead: should the cluster's clock be
    ahead of ours, its last hour would be missing otherwise.
    """
    end_s = int(time.time()) + DAY_S if until_s is None else until_s
    return ["-a", "-S", f"uts{max(0, since_s)}", "-E", f"uts{end_s}", "-s", states]


def efforts_argv(native_ids: Iterable[str]) -> list[str]:
    """Return the command that lists what the steps of jobs used. Memory comes in KiB."""
    numbers = dict.fromkeys(number_of(one) for one in native_ids)
    return ["sacct", "-n", "-P", "--noconvert", "-o", EFFORT_FIELDS, "-j", ",".join(numbers)]


def read_sbatch(ran: Ran, *, now_s: int) -> Accepted | Rejected | Unknown:
    """Tell what became of a submission. Raises SchedulerDown when it never left this machine.

    Slurm prints "id" or "id;cluster"; retry warnings may stand on stderr beside it. What is
    neither an id, nor a known outage, nor a plain refusal is Unknown: the job may be queued.
    """
    if ran.code == 0 and (found := re.fullmatch(r"(\d+)(?:;\S+)?\s*", ran.stdout)):
        return Accepted(found[1], now_s)
    if ran.code is None or ran.code < 0 or AMBIGUOUS.search(ran.stderr):
        return Unknown(ran.stderr.strip()[-500:])
    if NOT_SENT.search(ran.stderr):
        raise SchedulerDown(ran.stderr.strip()[-500:])
    reasons = REFUSAL.findall(ran.stderr)
    if ran.code == 1 and reasons:
        return Rejected("; ".join(dict.fromkeys(one.strip() for one in reasons))[:500])
    return Unknown(f"sbatch ended with {ran.code}: {(ran.stderr or ran.stdout).strip()[-500:]}")


def read_squeue(text: str) -> list[Sight]:
    """Read QUEUE_FIELDS: the jobs that have a key, each task of an array by itself."""
    sights = []
    for line in text.splitlines():
        parts = line.split("|", QUEUE_FIELDS.count("|"))
        key = key_of(parts[-1])
        if len(parts) != QUEUE_FIELDS.count("|") + 1 or not key or not parts[3].isdigit():
            continue
        native_id, word, reason, submitted, started, ended, _name = parts
        state = state_of(word)
        has_begun = state is not JobState.QUEUED
        has_ended = state in ENDED
        sights.append(
            Sight(
                native_id=native_id,
                key=key,
                state=state,
                # For waiting jobs Slurm's own reason; squeue's %S of those is only a forecast.
                reason=ENDINGS.get(word, reason) if has_ended else reason,
                submitted_s=int(submitted),
                started_s=_number(started) if has_begun else None,
                ended_s=_number(ended) if has_ended else None,
                exit_code=None,
                expected_s=None if has_begun else _number(started),
            )
        )
    return sights


def state_of(word: str) -> JobState:
    """Return our state for Slurm's. A word we do not know is taken for running: absent or strange
    is not finished.
    """
    return STATES.get(word, JobState.RUNNING)


def read_usage(text: str) -> Iterator[UsageRow]:
    """Read RECORD_FIELDS: the measurements."""
    return (row for row, _sight in read_records(text, with_sights=False) if row)


def read_records(
    text: str, *, with_sights: bool = True
) -> Iterator[tuple[UsageRow | None, Sight | None]]:
    """Read RECORD_FIELDS: the measurement if there is one, and the sight of a job that has a key.

    Lines that are no row are passed over.
    """
    bars = RECORD_FIELDS.count(",")
    for line in text.splitlines():
        parts = line.split("|", bars)
        if len(parts) != bars + 1 or not parts[3].isdigit():
            continue
        native_id, words, code, submitted, started, ended, elapsed, nodes, tres, energy = parts[:10]
        account, user, partition, run_id, name = parts[10:]
        word, key = words.partition(" ")[0], key_of(name)
        allocated = _tres(tres)
        start_s, end_s = _number(started), _number(ended)
        if not allocated.is_any:
            start_s = None  # refused or cancelled while it waited: sacct may repeat the submit time
        sight = None
        if key and with_sights:
            sight = Sight(
                native_id=native_id,
                key=key,
                state=state_of(word),
                reason=ENDINGS.get(word, word),
                submitted_s=int(submitted),
                started_s=start_s,
                ended_s=end_s,
                exit_code=_exit_code(code) if end_s is not None else None,
            )
        row = None
        if end_s is not None and word in MEASURED:
            row = UsageRow(
                native_id=native_id,
                key=key,
                submitted_s=int(submitted),
                started_s=start_s,
                ended_s=end_s,
                suspended_s=_suspended_s(start_s, end_s, _number(elapsed)),
                nodes=_number(nodes) or 0,
                cpus=allocated.cpus,
                gpus=allocated.gpus,
                memory_mb=allocated.memory_mb,
                energy_j=_number(energy) or None,
                state=word,
                raw=line,
                name=name,
                account=account,
                user=user,
                partition=partition,
                run_id=run_id,
            )
        yield row, sight


def is_told(row: UsageRow) -> bool:
    """Tell whether accounting knows all of a run by now.

    The end of a short job may reach it before the beginning: for a moment its record has an end
    and a name that slurmdbd made up, whoever named it what, and so no key (seen on 22.05). Such
    a row is left for the next look; a job that really has this name comes ten minutes late.
    """
    return row.name != NAMELESS or row.ended_s < time.time() - NAMELESS_S


def _suspended_s(started_s: int | None, ended_s: int, elapsed_s: int | None) -> int:
    """Return for how long a run was suspended: what Slurm's elapsed time leaves out."""
    if started_s is None or elapsed_s is None:
        return 0
    return max(0, ended_s - started_s - elapsed_s)


def agree(queued: Iterable[Sight], recorded: Iterable[Sight]) -> list[Sight]:
    """Merge what the controller and the accounting say of jobs, an array or a heterogeneous job
    as one.

    The controller knows first what waits and runs; only accounting ends a job, because it has
    the times and the exit code. It may be a moment late, or away: until then an ended job counts
    as running. Of a job that ran several times the last run counts.
    """
    last: dict[tuple[str, str], Sight] = {}
    for sight in sorted(recorded, key=lambda one: (one.submitted_s, one.started_s or 0)):
        last[_identity(sight)] = sight
    merged = dict(last)
    for sight in queued:
        known = last.get(_identity(sight))
        if sight.state not in ENDED:
            merged[_identity(sight)] = sight
        elif known is None or known.state not in ENDED or known.ended_s is None:
            begun = JobState.QUEUED if sight.started_s is None else JobState.RUNNING
            waits = replace(sight, state=begun, reason="Unmeasured", ended_s=None)
            merged[_identity(sight)] = waits
    return together(merged.values())


def _identity(sight: Sight) -> tuple[str, str]:
    """Return what tells runs apart. The tasks of an array that have not begun are one row, whose
    list of numbers grows shorter: "7_[3-5%2]", "7_[5%2]".
    """
    return sight.key, sight.native_id.partition("[")[0]


def read_efforts(text: str, native_ids: Iterable[str]) -> dict[str, Effort]:
    """Read EFFORT_FIELDS of the steps of jobs, each job's added up under the id it was asked by.

    An array asked for as a whole is the sum of its tasks; its memory that of the largest.
    """
    asked = set(native_ids)
    cpu_s: dict[str, float] = {}
    most_kb: dict[str, int] = {}
    energy_j: dict[str, int] = {}
    for line in text.splitlines():
        step, cpu, memory, energy = (*line.split("|"), "", "", "", "")[:4]
        run, dot, _name = step.partition(".")
        if not dot:
            continue  # the sum over the steps, which lacks their memory
        for one in asked & {run, number_of(run)}:
            cpu_s[one] = cpu_s.get(one, 0.0) + (_seconds(cpu) or 0.0)
            if (used := _kibibytes(memory)) is not None:
                most_kb[one] = max(most_kb.get(one, 0), used)
            if joules := _number(energy):
                energy_j[one] = energy_j.get(one, 0) + joules
    return {
        one: Effort(
            cpu_s=round(cpu_s[one], 3),
            max_rss_mb=-(-most_kb[one] // 1024) if one in most_kb else None,
            energy_j=energy_j.get(one),
        )
        for one in cpu_s
    }


def _number(text: str) -> int | None:
    """Read a count; "Unknown", "N/A" and Slurm's marks for no value (above 2^62) are None."""
    if not text.isdigit():
        return None
    number = int(text)
    return number if number < NO_VALUE else None


def _seconds(text: str) -> float | None:
    """Read "[days-[hours:]]minutes:seconds[.thousandths]"."""
    found = re.fullmatch(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+(?:\.\d+)?)", text)
    if not found:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _kibibytes(text: str) -> int | None:
    """Read a size of sacct --noconvert: bytes, or with a letter."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGT]?)", text)
    return None if not found else math.ceil(float(found[1]) * KIB[found[2]])


def _exit_code(text: str) -> int | None:
    """Read Slurm's "code:signal" as a shell would show it."""
    code, _colon, number = text.partition(":")
    if not (code.isdigit() and number.isdigit()):
        return None
    return int(code) if number == "0" else 128 + int(number)


class _Allocated(NamedTuple):
    """What a run was given, over all nodes. is_any: whether it was given anything at all."""

    is_any: bool
    cpus: int
    gpus: int
    memory_mb: int


@lru_cache(maxsize=4096)
def _tres(text: str) -> _Allocated:
    """Read "cpu=2,gres/gpu=1,mem=4000M". Most runs of a cluster have one of a few shapes."""
    found = {}
    for name, _equals, value in (part.partition("=") for part in text.split(",")):
        if name == "mem":
            found[name] = _mebibytes(value)
        elif value.isdigit():
            found[name] = int(value)
    return _Allocated(
        bool(found), found.get("cpu", 0), found.get("gres/gpu", 0), found.get("mem", 0)
    )


def _mebibytes(text: str) -> int:
    """Read Slurm's "100M", "2G", "1.50T"; without a letter it is MiB."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)", text)
    if not found:
        return 0
    return int(float(found[1]) * KIB[found[2] or "M"] / 1024)
