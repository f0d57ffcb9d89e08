"""The Scheduler port over a batch system in memory that fails the way real ones were seen to fail.

Before each answer it draws what goes wrong: silent, hung, accepted with the answer lost, taken
although it said it was not there, records twice, late, wrong or in no order, changes lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from uzina.compute.adapters.simulated import STATES, Account, BatchSystem, Work
from uzina.compute.ports import (
    Accepted,
    AccountSeen,
    AccountStep,
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
    Unknown,
    UsagePage,
)
from uzina.compute.rules import ENDED, JobSpec, JobState, Sight

FORGET_S = 300
"""How long the queue shows an ended job (Slurm's MinJobAge, default)."""
REASONS = {
    "COMPLETED": "None",
    "FAILED": "NonZeroExitCode",
    "TIMEOUT": "TimeLimit",
    "NODE_FAIL": "NodeFail",
    "CANCELLED": "Cancelled",
}


class ScriptedScheduler(BatchSystem):
    """The port's answers, true or not."""

    has_accounts = True

    def _speak(self, *, accounting: bool = False) -> None:
        for fault in ("silent", "hung", *(("no_accounting",) if accounting else ())):
            if self.draw(fault):
                raise SchedulerDown(fault)

    def health(self) -> Health:
        """Say what answers."""
        is_up = not self.draw("silent")
        return Health(is_up, is_up and not self.draw("no_accounting"), "scripted", self.skew_s, ())

    def lay(self, run_dir: Path, files: Mapping[str, str], *, user: str = "") -> None:
        """Make nothing: nothing runs."""

    def submit(
        self, spec: JobSpec, *, key: str, run_dir: Path, user: str = "", account: str = ""
    ) -> Accepted | Rejected | Unknown:
        """Queue a job, or lie about it."""
        del run_dir
        if self.draw("silent"):
            raise SchedulerDown("silent")
        account = account or self.account
        if self.draw("refuse") or (known := self.accounts.get(account)) is None or known.is_blocked:
            return Rejected("it is not wanted here")
        is_hung = self.draw("hung")
        if self.draw("unknown") or (is_hung and self.chance.random() < 0.5):
            return Unknown("it broke off before it took the job")
        work = Work(
            native_id="",
            key=key,
            name=f"job.{key}",
            account=account,
            user=user,
            nodes=spec.nodes,
            cpus=spec.nodes * spec.cpus,
            gpus=spec.nodes * spec.gpus,
            memory_mb=spec.nodes * spec.memory_mb,
            limit_s=spec.time_limit_s,
            submitted_s=self.clock,
            units=[],
        )
        drawn_s = self.chance.randint(0, spec.time_limit_s * 5 // 4)
        self.queue(work, [drawn_s if self.work_s is None else self.work_s], is_array=False)
        if is_hung or self.draw("lost_reply"):
            return Unknown("it broke off after it took the job")
        return Accepted(work.native_id, self.clock)

    def find(self, key: str, *, since_s: int) -> list[Sight]:  # noqa: ARG002 - a key is for ever
        """Return the jobs of this key."""
        self._speak(accounting=True)
        return [sight for work in self.of_key(key) if (sight := self._sight(work)) is not None]

    def cancel(self, native_ids: Sequence[str]) -> None:
        """End jobs."""
        self._speak()
        for work in self.open_works():
            for unit in work.units:
                asked = work.native_id in native_ids or unit.native_id in native_ids
                if asked and unit.state not in ENDED:
                    self.end(work, unit, "CANCELLED")

    def status(self, jobs: Sequence[tuple[str, str]], *, since_s: int) -> Snapshot:  # noqa: ARG002
        """Return what is known of the jobs."""
        self._speak()
        is_complete = not self.draw("no_accounting")
        keys = {key for _native_id, key in jobs}
        sights = [
            sight
            for work in self.works
            if work.key in keys
            and (sight := self._sight(work, is_accounted=is_complete)) is not None
        ]
        return Snapshot(tuple(sights), is_complete=is_complete)

    def _sight(self, work: Work, *, is_accounted: bool = True) -> Sight | None:
        """Return what queue and accounting say of a job; None when neither knows it.

        As with Slurm only the accounting ends a job: until its record is there it counts as
        running while the queue shows it, and as absent once it left.
        """
        units = work.units
        begun = [unit.started_s for unit in units if unit.started_s is not None]
        sight = Sight(
            native_id=work.native_id,
            key=work.key,
            state=JobState.RUNNING if begun else JobState.QUEUED,
            reason="None" if begun else "Resources",
            submitted_s=max(unit.submitted_s for unit in units),
            started_s=min(begun, default=None),
            ended_s=None,
            exit_code=None,
        )
        if work.is_open:
            return sight
        ended_s = max((unit.ended_s or 0 for unit in units), default=0)
        ids = {unit.native_id for unit in units}
        is_known = is_accounted and all(
            record.known_s <= self.clock
            for record in self.records
            if record.row.key == work.key and record.row.native_id in ids
        )
        if not work.is_lost and is_known:
            word = next((unit.word for unit in units if unit.word != "COMPLETED"), "COMPLETED")
            return replace(
                sight,
                state=STATES[word],
                reason=REASONS[word],
                ended_s=ended_s,
                exit_code={"COMPLETED": 0, "FAILED": 1}.get(word),
            )
        is_forgotten = work.is_lost or self.clock > ended_s + FORGET_S or self.draw("gone")
        return None if is_forgotten else replace(sight, reason="Unmeasured")

    def usage(self, *, since_s: int, until_s: int | None = None) -> UsagePage:  # noqa: ARG002
        """Return the records that are there by now, in the cluster's time; the cursor in ours."""
        self._speak(accounting=True)
        rows = []
        for record in self.records:
            if record.known_s <= self.clock and record.row.ended_s >= since_s:
                row = record.row
                if record.right_s > self.clock:
                    row = replace(row, ended_s=max(record.wrong_end_s, row.started_s or 0))
                if record.array_s > self.clock:
                    row = replace(row, native_id=row.run_id)
                rows += [row] * (2 if self.draw("twice") else 1)
        if self.draw("shuffled"):
            self.chance.shuffle(rows)
        return UsagePage(tuple(rows), self.clock - self.skew_s)

    def efforts(self, native_ids: Sequence[str]) -> Mapping[str, Effort]:  # noqa: ARG002
        """Return nothing: nothing ran."""
        self._speak(accounting=True)
        return {}

    def inventory(self) -> Inventory:
        """Return one pretended machine and its queue."""
        self._speak()
        running = list(self.running())
        waiting = [
            work for work in self.open_works() for one in work.units if one.state is JobState.QUEUED
        ]
        used = sum(work.gpus for work, _unit in running)
        cpus = 64 * self.gpus
        return Inventory(
            (Node("pretended", "gpu", "idle", cpus, 0, 16_000 * self.gpus, self.gpus, used),),
            (PartitionSeen("gpu", True, True, None, 3600, {"gres/gpu": 1.0}),),
            (QueueSeen("gpu", len(running), len(waiting), sum(work.gpus for work in waiting)),),
        )

    def jobs_of_account(self, account: str) -> tuple[str, ...]:
        """Return the ids of the jobs of an account."""
        self._speak()
        return tuple(work.native_id for work in self.open_works() if work.account == account)

    def limits(self) -> tuple[AccountSeen, ...]:
        """Return the accounts below the factory's own."""
        self._speak(accounting=True)
        return tuple(
            AccountSeen(
                name=name,
                parent=one.parent,
                users=frozenset(one.users),
                blocked_users=frozenset(one.blocked_users),
                gpu_min=one.gpu_min,
                billing_min=one.billing_min,
                used_gpu_min=one.counted_s // 60,
                used_billing_min=one.counted_s // 60,
                is_blocked=one.is_blocked,
            )
            for name, one in self.accounts.items()
            if one.parent == self.account
        )

    def apply(self, steps: Sequence[AccountStep]) -> tuple[str, ...]:
        """Make changes, and lose some in silence."""
        self._speak(accounting=True)
        refused = []
        for step in steps:
            if self.draw("lost_write"):
                continue
            if step.verb == "add_account":
                self.accounts.setdefault(step.account, Account(step.parent or self.account))
            elif step.account not in self.accounts:
                refused.append(f"{step.account}: there is no such account")
            else:
                self._change(self.accounts[step.account], step)
        return tuple(refused)

    def _change(self, account: Account, step: AccountStep) -> None:
        match step.verb:
            case "add_user":
                account.users |= step.users
            case "block_user":
                account.blocked_users |= step.users
            case "unblock_user":
                account.blocked_users -= step.users
            case "limit":
                account.gpu_min, account.billing_min = step.gpu_min, step.billing_min
            case "block" | "unblock":
                account.is_blocked = step.verb == "block"
            case verb:
                raise ValueError(verb)

    def logs(self, run_dir: Path, stream: str, *, offset: int, limit: int) -> Chunk:  # noqa: ARG002
        """Return nothing: nothing ran."""
        return Chunk(b"", offset, is_end=True)
