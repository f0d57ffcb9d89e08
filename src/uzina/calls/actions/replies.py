"""The applicant's right to reply to the reviewers' comments, once, before the panel meets."""

from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import steps
from uzina.calls.models import Application, Call, Reply, Step
from uzina.calls.rules.clock import told
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person

LONGEST = 8000


@action
def reply(application: Application, *, text: str, by: Person, now: datetime) -> Reply:
    """Reply to the reviewers' comments. The panel reads it beside them.

    Raises NotAllowed reply.send.not_yours, Refused reply.send.not_now, .too_late, Invalid for an
    empty one.
    """
    application = _locked(application, by, "send")
    _check_open(application, "send", now)
    if not text.strip() or len(text) > LONGEST:
        raise Invalid(
            [
                Problem(
                    "text",
                    "reply.send.text",
                    _("Write your reply, with at most {most} characters."),
                    {"most": LONGEST},
                )
            ]
        )

    made = Reply.objects.create(application=application, text=text, made_by=by, made_at=now)
    log("reply.sent", application.code, by=by, now=now)
    steps.finish(application, StepKind.RIGHT_TO_REPLY, outcome="replied", by=by, now=now)
    return made


@action
def waive_reply(application: Application, *, by: Person, now: datetime) -> None:
    """Go on without a reply, so that nobody waits for one.

    Raises NotAllowed reply.waive.not_yours, Refused reply.waive.not_now, .too_late.
    """
    application = _locked(application, by, "waive")
    _check_open(application, "waive", now)

    log("reply.waived", application.code, by=by, now=now)
    steps.finish(application, StepKind.RIGHT_TO_REPLY, outcome="waived", by=by, now=now)


@action
def end_reply(application: Application, *, now: datetime) -> None:
    """Go on where the time to reply is over. Where it is not, nothing happens."""
    call = Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application.call = call
    step = queries.step_under_way(application)
    if (
        step is None
        or step.kind != StepKind.RIGHT_TO_REPLY
        or step.state is not StepState.OPEN
        or step.due_at is None
        or now < step.due_at
    ):
        return

    log("reply.lapsed", application.code, by=None, now=now)
    steps.finish(application, StepKind.RIGHT_TO_REPLY, outcome="silent", by=None, now=now)


def _locked(application: Application, by: Person, verb: str) -> Application:
    call = Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    if not access.may_change(by, application):
        raise NotAllowed(
            f"reply.{verb}.not_yours",
            _("Only the applicant can do this with {application}."),
            application=application.code,
        )
    found: Application = Application.objects.get(pk=application.pk)
    found.call = call
    return found


def _check_open(application: Application, verb: str, now: datetime) -> Step:
    step = queries.step_under_way(application)
    if step is None or step.kind != StepKind.RIGHT_TO_REPLY or step.state is not StepState.OPEN:
        raise Refused(
            f"reply.{verb}.not_now",
            _("{application} does not wait for a reply now."),
            application=application.code,
        )
    if step.due_at is not None and now >= step.due_at:
        raise Refused(
            f"reply.{verb}.too_late",
            _("The time to reply ended at {due_at}. The panel goes by the reviews."),
            due_at=told(step.due_at),
        )
    return step
