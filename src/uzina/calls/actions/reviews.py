"""Reviews: bids, answers, scores, and the end of peer review."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uzina.calls import queries
from uzina.calls.actions import review_news, steps
from uzina.calls.models import Application, Bid, Call, Review
from uzina.calls.rules import reviews
from uzina.calls.rules.clock import told
from uzina.calls.rules.flows import REVIEW, ReviewState
from uzina.calls.rules.modes import Scoring
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people.models import Person

MOST_BID = 2


@action
def bid(application: Application, *, value: int, by: Person, now: datetime) -> Bid:
    """Say how gladly one would review an application: 2 eager, 1 willing, 0 not.

    Saying it again changes what was said. Raises NotAllowed review.bid.not_asked, Invalid.
    """
    if not queries.biddable_by(by).filter(pk=application.pk).exists():
        raise NotAllowed("review.bid.not_asked", _("This application is not yours to bid for."))
    if value not in range(MOST_BID + 1):
        raise Invalid(
            [
                Problem(
                    "value",
                    "review.bid.value",
                    _("Write a whole number from {least} to {most}."),
                    {"least": 0, "most": MOST_BID},
                )
            ]
        )

    made, _is_new = Bid.objects.update_or_create(
        person=by, application=application, defaults={"value": value, "made_at": now}
    )
    log("review.bid", application.code, by=by, now=now, value=value)
    return made


def _locked(review: Review) -> Review:
    """Lock the call and then the review: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=review.application.call_id)
    return (  # type: ignore[no-any-return]
        Review.objects.select_for_update(of=("self",))
        .select_related("application__call", "reviewer")
        .get(pk=review.pk)
    )


def _check_own(review: Review, by: Person, verb: str) -> None:
    """Raise NotAllowed unless the review was given to the person, who has no conflict by now."""
    if not Review.objects.given_to(by).filter(pk=review.pk).exists():
        raise NotAllowed(
            f"review.{verb}.not_yours", _("Only who was asked for this review can do this.")
        )


def _check_open(review: Review, verb: str) -> None:
    step = queries.step_under_way(review.application)
    reviews.check_open(step.kind if step else None, verb)


def _scoring(review: Review) -> Scoring:
    scoring = review.application.call.mode.scoring
    if scoring is None:
        raise Refused("review.save.no_scoring", _("This call has no criteria to score by."))
    return scoring


@action
def accept_review(review: Review, *, by: Person, now: datetime) -> Review:
    """Agree to write a review. Agreeing again changes nothing.

    Raises NotAllowed review.accept.not_yours, Refused review.accept.not_now, .too_late.
    """
    review = _locked(review)
    _check_own(review, by, "accept")
    if review.state is ReviewState.ACCEPTED:
        return review
    state = REVIEW.after("accept", review.state)
    _check_open(review, "accept")

    review.state, review.answered_at = state, now
    review.save(update_fields=["state", "answered_at"])
    log("review.accepted", review.code, by=by, now=now, application=review.application.code)
    return review


@action
def refuse_review(review: Review, *, reason: str, by: Person, now: datetime) -> Review:
    """Decline a review, with a reason. The operators are told, and who would be next.

    Raises NotAllowed review.refuse.not_yours, Refused review.refuse.not_now, Invalid without a
    reason.
    """
    review = _locked(review)
    _check_own(review, by, "refuse")
    state = REVIEW.after("refuse", review.state)
    if not reason.strip():
        raise Invalid(
            [
                Problem(
                    "reason",
                    "review.refuse.reason_missing",
                    _("Write in a few words why, so that somebody else can be found."),
                )
            ]
        )

    review.state, review.answered_at, review.refused_reason = state, now, reason.strip()[:500]
    review.save(update_fields=["state", "answered_at", "refused_reason"])
    log("review.refused", review.code, by=by, now=now, application=review.application.code)
    review_news.lost(review, why="declined", now=now)
    return review


def _write(
    review: Review,
    verb: str,
    *,
    scores: Mapping[str, Any],
    comment: str,
    panel_comment: str,
    notes: str,
    version: int,
) -> bool:
    """Put what was typed into the review; tell whether anything changed."""
    texts = {"comment": comment, "panel_comment": panel_comment, "notes": notes}
    given = reviews.read_scores(scores, _scoring(review))
    too_long = [
        Problem(name, "review.save.too_long", _("Write at most {most} characters."), {"most": 8000})
        for name, text in texts.items()
        if len(text) > 8000
    ]
    if too_long:
        raise Invalid(too_long)
    wanted = {"scores": given, **texts}
    if all(getattr(review, name) == value for name, value in wanted.items()):
        return False
    if review.version != version:
        raise Refused(
            f"review.{verb}.changed_meanwhile",
            _(
                "This review was saved elsewhere at {saved_at}, after you opened it. Nothing you "
                "typed is lost: compare the two and save again."
            ),
            saved_at=told(review.saved_at) if review.saved_at else "",
            version=review.version,
        )
    for name, value in wanted.items():
        setattr(review, name, value)
    review.version += 1
    return True


@action
def save_review(
    review: Review,
    *,
    scores: Mapping[str, Any],
    comment: str,
    panel_comment: str,
    notes: str,
    version: int,
    by: Person,
    now: datetime,
) -> Review:
    """Keep a review that is being written, complete or not. Saving the same changes nothing.

    version  what `by` saw when they began to type

    Raises NotAllowed review.save.not_yours, Refused review.save.not_now, .too_late,
    .changed_meanwhile, .no_scoring, Invalid.
    """
    review = _locked(review)
    _check_own(review, by, "save")
    REVIEW.after("save", review.state)
    _check_open(review, "save")
    is_changed = _write(
        review,
        "save",
        scores=scores,
        comment=comment,
        panel_comment=panel_comment,
        notes=notes,
        version=version,
    )

    if is_changed:
        review.saved_at = now
        review.save()
        log("review.saved", review.code, by=by, now=now, version=review.version)
    return review


@action
def submit_review(
    review: Review,
    *,
    scores: Mapping[str, Any],
    comment: str,
    panel_comment: str,
    notes: str,
    version: int,
    by: Person,
    now: datetime,
) -> Review:
    """Hand a review in, or hand it in anew while the panel has not begun.

    With the last one needed, peer review ends and what comes next begins. Raises NotAllowed
    review.submit.not_yours, Refused review.submit.not_now, .too_late, .changed_meanwhile, Invalid
    with everything that is missing.
    """
    review = _locked(review)
    _check_own(review, by, "submit")
    state = REVIEW.after("submit", review.state)
    _check_open(review, "submit")
    _write(
        review,
        "submit",
        scores=scores,
        comment=comment,
        panel_comment=panel_comment,
        notes=notes,
        version=version,
    )
    scoring = _scoring(review)
    reviews.check_complete(review.scores, review.comment, scoring)

    review.state, review.saved_at = state, now
    review.submitted_at = now
    review.score_milli = reviews.weighted_milli(review.scores, scoring.criteria)
    review.save()
    log(
        "review.submitted",
        review.code,
        by=by,
        now=now,
        application=review.application.code,
        scores=review.scores,
        score_milli=review.score_milli,
        version=review.version,
    )
    _finish_where_enough(review.application, by=by, now=now)
    return review


def _finish_where_enough(application: Application, *, by: Person | None, now: datetime) -> None:
    """End peer review once as many reviews are in as the mode asks for."""
    scoring, step = application.call.mode.scoring, queries.step_under_way(application)
    if scoring is None or step is None or step.kind != StepKind.PEER_REVIEW:
        return
    count = queries.submitted_of(application).count()
    if count >= scoring.reviewers and step.state is StepState.OPEN:
        _end_peer_review(application, outcome="reviewed", by=by, now=now)


def _end_peer_review(
    application: Application, *, outcome: str, by: Person | None, now: datetime
) -> None:
    following = steps.finish(application, StepKind.PEER_REVIEW, outcome=outcome, by=by, now=now)
    if following is not None and following.kind == StepKind.RIGHT_TO_REPLY:
        review_news.reply_open(application, following, now=now)


@action
def finish_peer_review(application: Application, *, now: datetime) -> None:
    """End peer review where all reviews are in: for one that waited for its applicant then."""
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    _finish_where_enough(application, by=None, now=now)


@action
def close_peer_review(application: Application, *, reason: str, by: Person, now: datetime) -> None:
    """End peer review with fewer reviews than the mode asks for; the open ones are taken back.

    Raises NotAllowed review.close.not_operator, Refused review.close.not_now, review.close.none,
    Invalid without a reason.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = Application.objects.select_related("call", "applicant").get(pk=application.pk)
    application.call = call
    if not people_access.is_operator(by):
        raise NotAllowed("review.close.not_operator", _("Only an operator can do this."))
    step = queries.step_under_way(application)
    if step is None or step.kind != StepKind.PEER_REVIEW or step.state is not StepState.OPEN:
        raise Refused(
            "review.close.not_now",
            _("{application} is not in peer review now."),
            application=application.code,
        )
    if not reason.strip():
        raise Invalid(
            [
                Problem(
                    "reason",
                    "review.close.reason_missing",
                    _("Write why fewer reviews are enough. It stays in the record."),
                )
            ]
        )
    count = queries.submitted_of(application).count()
    if not count:
        raise Refused(
            "review.close.none",
            _("No review is in yet, so the panel would have nothing to go by. Wait for one."),
        )

    for review in queries.live_of(application).filter(state__in=reviews.OPEN):
        review.state = REVIEW.after("replace", review.state)
        review.save(update_fields=["state"])
        log("review.replaced", review.code, by=by, now=now, application=application.code)
        review_news.taken_back(review, now=now)
    log(
        "review.closed",
        application.code,
        by=by,
        now=now,
        reviews=count,
        reason=reason.strip()[:500],
    )
    _end_peer_review(application, outcome="closed", by=by, now=now)


@action
def remind_reviewer(person: Person, *, now: datetime) -> int:
    """Remind a reviewer of what is due soon or late; say of how many. Each is told of twice at most.

    The operators are told of what is late, once.
    """
    mine = []
    rows = queries.to_be_reminded(now).filter(reviewer=person).select_for_update(of=("self",))
    for review in rows:
        wanted = reviews.reminder(review.assigned_at, review.due_at, review.reminders, now)
        if wanted > review.reminders:
            review.reminders = wanted
            review.save(update_fields=["reminders"])
            mine.append(review)
    if mine:
        review_news.reminded(person, mine, now=now)
        log("review.reminded", person.code, by=None, now=now, reviews=[one.code for one in mine])
    for review in mine:
        if now >= review.due_at:
            review_news.lost(review, why="late", now=now)
    return len(mine)
