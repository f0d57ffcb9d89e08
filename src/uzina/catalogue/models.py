"""Licences, datasets, their versions, and what versions were used for."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from uzina.catalogue import rules
from uzina.core.fields import StateField

if TYPE_CHECKING:
    from uzina.people.models import Person


class Licence(models.Model):
    """Terms a dataset can be under. The rows come from `licences.toml`."""

    slug = models.SlugField(max_length=40, unique=True)
    spdx = models.CharField(max_length=40, blank=True)
    eu_uri = models.URLField(max_length=200, blank=True)
    url = models.URLField(max_length=200, blank=True)
    title_en = models.CharField(max_length=200)
    title_ro = models.CharField(max_length=200)
    plain_en = models.TextField()
    plain_ro = models.TextField()
    as_of = models.DateField()

    class Meta:
        ordering: ClassVar[list[str]] = ["title_en"]

    def __str__(self) -> str:
        return self.spdx or self.title_en

    def title(self, language: str) -> str:
        """Return the name in a language of the portal."""
        return self.title_ro if language == "ro" else self.title_en

    def plain(self, language: str) -> str:
        """Return what the licence asks, in one sentence."""
        return self.plain_ro if language == "ro" else self.plain_en


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Datasets."""

    def visible_to(self, person: "Person | AnonymousUser") -> "DatasetQuerySet":
        """Keep what person may see.

        Everybody, signed in or not, sees published data. Drafts, withdrawn data and the bundles
        of models are seen by the members of their project, by those affiliated with the holder
        when there is no project, and by operators and auditors.
        """
        is_open = Q(state=rules.DatasetState.PUBLISHED, kind=rules.DatasetKind.DATA)
        if isinstance(person, AnonymousUser):
            return self.filter(is_open)
        if {"operator", "auditor"} & person.roles:
            return self
        return self.filter(
            is_open
            | Q(project__in=person.memberships.values("project"))
            | Q(project=None, holder__in=person.affiliations.values("organisation"))
        )

    def in_language(self, code: str) -> "DatasetQuerySet":
        """Keep what is, at least in part, in a language."""
        spaced = Concat(Value(" "), F("languages"), Value(" "), output_field=models.TextField())
        return self.alias(spaced=spaced).filter(spaced__contains=f" {code} ")

    def about(self, words: str) -> "DatasetQuerySet":
        """Keep what has each of the words in its name, title or description, in any case and
        with or without diacritics.
        """
        rows = self
        for word in rules.folded(words).split():
            rows = rows.filter(search_text__contains=word)
        return rows


class Dataset(models.Model):
    """A described body of data. What it says of itself may change; its versions never do."""

    slug = models.CharField(max_length=63, unique=True)
    kind = StateField(rules.DatasetKind, default=rules.DatasetKind.DATA)
    title = models.CharField(max_length=rules.LONGEST_TITLE)
    description = models.TextField()
    licence = models.ForeignKey(Licence, on_delete=models.PROTECT, related_name="+")
    languages = models.CharField(max_length=160)
    holder = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(
        "people.Project", null=True, on_delete=models.PROTECT, related_name="+"
    )
    state = StateField(rules.DatasetState, default=rules.DatasetState.DRAFT)
    search_text = models.TextField(editable=False)
    made_at = models.DateTimeField()
    published_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = DatasetQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="published") | Q(published_at__isnull=False),
                name="dataset_published_has_a_time",
            )
        ]
        indexes = [models.Index(fields=["state", "kind"], name="dataset_by_state")]

    def __str__(self) -> str:
        return self.slug

    @property
    def language_codes(self) -> list[str]:
        """The languages, the main one first."""
        return self.languages.split()

    @property
    def tone(self) -> str:
        """The tone of the state."""
        return self.state.tone  # type: ignore[no-any-return, attr-defined]


class VersionQuerySet(models.QuerySet["Version"]):
    """Versions."""

    def visible_to(self, person: "Person | AnonymousUser") -> "VersionQuerySet":
        """Keep what person may read: versions of visible datasets, and those opened to all."""
        seen = Dataset.objects.visible_to(person).values("pk")
        return self.filter(Q(dataset__in=seen) | Q(opened_at__isnull=False))

    def whole(self) -> "VersionQuerySet":
        """Bring the dataset and its licence along."""
        return self.select_related("dataset", "dataset__licence", "dataset__holder")


class Version(models.Model):
    """The files of a dataset at one time. The row never changes: a trigger refuses.

    manifest     [{path, bytes, sha256, media_type}] in the order of the paths
    digest       SHA-256 of the canonical manifest; two versions with one digest hold the same
    facts        what the recipe that made it counted; {} when a person brought it
    made_by_job  the code of the job, or ""
    opened_at    when everybody was let in to this version alone (a released model); the only
                 column that changes
    """

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    digest = models.CharField(max_length=71)
    manifest = models.JSONField()
    bytes = models.BigIntegerField()
    file_count = models.PositiveIntegerField()
    note = models.TextField(blank=True)
    facts = models.JSONField(default=dict)
    made_by_job = models.CharField(max_length=16, blank=True)
    created_at = models.DateTimeField()
    derived_from: ClassVar[Any] = models.ManyToManyField(
        "self", symmetrical=False, related_name="derived"
    )
    opened_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = VersionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="version_number_once"),
            models.UniqueConstraint(fields=["dataset", "digest"], name="version_content_once"),
            models.UniqueConstraint(
                fields=["dataset", "made_by_job"],
                condition=~Q(made_by_job=""),
                name="version_once_per_job",
            ),
            models.CheckConstraint(condition=Q(number__gte=1), name="version_counts_from_one"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """How a person names it: `ro-corpus@3`."""
        return f"{self.dataset.slug}@{self.number}"

    @property
    def files(self) -> tuple[rules.File, ...]:
        """The manifest as files."""
        return tuple(rules.File(**one) for one in self.manifest)

    def file(self, path: str) -> rules.File | None:
        """Return the file at path."""
        return next((one for one in self.files if one.path == path), None)


class Upload(models.Model):
    """Somebody sent these bytes. Only who sent or may read them can put them into a version.

    Without it, knowing a checksum would be enough to be given another project's file.
    """

    sha256 = models.CharField(max_length=64)
    bytes = models.BigIntegerField()
    person = models.ForeignKey("people.Person", on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sha256", "person"], name="upload_once_per_person")
        ]

    def __str__(self) -> str:
        return self.sha256


class Staging(models.Model):
    """A version was laid into the run directory of a job: what the data was used for."""

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="stagings")
    subject = models.CharField(max_length=16)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "subject"], name="staging_once_per_job")
        ]

    def __str__(self) -> str:
        return f"{self.version_id} for {self.subject}"
