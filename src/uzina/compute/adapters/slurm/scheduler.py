"""The Scheduler port over Slurm's command line."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from uzina.compute.adapters import run_directory
from uzina.compute.adapters.arrays import together
from uzina.compute.adapters.commands import (
    CommandRunner,
    LocalCommands,
    as_user,
    client_environment,
)
from uzina.compute.adapters.slurm import jobs as read
from uzina.compute.adapters.slurm import site
from uzina.compute.adapters.slurm.script import batch_script, sbatch_argv
from uzina.compute.ports import (
    Accepted,
    Chunk,
    Effort,
    Health,
    Inventory,
    Rejected,
    SchedulerDown,
    SchedulerRefused,
    Snapshot,
    Unknown,
    UsagePage,
)
from uzina.compute.rules import AccountSeen, AccountStep, JobSpec, JobState, Sight


class SlurmScheduler:
    """The Scheduler port over a Slurm reached by its command line.

    slurm_conf  path handed to the clients as SLURM_CONF; "" for the machine's own
    account     what jobs are charged to where the caller names no account; the factory's own
                accounts are below it
    partition   "" for the cluster's default
    wrapper     the words before a command that make it run as another user, who comes next:
                [*wrapper, user, *command]; without, jobs of other users are refused
    """

    has_accounts = True

    def __init__(
        self,
        *,
        slurm_conf: str = "",
        account: str,
        partition: str = "",
        wrapper: Sequence[str] = (),
        run: CommandRunner | None = None,
    ) -> None:
        self.account, self.partition = account, partition
        self.wrapper = tuple(wrapper)
        self.run = run or LocalCommands(client_environment(slurm_conf))

    def health(self) -> Health:
        """Return what answers and what the preflight of the site found."""
        raise NotImplementedError

    def lay(self, run_dir: Path, files: Mapping[str, str], *, user: str) -> None:
        """Make the run directory on the shared file system, as the user who runs the job."""
        if not user:
            run_directory.make(run_dir, files)
            return
        ran = as_user(self.run, self.wrapper, user, ["lay", str(run_dir)], json.dumps(dict(files)))
        if ran.code != 0:
            msg = f"The run directory was not made: {ran.stderr.strip()[-500:]}"
            raise SchedulerDown(msg)

    def submit(
        self, spec: JobSpec, *, key: str, run_dir: Path, user: str, account: str
    ) -> Accepted | Rejected | Unknown:
        """Queue a job. Not idempotent in itself: look the key up first whenever in doubt."""
        now_s = int(time.time())
        argv = sbatch_argv(
            spec,
            key=key,
            run_dir=run_dir,
            account=account or self.account,
            partition=self.partition,
        )
        script = batch_script(spec, key=key, run_dir=run_dir)
        ran = as_user(self.run, self.wrapper, user, argv, script)
        return read.read_sbatch(ran, now_s=now_s)

    def find(self, key: str, *, since_s: int) -> list[Sight]:
        """Return the jobs of this key from queue and accounting; both must answer.

        A submission that Slurm took and then refused leaves a failed row without an allocation:
        it is found too, and ends the job.
        """
        queued = self._squeue()
        window = read.sacct_window(since_s - 3600, read.EVERY_STATE)
        text = self._ask(read.sacct_argv(*window))
        recorded = [sight for _row, sight in read.read_records(text) if sight]
        return sorted(
            (
                one
                for one in together(read.agree(queued, recorded))
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

    def jobs_of_account(self, account: str) -> tuple[str, ...]:
        """Return the ids of the jobs of an account; of an array the one id of all its tasks."""
        text = self._ask(["squeue", "-h", "-A", account, "-o", "%F"])
        return tuple(dict.fromkeys(text.split()))

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:
        """Return what is known: from the queue first, and of what left it, from accounting."""
        keys = {key for _id, key in jobs}
        queued = [sight for sight in self._squeue() if sight.key in keys]
        open_keys = {one.key for one in queued if one.state in {JobState.QUEUED, JobState.RUNNING}}
        asked = [native_id for native_id, key in jobs if key not in open_keys and native_id]
        if not asked:
            return Snapshot(tuple(together(queued)), is_complete=True)
        try:
            text = self._ask(read.sacct_argv("-j", ",".join(asked)))
        except SchedulerDown:
            return Snapshot(tuple(together(read.agree(queued, []))), is_complete=False)
        recorded = [
            sight
            for _row, sight in read.read_records(text)
            if sight and sight.key in keys and sight.submitted_s >= since_s - 3600
        ]
        return Snapshot(tuple(together(read.agree(queued, recorded))), is_complete=True)

    def usage(self, *, since_s: int, until_s: int | None = None) -> UsagePage:
        """Return the measured rows of every account and user that ended in between.

        Raises SchedulerDown, so that no cursor moves past rows that could not be read.
        """
        now_s = int(time.time())
        text = self._ask(read.sacct_argv(*read.sacct_window(since_s, read.TERMINAL, until_s)))
        rows = tuple(row for row, _sight in read.read_records(text) if row)
        return UsagePage(rows, now_s if until_s is None else until_s)

    def efforts(self, native_ids: Sequence[str]) -> Mapping[str, Effort]:
        """Return what the processes of ended jobs used."""
        raise NotImplementedError

    def inventory(self) -> Inventory:
        """Return the nodes, once for each partition they are in."""
        return site.read_sinfo(self._ask(site.sinfo_argv()))

    def limits(self) -> tuple[AccountSeen, ...]:
        """Return every account below ours."""
        raise NotImplementedError

    def apply(self, steps: Sequence[AccountStep]) -> tuple[str, ...]:
        """Make changes to accounts; return what was refused."""
        raise NotImplementedError

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return a piece of a log in the run directory, which is on the shared file system."""
        return run_directory.chunk(run_dir, f"logs/{stream}.log", offset=offset, limit=limit)

    def _squeue(self) -> list[Sight]:
        return read.read_squeue(self._ask(read.squeue_argv()))

    def _ask(self, argv: list[str]) -> str:
        ran = self.run(argv)
        if ran.code != 0:
            msg = f"{argv[0]} ended with {ran.code}: {ran.stderr.strip()[-500:]}"
            raise SchedulerDown(msg)
        return ran.stdout
