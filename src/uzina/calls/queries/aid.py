"""State aid."""

import functools
import tomllib
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import QuerySet

from uzina.calls.models import Aid
from uzina.calls.rules import aid
from uzina.people import queries as people_queries
from uzina.people.models import Organisation


@functools.cache
def ceilings() -> tuple[aid.Ceiling, ...]:
    """Return the ceilings of de minimis aid that aid.toml says, oldest first."""
    path = Path(__file__).parent.parent / "aid.toml"
    return aid.parse_ceilings(tomllib.loads(path.read_text(encoding="utf-8")))


def day_of(now: datetime) -> date:
    """Return the day of an instant where the factory is: legal rights arise on its days."""
    return now.astimezone(ZoneInfo(settings.UZINA.site.timezone)).date()


def register() -> QuerySet[Aid]:
    """Return all aid with who got it, the latest first."""
    return (  # type: ignore[no-any-return]
        Aid.objects.select_related("organisation", "noted_by").order_by("-granted_on", "-pk")
    )


def undertaking(organisation: Organisation) -> set[int]:
    """Return the ids of the organisations that are one undertaking with this one, by the record."""
    names, linked = people_queries.names_and_links()
    return aid.undertaking(organisation.pk, names, linked)


def grants(organisations: Sequence[int] | set[int], member_state: str) -> list[aid.Grant]:
    """Return the de minimis aid that organisations got from a Member State. One query."""
    rows = Aid.objects.filter(
        organisation__in=organisations,
        member_state=member_state,
        basis=aid.DE_MINIMIS,
        voided_at__isnull=True,
    )
    return [aid.Grant(day, cents) for day, cents in rows.values_list("granted_on", "aid_eur_cents")]


def standing(organisation: Organisation, *, asked_eur_cents: int, now: datetime) -> aid.Standing:
    """Return where an undertaking stands here with what it would get. Three queries."""
    return aid.standing(
        grants(undertaking(organisation), settings.UZINA.site.country),
        asked_eur_cents=asked_eur_cents,
        day=day_of(now),
        ceilings=ceilings(),
    )


REGISTER_COLUMNS = (
    "code", "beneficiary", "identifier", "country", "aid_eur", "value_eur", "granted_on",
    "granting_authority", "member_state", "instrument", "legal_basis", "about", "title", "source",
    "void",
)  # fmt: skip


def register_entries() -> list[dict[str, object]]:
    """Return the register in the form of Regulation (EU) 2023/2831, Article 6(1). One query.

    The sector (NACE) is not known here: organisations are not asked for it.
    """
    site = settings.UZINA.site
    found = []
    for row in register():
        is_ours = bool(row.about)
        values = (
            row.code,
            row.organisation.name,
            row.organisation.vat_number,
            row.organisation.country,
            f"{row.aid_eur_cents / 100:.2f}",
            f"{row.value_eur_cents / 100:.2f}",
            row.granted_on.isoformat(),
            site.name if is_ours else "",
            row.member_state,
            aid.INSTRUMENT if is_ours else "",
            row.basis,
            row.about,
            row.title,
            "granted" if is_ours else "declared",
            row.voided_at is not None,
        )
        found.append(dict(zip(REGISTER_COLUMNS, values, strict=True)))
    return found
