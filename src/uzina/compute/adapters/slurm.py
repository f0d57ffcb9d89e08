"""Slurm by its command line: the same code reads 22.05 and 24.11.

Every command is built by one pure function and read by another; only CommandRunner touches the
world. Measured behaviour this rests on (docs/decisions/0004): a hung controller makes sbatch fail
after 10 s although the job runs; a job can be in the queue and not in accounting, or the other
way round; a row without a numeric End is no measurement; ids start again at 1 after a loss of the
controller's state, so a job is known by its key, which is the last part of its name.
"""

import getpass
import re
import shlex
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from uzina.compute.adapters import run_directory
from uzina.compute.adapters.commands import CommandRunner, LocalCommands, Ran, client_environment
from uzina.compute.ports import (
    Accepted,
    Chunk,
    Inventory,
    Node,
    Rejected,
    SchedulerDown,
    SchedulerRefused,
    Snapshot,
    Unknown,
    UsagePage,
    UsageRow,
)
from uzina.compute.rules import ENDED, JobSpec, JobState, Sight

QUEUE_FIELDS = "%i|%T|%r|%V|%S|%e|%j"
RECORD_FIELDS = "JobID,State,ExitCode,Submit,Start,End,ElapsedRaw,NNodes,NCPUS,AllocTRES,JobName"
TERMINAL = "CA,CD,F,TO,NF,OOM,PR,BF,DL,RQ"
EVERY_STATE = f"{TERMINAL},PD,R,S"
NODE_FIELDS = (
    ("NodeList", 80),
    ("PartitionName", 40),
    ("StateLong", 30),
    ("CPUsState", 30),
    ("Memory", 20),
    ("Gres", 120),
    ("GresUsed", 120),
)

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
REFUSAL = re.compile(r"error: (?:Batch job submission failed: )?(.+)")
KEY = re.compile(r"[a-z0-9-]{1,64}")


# --- build --------------------------------------------------------------------------------------


def job_name(spec: JobSpec, key: str) -> str:
    """Return a readable name that ends in the key: "train-a-model.job-7q3k2m-1f0c9a"."""
    slug = re.sub(r"[^a-z0-9]+", "-", spec.name.lower()).strip("-")[:40]
    return f"{slug or 'job'}.{key}"


def sbatch_argv(
    spec: JobSpec, *, key: str, run_dir: Path, account: str, partition: str
) -> list[str]:
    """Return the command that queues a job whose script comes on standard input."""
    folder = str(run_dir).replace("%", "%%")
    return [
        "sbatch",
        "--parsable",
        f"--job-name={job_name(spec, key)}",
        f"--comment={key}",
        *([f"--account={account}"] if account else []),
        *([f"--partition={partition}"] if partition else []),
        f"--nodes={spec.nodes}",
        "--ntasks-per-node=1",
        f"--cpus-per-task={spec.cpus}",
        f"--mem={spec.memory_mb}M",
        *([f"--gpus-per-node={spec.gpus}"] if spec.gpus else []),
        f"--time={-(-spec.time_limit_s // 60)}",
        f"--chdir={run_dir}",
        f"--output={folder}/logs/stdout.log",
        f"--error={folder}/logs/stderr.log",
        "--open-mode=append",
        "--no-requeue",
    ]


def batch_script(spec: JobSpec, *, key: str, run_dir: Path) -> str:
    """Return the script Slurm runs.

    Slurm rounds time limits up to minutes and looks every 30 s; `timeout` keeps them to the
    second. The hidden folder named by the key belongs to the first Slurm job of this key: were one
    ever handed over twice, the second does nothing.
    """
    settings = {
        "HOME": str(run_dir),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(spec.cpus),
        **spec.environment,
        "UZINA_RUN_DIR": str(run_dir),
        "UZINA_JOB_KEY": key,
    }
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in settings.items())
    return f"""#!/bin/bash
unset SLURM_TIME_FORMAT
if ! mkdir .{key} 2>/dev/null && [ "$(cat .{key}/job 2>/dev/null)" != "$SLURM_JOB_ID" ]; then
  echo "This job was handed over twice. Slurm job $(cat .{key}/job) runs it." >&2
  exit 0
fi
echo "$SLURM_JOB_ID" >.{key}/job
{exports}
exec timeout --kill-after=10 {spec.time_limit_s} {shlex.join(spec.command)}
"""


def squeue_argv(account: str) -> list[str]:
    """Return the command that lists our account's jobs the controller still knows."""
    return ["squeue", "-h", "-t", "all", *_whose(account), "-o", QUEUE_FIELDS]


def sacct_argv(*which: str) -> list[str]:
    """Return the command that lists accounting rows, one a run, repeated runs too (-D)."""
    return ["sacct", "-n", "-P", "-X", "-D", "-o", RECORD_FIELDS, *which]


def sacct_window(account: str, since_s: int, states: str) -> list[str]:
    """Return which rows to ask for: of our account since a time. -s needs -E to be honoured."""
    return [*_whose(account), "-S", f"uts{max(0, since_s)}", "-E", "now", "-s", states]


def _whose(account: str) -> list[str]:
    return ["-A", account] if account else ["-u", getpass.getuser()]


def sinfo_argv() -> list[str]:
    """Return the command that lists nodes, in columns wide enough to be cut by position."""
    columns = ",".join(f"{name}:{width}" for name, width in NODE_FIELDS)
    return ["sinfo", "-h", "-N", "-O", columns]


# --- read ---------------------------------------------------------------------------------------


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
    """Read QUEUE_FIELDS. Lines that are no row of ours are passed over."""
    sights = []
    for line in text.splitlines():
        parts = line.split("|", 6)
        key = key_of(parts[-1])
        if len(parts) != 7 or not key or not parts[3].isdigit():
            continue
        native_id, word, reason, submitted, started, ended, _name = parts
        state = STATES.get(word)
        if state is None:
            continue
        has_begun = state is not JobState.QUEUED
        has_ended = has_begun and state is not JobState.RUNNING
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
            )
        )
    return sights


def read_records(text: str) -> Iterator[tuple[str, UsageRow | None, Sight]]:
    """Read RECORD_FIELDS: the state's word, the measurement if there is one, and the sight."""
    for line in text.splitlines():
        parts = line.split("|", 10)
        key = key_of(parts[-1])
        if len(parts) != 11 or not key or not parts[3].isdigit():
            continue
        native_id, words, code, submitted, started, ended, _elapsed, nodes, _cpus, tres, _ = parts
        word = (words.split() or [""])[0]
        state = STATES.get(word)
        if state is None:
            continue
        allocated = _tres(tres)
        start_s, end_s = _number(started), _number(ended)
        if not allocated:
            start_s = None  # refused or cancelled while it waited: sacct may repeat the submit time
        sight = Sight(
            native_id=native_id,
            key=key,
            state=state,
            reason=ENDINGS.get(word, word),
            submitted_s=int(submitted),
            started_s=start_s,
            ended_s=end_s,
            exit_code=_exit_code(code) if end_s is not None else None,
        )
        row = None
        if end_s is not None and word in ENDINGS | {"REQUEUED": "", "DEADLINE": ""}:
            row = UsageRow(
                native_id=native_id,
                key=key,
                submitted_s=int(submitted),
                started_s=start_s,
                ended_s=end_s,
                nodes=_number(nodes) or 0,
                cpus=allocated.get("cpu", 0),
                gpus=allocated.get("gres/gpu", 0),
                state=word,
                raw=line,
            )
        yield word, row, sight


def agree(queued: Sequence[Sight], recorded: Sequence[Sight]) -> list[Sight]:
    """Merge what the controller and the accounting say of jobs.

    The controller knows first what waits and runs; only accounting ends a job, because it has
    the times and the exit code. It may be a moment late, or away: until then an ended job counts
    as running. Of a job that ran several times the last run counts.
    """
    last = {sight.native_id: sight for sight in recorded}
    merged = dict(last)
    for sight in queued:
        known = last.get(sight.native_id)
        if sight.state not in ENDED:
            merged[sight.native_id] = sight
        elif known is None or known.state not in ENDED or known.ended_s is None:
            begun = JobState.QUEUED if sight.started_s is None else JobState.RUNNING
            merged[sight.native_id] = replace(sight, state=begun, reason="Unmeasured", ended_s=None)
    return list(merged.values())


def read_sinfo(text: str) -> Inventory:
    """Read NODE_FIELDS by column. GresUsed is "gpu:2(IDX:0-1)" or "gpu:h100:2(IDX:0-1)"."""
    nodes = []
    for line in text.splitlines():
        cells, at = [], 0
        for _name, width in NODE_FIELDS:
            cells.append(line[at : at + width].strip())
            at += width
        name, partition, state, cpus, memory, gres, gres_used = cells
        used, _idle, _other, total = ([*cpus.split("/"), "", "", "", ""])[:4]
        if not name or not total.isdigit():
            continue
        nodes.append(
            Node(
                name=name,
                partition=partition,
                state=state.rstrip("*~#!%$@+^-"),
                cpus=int(total),
                cpus_used=_number(used) or 0,
                memory_mb=_number(memory) or 0,
                gpus=_gpus(gres),
                gpus_used=_gpus(gres_used),
            )
        )
    return Inventory(tuple(nodes))


def key_of(name: str) -> str:
    """Return the key at the end of a job's name, "" for a name that is not ours."""
    head, dot, key = name.rpartition(".")
    return key if head and dot and KEY.fullmatch(key) else ""


def _number(text: str) -> int | None:
    return int(text) if text.isdigit() else None


def _exit_code(text: str) -> int | None:
    """Read Slurm's "code:signal" as a shell would show it."""
    code, _colon, number = text.partition(":")
    if not (code.isdigit() and number.isdigit()):
        return None
    return int(code) if number == "0" else 128 + int(number)


def _tres(text: str) -> dict[str, int]:
    pairs = (part.split("=", 1) for part in text.split(",") if "=" in part)
    return {name: int(value) for name, value in pairs if value.isdigit()}


def _gpus(text: str) -> int:
    return sum(int(count) for count in re.findall(r"gpu:(?:[^,:()]+:)?(\d+)", text))


# --- the adapter --------------------------------------------------------------------------------


class SlurmScheduler:
    """The Scheduler port over a Slurm reached by its command line.

    slurm_conf  path handed to the clients as SLURM_CONF; "" for the machine's own
    account     every job of ours is charged to it in Slurm, and only its jobs are looked at;
                "" for the default account and the jobs of our own user
    partition   "" for the cluster's default
    """

    def __init__(
        self,
        *,
        slurm_conf: str,
        account: str,
        partition: str,
        run: CommandRunner | None = None,
    ) -> None:
        self.account, self.partition = account, partition
        self.run = run or LocalCommands(client_environment(slurm_conf))

    def submit(self, spec: JobSpec, *, key: str, run_dir: Path) -> Accepted | Rejected | Unknown:
        """Queue a job. Not idempotent in itself: look the key up first whenever in doubt."""
        (run_dir / "logs").mkdir(parents=True, exist_ok=True)
        now_s = int(time.time())
        argv = sbatch_argv(
            spec, key=key, run_dir=run_dir, account=self.account, partition=self.partition
        )
        return read_sbatch(
            self.run(argv, batch_script(spec, key=key, run_dir=run_dir)), now_s=now_s
        )

    def find(self, key: str, *, since_s: int) -> list[Sight]:
        """Return the jobs of this key from queue and accounting; both must answer.

        A submission that Slurm took and then refused leaves a failed row without an allocation:
        it is found too, and ends the job.
        """
        queued = self._squeue()
        window = sacct_window(self.account, since_s - 3600, EVERY_STATE)
        recorded = [sight for _word, _row, sight in read_records(self._ask(sacct_argv(*window)))]
        return sorted(
            (
                one
                for one in agree(queued, recorded)
                if one.key == key and one.submitted_s >= since_s - 3600
            ),
            key=lambda sight: (sight.submitted_s, sight.native_id),
        )

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End jobs by scancel; those that ended already are passed over."""
        if not native_ids:
            return
        ran = self.run(["scancel", *native_ids])
        errors = [line for line in ran.stderr.splitlines() if "Invalid job id" not in line]
        if ran.code != 0 and (ran.code is None or errors):
            if "Access/permission denied" in ran.stderr:
                raise SchedulerRefused(ran.stderr.strip()[-500:])
            raise SchedulerDown(ran.stderr.strip()[-500:])

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:
        """Return what is known: from the queue first, and of what left it, from accounting."""
        keys = {key for _id, key in jobs}
        queued = [sight for sight in self._squeue() if sight.key in keys]
        open_keys = {one.key for one in queued if one.state in {JobState.QUEUED, JobState.RUNNING}}
        asked = [native_id for native_id, key in jobs if key not in open_keys and native_id]
        if not asked:
            return Snapshot(tuple(queued), is_complete=True)
        try:
            text = self._ask(sacct_argv("-j", ",".join(asked)))
        except SchedulerDown:
            return Snapshot(tuple(agree(queued, [])), is_complete=False)
        recorded = [
            sight
            for _word, _row, sight in read_records(text)
            if sight.key in keys and sight.submitted_s >= since_s - 3600
        ]
        return Snapshot(tuple(agree(queued, recorded)), is_complete=True)

    def usage(self, *, since_s: int) -> UsagePage:
        """Return the measured rows of our account since then.

        Raises SchedulerDown, so that no cursor moves past rows that could not be read.
        """
        now_s = int(time.time())
        window = sacct_window(self.account, since_s, TERMINAL)
        rows = tuple(
            row for _word, row, _sight in read_records(self._ask(sacct_argv(*window))) if row
        )
        return UsagePage(rows, now_s)

    def inventory(self) -> Inventory:
        """Return the nodes, once for each partition they are in."""
        return read_sinfo(self._ask(sinfo_argv()))

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return a piece of a log in the run directory, which is on the shared file system."""
        return run_directory.chunk(run_dir, f"logs/{stream}.log", offset=offset, limit=limit)

    def _squeue(self) -> list[Sight]:
        return read_squeue(self._ask(squeue_argv(self.account)))

    def _ask(self, argv: list[str]) -> str:
        ran = self.run(argv)
        if ran.code != 0:
            msg = f"{argv[0]} ended with {ran.code}: {ran.stderr.strip()[-500:]}"
            raise SchedulerDown(msg)
        return ran.stdout
