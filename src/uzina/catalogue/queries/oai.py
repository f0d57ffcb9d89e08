"""What OAI-PMH lists."""

from datetime import datetime
from typing import Any

from django.db.models import Min, QuerySet

from uzina.catalogue.models import Fragment
from uzina.catalogue.rules.oai import PAGE, Ask, Item
from uzina.catalogue.rules.rdf import placed


def oai_items(ask: Ask, *, base: str) -> tuple[list[Item], bool]:
    """Return a part of what is asked for, and whether more comes after it.

    In the order of places, like the pages of the catalogue. Cost: one query.
    """
    kept = KEPT.get(ask.prefix, "") if ask.verb == "ListRecords" else ""
    rows = _asked(ask).values_list(*COLUMNS, *([kept] if kept else []))[: PAGE + 1]
    found = [_item(row, base) for row in rows]
    return found[:PAGE], len(found) > PAGE


COLUMNS = ("dataset__slug", "pk", "changed_at", "gone_at", "themes")

KEPT = {"oai_dc": "dublin_core", "oai_datacite": "datacite"}
"""The column each metadata format is kept in."""


def _asked(ask: Ask) -> QuerySet[Fragment]:
    rows: QuerySet[Fragment] = Fragment.objects.filter(pk__gt=ask.place).order_by("pk")
    if ask.first is not None:
        rows = rows.filter(changed_at__gte=ask.first)
    if ask.until is not None:
        rows = rows.filter(changed_at__lt=ask.until)
    if ask.theme:
        rows = rows.filter(themes__contains=f" {ask.theme} ")
    return rows


def oai_item(slug: str, prefix: str, *, base: str) -> Item | None:
    """Return one record, or what is left of it; None when neither is there. Cost: one query."""
    row = (
        Fragment.objects.filter(dataset__slug=slug)
        .values_list(*COLUMNS, KEPT.get(prefix, "dublin_core"))
        .first()
    )
    return None if row is None else _item(row, base)


def _item(row: tuple[Any, ...], base: str) -> Item:
    slug, place, changed_at, gone_at, themes, *metadata = row
    return Item(
        slug=slug,
        place=place,
        changed_at=changed_at,
        is_gone=gone_at is not None,
        themes=tuple(themes.split()),
        metadata=placed("".join(metadata), base),
    )


def earliest_change() -> datetime | None:
    """Return when the record that has not changed for longest changed; None while there is none."""
    found: datetime | None = Fragment.objects.aggregate(at=Min("changed_at"))["at"]
    return found
