"""What becomes of jobs when a permission to use data is over."""

from datetime import datetime
from typing import Any

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.compute import actions, queries
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.core.errors import Refused

NOT_BEGUN = frozenset({JobState.CREATED, JobState.QUEUED})


def access_over(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Stop the jobs that wait with data they may no longer use; tell who runs the others.

    A running job is not stopped: what was computed would be lost, and the holder sees which ran.
    Jobs that may go on under another permission are left alone.
    """
    del event
    running = []
    for job in queries.open_jobs_with(project=facts["project"], dataset=facts["dataset"]):
        reference = _lost(job, facts["dataset"], now=now)
        if not reference:
            continue
        if job.state in NOT_BEGUN:
            actions.stop_waiting(job, dataset=reference, now=now)
        else:
            running.append(job.code)
            actions.tell_data_lost(job, dataset=reference, now=now)
    if running:
        catalogue.note_running(subject, jobs=running, now=now)


def _lost(job: Job, dataset: str, *, now: datetime) -> str:
    """Return the version of the dataset that the job may no longer use; "" where it still may."""
    for one in job.spec["inputs"]:
        if one["dataset"] != dataset:
            continue
        try:
            catalogue_queries.usable_version(
                job.submitted_by, dataset, one["version"], project=job.project, now=now
            )
        except Refused:
            return f"{dataset}@{one['version']}"
    return ""
