"""Questions to the applicant: the clock stands still until there is an answer."""

from datetime import datetime
from typing import Any

from django.conf import settings

from uzina.calls import access, queries
from uzina.calls.actions import steps
from uzina.calls.models import Application, Call, Question, Step
from uzina.calls.rules import checks, clock
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind


@action
def ask(application: Application, *, text: str, by: Person, now: datetime) -> Question:
    """Ask the applicant something. Our clock stands still until they answer.

    Raises NotAllowed question.ask.not_yours (neither the step's role nor an operator),
    question.ask.conflict, Refused question.ask.not_now (nothing of ours is under way, or they
    have a question already), Invalid.
    """
    application = _locked(application)
    step = queries.step_under_way(application)
    if step is None or queries.step_owner(step) not in {"operator", "assessor", "panel"}:
        raise Refused(
            "question.ask.not_now",
            _("No step of {application} that could wait for an answer is under way."),
            application=application.code,
        )
    if not (access.may_run_calls(by) or queries.may_work_on(by, step)):
        raise NotAllowed(
            "question.ask.not_yours",
            _("Only who works on this step, or an operator, can ask the applicant."),
        )
    if access.has_conflict(by, application):
        raise NotAllowed(
            "question.ask.conflict",
            _("Somebody with an interest in an application cannot work on it."),
        )
    text = checks.check_text("text", text)

    site = settings.UZINA.site
    steps.pause(step, by=by, now=now)
    question = Question.objects.create(
        step=step,
        asked_by=by,
        asked_at=now,
        text=text,
        answer_by=clock.due_at(
            now,
            working_days=settings.UZINA.calls.answer_days,
            country=site.country,
            zone=site.timezone,
        ),
    )
    log("question.asked", application.code, by=by, now=now, question=question.code, step=step.kind)
    _tell(question, application, "calls.question", key=f"question.{question.code}", now=now)
    return question


@action
def answer_question(question: Question, *, text: str, by: Person, now: datetime) -> Question:
    """Answer a question: the applicant, or a colleague who edits. Our clock goes on.

    After answer_by an answer is taken too, as long as nobody ended the waiting. Raises NotAllowed
    question.answer.not_yours, Refused question.answer.not_now, Invalid.
    """
    question, application = _locked_question(question)
    if not access.may_edit(by, application):
        raise NotAllowed(
            "question.answer.not_yours",
            _("The applicant, or a colleague who edits the application, answers."),
        )
    _check_open(question, "answer")
    text = checks.check_text("answer", text)

    question.answer, question.answered_by, question.answered_at = text, by, now
    question.save(update_fields=["answer", "answered_by", "answered_at"])
    log("question.answered", application.code, by=by, now=now, question=question.code)
    step = steps.resume(question.step, by=by, now=now)
    for person in _asked_by(question, step):
        people.write_message(
            person,
            kind="calls.answered",
            facts=_facts(question, application) | {"due": step.due_at},
            about=application.code,
            key=f"answered.{question.code}.{person.code}",
            now=now,
        )
    return question


@action
def end_waiting(question: Question, *, by: Person, now: datetime) -> Question:
    """End the waiting for an answer: who asked, or an operator. Our clock goes on.

    Raises NotAllowed question.end.not_yours, Refused question.end.not_now.
    """
    question, application = _locked_question(question)
    if question.asked_by_id != by.pk and not access.may_run_calls(by):
        raise NotAllowed(
            "question.end.not_yours", _("Only who asked, or an operator, can end the waiting.")
        )
    _check_open(question, "end")

    question.closed_by, question.closed_at = by, now
    question.save(update_fields=["closed_by", "closed_at"])
    log("question.closed", application.code, by=by, now=now, question=question.code)
    steps.resume(question.step, by=by, now=now)
    _tell(question, application, "calls.question_closed", key=f"closed.{question.code}", now=now)
    return question


@action
def watch_question(question: Question, *, now: datetime) -> Question:
    """Remind the applicant some days before an answer is due, and tell operators when it is not there.

    Silence decides nothing. Doing it again changes nothing.
    """
    question, application = _locked_question(question)
    if not question.is_open:
        return question
    config, site = settings.UZINA.calls, settings.UZINA.site
    left = clock.working_days_left(
        now, question.answer_by, country=site.country, zone=site.timezone
    )
    if now >= question.answer_by:
        if question.told_at is None:
            question.told_at = now
            question.save(update_fields=["told_at"])
            log("question.overdue", application.code, by=None, now=now, question=question.code)
            for person in people_queries.people_with_role(RoleKind.OPERATOR):
                people.write_message(
                    person,
                    kind="calls.no_answer",
                    facts=_facts(question, application),
                    about=application.code,
                    key=f"no_answer.{question.code}.{person.code}",
                    now=now,
                )
    elif question.reminded_at is None and config.remind_days and left <= config.remind_days:
        question.reminded_at = now
        question.save(update_fields=["reminded_at"])
        log("question.reminded", application.code, by=None, now=now, question=question.code)
        _tell(question, application, "calls.question", key=f"reminder.{question.code}", now=now)
    return question


def _facts(question: Question, application: Application) -> dict[str, Any]:
    return {
        "application": application,
        "call": application.call,
        "question": question,
        "answer_by": question.answer_by,
        "path": f"/applications/{application.code}/",
    }


def _tell(
    question: Question, application: Application, kind: str, *, key: str, now: datetime
) -> None:
    """Tell the applicant and every colleague who edits."""
    editors = [one.person for one in application.editors.select_related("person")]
    path = f"/applications/{application.code}/questions/{question.code}/"
    for person in {one.pk: one for one in [application.applicant, *editors]}.values():
        people.write_message(
            person,
            kind=kind,
            facts=_facts(question, application)
            | {"path": path, "is_reminder": question.reminded_at is not None},
            about=application.code,
            key=f"{key}.{person.code}",
            now=now,
        )


def _asked_by(question: Question, step: Step) -> list[Person]:
    return list(
        {one.pk: one for one in (question.asked_by, step.owner) if one is not None}.values()
    )


def _check_open(question: Question, verb: str) -> None:
    if not question.is_open:
        raise Refused(
            f"question.{verb}.not_now",
            _("This question is closed: it was answered, or nobody waits for it any more."),
        )


def _locked(application: Application) -> Application:
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    return (  # type: ignore[no-any-return]
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant")
        .get(pk=application.pk)
    )


def _locked_question(question: Question) -> tuple[Question, Application]:
    application = _locked(question.step.application)
    return (
        Question.objects.select_for_update(of=("self",))
        .select_related("step__owner", "asked_by")
        .get(pk=question.pk),
        application,
    )
