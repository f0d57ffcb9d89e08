"""Every write of training."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from uzina.catalogue import actions as catalogue
from uzina.catalogue import queries as catalogue_queries
from uzina.catalogue.models import Dataset, Version
from uzina.catalogue.ports import StoreRefused
from uzina.catalogue.rules import DatasetKind
from uzina.compute import actions as compute
from uzina.compute import queries as compute_queries
from uzina.compute import rules as compute_rules
from uzina.compute.models import Job
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person, Project
from uzina.training import access, queries
from uzina.training.adapters import leftovers
from uzina.training.models import (
    Evaluation,
    FormAnswer,
    ModelVersion,
    Recipe,
    Run,
    RunInput,
    TrainedModel,
)
from uzina.training.queries import plans
from uzina.training.rules import runs as rules
from uzina.training.rules.runs import Output, RunState
from uzina_recipes import catalogue as recipes

LONGEST_ANSWER = 10_000


@action
def sync_recipes(*, now: datetime) -> int:
    """Write the shipped recipes into the table; return how many are new. Again is harmless.

    A recipe that changed becomes another row and the current one; runs keep the row they used.
    """
    made = 0
    shipped = recipes.load()
    for slug, recipe in shipped.items():
        schema = json.loads(json.dumps(asdict(recipe)))
        text = json.dumps(schema, sort_keys=True, ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        if Recipe.objects.filter(slug=slug, digest=digest, is_current=True).exists():
            continue
        Recipe.objects.filter(slug=slug, is_current=True).update(is_current=False)
        _row, is_new = Recipe.objects.update_or_create(
            slug=slug,
            digest=digest,
            defaults={
                "version": recipe.version,
                "schema": schema,
                "is_current": True,
                "made_at": now,
            },
        )
        made += is_new
        log("recipe.synced", slug, by=None, now=now, version=recipe.version, digest=digest)
    return made


# --- runs ---------------------------------------------------------------------------------------


@action
def start_run(
    project: Project,
    *,
    recipe: Recipe,
    params: Mapping[str, Any],
    inputs: Sequence[tuple[str, int]],
    model: tuple[str, int] | None = None,
    name: str = "",
    gpus: int,
    cpus: int,
    memory_mb: int,
    time_limit_s: int,
    by: Person | None,
    now: datetime,
    key: str,
    tasks: int = 1,
) -> Run:
    """Start a recipe on pinned data: set its hours aside and promise its job to the cluster.

    inputs  data versions (dataset, number) in the order of the recipe's inputs
    model   (model, number) for a recipe that reads one
    name    what comes out is called; "" for a name made of what goes in
    gpus, cpus, memory_mb are those of the one node it runs on
    key     the same key in a project gives the same run
    tasks   over how many machines a recipe that comes in stages is shared out: each shared stage
            is an array of so many tasks, and each job waits for those before it

    Raises Invalid with every mistake of settings, inputs, name and machine at once; NotAllowed
    run.start.not_a_member; what compute refuses: allocation.hold.too_big and others.
    """
    if not access.may_start(by, project):
        raise NotAllowed(
            "run.start.not_a_member",
            _("Only members of {project} can start runs in it."),
            project=project.code,
        )
    plan = plans.plan(
        project,
        recipe=recipe,
        params=params,
        inputs=inputs,
        model=model,
        name=name,
        gpus=gpus,
        cpus=cpus,
        memory_mb=memory_mb,
        time_limit_s=time_limit_s,
        by=by,
        now=now,
        tasks=tasks,
    )

    jobs = _submitted(project, plan, by=by, now=now, key=f"run:{key}"[:240])
    job = jobs[-1]
    known = Run.objects.filter(job=job).first()
    if known is not None:
        return known  # type: ignore[no-any-return]
    run: Run = Run.objects.create(
        project=project,
        recipe=recipe,
        name=plan.name,
        params=plan.params,
        model=plan.model,
        job=job,
        started_by=by,
        made_at=now,
    )
    run.jobs.add(*jobs)
    RunInput.objects.bulk_create(
        RunInput(run=run, version=version, at=at) for at, version in plan.inputs.items()
    )
    log(
        "run.started",
        run.code,
        by=by,
        now=now,
        project=project.code,
        recipe=str(recipe),
        job=job.code,
        inputs=[f"{one.dataset}@{one.version}" for one in plan.spec.inputs],
    )
    return run


def _submitted(
    project: Project, plan: plans.Plan, *, by: Person | None, now: datetime, key: str
) -> list[Job]:
    """Take on the jobs of a run, each waiting for those before it, in one run directory."""
    jobs: list[Job] = []
    for at, spec in enumerate((*plan.stages, plan.spec)):
        is_last = at == len(plan.stages)
        after = tuple(job.code for job in jobs)
        jobs.append(
            compute.submit(
                project,
                spec=replace(spec, after=after) if after else spec,
                by=by,
                now=now,
                key=key if is_last else f"{key}:{at}",
                continues=jobs[0] if jobs else None,
            )
        )
    return jobs


def stop(run: Run, *, by: Person | None, now: datetime) -> Run:
    """Ask a run to save a checkpoint and stop; it can go on later. Asking twice changes nothing.

    A run whose job has not started is cancelled: there is nothing to save.
    Raises NotAllowed run.stop.not_yours, Refused run.stop.not_now.
    """
    run = _may_stop(run, by=by, now=now)
    jobs = [job for job in run.jobs.order_by("-pk") if job.state in compute_rules.OPEN]
    if not any(job.state is compute_rules.JobState.RUNNING for job in jobs):
        for job in jobs:
            compute.cancel(job, by=by, now=now)
    else:
        leftovers.ask_stop(compute_queries.run_dir(run.job))
    return run


@action
def _may_stop(run: Run, *, by: Person | None, now: datetime) -> Run:
    run = _locked(run)
    if not access.may_stop(by, run):
        raise NotAllowed(
            "run.stop.not_yours",
            _("Only members of its project and operators can stop {run}."),
            run=run.code,
        )
    rules.RUN.after("stop", run.state)
    log("run.stop_asked", run.code, by=by, now=now, job=run.job.code)
    return run


@action
def resume(run: Run, *, by: Person | None, now: datetime, key: str) -> Run:
    """Let a run that stopped or failed go on from its last checkpoint, as a new job.

    The job has the same description and the same run directory; what the recipe reads there
    decides where it goes on.

    Raises NotAllowed run.resume.not_yours, Refused run.resume.not_now, run.resume.useless, and what
    compute refuses.
    """
    run = _locked(run)
    if not access.may_start(by, run.project):
        raise NotAllowed(
            "run.resume.not_yours",
            _("Only members of {project} can let {run} go on."),
            project=run.project.code,
            run=run.code,
        )
    job_key = f"resume:{run.code}:{key}"[:255]
    if run.job.key == job_key:
        return run
    rules.RUN.after("resume", run.state)
    if run.facts.get("exit", {}).get("resume") is False:
        raise Refused(
            "run.resume.useless",
            _("{run} would fail again in the same way: {problem} Start a new run."),
            run=run.code,
            problem=run.problem,
        )

    # A run in stages goes on as one job: what its tasks left undone is done there.
    job = compute.submit(
        run.project,
        spec=replace(compute_rules.parse_spec(run.job.spec), after=()),
        by=by,
        now=now,
        key=job_key,
        continues=run.job,
    )
    run.job, run.ended_as, run.problem, run.collected_at = job, "", "", None
    run.save(update_fields=["job", "ended_as", "problem", "collected_at"])
    run.jobs.add(job)
    log("run.resumed", run.code, by=by, now=now, job=job.code)
    return run


def _locked(run: Run) -> Run:
    found: Run = (
        Run.objects.select_for_update(of=("self",))
        .select_related("project__organisation", "recipe", "job", "model__content__dataset")
        .get(pk=run.pk)
    )
    return found


# --- what comes of a run ------------------------------------------------------------------------


def collect(run: Run, *, now: datetime) -> Run:
    """Take in what an ended job left behind: data, a model or results, and how it ended.

    Runs at least once, so doing it again changes nothing. Files are kept before the rows that name
    them are written. Raises StoreDown when the store is away: the task is tried again.
    """
    run = queries.run(run.code)
    job = run.job
    if run.ended_as or job.settled_at is None:
        return run
    run_dir = compute_queries.run_dir(job)
    facts = {
        "exit": leftovers.record(run_dir, "exit.json"),
        "manifest": leftovers.record(run_dir, "manifest.json"),
    }
    ended_as = rules.ending(str(job.state), facts["exit"])
    problem = _why(run, ended_as, facts["exit"])
    files: tuple[Any, ...] = ()
    if ended_as is RunState.DONE and run.recipe.output in rules.FOLDERS:
        try:
            files = catalogue.keep_folder(run_dir / rules.FOLDERS[run.recipe.output])
        except (Refused, FileNotFoundError) as refused:
            if isinstance(refused, StoreRefused):
                raise
            ended_as, problem = RunState.FAILED, _no_export(refused)
    return _take_in(run, job, ended_as, problem, facts, files, run_dir, now=now)


def _why(run: Run, ended_as: RunState, record: Mapping[str, Any]) -> str:
    """Return why a run did not end well, in words; "" when it did."""
    if ended_as in {RunState.DONE, RunState.STOPPED}:
        return ""
    said = record.get("reason")
    if isinstance(said, str) and said.strip():
        return said.strip()[:2000]
    return compute_queries.why(run.job)


def _no_export(refused: Exception) -> str:
    if isinstance(refused, Refused):
        return str(refused)
    return "The job ended well but left no files to keep."


@action
def _take_in(
    run: Run,
    job: Job,
    ended_as: RunState,
    problem: str,
    facts: dict[str, Any],
    files: Sequence[Any],
    run_dir: Path,
    *,
    now: datetime,
) -> Run:
    run = _locked(run)
    if run.ended_as or run.job_id != job.pk:
        return run
    if ended_as is RunState.DONE:
        try:
            _keep_output(run, files, run_dir, now=now)
        except Invalid as wrong:
            ended_as = RunState.FAILED
            problem = " ".join(str(one) for one in wrong.problems) or str(wrong)
        except Refused as refused:
            ended_as, problem = RunState.FAILED, str(refused)

    run.ended_as, run.problem, run.facts, run.collected_at = ended_as, problem, facts, now
    run.save(update_fields=["ended_as", "problem", "facts", "collected_at", "output"])
    log(
        "run.collected",
        run.code,
        by=None,
        now=now,
        state=ended_as,
        job=job.code,
        output=run.output.reference if run.output else "",
    )
    return run


def _keep_output(run: Run, files: Sequence[Any], run_dir: Path, *, now: datetime) -> None:
    match run.recipe.output:
        case Output.DATA:
            report = leftovers.record(run_dir, "export/data/report.json")
            statistics = leftovers.record(run_dir, "export/data/statistics.json")
            known = queries.data_facts(report, statistics)
            run.output = _keep(run, DatasetKind.DATA, files, known, now=now)
        case Output.MODEL:
            facts = leftovers.record(run_dir, "export/facts.json")
            facts["hf_check"] = leftovers.record(run_dir, "export/hf_check.json")
            run.output = _keep(run, DatasetKind.MODEL, files, {}, now=now)
            _register_version(run, facts, now=now)
        case Output.RESULTS:
            _register_evaluation(run, leftovers.record(run_dir, "export/results.json"), now=now)


def _keep(
    run: Run, kind: DatasetKind, files: Sequence[Any], facts: Mapping[str, Any], *, now: datetime
) -> Version:
    """Make a version of what the run exported, under its name; one that holds the same is it."""
    made = catalogue_queries.versions_made_by(run.job.code).first()
    if made is not None:
        return made
    sources = [one.version for one in run.inputs.select_related("version__dataset__licence")]
    if run.model is not None:
        sources.append(run.model.content)
    dataset = catalogue_queries.dataset(run.name) or _open_dataset(run, kind, sources, now=now)
    same = catalogue_queries.same_content(dataset, files)
    if same is not None:
        return same
    return catalogue.add_version(
        dataset,
        files=files,
        note=f"{run.recipe} in {run.code}.",
        by=None,
        now=now,
        made_by_job=run.job.code,
        derived_from=sources,
        facts=facts,
    )


def _open_dataset(
    run: Run, kind: DatasetKind, sources: Sequence[Version], *, now: datetime
) -> Dataset:
    languages = dict.fromkeys(code for one in sources for code in one.dataset.language_codes)
    names = ", ".join(one.reference for one in sources)
    is_model = kind is DatasetKind.MODEL
    licence = (
        "restricted" if is_model else rules.carried([one.dataset.licence.slug for one in sources])
    )
    return catalogue.register_dataset(
        slug=run.name,
        title=run.name if is_model else f"{sources[0].dataset.title} ({run.recipe.slug})"[:200],
        description=f"Made from {names} by {run.recipe} in {run.code}.",
        licence=licence,
        languages=list(languages) or ["en"],
        holder=run.project.organisation,
        project=run.project,
        by=None,
        now=now,
        kind=kind,
        facts=None if is_model else catalogue_queries.carried(sources),
    )


def _register_version(run: Run, facts: dict[str, Any], *, now: datetime) -> ModelVersion:
    content = run.output
    if content is None:
        msg = "a model version without content"
        raise RuntimeError(msg)
    model, is_new = TrainedModel.objects.get_or_create(
        slug=run.name,
        defaults={
            "project": run.project,
            "title": run.name,
            "bundle": content.dataset,
            "made_at": now,
        },
    )
    if is_new:
        log("model.registered", model.slug, by=None, now=now, project=run.project.code)
    known = ModelVersion.objects.filter(content=content).first()
    if known is not None:
        return known
    version: ModelVersion = ModelVersion.objects.create(
        model=model,
        number=content.number,
        content=content,
        run=run,
        facts=facts,
        created_at=now,
    )
    log(
        "model.version_added",
        version.reference,
        by=None,
        now=now,
        digest=content.digest,
        run=run.code,
    )
    return version


def _register_evaluation(run: Run, results: dict[str, Any], *, now: datetime) -> Evaluation:
    if run.model is None or not results:
        raise Refused(
            "run.collect.no_results",
            _("{run} left no results that can be read."),
            run=run.code,
        )
    found: Evaluation = Evaluation.objects.create(
        model_version=run.model, run=run, results=results, made_at=now
    )
    log(
        "model.evaluated",
        run.model.reference,
        by=None,
        now=now,
        run=run.code,
        bits_per_byte=found.scores.get("model"),
    )
    return found


# --- models -------------------------------------------------------------------------------------


@action
def release(version: ModelVersion, *, by: Person | None, now: datetime) -> ModelVersion:
    """Let everybody see, load and build on a version.

    Raises NotAllowed model.release.not_yours, Refused model.release.not_now.
    """
    version = _locked_version(version)
    if not access.may_release(by, version):
        raise NotAllowed(
            "model.release.not_yours",
            _("Only a lead of its project can release {version}."),
            version=version.reference,
        )
    version.state = rules.MODEL.after("release", version.state)

    version.released_at = now
    version.save(update_fields=["state", "released_at"])
    catalogue.open_version(version.content, by=by, now=now)
    log("model.released", version.reference, by=by, now=now, digest=version.digest)
    return version


@action
def retire(version: ModelVersion, *, by: Person | None, now: datetime) -> ModelVersion:
    """Take a version out of sight. What was made of it keeps its lineage.

    Raises NotAllowed model.retire.not_yours, Refused model.retire.not_now.
    """
    version = _locked_version(version)
    if not access.may_release(by, version):
        raise NotAllowed(
            "model.retire.not_yours",
            _("Only a lead of its project can retire {version}."),
            version=version.reference,
        )
    version.state = rules.MODEL.after("retire", version.state)

    version.retired_at = now
    version.save(update_fields=["state", "retired_at"])
    catalogue.close_version(version.content, by=by, now=now)
    log("model.retired", version.reference, by=by, now=now)
    return version


@action
def state_answer(
    version: ModelVersion, *, field: str, text: str, by: Person, now: datetime
) -> FormAnswer | None:
    """Keep what a person states in a field of the documentation form; "" takes it back.

    Raises NotAllowed model.document.not_yours, Invalid for an unknown field or too long a text.
    """
    version = _locked_version(version)
    if not access.may_document(by, version):
        raise NotAllowed(
            "model.document.not_yours",
            _("Only members of its project can document {version}."),
            version=version.reference,
        )
    problems = []
    if field not in {one.slug for one in queries.form_fields()}:
        problems.append(
            Problem("field", "model.document.unknown_field", _("The form has no such field."))
        )
    if len(text) > LONGEST_ANSWER or "\0" in text:
        problems.append(
            Problem(
                "text",
                "model.document.text",
                _("Use at most {most} characters, none of them NUL."),
                {"most": LONGEST_ANSWER},
            )
        )
    if problems:
        raise Invalid(problems)
    known = FormAnswer.objects.filter(model_version=version, field=field).first()
    text = text.strip().replace("\r\n", "\n")
    if (known.text if known else "") == text:
        return known

    digest = hashlib.sha256(text.encode()).hexdigest()
    log("model.documented", version.reference, by=by, now=now, field=field, sha256=digest)
    revision = known.revision + 1 if known else 1
    row, _made = FormAnswer.objects.update_or_create(
        model_version=version,
        field=field,
        defaults={"text": text, "revision": revision, "by": by, "at": now},
    )
    return row


def _locked_version(version: ModelVersion) -> ModelVersion:
    found: ModelVersion = (
        ModelVersion.objects.select_for_update(of=("self",)).whole().get(pk=version.pk)
    )
    return found
