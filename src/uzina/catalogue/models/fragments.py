"""What other portals harvest of a dataset."""

from typing import Any, ClassVar

from django.db import models
from django.db.models import Q

from uzina.catalogue.models.datasets import Dataset


class FragmentQuerySet(models.QuerySet["Fragment"]):
    """Fragments, in the order of their making: what is published meanwhile comes last."""

    def live(self) -> "FragmentQuerySet":
        """Keep what can be harvested now."""
        return self.filter(gone_at=None)


class Fragment(models.Model):
    """A dataset in the standards it is harvested in, written down when it changes; a tombstone once it is withdrawn.

    ntriples    the dataset and its distributions, under the base of `rules.dcat.BASE`
    chain       its versions, which only the dataset's own document holds
    dublin_core, datacite  the dataset in the formats of OAI-PMH, under the same base
    croissant   the dataset in Croissant, under the same base
    themes      codes of its themes with a space on either side, the sets of OAI-PMH; a tombstone
                keeps them, so that who harvests one set learns of it
    digest      SHA-256 of the texts
    changed_at  when the digest last changed, or when the data went
    gone_at     when the data was withdrawn, so that harvesters learn of it

    Rows are made when data is first published and never removed, so that a place in the list of
    all stays the same.
    """

    dataset = models.OneToOneField(Dataset, on_delete=models.PROTECT, related_name="fragment")
    ntriples = models.TextField(blank=True)
    chain = models.TextField(blank=True)
    dublin_core = models.TextField(blank=True)
    datacite = models.TextField(blank=True)
    croissant = models.TextField(blank=True)
    themes = models.CharField(max_length=400, blank=True)
    digest = models.CharField(max_length=64)
    changed_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    objects: ClassVar[Any] = FragmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar[list[str]] = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(gone_at__isnull=True)
                | Q(ntriples="", chain="", dublin_core="", datacite=""),
                name="fragment_of_gone_data_is_empty",
            )
        ]
        indexes = [models.Index(fields=["changed_at", "id"], name="fragment_by_change")]

    def __str__(self) -> str:
        return str(self.dataset_id)
