"""A batch system in memory: a queue, its jobs and their accounting, whose time passes by tick().

It runs nothing: programs last as long as they are drawn to. What goes wrong is drawn from a seed,
so the same seed fails the same way, and truth() says what really happened.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from uzina.compute.ports import UsageRow
from uzina.compute.rules import ENDED, JobState

FAULTS = (
    "silent",  # the controller does not answer
    "no_accounting",  # the accounting does not answer
    "hung",  # nothing answers in time; a job handed over may be taken all the same
    "refuse",  # a job is not wanted
    "lost_reply",  # a job is taken and the answer is lost
    "unknown",  # the answer is lost and the job is not taken
    "gone",  # an ended job leaves the queue at once
    "late",  # its record comes late
    "wrong",  # its record comes with a wrong end and is revised later
    "bare",  # the task of an array is told as a job of its own at first
    "twice",  # a record is told twice in one answer
    "shuffled",  # records are told in no order
    "lost_write",  # a change of accounts is said to be made and is not
)
RUN_S = 5
"""How long a job of ours runs unless work_s says otherwise."""
LATE_S, REVISED_S = 90, 120
"""How long after its end a record comes when it is late, and is put right when it was wrong."""
STATES = {
    "COMPLETED": JobState.DONE,
    "CANCELLED": JobState.CANCELLED,
    "FAILED": JobState.FAILED,
    "TIMEOUT": JobState.FAILED,
    "NODE_FAIL": JobState.FAILED,
}


@dataclass
class Unit:
    """What starts and ends by itself: a job, or one task of an array. word: how it ended."""

    native_id: str
    run_id: str
    work_s: int
    submitted_s: int
    state: JobState = JobState.QUEUED
    started_s: int | None = None
    ended_s: int | None = None
    word: str = ""


@dataclass
class Work:
    """A job as the batch system has it. nodes, cpus and gpus of one unit, over all nodes."""

    native_id: str
    key: str
    name: str
    account: str
    user: str
    nodes: int
    cpus: int
    gpus: int
    memory_mb: int
    limit_s: int
    submitted_s: int
    units: list[Unit]
    is_lost: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the batch system still has something to do for it."""
        return not self.is_lost and any(unit.state not in ENDED for unit in self.units)


@dataclass
class Record:
    """One life of a unit in the accounting: known from known_s on, with a wrong end until right_s,
    without its array until array_s.
    """

    row: UsageRow
    known_s: int
    right_s: int
    wrong_end_s: int
    array_s: int


@dataclass
class Account:
    """An account: its limits, and the GPU-seconds that the controller remembers of it."""

    parent: str
    users: set[str] = field(default_factory=set)
    blocked_users: set[str] = field(default_factory=set)
    gpu_min: int | None = None
    billing_min: int | None = None
    is_blocked: bool = False
    counted_s: int = 0


@dataclass
class BatchSystem:
    """Jobs, accounts and records, and what goes wrong with them.

    odds    how likely each of FAULTS is, 0 to 1; what is not named never happens
    clock   its own whole epoch seconds, moved by tick()
    skew_s  its clock minus ours
    gpus    how many it has; as many cores for each as jobs may want
    work_s  how long the programs of the jobs handed over run; None: drawn
    """

    seed: int = 0
    odds: dict[str, float] = field(default_factory=dict)
    clock: int = 1_000_000
    skew_s: int = 0
    gpus: int = 1_000
    work_s: int | None = RUN_S
    account: str = "uzina"

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - faults, not secrets
        self.works: list[Work] = []
        self.at_work: list[Work] = []
        self.records: list[Record] = []
        self.accounts: dict[str, Account] = {self.account: Account("root")}
        self.next_id = 1

    # --- what the tests see and do ----------------------------------------------------------

    def truth(self) -> list[UsageRow]:
        """Return every run that ever ended, once, as it really was."""
        return [record.row for record in self.records]

    def of_key(self, key: str) -> list[Work]:
        """Return the jobs that were taken under a key."""
        return [work for work in self.works if work.key == key]

    def draw(self, fault: str) -> bool:
        """Draw whether a fault happens now."""
        odds = self.odds.get(fault)
        return odds is not None and self.chance.random() < odds

    def tick(self, seconds: int = 1) -> None:
        """Let time pass: what waits starts when there is room, what ran its time ends."""
        until = self.clock + seconds
        self.clock += min(1, seconds)
        self._start()
        while (due := min(self._ends(), default=None)) is not None and due[0] <= until:
            self.clock = max(self.clock, due[0])
            _end_s, _number, work, unit = due
            self._finish(work, unit)
            self._start()
        self.clock = until

    def submit_past(
        self, *, account: str, gpus: int, work_s: int, limit_s: int, tasks: int = 1
    ) -> Work | None:
        """Take a job that its user submitted past the portal; None when it is refused."""
        if account in self.accounts and self.accounts[account].is_blocked:
            return None
        work = Work(
            "", "", "past the portal", account, "user", 1, 4, gpus, 1000, limit_s, self.clock, []
        )
        return self.queue(work, [work_s] * tasks, is_array=tasks > 1)

    def requeue(self, unit: Unit, *, word: str = "REQUEUED") -> None:
        """End this life of a running unit and put it back into the queue, under the same id."""
        work = next(work for work in self.works if unit in work.units)
        self._record(work, unit, word)
        unit.state, unit.started_s, unit.ended_s = JobState.QUEUED, None, None
        unit.submitted_s = self.clock

    def lose_node(self, unit: Unit) -> None:
        """Let the node fail that a unit runs on: jobs of ours end, others wait again."""
        work = next(work for work in self.works if unit in work.units)
        if work.key:
            self.end(work, unit, "NODE_FAIL")
        else:
            self.requeue(unit, word="NODE_FAIL")

    def lose_state(self) -> None:
        """Lose the controller's memory: its jobs, what counted against limits, and the last id."""
        for work in self.works:
            work.is_lost = work.is_lost or work.is_open
        for account in self.accounts.values():
            account.counted_s = 0
        self.next_id = 1

    # --- time -------------------------------------------------------------------------------

    def queue(self, work: Work, lasts: Sequence[int], *, is_array: bool) -> Work:
        """Put a job into the queue, one unit for each time that its programs last."""
        work.native_id = str(self.next_id)
        self.next_id += len(lasts)
        work.units = [
            Unit(
                f"{work.native_id}_{number}" if is_array else work.native_id,
                str(int(work.native_id) + number),
                last_s,
                self.clock,
            )
            for number, last_s in enumerate(lasts)
        ]
        self.works.append(work)
        self.at_work.append(work)
        return work

    def open_works(self) -> list[Work]:
        """Return the jobs there is still something to do for."""
        self.at_work = [work for work in self.at_work if work.is_open]
        return self.at_work

    def running(self) -> Iterator[tuple[Work, Unit]]:
        """Yield what runs."""
        for work in self.open_works():
            for unit in work.units:
                if unit.state is JobState.RUNNING:
                    yield work, unit

    def _ends(self) -> Iterator[tuple[int, int, Work, Unit]]:
        for number, (work, unit) in enumerate(self.running()):
            yield (unit.started_s or 0) + min(unit.work_s, work.limit_s), number, work, unit

    def _start(self) -> None:
        free = self.gpus - sum(work.gpus for work, _unit in self.running())
        for work in self.open_works():
            for unit in work.units:
                if unit.state is JobState.QUEUED and work.gpus <= free and self._fits(work):
                    unit.state, unit.started_s = JobState.RUNNING, self.clock
                    free -= work.gpus

    def _fits(self, work: Work) -> bool:
        """Tell whether a run up to its limit fits into what the account has left."""
        account = self.accounts.get(work.account)
        if account is None or account.gpu_min is None:
            return True
        running_s = sum(
            one.gpus * one.limit_s for one, _ in self.running() if one.account == work.account
        )
        left_s = account.gpu_min * 60 - account.counted_s // 60 * 60 - running_s
        return work.gpus * work.limit_s <= left_s

    def _finish(self, work: Work, unit: Unit) -> None:
        if unit.work_s >= work.limit_s:
            self.end(work, unit, "TIMEOUT")
        else:
            self.end(work, unit, "FAILED" if unit.work_s % 7 == 6 else "COMPLETED")

    def end(self, work: Work, unit: Unit, word: str) -> None:
        """End a unit now, with the word the accounting has for it."""
        unit.state, unit.word, unit.ended_s = STATES[word], word, self.clock
        self._record(work, unit, word)

    def _record(self, work: Work, unit: Unit, word: str) -> None:
        row = UsageRow(
            native_id=unit.native_id,
            key=work.key,
            submitted_s=unit.submitted_s,
            started_s=unit.started_s,
            ended_s=self.clock,
            nodes=work.nodes,
            cpus=0 if unit.started_s is None else work.cpus,
            gpus=0 if unit.started_s is None else work.gpus,
            state=word,
            raw="",
            name=work.name,
            account=work.account,
            user=work.user,
            partition="gpu",
            memory_mb=0 if unit.started_s is None else work.memory_mb,
            run_id=unit.run_id,
        )
        known_s = self.clock + (LATE_S if self.draw("late") else 0)
        right_s = known_s + (REVISED_S if row.elapsed_s and self.draw("wrong") else 0)
        wrong_end_s = row.ended_s + self.chance.choice((-1, 7)) if right_s > known_s else 0
        array_s = known_s + (REVISED_S if self.draw("bare") else 0)
        self.records.append(Record(row, known_s, right_s, wrong_end_s, array_s))
        if work.account in self.accounts:
            self.accounts[work.account].counted_s += row.elapsed_s * row.gpus
