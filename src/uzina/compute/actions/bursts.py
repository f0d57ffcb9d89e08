"""Many jobs at once: the same as one after another, in one transaction."""

from collections.abc import Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F

from uzina.compute import rules
from uzina.compute.actions.endings import instant
from uzina.compute.models import Job
from uzina.compute.ports import Accepted
from uzina.compute.rules import JobState
from uzina.core.db import action
from uzina.core.log import log
from uzina.core.promises import promise


@action
def begin_attempts(codes: Sequence[str]) -> list[Job]:
    """Note that handing over begins, for those of the jobs that were never handed over before.

    The others are left as they are: each has something to look up or to decide first.
    """
    jobs = list(
        Job.objects.select_for_update(of=("self",))
        .select_related("cluster", "submitted_by")
        .filter(code__in=codes, state=JobState.CREATED, attempts=0, cancel_asked_at=None)
        .exclude(reason="Dependency")
        .order_by("pk")
    )
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(
        attempts=F("attempts") + 1, reason="HandOver"
    )
    return jobs


@action
def accept_many(accepted: Sequence[tuple[Job, Accepted]], *, now: datetime) -> None:
    """Note that the cluster has these jobs, as accept() notes it of one."""
    answers = {job.pk: answer for job, answer in accepted}
    jobs = list(
        Job.objects.select_for_update(of=("self",))
        .filter(pk__in=answers, state=JobState.CREATED)
        .only("code", "state", "cancel_asked_at")
        .order_by("pk")
    )
    Job.objects.filter(pk__in=[job.pk for job in jobs]).update(
        state=rules.JOB.after("accept", JobState.CREATED), reason="None", detail="", observed_at=now
    )
    submitted = Job._meta.get_field("native_submitted_at")  # noqa: SLF001 - Django's documented door
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE compute_job SET native_id = %s, native_submitted_at = %s WHERE id = %s",
            [
                (
                    answers[job.pk].native_id,
                    submitted.get_db_prep_value(instant(answers[job.pk].submitted_s), connection),
                    job.pk,
                )
                for job in jobs
            ],
        )
    for job in jobs:
        log("job.accepted", job.code, by=None, now=now, native_id=answers[job.pk].native_id)
        if job.cancel_asked_at is not None:
            promise("compute.hand_cancel", key=f"cancel:{job.code}", now=now, job=job.code)
