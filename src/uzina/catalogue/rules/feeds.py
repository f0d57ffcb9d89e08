"""The whole catalogue in pages that other portals harvest: Hydra paging and tombstones."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import urlencode

from uzina.catalogue.rules.dcat import AUTHORITY, PROFILE, concept, dataset_iri
from uzina.catalogue.rules.rdf import BASE, Graph, instant, node, number, text
from uzina.catalogue.rules.vocabularies import terms
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

PAGE = 100
"""Datasets on a page: what ckanext-dcat serves and therefore what harvesters expect."""

LARGEST_PAGE = 10**9


@dataclass(frozen=True)
class Wish:
    """Which page is asked for.

    after  the place of the last one on the page before; None: counted from the page's number
    since  only what changed at this instant or later, with what went; None: all there is
    """

    page: int = 1
    after: int | None = None
    since: datetime | None = None


@dataclass(frozen=True)
class Member:
    """A dataset on a page. `gone_at` is when it was withdrawn, None while it can be had."""

    slug: str
    place: int
    digest: str
    changed_at: datetime
    gone_at: datetime | None


def wish(given: dict[str, str]) -> Wish:
    """Return what the parameters of an address ask for.

    Raises Invalid with every mistake, also for names we do not know: a misspelt
    `modified_since` would otherwise harvest everything.
    """
    problems = [
        Problem(
            key[:40],
            "feed.parameter.unknown",
            _("Use only the parameters page, after and modified_since."),
        )
        for key in given
        if key not in {"page", "after", "modified_since"}
    ]
    page, after, since = given.get("page", "1"), given.get("after"), None
    if not _is_count(page) or int(page) < 1:
        problems.append(
            Problem("page", "feed.page.form", _("Give a page as a number from 1: page=2."))
        )
    if after is not None and not _is_count(after):
        problems.append(
            Problem("after", "feed.after.form", _("Use the address that the last page gave."))
        )
    if "modified_since" in given:
        since = parse_instant(given["modified_since"])
        if since is None:
            problems.append(
                Problem(
                    "modified_since",
                    "feed.modified_since.form",
                    _("Give a day or an instant as in 2026-11-22 or 2026-11-22T09:00:00Z."),
                )
            )
    if problems:
        raise Invalid(problems)
    return Wish(page=int(page), after=None if after is None else int(after), since=since)


def _is_count(written: str) -> bool:
    return written.isascii() and written.isdigit() and int(written) <= LARGEST_PAGE


def parse_instant(written: str) -> datetime | None:
    """Return a day or an instant as an aware instant, UTC where no zone is named; None: neither."""
    try:
        if len(written) == len("2026-11-22"):
            on = date.fromisoformat(written)
            return datetime(on.year, on.month, on.day, tzinfo=UTC)
        at = datetime.fromisoformat(written.replace(" ", "+"))
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def address(ending: str, wish: Wish) -> str:
    """Return the address of a page, under BASE."""
    facts = {"page": str(wish.page)}
    if wish.after is not None:
        facts["after"] = str(wish.after)
    if wish.since is not None:
        facts["modified_since"] = wish.since.isoformat().replace("+00:00", "Z")
    return f"{BASE}/catalog.{ending}?{urlencode(facts)}"


def catalog_ntriples(
    name: str, members: Sequence[Member], *, changed_at: datetime | None = None
) -> str:
    """Return the catalogue and what is in it, without the datasets themselves, under BASE.

    name  of the factory
    """
    graph = Graph()
    catalog = graph.type(node(f"{BASE}/catalog"), "dcat:Catalog", "dcat:Resource")
    graph.say(catalog, "dct:title", text(f"{name}: data", "en"), text(f"{name}: date", "ro"))
    graph.say(
        catalog,
        "dct:description",
        text(f"The data that {name} keeps, with the terms of each.", "en"),
        text(f"Datele pe care le păstrează {name}, cu condițiile fiecăreia.", "ro"),
    )
    publisher = graph.type(node(f"{BASE}/catalog#publisher"), "foaf:Agent")
    graph.say(publisher, "foaf:name", text(name))
    graph.say(catalog, "dct:publisher", publisher)
    graph.say(catalog, "foaf:homepage", graph.type(node(f"{BASE}/datasets/"), "foaf:Document"))
    themes = graph.type(node(f"{AUTHORITY}data-theme"), "skos:ConceptScheme")
    graph.say(themes, "dct:title", text("Data theme", "en"), text("Tema datelor", "ro"))
    graph.say(catalog, "dcat:themeTaxonomy", themes)
    for code in ("en", "ro"):
        spoken = concept(graph, terms("language")[code], "language", "dct:LinguisticSystem")
        graph.say(catalog, "dct:language", spoken)
    graph.say(catalog, "dct:conformsTo", graph.type(node(PROFILE), "dct:Standard"))
    if changed_at is not None:
        graph.say(catalog, "dct:modified", instant(changed_at))
    for one in members:
        if one.gone_at is None:
            _say_member(graph, one.slug)
        else:
            _say_gone(graph, one.slug, one.gone_at)
    return graph.ntriples()


def _say_member(graph: Graph, slug: str) -> None:
    catalog, named = node(f"{BASE}/catalog"), node(dataset_iri(slug))
    graph.say(catalog, "dcat:dataset", named)
    graph.say(catalog, "dcat:record", node(f"{named.value}#record"))


def member_ntriples(slug: str) -> str:
    """Return that a dataset is in the catalogue, under BASE."""
    graph = Graph()
    _say_member(graph, slug)
    return graph.ntriples()


def _say_gone(graph: Graph, slug: str, gone_at: datetime) -> None:
    """Say that a dataset was withdrawn, and when.

    As a Tombstone of Activity Streams 2.0, a W3C recommendation: DCAT-AP has no word for it, and
    a dcat:Dataset without a title would break the shapes.
    """
    named = graph.type(node(dataset_iri(slug)), "as:Tombstone")
    graph.say(named, "as:formerType", node("http://www.w3.org/ns/dcat#Dataset"))
    graph.say(named, "as:deleted", instant(gone_at))


def gone_ntriples(slug: str, gone_at: datetime) -> str:
    """Return what is left of a withdrawn dataset, under BASE."""
    graph = Graph()
    _say_gone(graph, slug, gone_at)
    return graph.ntriples()


def paging_ntriples(ending: str, wish: Wish, *, total: int, pages: int, next_after: int) -> str:
    """Return where a page stands among all, in both words of Hydra for it, under BASE.

    total       datasets to be had on all pages
    next_after  the place of the last one here, 0 on the last page
    """
    graph = Graph()
    here = graph.type(
        node(address(ending, wish)), "hydra:PagedCollection", "hydra:PartialCollectionView"
    )
    graph.say(here, "hydra:totalItems", number(total))
    graph.say(here, "hydra:itemsPerPage", number(PAGE))

    def point(words: Sequence[str], to: Wish) -> None:
        for word in words:
            graph.say(here, f"hydra:{word}", node(address(ending, to)))

    point(["first", "firstPage"], Wish(page=1, since=wish.since))
    point(["last", "lastPage"], Wish(page=max(1, pages), since=wish.since))
    if wish.page > 1:
        point(["previous", "previousPage"], Wish(page=wish.page - 1, since=wish.since))
    if next_after:
        point(["next", "nextPage"], Wish(page=wish.page + 1, after=next_after, since=wish.since))
    return graph.ntriples()
