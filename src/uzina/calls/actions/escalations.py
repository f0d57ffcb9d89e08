"""Steps that are late: told to who works on them and to operators, twice."""

from datetime import datetime, timedelta

from django.conf import settings

from uzina.calls import access, queries
from uzina.calls.models import Call, Step
from uzina.calls.rules import clock
from uzina.calls.rules.steps import STEP_ROLES, StepKind, StepState, escalation
from uzina.core.db import action
from uzina.core.log import log
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind

TICK = timedelta(microseconds=1)


@action
def escalate(step: Step, *, now: datetime) -> Step:
    """Tell of a step that is late: once when it is, once more when it has been for some days.

    First its owner and the operators; where nobody has taken it, everybody with the role. Then
    the auditors too. A step that waits for its applicant is not late. Doing it again changes
    nothing.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=step.application.call_id)
    step = (
        Step.objects.select_for_update(of=("self",))
        .select_related("owner", "application__call")
        .get(pk=step.pk)
    )
    if step.state is not StepState.OPEN or queries.step_owner(step) not in STEP_ROLES:
        return step
    level = escalation(level=step.escalation, due_at=step.due_at, again_at=again_at(step), now=now)
    if level == step.escalation:
        return step

    step.escalation, step.escalated_at = level, now
    step.save(update_fields=["escalation", "escalated_at"])
    application = step.application
    log("step.escalated", application.code, by=None, now=now, step=step.kind, level=level)
    for person in _told(step, level):
        people.write_message(
            person,
            kind="calls.step_late",
            facts={
                "application": application,
                "call": application.call,
                "step": StepKind(step.kind).label,
                "owner": step.owner.name if step.owner else "",
                "due": step.due_at,
                "level": level,
                "days": queries.working_days_late(step.due_at, now),
                "path": f"/applications/{application.code}/",
            },
            about=application.code,
            key=f"step_late.{step.pk}.{level}.{person.code}",
            now=now,
        )
    return step


def again_at(step: Step) -> datetime | None:
    """Return when a step has been late for too long."""
    if step.due_at is None:
        return None
    site = settings.UZINA.site
    return clock.due_at(
        step.due_at - TICK,
        working_days=settings.UZINA.calls.escalate_days,
        country=site.country,
        zone=site.timezone,
    )


def _told(step: Step, level: int) -> list[Person]:
    """The owner, or who could be it; the operators; at the second level the auditors."""
    roles = {RoleKind.OPERATOR}
    if step.owner is None:
        roles.add(STEP_ROLES[queries.step_owner(step)])
    if level > 1:
        roles.add(RoleKind.AUDITOR)
    found = [person for role in sorted(roles) for person in people_queries.people_with_role(role)]
    if step.owner is not None:
        found.append(step.owner)
    return [
        one
        for one in {person.pk: person for person in found}.values()
        if not access.has_conflict(one, step.application)
    ]
