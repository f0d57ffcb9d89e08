"""Reads worth a name. `records` makes the record of a model, `plans` what a run would be."""

import functools
import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import QuerySet

from uzina.catalogue import queries as catalogue
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
from uzina.training.rules import ai_act, form, prepared
from uzina.training.rules.runs import NAME, Output

HERE = Path(__file__).parent.parent
LONGEST_REPORT = 4_000_000


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


def data_facts(
    report: Mapping[str, Any], statistics: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a prepare report counts, flat, for the version it made.

    statistics  what the recipe reckoned for the public summary of training content
    """
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
    if statistics:
        facts["content"] = prepared.content(statistics)
    return facts


def preparation(run: Run) -> prepared.Report | None:
    """Return what a run that prepared data reports of it; None for other runs."""
    if run.output is None or run.recipe.output is not Output.DATA:
        return None
    try:
        found = json.loads(catalogue.text(run.output, "report.json", most=LONGEST_REPORT) or "{}")
    except ValueError:
        return None
    return prepared.read(found) if isinstance(found, dict) else None


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


def versions_of(project: Project) -> QuerySet[ModelVersion]:
    """Return every version of the models a project made, oldest first. One query."""
    return (  # type: ignore[no-any-return]
        ModelVersion.objects.filter(model__project=project).select_related("model").order_by("pk")
    )


def scores_of(version: ModelVersion) -> Evaluation | None:
    """Return the newest evaluation of a version."""
    return version.evaluations.order_by("-pk").first()  # type: ignore[no-any-return]


# --- data files ---------------------------------------------------------------------------------


@functools.cache
def form_fields() -> tuple[form.Field, ...]:
    """Return the fields of the Model Documentation Form, in order."""
    return form.parse(_table("documentation_form.toml"))


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
