"""Jobs whose data may no longer be used: those that wait are stopped, the owners of others told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uzina.compute.actions.jobs import cancel
from uzina.compute.models import Job
from uzina.core.db import action
from uzina.people import actions as people


@action
def stop_waiting(job: Job, *, dataset: str, now: datetime) -> None:
    """Have a job that has not begun stopped, its hours given back, and its owner told why."""
    cancel(job, by=None, now=now)
    tell_data_lost(job, dataset=dataset, now=now)


@action
def tell_data_lost(job: Job, *, dataset: str, now: datetime) -> None:
    """Tell whose job it is that its data may no longer be used; once a job and dataset."""
    reader = job.submitted_by
    if reader is None or not reader.is_active:
        return
    is_running = job.started_at is not None and job.ended_at is None
    people.write_message(
        reader,
        kind="compute.data_lost",
        facts={**_facts(job, dataset), "is_running": is_running},
        about=job.code,
        key=f"data_lost.{job.code}.{dataset}",
        now=now,
    )


def _facts(job: Job, dataset: str) -> Mapping[str, Any]:
    return {"job": job, "dataset": dataset, "path": f"/jobs/{job.code}/"}
