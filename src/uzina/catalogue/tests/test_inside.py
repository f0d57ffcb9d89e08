"""What a steward keeps inside, or is no longer asked, comes out of no public door."""

import json
from datetime import timedelta

import pytest
from django.test import Client

from uzina.catalogue import actions, queries
from uzina.catalogue.models import Dataset, Fragment, SearchEntry
from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.odrl import Terms
from uzina.core.tests import NOW

INSIDE, STALE, OPEN = "evaluarea-din-sertar", "metoda-uitata", "culese-din-presa"
"""Words of an answer kept inside, of one to a question that is asked no more, of a public one."""

PUBLIC = [
    *(f"/catalog.{ending}" for ending in ("ttl", "jsonld", "rdf")),
    *(f"/datasets/kept.{ending}" for ending in ("ttl", "jsonld", "rdf")),
    "/catalog.ttl?modified_since=2020-01-01",
    "/catalog/full.nt",
    "/datasets/kept/croissant.json",
    "/datasets/kept/",
    "/datasets/kept/versions/1/",
    "/datasets/",
    f"/datasets/?q={OPEN}",
    "/sitemap.xml",
    "/oai?verb=ListRecords&metadataPrefix=oai_dc",
    "/oai?verb=ListRecords&metadataPrefix=datacite",
]
SIGNED_IN = [
    "/api/v1/catalogue/datasets",
    "/api/v1/catalogue/datasets/kept",
    "/api/v1/catalogue/datasets/kept/record",
    "/api/v1/catalogue/datasets/kept/policy",
    "/api/v1/catalogue/datasets/kept/versions/1",
    "/api/v1/catalogue/datasets/kept/versions/1/citation",
    "/datasets/kept/",
]
DSP = ["/dsp/2025-1/catalog/request", "/dsp/2025-1/catalog/datasets/urn:uzina:dataset:kept"]
TELLING = {
    *PUBLIC[:9],
    "/datasets/kept/",
    "/api/v1/catalogue/datasets/kept/record",
}
"""Where the public answer does come out: who says nothing at all would prove nothing."""


def body(answer):
    assert answer.status_code == 200, answer.status_code
    whole = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return whole.decode()


@pytest.fixture
def outputs(register, send, ana, stranger, operator):
    """Publish data with all three answers; return what each public door says, by address."""

    def outputs():
        dataset = register("kept")
        actions.add_version(
            dataset, files=[send(ana, "a.csv", b"a,b\n1,x\n")], note="", by=ana, now=NOW
        )
        answers = {
            "collection": ["published"],
            "collection_text": OPEN,
            "personal_data": "personal",
            "legal_basis": "consent",
            "special_categories": True,
            "special_basis": "consent",
            "retention_until": "2030-01-01",
            "purposes_allowed": "Research.",
            "impact_assessment": INSIDE,
            "anonymisation": STALE,
        }
        facts = {"answers": dataset.answers | answers}
        Dataset.objects.filter(pk=dataset.pk).update(access_right="restricted", **facts)
        dataset = Dataset.objects.get(pk=dataset.pk)
        actions.publish(dataset, by=None, now=NOW)
        actions.offer_policy(
            dataset,
            terms=Terms(purposes=("research",)),
            is_automatic=False,
            shows_sample=True,
            by=ana,
            now=NOW + timedelta(seconds=1),
        )
        participant = actions.register_participant(
            name="Institut Nord",
            participant_id="did:web:consumer.example",
            kind="research",
            country="DE",
            callback_base="https://consumer.example",
            by=operator,
            now=NOW,
        )
        connector = Client(headers={"Authorization": f"Bearer {participant.secret}"})
        known = Client()
        known.force_login(stranger)
        asked = {"@context": ["https://w3id.org/dspace/2025/1/context.jsonld"]}
        asked["@type"] = "CatalogRequestMessage"
        said = {one: body(Client().get(one)) for one in PUBLIC}
        said |= {f"{one} signed in": body(known.get(one)) for one in SIGNED_IN}
        said[DSP[0]] = body(connector.post(DSP[0], asked, content_type="application/json"))
        said[DSP[1]] = body(connector.get(DSP[1]))
        return said

    return outputs


def test_answers_kept_inside_come_out_of_no_public_door(outputs):
    said = outputs()
    for address, text in said.items():
        assert INSIDE not in text, address
        assert STALE not in text, address
    telling = {one.removesuffix(" signed in") for one, text in said.items() if OPEN in text}
    assert telling >= TELLING
    assert all("kept" in said[one] for one in DSP)
    kept = Fragment.objects.values().get() | SearchEntry.objects.values().get()
    assert INSIDE not in json.dumps(kept, default=str)
    assert STALE not in json.dumps(kept, default=str)


def test_the_record_that_every_standard_is_made_of_holds_public_answers_only(outputs):
    outputs()
    dataset = Dataset.objects.get()
    record = queries.record_of(dataset)
    public = {key for key, one in stewardship.questions().items() if one.is_public}
    assert {"impact_assessment", "anonymisation"} <= set(dataset.answers)
    assert set(record.answers) <= public - {"anonymisation"}
    assert record.answers["collection_text"] == OPEN


def test_they_would_come_out_if_the_record_held_them(outputs, monkeypatch):
    """The test above can fail: without the one line that keeps them, three standards tell."""
    monkeypatch.setattr("uzina.catalogue.rules.public_answers", lambda answers, _right: answers)
    said = outputs()
    for address in ("/catalog.ttl", "/datasets/kept.ttl", "/catalog/full.nt"):
        assert INSIDE in said[address]
    assert STALE in said["/datasets/kept/croissant.json"]
