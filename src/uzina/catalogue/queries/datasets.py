"""Datasets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db.models import QuerySet

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset

if TYPE_CHECKING:
    from uzina.people.models import Project


def dataset(slug: str) -> Dataset | None:
    """Return the dataset with the slug, of any kind."""
    found: Dataset | None = (
        Dataset.objects.select_related("licence", "holder", "project").filter(slug=slug).first()
    )
    return found


def datasets_of(project: "Project") -> QuerySet[Dataset]:
    """Return the datasets that a project made, oldest first; files of models are none. One query."""
    kept: QuerySet[Dataset] = Dataset.objects.filter(
        project=project, kind=rules.DatasetKind.DATA
    ).order_by("pk")
    return kept


def language_names(codes: Sequence[str], language: str) -> list[str]:
    """Return the languages' names in a language of the portal, unknown codes as they are."""
    known = rules.LANGUAGES
    return [known[code].label(language) if code in known else code for code in codes]
