"""The doors of harvesting: who enters, what they show, what they begin."""

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.catalogue import actions
from uzina.catalogue.models import Source
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db
BASE = "/api/v1/catalogue/sources"


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def source(org):
    return make(org, 1)


def make(org, number):
    return actions.add_source(
        title=f"Portal {number}",
        url=f"https://data.example/{number}",
        kind="ckan",
        every_hours=24,
        licences=["cc-by-4.0"],
        owner=org,
        by=None,
        now=NOW,
    )


def facts(org, **given):
    return {
        "title": "Open data",
        "url": "https://data.example/catalog.ttl",
        "kind": "dcat",
        "every_hours": "12",
        "owner": org.code,
        "licences": ["cc0-1.0"],
    } | given


def test_operators_and_auditors_see_portals_and_others_do_not(source, operator, auditor, ana):
    for path in ("/catalogue/sources/", f"/catalogue/sources/{source.code}/"):
        assert page(operator).get(path).status_code == 200
        assert page(auditor).get(path).status_code == 200
        assert page(ana).get(path).status_code == 404
        assert page().get(path).status_code == 302


def test_only_operators_add_harvest_and_pause(source, operator, auditor, ana, org):
    assert page(auditor).get("/catalogue/sources/new/").status_code == 404
    for act in ("harvest", "pause"):
        assert page(ana).post(f"/catalogue/sources/{source.code}/{act}/").status_code == 404
    assert page(auditor).post(f"/catalogue/sources/{source.code}/pause/").status_code == 403
    source.refresh_from_db()
    assert source.is_active


def test_an_operator_adds_a_portal_by_the_page(operator, org):
    client = page(operator)
    assert client.get("/catalogue/sources/new/").status_code == 200
    wrong = client.post("/catalogue/sources/new/", facts(org, owner="ORG-NOBODY"))
    assert wrong.status_code == 422
    wrong = client.post("/catalogue/sources/new/", facts(org, every_hours="0"))
    assert wrong.status_code == 422
    assert not Source.objects.exists()
    assert client.post("/catalogue/sources/new/", facts(org)).status_code == 302
    made = Source.objects.get()
    assert (made.kind, made.every_hours, made.licences) == ("dcat", 12, ["cc0-1.0"])
    shown = client.get(f"/catalogue/sources/{made.code}/").content.decode()
    assert "It is being harvested at this moment." in shown
    told = client.post(f"/catalogue/sources/{made.code}/harvest/", follow=True).content.decode()
    assert "Wait until that has ended" in told
    client.post(f"/catalogue/sources/{made.code}/pause/")
    made.refresh_from_db()
    assert not made.is_active


def test_the_api_does_the_same(api, operator, ana, org):
    client = api(operator)
    body = facts(org, every_hours=12)
    made = client.post(BASE, body, content_type="application/json")
    assert made.status_code == 201
    code = made.json()["code"]
    assert client.get(f"{BASE}/{code}").json() == made.json()
    assert [one["code"] for one in client.get(BASE).json()["items"]] == [code]
    harvests = client.get(f"{BASE}/{code}/harvests").json()["items"]
    assert [(one["seen"], one["ended_at"]) for one in harvests] == [(0, None)]
    busy = client.post(f"{BASE}/{code}/harvest")
    assert (busy.status_code, busy.json()["code"]) == (409, "source.harvest.running")
    assert client.post(f"{BASE}/{code}/pause").json()["is_active"] is False
    assert client.post(f"{BASE}/{code}/resume").json()["is_active"] is True
    again = client.post(BASE, body, content_type="application/json")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "source.url.taken")
    for path in ("", f"/{code}", f"/{code}/harvests"):
        assert api(ana).get(f"{BASE}{path}").status_code == 404
    assert api(ana).post(f"{BASE}/{code}/harvest").status_code == 404
    assert api().get(BASE).status_code == 401


def test_the_list_of_portals_costs_the_same_whatever_it_holds(operator, org):
    def cost():
        with CaptureQueriesContext(connection) as asked:
            assert page(operator).get("/catalogue/sources/").status_code == 200
        return len(asked)

    make(org, 1)
    few = cost()
    make(org, 2)
    make(org, 3)
    assert cost() == few
