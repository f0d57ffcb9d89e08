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


def shown_answers(dataset: Dataset, language: str) -> list[dict[str, str]]:
    """Return what the steward answered and everybody may read: question, answer and law."""
    asked = rules.questions()
    public = rules.public_answers(dataset.answers, dataset.access_right)
    return [
        {
            "question": asked[key].label(language),
            "answer": asked[key].shown(value, language),
            "law": asked[key].law(language),
        }
        for key, value in public.items()
    ]
