"""Reports that are owed."""

from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from uzina.calls.models import Award, Obligation
from uzina.calls.rules.flows import AwardState, ObligationState
from uzina.calls.rules.obligations import REMIND_DAYS
from uzina.people.models import Organisation, Person
from uzina.people.rules import ProjectState

ABOUT = "award__application__call", "award__project__organisation", "award__capacity"


def obligations() -> QuerySet[Obligation]:
    """Return all obligations with what their pages show, the first due first."""
    return Obligation.objects.select_related(*ABOUT).order_by("due_at", "pk")  # type: ignore[no-any-return]


def obligation(award: Award, kind: str) -> Obligation | None:
    """Return what an award's holder owes of a kind."""
    found: Obligation | None = obligations().filter(award=award, kind=kind).first()
    return found


def next_due(award: Award) -> Obligation | None:
    """Return what is due first and was not handed in. One query."""
    open_states = [ObligationState.DUE, ObligationState.DEFAULTED]
    found: Obligation | None = (
        Obligation.objects.filter(award=award, state__in=open_states).order_by("due_at").first()
    )
    return found


def to_remind(now: datetime) -> QuerySet[Obligation]:
    """Return what is due and near enough to speak of it."""
    return obligations().filter(
        state=ObligationState.DUE, due_at__lte=now + timedelta(days=max(REMIND_DAYS))
    )


def ended(now: datetime) -> QuerySet[Award]:
    """Return the awards whose time is over and whose project is still active."""
    return Award.objects.filter(  # type: ignore[no-any-return]
        state=AwardState.ACCEPTED, ends_at__lte=now, project__state=ProjectState.ACTIVE
    ).order_by("pk")


def running_awards(now: datetime) -> QuerySet[Award]:
    """Return the awards that run and are not paused, with their projects."""
    return (  # type: ignore[no-any-return]
        Award.objects.filter(
            state=AwardState.ACCEPTED,
            starts_at__lte=now,
            ends_at__gt=now,
            suspended_at__isnull=True,
        )
        .select_related("project__organisation", "application__call")
        .order_by("pk")
    )


def has_defaulted(organisation: Organisation, *, people: list[Person]) -> bool:
    """Tell whether a report of the organisation, or of one of the people, was not delivered."""
    owed = Q(award__project__organisation=organisation) | Q(
        award__application__applicant__in=people
    )
    members = Q(award__project__memberships__person__in=people)
    return Obligation.objects.filter(owed | members, state=ObligationState.DEFAULTED).exists()
