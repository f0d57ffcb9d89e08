"""What other portals harvest, read page by page."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Q

from uzina.catalogue.models import Dataset, Fragment
from uzina.catalogue.queries.records import record_of
from uzina.catalogue.rules import dcat, feeds, reports, shapes
from uzina.catalogue.rules.datasets import DatasetState
from uzina.catalogue.rules.feeds import PAGE, Member, Wish
from uzina.catalogue.rules.rdf import placed

BATCH = 100
"""Fragments held in memory at once."""

SITEMAP_URLS = 50_000
"""Addresses in one file: the most that the protocol of sitemaps.org takes."""


@dataclass(frozen=True)
class CatalogPage:
    """One page of the catalogue, without the datasets' own triples.

    total       datasets to be had on all pages
    pages       how many pages there are
    next_after  the place of the last member, 0 when nothing comes after it
    changed_at  when anything in the catalogue last changed, None while it is empty
    """

    wish: Wish
    members: tuple[Member, ...]
    total: int
    pages: int
    next_after: int
    changed_at: datetime | None

    @property
    def digest(self) -> str:
        """What tells this page from an earlier state of it."""
        state = (
            self.total,
            self.next_after,
            self.changed_at,
            [(one.place, one.digest, one.gone_at) for one in self.members],
        )
        return hashlib.sha256(repr(state).encode()).hexdigest()


def catalog_page(wish: Wish) -> CatalogPage:
    """Return one page of the catalogue in the order in which datasets were first published.

    Who follows `next_after` sees each dataset once, whatever is published or withdrawn meanwhile:
    places never move, and what is new comes last. Cost: two queries.
    """
    rows = Fragment.objects.all()
    if wish.since is not None:
        rows = rows.filter(changed_at__gte=wish.since)
    figures = rows.aggregate(
        slots=Count("pk"), total=Count("pk", filter=Q(gone_at=None)), changed_at=Max("changed_at")
    )
    if wish.after is None:
        first = (wish.page - 1) * PAGE
        chosen = rows.order_by("pk")[first : first + PAGE + 1]
    else:
        chosen = rows.filter(pk__gt=wish.after).order_by("pk")[: PAGE + 1]
    found = [
        Member(*one)
        for one in chosen.values_list("dataset__slug", "pk", "digest", "changed_at", "gone_at")
    ]
    shown = found[:PAGE]
    return CatalogPage(
        wish=wish,
        members=tuple(one for one in shown if one.gone_at is None or wish.since is not None),
        total=figures["total"],
        pages=-(-figures["slots"] // PAGE),
        next_after=shown[-1].place if len(found) > PAGE else 0,
        changed_at=figures["changed_at"],
    )


def catalog_ntriples(page: CatalogPage, *, name: str, ending: str, base: str) -> str:
    """Return a page with its datasets as N-Triples. Cost: one query.

    name    of the factory
    ending  of the address it is asked at, for the links to its neighbours
    base    the portal's public address
    """
    alive = [one.place for one in page.members if one.gone_at is None]
    fragments = Fragment.objects.filter(pk__in=alive).values_list("ntriples", flat=True)
    parts = [
        feeds.catalog_ntriples(name, page.members, changed_at=page.changed_at),
        feeds.paging_ntriples(
            ending, page.wish, total=page.total, pages=page.pages, next_after=page.next_after
        ),
        *fragments,
    ]
    return placed("".join(parts), base)


def catalog_dump(*, name: str, base: str) -> Iterator[str]:
    """Return the whole catalogue as N-Triples, in pieces. One query and little memory a piece."""
    yield placed(feeds.catalog_ntriples(name, ()), base)
    after = 0
    while True:
        rows = list(
            Fragment.objects.live()
            .filter(pk__gt=after)
            .order_by("pk")
            .values_list("pk", "dataset__slug", "ntriples")[:BATCH]
        )
        for _place, slug, ntriples in rows:
            yield placed(f"{feeds.member_ntriples(slug)}{ntriples}", base)
        if len(rows) < BATCH:
            return
        after = rows[-1][0]


def fragment(slug: str) -> Fragment | None:
    """Return what is harvested of a dataset, or its tombstone; None when neither is there."""
    found: Fragment | None = (
        Fragment.objects.defer("dublin_core", "datacite", "croissant")
        .filter(dataset__slug=slug)
        .first()
    )
    return found or _listed(slug)


def _listed(slug: str) -> Fragment | None:
    """Return what we tell of harvested data, or its tombstone, made as it is asked for.

    It is kept in no row, so that no list of ours holds it. Cost: up to five queries.
    """
    dataset = (
        Dataset.objects.select_related("holder", "licence", "source")
        .filter(slug=slug, source__isnull=False)
        .first()
    )
    if dataset is None:
        return None
    is_gone = dataset.state is not DatasetState.PUBLISHED
    ntriples = "" if is_gone else dcat.listed_ntriples(record_of(dataset))
    return Fragment(
        dataset=dataset,
        ntriples=ntriples,
        digest=state_of(ntriples),
        changed_at=dataset.changed_at,
        gone_at=dataset.changed_at if is_gone else None,
    )


def croissant(slug: str, *, base: str) -> str | None:
    """Return a dataset in Croissant, "" once it is withdrawn; None when it is not there."""
    rows = Fragment.objects.filter(dataset__slug=slug).values_list("croissant", flat=True)
    found = rows.first()
    return None if found is None else placed(found, base)


EMBEDDED = 20_000
"""Characters of Croissant that a page carries; of more, the files and columns are left out."""


def embedded(slug: str, *, base: str) -> str:
    """Return what a dataset's page tells search engines, as JSON that is safe within a page.

    "" for data that is not published.
    """
    whole = croissant(slug, base=base)
    if not whole:
        return ""
    if len(whole) > EMBEDDED:
        said = json.loads(whole)
        for key in ("distribution", "recordSet", "conformsTo"):
            said.pop(key, None)
        whole = json.dumps(said, ensure_ascii=False)
    return whole.translate(PAGE_SAFE)


PAGE_SAFE = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}
"""So that no text ends the element it stands in; JSON reads the letters back."""


def state_of(*facts: str) -> str:
    """Return what tells one answer from another: a digest of what it is made of."""
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()


def sitemap_parts() -> int:
    """Return how many files the map of the site needs, one at least."""
    return max(1, -(-Fragment.objects.count() // SITEMAP_URLS))


def sitemap_rows(part: int) -> list[tuple[str, datetime]]:
    """Return slug and last change of the data in one part of the map, counted from 1.

    Parts are cut by place, and places of withdrawn data are left empty, so that a part stays one.
    """
    first = (part - 1) * SITEMAP_URLS
    rows = Fragment.objects.order_by("pk").values_list("dataset__slug", "changed_at", "gone_at")
    return [
        (slug, changed_at)
        for slug, changed_at, gone_at in rows[first : first + SITEMAP_URLS].iterator()
        if gone_at is None
    ]


def shape_advice(dataset: Dataset) -> list[reports.Advice]:
    """Return what the official shapes would have a steward mend or add. Cost: up to seven queries.

    Of what is kept for harvesters, or, for a draft, of what would be.
    """
    ntriples = dcat.dataset_ntriples(record_of(dataset))
    return reports.advice(shapes.findings(ntriples), dataset=dcat.dataset_iri(dataset.slug))


def check_fragments() -> list[str]:
    """Return what published data harvesters would refuse: violations of the official shapes.

    Cost: one query a batch; some 0.3 s of processor time for 1,000 datasets.
    """
    problems = []
    rows = Fragment.objects.live().order_by("pk").values_list("dataset__slug", "ntriples")
    for slug, ntriples in rows.iterator(chunk_size=BATCH):
        problems += [
            f"{slug}: {one.focus} breaks {one.component} of {one.path}."
            for one in shapes.findings(ntriples)
            if one.is_mistake
        ]
    return problems
