"""Reads worth a name, and the record that every document of a model is made from."""

import functools
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from uzina.calls import queries as calls
from uzina.calls.models import Award
from uzina.catalogue.models import Version
from uzina.compute import queries as compute
from uzina.compute.models import Job
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _
from uzina.people.models import Person, Project
from uzina.training.models import (
    Evaluation,
    ModelVersion,
    Recipe,
    Run,
    TrainedModel,
)
from uzina.training.rules import ai_act, documents
from uzina.training.rules.runs import NAME, Output

HERE = Path(__file__).parent
DEEPEST = 12
"""Generations of data a record follows back: more is a loop or a novel."""


# --- recipes and runs ---------------------------------------------------------------------------


def recipes() -> QuerySet[Recipe]:
    """Return the current recipes in the order people use them: prepare, train, evaluate, others."""
    return Recipe.objects.filter(is_current=True).order_by("slug")


def recipe(slug: str) -> Recipe:
    """Return the current recipe. Raises Invalid run.recipe.unknown."""
    found = Recipe.objects.filter(slug=slug, is_current=True).first()
    if found is None:
        known = ", ".join(recipes().values_list("slug", flat=True))
        raise Invalid(
            [
                Problem(
                    "recipe", "run.recipe.unknown", _("Choose one of: {known}."), {"known": known}
                )
            ]
        )
    return found


def run(code: str) -> Run:
    """Return a run. Raises Run.DoesNotExist."""
    return Run.objects.whole().get(code=code)  # type: ignore[no-any-return]


def run_of_job(job: str) -> Run | None:
    """Return the run whose newest job has the code; None for a job of no run."""
    found: Run | None = Run.objects.filter(job__code=job).first()
    return found


def default_name(project: Project, recipe: Recipe, datasets: Sequence[str]) -> str:
    """Return a name for what comes out, made of what goes in."""
    tail = "model" if recipe.output is Output.MODEL else recipe.slug
    stem = datasets[0] if datasets and NAME.fullmatch(datasets[0]) else project.code.lower()
    return f"{stem[: 62 - len(tail)].rstrip('-')}-{tail}"


def data_facts(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a prepare report counts, flat, for the version it made."""
    facts: dict[str, Any] = {}
    out = report.get("out", {})
    for split in ("train", "heldout"):
        table = out.get(split, {}) if isinstance(out, dict) else {}
        for name in ("documents", "tokens", "bytes"):
            if isinstance(table, dict) and isinstance(table.get(name), int):
                facts[f"{split}_{name}"] = table[name]
    if isinstance(report.get("vocabulary"), int):
        facts["vocabulary"] = report["vocabulary"]
    excluded = report.get("excluded_documents", {})
    if isinstance(excluded, dict):
        counts = {rule: _count(table) for rule, table in excluded.items()}
        facts["excluded"] = {rule: count for rule, count in counts.items() if count}
    return facts


def _count(table: Any) -> int:
    """Return the documents a rule of a prepare report took, over all languages."""
    rows = table.get("by_language", {}) if isinstance(table, dict) else {}
    total = 0
    for row in rows.values() if isinstance(rows, dict) else ():
        value = row.get("documents", 0) if isinstance(row, dict) else row
        total += value if isinstance(value, int) else 0
    return total


def models_seen_by(person: Person | AnonymousUser) -> QuerySet[TrainedModel]:
    """Return the models a person may see, newest first."""
    found: QuerySet[TrainedModel] = (
        TrainedModel.objects.visible_to(person)
        .select_related("project__organisation")
        .order_by("-pk")
    )
    return found


def with_versions(
    models: Sequence[TrainedModel], person: Person | AnonymousUser
) -> list[TrainedModel]:
    """Give each model `seen`: its versions the person may see, newest first. One query for all."""
    rows = (
        ModelVersion.objects.visible_to(person)
        .filter(model__in=models)
        .select_related("model", "run", "content")
        .order_by("-number")
    )
    by_model: dict[int, list[ModelVersion]] = {}
    for row in rows:
        by_model.setdefault(row.model_id, []).append(row)
    for model in models:
        model.seen = by_model.get(model.pk, [])  # type: ignore[attr-defined]
    return list(models)


def scores_of(version: ModelVersion) -> Evaluation | None:
    """Return the newest evaluation of a version."""
    return version.evaluations.order_by("-pk").first()  # type: ignore[no-any-return]


# --- data files ---------------------------------------------------------------------------------


@functools.cache
def form_fields() -> tuple[documents.Field, ...]:
    """Return the fields of the Model Documentation Form, in order."""
    return documents.parse_form(_table("documentation_form.toml"))


@functools.cache
def form_as_of() -> str:
    """Return the day the form's data file was last checked."""
    return str(_table("documentation_form.toml")["as_of"])


@functools.cache
def thresholds() -> tuple[ai_act.Threshold, ...]:
    """Return the compute thresholds of the AI Act."""
    return ai_act.parse(_table("ai_act.toml"))


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


# --- the record ---------------------------------------------------------------------------------


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
        "base_flop": None if base is None else documents.flop_of(base.facts),
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
