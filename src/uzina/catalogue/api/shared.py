"""What several files of the API need."""

from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from pydantic import Field

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset, Version
from uzina.people.types import SignedIn

Slug = Annotated[str, Field(max_length=63)]

Number = Annotated[int, Field(ge=1, le=2**31 - 1)]

Code = Annotated[str, Field(max_length=16)]


def visible_datasets(request: SignedIn) -> Any:
    """Return the data the caller may see, with what its shape shows."""
    return (
        Dataset.objects.visible_to(request.user)
        .filter(kind=rules.DatasetKind.DATA)
        .select_related("licence", "holder", "project")
        .prefetch_related("versions__dataset")
    )


def visible_dataset(request: SignedIn, slug: str) -> Dataset:
    """Return one of them. Raises Http404."""
    found: Dataset = get_object_or_404(visible_datasets(request), slug=slug)
    return found


def visible_version(request: SignedIn, slug: str, number: int) -> Version:
    """Return a version of one of them. Raises Http404."""
    found: Version = get_object_or_404(
        Version.objects.visible_to(request.user)
        .filter(dataset__kind=rules.DatasetKind.DATA)
        .whole(),
        dataset__slug=slug,
        number=number,
    )
    return found
