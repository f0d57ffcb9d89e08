"""Licences."""

from typing import TYPE_CHECKING, ClassVar

from django.db import models

if TYPE_CHECKING:
    pass


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
