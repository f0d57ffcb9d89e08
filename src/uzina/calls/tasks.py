"""What the worker runs: messages that were promised, and offers whose time is over."""

from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from uzina.calls import actions, queries
from uzina.calls.models import Appeal, Application, Award
from uzina.calls.rules import letters, modes
from uzina.core.pdf import pdf_of
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


def mail_moved_up(*, award: str, now: datetime) -> None:
    """Tell an applicant on the reserve list that hours became free, and by when to answer."""
    _mail_award("moved_up", queries.award(award), now)


def mail_appeal_received(*, appeal: str, now: datetime) -> None:
    """Tell the applicant that the appeal is there, and by when they hear more."""
    _mail_appeal("appeal_received", queries.appeal(appeal), now)


def mail_appeal_outcome(*, appeal: str, now: datetime) -> None:
    """Tell the applicant what the second panel decided."""
    _mail_appeal("appeal_outcome", queries.appeal(appeal), now)


def write_letter(*, application: str, kind: str, now: datetime) -> None:
    """Make the letter on a decision, once. Where a ranking was released, write its message too.

    Those messages are held until the last letter of the ranking is made, and leave together.
    """
    found = queries.application(application)
    with translation.override(found.applicant.language):
        facts = queries.letter_facts(found, kind, now=now)
        verifier = letters.new_verifier()
        body = render_to_string("calls/letters/letter.html", facts | {"verifier": verifier})
        title = f"{gettext(letters.KINDS[kind])}, {found.code}"
    if not queries.has_letter(found, kind):
        actions.keep_letter(
            found,
            kind=kind,
            language=found.applicant.language,
            verifier=verifier,
            pdf=pdf_of(SafeString(body), title=title, language=found.applicant.language),
            facts={"outcome": kind, "title": found.title},
            now=now,
        )
    decision = found.decision
    if decision.ranking is None or kind not in queries.WITH_RANKING:
        return
    if decision.outcome != kind:
        return  # moved up from the reserve list, with a message of its own
    _mail_ranked(kind, found, decision.ranking.code, now)
    if not queries.without_letter(decision.ranking).exists():
        people.release_batch(decision.ranking.code, by=None, now=now)


def _mail_ranked(kind: str, application: Application, batch: str, now: datetime) -> None:
    with translation.override(application.applicant.language):
        facts = queries.letter_facts(application, kind, now=now)
    award = facts["award"] if kind == "award" else None
    people.write_message(
        application.applicant,
        kind=f"calls.{kind}",
        facts={
            "application": application,
            "call": application.call,
            "due": application.due_at,
            "path": f"/awards/{award.code}/" if award else f"/applications/{application.code}/",
            "award": award,
            "answer_by": award.answer_by if award else None,
            "reasons": facts["failed"],
            "why": facts["why"],
            "comment": facts["comment"],
            "is_ranked": True,
            "appeal_by": facts["appeal_by"],
        },
        about=application.code,
        key=f"{kind}.{application.code}",
        now=now,
        batch=batch,
        is_held=True,
    )


def _mail_appeal(kind: str, appeal: Appeal, now: datetime) -> None:
    application = appeal.application
    people.write_message(
        application.applicant,
        kind=f"calls.{kind}",
        facts={
            "application": application,
            "call": application.call,
            "appeal": appeal,
            "due": appeal.due_at,
            "path": f"/appeals/{appeal.code}/",
        },
        about=application.code,
        key=f"{kind}.{appeal.code}",
        now=now,
    )


def end_appeal_periods(*, now: datetime) -> None:
    """Close the time to appeal where nobody did."""
    for step in queries.over_appeal_periods(now):
        actions.end_appeal_period(step.application, now=now)


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


def find_conflicts(*, event: str, subject: str, facts: dict[str, Any], now: datetime) -> None:
    """Look for everybody's conflicts of interest in an application that was just handed in."""
    actions.screen(queries.application(subject), now=now)


def watch_reviews(*, now: datetime) -> None:
    """Remind reviewers, go on where all reviews are in, and where the time to reply is over."""
    for person in {one.reviewer_id: one.reviewer for one in queries.to_be_reminded(now)}.values():
        actions.remind_reviewer(person, now=now)
    for application in queries.reviewed_enough():
        actions.finish_peer_review(application, now=now)
    for application in queries.replies_over(now):
        actions.end_reply(application, now=now)


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
