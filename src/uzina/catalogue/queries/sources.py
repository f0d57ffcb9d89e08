"""Portals that are harvested, read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from uzina.catalogue.models import Dataset, Harvest, Source
from uzina.catalogue.queries.licences import NO_LICENCE, licences
from uzina.catalogue.rules.datasets import DatasetState
from uzina.catalogue.rules.records import Origin


def licence_rows() -> list[dict[str, Any]]:
    """Return the licences that may be named. One query."""
    rows = licences().values("slug", "spdx", "eu_uri", "url", "title_en", "title_ro")
    return [dict(row) for row in rows]


def sources_with_last(sources: QuerySet[Source]) -> list[Source]:
    """Return portals by title, each with its last harvest in `last` and `shown`, how many datasets
    are listed. Two queries.
    """
    newest = Harvest.objects.filter(source=OuterRef("source")).order_by("-pk").values("pk")[:1]
    last = Harvest.objects.filter(pk=Subquery(newest))
    return list(
        sources.select_related("owner")
        .prefetch_related(Prefetch("harvests", queryset=last, to_attr="last"))
        .order_by("title", "pk")
    )


def source_names(codes: Sequence[str]) -> dict[str, str]:
    """Return the titles of portals by code. One query."""
    return dict(Source.objects.filter(code__in=codes).values_list("code", "title"))


def listed(source: Source) -> int:
    """Return how many datasets of a portal are listed here."""
    return int(Dataset.objects.filter(source=source, state=DatasetState.PUBLISHED).count())


def origin_of(dataset: Dataset) -> Origin | None:
    """Return where a dataset was harvested, None for our own."""
    if dataset.source is None:
        return None
    said = dataset.origin
    return Origin(
        uri=dataset.source_uri,
        portal=dataset.source.url,
        record=said.get("record", ""),
        issued_at=_moment(said.get("issued_at")),
        modified_at=_moment(said.get("modified_at")),
        listed_at=_moment(said.get("listed_at")) or dataset.changed_at,
        is_licensed=dataset.licence.slug != NO_LICENCE,
    )


def _moment(written: str | None) -> datetime | None:
    return datetime.fromisoformat(written) if written else None


def open_harvest(code: str) -> Harvest | None:
    """Return a harvest that has not ended."""
    return Harvest.objects.select_related("source__owner").filter(code=code, ended_at=None).first()


def due_sources(now: datetime) -> list[Source]:
    """Return the active portals whose last harvest was asked for long enough ago. One query."""
    last = Harvest.objects.filter(source=OuterRef("pk")).order_by("-pk")
    rows = (
        Source.objects.filter(is_active=True)
        .annotate(
            last_at=Subquery(last.values("asked_at")[:1]),
            last_end=Subquery(last.values("ended_at")[:1]),
        )
        .order_by("pk")
    )
    return [
        one
        for one in rows
        if one.last_at is None
        or (one.last_end is not None and one.last_at + timedelta(hours=one.every_hours) <= now)
    ]
