"""Recipes, runs, models and their versions, evaluations, and what people say of a model."""

from typing import Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from uzina.core.fields import CodeField, StateField
from uzina.people.models import Person, Project
from uzina.training.rules.runs import ENDED, ModelState, Output, RunState, output_of


class Recipe(models.Model):
    """One version of a way to prepare, train or evaluate, as the recipes' package describes it.

    schema  title, summary, hardware, inputs, outputs and parameters, with texts in each language
    digest  SHA-256 of the schema: an edited recipe is another row, and old runs keep theirs
    """

    slug = models.SlugField(max_length=40)
    version = models.CharField(max_length=20)
    digest = models.CharField(max_length=64)
    schema = models.JSONField()
    is_current = models.BooleanField(default=True)
    made_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug", "digest"], name="recipe_schema_once"),
            models.UniqueConstraint(
                fields=["slug"], condition=Q(is_current=True), name="recipe_one_is_current"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.slug} {self.version}"

    def text(self, name: str, language: str) -> str:
        """Return title, summary, hardware or expects in a language of the portal."""
        table = self.schema[name]
        return str(table.get(language) or table["en"])

    @property
    def output(self) -> Output:
        """What the recipe leaves behind."""
        return output_of(self.schema)


class RunQuerySet(models.QuerySet["Run"]):
    """Runs."""

    def visible_to(self, person: Person) -> "RunQuerySet":
        """Keep what person may see: those of the projects one sees."""
        return self.filter(project__in=Project.objects.visible_to(person).values("pk"))

    def whole(self) -> "RunQuerySet":
        """Bring along what a run is shown with."""
        return self.select_related(
            "project", "recipe", "job", "model__model", "model__content__dataset", "output__dataset"
        ).prefetch_related("inputs__version__dataset")


class Run(models.Model):
    """One execution of a recipe: its pinned inputs, its jobs, and what came of it.

    name     what comes out is called: a dataset or a model
    job      the newest of its jobs; a run that went on after a stop has several
    ended_as how the newest job's leftovers say it ended; "" until they were collected
    problem  why it failed, in words
    facts    what the run directory said: manifest.json and exit.json
    """

    code = CodeField("RUN")
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    recipe = models.ForeignKey(Recipe, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=63)
    params = models.JSONField()
    model = models.ForeignKey(
        "ModelVersion", null=True, on_delete=models.PROTECT, related_name="used_by"
    )
    output = models.ForeignKey(
        "catalogue.Version", null=True, on_delete=models.PROTECT, related_name="+"
    )
    job = models.ForeignKey("compute.Job", on_delete=models.PROTECT, related_name="+")
    jobs: ClassVar[Any] = models.ManyToManyField("compute.Job", related_name="+")
    ended_as = models.CharField(max_length=24, blank=True)
    problem = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    started_by = models.ForeignKey(
        "people.Person", null=True, on_delete=models.PROTECT, related_name="+"
    )
    made_at = models.DateTimeField()
    collected_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = RunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["job"], name="run_once_per_job"),
            models.CheckConstraint(
                condition=Q(ended_as="") | Q(collected_at__isnull=False),
                name="run_ended_was_collected",
            ),
        ]
        indexes = [models.Index(fields=["project", "-id"], name="run_by_project")]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def state(self) -> RunState:
        """Where the run stands."""
        if self.ended_as:
            return RunState(self.ended_as)
        state = str(self.job.state)
        return RunState.COLLECTING if RunState(state) in ENDED else RunState(state)


class RunInput(models.Model):
    """A data version that a run reads, pinned, and the folder it is laid into."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="inputs")
    version = models.ForeignKey("catalogue.Version", on_delete=models.PROTECT, related_name="+")
    at = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["run", "at"], name="runinput_once_per_place")
        ]

    def __str__(self) -> str:
        return f"{self.version_id} at {self.at}"


class TrainedModelQuerySet(models.QuerySet["TrainedModel"]):
    """Models."""

    def visible_to(self, person: "Person | AnonymousUser") -> "TrainedModelQuerySet":
        """Keep what person may see: those with a released version, and those of one's projects."""
        is_open = Q(versions__state=ModelState.RELEASED)
        if isinstance(person, AnonymousUser):
            return self.filter(is_open).distinct()
        mine = Project.objects.visible_to(person).values("pk")
        return self.filter(is_open | Q(project__in=mine)).distinct()


class TrainedModel(models.Model):
    """A trained artefact with its versions. Its files are the versions of a bundle."""

    slug = models.CharField(max_length=63, unique=True)
    project = models.ForeignKey("people.Project", on_delete=models.PROTECT, related_name="+")
    title = models.CharField(max_length=200)
    bundle = models.OneToOneField("catalogue.Dataset", on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = TrainedModelQuerySet.as_manager()

    def __str__(self) -> str:
        return self.slug


class ModelVersionQuerySet(models.QuerySet["ModelVersion"]):
    """Versions of models."""

    def visible_to(self, person: "Person | AnonymousUser") -> "ModelVersionQuerySet":
        """Keep what person may see: what is released, and everything of one's projects."""
        is_open = Q(state=ModelState.RELEASED)
        if isinstance(person, AnonymousUser):
            return self.filter(is_open)
        mine = Project.objects.visible_to(person).values("pk")
        return self.filter(is_open | Q(model__project__in=mine))

    def whole(self) -> "ModelVersionQuerySet":
        """Bring along what a version is shown with."""
        return self.select_related(
            "model__project__organisation", "content__dataset__licence", "run__recipe", "run__job"
        )


class ModelVersion(models.Model):
    """What one run made of a model. Content, run and facts never change: a trigger refuses.

    content  the files: a version of the model's bundle; its digest identifies the model
    facts    what the run counted: parameters, tokens, operations, energy, architecture
    """

    model = models.ForeignKey(TrainedModel, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.OneToOneField("catalogue.Version", on_delete=models.PROTECT, related_name="+")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="made")
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    state = StateField(ModelState, default=ModelState.CANDIDATE)
    released_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = ModelVersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model", "number"], name="modelversion_number_once"),
            models.CheckConstraint(
                condition=~Q(state="released") | Q(released_at__isnull=False),
                name="modelversion_released_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """How a person names it: `ro-mini@1`."""
        return f"{self.model.slug}@{self.number}"

    @property
    def reference_path(self) -> str:
        """Where its page is."""
        return f"/models/{self.model.slug}/{self.number}/"

    @property
    def digest(self) -> str:
        """What identifies the files, as `sha256:…`."""
        return str(self.content.digest)

    @property
    def manifest(self) -> list[dict[str, Any]]:
        """The files: path, bytes, sha256, media type."""
        return list(self.content.manifest)


class Evaluation(models.Model):
    """What an evaluation run found of a model version. One a run; never changed."""

    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.PROTECT, related_name="evaluations"
    )
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="+")
    results = models.JSONField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.run_id} of {self.model_version_id}"

    @property
    def scores(self) -> dict[str, float]:
        """Bits per byte over all held-out text, of the model and of each baseline."""
        table = self.results.get("bits_per_byte", {})
        return {
            name: row["total"]
            for name, row in table.items()
            if isinstance(row, dict) and isinstance(row.get("total"), int | float)
        }


class FormAnswer(models.Model):
    """What a person stated in a field of the documentation form, where no record can say it."""

    model_version = models.ForeignKey(
        ModelVersion, on_delete=models.CASCADE, related_name="answers"
    )
    field = models.CharField(max_length=60)
    text = models.TextField()
    revision = models.PositiveIntegerField(default=1)
    by = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["model_version", "field"], name="formanswer_once")
        ]

    def __str__(self) -> str:
        return f"{self.model_version_id} {self.field}"
