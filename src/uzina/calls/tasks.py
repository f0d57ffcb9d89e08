"""What the worker runs: messages that were promised, and offers whose time is over."""

from datetime import datetime
from typing import Any

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award
from uzina.calls.rules import modes
from uzina.people import actions as people


def mail_receipt(*, application: str, now: datetime) -> None:
    """Tell the applicant that the application is in, eligible, and by when they hear more."""
    _mail_application("receipt", queries.application(application), now)


def mail_decline(*, application: str, now: datetime) -> None:
    """Tell the applicant that the application was declined, why, and what to do."""
    _mail_application("decline", queries.application(application), now)


def mail_reserve(*, application: str, now: datetime) -> None:
    """Tell the applicant that the call has no hours left and that they keep their place."""
    _mail_application("reserve", queries.application(application), now)


def mail_award(*, award: str, now: datetime) -> None:
    """Tell the applicant of the offer and by when to answer."""
    _mail_award("award", queries.award(award), now)


def mail_lapse(*, award: str, now: datetime) -> None:
    """Tell the applicant that the offer lapsed."""
    _mail_award("lapse", queries.award(award), now)


def tell_cut_off_moved(*, move: int, now: datetime) -> None:
    """Tell everybody with a draft that a cut-off has moved."""
    actions.tell_cut_off_moved(queries.cut_off_move(move), now=now)


def lapse_offers(*, now: datetime) -> None:
    """Let the offers lapse that were not answered in time, and offer what became free.

    Calls that are spent close by that, and open again where hours came back.
    """
    for award in queries.lapsed(now):
        actions.lapse(award, now=now)
    for call in queries.calls_with_reserve():
        actions.offer_next(call, now=now)
    for call in queries.to_be_settled(now):
        actions.settle(call, now=now)


def score_entry(*, entry: str, now: datetime) -> None:
    """Score an entry to a grand challenge, once."""
    actions.score_entry(entry, now=now)


def watch_steps(*, now: datetime) -> None:
    """Tell of steps that are late, and remind of questions that wait for an answer."""
    for step in queries.to_be_escalated(now):
        actions.escalate(step, now=now)
    for question in queries.to_be_watched(now):
        actions.watch_question(question, now=now)


def watch_obligations(*, now: datetime) -> None:
    """Wind up the projects whose time is over, and speak of reports that are due or late."""
    for award in queries.ended(now):
        actions.end(award, now=now)
    for obligation in queries.to_remind(now):
        actions.remind(obligation, now=now)


def _mail_application(kind: str, application: Application, now: datetime) -> None:
    language = application.applicant.language
    reasons = [
        {
            "text": modes.in_language(reason["text"], language),
            "todo": modes.in_language(reason["todo"], language),
            "source": reason["source"],
        }
        for reason in application.verdict.get("reasons", [])
        if reason["passed"] is False
    ]
    _send(
        kind,
        application,
        now,
        key=f"{kind}.{application.code}",
        path=f"/applications/{application.code}/",
        reasons=reasons,
        assessment=getattr(application, "assessment", None),
    )


def _mail_award(kind: str, award: Award, now: datetime) -> None:
    _send(
        kind,
        award.application,
        now,
        key=f"{kind}.{award.code}",
        path=f"/awards/{award.code}/",
        award=award,
        answer_by=award.answer_by,
    )


def _send(kind: str, application: Application, now: datetime, *, key: str, **facts: Any) -> None:
    people.write_message(
        application.applicant,
        kind=f"calls.{kind}",
        facts={
            "application": application,
            "call": application.call,
            "due": application.due_at,
            **facts,
        },
        about=application.code,
        key=key,
        now=now,
    )


def delete_file(*, document: str, now: datetime) -> None:
    """Delete the file of a document that was taken out of a draft."""
    actions.delete_file(queries.document(document))
