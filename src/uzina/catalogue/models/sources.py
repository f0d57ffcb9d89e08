"""Portals that are harvested, and each harvest."""

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.catalogue.rules.harvest import SourceKind
from uzina.core.fields import CodeField, StateField

if TYPE_CHECKING:
    from uzina.people.models import Person


class SourceQuerySet(models.QuerySet["Source"]):
    """Portals."""

    def visible_to(self, person: "Person") -> "SourceQuerySet":
        """Keep what person may see: all for operators and auditors, none for others."""
        return self if {"operator", "auditor"} & person.roles else self.none()


class Source(models.Model):
    """A portal whose datasets are listed here too, with a link back.

    url       of a CKAN portal, or of a catalogue in DCAT-AP
    licences  slugs; only data under them are taken. Empty: all, licence known or not
    owner     who answers for it here; the holder of what is taken
    """

    code = CodeField("SRC")
    title = models.CharField(max_length=200)
    url = models.URLField(max_length=1000)
    kind = StateField(SourceKind)
    every_hours = models.PositiveIntegerField()
    is_active = models.BooleanField(default=True)
    licences = models.JSONField(default=list)
    owner = models.ForeignKey("people.Organisation", on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()

    objects: ClassVar[Any] = SourceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["url"], name="source_once"),
            models.CheckConstraint(condition=Q(every_hours__gte=1), name="source_not_too_often"),
        ]

    def __str__(self) -> str:
        return self.title


class Harvest(models.Model):
    """One harvest of a portal: asked for, under way page after page until it has ended.

    place, visited  of the next page; digests of the places that were read
    tries           how often the next page could not be had
    total           what the portal says it has, null where it does not say
    is_complete  whether every page was read; only then is what was not seen taken as gone
    seen         records read, of which: new, changed, unchanged, left_out (another licence)
    gone         datasets that were here and are there no more
    broken       records that could not be kept
    problems     [{"about", "why"}], the first hundred
    """

    code = CodeField("HRV")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="harvests")
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    is_complete = models.BooleanField(default=False)
    place = models.CharField(max_length=1000, blank=True)
    visited = models.JSONField(default=list)
    tries = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True)
    pages = models.PositiveIntegerField(default=0)
    seen = models.PositiveIntegerField(default=0)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    left_out = models.PositiveIntegerField(default=0)
    gone = models.PositiveIntegerField(default=0)
    broken = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list)

    objects: ClassVar[models.Manager["Harvest"]] = models.Manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["source"], condition=Q(ended_at=None), name="harvest_one_at_a_time"
            )
        ]
        indexes = [models.Index(fields=["source", "-asked_at"], name="harvest_by_source")]

    def __str__(self) -> str:
        return self.code
