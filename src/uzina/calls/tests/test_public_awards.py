"""The public list of awards."""

import csv
import io
import json

import pytest

from uzina.core.tests import NOW
from uzina.people import actions as people

from .accepted import accepted, national, offered


@pytest.fixture
def call(operator):
    return national(operator)


def feed(client, **query):
    return client.get("/api/v1/calls/awards/public", query).json()["awards"]


def test_names_are_shown_only_with_consent(call, org, ana, client):
    shy = accepted(call, org, ana, may_publish=False, title="Secret plan")
    proud = accepted(call, org, ana, title="Open <script>plan")
    page = client.get("/awards/public/").content.decode()
    assert shy.code in page
    assert "Secret plan" not in page
    assert "Open &lt;script&gt;plan" in page
    text = client.get("/awards/public.csv").content.decode()
    rows = {row["code"]: row for row in csv.DictReader(io.StringIO(text))}
    data = {row["code"]: row for row in feed(client)}
    for found in (rows, data):
        assert [found[shy.code][name] for name in ("title", "organisation", "lead")] == [""] * 3
        assert found[proud.code]["organisation"] == "Limbă Vie SRL"
        assert found[proud.code]["lead"] == "Ana Pop"
        assert (found[shy.code]["country"], found[shy.code]["starts_on"]) == ("RO", "2026-11-23")
    assert data[shy.code]["gpu_hours"] == 1000
    assert "Secret plan" not in text + json.dumps(data)
    assert ana.email not in text + json.dumps(data) + page


def test_only_accepted_awards_are_listed(call, org, ana, client):
    offered(call, org, ana)
    assert feed(client) == []
    assert client.get("/awards/public/").status_code == 200


def test_the_list_is_narrowed_and_rubbish_narrows_nothing_or_finds_nothing(call, org, ana, client):
    award = accepted(call, org, ana)
    for query, found in (
        ({"mode": "national"}, 1),
        ({"mode": "playground"}, 0),
        ({"country": "RO"}, 1),
        ({"country": "LV"}, 0),
        ({"year": NOW.year}, 1),
        ({"year": NOW.year + 1}, 0),
    ):
        assert len(feed(client, **query)) == found
        page = client.get("/awards/public/", query).content.decode()
        assert page.count(award.code) == found
    assert client.get("/awards/public/?mode=x&country=xyz&year=x&page=x").status_code == 200
    assert client.get("/api/v1/calls/awards/public?country=romania").status_code == 422


def test_who_has_the_list_already_is_told_so(call, org, ana, client):
    accepted(call, org, ana)
    for address in ("/awards/public.csv", "/api/v1/calls/awards/public"):
        tag = client.get(address)["ETag"]
        again = client.get(address, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    accepted(call, org, ana)
    assert client.get("/awards/public.csv")["ETag"] != tag
    reply = client.get("/api/v1/calls/awards/public", headers={"If-None-Match": tag})
    assert reply.status_code == 200


def test_no_cell_is_run_as_a_formula(call, org, ana, client):
    type(org).objects.filter(pk=org.pk).update(name="@SUM(A1)")
    accepted(call, org, ana, title="=HYPERLINK(1)")
    (row,) = csv.DictReader(io.StringIO(client.get("/awards/public.csv").content.decode()))
    assert (row["title"], row["organisation"]) == ("'=HYPERLINK(1)", "'@SUM(A1)")


def test_a_list_of_fifty_costs_what_a_list_of_two_costs(
    call, org, ana, client, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    for number in range(2):
        accepted(call, org, ana, hours=100, title=f"Number {number}")
    with CaptureQueriesContext(connection) as few:
        client.get("/awards/public/")
    for number in range(10):
        accepted(call, org, ana, hours=100, title=f"More {number}")
    with django_assert_max_num_queries(len(few)):
        assert client.get("/awards/public/").content.decode().count("More ") == 10
    assert len(few) <= 12


def test_a_project_that_changed_hands_is_listed_under_who_has_it(call, org, ana, client):
    award = accepted(call, org, ana)
    other = people.register_organisation(
        people.OrganisationFacts(name="Urmaș SRL", kind="sme", country="LV"), by=ana, now=NOW
    )
    people.transfer_project(award.project, organisation=other, by=None, now=NOW)
    (row,) = feed(client)
    assert (row["organisation"], row["country"]) == ("Urmaș SRL", "LV")
