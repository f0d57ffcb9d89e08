"""Datasets."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset, Version
from uzina.core.errors import Problem

if TYPE_CHECKING:
    from uzina.people.models import Project

ODD = {"licence", "languages", "access_right"}
"""Fields that are kept otherwise than they are said."""


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


def said(dataset: Dataset) -> dict[str, Any]:
    """Return what a dataset says of itself, by the fields of rules.CHECKS; codes as codes."""
    found = {key: getattr(dataset, key) for key in rules.CHECKS if key not in ODD}
    return found | {
        "licence": dataset.licence.slug,
        "languages": dataset.language_codes,
        "access_right": dataset.access_right.value,
    }


def readiness(dataset: Dataset) -> list[Problem]:
    """Return what is still to be said before the dataset is published. Bundles of models need
    nothing: their model is documented instead.
    """
    if dataset.kind is rules.DatasetKind.MODEL:
        return []
    return rules.readiness(said(dataset))


def carried(sources: Sequence[Version]) -> dict[str, Any]:
    """Return what data made by a job say of themselves, as far as their sources say it.

    Access is as narrow as that of the narrowest source. What the sources do not agree on is left
    for a person to say. The datasets of the sources have to be loaded.
    """
    datasets = list({one.dataset_id: one.dataset for one in sources}.values())
    if not datasets:
        return {"answers": rules.inherited([])}
    widest_first = list(rules.AccessRight)
    contacts = [one for one in datasets if one.contact_email]
    found: dict[str, Any] = {
        "answers": rules.inherited([one.answers for one in datasets]),
        "access_right": max((one.access_right for one in datasets), key=widest_first.index).value,
        "themes": list(dict.fromkeys(code for one in datasets for code in one.themes)),
        "places": list(dict.fromkeys(code for one in datasets for code in one.places)),
    }
    if contacts:
        found |= {
            "contact_name": contacts[0].contact_name,
            "contact_email": contacts[0].contact_email,
        }
    return found


def language_names(codes: Sequence[str], language: str) -> list[str]:
    """Return the languages' names in a language of the portal, unknown codes as they are."""
    known = rules.LANGUAGES
    return [known[code].label(language) if code in known else code for code in codes]
