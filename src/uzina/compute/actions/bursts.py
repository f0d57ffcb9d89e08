"""Many jobs at once: the same as one after another, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import connection
from django.db.models import F

from uzina.catalogue import queries as catalogue
from uzina.catalogue.queries import spaces
from uzina.compute import queries, rules
from uzina.compute.actions.endings import instant
from uzina.compute.actions.jobs import (
    check_active,
    check_may_submit,
    keep_room,
    log_submitted,
    row,
    same,
    submit,
)
from uzina.compute.models import Job
from uzina.compute.ports import Accepted
from uzina.compute.rules import JobSpec, JobState
from uzina.core.db import action
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.promises import promise, promise_many
from uzina.ledger import actions as ledger
from uzina.people.models import Person, Project


@action
def submit_many(
    project: Project, *, wanted: Mapping[str, JobSpec], by: Person | None, now: datetime
) -> list[Job]:
    """Take many jobs on, all or none, held on one allocation; returns them in order.

    wanted  descriptions by the submitter's keys; those of jobs that are there already give these

    Raises what submit() raises.
    """
    check_may_submit(project, by=by)
    kept = {job.key: same(job, wanted[job.key]) for job in _of_keys(project, wanted)}
    fresh = {key: spec for key, spec in wanted.items() if key not in kept}
    plain = {key: spec for key, spec in fresh.items() if not spec.after and not spec.after_any}
    made = _create(project, plain, by=by, now=now) if plain else {}
    # Those that wait for others are taken on one by one, since each locks what it waits for.
    waiting = {
        key: submit(project, spec=spec, by=by, now=now, key=key)
        for key, spec in fresh.items()
        if key not in plain
    }
    return [(kept | made | waiting)[key] for key in wanted]


def _of_keys(project: Project, keys: Iterable[str]) -> Iterable[Job]:
    return Job.objects.filter(project=project, key__in=list(keys))  # type: ignore[no-any-return]


def _create(
    project: Project, wanted: Mapping[str, JobSpec], *, by: Person | None, now: datetime
) -> dict[str, Job]:
    check_active(project)
    site_user, site_account = queries.site_user(by), queries.site_account(project)
    for dataset, version in {(i.dataset, i.version) for s in wanted.values() for i in s.inputs}:
        catalogue.usable_version(by, dataset, version, project=project, now=now)
    for place in {place for spec in wanted.values() for place in spec.spaces}:
        spaces.usable_folder(place, by=by, project=project)
    codes = {key: new_code("JOB") for key in wanted}
    for key, spec in wanted.items():
        keep_room(codes[key], spec, project=project, by=by, now=now)
    tariffs = {
        name: queries.tariff(name, now=now) for name in {s.partition for s in wanted.values()}
    }
    amounts = {
        codes[key]: rules.hold_amount(spec, tariffs[spec.partition]) for key, spec in wanted.items()
    }
    allocation = queries.open_allocation(project, amount=sum(amounts.values()), now=now)
    cluster = queries.cluster()

    holds = ledger.hold_many(allocation, amounts=amounts, by=by, now=now)
    jobs = {
        key: row(
            holds[codes[key]], project=project, cluster=cluster, spec=spec, by=by, now=now, key=key
        )
        for key, spec in wanted.items()
    }
    for job in jobs.values():
        job.site_user, job.site_account = site_user, site_account
        log_submitted(job, allocation, by=by, now=now)
    Job.objects.bulk_create(jobs.values())
    promise_many(
        "compute.hand_over",
        each={f"hand-over:{code}": {"job": code} for code in codes.values()},
        now=now,
    )
    return jobs


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
