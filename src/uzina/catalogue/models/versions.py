"""Versions of datasets, and what they were used for."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q

from uzina.catalogue import rules

if TYPE_CHECKING:
    from datetime import datetime

    from uzina.people.models import Person, Project
from uzina.catalogue.models.datasets import Dataset
from uzina.catalogue.models.terms import AccessRequest


class VersionQuerySet(models.QuerySet["Version"]):
    """Versions."""

    def visible_to(self, person: "Person | AnonymousUser") -> "VersionQuerySet":
        """Keep what person may read: versions of visible datasets, and those opened to all."""
        seen = Dataset.objects.visible_to(person).values("pk")
        return self.filter(Q(dataset__in=seen) | Q(opened_at__isnull=False))

    def readable_by(
        self,
        person: "Person | AnonymousUser | None",
        *,
        project: "Project | None" = None,
        now: "datetime",
    ) -> "VersionQuerySet":
        """Keep the versions whose bytes, samples and statistics may be read.

        person   None is the factory itself: all, or with a project what that project may read
        project  for whose job they are read; None: by the person alone, in any of their projects

        Public data and models: whoever sees them. Restricted and non-public data: the holder's
        representatives, the members of the project that made them, and the people of a project
        whose grant runs. A grant is looked at here, with `now`: a worker that is late lets nobody
        in. Operators and auditors read no more than others do: their role needs what is said of
        the data, not the data.
        """
        shown = self if person is None else self.visible_to(person)
        if person is None and project is None:
            return shown
        is_free = (
            Q(dataset__kind=rules.DatasetKind.MODEL)
            | Q(dataset__access_right=rules.AccessRight.PUBLIC)
            | Q(opened_at__isnull=False)
        )
        if isinstance(person, AnonymousUser):
            return shown.filter(is_free)
        return shown.filter(is_free | _own(person, project) | _granted(person, project, now))

    def whole(self) -> "VersionQuerySet":
        """Bring the dataset and its licence along."""
        return self.select_related("dataset", "dataset__licence", "dataset__holder")


def _own(person: "Person | None", project: "Project | None") -> Q:
    """Return the filter of what is the person's, or the project's, without anybody's leave."""
    if person is None:
        return Q(dataset__project=project)
    stands_for = person.affiliations.filter(is_representative=True).values("organisation")
    mine = person.memberships.values("project")
    if project is None:
        return Q(dataset__holder__in=stands_for) | Q(dataset__project__in=mine)
    own = Q(dataset__project=project) & Q(dataset__project__in=mine)
    return own | (Q(dataset__holder=project.organisation_id) & Q(dataset__holder__in=stands_for))


def _granted(person: "Person | None", project: "Project | None", now: "datetime") -> Q:
    """Return the filter of what a running grant opens. Withdrawn data and closed projects: none."""
    grants = AccessRequest.objects.running(now).exclude(project__state="closed")
    if project is not None:
        grants = grants.filter(project=project)
    if person is not None:
        grants = grants.filter(project__in=person.memberships.values("project"))
    return Q(dataset__in=grants.values("dataset")) & Q(dataset__state=rules.DatasetState.PUBLISHED)


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
    """A version was laid into the run directory of a job: what the data was used for.

    project  whose job it is, null for the factory's own
    """

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="stagings")
    subject = models.CharField(max_length=16)
    project = models.ForeignKey(
        "people.Project", null=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "subject"], name="staging_once_per_job")
        ]

    def __str__(self) -> str:
        return f"{self.version_id} for {self.subject}"
