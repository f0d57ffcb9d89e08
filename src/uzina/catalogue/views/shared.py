"""What several pages need."""

from typing import Any

from django.http import HttpRequest

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset


def visible_datasets(request: HttpRequest) -> Any:
    """Return the data whoever asks may see."""
    return (
        Dataset.objects.visible_to(request.user)
        .filter(kind=rules.DatasetKind.DATA)
        .select_related("licence", "holder", "project")
    )
