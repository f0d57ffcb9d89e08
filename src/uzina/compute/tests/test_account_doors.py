"""Doors of a cluster's accounts: pages and API."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from uzina.compute import actions, queries, rules
from uzina.compute.models import Drift, SiteUser
from uzina.compute.ports import Health
from uzina.core.models import LogEntry, Promise


@pytest.fixture
def web():
    def client(person):
        client = Client()
        client.force_login(person)
        return client

    return client


@pytest.fixture
def drift(db):
    now = timezone.now()
    cluster = queries.cluster()
    return Drift.objects.create(
        cluster=cluster,
        kind="user",
        subject="uz-prj-1/eve",
        finding="extra",
        theirs="eve",
        winner="factory",
        since_at=now,
        seen_at=now,
    )


@pytest.mark.parametrize("path", ["/clusters/reconciliation/", "/clusters/users/"])
def test_operators_and_auditors_see_the_accounts_of_the_cluster_and_nobody_else(
    web, ana, operator, auditor, path
):
    assert web(ana).get(path).status_code == 404
    assert web(auditor).get(path).status_code == 200
    assert web(operator).get(path).status_code == 200


def test_the_page_says_what_differs_and_only_an_operator_can_have_it_put_right(
    web, drift, operator, auditor
):
    page = web(operator).get("/clusters/reconciliation/").content.decode()
    assert "uz-prj-1/eve" in page
    assert "only on the cluster" in page
    assert "Put all of it right" in page
    assert (
        "Put all of it right" not in web(auditor).get("/clusters/reconciliation/").content.decode()
    )

    where = "/clusters/reconciliation/repair/"
    web(auditor).post(where, {"kind": "all"})
    assert not Promise.objects.filter(task="compute.repair").exists()
    assert web(operator).post(where, {"kind": "user"}).status_code == 302
    assert Promise.objects.get(task="compute.repair").args == {"kinds": ["user"]}
    assert LogEntry.objects.get(event="cluster.repair_asked").actor == operator.code


def test_the_page_says_what_was_done_last_and_what_the_cluster_refused(web, operator):
    cluster, now = queries.cluster(), timezone.now()
    steps = [rules.AccountStep("block", "uz-prj-1")]
    actions.note_looked(
        cluster, accounts={}, before=[], after=[], steps=steps, refused=["no such account"], now=now
    )

    page = web(operator).get("/clusters/reconciliation/").content.decode()

    assert "no such account" in page
    assert "0 differences were left" in page


def test_an_operator_says_on_a_page_who_is_who(web, ana, operator, auditor):
    form = {"email": ana.email.upper(), "name": "apop"}
    assert web(auditor).post("/clusters/users/", form).status_code == 422
    assert not SiteUser.objects.exists()

    assert web(operator).post("/clusters/users/", form).status_code == 302
    assert SiteUser.objects.get().name == "apop"
    assert "apop" in web(auditor).get("/clusters/users/").content.decode()


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"email": "nobody@example.org", "name": "x"}, "Nobody signs in with this address."),
        ({"email": "ana@startup.example", "name": "root"}, "and not root"),
        ({"email": "", "name": ""}, "E-mail address of the person"),
    ],
)
def test_mistakes_on_the_page_are_said_and_save_nothing(web, ana, operator, form, words):
    answer = web(operator).post("/clusters/users/", form)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not SiteUser.objects.exists()


def test_the_api_tells_and_does_the_same(api, drift, ana, operator, auditor):
    base = "/api/v1/compute"
    assert api(ana).get(f"{base}/reconciliation").status_code == 404
    assert api(auditor).get(f"{base}/reconciliation").json()["count"] == 1
    listed = api(auditor).get(f"{base}/reconciliation/drifts").json()["items"]
    assert [(one["subject"], one["winner"]) for one in listed] == [("uz-prj-1/eve", "factory")]

    json = {"content_type": "application/json"}
    kinds = {"kinds": ["user"]}
    assert (
        api(auditor).post(f"{base}/reconciliation/repair", kinds, **json).json()["code"]
        == "cluster.repair.not_operator"
    )
    assert api(operator).post(f"{base}/reconciliation/repair", kinds, **json).status_code == 202
    mapped = {"email": ana.email, "name": "apop"}
    assert api(auditor).post(f"{base}/users", mapped, **json).status_code == 403
    assert api(operator).post(f"{base}/users", mapped, **json).status_code == 201
    assert api(auditor).get(f"{base}/users").json()["items"][0]["person"] == ana.code
    nobody = api(operator).post(f"{base}/users", mapped | {"email": "x@y.example"}, **json)
    assert (nobody.status_code, nobody.json()["errors"][0]["code"]) == (422, "site_user.map.nobody")


def test_a_projects_hours_say_how_old_the_last_good_look_is(web, ana, project, allocation):
    now = timezone.now()
    page = web(ana).get(f"/projects/{project.code}/").content.decode()
    assert "is booked up to" not in page

    cluster = queries.cluster()
    cluster.usage_cursor_s = int(now.timestamp()) - 120
    cluster.reconciled_at = now - timedelta(minutes=5)
    cluster.save()
    for path in (f"/projects/{project.code}/", "/jobs/"):
        page = web(ana).get(path).content.decode()
        assert "is booked up to" in page
        assert "compared with these hours 5 min" in page


def test_the_page_says_what_to_set_where_budgets_would_lie(web, api, operator):
    decay = rules.Finding("decay", "refuse", {"value": "7-00:00:00"})
    health = Health(True, True, "22.05.8", 0.0, (decay,))
    actions.note_health(queries.cluster(), health, now=timezone.now())

    page = web(operator).get("/clusters/reconciliation/").content.decode()
    assert "half-life of 7-00:00:00" in page
    assert "Set PriorityDecayHalfLife=0" in page
    told = api(operator).get("/api/v1/compute/reconciliation").json()["findings"]
    assert [(one["code"], one["level"]) for one in told] == [("decay", "refuse")]
    assert "PriorityDecayHalfLife=0" in told[0]["words"]
