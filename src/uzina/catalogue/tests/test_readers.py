"""Every door to the bytes, a sample or the statistics of restricted data asks, and notes it."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from uzina.catalogue import actions, queries
from uzina.catalogue.actions import keeping
from uzina.catalogue.models import AccessRequest, Evidence
from uzina.catalogue.ports import Link
from uzina.catalogue.rules import AccessState
from uzina.catalogue.rules.odrl import Terms
from uzina.catalogue.tests.conftest import right
from uzina.core.tests import NOW

API = "/api/v1/catalogue/datasets/ro-corpus/versions/2"
FILE = "/datasets/ro-corpus/2/files/a.csv"
BODY = b"town,people\nTimisoara,7\n"
SAID = b"Timisoara"


@pytest.fixture
def closed(dataset, version, ana, send):
    """A published, restricted dataset with a table and what a recipe counted of it."""
    files = [send(ana, "a.csv", BODY)]
    facts = {"documents": 77123}
    actions.add_version(dataset, files=files, note="More.", by=ana, now=NOW, facts=facts)
    return right(actions.publish(dataset, by=ana, now=NOW), "restricted")


@pytest.fixture
def grant(closed, theirs, radu):
    """A permission of Radu's project that runs now, and the clock of the doors is the real one."""
    now = timezone.now()
    return AccessRequest.objects.create(
        dataset=closed,
        project=theirs,
        person=radu,
        purpose="academic-research",
        why="To count towns.",
        place="RO",
        until=now + timedelta(days=1),
        asked_at=now,
        state=AccessState.GRANTED,
        decided_at=now,
    )


def links(client):
    given = {"paths": ["a.csv"]}
    return client.post(f"{API}/links", given, content_type="application/json")


def linked(client):
    """Follow a link that a permitted person was given, with nobody signed in."""
    told = links(client)
    if told.status_code != 200:
        return told
    Evidence.objects.all().delete()
    parts = urlsplit(told.json()[0]["url"])
    return Client().get(f"{parts.path}?{parts.query}")


RANGE = {"Range": "bytes=12-20"}
DOORS = {
    "page": ("download", True, lambda client: client.get(FILE)),
    "page, a range": ("download", True, lambda client: client.get(FILE, headers=RANGE)),
    "API": ("download", False, lambda client: client.get(f"{API}/files/a.csv")),
    "API, a range": (
        "download",
        False,
        lambda client: client.get(f"{API}/files/a.csv", headers=RANGE),
    ),
    "API, HEAD": ("download", False, lambda client: client.head(f"{API}/files/a.csv")),
    "API, links": ("download", False, links),
    "a link": ("download", False, linked),
    "page, sample": ("preview", True, lambda client: client.get("/datasets/ro-corpus/")),
    "API, statistics": ("preview", False, lambda client: client.get(API)),
}


def shown(answer):
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return SAID in body or b"77123" in body or b"77,123" in body


@pytest.mark.parametrize("door", DOORS)
def test_a_door_opens_to_a_grant_and_notes_it_and_to_nobody_else(door, api, radu, grant):
    kind, is_page, knock = DOORS[door]

    def client():
        if not is_page:
            return api(radu)
        found = Client()
        found.force_login(radu)
        return found

    opened = knock(client())
    assert opened.status_code in {200, 206}
    assert shown(opened) or door in {"API, HEAD", "API, links"}
    row = Evidence.objects.get()
    assert (row.kind, row.person, row.request) == (kind, radu, grant)

    Evidence.objects.all().delete()
    AccessRequest.objects.update(state=AccessState.REVOKED, ended_at=timezone.now())
    refused = knock(client())
    if kind == "preview":
        assert refused.status_code == 200
    else:
        assert refused.status_code == 403
    assert not shown(refused)
    assert not Evidence.objects.exists()


def test_a_link_given_before_a_permission_ended_opens_nothing_after(api, radu, grant):
    parts = urlsplit(links(api(radu)).json()[0]["url"])
    Evidence.objects.all().delete()
    AccessRequest.objects.update(state=AccessState.REVOKED, ended_at=timezone.now())
    refused = Client().get(f"{parts.path}?{parts.query}")
    assert refused.status_code == 403
    assert not Evidence.objects.exists()


def test_a_sample_that_everybody_sees_is_noted_of_nobody(closed, ana, radu):
    version = queries.version("ro-corpus", 2)
    assert not actions.begin_look(version, by=radu, now=NOW)
    actions.offer_policy(
        closed, terms=Terms(), is_automatic=False, shows_sample=True, by=ana, now=NOW
    )
    assert actions.begin_look(version, by=radu, now=NOW)
    assert actions.begin_look(version, by=ana, now=NOW)
    assert not Evidence.objects.exists()


@pytest.mark.parametrize("person", ["operator", "auditor"])
def test_an_office_reads_no_sample_of_restricted_data(closed, person, request):
    version = queries.version("ro-corpus", 2)
    assert not actions.begin_look(version, by=request.getfixturevalue(person), now=NOW)


@pytest.mark.parametrize("door", ["page", "API", "API, links"])
def test_an_address_in_the_store_is_not_given_for_files_that_were_given_up(
    door, api, ana, version, monkeypatch
):
    link = Link("https://store.example/a", timezone.now() + timedelta(minutes=5))
    monkeypatch.setattr(queries, "away_link", lambda *_file, **_now: link)
    monkeypatch.setattr(queries.uploads, "away_link", lambda *_file, **_now: link)
    keeping.purge_version(version, basis="erasure", reason="Asked.", by=ana, now=NOW)
    base = "/api/v1/catalogue/datasets/ro-corpus/versions/1"
    client = Client()
    client.force_login(ana)
    answer = {
        "page": lambda: client.get("/datasets/ro-corpus/1/files/ro/a.txt"),
        "API": lambda: api(ana).get(f"{base}/files/ro/a.txt"),
        "API, links": lambda: api(ana).post(
            f"{base}/links", {"paths": ["ro/a.txt"]}, content_type="application/json"
        ),
    }[door]()
    assert answer.status_code == 409
    assert b"store.example" not in answer.content
