"""Datasets found by words and facets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Case, Count, IntegerField, Q, QuerySet, Value, When

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset, SearchEntry, Staging, Version

if TYPE_CHECKING:
    from uzina.people.models import Person


@dataclass(frozen=True)
class Found:
    """One page of what was found.

    newest    the newest version of each dataset shown, by its key, without its manifest
    total     how many fit; about: how many have the words, whatever is chosen
    counts    {facet: {value: how many would fit}}
    following cursor of the next page, "" on the last
    """

    items: list[Dataset]
    newest: Mapping[int, Version]
    total: int
    about: int
    counts: Mapping[str, Mapping[str, int]]
    following: str


def search(
    wanted: rules.Wanted,
    *,
    seen_by: "Person | AnonymousUser",
    limit: int,
    cursor: str = "",
) -> Found:
    """Return a page of the datasets a person may see, found and counted. Three statements.

    cursor  what the last page gave as `following`; anything else begins at the first
    """
    rows = list(_entries(wanted, seen_by).values_list("pk", "tags"))
    counted = rules.tally(rows, wanted.chosen)
    start = rules.page_start(counted.found, cursor)
    keys = counted.found[start : start + limit]
    items = (
        Dataset.objects.select_related("licence", "holder", "project", "entry")
        .defer("search_text", "answers", "entry__words", "entry__title")
        .in_bulk(keys)
    )
    newest = {
        one.dataset_id: one
        for one in Version.objects.filter(dataset__in=keys)
        .order_by("number")
        .only("dataset_id", "number", "bytes", "file_count", "created_at")
    }
    end = start + len(keys)
    more = len(counted.found) > end
    return Found(
        items=[items[key] for key in keys if key in items],
        newest=newest,
        total=len(counted.found),
        about=len(rows),
        counts=counted.counts,
        following=f"{end}-{keys[-1]}" if more else "",
    )


def _entries(wanted: rules.Wanted, seen_by: "Person | AnonymousUser") -> QuerySet[SearchEntry]:
    """Return the entries with all of the words, in order."""
    seen = Dataset.objects.visible_to(seen_by).filter(kind=rules.DatasetKind.DATA)
    rows = SearchEntry.objects.filter(dataset__in=seen.values("pk"))
    for word in wanted.words:
        rows = rows.filter(words__contains=word)
    order = {
        "newest": ["-newest_at", "-pk"],
        "title": ["title", "pk"],
        "size": ["-bytes", "-pk"],
        "relevance": ["-hits", "-newest_at", "-pk"],
    }[wanted.sort]
    if wanted.sort == "relevance":
        rows = rows.alias(hits=_hits(wanted.words))
    return rows.order_by(*order)


def _hits(looked_for: Sequence[str]) -> Any:
    """Count the words that the title has: a whole one for two, the beginning of one for one."""
    hits: Any = Value(0)
    for word in looked_for:
        hits = hits + Case(
            When(title__contains=f"{word.rstrip()} ", then=Value(2)),
            When(title__contains=word, then=Value(1)),
            default=Value(0),
            output_field=IntegerField(),
        )
    return hits


def words_nobody_has(wanted: rules.Wanted, *, seen_by: "Person | AnonymousUser") -> list[str]:
    """Return those of the words that no dataset has at all. One statement."""
    if not wanted.words:
        return []
    seen = Dataset.objects.visible_to(seen_by).filter(kind=rules.DatasetKind.DATA)
    counts = SearchEntry.objects.filter(dataset__in=seen.values("pk")).aggregate(
        **{
            f"word{at}": Count("pk", filter=Q(words__contains=word))
            for at, word in enumerate(wanted.words)
        }
    )
    return [word.strip() for at, word in enumerate(wanted.words) if not counts[f"word{at}"]]


def holder_names(codes: Sequence[str]) -> dict[str, str]:
    """Return the names of holders by code. One statement."""
    rows = Dataset.objects.filter(holder__code__in=codes).values_list(
        "holder__code", "holder__name"
    )
    return dict(rows.distinct())


@dataclass(frozen=True)
class JobUses:
    """What jobs a dataset was used in: how many, of which projects (their keys), and those that a
    person may see, newest first.
    """

    total: int
    projects: Sequence[int]
    shown: Sequence[Staging]


def job_uses(
    dataset: Dataset, *, seen_by: "Person | AnonymousUser", may_see_all: bool, most: int
) -> JobUses:
    """Return what jobs used a dataset; of those shown, no more than some. Up to three statements."""
    rows = Staging.objects.filter(version__dataset=dataset)
    seen = rows
    if isinstance(seen_by, AnonymousUser):
        seen = rows.none()
    elif not may_see_all:
        seen = rows.filter(project__in=seen_by.memberships.values("project"))
    return JobUses(
        total=rows.values("subject").distinct().count(),
        projects=list(
            rows.exclude(project=None).order_by().values_list("project", flat=True).distinct()
        ),
        shown=list(
            seen.select_related("version")
            .only("subject", "at", "version__number")
            .order_by("-at")[:most]
        ),
    )
