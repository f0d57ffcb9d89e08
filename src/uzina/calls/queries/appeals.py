"""Appeals: until when, before whom."""

from datetime import datetime

from django.conf import settings
from django.db.models import OuterRef, Q, QuerySet
from django.db.models.expressions import Exists

from uzina.calls.models import (
    Appeal,
    Application,
    Decision,
    PanelSeat,
    Review,
    Step,
    conflicted,
)
from uzina.calls.rules import clock
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import StepKind, StepState
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def appeal_by(application: Application) -> datetime | None:
    """Return the instant from which it is too late to appeal; None where there is no appeal.

    Counted from the release of the decision. No query for a row of applications().
    """
    decision: Decision | None = getattr(application, "decision", None)
    mode, site = application.call.mode, settings.UZINA.site
    if (
        application.state is not ApplicationState.DECLINED
        or decision is None
        or decision.released_at is None
        or not mode.appeal_working_days
    ):
        return None
    return clock.due_at(
        decision.released_at,
        working_days=mode.appeal_working_days,
        country=site.country,
        zone=site.timezone,
    )


def appeal(code: str) -> Appeal:
    """Return the appeal with the code, its application and its call."""
    return Appeal.objects.select_related(  # type: ignore[no-any-return]
        "application__call", "application__applicant", "application__organisation"
    ).get(code=code)


def appeals(person: Person) -> QuerySet[Appeal]:
    """Return the appeals that a person may see: all for operators and auditors, else one's own
    and those that one may hear; newest first.
    """
    rows = Appeal.objects.select_related(
        "application__call", "application__organisation", "application__decision", "filed_by"
    ).order_by("-pk")
    if person.has_role(RoleKind.OPERATOR, RoleKind.AUDITOR):
        return rows  # type: ignore[no-any-return]
    heard = to_be_heard_by(person).values("pk")
    return rows.filter(Q(application__applicant=person) | Q(pk__in=heard))  # type: ignore[no-any-return]


def to_be_heard_by(person: Person) -> QuerySet[Appeal]:
    """Return the appeals that a person hears as a member of the second panel of the call.

    Never one in which they have a conflict of interest, or that they reviewed.
    """
    seats = PanelSeat.objects.filter(
        person=person, is_for_appeals=True, call=OuterRef("application__call")
    )
    reviewed = Review.objects.filter(reviewer=person, application=OuterRef("application"))
    interest = Application.objects.filter(conflicted(person))
    return Appeal.objects.filter(  # type: ignore[no-any-return]
        Exists(seats), ~Exists(reviewed)
    ).exclude(application__in=interest.values("pk"))


def over_appeal_periods(now: datetime) -> QuerySet[Step]:
    """Return the open steps of appeals that nobody filed in time."""
    return (
        Step.objects.filter(
            kind=StepKind.APPEAL,
            state=StepState.OPEN,
            due_at__lte=now,
            application__appeal__isnull=True,
        )
        .select_related("application__call")
        .order_by("pk")
    )
