"""Two hundred factories, each with five hundred things that happen to it, from a seed.

Jobs come through the portal and past it; controller, accounting, nodes and worker fail and come
back. Then it is calm, and the books must come to what the scripted cluster knows really ran.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.test import override_settings

from uzina.compute import actions as compute
from uzina.compute import adapters, queries, rules
from uzina.compute.actions.usage import row_key
from uzina.compute.adapters.scripted import ScriptedScheduler
from uzina.compute.adapters.simulated import FAULTS, Account, Unit, Work
from uzina.compute.models import Drift, Job, SiteAccount, Usage
from uzina.compute.rules import ENDED, JobState
from uzina.compute.tasks import handing
from uzina.compute.tests.conftest import HOUR
from uzina.core import agenda
from uzina.core.errors import Refused
from uzina.core.log import check_log
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import find_task
from uzina.core.tests import NOW
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.people import actions as people

SEEDS, EVENTS, CHUNKS = 200, 500, 10
SLICE = 20
"""How many seeds PostgreSQL lives through: what differs there is proved by tests of its own."""
LEASE = timedelta(seconds=60)
"""When another worker takes over what a killed one had in hand."""
TURNS, FENCED = 17, 3
"""After how many quarters of an hour of calm a job counts as stuck, and what the cluster's limits
keep waiting for ever is taken away by its users."""


OURS = ("compute.", "ledger.")
"""Whose promises and recurring tasks the worker does."""
PROMPT = ("compute.watch", "compute.reconcile")
"""What recurs and is never late: without it nothing ends and nothing behind a limit starts."""
DRAWN = {
    "moment": 200,
    "past": 80,
    "requeue": 30,
    "work": 4,
    "while_": 20,
    "fault": 20,
    "lose_node": 12,
    "cancel": 12,
    "mend": 10,
    "submit": 4,
    "kill": 5,
    "lose_state": 0.5,
}
"""How often what happens, beside the others."""


class Killed(BaseException):
    """The worker was ended by kill -9: nothing of the program runs after it."""


class World:
    """One factory with two projects over a scripted cluster, in a made-up time."""

    def __init__(self, seed, ana, projects):
        self.chance = random.Random(seed)
        self.ana, self.projects = ana, projects
        self.now = NOW
        skew_s = self.chance.choice((0, 0, 0, 0, 3600, -3600))
        self.cluster = ScriptedScheduler(
            seed=seed,
            clock=int(NOW.timestamp()) + skew_s,
            skew_s=skew_s,
            gpus=self.chance.choice((6, 12, 24)),
            work_s=None,
        )
        self.next_run = {name: NOW for name in agenda.recurring if name.startswith(OURS)}
        self.accounts = [f"uz-{project.code.lower()}" for project in projects]
        for account, project in zip(self.accounts, projects, strict=True):
            self.cluster.accounts[account] = Account(self.cluster.account)
            SiteAccount.objects.create(
                cluster=queries.cluster(), project=project, name=account, made_at=NOW
            )
        self.killed_in = 0
        self.deaths = self.submitted = 0
        self.happened = Counter()

    # --- what happens -----------------------------------------------------------------------

    def happen(self):
        """Draw one event and have it happen."""
        event = self.chance.choices(tuple(DRAWN), tuple(DRAWN.values()))[0]
        self.happened[event] += 1
        getattr(self, event)()

    def submit(self):
        """Submit a job through the portal, sometimes one that was submitted before."""
        chance = self.chance
        again = self.submitted and chance.random() < 0.1
        number = chance.randint(1, self.submitted) if again else self.submitted + 1
        drawn = random.Random(number)  # the same number is the same description
        spec = rules.JobSpec(
            name="Test",
            command=("true",),
            gpus=drawn.choice((0, 1, 1, 2, 4)),
            cpus=drawn.choice((1, 8, 40)),
            time_limit_s=drawn.choice((60, 300, 1200)),
        )
        try:
            compute.submit(
                self.projects[number % 2], spec=spec, by=self.ana, now=self.now, key=str(number)
            )
        except Refused as refused:
            assert refused.code == "allocation.hold.too_big"  # noqa: PT017 - which one, is asked
        else:
            self.submitted = max(self.submitted, number)

    def cancel(self):
        """Stop a job of the portal, or one that was submitted past it."""
        if self.chance.random() < 0.5:
            if jobs := list(Job.objects.filter(settled_at=None, state__in=rules.OPEN)):
                compute.cancel(self.chance.choice(jobs), by=self.ana, now=self.now)
        elif past := self.past_works():
            ids = [self.chance.choice(past).native_id]
            odds, self.cluster.odds = self.cluster.odds, {}
            self.cluster.cancel(ids)
            self.cluster.odds = odds

    def past(self):
        """Submit a job past the portal: in a project's account, or a stranger's."""
        chance = self.chance
        limit_s = chance.choice((30, 120, 900))
        self.cluster.submit_past(
            account=chance.choice([*self.accounts, "physics"]),
            gpus=chance.choice((0, 1, 1, 2)),
            work_s=chance.randint(0, limit_s * 5 // 4),
            limit_s=limit_s,
            tasks=chance.choice((1, 1, 1, 5)),
        )

    def fault(self):
        """Let something begin to fail, for a while."""
        self.cluster.odds[self.chance.choice(FAULTS)] = self.chance.choice((0.1, 0.5, 1.0))

    def mend(self):
        """Let all that fails work again."""
        self.cluster.odds = {}

    def requeue(self):
        """Put a running job back into the queue."""
        if unit := self._some_unit():
            self.cluster.requeue(unit)

    def lose_node(self):
        """Let a node fail under a job."""
        if unit := self._some_unit():
            self.cluster.lose_node(unit)

    def lose_state(self):
        """Let the controller forget everything and count its ids from 1 again."""
        self.cluster.lose_state()

    def kill(self):
        """Have the worker killed at one of its next statements."""
        self.killed_in = self.chance.randint(1, 60)

    def moment(self):
        """Let a moment pass."""
        self._pass(self.chance.randint(1, 20))

    def while_(self):
        """Let a while pass."""
        self._pass(self.chance.choice((60, 300, 900)))

    def work(self, often=0.1):
        """Let the worker do what is due; what others are promised counts as done. What recurs,
        beside PROMPT, is done as often as that: workers have more to do than one factory, and
        computers other tests.
        """
        self._pass(1)
        waiting = Promise.objects.filter(state="waiting", run_at__lte=self.now)
        due = list(waiting.order_by("run_at", "id"))
        calls = defaultdict(list)
        strange = [one.pk for one in due if not one.task.startswith(OURS)]
        Promise.objects.filter(pk__in=strange).update(state="done", ended_at=self.now)
        for promised in (one for one in due if one.task.startswith(OURS)):
            is_first = promised.task in agenda.together and not promised.attempts
            calls[promised.task if is_first else promised.key].append(promised)
        for held in calls.values():
            self._run(held)
        for name, next_run in self.next_run.items():
            is_late = name not in PROMPT and self.chance.random() > often
            if next_run <= self.now and not is_late:
                self.next_run[name] = self.now + timedelta(seconds=agenda.recurring[name])
                self._mortal(partial(find_task(name), now=self.now))

    def past_works(self) -> list[Work]:
        """Return the open jobs that were submitted past the portal."""
        return [work for work in self.cluster.open_works() if not work.key]

    def _some_unit(self) -> Unit | None:
        units = [unit for _work, unit in self.cluster.running()]
        return self.chance.choice(units) if units else None

    def _pass(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.cluster.tick(seconds)

    def _run(self, held: list[Promise]) -> None:
        """Do promises of one call as the worker would."""
        first, rows = held[0], Promise.objects.filter(pk__in=[one.pk for one in held])
        rows.update(attempts=F("attempts") + 1)
        if len(held) == 1:
            is_done = self._mortal(partial(find_task(first.task), **first.args, now=self.now))
        else:
            many = partial(find_task(f"{first.task}_many"), each=[one.args for one in held])
            is_done = self._mortal(partial(many, now=self.now))
        if is_done:
            rows.update(state="done", ended_at=self.now)
        else:
            rows.update(run_at=self.now + LEASE)

    def _mortal(self, doing: Callable[[], None]) -> bool:
        """Do something that the worker may be killed in; False when it was."""
        if not self.killed_in:
            doing()
            return True
        try:
            with connection.execute_wrapper(self._statement):
                doing()
        except Killed:
            self.deaths += 1
            return False
        return True

    def _statement(self, execute, sql, params, many, context):
        """Be killed at the drawn statement; what it wrote is undone, as by a database."""
        if self.killed_in and not sql.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            self.killed_in -= 1
            if not self.killed_in:
                raise Killed
        return execute(sql, params, many, context)

    # --- what must be so --------------------------------------------------------------------

    def calm(self):
        """Let all faults end and time pass until nothing is left to do."""
        self.mend()
        self.killed_in = 0
        for turn in range(TURNS):
            self._pass(900)
            self.work()
            if turn == FENCED:
                self.cluster.cancel([one.native_id for one in self.past_works()])
            if not self.cluster.open_works() and not Job.objects.filter(settled_at=None).exists():
                break
        self._pass(86_400)  # so that the sweep of the week comes by
        self.work(often=1)
        self._pass(120)  # where the watch has just read, the sweep comes a minute later
        self.work(often=1)

    def check(self):
        """Check every invariant of the factory against the truth of the cluster."""
        for job in Job.objects.all():
            assert job.state in ENDED, (job.code, job.state, job.reason)
            assert job.settled_at is not None, (job.code, job.state, job.reason)
            works = self.cluster.of_key(job.native_key)
            assert sum(not work.is_lost for work in works) <= 1, job.code
        ended = Counter(
            LogEntry.objects.filter(event="job.ended").values_list("subject", flat=True)
        )
        assert ended == Counter(Job.objects.values_list("code", flat=True))
        assert Job.objects.count() == self.submitted
        cluster = queries.cluster()
        rows = {row_key(cluster, row): row for row in self.cluster.truth()}
        assert len(rows) == len(self.cluster.truth())
        # Of each run the latest revision.
        kept = {one.row_key: one for one in Usage.objects.order_by("revision")}
        assert {key: (one.native_id, one.elapsed_s) for key, one in kept.items()} == {
            key: (row.native_id, row.elapsed_s) for key, row in rows.items()
        }
        truth = defaultdict(int)
        for row in rows.values():
            if row.state != "NODE_FAIL":
                truth[row.account] += cost(row)
        for account, project in zip(self.accounts, self.projects, strict=True):
            balances = ledger_queries.balances(list(ledger_queries.allocations_of(project)))
            assert sum(one.held for one in balances.values()) == 0
            assert sum(one.spent for one in balances.values()) == truth[account], project.code
        assert ledger_queries.check_books().problems == []
        assert check_log().problems == []
        assert list(Drift.objects.filter(gone_at=None)) == []


def epoch(moment):
    """Return an instant as an epoch second."""
    return int(moment.timestamp())


def cost(row):
    """Return what a run costs by the tariff there is without any: GPU-milliseconds."""
    return row.elapsed_s * max(row.gpus * 1000, row.cpus * 50)


@pytest.fixture
def projects(org, ana):
    """Two projects of one organisation."""
    period = {"starts_at": NOW - timedelta(days=1), "ends_at": NOW + timedelta(days=90)}
    return [
        people.open_project(org, title=title, lead=ana, award_code="", by=None, now=NOW, **period)
        for title in ("Speech", "Language")
    ]


@pytest.fixture
def funded(projects):
    """Hours for both: plenty for one, and for the other so few that they run out."""
    amounts = {projects[0]: (60 * HOUR, 40 * HOUR), projects[1]: (3 * HOUR,)}
    capacity = ledger.open_capacity(
        owner="CAL-TEST",
        title="Test",
        resource=ledger_queries.gpu_hours(),
        amount=1000 * HOUR,
        key="capacity",
        by=None,
        now=NOW,
    )
    for project, parts in amounts.items():
        for number, amount in enumerate(parts):
            ledger.grant(
                project,
                capacity=capacity,
                amount=amount,
                starts_at=NOW - timedelta(days=1),
                ends_at=NOW + timedelta(days=30 + number),
                key=f"grant:{project.code}:{number}",
                by=None,
                now=NOW,
            )
    return projects


@pytest.fixture
def live(ana, funded, monkeypatch):
    """Return a function that has a seed happen in a factory, and takes it all back."""
    config = settings.UZINA
    scheduler = replace(
        config.scheduler, accounts="project", account="uzina", repair="auto", poll_s=1
    )
    monkeypatch.setattr(handing, "LOOK_AGAIN_S", 0.0)
    monkeypatch.setattr(handing, "AT_ONCE", 1)  # threads would draw in another order each time

    def life(seed):
        with transaction.atomic():
            world = World(seed, ana, funded)
            monkeypatch.setattr(adapters, "scheduler", lambda: world.cluster)
            for _event in range(EVENTS):
                world.happen()
            world.calm()
            world.check()
            transaction.set_rollback(True)
        return world

    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        yield life


@pytest.mark.django_db
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_the_books_come_to_what_really_ran(live, chunk):
    happened, deaths = Counter(), 0
    seeds = SEEDS if connection.vendor == "sqlite" else SLICE
    for seed in range(chunk, seeds, CHUNKS):
        try:
            world = live(seed)
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise
        happened += world.happened
        deaths += world.deaths

    # A test that draws nothing proves nothing.
    if seeds == SEEDS:
        assert happened.keys() == DRAWN.keys()
        assert deaths > 0


@pytest.mark.django_db
@pytest.mark.parametrize("skew_s", [-3600, 0, 3600])
def test_who_has_hours_left_is_let_in_after_the_controller_lost_its_memory(world, skew_s):
    """Seed 68 of the first two hundred: with a clock behind ours, what ran after the loss was taken
    for what ran before it, and its project stayed blocked.
    """
    world.cluster.skew_s, world.cluster.clock = skew_s, epoch(NOW) + skew_s
    account = world.accounts[1]
    world.work(often=1)
    for _life in range(2):
        for _time in range(2):
            world.cluster.submit_past(account=account, gpus=1, work_s=2400, limit_s=2500)
            world._pass(3000)
            world.work(often=1)
        world.cluster.lose_state()
        world._pass(120)
        world.work(often=1)
        assert not world.cluster.accounts[account].is_blocked
    world._pass(120)
    world.work(often=1)

    balances = ledger_queries.balances(list(ledger_queries.allocations_of(world.projects[1])))
    left_ms = sum(one.free for one in balances.values())
    assert left_ms == 3 * HOUR - 4 * 2400 * 1000
    assert world.cluster.accounts[account].gpu_min * 60_000 == left_ms
    world.calm()
    world.check()


@pytest.fixture
def world(ana, funded, monkeypatch):
    """A factory to which nothing happens by itself."""
    config = settings.UZINA
    scheduler = replace(config.scheduler, accounts="project", account="uzina", repair="auto")
    monkeypatch.setattr(handing, "LOOK_AGAIN_S", 0.0)
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        world = World(1, ana, funded)
        world.cluster.skew_s, world.cluster.clock = 0, epoch(NOW)
        monkeypatch.setattr(adapters, "scheduler", lambda: world.cluster)
        yield world


@pytest.mark.django_db
def test_tasks_of_an_array_told_without_it_at_first_are_booked_once(world):
    """Seen with Slurm 22.05: two tasks of array 12 were told as 14 and 15, then as 12_1 and 12_2."""
    world.cluster.odds = {"bare": 1.0}
    for account in world.accounts:
        world.cluster.submit_past(account=account, gpus=1, work_s=5, limit_s=60, tasks=3)
    world._pass(40)
    world.work()
    assert {one.native_id for one in Usage.objects.all()}.isdisjoint({"1_0", "4_0"})

    world.calm()
    world.check()
    assert Usage.objects.filter(native_id__contains="_", revision=1).count() == 6


@pytest.mark.django_db
def test_what_an_hour_of_wrong_clock_hid_is_found_by_the_sweep(world):
    world.cluster.skew_s, world.cluster.clock = -3600, epoch(NOW) - 3600
    for _time in range(3):
        world.cluster.submit_past(account=world.accounts[0], gpus=1, work_s=5, limit_s=60)
        world.cluster.odds = {"late": 1.0, "wrong": 1.0}
        world.while_()
        world.work()
    world.calm()
    world.check()


@pytest.mark.django_db
def test_a_job_that_the_controller_took_and_forgot_before_it_answered_runs_once(world):
    """Seed 120 of the first two hundred: its queue was lost together with the answer."""
    world.cluster.odds = {"lost_reply": 1.0}
    world.submit()
    world.work()
    job = Job.objects.get()
    assert (job.state, job.reason) == (JobState.CREATED, "Uncertain")
    world.cluster.lose_state()

    world.calm()
    world.check()

    first, second = world.cluster.of_key(job.native_key)
    assert (first.is_lost, second.is_lost) == (True, False)
