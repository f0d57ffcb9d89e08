"""What we tell of harvested data: our record of it, under the name its portal gave it."""

from datetime import timedelta

import pytest

from uzina.catalogue import actions, queries
from uzina.catalogue.models import Dataset, Fragment
from uzina.catalogue.queries import dataspace
from uzina.catalogue.rules import rdf, shapes
from uzina.catalogue.tests.portal import TURTLE, again, ckan, package, run, turtle
from uzina.catalogue.tests.varied import judged, violations
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=1)
SITE = "http://127.0.0.1:8000"
DCT, FOAF = rdf.PREFIXES["dct"], rdf.PREFIXES["foaf"]
ENTRY = rdf.PREFIXES["dcat"] + "CatalogRecord"
BARE = {
    "notes": "",
    "license_id": "",
    "license_title": "",
    "license_url": "",
    "metadata_created": "",
    "metadata_modified": "",
    "organization": None,
    "maintainer": "",
    "tags": [],
    "groups": [],
    "extras": [],
    "resources": [],
}
"""All that a package of CKAN may leave empty."""


def told(client, dataset, ending="ttl"):
    """Return the triples of a dataset's own document."""
    answer = client.get(f"/datasets/{dataset.slug}.{ending}")
    assert answer.status_code == 200
    return {
        (str(one.subject.value), one.predicate.value, str(one.object.value))
        for one in rdf.read(answer.content, ending)
    }


def said(triples, subject, verb):
    return sorted(thing for one, said, thing in triples if (one, said) == (subject, verb))


def as_judged(dataset):
    return violations(judged(rdf.placed(queries.fragment(dataset.slug).ntriples, SITE)))


def test_a_listed_dataset_keeps_its_name_and_has_a_record_of_ours(client, portal, add):
    ckan(portal, [package(1)])
    source = add()
    run(source)
    dataset = Dataset.objects.get()
    page, uri = f"{SITE}/datasets/{dataset.slug}/", dataset.source_uri
    triples = told(client, dataset)
    assert said(triples, page + "#record", rdf.PREFIXES["rdf"] + "type") == [ENTRY]
    assert said(triples, page + "#record", FOAF + "primaryTopic") == [uri]
    assert said(triples, page + "#record", DCT + "issued") == [rdf.iso(NOW)]
    assert said(triples, page + "#record", DCT + "modified") == [rdf.iso(NOW)]
    assert said(triples, page + "#record", rdf.PREFIXES["prov"] + "wasDerivedFrom") == [portal.url]
    assert said(triples, page + "#record", DCT + "source") == [page + "#source"]
    assert said(triples, page + "#source", DCT + "modified") == ["2025-01-02T03:04:05Z"]
    assert said(triples, uri, DCT + "identifier") == [uri]
    assert said(triples, page + "#identifier", rdf.PREFIXES["skos"] + "notation") == [page]
    assert said(triples, uri, DCT + "issued") == ["2024-05-06T07:08:09Z"]
    assert said(triples, page + "#publisher", FOAF + "name") == ["Primăria Iași"]
    assert not [one for one, _verb, _thing in triples if one == page]
    assert as_judged(dataset) == []


def test_our_record_says_when_we_listed_it_first_and_when_it_changed_last(client, portal, add):
    ckan(portal, [package(1), package(2)])
    source = add()
    run(source)
    ckan(portal, [package(1, title="Alt titlu"), package(2, metadata_modified="2026-01-01")])
    assert again(source, now=LATER).changed == 1, "a new date alone changes nothing"
    dates = {}
    for dataset in Dataset.objects.all():
        row = f"{SITE}/datasets/{dataset.slug}/#record"
        triples = told(client, dataset)
        dates[dataset.title] = [
            said(triples, row, DCT + verb)[0] for verb in ("issued", "modified")
        ]
    assert dates["Alt titlu"] == [rdf.iso(NOW), rdf.iso(LATER)]
    assert dates["Stații de transport public 2"] == [rdf.iso(NOW), rdf.iso(NOW)]


def test_a_record_that_the_portal_names_is_the_source_of_ours(client, portal, add):
    turtle(portal, "/catalog", [("https://d.example/ă/1", "Unu")])
    status, headers, body = portal.answers["/catalog"]
    body += (
        b"<https://d.example/r/1> a dcat:CatalogRecord ;"
        b" <http://xmlns.com/foaf/0.1/primaryTopic> <https://d.example/\xc4\x83/1> ;"
        b' dct:modified "2026-01-02T03:04:05Z" .'
    )
    portal.answers["/catalog"] = (status, headers, body)
    run(add("dcat", f"{portal.url}/catalog"))
    dataset = Dataset.objects.get()
    triples = told(client, dataset)
    row = f"{SITE}/datasets/{dataset.slug}/#record"
    assert said(triples, row, FOAF + "primaryTopic") == ["https://d.example/ă/1"]
    assert said(triples, row, DCT + "source") == ["https://d.example/r/1"]
    assert said(triples, "https://d.example/r/1", DCT + "modified") == ["2026-01-02T03:04:05Z"]
    assert as_judged(dataset) == []


@pytest.mark.parametrize("left_out", [*BARE, "everything"])
def test_what_a_portal_leaves_out_breaks_no_shape(portal, add, left_out):
    given = BARE if left_out == "everything" else {left_out: BARE[left_out]}
    ckan(portal, [package(1, **given)])
    run(add())
    kept = queries.fragment(Dataset.objects.get().slug)
    assert [one for one in shapes.findings(kept.ntriples) if one.is_mistake] == []


@pytest.mark.parametrize("ending", rdf.SYNTAXES)
def test_a_listed_dataset_is_told_in_each_syntax(client, portal, add, ending):
    ckan(portal, [package(1)])
    run(add())
    dataset = Dataset.objects.get()
    assert told(client, dataset, ending) == told(client, dataset)
    page = client.get(f"/datasets/{dataset.slug}/", headers={"Accept": rdf.SYNTAXES[ending][1]})
    assert page["Content-Type"].startswith(rdf.SYNTAXES[ending][1])
    again = client.get(
        f"/datasets/{dataset.slug}.{ending}", headers={"If-None-Match": page["ETag"]}
    )
    assert again.status_code == 304
    assert f"/datasets/{dataset.slug}.ttl" in client.get(f"/datasets/{dataset.slug}/").text


def test_what_is_gone_there_leaves_a_tombstone_here(client, portal, add):
    ckan(portal, [package(1), package(2)])
    source = add()
    run(source)
    ckan(portal, [package(1)])
    again(source, now=LATER)
    gone = Dataset.objects.get(state="withdrawn")
    answer = client.get(f"/datasets/{gone.slug}.ttl")
    assert answer.status_code == 410
    assert rdf.iso(LATER) in answer.content.decode()
    assert "Stații" not in answer.content.decode()


def test_harvested_data_are_in_none_of_our_lists_not_even_the_next_day(client, portal, add):
    ckan(portal, [package(1)])
    run(add())
    actions.refresh_all(now=LATER)
    actions.refresh(Dataset.objects.get(), now=LATER)
    assert Fragment.objects.count() == 0
    slug, uri = Dataset.objects.values_list("slug", "source_uri").get()
    stream = client.get("/catalog/full.nt")
    lists = [b"".join(stream.streaming_content).decode()]
    for address in (
        "/catalog.ttl",
        "/catalog.rdf",
        "/catalog.jsonld",
        "/catalog.ttl?modified_since=2020-01-01",
        "/sitemap.xml",
        "/oai?verb=ListRecords&metadataPrefix=oai_dc",
        "/oai?verb=ListIdentifiers&metadataPrefix=datacite",
    ):
        answer = client.get(address)
        assert answer.status_code == 200
        lists.append(answer.content.decode())
    record = client.get(
        f"/oai?verb=GetRecord&metadataPrefix=oai_dc&identifier=oai:127.0.0.1:{slug}"
    )
    assert b"idDoesNotExist" in record.content
    assert not [one for one in lists if slug in one or uri in one]
    assert not dataspace.offered_datasets().exists()
    assert client.get(f"/datasets/{slug}/croissant.json").status_code == 404


def test_a_portal_that_harvests_a_listed_dataset_keeps_the_first_name(client, portal, add):
    """Handed on by hand, a document of ours leads back to where the data comes from."""
    ckan(portal, [package(1)])
    run(add())
    first = Dataset.objects.get()
    body = client.get(f"/datasets/{first.slug}.ttl").content
    portal.answers["/theirs"] = (200, TURTLE, body)
    run(add("dcat", f"{portal.url}/theirs"))
    second = Dataset.objects.exclude(pk=first.pk).get()
    assert second.source_uri == first.source_uri
    assert second.origin["record"] == f"{SITE}/datasets/{first.slug}/#record"
