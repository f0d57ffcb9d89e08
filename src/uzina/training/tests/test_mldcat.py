"""A model version in MLDCAT-AP, judged by the official shapes."""

import pyshacl
import pytest
import rdflib

from uzina.catalogue.rules import rdf, shapes
from uzina.training.queries import records
from uzina.training.rules import mldcat

SH = rdflib.Namespace("http://www.w3.org/ns/shacl#")


def violations(ntriples):
    data = rdflib.Graph().parse(data=ntriples, format="nt")
    rules = rdflib.Graph().parse(data=shapes.shapes("mldcat-ap"), format="nt")
    _conforms, report, _text = pyshacl.validate(data, shacl_graph=rules, inplace=True)
    return sorted(
        str(report.value(one, SH.resultPath))
        for one in report.objects(None, SH.result)
        if report.value(one, SH.resultSeverity) == SH.Violation
    )


def test_a_trained_model_conforms_to_the_official_shapes(model_version):
    told = mldcat.model_ntriples(records.record(model_version))
    assert violations(told) == []
    left = "".join(one for one in told.splitlines(keepends=True) if "it6/trainedOn>" not in one)
    assert violations(left) == ["http://data.europa.eu/it6/trainedOn"]
    assert {one.path for one in shapes.findings(left, profile="mldcat-ap") if one.is_mistake} == {
        "http://data.europa.eu/it6/trainedOn"
    }


@pytest.mark.parametrize("ending", rdf.SYNTAXES)
def test_members_get_it_in_each_syntax_and_strangers_do_not(client, ana, model_version, ending):
    address = f"/models/{model_version.model.slug}/{model_version.number}.{ending}"
    assert client.get(address).status_code == 404
    client.force_login(ana)
    answer = client.get(address)
    assert answer["Content-Type"].startswith(rdf.SYNTAXES[ending][1])
    named = {one.subject.value for one in rdf.read(answer.content, ending)}
    assert f"http://127.0.0.1:8000{address.removesuffix('.' + ending)}/" in named
    again = client.get(address, headers={"If-None-Match": answer["ETag"]})
    assert again.status_code == 304
