"""An application's way through the steps of its mode, and its clock.

The verbs of the engine (begin, finish, pause, resume, stop) are called by other actions under
their lock of the call.
"""

from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from uzina.calls.models import Application, Call, CutOff, Pause, Question, Step
from uzina.calls.rules import clock
from uzina.calls.rules.steps import (
    CHECKS,
    STEP,
    UNDER_WAY,
    StepKind,
    StepState,
)
from uzina.core.db import action
from uzina.core.log import log
from uzina.people.models import Person


@action
def begin(application: Application, *, now: datetime) -> Step | None:
    """Lay the steps of the mode out and open the first; its target starts to count.

    It is complete: that was just checked. So completeness ends at once, unless the mode has an
    operator look. Returns the step that is open then.
    """
    mode = application.call.mode
    Step.objects.bulk_create(
        Step(application=application, kind=spec.kind, position=position)
        for position, spec in enumerate(mode.steps)
    )
    opened = _open_next(application, now=now)
    completeness = mode.step(StepKind.COMPLETENESS)
    if completeness is not None and completeness.owner == "rule":
        return finish(application, StepKind.COMPLETENESS, outcome="passed", by=None, now=now)
    return opened


@action
def finish(
    application: Application, kind: StepKind, *, outcome: str, by: Person | None, now: datetime
) -> Step | None:
    """End the step of the kind, which is open, and open the next. Return that; None at the end.

    A mode that does not have the step goes on as if it had. Raises Refused step.finish.not_now
    where the step waits or is paused; ended already, nothing happens.
    """
    if not end(application, kind, outcome=outcome, by=by, now=now):
        return None
    return _open_next(application, now=now)


@action
def end(
    application: Application, kind: StepKind, *, outcome: str, by: Person | None, now: datetime
) -> bool:
    """End the step of the kind and open nothing: the application goes no further, or elsewhere.

    False where it has ended already. Raises Refused step.finish.not_now.
    """
    step = (
        Step.objects.select_for_update(of=("self",))
        .filter(application=application, kind=kind)
        .first()
    )
    if step is None:
        return True
    if step.state in {StepState.DONE, StepState.SKIPPED}:
        return False
    step.state = STEP.after("finish", step.state)
    step.outcome, step.done_at, step.done_by = outcome, now, by
    step.save(update_fields=["state", "outcome", "done_at", "done_by"])
    log("step.finished", application.code, by=by, now=now, step=kind, outcome=outcome)
    return True


@action
def finish_batch(
    call: Call,
    kind: StepKind,
    *,
    cut_off: CutOff | None,
    outcome: str,
    by: Person | None,
    now: datetime,
) -> list[Application]:
    """End a step for all applications of one cut-off in which it is open, and say which they are.

    cut_off  None: those that were handed in to none

    What is not there yet, or waits for its applicant, stays behind: queries.behind() names it.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    reached = Step.objects.filter(
        application__call=call, application__cut_off=cut_off, kind=kind, state=StepState.OPEN
    )
    found = list(
        Application.objects.filter(pk__in=reached.values("application"))
        .select_related("call", "cut_off")
        .order_by("pk")
    )
    for application in found:
        application.call = call
        finish(application, kind, outcome=outcome, by=by, now=now)
    return found


@action
def stop(application: Application, *, now: datetime, keep: StepKind | None = None) -> None:
    """Skip what has not ended, for an application that goes no further.

    keep  a step that is opened instead: the appeal of a decision that declines
    """
    left = Step.objects.select_for_update(of=("self",)).filter(
        application=application, state__in=[StepState.WAITING, *UNDER_WAY]
    )
    for step in left:
        if step.kind == keep:
            continue
        if step.state is StepState.PAUSED:
            _end_pause(step, now=now)
        was_under_way = step.state in UNDER_WAY
        step.state, step.done_at = STEP.after("skip", step.state), now
        step.save(update_fields=["state", "done_at"])
        if was_under_way:
            log("step.skipped", application.code, by=None, now=now, step=step.kind)
    if keep is not None:
        _open_next(application, now=now)


@action
def reopen(application: Application, *, after: StepKind, now: datetime) -> Step | None:
    """Lay out again what was skipped after a step, and open the first of it.

    For an application that goes on after all. Returns the step that is open then.
    """
    steps = list(Step.objects.select_for_update(of=("self",)).filter(application=application))
    kinds = [step.kind for step in steps]
    for step in steps[kinds.index(after) + 1 if after in kinds else 0 :]:
        if step.state not in {StepState.SKIPPED, StepState.OPEN}:
            continue
        step.state = STEP.after("reopen", step.state)
        step.opened_at = step.counts_from = step.due_at = step.done_at = None
        step.save(update_fields=["state", "opened_at", "counts_from", "due_at", "done_at"])
    log("step.laid_again", application.code, by=None, now=now, after=after)
    return _open_next(application, now=now)


@action
def pause(step: Step, *, by: Person, now: datetime) -> Step:
    """Stop the clock: the applicant is waited for. Raises Refused step.pause.not_now."""
    step = Step.objects.select_for_update(of=("self",)).get(pk=step.pk)
    step.state = STEP.after("pause", step.state)

    step.save(update_fields=["state"])
    Pause.objects.create(step=step, began_at=now)
    log("step.paused", step.application.code, by=by, now=now, step=step.kind)
    return step


@action
def resume(step: Step, *, by: Person | None, now: datetime) -> Step:
    """Let the clock go on. What is due moves by the working days that ended meanwhile.

    Raises Refused step.resume.not_now.
    """
    step = Step.objects.select_for_update(of=("self",)).get(pk=step.pk)
    step.state = STEP.after("resume", step.state)

    step.save(update_fields=["state"])
    _end_pause(step, now=now)
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off")
        .get(pk=step.application_id)
    )
    count_again(application, [step])
    log(
        "step.resumed",
        application.code,
        by=by,
        now=now,
        step=step.kind,
        due_at=step.due_at,
        application_due_at=application.due_at,
    )
    return step


def _end_pause(step: Step, *, now: datetime) -> None:
    Pause.objects.filter(step=step, ended_at__isnull=True).update(ended_at=now)
    open_question = Question.objects.filter(
        step=step, answered_at__isnull=True, closed_at__isnull=True
    )
    open_question.update(closed_at=now)


def _open_next(application: Application, *, now: datetime) -> Step | None:
    if Step.objects.filter(application=application, state__in=UNDER_WAY).exists():
        return None
    step = (
        Step.objects.filter(application=application, state=StepState.WAITING)
        .order_by("position")
        .first()
    )
    if step is None:
        return None
    kind = StepKind(step.kind)
    step.state, step.opened_at = STEP.after("open", step.state), now
    step.counts_from = _counts_from(application, now)
    step.due_at = _due_at(application, step, stills=())
    step.save(update_fields=["state", "opened_at", "counts_from", "due_at"])
    spec = application.call.mode.step(kind)
    if kind not in CHECKS or (spec is not None and spec.owner != "rule"):
        log("step.opened", application.code, by=None, now=now, step=kind, due_at=step.due_at)
    return step


def _counts_from(application: Application, at: datetime) -> datetime:
    """The clock of what is judged together starts when all are there: at the cut-off."""
    if application.cut_off is not None:
        return max(at, application.cut_off.closes_at)
    return at


def _due_at(
    application: Application, step: Step, *, stills: Sequence[clock.Still]
) -> datetime | None:
    mode, site = application.call.mode, settings.UZINA.site
    spec = mode.step(StepKind(step.kind))
    days = spec.working_days if spec else 0
    if step.kind == StepKind.APPEAL:
        days = mode.appeal_working_days
    if not days or step.counts_from is None:
        return None
    return clock.due_at(
        step.counts_from,
        working_days=days,
        country=site.country,
        zone=site.timezone,
        stills=stills,
    )


def target_of(application: Application, *, stills: Sequence[clock.Still] = ()) -> datetime:
    """Return by when the mode promises an answer: its target, without what we waited.

    It counts from the submission, or from the closing of the cut-off where applications are
    judged together.
    """
    site = settings.UZINA.site
    assert application.submitted_at is not None  # noqa: S101 - it was handed in
    return clock.due_at(
        _counts_from(application, application.submitted_at),
        working_days=application.call.mode.target_working_days,
        country=site.country,
        zone=site.timezone,
        stills=stills,
    )


@action
def count_again(application: Application, steps: Sequence[Step] = ()) -> None:
    """Set what is due anew, for the application and for those steps, from all pauses there were."""
    stills: dict[int, list[clock.Still]] = {}
    for one in Pause.objects.filter(step__application=application):
        if one.ended_at is not None:
            stills.setdefault(one.step_id, []).append(clock.Still(one.began_at, one.ended_at))
    for step in steps:
        step.due_at = _due_at(application, step, stills=stills.get(step.pk, []))
        step.save(update_fields=["counts_from", "due_at"])
    every = [one for some in stills.values() for one in some]
    application.due_at = target_of(application, stills=every)
    application.save(update_fields=["due_at"])


@action
def cut_off_moved(cut_off: CutOff, *, now: datetime) -> int:
    """Count anew what counts from a cut-off that was moved. Return how many applications that were.

    Part of the action that moves it, which holds the lock of the call.
    """
    rows = list(
        Application.objects.select_for_update(of=("self",))
        .filter(cut_off=cut_off, submitted_at__isnull=False, ended_at__isnull=True)
        .select_related("call", "cut_off")
        .order_by("pk")
    )
    for application in rows:
        under_way = list(Step.objects.filter(application=application, state__in=UNDER_WAY))
        for step in under_way:
            assert step.opened_at is not None  # noqa: S101 - the table's constraint
            step.counts_from = _counts_from(application, step.opened_at)
        count_again(application, under_way)
        log(
            "application.counted_again",
            application.code,
            by=None,
            now=now,
            due_at=application.due_at,
        )
    return len(rows)
