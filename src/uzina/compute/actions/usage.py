"""Measurements: kept once each, charged exactly."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from uzina.compute import queries, rules
from uzina.compute.actions.endings import instant, locked, over, void
from uzina.compute.models import Cluster, Job, Usage
from uzina.compute.ports import UsagePage, UsageRow
from uzina.core.db import action
from uzina.core.log import log
from uzina.ledger import actions as ledger

RAW_LONGEST = 2000


@action
def measure(cluster: Cluster, *, page: UsagePage, now: datetime) -> list[Usage]:
    """Keep the measurements of our jobs that are not kept yet, and move the cursor.

    A row belongs to a job by key and id: rows of others in the account, and of a second run that
    did nothing, are passed over.
    """
    keys = {_row_key(cluster, row): row for row in page.rows}
    fresh = {key: row for key, row in keys.items() if key not in queries.known_rows(keys)}
    jobs = {
        job.native_key: job
        for job in Job.objects.filter(
            cluster=cluster, native_key__in=[row.key for row in fresh.values()]
        )
    }
    rows = [
        _usage(jobs[row.key], key, row, now=now)
        for key, row in fresh.items()
        if row.key in jobs and jobs[row.key].native_id == row.native_id
    ]
    made = Usage.objects.bulk_create(rows, ignore_conflicts=True)
    for usage in rows:
        if usage.job.settled_at is not None and usage.elapsed_s:
            # Came after the job was settled. The hold is closed: an operator decides.
            log("usage.late", usage.job.code, by=None, now=now, elapsed_s=usage.elapsed_s)
    Cluster.objects.filter(pk=cluster.pk, usage_cursor_s__lt=page.cursor_s).update(
        usage_cursor_s=page.cursor_s
    )
    return made


def _row_key(cluster: Cluster, row: UsageRow) -> str:
    return f"{cluster.slug}/{row.native_id}/{row.submitted_s}/{row.started_s or '-'}"[:160]


def _usage(job: Job, key: str, row: UsageRow, *, now: datetime) -> Usage:
    return Usage(
        cluster=job.cluster,
        job=job,
        project=job.project,
        row_key=key,
        native_id=row.native_id,
        submitted_at=instant(row.submitted_s),
        started_at=None if row.started_s is None else instant(row.started_s),
        ended_at=instant(row.ended_s),
        elapsed_s=row.elapsed_s,
        nodes=row.nodes,
        cpus=row.cpus,
        gpus=row.gpus,
        state=row.state[:24],
        raw=row.raw[:RAW_LONGEST],
        read_at=now,
    )


@action
def settle(job: Job, *, now: datetime) -> Job:
    """Charge an ended job what its runs used, release the rest and tell the world it is over.

    Exactly once: a settled job stays as it is. Without a measurement nothing happens yet.
    """
    job = locked(job)
    runs = list(queries.usage_of(job))
    if job.settled_at is not None or job.state not in rules.ENDED or not _is_measured(job, runs):
        return job
    used = charge_of(job, runs)

    if used:
        ledger.settle(job.hold, used=used, by=None, now=now)
        over(job, gpu_ms=used, now=now)
    else:
        void(job, now=now)
    return job


def _is_measured(job: Job, runs: Sequence[Usage]) -> bool:
    """Tell whether the run that the job ended with is among those measured."""
    return any(job.started_at == run.started_at or job.ended_at == run.ended_at for run in runs)


def charge_of(job: Job, runs: Iterable[Usage]) -> int:
    """Return the GPU-milliseconds of all runs of a job, at the rate of the day it was submitted."""
    rate = rules.cpu_rate(job.submitted_at.date())
    return sum(
        rules.cost(gpus=run.gpus, cpus=run.cpus, elapsed_s=run.elapsed_s, rate=rate)
        for run in runs
        if run.state != "NODE_FAIL"
    )
