"""Reviewers, what they know, and what they have in hand."""

import functools
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from django.db.models import Count, QuerySet

from uzina.calls.models import Application, Call, PoolExclusion, Review, Reviewer
from uzina.calls.queries.applications import answers_of
from uzina.calls.rules import modes, reviews
from uzina.calls.rules import topics as topic_rules
from uzina.people.models import Person

TOPICS = Path(__file__).parent.parent / "topics.toml"


@functools.cache
def topics() -> dict[str, topic_rules.Topic]:
    """Return the factory's topics by slug, in the order of the file."""
    return topic_rules.parse(tomllib.loads(TOPICS.read_text(encoding="utf-8")))


def topic_titles(slugs: Collection[str], language: str) -> list[str]:
    """Return topics in words; one that left the list keeps its slug."""
    return [
        modes.in_language(topics()[slug].title, language) if slug in topics() else slug
        for slug in slugs
    ]


def reviewers() -> QuerySet[Reviewer]:
    """Return all reviewers with their people, by name."""
    return Reviewer.objects.select_related("person").order_by("person__name", "pk")


def reviewer_of(person: Person) -> Reviewer | None:
    """Return the person as a reviewer; None for somebody who is none."""
    return Reviewer.objects.filter(person=person).select_related("person").first()


def pool(call: Call) -> QuerySet[Reviewer]:
    """Return who may be asked for reviews in the call: all who are active and not left out."""
    out = PoolExclusion.objects.filter(call=call).values("person")
    active = reviewers().filter(is_active=True, person__is_active=True)
    return active.exclude(person__in=out)


def left_out(call: Call) -> set[int]:
    """Return the ids of the people who are left out of a call's pool. One query."""
    return set(PoolExclusion.objects.filter(call=call).values_list("person", flat=True))


def loads(people: Collection[int]) -> dict[int, int]:
    """Return how many reviews people have in hand, in all calls, by person. One query."""
    rows = (
        Review.objects.filter(reviewer__in=list(people), state__in=reviews.OPEN)
        .order_by()
        .values_list("reviewer")
        .annotate(Count("pk"))
    )
    return dict.fromkeys(people, 0) | dict(rows)


def panels_of(answers: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Return the ERC panels an application names, and their shares."""
    shares: dict[str, int] = {}
    for given in answers.values():
        for value in given.values():
            for row in value if isinstance(value, list) else ():
                panel = row.get("panel") or row.get("erc_panel") if isinstance(row, dict) else None
                if panel:
                    shares[str(panel)] = shares.get(str(panel), 0) + int(row.get("share") or 1)
    return shares


def about(application: Application) -> dict[str, int]:
    """Return what an application is about: topics and shares. No query after applications()."""
    answers = answers_of(application)
    return topic_rules.shares(
        topics(),
        panels=panels_of(answers),
        keywords=str(answers.get("project", {}).get("keywords", "")),
    )


def language_of(application: Application) -> str:
    """Return the language an application is written in: what it says, else the applicant's."""
    said = answers_of(application).get("project", {}).get("language")
    return str(said or application.applicant.language)[:2]
