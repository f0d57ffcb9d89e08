"""Pages and API of messages: who sees what, what a link in a mail does, and how much is asked."""

import json

import pytest
from django.test import Client

from uzina.core.tests import NOW
from uzina.people import actions, queries, rules
from uzina.people.models import Message
from uzina.people.rules import MessageState, Wish
from uzina.people.tests import deliver

OPTIONAL = "ledger.warned"


def write(to, key="k", kind=OPTIONAL, **more):
    return actions.write_message(
        to,
        kind=kind,
        facts=rules.message_kind(kind).example,
        about="PRJ-2AB3CD",
        key=key,
        now=NOW,
        **more,
    )


@pytest.fixture
def browser():
    """Return what opens a browser signed in as a person."""

    def signed_in(person):
        client = Client()
        client.force_login(person)
        return client

    return signed_in


def text(response):
    return response.content.decode()


# One's own ------------------------------------------------------------------------------------


def test_a_person_reads_what_was_sent_and_nothing_that_waits_or_is_another_s(
    browser, ana, stranger
):
    sent = write(ana, "sent")
    deliver()
    held = write(ana, "held", is_held=True)
    other = write(stranger, "other")

    page = browser(ana).get("/account/messages/")

    assert sent.code in text(page)
    assert held.code not in text(page)
    assert other.code not in text(page)
    assert "75 % of the GPU-hours" in text(browser(ana).get(f"/account/messages/{sent.code}/"))
    for hidden in (held, other):
        assert browser(ana).get(f"/account/messages/{hidden.code}/").status_code == 404


def test_a_message_cannot_put_markup_on_a_page(browser, ana, operator):
    example = rules.message_kind("calls.receipt").example
    facts = {**example, "application": {"code": "<i>x", "title": "<script>alert(1)</script>"}}
    message = actions.write_message(
        ana, kind="calls.receipt", facts=facts, about="", key="k", now=NOW
    )
    deliver()
    for page in (
        browser(ana).get(f"/account/messages/{message.code}/"),
        browser(operator).get(f"/messages/{message.code}/"),
    ):
        assert "<script>alert" not in text(page)
        assert "<i>x" not in text(page)


def test_wishes_are_chosen_for_the_kinds_that_may_wait(browser, ana):
    client = browser(ana)
    page = client.get("/account/messages/wishes/")
    assert 'name="ledger.warned"' in text(page)
    assert 'name="calls.award"' not in text(page)
    assert "An award is offered" in text(page)

    chosen = {one.name: "at_once" for one in rules.optional_kinds()} | {OPTIONAL: "daily"}
    assert client.post("/account/messages/wishes/", chosen).status_code == 302
    assert queries.wishes(ana) == {OPTIONAL: Wish.DAILY}

    assert client.post("/account/messages/wishes/", {OPTIONAL: "hourly"}).status_code == 422


def test_the_link_in_a_mail_stops_a_kind_by_one_post_and_looking_stops_nothing(ana):
    address = f"/messages/unsubscribe/{queries.unsubscribe_token(ana, OPTIONAL)}/"
    client = Client(enforce_csrf_checks=True)

    assert "GPU-hours run low" in text(client.get(address))
    assert queries.wishes(ana) == {}
    done = client.post(address, {"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    assert queries.wishes(ana) == {OPTIONAL: Wish.NEVER}
    assert client.post(address).status_code == 200


def test_the_link_in_a_digest_stops_all_that_may_be_stopped(ana):
    token = queries.unsubscribe_token(ana, rules.DIGEST)
    Client().post(f"/messages/unsubscribe/{token}/")
    assert set(queries.wishes(ana)) == {one.name for one in rules.optional_kinds()}
    assert set(queries.wishes(ana).values()) == {Wish.NEVER}


def test_a_changed_link_one_about_decisions_and_one_of_somebody_who_left_stop_nothing(ana):
    token = queries.unsubscribe_token(ana, OPTIONAL)
    decision = queries.unsubscribe_token(ana, "calls.award")
    for wrong in (decision, token[:-1] + ("A" if token[-1] != "A" else "B"), "x", "a:b:c"):
        assert Client().post(f"/messages/unsubscribe/{wrong}/").status_code == 404
    type(ana).objects.filter(pk=ana.pk).update(is_active=False)
    assert Client().post(f"/messages/unsubscribe/{token}/").status_code == 404
    assert queries.wishes(ana) == {}


# The operators' ---------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["/messages/", "/messages/templates/"])
def test_only_operators_enter_the_outbox(browser, ana, auditor, operator, address):
    assert browser(ana).get(address).status_code == 404
    assert browser(auditor).get(address).status_code == 404
    assert browser(operator).get(address).status_code == 200


def test_nobody_else_opens_or_moves_a_message(browser, ana, stranger):
    message = write(ana, is_held=True, batch="CAL")
    for person in (ana, stranger):
        client = browser(person)
        assert client.get(f"/messages/{message.code}/").status_code == 404
        for verb in ("release/", "send-again/", ""):
            assert client.post(f"/messages/{message.code}/{verb}").status_code == 404
        assert client.post("/messages/release/", {"batch": "CAL"}).status_code == 404
    assert Message.objects.get().state == "held"


def test_an_operator_previews_withdraws_and_releases(browser, ana, operator):
    first, second = (write(ana, key, is_held=True, batch="CAL-1") for key in "ab")
    client = browser(operator)
    assert "2 messages held back" in text(client.get("/messages/"))
    assert "has spent 75 of its 100 GPU-hours" in text(client.get(f"/messages/{first.code}/"))

    assert client.post(f"/messages/{first.code}/", {"reason": ""}).status_code == 422
    assert client.post(f"/messages/{first.code}/", {"reason": "Wrong"}).status_code == 302
    assert "Wrong" in text(client.get(f"/messages/{first.code}/"))
    assert client.post("/messages/release/", {"batch": "CAL-1"}).status_code == 302

    states = dict(Message.objects.values_list("code", "state"))
    assert states == {first.code: "withdrawn", second.code: "queued"}
    again = client.post(f"/messages/{second.code}/release/", follow=True)
    assert "Cannot release this message" in text(again)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"a", "b"}),
        ("?state=held", {"b"}),
        ("?state=nonsense", {"a", "b"}),
        ("?kind=calls.award", {"b"}),
        ("?batch=CAL", {"b"}),
        ("?about=PRJ-2AB3CD&state=queued", {"a"}),
        ("?about=APP-2AB3CD", set()),
    ],
)
def test_the_outbox_is_filtered(browser, ana, operator, query, expected):
    codes = {
        "a": write(ana, "a").code,
        "b": write(ana, "b", kind="calls.award", is_held=True, batch="CAL").code,
    }
    page = text(browser(operator).get(f"/messages/{query}"))
    assert {name for name, code in codes.items() if code in page} == expected


def test_the_home_page_tells_operators_of_messages_that_could_not_be_sent(browser, ana, operator):
    message = write(ana)
    assert "could not be sent" not in text(browser(operator).get("/"))
    actions.note_not_sent(message.code, attempt=0, reason="550", is_final=True, now=NOW)

    page = text(browser(operator).get("/"))

    assert "1 message could not be sent" in page
    assert "/messages/?state=failed" in page
    assert "could not be sent" not in text(browser(ana).get("/"))


@pytest.mark.parametrize("language", ["en", "ro"])
def test_all_templates_are_shown_in_both_languages(browser, operator, language):
    operator.language = language
    operator.save()
    page = text(browser(operator).get("/messages/templates/"))
    for kind in rules.message_kinds():
        assert kind.name in page
    assert "AWD-2AB3CD: you are offered an award" in page
    assert "AWD-2AB3CD: vi se oferă o atribuire" in page


def test_fifty_messages_cost_no_more_questions_than_five(
    browser, ana, operator, django_assert_max_num_queries, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = {}
    for rows in (5, 50):
        for number in range(Message.objects.count(), rows):
            write(ana, str(number), is_held=number % 2 == 0, batch=f"B{number % 3}")
        for client, address in (
            (browser(operator), "/messages/"),
            (browser(ana), "/account/messages/"),
        ):
            client.get(address)
            with CaptureQueriesContext(connection) as captured:
                assert client.get(address).status_code == 200
            counts.setdefault(address, []).append(len(captured))
        deliver()
    for few, many in counts.values():
        assert few == many <= 12


# The API --------------------------------------------------------------------------------------


def test_the_api_lists_one_s_own_and_lets_operators_release_and_withdraw(api, ana, operator):
    sent = write(ana, "sent")
    deliver()
    held = write(ana, "held", is_held=True, batch="CAL")
    mine, theirs = api(ana), api(operator)

    assert [one["code"] for one in mine.get("/api/v1/people/messages").json()["items"]] == [
        sent.code
    ]
    assert mine.get(f"/api/v1/people/messages/{held.code}").status_code == 404
    assert mine.post(f"/api/v1/people/messages/{held.code}/release").status_code == 404
    refused = mine.post(
        "/api/v1/people/messages/release", {"batch": "CAL"}, content_type="application/json"
    )
    assert refused.status_code == 403

    (listed,) = theirs.get("/api/v1/people/messages?state=held").json()["items"]
    assert (listed["code"], listed["allowed"]) == (held.code, ["release", "withdraw"])
    assert "GPU-hours" in theirs.get(f"/api/v1/people/messages/{held.code}").json()["body"]
    released = theirs.post(f"/api/v1/people/messages/{held.code}/release").json()
    assert released["state"] == "queued"
    withdrawn = theirs.post(
        f"/api/v1/people/messages/{held.code}/withdraw",
        json.dumps({"reason": "Wrong"}),
        content_type="application/json",
    ).json()
    assert (withdrawn["state"], withdrawn["note"]) == ("withdrawn", "Wrong")
    assert theirs.post(f"/api/v1/people/messages/{held.code}/send-again").status_code == 409
    write(ana, "again", is_held=True, batch="CAL")
    answer = theirs.post(
        "/api/v1/people/messages/release", {"batch": "CAL"}, content_type="application/json"
    )
    assert answer.json() == {"messages": 1}
    assert theirs.get("/api/v1/people/messages?state=gone").status_code == 422
    assert Message.objects.filter(state=MessageState.SENT).count() == 1


def test_wishes_are_read_and_chosen_by_programs(api, ana):
    client = api(ana)
    asked = client.get("/api/v1/people/messages/wishes").json()
    assert {"kind": OPTIONAL, "wish": "at_once"} in asked
    chosen = client.post(
        "/api/v1/people/messages/wishes",
        {"kind": OPTIONAL, "wish": "never"},
        content_type="application/json",
    ).json()
    assert {"kind": OPTIONAL, "wish": "never"} in chosen
    refused = client.post(
        "/api/v1/people/messages/wishes",
        {"kind": "calls.award", "wish": "never"},
        content_type="application/json",
    )
    assert refused.status_code == 422
