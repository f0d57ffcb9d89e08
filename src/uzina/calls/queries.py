"""Reads worth a name."""

import functools
import tomllib
from collections.abc import Container
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import (
    BigIntegerField,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
)
from django.db.models.functions import Coalesce

from uzina.calls.models import Application, Award, Call, SavedSection
from uzina.calls.rules import awards, clock, modes, sections, timeline
from uzina.calls.rules.flows import APPLICATION, ApplicationState, AwardState, CallState
from uzina.people import queries as people_queries
from uzina.people.models import Organisation, Person
from uzina.people.rules import RoleKind

MODES = Path(__file__).parent / "modes"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.cache
def _countries_file() -> dict[str, Any]:
    return tomllib.loads((MODES / "countries.toml").read_text(encoding="utf-8"))


@functools.cache
def country_names(language: str) -> dict[str, str]:
    """Return the countries of the shipped list, code to name, in the order of their names."""
    names = {
        row["code"]: modes.in_language(row["name"], language)
        for row in _countries_file()["countries"]
    }
    return dict(sorted(names.items(), key=lambda item: item[1]))


@functools.cache
def country_groups() -> dict[str, list[str]]:
    """Return the country codes of each group of the shipped list."""
    groups: dict[str, list[str]] = {name: [] for name in _countries_file()["groups"]}
    for row in _countries_file()["countries"]:
        groups[row["group"]].append(row["code"])
    return groups


@functools.cache
def mode_data() -> dict[str, dict[str, Any]]:
    """Return the shipped modes by slug, as the data that a call keeps. A copy is the caller's."""
    found = {}
    for path in sorted(MODES.glob("*.toml")):
        if path.name == "countries.toml":
            continue
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        found[str(raw["slug"])] = modes.resolve(raw, country_groups())
    return found


@functools.cache
def shipped_modes() -> dict[str, modes.Mode]:
    """Return the shipped modes by slug. Raises Invalid with every mistake of a file."""
    return {slug: modes.parse_mode(raw) for slug, raw in mode_data().items()}


def calls() -> QuerySet[Call]:
    """Return all calls with what their pages show, newest first; narrow it further.

    Each has promised_gpu_ms: what its open offers promise.
    """
    offered = (
        Award.objects.filter(application__call=OuterRef("pk"), state=AwardState.OFFERED)
        .order_by()
        .values("application__call")
        .annotate(total=Sum("gpu_ms"))
        .values("total")
    )
    return (  # type: ignore[no-any-return]
        Call.objects.select_related("capacity")
        .prefetch_related("cut_offs")
        .annotate(
            promised_gpu_ms=Coalesce(Subquery(offered), Value(0), output_field=BigIntegerField())
        )
        .order_by("-pk")
    )


def left_gpu_ms(call: Call) -> int:
    """Return what a row of calls() has left that is neither granted nor offered. No query."""
    left: int = call.capacity.balance - call.promised_gpu_ms  # type: ignore[attr-defined]
    return left


def open_calls(now: datetime) -> list[Call]:
    """Return the published calls that take applications now, newest first. Two queries."""
    published = Call.objects.filter(state=CallState.PUBLISHED).prefetch_related("cut_offs")
    return [
        call
        for call in published.order_by("-pk")
        if any(clock.is_open(window, now) for window in call.windows)
    ]


def applications() -> QuerySet[Application]:
    """Return all applications with what their pages show, newest first; narrow it further."""
    return (  # type: ignore[no-any-return]
        Application.objects.select_related(
            "call__capacity", "organisation", "applicant", "review", "decision", "award__project"
        )
        .prefetch_related(
            Prefetch("sections", SavedSection.objects.order_by("pk")), "call__cut_offs"
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


def award(code: str) -> Award:
    """Return the award with the code, its application and its call."""
    return Award.objects.select_related(  # type: ignore[no-any-return]
        "application__call", "application__organisation", "application__applicant", "project"
    ).get(code=code)


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
    """Return what the rules say of an application with the facts of this moment."""
    facts = organisation_facts(application.organisation)
    facts |= sections.asked_facts(answers_of(application))
    return modes.qualify(facts, application.call.mode)


def free_gpu_ms(call: Call) -> int:
    """Return the capacity that is neither granted nor promised in an open offer. Two queries."""
    call.capacity.refresh_from_db(fields=["balance"])
    offered = Award.objects.filter(application__call=call, state=AwardState.OFFERED)
    promised: int = offered.aggregate(total=Sum("gpu_ms"))["total"] or 0
    return int(call.capacity.balance) - promised


def queue(call: Call) -> list[awards.Queued]:
    """Return the eligible applications of a call in order of submission. One query."""
    waiting = Application.objects.filter(call=call, state=ApplicationState.ELIGIBLE).select_related(
        "review"
    )
    return [
        awards.Queued(
            code=row.code,
            gpu_ms=row.review.recommended_gpu_ms if hasattr(row, "review") else row.gpu_ms or 0,
            is_assessed=hasattr(row, "review"),
        )
        for row in waiting.order_by("submitted_at", "pk")
    ]


def lapsed(now: datetime) -> QuerySet[Award]:
    """Return the open offers whose time to answer is over."""
    return Award.objects.filter(state=AwardState.OFFERED, answer_by__lte=now).order_by("pk")  # type: ignore[no-any-return]


def working_days_left(due_at: datetime, now: datetime) -> int:
    """Return the working days of the host's country until something is due."""
    site = settings.UZINA.site
    return clock.working_days_left(now, due_at, country=site.country, zone=site.timezone)


def may_apply_for(person: Person) -> QuerySet[Organisation]:
    """Return the organisations in whose name the person may apply."""
    return people_queries.organisations_of(person)


def story(application: Application) -> timeline.Story:
    """Return the instants of an application for its timeline. No query after applications()."""
    review = getattr(application, "review", None)
    award: Award | None = getattr(application, "award", None)
    return timeline.Story(
        state=application.state,
        made_at=application.made_at,
        submitted_at=application.submitted_at,
        due_at=application.due_at,
        assessed_at=review.made_at if review else None,
        reserve_at=application.reserve_at,
        ended_at=application.ended_at,
        award_state=award.state if award else None,
        offered_at=award.offered_at if award else None,
        answer_by=award.answer_by if award else None,
        answered_at=award.answered_at if award else None,
        starts_at=award.starts_at if award else None,
        ends_at=award.ends_at if award else None,
        report_due_at=award.report_due_at if award else None,
    )


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
    if (
        "assess" in open_verbs
        and person.has_role(RoleKind.ASSESSOR)
        and getattr(application, "review", None) is None
        and application.organisation_id not in own
    ):
        return ["assess"]
    return []


def calls_with_reserve() -> QuerySet[Call]:
    """Return the calls in which somebody waits for capacity."""
    waiting = Application.objects.filter(state=ApplicationState.ELIGIBLE, reserve_at__isnull=False)
    return Call.objects.filter(pk__in=waiting.values("call")).order_by("pk")  # type: ignore[no-any-return]


def to_be_assessed() -> QuerySet[Application]:
    """Return all that wait for a technical assessment, oldest first, as applications()."""
    waiting = applications().filter(state=ApplicationState.ELIGIBLE, review__isnull=True)
    return waiting.order_by("submitted_at", "pk")
