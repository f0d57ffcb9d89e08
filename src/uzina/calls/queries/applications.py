"""Applications and what is known of them."""

from collections.abc import Container
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import (
    Prefetch,
    Q,
    QuerySet,
)

from uzina.calls.models import Application, Capacity, SavedSection, Step
from uzina.calls.queries.obligations import has_defaulted
from uzina.calls.queries.sections import offer
from uzina.calls.rules import checks, clock, modes, sections
from uzina.calls.rules.flows import APPLICATION, ApplicationState
from uzina.calls.rules.steps import UNDER_WAY, StepKind
from uzina.people import queries as people_queries
from uzina.people.models import Organisation, Person
from uzina.people.rules import RoleKind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def applications() -> QuerySet[Application]:
    """Return all applications with what their pages show, newest first; narrow it further."""
    return (  # type: ignore[no-any-return]
        Application.objects.select_related(
            "call",
            "organisation",
            "applicant",
            "assessment",
            "decision",
            "award__project",
            "redirect__to_application__call",
            "reply",
            "appeal",
        )
        .prefetch_related(
            Prefetch("sections", SavedSection.objects.order_by("pk")),
            "call__cut_offs",
            Prefetch(
                "steps",
                Step.objects.select_related("owner")
                .order_by("position")
                .prefetch_related("pauses", "questions"),
            ),
        )
        .order_by("-pk")
    )


def assessable_by(person: Person) -> QuerySet[Application]:
    """Return what waits for the person's technical assessment, oldest first, as applications()."""
    waiting = Application.objects.assessable_by(person).order_by()
    return applications().filter(pk__in=waiting.values("pk")).order_by("submitted_at", "pk")


def oldest_first(
    rows: QuerySet[Application], *, limit: int, cursor: str
) -> tuple[list[Application], str | None]:
    """Return a page in order of submission, and the cursor of the next.

    cursor  "" or what the last page gave: microseconds and id of its last row
    """
    if cursor:
        micros, pk = (int(part) for part in cursor.split("-"))
        at = EPOCH + timedelta(microseconds=micros)
        rows = rows.filter(Q(submitted_at__gt=at) | Q(submitted_at=at, pk__gt=pk))
    found = list(rows[: limit + 1])
    if len(found) <= limit:
        return found, None
    last = found[limit - 1]
    micros = ((last.submitted_at or EPOCH) - EPOCH) // timedelta(microseconds=1)
    return found[:limit], f"{micros}-{last.pk}"


def application(code: str) -> Application:
    """Return the application with the code."""
    return applications().get(code=code)  # type: ignore[no-any-return]


def answers_of(application: Application) -> dict[str, dict[str, Any]]:
    """Return the saved answers by section. No query where sections were prefetched."""
    return {saved.slug: saved.answers for saved in application.sections.all()}


def organisation_facts(organisation: Organisation) -> dict[str, Any]:
    """Return the facts of an organisation that rules ask, as they are now. One query."""
    sized = people_queries.sized(organisation)
    return {
        "organisation_kind": organisation.kind,
        "size_class": str(sized.size),
        "country": organisation.country,
        "headcount": sized.headcount,
        "turnover_eur": sized.turnover_eur,
        "balance_eur": sized.balance_eur,
    }


def verdict_now(application: Application) -> modes.Verdict:
    """Return what the rules say of an application with the facts of this moment.

    What an operator let pass for this application counts as met.
    """
    facts = organisation_facts(application.organisation)
    facts |= sections.asked_facts(answers_of(application), offer(application.call))
    facts["has_defaulted"] = has_defaulted(application.organisation, people=[application.applicant])
    verdict = modes.qualify(facts, application.call.mode)
    exemptions = [
        checks.Exempt(one.rule, one.found, one.reason) for one in application.exemptions.all()
    ]
    return checks.with_exemptions(verdict, exemptions)


def partitions_of(application: Application) -> list[str]:
    """Return the partitions that the application's call gives hours on, at its cut-off."""
    capacities = Capacity.objects.filter(call=application.call_id).order_by("pk")
    return [
        one.partition
        for one in capacities
        if one.partition and one.cut_off_id in {None, application.cut_off_id}
    ]


def working_days_left(due_at: datetime, now: datetime) -> int:
    """Return the working days of the host's country until something is due."""
    site = settings.UZINA.site
    return clock.working_days_left(now, due_at, country=site.country, zone=site.timezone)


def may_apply_for(person: Person) -> QuerySet[Organisation]:
    """Return the organisations in whose name the person may apply."""
    return people_queries.organisations_of(person)


def organisation_ids(person: Person) -> frozenset[int]:
    """Return the ids of the person's organisations: in those they have an interest. One query."""
    return frozenset(people_queries.organisations_of(person).values_list("pk", flat=True))


def verbs(application: Application, person: Person, own: Container[int]) -> list[str]:
    """Return what the person may do with the application now. No query after applications().

    own  organisation_ids(person)
    """
    open_verbs = APPLICATION.verbs(application.state)
    if application.applicant_id == person.pk:
        return [verb for verb in open_verbs if verb in {"save", "submit", "withdraw"}]
    if application.state is ApplicationState.DRAFT:  # seen by those who help with it only
        return ["save"]
    if (
        "assess" in open_verbs
        and person.has_role(RoleKind.ASSESSOR)
        and getattr(application, "assessment", None) is None
        and application.organisation_id not in own
        and any(
            one.kind == StepKind.TECHNICAL_ASSESSMENT and one.state in UNDER_WAY
            for one in application.steps.all()
        )
    ):
        return ["assess"]
    return []


def to_be_assessed() -> QuerySet[Application]:
    """Return all that wait for a technical assessment, oldest first, as applications()."""
    waiting = applications().filter(
        state=ApplicationState.ELIGIBLE,
        assessment__isnull=True,
        steps__kind=StepKind.TECHNICAL_ASSESSMENT,
        steps__state__in=UNDER_WAY,
    )
    return waiting.order_by("submitted_at", "pk")
