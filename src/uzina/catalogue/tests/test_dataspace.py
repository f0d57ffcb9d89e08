"""Our end of the Dataspace Protocol 2025-1, driven by a consumer over its messages."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client, override_settings
from django.utils import timezone

from uzina.catalogue import actions
from uzina.catalogue.models import (
    AccessRequest,
    Dataset,
    Evidence,
    Negotiation,
    Participant,
    Transfer,
)
from uzina.catalogue.queries import dataspace as queries
from uzina.catalogue.rules import AccessState
from uzina.catalogue.rules import dataspace_messages as messages
from uzina.catalogue.rules.dataspace import CONTEXT, LONGEST_MESSAGE
from uzina.catalogue.rules.odrl import Terms
from uzina.catalogue.tests.consumer import ConsumerDouble
from uzina.core.errors import Invalid, NotAllowed
from uzina.core.models import LogEntry, Promise
from uzina.core.promises import find_task
from uzina.core.tests import NOW

BASE = "/dsp/2025-1"
CONSUMER = "urn:uuid:0a1b2c3d-0000-4000-8000-000000000001"


@pytest.fixture
def consumer():
    with ConsumerDouble() as double:
        yield double
    assert double.wrong == []


@pytest.fixture(autouse=True)
def reachable():
    """Let messages go to this machine."""
    config = settings.UZINA
    with override_settings(
        UZINA=replace(config, dataspace=replace(config.dataspace, may_private=True))
    ):
        yield


def registered(operator, consumer, participant_id="did:web:consumer.example", **changes):
    facts = {
        "name": "Institut Nord",
        "participant_id": participant_id,
        "kind": "research",
        "country": "DE",
        "callback_base": consumer.url,
    }
    return actions.register_participant(by=operator, now=NOW, **(facts | changes))


class Connector:
    """Speaks the protocol as a participant."""

    def __init__(self, secret):
        self.http = Client(headers={"Authorization": f"Bearer {secret}"})

    def get(self, path):
        return self.http.get(f"{BASE}{path}")

    def post(self, path, message):
        return self.http.post(f"{BASE}{path}", json.dumps(message), content_type="application/json")

    def send(self, path, kind, **parts):
        return self.post(path, {"@context": [CONTEXT], "@type": kind, **parts})

    def offer(self, slug="ro-corpus"):
        entry = self.get(f"/catalog/datasets/urn:uzina:dataset:{slug}").json()
        return entry["hasPolicy"][0] | {"target": entry["@id"]}

    def negotiate(self, callback, *, offer=None, pid=CONSUMER):
        return self.send(
            "/negotiations/request",
            "ContractRequestMessage",
            consumerPid=pid,
            offer=offer or self.offer(),
            callbackAddress=callback,
        )

    def event(self, row, path, kind, **parts):
        pids = {"providerPid": row["providerPid"], "consumerPid": row["consumerPid"]}
        return self.send(f"/negotiations/{row['providerPid']}{path}", kind, **pids, **parts)

    def verify(self, row):
        return self.event(row, "/agreement/verification", "ContractAgreementVerificationMessage")

    def fetch(self, agreement, callback, *, pid=CONSUMER, **changes):
        parts = {"agreementId": agreement["@id"], "format": "HttpData-PULL"} | changes
        return self.send(
            "/transfers/request",
            "TransferRequestMessage",
            consumerPid=pid,
            callbackAddress=callback,
            **parts,
        )

    def on_transfer(self, row, path, kind):
        pids = {"providerPid": row["providerPid"], "consumerPid": row["consumerPid"]}
        return self.send(f"/transfers/{row['providerPid']}{path}", kind, **pids)


@pytest.fixture
def connector(operator, consumer):
    return Connector(registered(operator, consumer).secret)


@pytest.fixture
def public(version, ana):
    """A published public dataset, ro-corpus."""
    return actions.publish(version.dataset, by=ana, now=NOW)


@pytest.fixture
def restricted(public):
    """The same, not for everybody and without a policy."""
    Dataset.objects.filter(pk=public.pk).update(access_right="restricted")
    public.refresh_from_db()
    return public


def offered(dataset, by, *, is_automatic=False, **terms):
    return actions.offer_policy(
        dataset,
        terms=Terms(**terms),
        is_automatic=is_automatic,
        shows_sample=False,
        by=by,
        now=timezone.now(),
    )


def deliver():
    """Do what is promised of the catalogue, as the worker does: each until it succeeds."""
    waiting = Promise.objects.filter(
        state="waiting", task__startswith="catalogue.", repeat_s=None
    ).order_by("pk")
    while row := waiting.first():
        find_task(row.task)(**row.args, now=timezone.now())
        Promise.objects.filter(pk=row.pk).update(state="done")


def valid(response, kind, status):
    """Return an answer that has the status and fits the schema of its kind."""
    assert response.status_code == status, response.content
    assert response["Content-Type"].startswith("application/json")
    said = response.json()
    assert said.get("@type", kind) == kind
    assert messages.problems(kind, said) == []
    return said


def finalized(connector, consumer):
    """Negotiate to the end; return the agreement."""
    row = valid(connector.negotiate(consumer.url), "ContractNegotiation", 201)
    deliver()
    valid(connector.verify(row), "ContractNegotiation", 200)
    deliver()
    assert connector.get(f"/negotiations/{row['providerPid']}").json()["state"] == "FINALIZED"
    return consumer.last("ContractAgreementMessage")["agreement"]


def started(connector, consumer):
    """Fetch under a new agreement; return the transfer and its data address."""
    agreement = finalized(connector, consumer)
    row = valid(connector.fetch(agreement, consumer.url), "TransferProcess", 201)
    deliver()
    return row, address(consumer)


def address(consumer):
    found = consumer.last("TransferStartMessage")["dataAddress"]
    properties = {one["name"]: one["value"] for one in found["endpointProperties"]}
    assert properties["authType"] == "bearer"
    return found["endpoint"].removeprefix(settings.UZINA.site.url), properties["authorization"]


def read(place, token):
    return Client(headers={"Authorization": f"Bearer {token}"}).get(place)


def test_everybody_learns_which_versions_are_spoken(client, db):
    said = valid(client.get("/.well-known/dspace-version"), "VersionResponse", 200)
    assert said["protocolVersions"][0]["version"] == "2025-1"
    assert said["protocolVersions"][0]["path"] == BASE


def test_the_catalogue_shows_what_is_offered_and_nothing_else(
    connector, public, register, ana, send
):
    draft = register(slug="draft")
    actions.add_version(draft, files=[send(ana, "a", b"a")], note="", by=ana, now=NOW)
    hidden = register(slug="hidden")
    actions.add_version(hidden, files=[send(ana, "b", b"b")], note="", by=ana, now=NOW)
    actions.publish(hidden, by=ana, now=NOW)
    Dataset.objects.filter(slug="hidden").update(access_right="restricted")
    said = valid(
        connector.send("/catalog/request", "CatalogRequestMessage", filter=[]), "Catalog", 200
    )
    assert [one["@id"] for one in said["dataset"]] == ["urn:uzina:dataset:ro-corpus"]
    offered(hidden, ana, purposes=("research",))
    said = valid(connector.send("/catalog/request", "CatalogRequestMessage"), "Catalog", 200)
    assert len(said["dataset"]) == 2
    one = connector.get("/catalog/datasets/urn:uzina:dataset:hidden")
    assert valid(one, "Dataset", 200)["hasPolicy"][0]["@id"] == "urn:uzina:policy:hidden:1"
    valid(connector.get("/catalog/datasets/draft"), "CatalogError", 404)
    filtered = connector.send("/catalog/request", "CatalogRequestMessage", filter=[{"a": 1}])
    valid(filtered, "CatalogError", 400)


def test_an_empty_catalogue_is_valid_too(connector):
    valid(connector.send("/catalog/request", "CatalogRequestMessage"), "Catalog", 200)


def test_a_long_catalogue_comes_in_pages(connector, public, register, ana, send, monkeypatch):
    monkeypatch.setattr("uzina.catalogue.rules.dataspace.CATALOG_PAGE", 1)
    other = register(slug="other")
    actions.add_version(other, files=[send(ana, "a", b"a")], note="", by=ana, now=NOW)
    actions.publish(other, by=ana, now=NOW)
    first = connector.send("/catalog/request", "CatalogRequestMessage")
    address_of_next = first["Link"].partition("<")[2].partition(">")[0]
    after = address_of_next.removeprefix(f"{settings.UZINA.site.url}{BASE}")
    second = connector.send(after, "CatalogRequestMessage")
    both = [valid(one, "Catalog", 200)["dataset"][0]["@id"] for one in (first, second)]
    assert both == ["urn:uzina:dataset:ro-corpus", "urn:uzina:dataset:other"]
    assert "Link" not in second


@pytest.mark.parametrize("secret", ["", "wrong"])
def test_a_stranger_is_told_nothing(secret, public):
    stranger = Connector(secret)
    asked = stranger.send("/catalog/request", "CatalogRequestMessage")
    valid(asked, "CatalogError", 401)
    valid(stranger.get("/negotiations/x"), "ContractNegotiationError", 404)
    valid(
        stranger.negotiate("https://x.example", offer={"@id": "x"}), "ContractNegotiationError", 404
    )
    valid(stranger.get("/transfers/x"), "TransferError", 404)
    assert not Negotiation.objects.exists()


def test_public_data_is_agreed_on_verified_and_fetched(connector, consumer, public):
    row, (place, token) = started(connector, consumer)
    assert consumer.kinds() == [
        "ContractAgreementMessage",
        "ContractNegotiationEventMessage",
        "TransferStartMessage",
    ]
    path, message = consumer.taken[0]
    assert path == f"/negotiations/{CONSUMER}/agreement"
    assert message["agreement"]["target"] == "urn:uzina:dataset:ro-corpus"
    assert message["agreement"]["assignee"] == "did:web:consumer.example"
    participant = Participant.objects.get()
    assert consumer.tokens == {f"Bearer {queries.callback_token(participant)}"}

    manifest = read(place, token).json()
    assert manifest["digest"] == public.versions.get().digest
    body = b"".join(read(f"{place}/files/ro/a.txt", token).streaming_content)
    assert body == b"Bun\xc4\x83 ziua\n" * 10
    assert read(f"{place}/files/none", token).status_code == 404
    assert read(place, token + "x").status_code == 403
    assert read(place, "").status_code == 403
    done = connector.on_transfer(row, "/completion", "TransferCompletionMessage")
    assert valid(done, "TransferProcess", 200)["state"] == "COMPLETED"
    assert read(place, token).status_code == 403


def test_restricted_data_waits_for_its_holder_and_stops_when_revoked(
    connector, consumer, restricted, ana
):
    offered(restricted, ana, purposes=("research",))
    row = valid(connector.negotiate(consumer.url), "ContractNegotiation", 201)
    deliver()
    assert connector.get(f"/negotiations/{row['providerPid']}").json()["state"] == "REQUESTED"
    request = AccessRequest.objects.get()
    assert (request.state, request.asker.title) == (AccessState.ASKED, "Institut Nord")

    until = timezone.now() + timedelta(days=5)
    actions.grant_access(request, until=until, reason="", by=ana, now=timezone.now())
    deliver()
    agreement = consumer.last("ContractAgreementMessage")["agreement"]
    limits = agreement["permission"][0]["constraint"]
    assert [one["leftOperand"] for one in limits] == ["purpose", "dateTime"]
    valid(connector.verify(row), "ContractNegotiation", 200)
    deliver()
    transfer = valid(connector.fetch(agreement, consumer.url), "TransferProcess", 201)
    deliver()
    place, token = address(consumer)
    assert read(place, token).status_code == 200
    assert (Evidence.objects.get().request, str(Evidence.objects.get().kind)) == (
        request,
        "transfer",
    )

    request.refresh_from_db()
    actions.revoke_access(request, reason="Misuse.", by=ana, now=timezone.now())
    assert read(place, token).status_code == 403
    deliver()
    assert consumer.last("TransferTerminationMessage")["reason"] == ["Misuse."]
    assert connector.get(f"/transfers/{transfer['providerPid']}").json()["state"] == "TERMINATED"
    again = connector.fetch(agreement, consumer.url, pid="another")
    assert valid(again, "TransferError", 400)["code"] == "transfer.request.over"


def test_the_end_of_a_permission_ends_the_fetching_though_the_worker_sleeps(
    connector, consumer, restricted, ana
):
    offered(restricted, ana, is_automatic=True)
    _row, (place, token) = started(connector, consumer)
    assert read(place, token).status_code == 200
    long_ago = timezone.now() - timedelta(days=2)
    AccessRequest.objects.update(asked_at=long_ago, until=timezone.now() - timedelta(seconds=1))
    assert read(place, token).status_code == 403


def test_a_refusal_of_the_holder_ends_the_negotiation(connector, consumer, restricted, ana):
    offered(restricted, ana, purposes=("research",))
    row = connector.negotiate(consumer.url).json()
    deliver()
    request = AccessRequest.objects.get()
    actions.refuse_access(request, reason="Too broad.", by=ana, now=timezone.now())
    deliver()
    assert consumer.last("ContractNegotiationTerminationMessage")["reason"] == ["Too broad."]
    assert connector.get(f"/negotiations/{row['providerPid']}").json()["state"] == "TERMINATED"


@pytest.mark.parametrize(
    ("terms", "is_answered"),
    [
        ({}, True),
        ({"countries": ("EU",), "kinds": ("research",)}, True),
        ({"countries": ("RO",)}, False),
        ({"purposes": ("research",)}, False),
        ({"forbidden_purposes": ("commercial",)}, False),
    ],
)
def test_a_policy_answers_by_itself_only_where_it_can_be_judged_whole(
    connector, consumer, restricted, ana, terms, is_answered
):
    offered(restricted, ana, is_automatic=True, **terms)
    row = connector.negotiate(consumer.url).json()
    deliver()
    state = connector.get(f"/negotiations/{row['providerPid']}").json()["state"]
    assert state == ("AGREED" if is_answered else "REQUESTED")
    assert AccessRequest.objects.get().state == ("granted" if is_answered else "asked")


def test_another_offer_is_answered_by_ours_and_ours_can_be_accepted(connector, consumer, public):
    theirs = connector.offer() | {"permission": [{"action": "sell"}]}
    row = valid(connector.negotiate(consumer.url, offer=theirs), "ContractNegotiation", 201)
    deliver()
    ours = consumer.last("ContractOfferMessage")["offer"]
    assert ours["permission"] == [{"action": "use"}]
    accepted = connector.event(
        row, "/events", "ContractNegotiationEventMessage", eventType="ACCEPTED"
    )
    assert valid(accepted, "ContractNegotiation", 200)["state"] == "ACCEPTED"
    deliver()
    assert consumer.kinds() == ["ContractOfferMessage", "ContractAgreementMessage"]


def test_our_offer_can_be_answered_by_another_request(connector, consumer, public):
    theirs = connector.offer() | {"permission": [{"action": "sell"}]}
    row = connector.negotiate(consumer.url, offer=theirs).json()
    deliver()
    again = connector.event(
        row,
        "/request",
        "ContractRequestMessage",
        offer=consumer.last("ContractOfferMessage")["offer"],
    )
    assert valid(again, "ContractNegotiation", 200)["state"] == "REQUESTED"
    deliver()
    assert connector.get(f"/negotiations/{row['providerPid']}").json()["state"] == "AGREED"


def test_a_new_policy_while_a_request_waits_is_offered_instead(
    connector, consumer, restricted, ana
):
    offered(restricted, ana, purposes=("research",))
    row = connector.negotiate(consumer.url).json()
    offered(restricted, ana, purposes=("commercial",))
    deliver()
    assert connector.get(f"/negotiations/{row['providerPid']}").json()["state"] == "OFFERED"
    assert consumer.last("ContractOfferMessage")["offer"]["@id"] == "urn:uzina:policy:ro-corpus:2"
    assert not AccessRequest.objects.exists()


def test_a_message_in_the_wrong_state_is_refused_and_changes_nothing(connector, consumer, public):
    row = connector.negotiate(consumer.url).json()
    accept = ("/events", "ContractNegotiationEventMessage")
    early = [
        connector.verify(row),
        connector.event(row, *accept, eventType="ACCEPTED"),
        connector.event(row, *accept, eventType="FINALIZED"),
        connector.event(row, "/request", "ContractRequestMessage", offer=connector.offer()),
    ]
    for response in early:
        said = valid(response, "ContractNegotiationError", 400)
        assert said["providerPid"] == row["providerPid"]
    assert Negotiation.objects.get().state == "REQUESTED"
    ended = connector.event(row, "/termination", "ContractNegotiationTerminationMessage")
    assert valid(ended, "ContractNegotiation", 200)["state"] == "TERMINATED"
    twice = connector.event(row, "/termination", "ContractNegotiationTerminationMessage")
    valid(twice, "ContractNegotiationError", 400)
    deliver()
    assert consumer.taken == []


def test_a_transfer_rests_starts_again_at_a_new_address_and_ends_once(connector, consumer, public):
    row, (place, token) = started(connector, consumer)
    started_twice = connector.on_transfer(row, "/start", "TransferStartMessage")
    valid(started_twice, "TransferError", 400)
    rests = connector.on_transfer(row, "/suspension", "TransferSuspensionMessage")
    assert valid(rests, "TransferProcess", 200)["state"] == "SUSPENDED"
    assert read(place, token).status_code == 403
    valid(
        connector.on_transfer(row, "/completion", "TransferCompletionMessage"), "TransferError", 400
    )
    valid(connector.on_transfer(row, "/start", "TransferStartMessage"), "TransferProcess", 200)
    deliver()
    assert read(place, token).status_code == 403
    assert read(*address(consumer)).status_code == 200
    valid(
        connector.on_transfer(row, "/termination", "TransferTerminationMessage"),
        "TransferProcess",
        200,
    )
    assert read(*address(consumer)).status_code == 403
    valid(connector.on_transfer(row, "/start", "TransferStartMessage"), "TransferError", 400)


def test_the_same_message_again_is_the_same_thing(connector, consumer, public):
    first, second = (connector.negotiate(consumer.url) for _ in range(2))
    assert first.json() == second.json()
    assert Negotiation.objects.count() == 1
    other = connector.offer() | {"permission": [{"action": "sell"}]}
    said = valid(connector.negotiate(consumer.url, offer=other), "ContractNegotiationError", 400)
    assert said["code"] == "negotiation.request.other"
    deliver()
    connector.verify(first.json())
    deliver()
    agreement = consumer.last("ContractAgreementMessage")["agreement"]
    once, twice = (connector.fetch(agreement, consumer.url) for _ in range(2))
    assert once.json() == twice.json()
    assert Transfer.objects.count() == 1
    valid(connector.fetch(agreement, f"{consumer.url}/x"), "TransferError", 400)


def test_what_is_anothers_is_not_there(connector, consumer, operator, public):
    row, _address = started(connector, consumer)
    negotiation = Negotiation.objects.get()
    other = Connector(registered(operator, consumer, "did:web:other.example").secret)
    seen = other.get(f"/negotiations/{negotiation.pid}")
    valid(seen, "ContractNegotiationError", 404)
    valid(other.get(f"/transfers/{row['providerPid']}"), "TransferError", 404)
    theirs = {"providerPid": negotiation.pid, "consumerPid": CONSUMER}
    valid(other.verify(theirs), "ContractNegotiationError", 404)
    taken = other.fetch(negotiation.agreement, consumer.url)
    assert valid(taken, "TransferError", 400)["code"] == "transfer.request.no_agreement"
    for pid in ("urn:uuid:0a1b2c3d-0000-4000-8000-00000000000f", "x", "'--", "0" * 300):
        valid(connector.get(f"/negotiations/{pid}"), "ContractNegotiationError", 404)
    mixed = connector.event(
        {"providerPid": negotiation.pid, "consumerPid": "urn:another"},
        "/termination",
        "ContractNegotiationTerminationMessage",
    )
    valid(mixed, "ContractNegotiationError", 400)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b"\xff\xfe",
        b"[" * 50_000,
        b'{"@context": [], "@type": "ContractRequestMessage"}',
        b'{"@context": "x", "@type": "X", "consumerPid": 5, "offer": []}',
    ],
)
def test_what_is_no_message_gets_the_protocols_error(connector, public, body):
    for path, kind in (
        ("/negotiations/request", "ContractNegotiationError"),
        ("/transfers/request", "TransferError"),
        ("/catalog/request", "CatalogError"),
    ):
        response = connector.http.post(f"{BASE}{path}", body, content_type="application/json")
        valid(response, kind, 400)
    assert not Negotiation.objects.exists()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"offer": {"target": "urn:uzina:dataset:none"}}, "negotiation.request.no_dataset"),
        ({"offer": {"target": ""}}, "negotiation.request.no_dataset"),
        ({"callbackAddress": "http://elsewhere.example"}, "negotiation.request.callback"),
        ({"callbackAddress": "http://127.0.0.1"}, "negotiation.request.callback"),
        ({"callbackAddress": "{url}.evil.example/"}, "negotiation.request.callback"),
        ({"callbackAddress": "{url}/../x"}, "negotiation.request.callback"),
        ({"callbackAddress": "{url}/x?y=1"}, "negotiation.request.callback"),
        ({"callbackAddress": "file:///etc/passwd"}, "negotiation.request.callback"),
        ({"consumerPid": ""}, "negotiation.request.pid"),
        ({"consumerPid": "ș" * 10}, "negotiation.request.pid"),
        ({"consumerPid": "x" * 201}, "negotiation.request.pid"),
    ],
)
def test_a_valid_message_that_asks_for_what_cannot_be_is_refused(
    connector, consumer, public, change, code
):
    parts = {"consumerPid": CONSUMER, "callbackAddress": consumer.url} | {
        name: value.replace("{url}", consumer.url) if isinstance(value, str) else value
        for name, value in change.items()
        if name != "offer"
    }
    offer = connector.offer() | change.get("offer", {})
    response = connector.send(
        "/negotiations/request", "ContractRequestMessage", offer=offer, **parts
    )
    assert valid(response, "ContractNegotiationError", 400)["code"] == code
    assert not Negotiation.objects.exists()
    assert not LogEntry.objects.filter(event__startswith="negotiation.").exists()


def test_a_message_that_is_too_long_is_not_read(connector, public):
    body = b'{"a": "' + b"x" * LONGEST_MESSAGE + b'"}'
    response = connector.http.post(
        f"{BASE}/negotiations/request", body, content_type="application/json"
    )
    valid(response, "ContractNegotiationError", 413)


def test_a_nul_in_a_message_reaches_no_column(connector, consumer, public):
    offer = connector.offer() | {"permission": [{"action": "use\0"}]}
    valid(connector.negotiate(consumer.url, offer=offer), "ContractNegotiationError", 400)


def test_another_format_is_refused(connector, consumer, public):
    agreement = finalized(connector, consumer)
    said = valid(
        connector.fetch(agreement, consumer.url, format="AmazonS3-PUSH"), "TransferError", 400
    )
    assert said["code"] == "transfer.request.format"


def test_a_message_that_could_not_be_taken_is_taken_later_and_once(connector, consumer, public):
    connector.negotiate(consumer.url)
    consumer.refusals = 1
    with pytest.raises(Exception, match="answered 503"):
        deliver()
    assert Negotiation.objects.get().state == "AGREED"
    assert consumer.taken == []
    deliver()
    deliver()
    assert consumer.kinds() == ["ContractAgreementMessage"]


def test_messages_to_private_addresses_go_only_where_the_operator_allows_it(
    connector, consumer, public
):
    config = settings.UZINA
    connector.negotiate(consumer.url)
    with (
        override_settings(
            UZINA=replace(config, dataspace=replace(config.dataspace, may_private=False))
        ),
        pytest.raises(Exception, match="private network"),
    ):
        deliver()
    assert consumer.taken == []


def test_withdrawn_data_is_neither_offered_nor_fetched(connector, consumer, public, ana):
    _row, (place, token) = started(connector, consumer)
    actions.withdraw(public, reason="Wrong.", by=ana, now=timezone.now())
    assert read(place, token).status_code == 403
    said = valid(connector.send("/catalog/request", "CatalogRequestMessage"), "Catalog", 200)
    assert "dataset" not in said


def test_a_stopped_participant_is_not_listened_to(connector, consumer, operator, public):
    _row, (place, token) = started(connector, consumer)
    actions.stop_participant(Participant.objects.get(), by=operator, now=timezone.now())
    valid(connector.send("/catalog/request", "CatalogRequestMessage"), "CatalogError", 401)
    assert read(place, token).status_code == 403


def test_only_operators_register_and_the_token_is_not_kept(operator, ana, auditor, consumer, api):
    for person in (ana, auditor):
        with pytest.raises(NotAllowed):
            registered(person, consumer)
    facts = {
        "name": "Institut Nord",
        "participant_id": "did:web:consumer.example",
        "kind": "research",
        "country": "DE",
        "callback_base": consumer.url,
    }
    made = api(operator).post("/api/v1/catalogue/participants", facts, "application/json")
    assert made.status_code == 201, made.content
    token = made.json()["token"]
    row = Participant.objects.get()
    assert token not in json.dumps([str(value) for value in vars(row).values()])
    assert token not in json.dumps([one.facts for one in LogEntry.objects.all()])
    assert queries.participant_of(token) == row
    listed = api(auditor).get("/api/v1/catalogue/participants").json()["items"]
    assert [one["code"] for one in listed] == [row.code]
    assert api(ana).get("/api/v1/catalogue/participants").status_code == 404
    assert api(ana).post(f"/api/v1/catalogue/participants/{row.code}/stop").status_code == 404
    assert api(auditor).post(f"/api/v1/catalogue/participants/{row.code}/stop").status_code == 403
    assert api(operator).post(f"/api/v1/catalogue/participants/{row.code}/stop").status_code == 200
    with pytest.raises(Invalid) as wrong:
        registered(
            operator, consumer, "a b", name="", kind="club", country="de", callback_base="ftp://x"
        )
    assert [one.field for one in wrong.value.problems] == [
        "name",
        "participant_id",
        "kind",
        "country",
        "callback_base",
    ]
    with pytest.raises(Invalid):
        registered(operator, consumer)


def test_what_checks_messages_is_loaded_when_one_is_checked_and_not_by_every_process():
    """It builds grammars when it is imported: two seconds for each command and each worker."""
    script = (
        "import sys; from uzina.catalogue.rules import dataspace_messages as messages;"
        "assert 'jsonschema' not in sys.modules;"
        "assert messages.problems('CatalogRequestMessage', {}); assert 'jsonschema' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
