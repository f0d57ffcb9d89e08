"""Awards as anybody may see them: what the applicant consented to, and the bare figures."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from django.db.models import Prefetch, QuerySet

from uzina.calls.models import Award, SavedSection
from uzina.calls.queries.aid import day_of
from uzina.calls.rules import modes
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import AwardState

COLUMNS = (
    "code", "mode", "gpu_hours", "partition", "country", "starts_on", "ends_on",
    "title", "organisation", "lead",
)  # fmt: skip


@dataclass(frozen=True)
class PublicAward:
    """One award. title, organisation and lead are empty where nobody consented to show them."""

    code: str
    mode: str
    gpu_hours: int
    partition: str
    country: str
    starts_on: date
    ends_on: date
    title: str
    organisation: str
    lead: str


def accepted_awards(*, mode: str = "", country: str = "", year: int = 0) -> QuerySet[Award]:
    """Return the accepted awards, newest first, narrowed by mode, country and year of start."""
    consents = SavedSection.objects.filter(slug="declarations")
    rows = (
        Award.objects.filter(state=AwardState.ACCEPTED)
        .select_related("application__call", "capacity", "project__organisation")
        .prefetch_related(
            Prefetch("application__sections", consents, to_attr="consents"),
            "project__memberships__person",
        )
        .order_by("-starts_at", "-pk")
    )
    if mode:
        rows = rows.filter(application__call__rules__slug=mode)
    if country:
        rows = rows.filter(project__organisation__country=country)
    if year:
        rows = rows.filter(starts_at__year=year)
    return rows  # type: ignore[no-any-return]


def shown(rows: Iterable[Award], *, language: str) -> list[PublicAward]:
    """Return awards as anybody may see them. No query after accepted_awards()."""
    return [_shown(award, language) for award in rows]


def _shown(award: Award, language: str) -> PublicAward:
    application, project = award.application, award.its_project
    call = application.call
    if award.starts_at is None or award.ends_at is None:
        msg = f"{award} was not accepted"
        raise ValueError(msg)
    may_publish = any(one.answers.get("may_publish") is True for one in application.consents)  # type: ignore[attr-defined]
    leads = [one.person.name for one in project.memberships.all() if one.kind == "lead"]
    return PublicAward(
        code=award.code,
        mode=modes.in_language(call.rules.get("title", {}), language),
        gpu_hours=award.gpu_ms // MS_PER_HOUR,
        partition=award.capacity.partition or application.partition,
        country=project.organisation.country,
        starts_on=day_of(award.starts_at),
        ends_on=day_of(award.ends_at),
        title=project.title if may_publish else "",
        organisation=project.organisation.name if may_publish else "",
        lead=", ".join(leads) if may_publish else "",
    )


def public_projects(projects: Iterable[int], *, language: str) -> list[tuple[str, str]]:
    """Return title and organisation of those projects, by key, whose award anybody may see by name.

    Up to three queries, none for no project.
    """
    keys = list(projects)
    if not keys:
        return []
    rows = shown(accepted_awards().filter(project__in=keys), language=language)
    return sorted({(one.title, one.organisation) for one in rows if one.title})


def public_choices() -> tuple[list[str], list[str], list[int]]:
    """Return the modes, countries and years there are accepted awards of. Three queries."""
    rows = Award.objects.filter(state=AwardState.ACCEPTED).order_by()
    modes_found = rows.values_list("application__call__rules__slug", flat=True).distinct()
    countries = rows.values_list("project__organisation__country", flat=True).distinct()
    years = {one.year for one in rows.dates("starts_at", "year")}
    return sorted(modes_found), sorted(countries), sorted(years, reverse=True)
