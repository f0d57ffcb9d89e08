"""The record of a model version: everything its documents are made from."""

from datetime import UTC, datetime
from typing import Any

from uzina.calls import queries as calls
from uzina.calls.models import Award
from uzina.catalogue.models import Version
from uzina.compute import queries as compute
from uzina.compute.models import Job
from uzina.people.models import Project
from uzina.training.models import Evaluation, ModelVersion, Run
from uzina.training.rules.record import flop_of

DEEPEST = 12
"""Generations of data a record follows back: more is a loop or a novel."""


def record(version: ModelVersion) -> dict[str, Any]:
    """Return everything the factory knows of a model version, as plain JSON values.

    From the call that gave the hours to the evaluations of the model; what is not known is None
    or empty, never made up. The same state of the factory gives the same record, so its digest
    says what a document was made from.
    """
    version = ModelVersion.objects.whole().get(pk=version.pk)
    chain = _chain(version)
    base = version.run.model
    answers = {
        row.field: {
            "text": row.text,
            "revision": row.revision,
            "by": row.by.code,
            "at": _at(row.at),
        }
        for row in version.answers.select_related("by").order_by("field")
        if row.text
    }
    return {
        "model": _model(version),
        "award": _award(version.model.project),
        "allocations": sorted({one["allocation"] for run in chain["runs"] for one in run["jobs"]}),
        "runs": chain["runs"],
        "data": chain["data"],
        "base_model": None
        if base is None
        else {"reference": base.reference, "digest": base.digest},
        "base_flop": None if base is None else flop_of(base.facts),
        "facts": version.facts,
        "evaluations": [_evaluation(one) for one in _evaluations(version)],
        "answers": answers,
    }


def _model(version: ModelVersion) -> dict[str, Any]:
    project = version.model.project
    return {
        "reference": version.reference,
        "slug": version.model.slug,
        "number": version.number,
        "title": version.model.title,
        "state": str(version.state),
        "digest": version.digest,
        "bytes": version.content.bytes,
        "files": [
            {"path": one["path"], "bytes": one["bytes"], "sha256": one["sha256"]}
            for one in version.manifest
        ],
        "languages": version.content.dataset.language_codes,
        "run": version.run.code,
        "created_at": _at(version.created_at),
        "released_at": _at(version.released_at),
        "retired_at": _at(version.retired_at),
        "project": {"code": project.code, "title": project.title},
        "provider": {
            "name": project.organisation.name,
            "code": project.organisation.code,
            "country": project.organisation.country,
            "kind": project.organisation.kind,
        },
    }


def _award(project: Project) -> dict[str, Any] | None:
    """Return call, application and award behind a project; None when it has none."""
    if not project.award_code:
        return None
    try:
        award = calls.award(project.award_code)
    except Award.DoesNotExist:
        return {"code": project.award_code}
    application = award.application
    return {
        "code": award.code,
        "gpu_ms": award.gpu_ms,
        "starts_at": _at(award.starts_at),
        "ends_at": _at(award.ends_at),
        "application": {
            "code": application.code,
            "title": application.title,
            "submitted_at": _at(application.submitted_at),
        },
        "call": {
            "code": application.call.code,
            "slug": application.call.slug,
            "title": {"en": application.call.title_en, "ro": application.call.title_ro},
        },
    }


def _chain(version: ModelVersion) -> dict[str, list[dict[str, Any]]]:
    """Follow the data back: the runs and data versions a model came of, oldest first."""
    runs: dict[int, dict[str, Any]] = {}
    data: dict[int, dict[str, Any]] = {}
    wanted = [version.run]
    for _generation in range(DEEPEST):
        following: list[Run] = []
        for one in wanted:
            if one.pk in runs:
                continue
            runs[one.pk] = _run(one)
            sources = [
                row.version for row in one.inputs.select_related("version__dataset__licence")
            ]
            for source in sources:
                if source.pk not in data:
                    data[source.pk] = _data(source)
                    following += _makers(source)
            if one.model is not None:
                following.append(one.model.run)
        wanted = following
        if not wanted:
            break
    return {"runs": list(reversed(runs.values())), "data": list(reversed(data.values()))}


def _makers(version: Version) -> list[Run]:
    if not version.made_by_job:
        return []
    return list(Run.objects.whole().filter(jobs__code=version.made_by_job))


def _run(run: Run) -> dict[str, Any]:
    manifest = run.facts.get("manifest", {})
    return {
        "code": run.code,
        "recipe": {"slug": run.recipe.slug, "version": run.recipe.version},
        "params": run.params,
        "state": str(run.state),
        "inputs": [
            {"at": one.at, "reference": one.version.reference, "digest": one.version.digest}
            for one in run.inputs.select_related("version__dataset").order_by("at")
        ],
        "output": None if run.output is None else run.output.reference,
        "jobs": [_job(one) for one in run.jobs.select_related("allocation").order_by("pk")],
        "code_version": manifest.get("code") or None,
        "environment": manifest.get("environment") or None,
        "seed": manifest.get("seed"),
        "world_size": manifest.get("world_size"),
        "started_at": _at(run.made_at),
        "collected_at": _at(run.collected_at),
    }


def _job(job: Job) -> dict[str, Any]:
    usage = list(compute.usage_of(job))
    return {
        "code": job.code,
        "allocation": job.allocation.code,
        "state": str(job.state),
        "gpu_ms": job.gpu_ms,
        "elapsed_s": sum(one.elapsed_s for one in usage) if usage else None,
        "nodes": job.nodes,
        "gpus": job.nodes * job.gpus,
        "cpus": job.nodes * job.cpus,
        "started_at": _at(job.started_at),
        "ended_at": _at(job.ended_at),
    }


def _data(version: Version) -> dict[str, Any]:
    dataset = version.dataset
    return {
        "reference": version.reference,
        "title": dataset.title,
        "description": dataset.description,
        "digest": version.digest,
        "bytes": version.bytes,
        "licence": {
            "slug": dataset.licence.slug,
            "spdx": dataset.licence.spdx,
            "title": {"en": dataset.licence.title_en, "ro": dataset.licence.title_ro},
        },
        "languages": dataset.language_codes,
        "state": str(dataset.state),
        "made_by_job": version.made_by_job,
        "derived_from": sorted(
            one.reference for one in version.derived_from.select_related("dataset")
        ),
        "facts": version.facts,
        "created_at": _at(version.created_at),
    }


def _evaluations(version: ModelVersion) -> list[Evaluation]:
    return list(
        version.evaluations.select_related("run__job", "run__recipe")
        .prefetch_related("run__inputs__version__dataset")
        .order_by("pk")
    )


def _evaluation(found: Evaluation) -> dict[str, Any]:
    results = found.results
    return {
        "run": found.run.code,
        "job": found.run.job.code,
        "recipe": {"slug": found.run.recipe.slug, "version": found.run.recipe.version},
        "data": [one.version.reference for one in found.run.inputs.all()],
        "bits_per_byte": results.get("bits_per_byte", {}),
        "held_out": results.get("held_out", {}),
        "methods": results.get("methods", {}),
        "baselines_learn_from_bytes": results.get("baselines_learn_from_bytes"),
        "made_at": _at(found.made_at),
    }


def _at(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
