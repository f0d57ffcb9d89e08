"""The way of an application through its steps: the queue, questions, exceptions, redirects."""

from datetime import datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.applications import (
    ApplicationOut,
    application_out,
    visible_application,
)
from uzina.calls.api.shared import Code, Slug
from uzina.calls.models import Application, Call, Question, Step
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.errors import NotAllowed
from uzina.core.http import told
from uzina.core.inputs import Paragraphs
from uzina.core.paging import Page
from uzina.core.text import _
from uzina.people import queries as people_queries
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

QUEUE_CURSOR = r"^((x|[0-9]{1,17})-[0-9]{1,18})?$"


class QueuedOut(Schema):
    """One application under way. Who is waited for: us or applicant. Days are working days."""

    application: str
    title: str
    organisation: str
    call: str
    step: StepKind
    state: StepState
    owner: str | None
    opened_at: datetime
    due_at: datetime | None
    is_late: bool
    days_late: int
    waiting: str
    escalation: int


def _queued_out(step: Step, moment: datetime) -> QueuedOut:
    is_late = queries.is_late(step, moment)
    return QueuedOut(
        application=step.application.code,
        title=step.application.title,
        organisation=step.application.organisation.name,
        call=step.application.call.slug,
        step=StepKind(step.kind),
        state=step.state,
        owner=step.owner.code if step.owner else None,
        opened_at=step.opened_at or moment,
        due_at=step.due_at,
        is_late=is_late,
        days_late=queries.working_days_late(step.due_at, moment) if is_late else 0,
        waiting="applicant" if queries.is_applicants_turn(step) else "us",
        escalation=step.escalation,
    )


def _check_queue(request: SignedIn) -> None:
    if not access.may_see_queue(request.user):
        raise NotAllowed(
            "queue.read.not_yours", _("The queue is for those who work in it, and for auditors.")
        )


@router.get("/queue", response=Page[QueuedOut])
def list_queue(
    request: SignedIn,
    call: str = "",
    cut_off: int | None = None,
    step: str = "",
    owner: str = "",
    late: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
    waiting: str = "",
    q: str = "",
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    cursor: Annotated[str, Field(pattern=QUEUE_CURSOR)] = "",
) -> Any:
    """What is under way, the first due first (operator, assessor, auditor).

    owner: me, none or a person's code; waiting: us or applicant; q: in the code, the title or names.
    """
    _check_queue(request)
    moment = now()
    wanted = queries.Wanted(
        call=call.replace("\x00", "")[:80],
        cut_off=cut_off if cut_off is not None and 0 <= cut_off < 2**63 else None,
        step=step,
        owner=owner.replace("\x00", "")[:80],
        is_late=late,
        waiting=waiting,
        text=q.replace("\x00", "").strip()[:80],
    )
    rows = queries.worklist(request.user, wanted, now=moment)
    items, following = queries.first_due(rows, limit=limit, cursor=cursor)
    return {"items": [_queued_out(one, moment) for one in items], "next": following}


class HandOutIn(Schema):
    """Which applications, and to whom: me, or a person's code (operator)."""

    applications: Annotated[list[Code], Field(min_length=1, max_length=200)]
    to: Code = "me"


class RefusalOut(Schema):
    """Why something was not given."""

    code: str
    detail: str


class HandedOutOut(Schema):
    """The applications that are with the person now, and why others are not."""

    given: list[str]
    refused: list[RefusalOut]


@router.post("/queue/hand-out", response=HandedOutOut)
def hand_out(request: SignedIn, asked: HandOutIn) -> Any:
    """Take applications in the queue, or give them to somebody."""
    _check_queue(request)
    moment = now()
    rows = queries.worklist(request.user, queries.Wanted(), now=moment)
    steps = list(rows.filter(application__code__in=asked.applications))
    person = request.user if asked.to == "me" else people_queries.person(asked.to)
    if person is None:
        raise NotAllowed("queue.hand_out.nobody", _("There is nobody with this code."))
    given, refusals = actions.hand_out(steps, to=person, by=request.user, now=moment)
    return {
        "given": [one.application.code for one in given],
        "refused": [{"code": one.code, "detail": told(one)} for one in refusals],
    }


def _step(application: Application) -> Step:
    found = queries.step_under_way(application)
    return get_object_or_404(Step, pk=found.pk if found else None)


@router.post("/applications/{code}/take", response=ApplicationOut)
def take(request: SignedIn, code: Code) -> ApplicationOut:
    """Take the step that is under way (who has its role)."""
    found = visible_application(request, code)
    actions.take_step(_step(found), by=request.user, now=now())
    return application_out(visible_application(request, code), request)


@router.post("/applications/{code}/give-back", response=ApplicationOut)
def give_back(request: SignedIn, code: Code) -> ApplicationOut:
    """Give the step that is under way back (its owner, or an operator)."""
    found = visible_application(request, code)
    actions.give_back_step(_step(found), by=request.user, now=now())
    return application_out(visible_application(request, code), request)


@router.post("/applications/{code}/confirm", response=ApplicationOut)
def confirm(request: SignedIn, code: Code) -> ApplicationOut:
    """Say that it passes the check that waits for an operator."""
    actions.confirm(visible_application(request, code), by=request.user, now=now())
    return application_out(visible_application(request, code), request)


class RejectIn(Schema):
    """Why; the applicant reads it."""

    reason: Annotated[Paragraphs, Field(max_length=2000)]


@router.post("/applications/{code}/reject", response=ApplicationOut)
def reject(request: SignedIn, code: Code, asked: RejectIn) -> ApplicationOut:
    """Decline it in the check that waits for an operator."""
    actions.reject(
        visible_application(request, code), reason=asked.reason, by=request.user, now=now()
    )
    return application_out(visible_application(request, code), request)


class ExemptIn(Schema):
    """Which rule is let pass, and why; the applicant reads it."""

    rule: Slug
    reason: Annotated[Paragraphs, Field(max_length=2000)]


@router.post("/applications/{code}/exempt", response=ApplicationOut)
def exempt(request: SignedIn, code: Code, asked: ExemptIn) -> ApplicationOut:
    """Let a failed rule of eligibility pass (operator). Declined for it alone, it goes on."""
    actions.exempt(
        visible_application(request, code),
        rule=asked.rule,
        reason=asked.reason,
        by=request.user,
        now=now(),
    )
    return application_out(visible_application(request, code), request)


class RedirectIn(Schema):
    """Where to: the slug of a call here, or the name of another factory; and why."""

    call: str = ""
    factory: str = ""
    reason: Annotated[Paragraphs, Field(max_length=4000)]


@router.post("/applications/{code}/redirect", response=ApplicationOut)
def redirect(request: SignedIn, code: Code, asked: RedirectIn) -> ApplicationOut:
    """Send it on to where it fits better (who assesses it, or an operator)."""
    found = visible_application(request, code)
    to_call = (
        get_object_or_404(Call.objects.visible_to(request.user), slug=asked.call)
        if asked.call
        else None
    )
    actions.redirect(
        found,
        to_call=to_call,
        to_factory=asked.factory,
        reason=asked.reason,
        by=request.user,
        now=now(),
    )
    return application_out(visible_application(request, code), request)


class FactoryOut(Schema):
    """An AI Factory of the network."""

    name: str
    country: str
    city: str
    host: str
    system: str
    wave: int


@router.get("/factories", response=list[FactoryOut])
def list_factories(request: SignedIn) -> Any:
    """The AI Factories an application can be sent on to."""
    return list(queries.factories().factories)


class QuestionOut(Schema):
    """A question to the applicant. Open until it is answered or closed."""

    code: str
    text: str
    asked_at: datetime
    answer_by: datetime
    is_open: bool
    answer: str
    answered_at: datetime | None
    closed_at: datetime | None


def _questions(request: SignedIn, code: str) -> Any:
    """The questions on an application: for its applicant, those who edit it, and the host."""
    found = visible_application(request, code)
    if not (access.may_edit(request.user, found) or access.may_see_queue(request.user)):
        return Question.objects.none()
    return Question.objects.filter(step__application=found).select_related("step__application")


@router.get("/applications/{code}/questions", response=list[QuestionOut])
def list_questions(request: SignedIn, code: Code) -> Any:
    """What the applicant was asked, oldest first."""
    return list(_questions(request, code).order_by("pk"))


class TextIn(Schema):
    """A question, or an answer."""

    text: Annotated[Paragraphs, Field(max_length=4000)]


@router.post("/applications/{code}/questions", response={201: QuestionOut})
def ask(request: SignedIn, code: Code, asked: TextIn) -> Any:
    """Ask the applicant; the clock stands still until there is an answer."""
    found = visible_application(request, code)
    return Status(201, actions.ask(found, text=asked.text, by=request.user, now=now()))


@router.post("/applications/{code}/questions/{question}/answer", response=QuestionOut)
def answer(request: SignedIn, code: Code, question: Code, asked: TextIn) -> Any:
    """Answer a question (applicant, or who edits); the clock goes on."""
    found = get_object_or_404(_questions(request, code), code=question)
    return actions.answer_question(found, text=asked.text, by=request.user, now=now())


@router.post("/applications/{code}/questions/{question}/end", response=QuestionOut)
def end_waiting(request: SignedIn, code: Code, question: Code) -> Any:
    """Go on without an answer (who asked, or an operator)."""
    found = get_object_or_404(_questions(request, code), code=question)
    return actions.end_waiting(found, by=request.user, now=now())


class LoadOut(Schema):
    """How many applications are in a step, or with a person, and how many of them are late."""

    name: str
    code: str
    count: int
    waiting: int
    late: int
    days_late: int


class LateOut(Schema):
    """What is late: by step, and by who works on it."""

    by_step: list[LoadOut]
    by_owner: list[LoadOut]


@router.get("/queue/late", response=LateOut)
def show_late(request: SignedIn) -> Any:
    """How many applications are under way and how late they are (operator, assessor, auditor)."""
    _check_queue(request)
    moment, wanted = now(), queries.Wanted()

    def out(load: queries.Load) -> dict[str, Any]:
        return {
            "name": gettext(load.name) if load.name else "",
            "code": load.code,
            "count": load.count,
            "waiting": load.waiting,
            "late": load.late,
            "days_late": queries.working_days_late(load.late_since, moment),
        }

    return {
        "by_step": [out(one) for one in queries.loads_by_step(request.user, wanted, now=moment)],
        "by_owner": [out(one) for one in queries.loads_by_owner(request.user, wanted, now=moment)],
    }
