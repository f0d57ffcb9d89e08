"""Who works on a step: taken, given, given back."""

from collections.abc import Sequence
from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.models import Call, Step
from uzina.calls.rules.steps import UNDER_WAY, StepKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Person


@action
def take_step(step: Step, *, by: Person, now: datetime) -> Step:
    """Take a step that is under way: from now on it is this person's. Taking it again is fine.

    Raises NotAllowed step.take.not_yours, step.take.conflict, Refused step.take.not_now,
    step.take.taken.
    """
    step = locked(step)
    _check_may_own(step, by, "take")
    if step.owner_id not in {None, by.pk}:
        raise Refused(
            "step.take.taken",
            _("{person} has taken this one. Take another, or ask an operator to pass it on."),
            person=step.owner.name if step.owner else "",
        )
    return _give(step, to=by, by=by, now=now)


@action
def assign_step(step: Step, *, to: Person, by: Person, now: datetime) -> Step:
    """Give a step that is under way to somebody, or pass it on.

    Raises NotAllowed step.assign.not_operator, step.assign.not_yours (they have not the role),
    step.assign.conflict, Refused step.assign.not_now.
    """
    step = locked(step)
    if not access.may_run_calls(by):
        raise NotAllowed("step.assign.not_operator", _("Only an operator can do this."))
    _check_may_own(step, to, "assign")
    return _give(step, to=to, by=by, now=now)


@action
def give_back_step(step: Step, *, by: Person, now: datetime) -> Step:
    """Let whoever has the role work on a step again.

    Raises NotAllowed step.give_back.not_yours, Refused step.give_back.not_now.
    """
    step = locked(step)
    if step.owner_id != by.pk and not access.may_run_calls(by):
        raise NotAllowed(
            "step.give_back.not_yours", _("Only its owner or an operator can give it back.")
        )
    return _give(step, to=None, by=by, now=now)


def _give(step: Step, *, to: Person | None, by: Person, now: datetime) -> Step:
    if step.owner_id == (to.pk if to else None):
        return step
    step.owner = to
    step.save(update_fields=["owner"])
    log(
        "step.assigned",
        step.application.code,
        by=by,
        now=now,
        step=step.kind,
        to=to.code if to else "",
    )
    return step


def locked(step: Step) -> Step:
    """Lock the call and then the step. Raises Refused step.change.not_now unless it is under way."""
    Call.objects.select_for_update(of=("self",)).get(pk=step.application.call_id)
    step = (
        Step.objects.select_for_update(of=("self",))
        .select_related(
            "owner",
            "application__call",
            "application__cut_off",
            "application__organisation",
            "application__applicant",
        )
        .get(pk=step.pk)
    )
    if step.state not in UNDER_WAY:
        raise Refused(
            "step.change.not_now",
            _("This step of {application} is not under way. Reload the page to see where it is."),
            application=step.application.code,
        )
    return step


def _check_may_own(step: Step, person: Person, verb: str) -> None:
    if not queries.may_work_on(person, step):
        raise NotAllowed(
            f"step.{verb}.not_yours",
            _("This step is worked on by somebody with another role."),
        )
    if access.has_conflict(person, step.application):
        raise NotAllowed(
            f"step.{verb}.conflict",
            _("Somebody with an interest in an application cannot work on it."),
        )


@action
def hand_out(
    steps: Sequence[Step], *, to: Person, by: Person, now: datetime
) -> tuple[list[Step], list[Refused]]:
    """Give many steps to a person, or take them; what cannot be given is left, and said why.

    Who gets some from somebody else is told once. Returns what they have now, and the refusals.
    """
    given: list[Step] = []
    refusals: list[Refused] = []
    for step in sorted(steps, key=lambda one: (one.application.call_id, one.pk)):
        try:
            if to.pk == by.pk:
                given.append(take_step(step, by=by, now=now))
            else:
                given.append(assign_step(step, to=to, by=by, now=now))
        except Refused as refused:
            refusals.append(refused)
    if given and to.pk != by.pk:
        dues = [one.due_at for one in given if one.due_at is not None]
        people.write_message(
            to,
            kind="calls.step_given",
            facts={
                "step": StepKind(given[0].kind).label,
                "count": len(given),
                "due": min(dues, default=None),
                "path": "/queue/?owner=me",
            },
            about=given[0].application.code,
            key=f"given.{to.code}.{given[0].pk}.{now.timestamp():.6f}",
            now=now,
        )
    return given, refusals
