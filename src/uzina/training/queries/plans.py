"""What a run would be: its description as a job, its inputs pinned, or every mistake in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from uzina.catalogue import queries as catalogue
from uzina.catalogue.models import Version
from uzina.catalogue.rules import DatasetKind
from uzina.compute import rules as compute
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _
from uzina.people.models import Person, Project
from uzina.training import queries
from uzina.training.models import ModelVersion, Recipe
from uzina.training.rules import runs as rules
from uzina.training.rules.runs import Output


@dataclass(frozen=True)
class Plan:
    """A run that could be started: nothing is held and nothing written yet."""

    name: str
    params: Mapping[str, rules.Value]
    inputs: Mapping[str, Version]
    model: ModelVersion | None
    spec: compute.JobSpec
    stages: tuple[compute.JobSpec, ...] = ()
    """Jobs that come before, one after the other in the same run directory."""


def plan(
    project: Project,
    *,
    recipe: Recipe,
    params: Mapping[str, Any],
    inputs: Sequence[tuple[str, int]],
    model: tuple[str, int] | None,
    name: str,
    gpus: int,
    cpus: int,
    memory_mb: int,
    time_limit_s: int,
    by: Person | None,
    now: datetime,
    tasks: int = 1,
) -> Plan:
    """Return what start_run would start with the same facts.

    tasks  over how many machines the work is shared out, for a recipe that comes in stages

    Raises Invalid with every mistake of settings, inputs, name and machine at once.
    """
    chosen, problems = rules.settings(recipe.schema, params)
    places, wrong = rules.place_inputs(recipe.schema, inputs, model)
    problems += wrong
    versions = {place.at: _input(place, project, by, now, problems) for place in places}
    base = _base(model, by, problems) if "model" in versions else None
    name = name or queries.default_name(project, recipe, [one.dataset for one in places])
    problems += _name_problems(project, recipe.output, name)
    spec = _spec(recipe, chosen, places, name, gpus, cpus, memory_mb, time_limit_s, problems)
    problems += rules.tasks_problems(recipe.schema, tasks)
    if problems or spec is None:
        raise Invalid(problems)
    data = {
        at: version for at, version in versions.items() if version is not None and at != "model"
    }
    return Plan(name, chosen, data, base, spec, _stages(recipe, spec, tasks))


def _stages(recipe: Recipe, spec: compute.JobSpec, tasks: int) -> tuple[compute.JobSpec, ...]:
    """Return the jobs that share the work out: arrays of tasks, and what joins them between."""
    if tasks == 1:
        return ()
    return tuple(
        replace(
            spec,
            name=f"{stage['name']} {spec.name}"[:80],
            arguments=("--stage", stage["name"], "--tasks", str(tasks)),
            array=f"0-{tasks - 1}" if stage["shared"] else "",
            outputs=(),
        )
        for stage in recipe.schema["stages"]
    )


def _input(
    place: rules.Wanted,
    project: Project,
    by: Person | None,
    now: datetime,
    problems: list[Problem],
) -> Version | None:
    """Return the version an input names; a problem where it may not be used or does not fit."""
    field = "model" if place.at == "model" else "inputs"
    try:
        version = catalogue.usable_version(
            by, place.dataset, place.version, project=project, now=now
        )
    except Refused as refused:
        problems.append(Problem(field, refused.code, refused.message, refused.facts))
        return None
    paths = [one["path"] for one in version.manifest]
    if lacking := rules.lacks(place.at, paths):
        problems.append(
            Problem(
                field,
                "run.inputs.unfit",
                _("{reference} has no {file}, so it is not what this recipe reads as {at}."),
                {"reference": version.reference, "file": lacking, "at": place.at},
            )
        )
    return version


def _base(
    model: tuple[str, int] | None, by: Person | None, problems: list[Problem]
) -> ModelVersion | None:
    """Return the model version a run reads, among those the person may see."""
    if model is None:
        return None
    rows = ModelVersion.objects.all() if by is None else ModelVersion.objects.visible_to(by)
    found: ModelVersion | None = rows.whole().filter(model__slug=model[0], number=model[1]).first()
    if found is None and not any(one.field == "model" for one in problems):
        problems.append(
            Problem(
                "model",
                "run.model.unknown",
                _("There is no model version {reference} that you may use."),
                {"reference": f"{model[0]}@{model[1]}"},
            )
        )
    return found


def _name_problems(project: Project, output: Output, name: str) -> list[Problem]:
    if output is Output.RESULTS:
        return []
    problems = rules.name_problems(name)
    holder = catalogue.dataset(name)
    wanted = DatasetKind.MODEL if output is Output.MODEL else DatasetKind.DATA
    if holder is not None and (holder.project_id != project.pk or holder.kind is not wanted):
        problems.append(
            Problem(
                "name",
                "run.name.taken",
                _("The name {name} is taken. Choose another."),
                {"name": name[:63]},
            )
        )
    return problems


def _spec(
    recipe: Recipe,
    chosen: Mapping[str, rules.Value],
    places: Sequence[rules.Wanted],
    name: str,
    gpus: int,
    cpus: int,
    memory_mb: int,
    time_limit_s: int,
    problems: list[Problem],
) -> compute.JobSpec | None:
    """Describe the run as a job; what compute finds wrong with it joins the problems."""
    try:
        return compute.parse_spec(
            {
                "name": f"{recipe.slug} {name}"[:80],
                "recipe": recipe.slug,
                "gpus": gpus,
                "cpus": cpus,
                "memory_mb": memory_mb,
                "time_limit_s": time_limit_s,
                "inputs": [
                    {"dataset": one.dataset, "version": one.version, "at": one.at} for one in places
                ],
                "outputs": [f"export/{one}" for one in recipe.schema["outputs"]],
                "files": {"config.toml": rules.config_toml(chosen)},
            }
        )
    except Invalid as wrong:
        said = {one.field for one in problems}
        problems += [one for one in wrong.problems if one.field.split(".")[0] not in said]
        return None
