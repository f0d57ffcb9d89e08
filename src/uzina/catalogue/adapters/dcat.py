"""Catalogues in DCAT-AP: Turtle, JSON-LD, RDF/XML or N-Triples, in pages by Hydra."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pyoxigraph as ox

from uzina.catalogue.adapters.web import Answer, Web
from uzina.catalogue.ports import PortalRefused
from uzina.catalogue.rules import harvest as rules
from uzina.catalogue.rules.rdf import PREFIXES

ACCEPT = (
    "text/turtle, application/ld+json;q=0.9, application/rdf+xml;q=0.8, application/n-triples;q=0.7"
)
MOST_STATEMENTS = 300_000
"""Of one page: a hundred datasets have ten thousand. More would not fit the memory of a worker."""

CHILD_S = 180
CHILD = Path(__file__).with_name("rdf_child.py")
SYNTAXES = {
    "text/turtle": "TURTLE",
    "application/x-turtle": "TURTLE",
    "application/ld+json": "JSON_LD",
    "application/json": "JSON_LD",
    "application/rdf+xml": "RDF_XML",
    "application/xml": "RDF_XML",
    "text/xml": "RDF_XML",
    "application/n-triples": "N_TRIPLES",
    "text/plain": "N_TRIPLES",
}
ENDINGS = {"ttl": "TURTLE", "jsonld": "JSON_LD", "json": "JSON_LD", "rdf": "RDF_XML"}
ENDINGS |= {"xml": "RDF_XML", "nt": "N_TRIPLES"}
DCAT, DCT, HYDRA = PREFIXES["dcat"], PREFIXES["dct"], PREFIXES["hydra"]
RDF_TYPE = PREFIXES["rdf"] + "type"
NEXT = (f"{HYDRA}next", f"{HYDRA}nextPage")

Thing = ox.NamedNode | ox.BlankNode | ox.Literal
Index = Mapping[object, Mapping[str, Sequence[Thing]]]


@dataclass(frozen=True)
class DcatPortal:
    """A catalogue at an address, read page after page."""

    url: str
    web: Web
    licences: Sequence[Mapping[str, str]]

    def page(self, place: str) -> rules.Page:
        """Return one page. Its place is its address, "" for the first.

        Raises PortalRefused, PortalDown.
        """
        answer = self.web.get(place or self.url, accept=ACCEPT)
        index = statements(answer)
        return replace(page_of(index, self.licences), following=self._next(index, answer.url))

    def _next(self, index: Index, here: str) -> str:
        """Return the address of the next page, "" after the last. Raises PortalRefused."""
        links = [
            one.value
            for said in index.values()
            for verb in NEXT
            for one in said.get(verb, ())
            if isinstance(one, ox.NamedNode | ox.Literal)
        ]
        if not links:
            return ""
        url = urljoin(here, links[0])
        if _origin(url) != _origin(self.url):
            msg = f"The next page is on another machine: {url[:200]}."
            raise PortalRefused(msg)
        return url[: rules.LONGEST_URI]


def _origin(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.netloc.lower()
    except ValueError:
        return "", ""


def syntax_of(answer: Answer) -> str:
    """Return what a page is written in, by its media type, else by its address, else by itself."""
    ending = urlsplit(answer.url).path.rpartition(".")[2].lower()
    named = SYNTAXES.get(answer.media_type, "")
    if answer.media_type in {"text/plain", "application/json", "text/xml", ""}:
        named = ENDINGS.get(ending, named)
    if not named:
        start = answer.body[:200].lstrip()
        named = "RDF_XML" if start.startswith(b"<?xml") else "JSON_LD" if start[:1] in b"{[" else ""
    if not named:
        msg = f"{answer.url[:200]} is {answer.media_type or 'of no type'}, which is no RDF."
        raise PortalRefused(msg)
    return named


def statements(answer: Answer) -> Index:
    """Return what a page says, by subject and property. Read in a process of its own.

    Entities of XML are refused unread: a few hundred bytes of them unfold to gigabytes.
    """
    syntax = syntax_of(answer)
    if syntax == "RDF_XML" and (b"<!ENTITY" in answer.body or b"\0" in answer.body):
        msg = "The page declares XML entities or is not in UTF-8, so it was not read."
        raise PortalRefused(msg)
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(CHILD), syntax, answer.url, str(MOST_STATEMENTS)],
            input=answer.body,
            capture_output=True,
            timeout=CHILD_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"The page could not be read in {CHILD_S} s."
        raise PortalRefused(msg) from error
    if done.returncode != 0:
        why = done.stderr.decode(errors="replace")[:300] if done.returncode == 3 else ""
        raise PortalRefused(why or "The page burst the parser, which was stopped.")
    index: dict[object, dict[str, list[Thing]]] = defaultdict(lambda: defaultdict(list))
    for quad in ox.parse(done.stdout, format=ox.RdfFormat.N_TRIPLES):
        index[quad.subject][quad.predicate.value].append(quad.object)  # type: ignore[arg-type]
    return index


def page_of(index: Index, licences: Sequence[Mapping[str, str]]) -> rules.Page:
    """Return the datasets of a page. A record that cannot be kept is told, the others are kept."""
    records, broken = [], []
    rows = _catalog_records(index)
    for subject, said in index.items():
        if not any(_value(one) == f"{DCAT}Dataset" for one in said.get(RDF_TYPE, ())):
            continue
        try:
            records.append(_record(subject, said, index, licences, rows.get(subject)))
        except rules.BrokenRecord as error:
            broken.append((_value(subject)[:200], str(error)))
    totals = [
        _value(one)
        for said in index.values()
        for one in said.get(f"{HYDRA}totalItems", ())
        if _value(one).isdecimal() and len(_value(one)) < 12
    ]
    return rules.Page(records, broken, int(totals[0]) if totals else None)


def _record(
    subject: object,
    said: Mapping[str, Sequence[Thing]],
    index: Index,
    licences: Sequence[Mapping[str, str]],
    row: object = None,
) -> rules.Foreign:
    files = [index.get(one, {}) for one in said.get(f"{DCAT}distribution", ())]
    named = [
        value
        for one in (*said.get(f"{DCT}license", ()), *_each(files, f"{DCT}license"))
        for value in (_value(one), *_values(index.get(one, {}), f"{DCT}identifier"))
    ]
    contact = next((index.get(one, {}) for one in said.get(f"{DCAT}contactPoint", ())), {})
    publisher = next((index.get(one, {}) for one in said.get(f"{DCT}publisher", ())), {})
    uri = _value(subject) if isinstance(subject, ox.NamedNode) else ""
    sizes = [_value(one) for one in _each(files, f"{DCAT}byteSize")]
    right = rules.codes("access-right", _values(said, f"{DCT}accessRights"))
    return rules.Foreign(
        uri=rules.checked_uri(uri or next(iter(_values(said, f"{DCT}identifier")), "")),
        title=rules.checked_title(_texts(said, f"{DCT}title")),
        description=rules.checked_description(_texts(said, f"{DCT}description")),
        keywords=rules.keywords(_values(said, f"{DCAT}keyword")),
        themes=rules.codes("data-theme", _values(said, f"{DCAT}theme")),
        languages=rules.codes("language", _values(said, f"{DCT}language")),
        licence=rules.licence_of(named, licences),
        licence_said=rules.plain(next(iter(named), ""), 200),
        access=rules.access_of(right),
        publisher=rules.plain(next(iter(_values(publisher, PREFIXES["foaf"] + "name")), ""), 200),
        contact_name=rules.plain(next(iter(_values(contact, PREFIXES["vcard"] + "fn")), ""), 120),
        contact_email=rules.email(next(iter(_values(contact, PREFIXES["vcard"] + "hasEmail")), "")),
        landing_url=rules.web_address(next(iter(_values(said, f"{DCAT}landingPage")), "") or uri)[
            :500
        ],
        formats=rules.file_formats(
            _value(one)
            for verb in (f"{DCT}format", f"{DCAT}mediaType")
            for one in _each(files, verb)
        ),
        bytes=sum(min(int(float(one)), 2**50) for one in sizes if _is_number(one)),
        issued_at=rules.moment(next(iter(_values(said, f"{DCT}issued")), "")),
        record_uri=rules.web_address(_value(row)) if isinstance(row, ox.NamedNode) else "",
        modified_at=rules.moment(
            next(iter(_values(index.get(row, {}), f"{DCT}modified")), "")
            or next(iter(_values(said, f"{DCT}modified")), "")
        ),
    )


def _catalog_records(index: Index) -> Mapping[object, object]:
    """Return what is the portal's own record of a dataset, by the dataset: not one that it took."""
    rows = {
        subject: said
        for subject, said in index.items()
        if any(_value(one) == f"{DCAT}CatalogRecord" for one in said.get(RDF_TYPE, ()))
    }
    taken = {one for said in rows.values() for one in said.get(f"{DCT}source", ())}
    return {
        topic: subject
        for subject, said in rows.items()
        if subject not in taken
        for topic in said.get(PREFIXES["foaf"] + "primaryTopic", ())
    }


def _is_number(text: str) -> bool:
    return len(text) < 20 and text.replace(".", "", 1).isdecimal() and text.isascii()


def _value(thing: object) -> str:
    return str(getattr(thing, "value", ""))


def _values(said: Mapping[str, Sequence[Thing]], verb: str) -> list[str]:
    return [_value(one) for one in said.get(verb, ())]


def _each(many: Sequence[Mapping[str, Sequence[Thing]]], verb: str) -> list[Thing]:
    return [one for said in many for one in said.get(verb, ())]


def _texts(said: Mapping[str, Sequence[Thing]], verb: str) -> dict[str, object]:
    """Return the first literal of each language."""
    found: dict[str, object] = {}
    for one in said.get(verb, ()):
        if isinstance(one, ox.Literal):
            found.setdefault((one.language or "").partition("-")[0], one.value)
    return found
