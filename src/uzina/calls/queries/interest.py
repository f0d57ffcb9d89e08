"""Expressions of interest, and who was admitted."""

from django.db.models import QuerySet

from uzina.calls.models import Application, Call, PanelSeat, conflicted
from uzina.calls.rules.flows import ApplicationState
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def interests(call: Call, person: Person) -> QuerySet[Application]:
    """Return what was handed in to a call and is not withdrawn, oldest first. One query.

    Whoever decides does not see those in which they have an interest.
    """
    return _seen_by(
        person,
        Application.objects.filter(call=call, submitted_at__isnull=False)
        .exclude(state=ApplicationState.WITHDRAWN)
        .order_by("submitted_at", "pk"),
    )


def members(call: Call, person: Person) -> QuerySet[Application]:
    """Return the applications whose organisations were admitted, oldest first. One query."""
    admitted = Application.objects.filter(call=call, state=ApplicationState.ADMITTED)
    return _seen_by(person, admitted.order_by("ended_at", "pk"))


def _seen_by(person: Person, rows: QuerySet[Application]) -> QuerySet[Application]:
    rows = rows.select_related("organisation", "applicant", "decision", "call")
    if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
        return rows
    return rows.exclude(conflicted(person))


def has_seat(person: Person, call: Call) -> bool:
    """Tell whether the person sits on the panel that decides on a call. One query."""
    return PanelSeat.objects.filter(call=call, person=person, is_for_appeals=False).exists()
