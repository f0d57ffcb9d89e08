"""Steps: what is open, whose it is, what is late."""

import functools
import tomllib
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from uzina.calls.models import Application, Call, CutOff, Question, Step
from uzina.calls.rules import assessments, clock
from uzina.calls.rules.flows import ApplicationState
from uzina.calls.rules.steps import (
    APPLICANTS,
    LEVELS,
    STEP_ROLES,
    UNDER_WAY,
    StepKind,
    StepState,
)
from uzina.people.models import Person

FACTORIES = Path(__file__).parent.parent / "factories.toml"


@functools.cache
def factories() -> assessments.Factories:
    """Return the AI Factories of the shipped list."""
    return assessments.read_factories(tomllib.loads(FACTORIES.read_text(encoding="utf-8")))


def open_step(application: Application) -> Step | None:
    """Return the step that is under way: open, or paused. One query, none after applications()."""
    return next((one for one in application.steps.all() if one.state in UNDER_WAY), None)


def step_under_way(application: Application) -> Step | None:
    """Return the step that is under way as the database has it now. One query."""
    found: Step | None = (
        Step.objects.filter(application=application, state__in=UNDER_WAY)
        .select_related("owner", "application__call", "application__cut_off")
        .first()
    )
    return found


def step_owner(step: Step) -> str:
    """Return the role that works on a step, as the call's mode says: assessor, operator, ..."""
    spec = step.application.call.mode.step(StepKind(step.kind))
    return spec.owner if spec else "rule"


def may_work_on(person: Person, step: Step) -> bool:
    """Tell whether the person has the role that works on the step."""
    role = STEP_ROLES.get(step_owner(step))
    return role is not None and person.has_role(role)


def behind(call: Call, kind: StepKind, *, cut_off: CutOff | None) -> QuerySet[Application]:
    """Return the applications of a cut-off that have yet to end a step: open, paused or to come.

    Those that ended otherwise (declined, withdrawn, redirected) are not among them.
    """
    coming = Step.objects.filter(
        application__call=call,
        application__cut_off=cut_off,
        kind=kind,
        state__in=[StepState.WAITING, *UNDER_WAY],
    )
    return Application.objects.filter(  # type: ignore[no-any-return]
        pk__in=coming.values("application"),
        state__in=[ApplicationState.SUBMITTED, ApplicationState.ELIGIBLE],
    ).order_by("pk")


def working_days_late(due_at: datetime | None, now: datetime) -> int:
    """Return how many working days of the host's country something is late; 0 where it is not."""
    if due_at is None:
        return 0
    site = settings.UZINA.site
    return clock.working_days_late(now, due_at, country=site.country, zone=site.timezone)


def applicants_time() -> Q:
    """Return what selects the steps whose time is the applicant's: to reply, accept, or appeal."""
    return Q(kind__in=APPLICANTS) | Q(kind=StepKind.APPEAL, application__appeal__isnull=True)


def to_be_escalated(now: datetime) -> QuerySet[Step]:
    """Return the steps that are late and may have to be told of. An applicant's own lapse instead;
    who waits for hours on the reserve list waits for no step of ours.
    """
    return (
        Step.objects.filter(state=StepState.OPEN, due_at__lte=now, escalation__lt=LEVELS)
        .exclude(applicants_time())
        .exclude(kind=StepKind.DECISION, application__reserve_at__isnull=False)
        .select_related("application")
        .order_by("due_at", "pk")
    )


def to_be_watched(now: datetime) -> QuerySet[Question]:
    """Return the open questions of which somebody may have to be reminded."""
    soon = now + timedelta(days=2 * settings.UZINA.calls.remind_days + 14)
    untold = Q(answer_by__lte=now, told_at__isnull=True)
    unreminded = Q(answer_by__gt=now, answer_by__lte=soon, reminded_at__isnull=True)
    return (
        Question.objects.filter(
            untold | unreminded, answered_at__isnull=True, closed_at__isnull=True
        )
        .select_related("step__application")
        .order_by("pk")
    )
