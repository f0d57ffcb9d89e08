"""Measurements: every run on the cluster is kept once and charged exactly, whoever began it.

Three ways to be charged, told apart by what a row belongs to. A job of ours: its hold is settled
with the sum of its runs; what is measured or measured otherwise later is charged as the difference.
A run past the portal whose account is a project's: booked at once, one transfer for an allocation
and a page of rows. Everything else is kept, and shown as belonging to nobody.

Only the latest measurement of a run counts; what is booked is always the sum over those.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from uzina.compute import queries, rules
from uzina.compute.actions import rows as table
from uzina.compute.actions.endings import close, locked
from uzina.compute.models import Cluster, Job, SiteAccount, Usage
from uzina.compute.ports import UsagePage, UsageRow
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.ledger import rules as ledger_rules
from uzina.ledger.models import Transfer
from uzina.people import access as people_access
from uzina.people.models import Person, Project

PIECE = 4000
"""Rows in one transaction: the statements around them cost little then, and the locks are held
for a fraction of a second."""

RAW_LONGEST = 2000

READING_TAKES = timedelta(minutes=2)
"""Longer than one window takes to be asked for and kept: commands are stopped after 30 s."""


def measure(cluster: Cluster, *, page: UsagePage, now: datetime) -> int:
    """Keep and charge what is not kept yet or was measured otherwise, then move the cursor.

    Returns how many measurements were new. PIECE rows in one transaction: what breaks off between
    two pieces is read again, for the cursor moves last.
    """
    tariffs = queries.tariffs(cluster)
    made = 0
    for start in range(0, len(page.rows), PIECE):
        piece = page.rows[start : start + PIECE]
        made += _measure(cluster, piece, tariffs=tariffs, now=now)
    Cluster.objects.filter(pk=cluster.pk, usage_cursor_s__lt=page.cursor_s).update(
        usage_cursor_s=page.cursor_s
    )
    return made


@action
def _measure(
    cluster: Cluster, rows: Sequence[UsageRow], *, tariffs: rules.Tariffs, now: datetime
) -> int:
    # One reader after another: what the first has kept, the second finds kept.
    Cluster.objects.select_for_update(no_key=True).get(pk=cluster.pk)
    keys = {row_key(cluster, row): row for row in rows}
    kept = queries.kept(keys)
    news = {key: row for key, row in keys.items() if not _is_done(row, kept.get(key))}
    if not news:
        return 0
    return _Piece(cluster, kept, tariffs, now).keep(news)


def row_key(cluster: Cluster, row: UsageRow) -> str:
    """Return what makes a run that run: ids are reused, runs are repeated, and a task of an array
    is told without its array at first.
    """
    started = "-" if row.started_s is None else row.started_s
    return f"{cluster.slug}/{row.run_id or row.native_id}/{row.submitted_s}/{started}"[:160]


def _is_done(row: UsageRow, before: Mapping[str, Any] | None) -> bool:
    """Tell whether a measurement is kept as it is, and booked where it belongs."""
    return before is not None and not _is_astray(before) and _is_same(row, before)


def _is_same(row: UsageRow, before: Mapping[str, Any]) -> bool:
    return _figures(row) == tuple(before[name] for name in queries.FIGURES)


def _is_astray(before: Mapping[str, Any]) -> bool:
    """Tell whether a kept measurement belonged to nobody, or could not be booked."""
    return before["project"] is None or (before["allocation"] is None and bool(before["gpu_ms"]))


def _figures(row: UsageRow) -> tuple[Any, ...]:
    return (
        datetime.fromtimestamp(row.ended_s, tz=UTC),
        row.elapsed_s,
        row.nodes,
        row.cpus,
        row.gpus,
        row.memory_mb,
        row.energy_j,
        row.state[:24],
        row.account[:64],
        row.partition[:80],
        _text(row.native_id, 40),
        _text(row.name, 200),
    )


@dataclass
class _Sum:
    """What is to be charged together, and the rows it is charged for."""

    amount: int = 0
    marks: list[str] = field(default_factory=list)

    def key(self, head: str) -> str:
        """Return a key that only these rows make."""
        return f"{head}:{hashlib.sha256(' '.join(self.marks).encode()).hexdigest()[:32]}"


@dataclass(slots=True)
class _Line:
    """A new measurement: to whom it belongs, what it costs, and in which sum it is charged."""

    key: str
    row: UsageRow
    revision: int
    gpu_ms: int | None = None
    job: int | None = None
    project: int | None = None
    allocation: int | None = None
    charged_to: tuple[str, int] | None = None


class _Room:
    """Which allocation of a project a run is booked on, while they fill up.

    Balances are read once, without a lock: a choice that somebody else's booking made worse is
    booked all the same, and what does not fit is overrun.
    """

    def __init__(self, projects: Iterable[int]) -> None:
        found = ledger_queries.gpu_allocations(set(projects))
        self.allocations = {one.pk: one for one in found}
        balances = ledger_queries.balances(found) if found else {}
        self._left = {
            one.pk: balances[one.pk].expired if one.state == "ended" else balances[one.pk].free
            for one in found
        }
        self._periods: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for one in sorted(found, key=lambda one: (one.ends_at, one.pk)):
            self._periods[one.project_id].append(
                (math.ceil(one.starts_at.timestamp()), math.ceil(one.ends_at.timestamp()), one.pk)
            )

    def choose(self, project: int, second: int, amount: int) -> int | None:
        """Return the allocation, by id, that a run is booked on that began at a second.

        Of those whose period it began in, the one that ends first with room, else the last to
        end. None where there is no such.
        """
        open_then = [pk for start, end, pk in self._periods[project] if start <= second < end]
        roomy = (pk for pk in open_then if self._left[pk] >= amount)
        return next(roomy, open_then[-1] if open_then else None)

    def take(self, allocation: int, amount: int) -> None:
        """Note what is going to be booked."""
        self._left[allocation] = max(0, self._left[allocation] - amount)


class _Piece:
    """New measurements of one transaction on their way into the table and the ledger."""

    def __init__(
        self,
        cluster: Cluster,
        kept: Mapping[str, Mapping[str, Any]],
        tariffs: rules.Tariffs,
        now: datetime,
    ) -> None:
        self.cluster, self.kept, self.tariffs, self.now = cluster, kept, tariffs, now
        self.read_at, self.stamp = table.moment(now), table.stamper()
        self.sums: dict[tuple[str, int], _Sum] = defaultdict(_Sum)

    def keep(self, news: Mapping[str, UsageRow]) -> int:
        """Charge and write the rows; return how many there were."""
        self.jobs = _jobs_of(self.cluster, news.values())
        self.projects = dict(
            SiteAccount.objects.filter(
                cluster=self.cluster, name__in={row.account for row in news.values()}
            ).values_list("name", "project")
        )
        befores = [before for before in self.kept.values() if before["project"] is not None]
        self.room = _Room({*self.projects.values(), *(before["project"] for before in befores)})
        found = [line for key, row in news.items() if (line := self._line(key, row)) is not None]
        if found:
            transfers = self._charge()
            table.write([self._columns(line, transfers) for line in found])
        return len(found)

    def _line(self, key: str, row: UsageRow) -> "_Line | None":
        """Return where a measurement belongs and what it costs, and add that to what is charged.

        None for a job whose hand-over is not noted yet, and for what may be a task of an array that
        is told as a job of its own for a moment: it comes again, and is its job's then. And
        None where it is kept as it is, and there is still nothing to book it on.
        """
        before = self.kept.get(key)
        job = self.jobs.get(row.key) if row.key else None
        if job is not None and not _is_of(job, row):
            if not job.native_id or (job.tasks > 1 and job.settled_at is None):
                return None
            job = None
        line = _Line(key, row, revision=before["revision"] + 1 if before else 0)
        line.gpu_ms = self._cost(row)
        change = (line.gpu_ms or 0) - ((before["gpu_ms"] or 0) if before else 0)
        if job is not None:
            self._of_job(line, job, before, change)
            return line
        return self._direct(line, before, change)

    def _of_job(self, line: _Line, job: Job, before: Mapping[str, Any] | None, change: int) -> None:
        """Give a measurement to a job; charge its change where the job is settled already."""
        line.job, line.project, line.allocation = job.pk, job.project_id, job.allocation_id
        if before and before["job"] is None and before["allocation"] and before["gpu_ms"]:
            # Booked by itself before it was told whose it is: that is taken back.
            self._add(line, ("allocation", before["allocation"]), -before["gpu_ms"])
            change = line.gpu_ms or 0
        if job.settled_at is not None and change:
            self._add(line, ("job", job.pk), change)

    def _direct(self, line: _Line, before: Mapping[str, Any] | None, change: int) -> _Line | None:
        """Give a measurement to its account's project; None where that changes nothing."""
        row = line.row
        line.project = before["project"] if before and before["project"] else None
        line.project = line.project or self.projects.get(row.account)
        if before and before["allocation"]:
            line.allocation = before["allocation"]
        elif line.project is not None and row.started_s is not None:
            change = line.gpu_ms or 0
            line.allocation = self.room.choose(line.project, row.started_s, change)
        if before is not None:
            is_where_it_was = line.project == before["project"]
            is_where_it_was &= line.allocation == before["allocation"]
            if is_where_it_was and _is_same(row, before):
                return None
        if line.allocation is not None and change:
            self.room.take(line.allocation, change)
            self._add(line, ("allocation", line.allocation), change)
        return line

    def _add(self, line: _Line, place: tuple[str, int], change: int) -> None:
        line.charged_to = place
        self.sums[place].amount += change
        self.sums[place].marks.append(f"{line.key}#{line.revision}")

    def _cost(self, row: UsageRow) -> int | None:
        """Return GPU-milliseconds, by the tariff of the day it started; None when free of charge."""
        if row.state in rules.FREE_STATES:
            return None
        if row.started_s is None:
            return 0
        return rules.cost(
            self.tariffs.at(row.partition, row.started_s),
            gpus=row.gpus,
            cpus=row.cpus,
            memory_mb=row.memory_mb,
            elapsed_s=row.elapsed_s,
        )

    def _charge(self) -> dict[tuple[str, int], Transfer | None]:
        """Book the sums; return the transfer of each by its place."""
        jobs = {job.pk: job for job in self.jobs.values()}
        charges = {}
        for (kind, pk), one in self.sums.items():
            if not one.amount:
                continue
            if kind == "job":
                charges[kind, pk] = self._late(jobs[pk], one)
            else:
                charges[kind, pk] = ledger_rules.Charge(
                    self.room.allocations[pk],
                    one.amount,
                    key=one.key(f"usage:{self.cluster.slug}"),
                    subject=self.cluster.slug,
                    reason=f"{len(one.marks)} runs submitted past the portal",
                )
        if not charges:
            return {}
        transfers = ledger.charge(list(charges.values()), by=None, now=self.now)
        return dict(zip(charges, transfers, strict=True))

    def _late(self, job: Job, one: _Sum) -> ledger_rules.Charge:
        """Note on a settled job what it costs now; return the charge of the difference."""
        job.gpu_ms = (job.gpu_ms or 0) + one.amount
        job.save(update_fields=["gpu_ms"])
        log(
            "job.remeasured",
            job.code,
            by=None,
            now=self.now,
            gpu_ms=job.gpu_ms,
            difference=one.amount,
        )
        return ledger_rules.Charge(
            job.allocation,
            one.amount,
            key=one.key(f"usage:{job.code}"),
            subject=job.code,
            reason="Measured after it was settled",
        )

    def _columns(
        self, line: _Line, transfers: Mapping[tuple[str, int], Transfer | None]
    ) -> tuple[Any, ...]:
        row, stamp = line.row, self.stamp
        transfer = transfers.get(line.charged_to) if line.charged_to else None
        return (
            self.cluster.pk,
            line.job,
            line.project,
            line.allocation,
            transfer and transfer.pk,
            line.key,
            line.revision,
            _text(row.native_id, 40),
            _text(row.name, 200),
            _text(row.account, 64),
            _text(row.user, 64),
            _text(row.partition, 80),
            stamp(row.submitted_s),
            stamp(row.started_s),
            stamp(row.ended_s),
            row.elapsed_s,
            row.nodes,
            row.cpus,
            row.gpus,
            row.memory_mb,
            row.energy_j,
            _text(row.state, 24),
            line.gpu_ms,
            _text(row.raw, RAW_LONGEST),
            self.read_at,
        )


def _text(text: str, longest: int) -> str:
    """Cut a text to what its column takes; no database takes a NUL."""
    cut = text[:longest]
    return cut.replace("\0", "") if "\0" in cut else cut


def _jobs_of(cluster: Cluster, rows: Iterable[UsageRow]) -> dict[str, Job]:
    """Return the jobs of ours that rows carry the keys of, by key, locked: a job is settled with
    what is measured before, and charged the difference for what is measured after.
    """
    if not (keys := {row.key for row in rows if row.key}):
        return {}
    found = (
        Job.objects.select_for_update(of=("self",), no_key=True)
        .select_related("allocation")
        .filter(cluster=cluster, native_key__in=keys)
        .order_by("pk")
    )
    return {job.native_key: job for job in found}


def _is_of(job: Job, row: UsageRow) -> bool:
    """Tell whether a row that carries a job's key is a run of it, or a task or part of it.

    Anybody can give a job any name, and a second hand-over does nothing: the id says whose it is.
    A job that was given up and ran all the same is known by its key alone.
    """
    if not job.native_id:
        return job.state in rules.ENDED
    return row.native_id == job.native_id or row.native_id.startswith(
        (f"{job.native_id}_", f"{job.native_id}+")
    )


@action
def begin_reading(cluster: Cluster, *, now: datetime) -> bool:
    """Take the turn to read usage; False while somebody reads, or when it was read a moment ago.

    Who takes it and dies is waited for until READING_TAKES has passed.
    """
    cluster = Cluster.objects.select_for_update(no_key=True).get(pk=cluster.pk)
    if cluster.usage_next_at is not None and now < cluster.usage_next_at:
        return False
    cluster.usage_next_at = now + READING_TAKES
    cluster.save(update_fields=["usage_next_at"])
    return True


@action
def end_reading(cluster: Cluster, *, next_at: datetime, swept_at: datetime | None = None) -> None:
    """Give the turn to read usage back, and say when it may be read next."""
    cluster.usage_next_at = next_at
    if swept_at is not None:
        cluster.swept_at = swept_at
    cluster.save(update_fields=["usage_next_at", "swept_at"])


@action
def promise_sweep(*, now: datetime, after: timedelta) -> None:
    """Promise that the usage of the last week is read again."""
    moment = int((now + after).timestamp()) // 60
    promise("compute.sweep", key=f"sweep:{moment}", now=now, after=after)


@action
def ask_sweep(cluster: Cluster, *, by: Person | None, now: datetime) -> None:
    """Have the usage of the last week read again, on request.

    Raises NotAllowed usage.sweep.not_operator.
    """
    if not people_access.is_operator(by):
        raise NotAllowed(
            "usage.sweep.not_operator",
            _("Only an operator of the factory can have usage read again."),
        )
    log("cluster.sweep_asked", cluster.slug, by=by, now=now)
    promise_sweep(now=now, after=timedelta())


@action
def go_on_reading(cluster: Cluster, *, until: datetime) -> None:
    """Keep the turn for another window of a long read."""
    Cluster.objects.filter(pk=cluster.pk).update(usage_next_at=until)


@action
def note_account(cluster: Cluster, project: Project, *, name: str, now: datetime) -> SiteAccount:
    """Note that an account which the cluster knows already is a project's."""
    made = SiteAccount.objects.create(cluster=cluster, project=project, name=name, made_at=now)
    log("account.noted", project.code, by=None, now=now, cluster=cluster.slug, name=name)
    return made


@action
def settle(job: Job, *, now: datetime) -> Job:
    """Charge an ended job what its runs used, release the rest and tell the world it is over.

    Exactly once: a settled job stays as it is. Without a measurement nothing happens yet.
    """
    job = locked(job)
    if job.settled_at is not None or job.state not in rules.ENDED:
        return job
    runs = list(queries.usage_of(job))
    if _is_measured(job, runs):
        close(job, now=now)
    return job


def _is_measured(job: Job, runs: Sequence[Usage]) -> bool:
    """Tell whether all is there that a job is settled with: its last run, or all of its tasks.

    Where accounting has lost one of them, what is there settles it once everything that ended a
    while after the job has been read. What comes later is charged as a difference.
    """
    if not runs:
        return False
    read_past = job.cluster.usage_cursor_s - rules.FORGET_AFTER.total_seconds()
    if job.ended_at is not None and job.ended_at.timestamp() < read_past:
        return True
    if job.tasks > 1:
        ended = {run.native_id for run in runs if run.state != "REQUEUED"}
        return sum(rules.tasks_in(one) for one in ended) >= job.tasks
    return any(job.started_at == run.started_at or job.ended_at == run.ended_at for run in runs)
