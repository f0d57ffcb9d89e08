"""What stands in a job's way, looked at before it is submitted. Nothing is held or written."""

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.utils.formats import number_format

from uzina.catalogue import queries as catalogue
from uzina.catalogue.queries import spaces
from uzina.compute.models import Partition
from uzina.compute.queries.chains import fates
from uzina.compute.queries.clusters import (
    known_cluster,
    maintenance_for,
    moment_words,
    partitions,
)
from uzina.compute.queries.jobs import price
from uzina.compute.rules import JobSpec, checks
from uzina.compute.rules.checks import OK, REFUSE, WARN, Check, Shape
from uzina.core.errors import Refused
from uzina.people.models import Person, Project

HOUR_MS = 3_600_000


def preflight(project: Project, *, spec: JobSpec, by: Person | None, now: datetime) -> list[Check]:
    """Return what was looked at and what was found, one sentence each."""
    return [
        *_fit(spec),
        _balance(project, spec, by=by, now=now),
        *_inputs(project, spec, by=by, now=now),
        *_predecessors(project, spec),
        *checks.check_environment(spec),
        *_maintenance(spec, now),
        _answer(now),
    ]


def _fit(spec: JobSpec) -> Iterator[Check]:
    found = {one.name: one for one in partitions()}
    if not found:
        yield Check("fit.unseen", WARN, checks.UNSEEN)
        return
    name = spec.partition or settings.UZINA.scheduler.partition
    usual = next((one for one in found.values() if one.is_default), next(iter(found.values())))
    partition = found.get(name) if spec.partition else found.get(name, usual)
    if partition is None:
        facts = {"partition": name, "known": ", ".join(found)}
        yield Check("fit.no_partition", REFUSE, checks.NO_PARTITION, facts)
        return
    yield from checks.check_fit(spec, _shape(partition))


def _shape(partition: Partition) -> Shape:
    return Shape(
        name=partition.name,
        nodes=partition.nodes,
        nodes_up=partition.nodes_up,
        cpus=partition.cpus,
        cpus_free=partition.cpus_free,
        gpus=partition.gpus,
        gpus_free=partition.gpus_free,
        memory_mb=partition.memory_mb,
        max_time_s=partition.max_time_s,
    )


def _balance(project: Project, spec: JobSpec, *, by: Person | None, now: datetime) -> Check:
    try:
        found = price(project, spec=spec, by=by, now=now)
    except Refused as refused:
        return _refusal(refused)
    facts = {
        "held": number_format(round(found.held_gpu_ms / HOUR_MS, 2), 2),
        "left": number_format(round(found.left_gpu_ms / HOUR_MS, 2), 2),
    }
    return Check("balance.ok", OK, checks.BALANCE, facts)


def _inputs(
    project: Project, spec: JobSpec, *, by: Person | None, now: datetime
) -> Iterator[Check]:
    try:
        for one in spec.inputs:
            catalogue.usable_version(by, one.dataset, one.version, project=project, now=now)
        for place in spec.spaces:
            spaces.usable_folder(place, by=by, project=project)
    except Refused as refused:
        yield _refusal(refused)
        return
    if spec.inputs or spec.spaces:
        given = [f"{one.dataset}@{one.version}" for one in spec.inputs]
        names = ", ".join([*given, *spec.spaces])
        yield Check("inputs.ok", OK, checks.INPUTS, {"names": names})


def _predecessors(project: Project, spec: JobSpec) -> Iterator[Check]:
    known = fates(project, spec)
    missing = {*spec.after, *spec.after_any} - {one.code for one in known}
    for code in sorted(missing):
        facts = {"project": project.code, "job": code}
        yield Check("job.submit.no_such_job", REFUSE, checks.NO_JOB, facts)
    for one in known:
        if one.is_hopeless:
            yield Check("job.submit.after_hopeless", REFUSE, checks.HOPELESS, {"job": one.code})
    if waiting := [one.code for one in known if one.is_open]:
        yield Check("after.waits", OK, checks.WAITS, {"jobs": ", ".join(waiting)})


def _maintenance(spec: JobSpec, now: datetime) -> Iterator[Check]:
    window = maintenance_for(spec.partition, now=now, time_limit_s=spec.time_limit_s)
    if window is not None:
        facts = {"since": moment_words(window.starts_at), "until": moment_words(window.ends_at)}
        yield Check("maintenance.hits", WARN, checks.MAINTENANCE, facts)


def _answer(now: datetime) -> Check:
    cluster = known_cluster()
    answered_at = cluster.answered_at if cluster else None
    age_s = None if answered_at is None else max(0, int((now - answered_at).total_seconds()))
    is_silent = cluster is not None and cluster.silent_since is not None
    return checks.check_answer(is_silent=is_silent, age_s=age_s)


def _refusal(refused: Refused) -> Check:
    return Check(refused.code, REFUSE, refused.message, refused.facts)
