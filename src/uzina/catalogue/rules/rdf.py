"""Triples: names, literals that every syntax can carry, writing and reading."""

import functools
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from urllib.parse import quote, urlsplit

import pyoxigraph as ox

BASE = "https://uzina.invalid"
"""Stands for the public base URL in what is kept, so that a portal can move. The top-level domain
is reserved never to exist (RFC 2606)."""

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "as": "https://www.w3.org/ns/activitystreams#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "dpv": "https://w3id.org/dpv#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "it6": "http://data.europa.eu/it6/",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}

SYNTAXES: Mapping[str, tuple[ox.RdfFormat, str]] = {
    "ttl": (ox.RdfFormat.TURTLE, "text/turtle"),
    "jsonld": (ox.RdfFormat.JSON_LD, "application/ld+json"),
    "rdf": (ox.RdfFormat.RDF_XML, "application/rdf+xml"),
}
"""By ending: what is written, and the media type it is sent as."""

UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold (production 2), so RDF/XML could not carry them."""

Node = ox.NamedNode | ox.Literal


@functools.cache
def name(curie: str) -> ox.NamedNode:
    """Return the node of a name such as `dct:title`."""
    prefix, _, local = curie.partition(":")
    return ox.NamedNode(PREFIXES[prefix] + local)


def node(iri: str) -> ox.NamedNode:
    """Return the node of an IRI of ours, which is known to be one."""
    return ox.NamedNode(iri)


def link(url: str) -> ox.NamedNode | None:
    """Return the node of a web address a person wrote, None when it cannot be one."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    try:
        return ox.NamedNode(quote(url.strip(), safe="%/:?#[]@!$&'()*+,;=~-._"))
    except ValueError:
        return None


def text(words: str, language: str | None = None) -> ox.Literal:
    """Return words as a literal that each of the syntaxes can carry."""
    return ox.Literal(UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", words), language=language)


def number(count: int) -> ox.Literal:
    """Return a count as xsd:nonNegativeInteger."""
    return ox.Literal(str(count), datatype=name("xsd:nonNegativeInteger"))


def instant(at: datetime) -> ox.Literal:
    """Return an instant in UTC, to the second."""
    return ox.Literal(iso(at), datatype=name("xsd:dateTime"))


def iso(at: datetime) -> str:
    """Return an instant as it is written everywhere: 2026-11-22T09:00:00Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(on: date) -> ox.Literal:
    """Return a day."""
    return ox.Literal(on.isoformat(), datatype=name("xsd:date"))


class Graph:
    """Triples being gathered."""

    def __init__(self) -> None:
        self.triples: list[ox.Triple] = []

    def say(self, subject: ox.NamedNode, predicate: str, *things: Node | None) -> None:
        """Add one triple a thing; None says nothing."""
        verb = name(predicate)
        self.triples += [ox.Triple(subject, verb, one) for one in things if one is not None]

    def type(self, subject: ox.NamedNode, *curies: str) -> ox.NamedNode:
        """Say what a subject is, and return it."""
        self.say(subject, "rdf:type", *(name(one) for one in curies))
        return subject

    def ntriples(self) -> str:
        """Return the triples as N-Triples, each once, in a fixed order."""
        return as_ntriples(self.triples)


def as_ntriples(triples: Iterable[ox.Triple]) -> str:
    """Return triples as N-Triples, each once, in a fixed order."""
    lines = (ox.serialize(triples, format=ox.RdfFormat.N_TRIPLES) or b"").decode().split("\n")
    return "".join(f"{line}\n" for line in sorted({line for line in lines if line}))


def placed(ntriples: str, base: str) -> str:
    """Return N-Triples with the portal's own base URL where BASE stood."""
    return ntriples.replace(BASE, base)


def written(ntriples: str, ending: str) -> bytes:
    """Return N-Triples in the syntax of an ending of SYNTAXES. Triples said twice are said once.

    Not by way of an ox.Store: that keeps numbers by value, so that a nonNegativeInteger comes out
    as an integer and breaks the shapes.
    """
    lines = sorted({line for line in ntriples.split("\n") if line})
    syntax, _media_type = SYNTAXES[ending]
    used = {prefix: iri for prefix, iri in PREFIXES.items() if iri in ntriples}
    triples = ox.parse("\n".join(lines), format=ox.RdfFormat.N_TRIPLES)
    return ox.serialize(triples, format=syntax, prefixes=used) or b""


def read(body: bytes, ending: str) -> list[ox.Triple]:
    """Return the triples of a document in the syntax of an ending of SYNTAXES."""
    syntax, _media_type = SYNTAXES[ending]
    return [one.triple for one in ox.parse(body, format=syntax)]
