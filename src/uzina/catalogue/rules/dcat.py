"""A record in DCAT-AP 3.0.1: what European data portals harvest.

Every node that a property points at says what it is, and every concept of a controlled vocabulary
says of which: the shapes ask for both in the data itself. No blank nodes, so that datasets can be
put together by putting their triples together.

Source: DCAT-AP 3.0.1, https://semiceu.github.io/DCAT-AP/releases/3.0.1/
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pyoxigraph as ox

from uzina.catalogue.rules import stewardship, vocabularies
from uzina.catalogue.rules.rdf import (
    BASE,
    PREFIXES,
    Graph,
    day,
    instant,
    link,
    name,
    node,
    number,
    text,
)
from uzina.catalogue.rules.records import Agent, FileRecord, Record, VersionRecord
from uzina.catalogue.rules.vocabularies import Term

PROFILE = "http://data.europa.eu/r5r/"

AUTHORITY = "http://publications.europa.eu/resource/authority/"

IANA = "https://www.iana.org/assignments/media-types/"

MOST_FILES_LISTED = 100
"""Distributions of one dataset: a file each up to here, beyond it one for each format."""


def dataset_iri(slug: str) -> str:
    """Return what names a dataset: the address of its page."""
    return f"{BASE}/datasets/{slug}/"


def dataset_ntriples(record: Record) -> str:
    """Return the dataset, its distributions and its catalogue record as N-Triples under BASE."""
    graph = Graph()
    dataset = graph.type(node(dataset_iri(record.slug)), "dcat:Dataset", "dcat:Resource")
    _describe(graph, dataset, record)
    _people(graph, dataset, record)
    _classify(graph, dataset, record)
    _cover(graph, dataset, record)
    _trace(graph, dataset, record)
    _answer(graph, dataset, record)
    licence = _licence(graph, dataset, record)
    policy = say_policy(graph, dataset, record.policy) if record.policy is not None else None
    graph.say(dataset, "odrl:hasPolicy", policy)
    for one in _distributions(graph, record, licence):
        graph.say(dataset, "dcat:distribution", one)
        graph.say(one, "odrl:hasPolicy", policy)
    _record(graph, dataset, record, listed_at=record.published_at)
    return graph.ntriples()


def listed_ntriples(record: Record) -> str:
    """Return harvested data as N-Triples under BASE: what its portal says, and our record of it.

    The data keeps the name its portal gave it, so that who harvests both sees one dataset; our
    page is told as another identifier. What we name ourselves lies under our page. Files are the
    portal's to tell: our record names the record it was made from.

    Source: Guidelines on the management of identifiers, and the properties of a Catalogue Record,
    https://semiceu.github.io/DCAT-AP/releases/3.0.1/
    """
    origin = record.origin
    graph, page = Graph(), dataset_iri(record.slug)
    named = _as_named(origin.uri) if origin is not None else None
    if origin is None or named is None:
        return ""
    dataset = graph.type(named, "dcat:Dataset", "dcat:Resource")
    _name(graph, dataset, record)
    graph.say(dataset, "dct:identifier", text(origin.uri))
    graph.say(dataset, "adms:identifier", _identifier(graph, page, page))
    graph.say(dataset, "dct:issued", instant(origin.issued_at) if origin.issued_at else None)
    home = link(record.landing_url)
    if home is not None:
        graph.say(dataset, "dcat:landingPage", graph.type(home, "foaf:Document"))
    publisher = record.creators[0] if record.creators else None
    if publisher is not None:
        graph.say(dataset, "dct:publisher", _agent(graph, publisher, node(f"{page}#publisher")))
    _contact(graph, dataset, record, at=publisher.name if publisher else record.contact_email)
    _classify(graph, dataset, record)
    if origin.is_licensed:
        _licence(graph, dataset, record)

    row = _record(graph, dataset, record, listed_at=origin.listed_at)
    theirs = _as_named(origin.record) or node(f"{page}#source")
    graph.type(theirs, "dcat:CatalogRecord")
    graph.say(theirs, "foaf:primaryTopic", dataset)
    graph.say(theirs, "dct:modified", instant(origin.modified_at or record.changed_at))
    graph.say(row, "dct:source", theirs)
    graph.say(row, "prov:wasDerivedFrom", link(origin.portal))
    return graph.ntriples()


def _as_named(uri: str) -> ox.NamedNode | None:
    """Return the node of a name somebody else gave: as it stands, where that can be."""
    if not uri:
        return None
    for written in (
        uri,
        quote(uri, safe="%/:?#[]@!$&'()*+,;=~"),
        quote(uri, safe="%/:?#@!$&'()*+,;=~"),
    ):
        with suppress(ValueError):
            return ox.NamedNode(written)
    return None


def chain_ntriples(record: Record) -> str:
    """Return the versions of a dataset with more than one, as N-Triples under BASE.

    Kept out of the lists of many datasets: harvesters take every dcat:Dataset they meet for a
    dataset of its own.
    """
    if len(record.versions) < 2:
        return ""
    graph = Graph()
    dataset = node(dataset_iri(record.slug))
    older: ox.NamedNode | None = None
    for one in reversed(record.versions):
        version = graph.type(
            node(f"{dataset_iri(record.slug)}#version-{one.number}"),
            "dcat:Dataset",
            "dcat:Resource",
        )
        graph.say(dataset, "dcat:hasVersion", version)
        graph.say(version, "dcat:isVersionOf", dataset)
        graph.say(version, "dcat:previousVersion", older)
        graph.say(version, "dcat:version", text(str(one.number)))
        graph.say(version, "dct:issued", instant(one.created_at))
        graph.say(version, "dct:identifier", text(one.digest))
        for language, title in record.title.items():
            graph.say(version, "dct:title", text(f"{title} ({one.number})", language))
        for language, words in record.description.items():
            graph.say(version, "dct:description", text(words, language))
        if one.note:
            graph.say(version, "adms:versionNotes", text(one.note))
        older = version
    graph.say(dataset, "dcat:hasCurrentVersion", older)
    return graph.ntriples()


def _name(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say what people read: titles, texts, keywords. The shapes want a description: where a portal
    gives none, the title stands for it.
    """
    for language, words in record.title.items():
        graph.say(dataset, "dct:title", text(words, language or None))
    for language, words in (record.description or record.title).items():
        graph.say(dataset, "dct:description", text(words, language or None))
    main = next(iter(record.title), None) or None
    for word in record.keywords:
        graph.say(dataset, "dcat:keyword", text(word, main))


def _identifier(graph: Graph, page: str, written: str) -> ox.NamedNode:
    """Say another identifier of the data on a page; return its node."""
    other = graph.type(node(f"{page}#identifier"), "adms:Identifier")
    graph.say(other, "skos:notation", text(written))
    return other


def _describe(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say what people read and what names it: texts, identifiers, days, version."""
    _name(graph, dataset, record)
    graph.say(dataset, "dct:identifier", text(dataset.value))
    if record.identifier:
        other = _identifier(graph, dataset.value, record.identifier)
        graph.say(dataset, "adms:identifier", other)
    graph.say(dataset, "dct:issued", instant(record.published_at))
    graph.say(dataset, "dct:modified", instant(record.changed_at))
    newest = record.newest
    if newest is not None:
        graph.say(dataset, "dcat:version", text(str(newest.number)))
        if newest.note:
            graph.say(dataset, "adms:versionNotes", text(newest.note))
    page = link(record.landing_url) or dataset
    graph.say(dataset, "dcat:landingPage", graph.type(page, "foaf:Document"))


def _people(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say who holds it, who made it and whom to ask."""
    holder = _agent(graph, record.holder, node(f"{BASE}/catalog#{record.holder.code}"))
    graph.say(dataset, "dct:publisher", holder)
    makers = [
        _agent(graph, one, node(f"{dataset.value}#creator-{at}"))
        for at, one in enumerate(record.creators, start=1)
    ]
    graph.say(dataset, "dct:creator", *(makers or [holder]))
    _contact(graph, dataset, record, at=record.holder.name)


def _contact(graph: Graph, dataset: ox.NamedNode, record: Record, *, at: str) -> None:
    """Say whom to ask: a person or an office, or else where they are."""
    if record.contact_name or record.contact_email:
        named = node(f"{dataset_iri(record.slug)}#contact")
        contact = graph.type(named, "vcard:Kind", "vcard:Organization")
        graph.say(contact, "vcard:fn", text(record.contact_name or at))
        if record.contact_email:
            mail = node(f"mailto:{quote(record.contact_email, safe='@+')}")
            graph.say(contact, "vcard:hasEmail", mail)
        graph.say(dataset, "dcat:contactPoint", contact)


def _agent(graph: Graph, agent: Agent, named: ox.NamedNode) -> ox.NamedNode:
    graph.type(named, "foaf:Agent")
    graph.say(named, "foaf:name", text(agent.name))
    home = link(agent.url)
    if home is not None:
        graph.say(named, "foaf:homepage", graph.type(home, "foaf:Document"))
    return named


def concept(graph: Graph, term: Term, table: str, *types: str) -> ox.NamedNode:
    """Say what a term of an EU table is, which table it is of and what people call it."""
    named = graph.type(node(term.iri), "skos:Concept", *types)
    graph.say(named, "skos:inScheme", node(AUTHORITY + table))
    graph.say(named, "skos:prefLabel", text(term.en, "en"), text(term.ro, "ro"))
    return named


def _classify(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say what it is about, in which languages, how often it changes and who may use it."""
    for one in record.themes:
        graph.say(dataset, "dcat:theme", concept(graph, one, "data-theme"))
    for one in record.languages:
        graph.say(dataset, "dct:language", concept(graph, one, "language", "dct:LinguisticSystem"))
    if record.frequency is not None:
        often = concept(graph, record.frequency, "frequency", "dct:Frequency")
        graph.say(dataset, "dct:accrualPeriodicity", often)
    right = concept(graph, record.access_right, "access-right", "dct:RightsStatement")
    graph.say(dataset, "dct:accessRights", right)


def _cover(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say which places and which days the data speak of."""
    for one in record.places:
        graph.say(dataset, "dct:spatial", concept(graph, one, "country", "dct:Location"))
    if record.begins_on or record.ends_on:
        period = graph.type(node(f"{dataset.value}#period"), "dct:PeriodOfTime")
        graph.say(period, "dcat:startDate", day(record.begins_on) if record.begins_on else None)
        graph.say(period, "dcat:endDate", day(record.ends_on) if record.ends_on else None)
        graph.say(dataset, "dct:temporal", period)


def _trace(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say what the newest version was made from.

    With prov:wasDerivedFrom: dct:source would make each source a dataset to describe here again.
    """
    for reference in record.newest.sources if record.newest else ():
        slug = reference.partition("@")[0]
        graph.say(dataset, "prov:wasDerivedFrom", node(dataset_iri(slug)))


def _answer(graph: Graph, dataset: ox.NamedNode, record: Record) -> None:
    """Say what the steward answered: where the data come from, and what may be done with them."""
    for place, kind, predicate, sections in (
        ("provenance", "dct:ProvenanceStatement", "dct:provenance", {"origin"}),
        ("rights", "dct:RightsStatement", "dct:rights", {"people", "use"}),
    ):
        named = node(f"{dataset.value}#{place}")
        told = [
            text(words, language)
            for language in ("en", "ro")
            if (words := _told(record, sections, language))
        ]
        if told:
            graph.say(graph.type(named, kind), "rdfs:label", *told)
            graph.say(dataset, predicate, named)


def _told(record: Record, sections: set[str], language: str) -> str:
    """Return public answers to the questions of some sections, one a line."""
    return "\n".join(
        f"{question.label(language)} {question.shown(record.answers[key], language)}"
        for key, question in stewardship.questions().items()
        if question.section in sections and key in record.answers
    )


ODRL_CONTEXT = {
    "@vocab": PREFIXES["odrl"],
    **{key: {"@type": "@id"} for key in ("profile", "target", "assigner", "assignee")},
    **{key: {"@type": "@vocab"} for key in ("action", "leftOperand", "operator")},
}
"""As much of the ODRL context as our profile uses: the published one is not fetched."""


def say_policy(graph: Graph, dataset: ox.NamedNode, offer: Mapping[str, Any]) -> ox.NamedNode:
    """Say an ODRL offer about a dataset; return its node.

    Permissions and constraints, which have no names, are named after the dataset in their order.
    """
    document = {key: value for key, value in offer.items() if key != "@context"}
    body = json.dumps({"@context": ODRL_CONTEXT, **document, "target": dataset.value})
    names: dict[str, ox.NamedNode] = {}

    def named(one: Any) -> Any:
        if not isinstance(one, ox.BlankNode):
            return one
        return names.setdefault(one.value, node(f"{dataset.value}#policy-{len(names) + 1}"))

    for quad in ox.parse(body, format=ox.RdfFormat.JSON_LD):
        said = ox.Triple(named(quad.subject), quad.predicate, named(quad.object))
        graph.triples.append(said)
    return graph.type(named(node(offer["@id"])), "odrl:Policy", "odrl:Offer")


def _licence(graph: Graph, dataset: ox.NamedNode, record: Record) -> ox.NamedNode:
    """Say the terms; return their node."""
    terms = record.licence
    named = (
        (node(terms.iri) if terms.iri else None)
        or link(terms.url)
        or node(f"{dataset_iri(record.slug)}#licence")
    )
    graph.type(named, "dct:LicenseDocument")
    graph.say(named, "dct:title", text(terms.title_en, "en"), text(terms.title_ro, "ro"))
    if terms.spdx:
        graph.say(named, "dct:identifier", text(terms.spdx))
    graph.say(dataset, "dct:license", named)
    return named


def _distributions(graph: Graph, record: Record, licence: ox.NamedNode) -> Iterable[ox.NamedNode]:
    newest = record.newest
    if newest is None:
        return []
    if len(newest.files) <= MOST_FILES_LISTED:
        found = [_file(graph, record, newest, one) for one in newest.files]
    else:
        kinds: dict[str, list[FileRecord]] = {}
        for one in newest.files:
            kinds.setdefault(one.media_type, []).append(one)
        found = [_format(graph, record, files) for _kind, files in sorted(kinds.items())]
    for named in found:
        graph.say(named, "dct:license", licence)
        graph.say(named, "dct:issued", instant(newest.created_at))
    return found


def download_url(slug: str, version: int, path: str) -> str:
    """Return the public address of a file, under BASE."""
    return f"{BASE}/datasets/{slug}/{version}/files/{quote(path, safe='/')}"


def _file(graph: Graph, record: Record, version: VersionRecord, file: FileRecord) -> ox.NamedNode:
    address = download_url(record.slug, version.number, file.path)
    named = _distribution(graph, record, file, node(f"{address}#distribution"))
    graph.say(named, "dct:title", text(file.path))
    graph.say(named, "dcat:byteSize", number(file.bytes))
    if record.is_open:
        graph.say(named, "dcat:downloadURL", node(address))
    checksum = graph.type(node(f"{address}#checksum"), "spdx:Checksum")
    sha256 = graph.type(
        node(vocabularies.terms("checksum")["sha256"].iri), "spdx:ChecksumAlgorithm"
    )
    graph.say(checksum, "spdx:algorithm", sha256)
    graph.say(
        checksum, "spdx:checksumValue", ox.Literal(file.sha256, datatype=name("xsd:hexBinary"))
    )
    graph.say(named, "spdx:checksum", checksum)
    return named


def _format(graph: Graph, record: Record, files: list[FileRecord]) -> ox.NamedNode:
    first = files[0]
    kind = quote(first.media_type.replace("/", "-"), safe="")
    named = _distribution(graph, record, first, node(f"{dataset_iri(record.slug)}#format-{kind}"))
    graph.say(named, "dct:title", text(f"{first.media_type} ({len(files)})"))
    graph.say(named, "dcat:byteSize", number(sum(one.bytes for one in files)))
    return named


def _distribution(
    graph: Graph, record: Record, file: FileRecord, named: ox.NamedNode
) -> ox.NamedNode:
    """Say what a file and many files of one format have in common."""
    graph.type(named, "dcat:Distribution")
    graph.say(named, "dcat:accessURL", node(dataset_iri(record.slug)))
    if iana := _media_type(file.media_type):
        graph.say(named, "dcat:mediaType", graph.type(node(iana), "dct:MediaType"))
    if file.file_type is not None:
        kind = concept(graph, file.file_type, "file-type", "dct:MediaTypeOrExtent")
        graph.say(named, "dct:format", kind)
    return named


def _media_type(written: str) -> str:
    """Return the address of a media type in IANA's list, "" where it is known not to be there."""
    known = vocabularies.terms("media-type").get(written)
    if known is not None:
        return known.iri
    return "" if "/x-" in written else IANA + written


def _record(
    graph: Graph, dataset: ox.NamedNode, record: Record, *, listed_at: datetime
) -> ox.NamedNode:
    """Say when this description was listed and changed, apart from the data; return its node."""
    row = graph.type(node(f"{dataset_iri(record.slug)}#record"), "dcat:CatalogRecord")
    graph.say(row, "foaf:primaryTopic", dataset)
    graph.say(row, "dct:issued", instant(listed_at))
    graph.say(row, "dct:modified", instant(record.changed_at))
    graph.say(row, "dct:conformsTo", graph.type(node(PROFILE), "dct:Standard"))
    return row
