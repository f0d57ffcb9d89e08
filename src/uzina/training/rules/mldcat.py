"""The record of a model version in MLDCAT-AP 3.1.0: what catalogues of models harvest. Pure.

Source: MLDCAT-AP 3.1.0, https://semiceu.github.io/MLDCAT-AP/releases/3.1.0/
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

import pyoxigraph as ox

from uzina.catalogue.rules import terms
from uzina.catalogue.rules.dcat import concept
from uzina.catalogue.rules.rdf import BASE, Graph, instant, name, node, number, text
from uzina.training.rules.record import Record, prepared, sources, training_run


def model_ntriples(record: Record) -> str:
    """Return the model version, its files and the data it was trained on, under BASE."""
    facts = record["model"]
    graph = Graph()
    address = f"{BASE}/models/{facts['slug']}/{facts['number']}/"
    model = graph.type(node(address), "it6:MachineLearningModel", "dcat:Resource")
    graph.say(model, "dct:identifier", text(facts["reference"]))
    graph.say(model, "dct:title", text(facts["title"]))
    graph.say(model, "dcat:version", text(str(facts["number"])))
    graph.say(model, "dct:created", _at(facts["created_at"]))
    if facts["released_at"]:
        graph.say(model, "it6:releaseDate", _at(facts["released_at"]))
    known = terms("language")
    for code in facts["languages"]:
        if code in known:
            spoken = concept(graph, known[code], "language", "dct:LinguisticSystem")
            graph.say(model, "dct:language", spoken)
    provider = graph.type(node(f"{BASE}/catalog#{facts['provider']['code']}"), "foaf:Agent")
    graph.say(provider, "foaf:name", text(facts["provider"]["name"]))
    graph.say(model, "it6:hasProvider", provider)
    graph.say(model, "dct:creator", provider)
    parameters = record["facts"].get("parameters")
    if isinstance(parameters, int) and not isinstance(parameters, bool) and parameters >= 0:
        graph.say(model, "it6:totalNumberOfParameters", number(parameters))
    recipe = training_run(record).get("recipe")
    if recipe:
        graph.say(model, "it6:trainingProcess", text(f"{recipe['slug']} {recipe['version']}"))
    if record["base_model"] is not None:
        graph.say(model, "prov:wasDerivedFrom", _model(record["base_model"]["reference"]))
    for file in facts["files"]:
        graph.say(model, "it6:hasFile", _file(graph, address, file))
    for one in [*sources(record), *prepared(record)]:
        graph.say(model, "it6:trainedOn", _data(graph, one))
    return graph.ntriples()


def _at(written: str) -> ox.Literal:
    return instant(datetime.fromisoformat(written))


def _model(reference: str) -> ox.NamedNode:
    slug, _mark, version = reference.partition("@")
    return node(f"{BASE}/models/{slug}/{version}/")


def _file(graph: Graph, address: str, file: Mapping[str, Any]) -> ox.NamedNode:
    download = node(f"{address}files/{quote(file['path'], safe='/')}")
    graph.type(download, "dcat:Resource")
    named = graph.type(node(f"{download.value}#file"), "it6:File")
    graph.say(named, "dct:identifier", text(file["path"]))
    graph.say(named, "dct:title", text(file["path"]))
    graph.say(named, "it6:url", download)
    graph.say(named, "dcat:byteSize", number(file["bytes"]))
    graph.say(named, "dct:format", concept(graph, terms("file-type")["OCTET"], "file-type"))
    checksum = graph.type(node(f"{download.value}#checksum"), "spdx:Checksum")
    sha256 = graph.type(node(terms("checksum")["sha256"].iri), "spdx:ChecksumAlgorithm")
    graph.say(checksum, "spdx:algorithm", sha256)
    value = ox.Literal(file["sha256"], datatype=name("xsd:hexBinary"))
    graph.say(checksum, "spdx:checksumValue", value)
    graph.say(named, "spdx:checksum", checksum)
    return named


def _data(graph: Graph, data: Record) -> ox.NamedNode:
    """Say which data it was trained on. Its day of collection is the day it came here: the
    profile asks for one, and that is the one we know.
    """
    slug, _mark, version = data["reference"].partition("@")
    named = graph.type(
        node(f"{BASE}/datasets/{slug}/#version-{version}"), "dcat:Dataset", "dcat:Resource"
    )
    graph.say(named, "dct:title", text(data["title"]))
    graph.say(named, "dct:description", text(data["description"] or data["title"]))
    graph.say(named, "dct:identifier", text(data["digest"]))
    graph.say(named, "dcat:version", text(version))
    graph.say(named, "it6:collectionDate", _at(data["created_at"]))
    return named
