"""The Scheduler port over Slurm's command line."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from uzina.compute.adapters import run_directory
from uzina.compute.adapters.commands import (
    CommandRunner,
    LocalCommands,
    as_user,
    client_environment,
)
from uzina.compute.adapters.slurm import accounts, site
from uzina.compute.adapters.slurm import jobs as read
from uzina.compute.adapters.slurm.script import batch_script, sbatch_argv
from uzina.compute.ports import (
    Accepted,
    Chunk,
    Effort,
    Health,
    Inventory,
    PartitionSeen,
    Rejected,
    SchedulerDown,
    SchedulerRefused,
    Snapshot,
    Unknown,
    UsagePage,
)
from uzina.compute.rules import (
    AccountSeen,
    AccountStep,
    Finding,
    JobSpec,
    JobState,
    Sight,
    site_preflight,
)

T = TypeVar("T")
LOOK_BACK_S = 7200
"""A job is looked for from so long before it was handed over: clocks differ."""
ACCOUNTS_TIMEOUT_S = 300.0
USAGE_TIMEOUT_S = 120.0
"""A week of a busy cluster is a hundred thousand rows, 8 s of sacct on a fast machine."""


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
        self._name = ""
        self.run = run or LocalCommands(client_environment(slurm_conf))

    def health(self) -> Health:
        """Return what answers, the version, the clock and what the site's preflight found."""
        began_s = time.time()
        nothing: Mapping[str, str] = {}
        no_partitions: tuple[PartitionSeen, ...] = ()
        settings = self._try(site.config_argv(), site.read_config, nothing)
        ours_s = (began_s + time.time()) / 2
        partitions = self._try(site.partitions_argv(), site.read_partitions, no_partitions)
        is_counted = self._try(accounts.cluster_argv(), bool, default=False)
        skew_s = round(int(settings["now"]) + 0.5 - ours_s, 1) if "now" in settings else None
        down = [
            Finding(code, "refuse")
            for code, is_up in (
                ("controller_silent", bool(settings)),
                ("accounting_silent", is_counted),
            )
            if not is_up
        ]
        found = site_preflight(settings, partitions, skew_s=skew_s) if settings else ()
        return Health(
            is_controller_up=bool(settings),
            is_accounting_up=is_counted,
            version=settings.get("SLURM_VERSION", ""),
            skew_s=skew_s,
            findings=(*down, *found),
        )

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
        window = read.window(since_s - LOOK_BACK_S, None, read.EVERY_STATE)
        text = self._ask(read.sacct_argv(*window))
        recorded = [sight for _row, sight in read.read_records(text) if sight]
        found = [one for one in read.agree(queued, recorded) if one.key == key]
        return sorted(found, key=lambda sight: (sight.submitted_s, sight.native_id))

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

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:  # noqa: ARG002
        """Return what is known: from the queue first, and of what left it, from accounting.

        Of an array, tasks may have left the queue while others run: accounting is asked too. A
        number may have belonged to another job before; a key never did.
        """
        keys = {key for _id, key in jobs}
        queued = [sight for sight in self._squeue() if sight.key in keys]
        is_whole = {
            one.key
            for one in queued
            if one.native_id.isdigit() and one.state in {JobState.QUEUED, JobState.RUNNING}
        }
        asked = [native_id for native_id, key in jobs if key not in is_whole and native_id]
        if not asked:
            return Snapshot(tuple(read.agree(queued, [])), is_complete=True)
        try:
            text = self._ask(read.sacct_argv("-j", ",".join(asked)))
        except SchedulerDown:
            return Snapshot(tuple(read.agree(queued, [])), is_complete=False)
        recorded = [sight for _row, sight in read.read_records(text) if sight and sight.key in keys]
        return Snapshot(tuple(read.agree(queued, recorded)), is_complete=True)

    def usage(self, *, since_s: int, until_s: int | None = None) -> UsagePage:
        """Return the measured rows of every account and user that ended in that time.

        The cursor is the cluster's own time, or ours where it is behind: its clock may be wrong.
        Raises SchedulerDown, so that no cursor moves past rows that could not be read.
        """
        now_s = until_s or self._cluster_time()
        argv = read.sacct_argv(*read.window(since_s, until_s, read.TERMINAL))
        text = self._ask(argv, timeout_s=USAGE_TIMEOUT_S)
        rows = tuple(row for row in read.read_usage(text) if read.is_told(row))
        return UsagePage(rows, now_s)

    def _cluster_time(self) -> int:
        """Return the time where Slurm's commands run, or ours if that is earlier or unknown."""
        ran = self.run(["date", "+%s"])
        now_s = int(time.time())
        told = ran.stdout.strip()
        return min(now_s, int(told)) if ran.code == 0 and told.isdigit() else now_s

    def efforts(self, native_ids: Sequence[str]) -> Mapping[str, Effort]:
        """Return what the steps of ended jobs used, in one call."""
        if not native_ids:
            return {}
        return read.read_efforts(self._ask(read.efforts_argv(native_ids)), native_ids)

    def inventory(self) -> Inventory:
        """Return the nodes, once for each partition they are in, the partitions and the queue."""
        return Inventory(
            site.read_nodes(self._ask(site.sinfo_argv())),
            site.read_partitions(self._ask(site.partitions_argv())),
            site.read_queue(self._ask(site.queue_argv())),
        )

    def limits(self) -> tuple[AccountSeen, ...]:
        """Return every account below ours: limits from accounting, used from the controller."""
        associations = self._associations()
        shares = self._ask(accounts.shares_argv(), timeout_s=ACCOUNTS_TIMEOUT_S)
        return accounts.read_accounts(associations, shares, below=self.account)

    def apply(self, steps: Sequence[AccountStep]) -> tuple[str, ...]:
        """Make changes to accounts in batches, one call after another; return what was refused.

        Raises SchedulerDown when accounting is away, or a call was not heard of again: what was
        done until then stays.
        """
        if not steps:
            return ()
        parents = accounts.read_parents(self._associations())
        refused = list(accounts.absent(steps, parents))
        for order in accounts.orders(steps, cluster=self._cluster(), parents=parents):
            ran = self.run(order.argv, order.stdin, timeout_s=ACCOUNTS_TIMEOUT_S)
            said = f"{ran.stderr}\n{ran.stdout}"
            if ran.code is None or (ran.code != 0 and accounts.AWAY.search(said)):
                msg = f"{order.about}: {said.strip()[-500:]}"
                raise SchedulerDown(msg)
            if why := accounts.refusal(order, code=ran.code, said=said):
                refused.append(why)
        return tuple(refused)

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:
        """Return a piece of a log in the run directory, which is on the shared file system."""
        return run_directory.chunk(run_dir, f"logs/{stream}.log", offset=offset, limit=limit)

    def _squeue(self) -> list[Sight]:
        return read.read_squeue(self._ask(read.squeue_argv()))

    def _associations(self) -> str:
        argv = accounts.associations_argv(self._cluster())
        return self._ask(argv, timeout_s=ACCOUNTS_TIMEOUT_S)

    def _cluster(self) -> str:
        """Return the cluster's name in the accounting, asked once."""
        if not self._name:
            settings = site.read_config(self._ask(site.config_argv()))
            self._name = settings.get("ClusterName", "")
        return self._name

    def _try(self, argv: list[str], read: Callable[[str], T], default: T) -> T:
        """Return what a command's answer is read as, or a default when it gives none."""
        try:
            return read(self._ask(argv))
        except SchedulerDown:
            return default

    def _ask(self, argv: list[str], *, timeout_s: float | None = None) -> str:
        ran = self.run(argv, timeout_s=timeout_s)
        if ran.code != 0:
            msg = f"{argv[0]} ended with {ran.code}: {ran.stderr.strip()[-500:]}"
            raise SchedulerDown(msg)
        return ran.stdout
