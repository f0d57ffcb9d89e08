import json

import pytest
from django.test import Client

from uzina.people.models import Organisation

pytestmark = pytest.mark.django_db
KIND = "application/problem+json"


def told(response):
    assert response["Content-Type"] == KIND
    body = json.loads(response.content)
    assert body["status"] == response.status_code
    assert body["request_id"] == response["X-Request-Id"]
    return body


def test_an_address_that_is_not_there_is_a_problem_document(api, ana):
    assert told(api(ana).get("/api/v1/nothing"))["code"] == "request.path.not_found"


def test_what_one_may_not_see_is_not_there(api, ana, org, stranger):
    assert api(ana).get(f"/api/v1/people/organisations/{org.code}").status_code == 200
    answer = api(stranger).get(f"/api/v1/people/organisations/{org.code}")
    assert (answer.status_code, told(answer)["code"]) == (404, "request.path.not_found")


def test_without_a_token_one_is_asked_to_sign_in():
    answer = Client().get("/api/v1/people/me")
    assert (answer.status_code, told(answer)["code"]) == (401, "request.sign_in.needed")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("token", ["uz_unknown", "", "\x00", "x" * 5000])
def test_a_token_that_is_none_is_asked_to_sign_in(token):
    answer = Client(headers={"Authorization": f"Bearer {token}"}).get("/api/v1/people/me")
    assert answer.status_code == 401


def test_a_wrong_method_names_those_that_work(api, ana):
    answer = api(ana).delete("/api/v1/people/me")
    assert (answer.status_code, told(answer)["code"]) == (405, "request.method.not_allowed")


def test_a_body_that_is_not_json_is_told_so(api, ana):
    answer = api(ana).post("/api/v1/people/organisations", "{", content_type="application/json")
    assert answer.status_code == 400
    assert told(answer)["code"] == "request.body.unreadable"


def test_every_mistake_of_a_body_is_told_with_its_place(api, ana):
    answer = api(ana).post(
        "/api/v1/people/organisations",
        {"name": "x\x01y", "kind": "circus", "country": "Romania", "headcount": 2**40},
        content_type="application/json",
    )
    body = told(answer)
    assert (answer.status_code, body["code"]) == (422, "input.invalid")
    assert {one["pointer"] for one in body["errors"]} == {
        "/name",
        "/kind",
        "/country",
        "/headcount",
    }
    assert not Organisation.objects.exists()


def test_a_nul_is_refused_wherever_it_is_sent_and_told_where(api, ana, org):
    answer = api(ana).post(
        "/api/v1/calls/applications",
        {"call": "x\x00", "organisation": [{"a\x00": 1}]},
        content_type="application/json",
    )
    body = told(answer)
    assert (answer.status_code, body["code"]) == (422, "input.invalid")
    assert {one["pointer"] for one in body["errors"]} == {"/call", "/organisation/0"}
    assert api(ana).get(f"/api/v1/people/organisations/{org.code}%00").status_code == 404
    assert api(ana).get("/api/v1/people/organisations?cursor=%00").status_code == 404


def test_refusals_of_the_rules_come_in_the_language_asked_for(ana):
    def sign_in(language):
        return Client().post(
            "/api/v1/people/tokens",
            {"email": "ana@startup.example", "password": "wrong"},
            content_type="application/json",
            headers={"Accept-Language": language},
        )

    english, romanian = told(sign_in("en")), told(sign_in("ro"))
    assert english["code"] == romanian["code"] == "person.sign_in.wrong"
    assert english["detail"].startswith("The address and the password")
    assert romanian["detail"] != english["detail"]


def test_a_time_is_told_in_utc_with_a_z(api, ana, project):
    body = api(ana).get(f"/api/v1/people/projects/{project.code}").json()
    assert body["starts_at"] == "2026-11-22T09:00:00Z"


def test_every_response_has_the_headers_that_guard_a_page():
    answer = Client().get("/accessibility/")
    policy = answer["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert answer["X-Frame-Options"] == "DENY"
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_request_id_of_the_caller_is_kept_when_it_is_harmless():
    harmless = Client(headers={"X-Request-Id": "abcdefgh-1"}).get("/accessibility/")
    assert harmless["X-Request-Id"] == "abcdefgh-1"
    odd = Client(headers={"X-Request-Id": "a b<script>"}).get("/accessibility/")
    assert odd["X-Request-Id"] != "a b<script>"


def test_an_error_of_ours_tells_a_program_nothing_but_its_number(monkeypatch, ana, api):
    from uzina.people import queries

    def fail(*args, **kwargs):
        raise RuntimeError("secret detail")

    client = api(ana)
    monkeypatch.setattr(queries, "sized", fail)
    client.raise_request_exception = False
    answer = client.post(
        "/api/v1/people/organisations",
        {"name": "X", "kind": "sme", "country": "RO"},
        content_type="application/json",
    )
    assert answer.status_code == 500
    assert "secret" not in answer.content.decode()
    assert told(answer)["code"] == "request.failed"
