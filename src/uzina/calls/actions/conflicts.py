"""Conflicts of interest: found when something changes, declared by whoever has one."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet

from uzina.calls import queries
from uzina.calls.actions import review_news
from uzina.calls.models import Application, Call, Conflict, Review
from uzina.calls.rules import conflicts, reviews
from uzina.calls.rules.conflicts import ConflictKind
from uzina.calls.rules.flows import REVIEW, ReviewState
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import access as people_access
from uzina.people.models import Person

YEARS = 3
"""How long a former organisation counts where a mode has no scoring."""


@action
def screen(application: Application, *, now: datetime) -> list[Conflict]:
    """Look for the conflicts of everybody who may judge an application. Return the new ones.

    Doing it again changes nothing, except that who has met since is found too. What was found
    stays: a profile that was changed afterwards takes nothing back.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    one = Application.objects.filter(pk=application.pk)
    return _screen(one, queries.judges(), now=now)


@action
def screen_person(person: Person, *, now: datetime) -> list[Conflict]:
    """Look for one person's conflicts in everything that may still be judged."""
    rows = queries.to_be_judged()
    _lock_calls(rows.values_list("call", flat=True))
    return _screen(rows, [person], now=now)


@action
def screen_call(call: Call, *, now: datetime) -> list[Conflict]:
    """Look for everybody's conflicts in everything that may still be judged in a call."""
    _lock_calls([call.pk])
    return _screen(queries.to_be_judged().filter(call=call), queries.judges(), now=now)


def _lock_calls(ids: Collection[int]) -> None:
    """Lock calls in the order of their ids, as every writer of several does."""
    list(Call.objects.select_for_update(of=("self",)).filter(pk__in=set(ids)).order_by("pk"))


def _screen(
    rows: QuerySet[Application], people: Sequence[Person], *, now: datetime
) -> list[Conflict]:
    today = now.astimezone(ZoneInfo(settings.UZINA.site.timezone)).date()
    applications = list(rows.select_related("call"))
    past = queries.works(queries.record())
    experts = queries.experts(people, past)
    works = {work.code: work for work in queries.works(rows)}
    known = set(
        Conflict.objects.filter(
            application__in=[one.pk for one in applications],
            person__in=[one.pk for one in people],
        ).values_list("application", "person", "kind")
    )
    found: list[Conflict] = []
    for application in applications:
        scoring = application.call.mode.scoring
        years = scoring.conflict_years if scoring else YEARS
        for person, expert in zip(people, experts, strict=True):
            why = conflicts.conflicts(expert, works[application.code], today=today, years=years)
            found += [
                Conflict(
                    person=person,
                    application=application,
                    kind=one.kind,
                    detail=one.detail[:500],
                    is_declared=False,
                    found_at=now,
                )
                for one in why
                if (application.pk, person.pk, one.kind) not in known
            ]
    Conflict.objects.bulk_create(found, ignore_conflicts=True)
    for conflict in found:
        log(
            "conflict.found",
            conflict.application.code,
            by=None,
            now=now,
            person=conflict.person.code,
            kind=conflict.kind,
        )
    Application.objects.filter(pk__in=[one.pk for one in applications]).update(screened_at=now)
    _set_reviews_aside(found, now=now)
    return found


def _set_reviews_aside(found: Sequence[Conflict], *, now: datetime) -> None:
    """Take the reviews away that somebody with a new conflict has in hand or has written."""
    pairs = {(one.application_id, one.person_id) for one in found}
    live = Review.objects.select_for_update(of=("self",)).filter(
        application__in={one for one, _person in pairs},
        reviewer__in={person for _one, person in pairs},
        state__in=reviews.LIVE,
    )
    for review in live.select_related("application__call", "reviewer").order_by("pk"):
        if (review.application_id, review.reviewer_id) not in pairs:
            continue
        review.state = REVIEW.after("set_aside", review.state)
        review.save(update_fields=["state"])
        log("review.set_aside", review.code, by=None, now=now, application=review.application.code)
        review_news.taken_back(review, now=now)
        review_news.lost(review, why="conflict", now=now)


@action
def declare_conflict(
    application: Application, *, reason: str, by: Person, now: datetime
) -> Conflict:
    """Say that one must not judge an application. One's review of it ends at once.

    Raises NotAllowed conflict.declare.not_asked for somebody who was never asked to judge it,
    Invalid without a reason.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    asked = Review.objects.given_to(by).filter(application=application).exists()
    if not asked and not queries.biddable_by(by).filter(pk=application.pk).exists():
        raise NotAllowed(
            "conflict.declare.not_asked", _("You were not asked to judge this application.")
        )
    reason = conflicts.check_reason(reason)

    conflict, _is_new = Conflict.objects.get_or_create(
        person=by,
        application=application,
        kind=ConflictKind.DECLARED,
        defaults={"detail": reason, "is_declared": True, "found_at": now},
    )
    log("conflict.declared", application.code, by=by, now=now)
    _refuse(application, by, now=now)
    return conflict


def _refuse(application: Application, by: Person, *, now: datetime) -> None:
    mine = Review.objects.select_for_update(of=("self",)).filter(
        application=application, reviewer=by, state__in=reviews.LIVE
    )
    for review in mine.select_related("application__call", "reviewer"):
        verb = "set_aside" if review.state is ReviewState.SUBMITTED else "refuse"
        review.state, review.answered_at = REVIEW.after(verb, review.state), now
        review.save(update_fields=["state", "answered_at"])
        log("review.refused", review.code, by=by, now=now, application=application.code)
        review_news.lost(review, why="conflict", now=now)


@action
def note_conflict(
    application: Application, person: Person, *, reason: str, by: Person, now: datetime
) -> Conflict:
    """Note a conflict that an operator knows of.

    Raises NotAllowed conflict.note.not_operator, Invalid without a reason.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    if not people_access.is_operator(by):
        raise NotAllowed("conflict.note.not_operator", _("Only an operator can do this."))
    reason = conflicts.check_reason(reason)

    facts: dict[str, Any] = {"detail": reason, "is_declared": True, "found_at": now}
    conflict, is_new = Conflict.objects.get_or_create(
        person=person, application=application, kind=ConflictKind.DECLARED, defaults=facts
    )
    if is_new:
        log("conflict.noted", application.code, by=by, now=now, person=person.code)
        _set_reviews_aside([conflict], now=now)
    return conflict
