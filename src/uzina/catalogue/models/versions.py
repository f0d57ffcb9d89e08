"""Versions of datasets, and what they were used for."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from uzina.catalogue import rules

if TYPE_CHECKING:
    from uzina.people.models import Person
from uzina.catalogue.models.datasets import Dataset


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
