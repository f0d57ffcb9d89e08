"""An application's way through the steps of its mode. Called by the other actions, under their lock."""

from datetime import datetime

from django.conf import settings

from uzina.calls.models import Application, Step
from uzina.calls.rules import clock
from uzina.calls.rules.steps import AUTOMATIC, STEP, StepKind, StepState
from uzina.core.db import action
from uzina.core.log import log
from uzina.people.models import Person


@action
def begin(application: Application, *, now: datetime) -> None:
    """Lay the steps of the mode out and open the first. It is complete: that was just checked."""
    specs = application.call.mode.steps
    Step.objects.bulk_create(
        Step(application=application, kind=spec.kind, position=position)
        for position, spec in enumerate(specs)
    )
    _open_next(application, now=now)
    finish(application, StepKind.COMPLETENESS, outcome="passed", by=None, now=now)


@action
def finish(
    application: Application, kind: StepKind, *, outcome: str, by: Person | None, now: datetime
) -> Step | None:
    """End the step of the kind, which is open, and open the next. Return that; None at the end.

    A mode that does not have the step goes on as if it had. Raises Refused step.finish.not_now
    where the step waits or is paused; ended already, nothing happens.
    """
    step = (
        Step.objects.select_for_update(of=("self",))
        .filter(application=application, kind=kind)
        .first()
    )
    if step is not None and step.state in {StepState.DONE, StepState.SKIPPED}:
        return None
    if step is not None:
        step.state = STEP.after("finish", step.state)
        step.outcome, step.done_at, step.done_by = outcome, now, by
        step.save(update_fields=["state", "outcome", "done_at", "done_by"])
        log("step.finished", application.code, by=by, now=now, step=kind, outcome=outcome)
    return _open_next(application, now=now)


@action
def stop(application: Application, *, now: datetime, keep: StepKind | None = None) -> None:
    """Skip what has not ended, for an application that goes no further.

    keep  a step that is opened instead: the appeal of a decision that declines
    """
    left = Step.objects.select_for_update(of=("self",)).filter(
        application=application,
        state__in=[StepState.WAITING, StepState.OPEN, StepState.PAUSED],
    )
    for step in left:
        if step.kind == keep:
            continue
        step.state, step.done_at = STEP.after("skip", step.state), now
        step.save(update_fields=["state", "done_at"])
    if keep is not None:
        _open_next(application, now=now)


def _open_next(application: Application, *, now: datetime) -> Step | None:
    if Step.objects.filter(
        application=application, state__in=[StepState.OPEN, StepState.PAUSED]
    ).exists():
        return None
    step = (
        Step.objects.filter(application=application, state=StepState.WAITING)
        .order_by("position")
        .first()
    )
    if step is None:
        return None
    kind = StepKind(step.kind)
    spec, site = application.call.mode.step(kind), settings.UZINA.site
    days = spec.working_days if spec else 0
    if kind is StepKind.APPEAL:
        days = application.call.mode.appeal_working_days
    step.state, step.opened_at = STEP.after("open", step.state), now
    if days:
        step.due_at = clock.due_at(now, working_days=days, country=site.country, zone=site.timezone)
    step.save(update_fields=["state", "opened_at", "due_at"])
    if kind not in AUTOMATIC:
        log("step.opened", application.code, by=None, now=now, step=kind, due_at=step.due_at)
    return step
