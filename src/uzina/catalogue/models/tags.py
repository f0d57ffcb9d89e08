"""What the search knows of a dataset."""

from typing import ClassVar

from django.db import models

from uzina.catalogue.models.datasets import Dataset


class SearchEntry(models.Model):
    """The words and tags of one dataset, kept in step by `actions.retag` in the transaction of
    whoever changes it. Everything in it can be made again from the dataset.

    title, words  folded words, each between spaces; `words` has those of the title too
    tags          "theme:EDUC language:ro …", see rules.FACETS
    bytes         of the newest version
    newest_at     when that was added; without one, when the dataset was made
    """

    dataset = models.OneToOneField(
        Dataset, on_delete=models.CASCADE, primary_key=True, related_name="entry"
    )
    title = models.TextField()
    words = models.TextField()
    tags = models.TextField()
    bytes = models.BigIntegerField()
    newest_at = models.DateTimeField()

    objects: ClassVar[models.Manager["SearchEntry"]] = models.Manager()

    class Meta:
        verbose_name_plural = "search entries"

    def __str__(self) -> str:
        return f"entry of {self.dataset_id}"
