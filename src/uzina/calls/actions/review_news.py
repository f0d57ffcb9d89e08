"""Who is told what of reviews. Called by the actions, in their transaction."""

from collections.abc import Sequence
from datetime import datetime

from uzina.calls import queries
from uzina.calls.models import Application, Review, Step
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def asked(reviews: Sequence[Review], *, now: datetime) -> None:
    """Tell each reviewer of the reviews they are asked for, all in one message."""
    by_person: dict[int, list[Review]] = {}
    for review in reviews:
        by_person.setdefault(review.reviewer_id, []).append(review)
    for mine in by_person.values():
        person, call = mine[0].reviewer, mine[0].application.call
        people.write_message(
            person,
            kind="calls.review_asked",
            facts={
                "call": call,
                "count": len(mine),
                "codes": ", ".join(one.code for one in mine),
                "due": min(one.due_at for one in mine),
                "path": "/reviews/",
            },
            about=call.code,
            key=f"review_asked:{mine[0].code}:{now.isoformat()}",
            now=now,
        )


def taken_back(review: Review, *, now: datetime) -> None:
    """Tell a reviewer that a review is not needed any more; not why."""
    people.write_message(
        review.reviewer,
        kind="calls.review_replaced",
        facts={"review": {"code": review.code}, "path": "/reviews/"},
        about=review.code,
        key=f"review_replaced:{review.code}:{now.isoformat()}",
        now=now,
    )


def lost(review: Review, *, why: str, now: datetime) -> None:
    """Tell the operators that an application lost a reviewer, why, and who would be next.

    why  declined, conflict or late
    """
    best = queries.suggestions(review.application, most=3)
    names = {one.code: one.name for one in people_by_code([pair.referee for pair in best])}
    for operator in people_queries.people_with_role(RoleKind.OPERATOR):
        people.write_message(
            operator,
            kind="calls.review_lost",
            facts={
                "review": {"code": review.code},
                "application": {
                    "code": review.application.code,
                    "title": review.application.title,
                },
                "reviewer": review.reviewer.name,
                "why": why,
                "reason": review.refused_reason,
                "next": ", ".join(names[pair.referee] for pair in best),
                "path": f"/applications/{review.application.code}/reviewing/",
            },
            about=review.code,
            key=f"review_lost:{review.code}:{operator.code}:{now.isoformat()}",
            now=now,
        )


def people_by_code(codes: Sequence[str]) -> list[Person]:
    """Return the reviewers of the codes."""
    return [row.person for row in queries.reviewers().filter(person__code__in=codes)]


def reminded(person: Person, reviews: Sequence[Review], *, now: datetime) -> None:
    """Remind a reviewer of what is due, all in one message."""
    late = [one for one in reviews if now >= one.due_at]
    people.write_message(
        person,
        kind="calls.review_reminder",
        facts={
            "count": len(reviews),
            "late": len(late),
            "codes": ", ".join(one.code for one in reviews),
            "due": min(one.due_at for one in reviews),
            "path": "/reviews/",
        },
        about=reviews[0].code,
        key=f"review_reminder:{reviews[0].code}:{reviews[0].reminders}",
        now=now,
    )


def reply_open(application: Application, step: Step, *, now: datetime) -> None:
    """Tell the applicant that the reviewers' comments are there, and until when to reply."""
    people.write_message(
        application.applicant,
        kind="calls.reply_open",
        facts={
            "application": {"code": application.code, "title": application.title},
            "call": application.call,
            "due": step.due_at,
            "path": f"/applications/{application.code}/reply/",
        },
        about=application.code,
        key=f"reply_open:{application.code}",
        now=now,
    )
