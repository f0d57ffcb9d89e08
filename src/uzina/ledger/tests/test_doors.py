import csv
import io
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now
from django.utils.translation import override

from uzina.ledger import actions, queries
from uzina.ledger.models import Transfer
from uzina.ledger.rules import Charge
from uzina.ledger.views import clock
from uzina.people.actions import open_project

from .conftest import HOUR

API = "/api/v1/ledger/allocations"
KEY = {"Idempotency-Key": "first"}


@pytest.fixture
def allocation(project, capacity):
    """An allocation that is open by the real clock, which is the one that doors read."""
    return actions.grant(
        project,
        capacity=capacity,
        amount=100 * HOUR,
        starts_at=now() - timedelta(days=1),
        ends_at=now() + timedelta(days=30),
        key="grant:AWD-1",
        by=None,
        now=now(),
    )


def book(allocation, used=2 * HOUR, key="JOB-1"):
    hold = actions.hold(
        allocation, amount=10 * HOUR, subject=key, key=f"hold:{key}", by=None, now=now()
    )
    actions.settle(hold, used=used, by=None, now=now())


def page(person):
    client = Client()
    client.force_login(person)
    return client


def more_allocations(project, capacity, count):
    for number in range(count):
        actions.grant(
            project,
            capacity=capacity,
            amount=HOUR,
            starts_at=now(),
            ends_at=now() + timedelta(days=1),
            key=f"more:{number}",
            by=None,
            now=now(),
        )


# --- API


def test_the_api_shows_an_allocation_with_its_balance(api, ana, allocation, project):
    book(allocation)
    found = api(ana).get(f"{API}/{allocation.code}")
    assert found.status_code == 200
    body = found.json()
    assert body.pop("starts_at").endswith("Z")
    assert body.pop("ends_at").endswith("Z")
    assert body == {
        "code": allocation.code,
        "project": project.code,
        "resource": "gpu-hours",
        "unit": "gpu_ms",
        "state": "active",
        "policy": "finish",
        "balance": {
            "granted": 100 * HOUR,
            "free": 98 * HOUR,
            "held": 0,
            "spent": 2 * HOUR,
            "expired": 0,
            "overrun": 0,
            "overdraft": 0,
        },
        "allowed": [],
    }


def test_the_api_tells_an_operator_what_may_be_done(api, operator, allocation):
    client = api(operator)
    address = f"{API}/{allocation.code}"
    assert client.get(address).json()["allowed"] == [
        "top-up",
        "overdraw",
        "refund",
        "freeze",
        "expire",
    ]
    actions.freeze(allocation, reason="x", by=operator, now=now())
    assert client.get(address).json()["allowed"] == [
        "top-up",
        "overdraw",
        "refund",
        "thaw",
        "expire",
    ]
    actions.expire(allocation, reason="x", key="e", by=operator, now=now())
    assert client.get(address).json()["allowed"] == []


@pytest.mark.parametrize("tail", ["", "/statement"])
def test_the_api_shows_strangers_nothing(api, stranger, allocation, tail):
    assert api(stranger).get(f"{API}/{allocation.code}{tail}").status_code == 404
    assert api(stranger).get(API).json() == {"items": [], "next": None}
    assert api().get(f"{API}/{allocation.code}{tail}").status_code == 401


@pytest.mark.parametrize("code", ["ALL-000000", "%00", "a" * 300, "..%2f", "ș"])
def test_the_api_knows_no_such_allocation(api, operator, allocation, code):
    for tail in ("", "/statement"):
        assert api(operator).get(f"{API}/{code}{tail}").status_code == 404


def test_the_api_lists_one_project_when_asked(api, ana, allocation, project, capacity, org):
    other = open_project(
        org,
        title="Other",
        lead=ana,
        starts_at=now(),
        ends_at=now() + timedelta(days=1),
        award_code="",
        by=None,
        now=now(),
    )
    more_allocations(other, capacity, 2)
    client = api(ana)
    assert len(client.get(API).json()["items"]) == 3
    (one,) = client.get(API, {"project": project.code}).json()["items"]
    assert one["code"] == allocation.code
    first = client.get(API, {"limit": 2}).json()
    rest = client.get(API, {"limit": 2, "cursor": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


def test_the_api_lists_three_in_as_many_queries_as_one(
    api, ana, allocation, project, capacity, django_assert_num_queries
):
    client = api(ana)
    client.get(API)
    with django_assert_num_queries(4) as counted:
        assert len(client.get(API).json()["items"]) == 1
    more_allocations(project, capacity, 2)
    with django_assert_num_queries(len(counted)):
        assert len(client.get(API).json()["items"]) == 3


def test_the_api_gives_the_statement_newest_last(api, ana, allocation):
    book(allocation)
    client = api(ana)
    body = client.get(f"{API}/{allocation.code}/statement").json()
    assert [line["kind"] for line in body["lines"]] == ["grant", "hold", "spend", "release"]
    assert body["lines"][-1]["free"] == body["balance"]["free"] == 98 * HOUR
    assert (body["allocation"], body["unit"], body["before"]) == (allocation.code, "gpu_ms", None)
    last = client.get(f"{API}/{allocation.code}/statement", {"limit": 2}).json()
    assert last["lines"] == body["lines"][2:]
    assert last["before"] == 3
    earlier = client.get(
        f"{API}/{allocation.code}/statement", {"limit": 2, "before": last["before"]}
    ).json()
    assert earlier["lines"] == body["lines"][:2]
    assert earlier["before"] is None


@pytest.mark.parametrize(
    "asked",
    [{"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"before": 0}, {"before": 2**63}],
)
def test_the_api_refuses_a_page_that_cannot_be(api, ana, allocation, asked):
    assert api(ana).get(f"{API}/{allocation.code}/statement", asked).status_code == 422


def post(client, allocation, verb, body, headers=KEY):
    return client.post(
        f"{API}/{allocation.code}/{verb}",
        body,
        content_type="application/json",
        headers=headers,
    )


def test_the_api_tops_up_once_for_one_key(api, operator, allocation):
    client = api(operator)
    body = {"amount": HOUR, "reason": "Extension"}
    for _again in range(2):
        found = post(client, allocation, "top-up", body)
        assert found.status_code == 200, found.content
        assert found.json()["balance"]["granted"] == 101 * HOUR
    assert queries.balance(allocation).granted == 101 * HOUR
    other = post(client, allocation, "top-up", {"amount": 2 * HOUR, "reason": "Extension"})
    assert (other.status_code, other.json()["code"]) == (422, "request.key.reused")


def test_two_operators_may_choose_the_same_key(api, operator, stranger, allocation):
    from uzina.people.actions import appoint
    from uzina.people.rules import RoleKind

    appoint(stranger, kind=RoleKind.OPERATOR, by=None, now=now())
    body = {"amount": HOUR, "reason": "Extension"}
    for person in (operator, stranger):
        assert post(api(person), allocation, "top-up", body).status_code == 200
    assert queries.balance(allocation).granted == 102 * HOUR


def test_the_api_refunds_freezes_thaws_and_expires(api, operator, allocation):
    book(allocation)
    client = api(operator)
    found = post(client, allocation, "refund", {"amount": HOUR, "reason": "Node"})
    assert found.json()["balance"]["spent"] == HOUR
    for number, (verb, state) in enumerate(
        [("freeze", "frozen"), ("thaw", "active"), ("expire", "ended")]
    ):
        headers = {"Idempotency-Key": f"k{number}"}
        found = post(client, allocation, verb, {"reason": "x"}, headers)
        assert (found.status_code, found.json()["state"]) == (200, state)


@pytest.mark.parametrize("verb", ["top-up", "overdraw", "refund", "expire", "freeze", "thaw"])
def test_the_api_lets_operators_only_correct(api, ana, stranger, allocation, verb):
    body = {"amount": HOUR, "reason": "x"}
    before = Transfer.objects.count()
    member = post(api(ana), allocation, verb, body)
    assert member.status_code == 403
    assert member.json()["code"] == f"allocation.{verb.replace('-', '_')}.not_operator"
    assert post(api(stranger), allocation, verb, body).status_code == 404
    assert post(api(), allocation, verb, body).status_code == 401
    assert Transfer.objects.count() == before


@pytest.mark.parametrize("verb", ["top-up", "overdraw", "refund", "expire", "freeze", "thaw"])
def test_the_api_wants_a_key_for_a_correction(api, operator, allocation, verb):
    found = post(api(operator), allocation, verb, {"amount": HOUR, "reason": "x"}, headers={})
    assert (found.status_code, found.json()["code"]) == (400, "request.key.missing")


@pytest.mark.parametrize(
    "body",
    [
        {"amount": 0, "reason": "x"},
        {"amount": -1, "reason": "x"},
        {"amount": 2**53, "reason": "x"},
        {"amount": 2**70, "reason": "x"},
        {"amount": 1.5, "reason": "x"},
        {"amount": "many", "reason": "x"},
        {"amount": 1, "reason": ""},
        {"amount": 1, "reason": "r" * 501},
        {"amount": 1, "reason": "\0"},
        {"amount": 1},
        {},
    ],
)
def test_the_api_says_what_is_wrong_with_a_correction(api, operator, allocation, body):
    found = post(api(operator), allocation, "top-up", body)
    assert found.status_code == 422
    assert found.json()["errors"]
    assert queries.balance(allocation).granted == 100 * HOUR


def test_the_api_refuses_what_the_call_has_not_left(api, operator, allocation):
    found = post(api(operator), allocation, "top-up", {"amount": 5000 * HOUR, "reason": "x"})
    assert (found.status_code, found.json()["code"]) == (409, "allocation.grant.too_big")


# --- pages


def test_the_statement_shows_figures_to_the_second(ana, allocation):
    book(allocation, used=7_384_500)
    found = page(ana).get(f"/allocations/{allocation.code}/")
    assert found.status_code == 200
    text = found.content.decode()
    for figure in ("100:00:00", "2:03:04.500", "97:56:55.500", "JOB-1", "Released"):
        assert figure in text
    assert "Top up" not in text
    assert "What is left of the hours" in text


def test_an_overrun_is_on_the_statement(ana, allocation):
    book(allocation, used=101 * HOUR)
    text = page(ana).get(f"/allocations/{allocation.code}/").content.decode()
    assert "Spent beyond the allocation" in text
    assert "1:00:00" in text


def test_a_long_statement_comes_in_pages(ana, allocation):
    for number in range(20):
        book(allocation, key=f"JOB-{number}", used=HOUR)
    client = page(ana)
    newest = client.get(f"/allocations/{allocation.code}/").content.decode()
    assert "JOB-19" in newest
    assert "JOB-0<" not in newest
    assert "?before=32" in newest
    earlier = client.get(f"/allocations/{allocation.code}/?before=12").content.decode()
    assert "JOB-0<" in earlier
    assert "Newest lines" in earlier
    assert "Earlier lines" not in earlier


@pytest.mark.parametrize("before", ["", "x", "0", "1", "-1", "9" * 30, "1.5", "ș"])
def test_any_page_of_a_statement_can_be_asked_for(ana, allocation, before):
    found = page(ana).get(f"/allocations/{allocation.code}/?before={before}")
    assert found.status_code == 200


@pytest.mark.parametrize("tail", ["", "statement.csv", "top-up/"])
def test_pages_are_for_those_who_may_see(stranger, allocation, tail):
    address = f"/allocations/{allocation.code}/{tail}"
    assert page(stranger).get(address).status_code == 404
    found = Client().get(address)
    assert found.status_code == 302
    assert found["Location"].startswith("/sign-in/")


@pytest.mark.parametrize("code", ["ALL-000000", "%00", "a" * 300])
def test_there_is_no_page_of_an_unknown_allocation(operator, allocation, code):
    for tail in ("", "statement.csv", "top-up/"):
        assert page(operator).get(f"/allocations/{code}/{tail}").status_code == 404


def test_the_list_shows_one_s_allocations(ana, stranger, allocation):
    assert allocation.code in page(ana).get("/allocations/").content.decode()
    text = page(stranger).get("/allocations/").content.decode()
    assert "No allocation yet" in text


def test_the_list_of_three_costs_as_many_queries_as_one(
    ana, allocation, project, capacity, django_assert_num_queries
):
    client = page(ana)
    client.get("/allocations/")
    with django_assert_num_queries(6) as counted:
        client.get("/allocations/")
    more_allocations(project, capacity, 2)
    with django_assert_num_queries(len(counted)):
        client.get("/allocations/")


def test_a_longer_statement_costs_as_many_queries(ana, allocation, django_assert_max_num_queries):
    client = page(ana)
    book(allocation)
    with django_assert_max_num_queries(15) as counted:
        client.get(f"/allocations/{allocation.code}/")
    for number in range(2, 5):
        book(allocation, key=f"JOB-{number}")
    with django_assert_max_num_queries(len(counted)):
        client.get(f"/allocations/{allocation.code}/")


def test_the_download_is_every_line_and_no_formula(ana, operator, allocation):
    book(allocation)
    actions.top_up(
        allocation,
        amount=1,
        reason='=HYPERLINK("http://evil.example")',
        key="t",
        by=operator,
        now=now(),
    )
    found = page(ana).get(f"/allocations/{allocation.code}/statement.csv")
    assert found.status_code == 200
    assert found["Content-Type"] == "text/csv; charset=utf-8"
    assert f"statement-{allocation.code}.csv" in found["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(found.content.decode())))
    assert [row["kind"] for row in rows] == ["grant", "hold", "spend", "release", "top_up"]
    assert rows[-1]["reason"] == '\'=HYPERLINK("http://evil.example")'
    assert rows[-1]["free_gpu_ms"] == str(98 * HOUR + 1)
    assert rows[0]["at"].endswith("Z")


def typed(client, allocation, verb, **answers):
    """Fill the form that the page shows, as it was made, and send it."""
    address = f"/allocations/{allocation.code}/{verb}/"
    key = client.get(address).context["form"]["key"].value()
    return client.post(address, {"key": key} | answers), key


def test_an_operator_tops_up_by_the_page_and_a_second_click_counts_not(operator, allocation):
    client = page(operator)
    found, key = typed(client, allocation, "top-up", amount="1.5", reason="Extension")
    assert found.status_code == 302
    again = client.post(
        f"/allocations/{allocation.code}/top-up/",
        {"key": key, "amount": "1.5", "reason": "Extension"},
    )
    assert again.status_code == 302
    assert queries.balance(allocation).granted == 101.5 * HOUR
    text = client.get(f"/allocations/{allocation.code}/").content.decode()
    assert "The hours are added." in text
    assert "Extension" in text


@pytest.mark.parametrize(
    ("verb", "state"), [("freeze", "frozen"), ("expire", "ended"), ("refund", "active")]
)
def test_an_operator_corrects_by_the_page(operator, allocation, verb, state):
    book(allocation)
    answers = {"amount": "2"} if verb == "refund" else {}
    found, _key = typed(page(operator), allocation, verb, reason="Node failed", **answers)
    assert found.status_code == 302
    allocation.refresh_from_db()
    assert allocation.state == state
    assert (queries.balance(allocation).spent == 0) is (verb == "refund")


def test_an_operator_signs_an_overdraft_by_the_page_and_it_is_on_the_statement(
    operator, ana, allocation
):
    found, _key = typed(page(operator), allocation, "overdraw", reason="A demo", amount="20")
    assert found.status_code == 302
    balance = queries.balance(allocation)
    assert (balance.granted, balance.overdraft) == (100 * HOUR, 20 * HOUR)
    text = page(ana).get(f"/allocations/{allocation.code}/").content.decode()
    for shown in ("Overdraft signed", "A demo", "Signed beyond the grant by the factory", "20:00"):
        assert shown in text


def test_the_api_signs_an_overdraft_once(api, operator, ana, allocation):
    client, body = api(operator), {"amount": HOUR, "reason": "A demo"}
    for _again in range(2):
        found = post(client, allocation, "overdraw", body)
        assert found.status_code == 200
        assert found.json()["balance"]["overdraft"] == HOUR
    assert post(api(ana), allocation, "overdraw", body).status_code == 403
    unsaid = {"amount": 1, "reason": " "}
    other = {"Idempotency-Key": "second"}
    assert post(client, allocation, "overdraw", unsaid, headers=other).status_code == 422


def test_charges_and_corrections_are_on_the_statement(ana, allocation):
    for key, amount in (("row", 5), ("fix", -2)):
        one = Charge(allocation, amount * HOUR, key, "CLU-1", "Direct use")
        actions.charge([one], by=None, now=now())
    text = page(ana).get(f"/allocations/{allocation.code}/").content.decode()
    for shown in ("Charge corrected", "Direct use", "CLU-1", "3:00:00"):
        assert shown in text
    lines = page(ana).get(f"/allocations/{allocation.code}/statement.csv").content.decode()
    assert lines.splitlines()[0].endswith(",overrun_gpu_ms,overdraft_gpu_ms")
    assert ",credit," in lines


def test_a_frozen_allocation_thaws_by_the_page(operator, allocation):
    actions.freeze(allocation, reason="x", by=operator, now=now())
    found, _key = typed(page(operator), allocation, "thaw", reason="Solved")
    assert found.status_code == 302
    allocation.refresh_from_db()
    assert allocation.state == "active"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"amount": "", "reason": "x"}, "Fill in"),
        ({"amount": "0", "reason": "x"}, "Write a number from 0.0001 to"),
        ({"amount": "-1", "reason": "x"}, "Write a number from 0.0001 to"),
        ({"amount": "9999999999999", "reason": "x"}, "Write a number from 0.0001 to"),
        ({"amount": "many", "reason": "x"}, "Write a number, such as"),
        ({"amount": "1", "reason": ""}, "Fill in"),
        ({"amount": "1", "reason": "x" * 501}, "Shorten this to 500 characters"),
        ({"amount": "1", "reason": "a\0b"}, "Remove the characters that cannot be shown."),
        ({"amount": "5000", "reason": "kept text"}, "the call has 4900 left to grant"),
    ],
)
def test_a_correction_that_cannot_be_says_why_and_keeps_the_text(
    operator, allocation, answers, message
):
    found, _key = typed(page(operator), allocation, "top-up", **answers)
    assert found.status_code == 422
    text = found.content.decode()
    assert message in text
    if answers["reason"] == "kept text":
        assert "kept text" in text
    assert queries.balance(allocation).granted == 100 * HOUR


def test_members_and_auditors_have_no_page_to_correct(ana, auditor, allocation):
    for person in (ana, auditor):
        client = page(person)
        address = f"/allocations/{allocation.code}/top-up/"
        assert client.get(address).status_code == 404
        assert client.post(address, {"amount": "1", "reason": "x"}).status_code == 404


def test_there_are_no_other_corrections(operator, allocation):
    assert page(operator).get(f"/allocations/{allocation.code}/give/").status_code == 404


def test_the_statement_speaks_romanian(ana, allocation):
    book(allocation)
    client = page(ana)
    client.cookies["django_language"] = "ro"
    with override("ro"):
        text = client.get(f"/allocations/{allocation.code}/").content.decode()
    assert "Extras de cont" in text
    assert "Eliberate" in text


@pytest.mark.parametrize(
    ("gpu_ms", "text"),
    [
        (0, "0:00:00"),
        (999, "0:00:00.999"),
        (1000, "0:00:01"),
        (3_599_999, "0:59:59.999"),
        (3_600_000, "1:00:00"),
        (5_000 * HOUR + 61_000, "5,000:01:01"),
        (-1000, "−0:00:01"),
    ],
)
def test_gpu_time_is_written_exactly(gpu_ms, text):
    with override("en"):
        assert clock(gpu_ms) == text
