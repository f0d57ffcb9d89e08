"""The doors for harvesters: pages, documents, tombstones, OAI-PMH."""

import json
import xml.etree.ElementTree as ET
from datetime import timedelta

import mlcroissant
import pytest
from django.utils.http import http_date

from uzina.catalogue import actions, queries
from uzina.catalogue.models import Dataset, Fragment, Layout
from uzina.catalogue.rules import feeds, oai, rdf
from uzina.core.tests import NOW

SECOND = timedelta(seconds=1)
DCAT = "http://www.w3.org/ns/dcat#"
HYDRA = "http://www.w3.org/ns/hydra/core#"
OAI = "{http://www.openarchives.org/OAI/2.0/}"
SITE = "http://127.0.0.1:8000"


@pytest.fixture
def publish(register, send, ana):
    """Register, fill and publish a dataset."""

    def publish(slug, *, body=b"a,b\n1,x\n", now=NOW, by=ana, **facts):
        made = register(slug)
        files = [send(ana, "a.csv", body)]
        actions.add_version(made, files=files, note="", by=ana, now=NOW)
        Dataset.objects.filter(pk=made.pk).update(**facts)
        return actions.publish(Dataset.objects.get(pk=made.pk), by=None, now=now)

    return publish


def triples(response, ending="ttl"):
    return {
        (str(one.subject.value), one.predicate.value, str(one.object.value))
        for one in rdf.read(response.content, ending)
    }


def datasets_of(response, ending="ttl"):
    return sorted(
        thing.split("/")[-2]
        for _s, verb, thing in triples(response, ending)
        if verb == f"{DCAT}dataset"
    )


def hydra(response, word):
    found = [thing for _s, verb, thing in triples(response) if verb == f"{HYDRA}{word}"]
    return found[0].removeprefix(SITE) if found else None


def test_a_draft_is_nobodys_to_harvest_and_published_data_everybodys(client, register, publish):
    register("draft")
    publish("open")
    assert datasets_of(client.get("/catalog.ttl")) == ["open"]
    assert client.get("/datasets/draft.ttl").status_code == 404
    assert client.get("/datasets/draft/croissant.json").status_code == 404
    assert client.get("/datasets/open.ttl").status_code == 200


@pytest.mark.parametrize("ending", rdf.SYNTAXES)
def test_pages_and_documents_come_in_each_syntax(client, publish, ending):
    publish("open")
    page, document = client.get(f"/catalog.{ending}"), client.get(f"/datasets/open.{ending}")
    assert page["Content-Type"].startswith(rdf.SYNTAXES[ending][1])
    assert datasets_of(page, ending) == ["open"]
    named = f"{SITE}/datasets/open/"
    assert (named, f"{DCAT}version", "1") in triples(document, ending)


def test_whoever_follows_next_sees_each_dataset_once_while_others_come_and_go(
    client, publish, monkeypatch
):
    monkeypatch.setattr(queries.feeds, "PAGE", 2)
    for at in range(5):
        publish(f"d{at}", body=f"a\n{at}\n".encode())
    first = client.get("/catalog.ttl")
    actions.withdraw(Dataset.objects.get(slug="d0"), reason="Wrong.", by=None, now=NOW)
    publish("late", body=b"late")
    seen, address, pages = datasets_of(first), hydra(first, "next"), 1
    while address:
        page = client.get(address)
        seen += datasets_of(page)
        address, pages = hydra(page, "next"), pages + 1
    assert seen == ["d0", "d1", "d2", "d3", "d4", "late"]
    assert pages == 3


def test_pages_by_number_keep_their_members_when_data_is_withdrawn(client, publish, monkeypatch):
    monkeypatch.setattr(queries.feeds, "PAGE", 2)
    for at in range(4):
        publish(f"d{at}", body=f"a\n{at}\n".encode())
    actions.withdraw(Dataset.objects.get(slug="d0"), reason="Wrong.", by=None, now=NOW)
    assert datasets_of(client.get("/catalog.ttl?page=1")) == ["d1"]
    second = client.get("/catalog.ttl?page=2")
    assert datasets_of(second) == ["d2", "d3"]
    assert hydra(second, "totalItems") == "3"
    assert hydra(second, "previous") == "/catalog.ttl?page=1"
    assert hydra(second, "last") == "/catalog.ttl?page=2"
    assert hydra(second, "next") is None
    assert datasets_of(client.get("/catalog.ttl?page=3")) == []


def test_harvesters_learn_of_what_changed_since_and_of_what_went(client, publish):
    publish("old", now=NOW - SECOND)
    publish("fresh", now=NOW, body=b"fresh")
    publish("gone", now=NOW - SECOND, body=b"gone")
    since = client.get("/catalog.ttl?modified_since=2020-01-01")
    assert datasets_of(since) == ["fresh", "gone", "old"]
    stamp = NOW.isoformat().replace("+00:00", "Z")
    Fragment.objects.filter(dataset__slug__in=["old", "gone"]).update(changed_at=NOW - SECOND)
    assert datasets_of(client.get(f"/catalog.ttl?modified_since={stamp}")) == ["fresh"]

    actions.withdraw(Dataset.objects.get(slug="gone"), reason="Wrong.", by=None, now=NOW)
    page = client.get(f"/catalog.ttl?modified_since={stamp}")
    tombstone = "https://www.w3.org/ns/activitystreams#"
    told = triples(page)
    assert datasets_of(page) == ["fresh"]
    assert (f"{SITE}/datasets/gone/", f"{tombstone}deleted", stamp) in told
    assert "gone" not in client.get("/catalog.ttl").content.decode()
    document = client.get("/datasets/gone.ttl")
    assert document.status_code == 410
    assert b"Tombstone" in document.content
    assert client.get("/datasets/gone/croissant.json").status_code == 410


@pytest.mark.parametrize(
    ("asked", "word"),
    [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=x", "page"),
        ("page=٣", "page"),
        ("page=99999999999999999999", "page"),
        ("after=x", "address"),
        ("modified_since=yesterday", "2026-11-22"),
        ("modified_since=2026-13-01", "2026-11-22"),
        ("modifed_since=2026-01-01", "parameters"),
    ],
)
def test_wrong_parameters_are_told_in_a_sentence(client, asked, word):
    answer = client.get(f"/catalog.ttl?{asked}")
    assert answer.status_code == 400
    assert answer["Content-Type"].startswith("text/plain")
    assert word in answer.content.decode()


@pytest.mark.parametrize(
    "address", ["/catalog.ttl", "/datasets/open.ttl", "/datasets/open/croissant.json"]
)
def test_who_has_this_state_is_not_sent_it_again(client, publish, address):
    made = publish("open")
    first = client.get(address)
    tag = first["ETag"]
    again = client.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200

    actions.add_version(
        made,
        files=[row | {"path": "b.csv"} for row in made.versions.get().manifest],
        note="",
        by=None,
        now=NOW + SECOND,
    )
    fresh = client.get(address, headers={"If-None-Match": tag})
    assert fresh.status_code == 200
    assert fresh["ETag"] != tag


def test_a_dataset_that_did_not_change_since_is_not_sent(client, publish):
    publish("open")
    for at, status in ((NOW - SECOND, 200), (NOW, 304)):
        answer = client.get(
            "/datasets/open.ttl", headers={"If-Modified-Since": http_date(at.timestamp())}
        )
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/turtle", "text/turtle"),
        ("application/ld+json;q=0.9, text/html;q=0.1", "application/ld+json"),
        ("application/rdf+xml", "application/rdf+xml"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
    ],
)
def test_the_page_of_a_dataset_is_what_who_asks_prefers(client, publish, accept, kind):
    publish("open")
    answer = client.get("/datasets/open/", headers={"Accept": accept})
    assert answer["Content-Type"].startswith(kind)
    assert "Accept" in answer["Vary"]


def test_the_whole_catalogue_is_checked_against_the_shapes(publish):
    made = publish("open")
    assert queries.check_fragments() == []
    assert {one.field for one in queries.shape_advice(made)} >= {"places"}
    kept = Fragment.objects.get()
    lines = kept.ntriples.splitlines(keepends=True)
    kept.ntriples = "".join(one for one in lines if "dcat#accessURL>" not in one)
    kept.save()
    assert "open: " in queries.check_fragments()[0]
    assert "accessURL" in queries.check_fragments()[0]


def test_nothing_moves_in_the_feed_when_nothing_changed(publish):
    made = publish("open")
    before = Fragment.objects.get()
    actions.refresh(made, now=NOW + SECOND)
    assert Fragment.objects.get().changed_at == before.changed_at


def test_a_holder_who_is_renamed_is_told_by_the_next_day(publish, project):
    made = publish("open")
    type(project.organisation).objects.filter(pk=made.holder_id).update(name="Nou SRL")
    later = NOW + timedelta(days=1)
    actions.refresh_all(now=later)
    actions.refresh_all(now=later + SECOND)
    kept = Fragment.objects.get()
    assert '"Nou SRL"' in kept.ntriples
    assert kept.changed_at == later


def test_the_whole_catalogue_comes_in_one_stream(client, publish, monkeypatch):
    monkeypatch.setattr(queries.feeds, "BATCH", 2)
    for at in range(5):
        publish(f"d{at}", body=f"a\n{at}\n".encode())
    answer = client.get("/catalog/full.nt")
    body = b"".join(answer.streaming_content).decode()
    assert answer.streaming
    assert body.count(f"<{DCAT}dataset>") == 5
    assert body.count("ns#type> <http://www.w3.org/ns/dcat#Dataset>") == 5
    assert rdf.BASE not in body


@pytest.mark.parametrize("count", [1, 3])
def test_a_page_costs_three_statements(publish, django_assert_num_queries, count):
    for at in range(count):
        publish(f"d{at}", body=f"a\n{at}\n".encode())
    with django_assert_num_queries(3):
        page = queries.catalog_page(feeds.Wish())
        queries.catalog_ntriples(page, name="F", ending="ttl", base=SITE)


def test_search_engines_find_all_published_data(client, publish):
    publish("open")
    publish("gone", body=b"gone")
    actions.withdraw(Dataset.objects.get(slug="gone"), reason="Wrong.", by=None, now=NOW)
    body = client.get("/sitemap.xml").content.decode()
    assert f"<loc>{SITE}/datasets/open/</loc>" in body
    assert "gone" not in body
    assert client.get("/sitemap.xml?part=2").status_code == 400


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")
def test_croissant_knows_the_columns_once_the_worker_has_read_them(client, publish):
    publish("open", body=b"ora\xc8\x99,locuitori\nIa\xc8\x99i,271692\n")
    assert "recordSet" not in client.get("/datasets/open/croissant.json").json()
    actions.read_layouts("open", 1, now=NOW)
    actions.read_layouts("open", 1, now=NOW)
    told = client.get("/datasets/open/croissant.json").json()
    fields = told["recordSet"][0]["field"]
    assert [(one["name"], one["dataType"]) for one in fields] == [
        ("oraș", "sc:Text"),
        ("locuitori", "sc:Integer"),
    ]
    assert Layout.objects.count() == 1
    assert mlcroissant.Dataset(json.loads(json.dumps(told))).metadata.name["ro"]


def test_the_page_carries_what_search_engines_read(client, publish):
    publish("open", description="</script><script>alert(1)</script>")
    page = client.get("/datasets/open/").content.decode()
    start = page.index('type="application/ld+json">') + len('type="application/ld+json">')
    inside = page[start : page.index("</script>", start)]
    told = json.loads(inside)
    assert told["name"]["ro"] == "Știri românești"
    assert told["description"]["ro"] == "</script><script>alert(1)</script>"
    assert "<script>alert" not in page
    assert 'rel="alternate" type="text/turtle"' in page


def test_a_long_list_of_files_is_left_out_of_the_page(publish, monkeypatch):
    publish("open")
    assert "distribution" in json.loads(queries.embedded("open", base=SITE))
    monkeypatch.setattr(queries.feeds, "EMBEDDED", 100)
    told = json.loads(queries.embedded("open", base=SITE))
    assert "distribution" not in told
    assert told["url"] == f"{SITE}/datasets/open/"


def test_columns_of_restricted_data_are_not_told(client, publish):
    made = publish("closed")
    Dataset.objects.filter(pk=made.pk).update(access_right="restricted")
    actions.refresh(Dataset.objects.get(pk=made.pk), now=NOW)
    actions.read_layouts("closed", 1, now=NOW)
    told = client.get("/datasets/closed/croissant.json").json()
    assert "recordSet" not in told
    assert told["distribution"][0]["contentUrl"] == f"{SITE}/datasets/closed/"


def asked(client, **given):
    answer = client.get("/oai", given)
    assert answer.status_code == 200
    return ET.fromstring(answer.content)


def harvest(client, verb, **given):
    """Return every header a harvester sees, following resumption tokens."""
    found, facts = [], given
    for _part in range(20):
        root = asked(client, verb=verb, **facts)
        found += root.iter(f"{OAI}header")
        token = root.find(f".//{OAI}resumptionToken")
        if token is None or not token.text:
            return found
        facts = {"resumptionToken": token.text}
    raise AssertionError("the list does not end")


def names(headers):
    return [one.find(f"{OAI}identifier").text for one in headers]


@pytest.mark.parametrize("verb", ["ListIdentifiers", "ListRecords"])
def test_a_harvester_sees_each_record_once_and_what_was_deleted(client, publish, monkeypatch, verb):
    monkeypatch.setattr(queries.oai, "PAGE", 2)
    for at in range(5):
        publish(f"d{at}", body=f"a\n{at}\n".encode())
    actions.withdraw(Dataset.objects.get(slug="d3"), reason="Wrong.", by=None, now=NOW)
    headers = harvest(client, verb, metadataPrefix="oai_dc")
    assert names(headers) == [f"oai:127.0.0.1:d{at}" for at in range(5)]
    assert [one.get("status") for one in headers] == [None, None, None, "deleted", None]


@pytest.mark.parametrize("prefix", oai.FORMATS)
def test_a_record_is_told_in_each_format(client, publish, prefix):
    publish("open", title="Țări & <oameni>")
    root = asked(client, verb="GetRecord", identifier="oai:127.0.0.1:open", metadataPrefix=prefix)
    told = "".join(root.find(f".//{OAI}metadata").itertext())
    assert "Țări & <oameni>" in told
    assert f"{SITE}/datasets/open/" in told


def test_records_are_taken_by_set_and_by_time(client, publish):
    publish("a", themes=["EDUC"], now=NOW)
    publish("b", themes=["HEAL", "EDUC"], now=NOW + SECOND, body=b"b")
    stamp = "%Y-%m-%dT%H:%M:%SZ"

    def slugs(**given):
        found = names(harvest(client, "ListIdentifiers", metadataPrefix="oai_dc", **given))
        return [one.rpartition(":")[2] for one in found]

    assert slugs(set="theme:EDUC") == ["a", "b"]
    assert slugs(set="theme:HEAL") == ["b"]
    assert slugs(until=NOW.strftime(stamp)) == ["a"]
    assert slugs(**{"from": (NOW + SECOND).strftime(stamp)}) == ["b"]
    assert slugs(**{"from": NOW.strftime("%Y-%m-%d"), "until": NOW.strftime("%Y-%m-%d")}) == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "badVerb"),
        ({"verb": "Give"}, "badVerb"),
        ({"verb": ["Identify", "Identify"]}, "badVerb"),
        ({"verb": "Identify", "set": "x"}, "badArgument"),
        ({"verb": "ListRecords"}, "badArgument"),
        ({"verb": "GetRecord", "metadataPrefix": "oai_dc"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": ["oai_dc", "oai_dc"]}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "oai_dc", "from": "x"}, "badArgument"),
        (
            {
                "verb": "ListRecords",
                "metadataPrefix": "oai_dc",
                "from": "2026-01-02",
                "until": "2026-01-01",
            },
            "badArgument",
        ),
        (
            {
                "verb": "ListRecords",
                "metadataPrefix": "oai_dc",
                "from": "2026-01-02",
                "until": "2026-01-03T00:00:00Z",
            },
            "badArgument",
        ),
        ({"verb": "ListRecords", "metadataPrefix": "marc"}, "cannotDisseminateFormat"),
        ({"verb": "ListRecords", "resumptionToken": "made-up"}, "badResumptionToken"),
        (
            {"verb": "ListRecords", "resumptionToken": "x", "metadataPrefix": "oai_dc"},
            "badArgument",
        ),
        ({"verb": "ListSets", "resumptionToken": "x"}, "badResumptionToken"),
        (
            {"verb": "GetRecord", "metadataPrefix": "oai_dc", "identifier": "oai:x:y"},
            "idDoesNotExist",
        ),
        (
            {"verb": "ListMetadataFormats", "identifier": "oai:127.0.0.1:nothing"},
            "idDoesNotExist",
        ),
        (
            {"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": "theme:HEAL"},
            "noRecordsMatch",
        ),
        ({"verb": "ListRecords", "metadataPrefix": "oai_dc", "set": "odd"}, "noRecordsMatch"),
    ],
)
def test_mistakes_of_a_harvester_are_told_in_its_protocol(client, publish, given, code):
    publish("open")
    assert [one.get("code") for one in asked(client, **given).iter(f"{OAI}error")] == [code]


def test_a_resumption_token_is_signed_and_for_its_own_verb(client, publish, monkeypatch):
    monkeypatch.setattr(queries.oai, "PAGE", 1)
    publish("a")
    publish("b", body=b"b")
    root = asked(client, verb="ListIdentifiers", metadataPrefix="oai_dc")
    token = root.find(f".//{OAI}resumptionToken").text
    for verb, sent in (("ListRecords", token), ("ListIdentifiers", token[:-1] + "-")):
        errors = asked(client, verb=verb, resumptionToken=sent).iter(f"{OAI}error")
        assert [one.get("code") for one in errors] == ["badResumptionToken"]


def test_the_repository_says_who_it_is(client, publish):
    publish("open")
    root = asked(client, verb="Identify")
    facts = {one.tag.removeprefix(OAI): one.text for one in root.find(f"{OAI}Identify")}
    assert facts["baseURL"] == f"{SITE}/oai"
    assert facts["deletedRecord"] == "persistent"
    assert facts["earliestDatestamp"] == NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    sent = client.post("/oai", {"verb": "ListSets"})
    assert b"theme:EDUC" in sent.content
    formats = asked(client, verb="ListMetadataFormats", identifier="oai:127.0.0.1:open")
    assert len(list(formats.iter(f"{OAI}metadataPrefix"))) == 2
