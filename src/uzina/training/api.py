"""The API of recipes, runs, models and their documents."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from ninja import Router, Schema, Status
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from uzina.catalogue import queries as catalogue
from uzina.catalogue import rules as catalogue_rules
from uzina.core.attachments import attachment
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.idempotency import HEADER, keyed
from uzina.core.inputs import LARGEST_INTEGER, Paragraphs
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.models import Project
from uzina.people.types import SignedIn
from uzina.training import actions, queries
from uzina.training.models import ModelVersion, Recipe, Run, TrainedModel
from uzina.training.queries import records
from uzina.training.rules import card, form, lineage, runs

router = Router(tags=["training"])

Slug = Annotated[str, Field(max_length=63)]
Code = Annotated[str, Field(max_length=16)]
Number = Annotated[int, Field(ge=1, le=2**31 - 1)]
Reference = Annotated[str, Field(max_length=80)]
Whole = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]
Value = StrictBool | StrictInt | StrictFloat | Annotated[StrictStr, Field(max_length=200)]


def _here() -> str:
    return get_language() or "en"


class ParameterOut(Schema):
    name: str
    kind: str
    default: bool | int | float | str
    help: str
    minimum: float | None
    maximum: float | None
    choices: list[str]

    @staticmethod
    def resolve_help(row: dict[str, Any]) -> str:
        return str(row["help"].get(_here()) or row["help"]["en"])


class RecipeOut(Schema):
    slug: str
    version: str
    title: str
    summary: str
    hardware: str
    expects: str
    inputs: list[str]
    outputs: list[str]
    parameters: list[ParameterOut]

    @staticmethod
    def resolve_title(row: Recipe) -> str:
        return row.text("title", _here())

    @staticmethod
    def resolve_summary(row: Recipe) -> str:
        return row.text("summary", _here())

    @staticmethod
    def resolve_hardware(row: Recipe) -> str:
        return row.text("hardware", _here())

    @staticmethod
    def resolve_expects(row: Recipe) -> str:
        return row.text("expects", _here())

    @staticmethod
    def resolve_inputs(row: Recipe) -> list[str]:
        return list(row.schema["inputs"])

    @staticmethod
    def resolve_outputs(row: Recipe) -> list[str]:
        return list(row.schema["outputs"])

    @staticmethod
    def resolve_parameters(row: Recipe) -> list[dict[str, Any]]:
        return list(row.schema["parameters"])


class RunIn(Schema):
    project: Code
    recipe: Annotated[str, Field(max_length=40)]
    params: Annotated[dict[Annotated[str, Field(max_length=60)], Value], Field(max_length=200)] = {}
    inputs: Annotated[list[Reference], Field(max_length=32)] = []
    model: Reference = ""
    name: Slug = ""
    gpus: Whole = 0
    cpus: Whole = 1
    memory_mb: Whole = 2000
    time_limit_s: Whole
    tasks: Whole = 1


class RunOut(Schema):
    code: str
    project: str
    recipe: str
    recipe_version: str
    name: str
    state: str
    problem: str
    job: str
    params: dict[str, Any]
    inputs: list[str]
    model: str
    output: str
    made_at: datetime
    collected_at: datetime | None
    allowed: list[str]

    @staticmethod
    def resolve_project(row: Run) -> str:
        return row.project.code

    @staticmethod
    def resolve_recipe(row: Run) -> str:
        return row.recipe.slug

    @staticmethod
    def resolve_recipe_version(row: Run) -> str:
        return row.recipe.version

    @staticmethod
    def resolve_job(row: Run) -> str:
        return row.job.code

    @staticmethod
    def resolve_inputs(row: Run) -> list[str]:
        return [one.version.reference for one in row.inputs.all()]

    @staticmethod
    def resolve_model(row: Run) -> str:
        return row.model.reference if row.model else ""

    @staticmethod
    def resolve_output(row: Run) -> str:
        return row.output.reference if row.output else ""

    @staticmethod
    def resolve_allowed(row: Run) -> list[str]:
        return runs.RUN.verbs(row.state)


class ModelVersionSummary(Schema):
    number: int
    reference: str
    state: str
    digest: str
    run: str
    created_at: datetime
    released_at: datetime | None

    @staticmethod
    def resolve_run(row: ModelVersion) -> str:
        return row.run.code


class RunFileOut(Schema):
    path: str
    bytes: int
    sha256: str
    media_type: str


class EvaluationOut(Schema):
    run: str
    results: dict[str, Any]
    scores: dict[str, float]
    made_at: datetime

    @staticmethod
    def resolve_run(row: Any) -> str:
        return str(row.run.code)


class ModelVersionOut(ModelVersionSummary):
    model: str
    title: str
    project: str
    manifest: list[RunFileOut]
    bytes: int
    facts: dict[str, Any]
    evaluations: list[EvaluationOut]
    documents: list[str]
    missing_fields: int
    allowed: list[str]

    @staticmethod
    def resolve_model(row: ModelVersion) -> str:
        return row.model.slug

    @staticmethod
    def resolve_title(row: ModelVersion) -> str:
        return row.model.title

    @staticmethod
    def resolve_project(row: ModelVersion) -> str:
        return row.model.project.code

    @staticmethod
    def resolve_bytes(row: ModelVersion) -> int:
        return row.content.bytes

    @staticmethod
    def resolve_evaluations(row: ModelVersion) -> Any:
        return row.evaluations.select_related("run").order_by("pk")

    @staticmethod
    def resolve_documents(_row: ModelVersion) -> list[str]:
        return list(DOCUMENTS)

    @staticmethod
    def resolve_missing_fields(row: ModelVersion) -> int:
        return form.fill(records.record(row), queries.form_fields(), gettext).missing

    @staticmethod
    def resolve_allowed(row: ModelVersion) -> list[str]:
        return runs.MODEL.verbs(row.state)


class ModelOut(Schema):
    slug: str
    title: str
    project: str
    provider: str
    made_at: datetime
    versions: list[ModelVersionSummary]

    @staticmethod
    def resolve_project(row: TrainedModel) -> str:
        return row.project.code

    @staticmethod
    def resolve_provider(row: TrainedModel) -> str:
        return row.project.organisation.name

    @staticmethod
    def resolve_versions(row: TrainedModel) -> list[ModelVersion]:
        return list(row.seen)  # type: ignore[attr-defined]


class AnswerIn(Schema):
    text: Annotated[Paragraphs, Field(max_length=actions.LONGEST_ANSWER)]


class DocumentFieldOut(Schema):
    slug: str
    section: str
    title: str
    audience: list[str]
    source: str
    value: str
    stated: str
    stated_by: str
    stated_at: str


class FormOut(Schema):
    record_digest: str
    as_of: str
    missing: int
    filled: int
    fields: list[DocumentFieldOut]


class LineageOut(Schema):
    record_digest: str
    missing: int
    nodes: list[dict[str, Any]]
    record: dict[str, Any]


DOCUMENTS = ("card", "documentation-form", "lineage")


# --- recipes ------------------------------------------------------------------------------------


@router.get("/recipes", response=list[RecipeOut], auth=None)
def list_recipes(request: HttpRequest) -> Any:
    """The recipes there are, each with its settings."""
    return queries.recipes()


@router.get("/recipes/{slug}", response=RecipeOut, auth=None)
def show_recipe(request: HttpRequest, slug: Slug) -> Any:
    """One recipe, as it is now."""
    return get_object_or_404(queries.recipes(), slug=slug)


# --- runs ---------------------------------------------------------------------------------------


@router.post("/runs", response={201: RunOut})
@keyed
def start_run(request: SignedIn, body: RunIn) -> Any:
    """Start a recipe on pinned data: its hours are set aside, its job goes to the cluster."""
    project = Project.objects.visible_to(request.user).filter(code=body.project).first()
    if project is None:
        raise Invalid(
            [
                Problem(
                    "project",
                    "run.project.unknown",
                    _("Name a project you are a member of; {given!r} is none."),
                    {"given": body.project},
                )
            ]
        )
    inputs, model = _references(body)
    run = actions.start_run(
        project,
        recipe=queries.recipe(body.recipe),
        params=body.params,
        inputs=inputs,
        model=model,
        name=body.name,
        gpus=body.gpus,
        cpus=body.cpus,
        memory_mb=body.memory_mb,
        time_limit_s=body.time_limit_s,
        by=request.user,
        now=now(),
        key=request.headers[HEADER],
        tasks=body.tasks,
    )
    return Status(201, queries.run(run.code))


def _references(body: RunIn) -> tuple[list[tuple[str, int]], tuple[str, int] | None]:
    """Return the versions a client named; every mistake at once."""
    problems, found = [], []
    for at, text in enumerate(body.inputs):
        try:
            found.append(catalogue_rules.parse_reference(text))
        except Refused as refused:
            problems.append(Problem(f"inputs.{at}", refused.code, refused.message, refused.facts))
    model = None
    if body.model:
        try:
            model = catalogue_rules.parse_reference(body.model)
        except Refused as refused:
            problems.append(Problem("model", refused.code, refused.message, refused.facts))
    if problems:
        raise Invalid(problems)
    return found, model


@router.get("/runs", response=Page[RunOut])
def list_runs(
    request: SignedIn,
    project: Code = "",
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=40)] = "",
) -> Any:
    """Runs of one's projects, newest first."""
    rows = Run.objects.visible_to(request.user).whole()
    if project:
        rows = rows.filter(project__code=project.replace("\0", ""))
    return paged(rows, limit=limit, cursor=cursor)


def _run(request: SignedIn, code: str) -> Run:
    found: Run = get_object_or_404(Run.objects.visible_to(request.user).whole(), code=code)
    return found


@router.get("/runs/{code}", response=RunOut)
def show_run(request: SignedIn, code: Code) -> Any:
    """One run: where it stands, its job, what came of it."""
    return _run(request, code)


@router.post("/runs/{code}/stop", response=RunOut)
def stop_run(request: SignedIn, code: Code) -> Any:
    """Ask a run to save a checkpoint and stop; it can go on later."""
    actions.stop(_run(request, code), by=request.user, now=now())
    return _run(request, code)


@router.post("/runs/{code}/resume", response=RunOut)
@keyed
def resume_run(request: SignedIn, code: Code) -> Any:
    """Let a stopped or failed run go on from its last checkpoint, as a new job."""
    run = _run(request, code)
    actions.resume(run, by=request.user, now=now(), key=request.headers[HEADER])
    return _run(request, code)


# --- models -------------------------------------------------------------------------------------


@router.get("/models", response=Page[ModelOut])
def list_models(
    request: SignedIn, limit: int = 50, cursor: Annotated[str, Field(max_length=40)] = ""
) -> Any:
    """Models one may see: released ones, and those of one's projects."""
    page = paged(queries.models_seen_by(request.user), limit=limit, cursor=cursor)
    queries.with_versions(page["items"], request.user)
    return page


@router.get("/models/{slug}", response=ModelOut)
def show_model(request: SignedIn, slug: Slug) -> Any:
    """One model with the versions one may see, newest first."""
    found = get_object_or_404(queries.models_seen_by(request.user), slug=slug)
    return queries.with_versions([found], request.user)[0]


def _version(request: SignedIn, slug: str, number: int) -> ModelVersion:
    found: ModelVersion = get_object_or_404(
        ModelVersion.objects.visible_to(request.user).whole(), model__slug=slug, number=number
    )
    return found


@router.get("/models/{slug}/versions/{number}", response=ModelVersionOut)
def show_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """One version: files with checksums, what the run counted, evaluations."""
    return _version(request, slug, number)


@router.post("/models/{slug}/versions/{number}/release", response=ModelVersionOut)
def release_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """Let everybody see, load and build on a version."""
    actions.release(_version(request, slug, number), by=request.user, now=now())
    return _version(request, slug, number)


@router.post("/models/{slug}/versions/{number}/retire", response=ModelVersionOut)
def retire_version(request: SignedIn, slug: Slug, number: Number) -> Any:
    """Take a version out of sight; what was made of it keeps its lineage."""
    return actions.retire(_version(request, slug, number), by=request.user, now=now())


@router.get("/models/{slug}/versions/{number}/files/{path:path}")
def download_file(
    request: SignedIn, slug: Slug, number: Number, path: Annotated[str, Field(max_length=4096)]
) -> HttpResponseBase:
    """The bytes of one file of a model, whole or a range of them."""
    version = _version(request, slug, number).content
    file = version.file(path)
    if file is None:
        raise Http404
    return attachment(
        request,
        path=file.path,
        size=file.bytes,
        sha256=file.sha256,
        media_type=file.media_type,
        pieces=lambda first, after: catalogue.contents(version, path, first=first, after=after),
    )


@router.get("/models/{slug}/versions/{number}/documents/card")
def show_card(
    request: SignedIn, slug: Slug, number: Number, form: Literal["markdown", "json"] = "markdown"
) -> Any:
    """The model card, made from the record: Markdown, or JSON with ?form=json."""
    version = _version(request, slug, number)
    shown = card.write(records.record(version), gettext)
    if form == "json":
        return asdict(shown)
    return HttpResponse(
        card.markdown(shown, gettext),
        content_type="text/markdown; charset=utf-8",
        headers={"X-Content-Type-Options": "nosniff"},
    )


@router.get("/models/{slug}/versions/{number}/documents/documentation-form", response=FormOut)
def show_form(request: SignedIn, slug: Slug, number: Number) -> Any:
    """The Model Documentation Form: each field from the record, from a person, or missing."""
    return form_out(_version(request, slug, number))


def form_out(version: ModelVersion) -> dict[str, Any]:
    """Return the form of a version as plain values."""
    here = _here()
    filled = form.fill(records.record(version), queries.form_fields(), gettext)
    return {
        "record_digest": filled.record_digest,
        "as_of": queries.form_as_of(),
        "missing": filled.missing,
        "filled": filled.filled,
        "fields": [
            {
                "slug": row.field.slug,
                "section": row.field.section_title.get(here) or row.field.section_title["en"],
                "title": row.field.title.get(here) or row.field.title["en"],
                "audience": list(row.field.audience),
                "source": row.source,
                "value": row.value,
                "stated": row.stated,
                "stated_by": row.by,
                "stated_at": row.at,
            }
            for row in filled.rows
        ],
    }


@router.put(
    "/models/{slug}/versions/{number}/documents/documentation-form/{field}", response=FormOut
)
def state_answer(
    request: SignedIn,
    slug: Slug,
    number: Number,
    field: Annotated[str, Field(max_length=60)],
    body: AnswerIn,
) -> Any:
    """State in a field what the record cannot; an empty text takes it back."""
    version = _version(request, slug, number)
    actions.state_answer(version, field=field, text=body.text, by=request.user, now=now())
    return form_out(version)


@router.get("/models/{slug}/versions/{number}/documents/lineage", response=LineageOut)
def show_lineage(request: SignedIn, slug: Slug, number: Number) -> Any:
    """The chain from the call to the model, and the whole record it is drawn from."""
    record = records.record(_version(request, slug, number))
    chain = lineage.trace(record, gettext, _here())
    return {
        "record_digest": chain.record_digest,
        "missing": chain.missing,
        "nodes": [asdict(one) for one in chain.nodes],
        "record": record,
    }
