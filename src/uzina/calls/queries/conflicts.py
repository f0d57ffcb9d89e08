"""What conflicts of interest are found by, and those that are known."""

from collections.abc import Collection, Iterable
from datetime import date
from typing import Any

from django.db.models import Prefetch, QuerySet

from uzina.calls.models import (
    Application,
    Conflict,
    Editor,
    PanelSeat,
    Reviewer,
    SavedSection,
    conflicted,
)
from uzina.calls.rules import conflicts
from uzina.calls.rules.flows import ApplicationState
from uzina.people import queries as people_queries
from uzina.people.models import Person
from uzina.people.rules import RoleKind

NAME, EMAIL, ORCID = "name", "email", "orcid"


def has_conflict(person: Person, application: Application) -> bool:
    """Tell whether the person must not judge the application. One query."""
    mine = Application.objects.filter(conflicted(person), pk=application.pk)
    return bool(mine.exists())


def conflicts_of(application: Application) -> QuerySet[Conflict]:
    """Return the conflicts that are on record, by name: for operators only."""
    return (
        Conflict.objects.filter(application=application)
        .select_related("person")
        .order_by("person__name", "pk")
    )


def judges() -> list[Person]:
    """Return everybody who may be asked to judge: reviewers, assessors, members of panels."""
    ids = set(Reviewer.objects.values_list("person", flat=True))
    ids |= set(PanelSeat.objects.values_list("person", flat=True))
    for role in (RoleKind.ASSESSOR, RoleKind.PANEL):
        ids |= set(people_queries.people_with_role(role).values_list("pk", flat=True))
    return list(people_queries.people_by_ids(ids))


def works(applications: QuerySet[Application]) -> list[conflicts.Work]:
    """Return applications as far as conflicts go. Four queries and one for editors."""
    rows = list(
        applications.select_related("organisation", "applicant").prefetch_related(
            Prefetch("sections", SavedSection.objects.order_by("pk")),
            Prefetch("editors", Editor.objects.select_related("person").order_by("pk")),
        )
    )
    linked = people_queries.linked_names({row.organisation_id for row in rows})
    return [_work(row, linked[row.organisation_id]) for row in rows]


def record() -> QuerySet[Application]:
    """Return all applications that were ever handed in."""
    return Application.objects.filter(submitted_at__isnull=False).order_by("pk")  # type: ignore[no-any-return]


def to_be_judged() -> QuerySet[Application]:
    """Return the applications that somebody may still judge."""
    over = [ApplicationState.DRAFT, ApplicationState.WITHDRAWN, ApplicationState.REDIRECTED]
    return record().exclude(state__in=over)


def experts(people: Collection[Person], past: Iterable[conflicts.Work]) -> list[conflicts.Expert]:
    """Return people as far as conflicts go, in their order. Four queries.

    past  works on record, in which they may have met others
    """
    ids = [one.pk for one in people]
    profiles = {one.person_id: one for one in Reviewer.objects.filter(person__in=ids)}
    here = people_queries.organisations_by_person(ids)
    fellows = people_queries.fellows_of(ids)
    works_by_mark: dict[str, list[conflicts.Work]] = {}
    for work in past:
        for mark in work.by_mark:
            works_by_mark.setdefault(mark, []).append(work)
    found = []
    for person in people:
        profile = profiles.get(person.pk)
        me = conflicts.Somebody(
            person.name, person.email, profile.orcid if profile else "", person.code
        )
        near = {
            work.code: work for mark in me.marks for work in works_by_mark.get(mark, ())
        }.values()
        bodies = [conflicts.Body(one.name, one.code) for one in here[person.pk]]
        found.append(
            conflicts.Expert(
                me=me,
                bodies=(*bodies, *(_past(profile) if profile else ())),
                co_authors=tuple(
                    conflicts.Somebody(name=one.get(NAME, ""), orcid=one.get(ORCID, ""))
                    for one in (profile.co_authors if profile else ())
                ),
                partners=(
                    *(
                        (conflicts.Somebody(one.name, one.email, "", one.code), project)
                        for one, project in fellows[person.pk]
                    ),
                    *conflicts.partners(me, near),
                ),
            )
        )
    return found


def _past(profile: Reviewer) -> Iterable[conflicts.Body]:
    for row in profile.past_organisations:
        until = date.fromisoformat(row["until"]) if row.get("until") else None
        yield conflicts.Body(row.get(NAME, ""), row.get("code", ""), until)


def _work(application: Application, linked: Iterable[str]) -> conflicts.Work:
    people = [_signed_up(application.applicant)]
    people += [_signed_up(one.person) for one in application.editors.all()]
    bodies = [conflicts.Body(application.organisation.name, application.organisation.code)]
    bodies += [conflicts.Body(name) for name in linked]
    for saved in application.sections.all():
        named, at = _named(saved.answers)
        people += named
        bodies += at
    return conflicts.Work(application.code, tuple(bodies), tuple(people))


def _signed_up(person: Person) -> conflicts.Somebody:
    return conflicts.Somebody(person.name, person.email, "", person.code)


def _named(answers: dict[str, Any]) -> tuple[list[conflicts.Somebody], list[conflicts.Body]]:
    """Return the people and bodies that a section names: "lead_name" with its "lead_email", and
    rows with a "name".
    """
    people, bodies = [], []
    for key, value in answers.items():
        if key.endswith("_name") and isinstance(value, str) and value:
            who = key.removesuffix(NAME)
            email, orcid = (str(answers.get(f"{who}{part}", "")) for part in (EMAIL, ORCID))
            people.append(conflicts.Somebody(value, email, orcid))
        for row in value if isinstance(value, list) else ():
            if isinstance(row, dict) and row.get(NAME):
                people.append(conflicts.Somebody(row[NAME], row.get(EMAIL, ""), row.get(ORCID, "")))
            if isinstance(row, dict) and row.get("organisation"):
                bodies.append(conflicts.Body(row["organisation"]))
    return people, bodies


def names_in(applications: Collection[Application]) -> dict[str, list[str]]:
    """Return everything by which applications could be known, by code: people, bodies, addresses.

    Five queries for any number of them.
    """
    rows = Application.objects.filter(pk__in=[one.pk for one in applications])
    found = {}
    for work in works(rows):
        names = {text for one in work.people for text in (one.name, one.email, one.orcid)}
        for body in work.bodies:
            names |= {body.name, " ".join(conflicts.without_form(body.name))}
        found[work.code] = sorted(one for one in names if one.strip())
    return found
