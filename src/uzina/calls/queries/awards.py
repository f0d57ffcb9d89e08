"""Awards."""

from datetime import datetime

from django.db.models import (
    QuerySet,
)

from uzina.calls.models import Award
from uzina.calls.rules.flows import AwardState


def award(code: str) -> Award:
    """Return the award with the code, its application and its call."""
    return Award.objects.select_related(  # type: ignore[no-any-return]
        "application__call", "application__organisation", "application__applicant", "project"
    ).get(code=code)


def lapsed(now: datetime) -> QuerySet[Award]:
    """Return the open offers whose time to answer is over."""
    return Award.objects.filter(state=AwardState.OFFERED, answer_by__lte=now).order_by("pk")  # type: ignore[no-any-return]
