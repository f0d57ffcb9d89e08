"""Pages and API of grand challenges: once through, strangers, and that no answer leaks."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from uzina.calls import actions, tasks
from uzina.calls.api.challenges import read_body
from uzina.calls.models import Challenge, Entry
from uzina.calls.rules import challenges as rules
from uzina.calls.tests.test_challenges import (
    RIGHT,
    TRUTH,
    another,
    challenge_call,
    enter,
    rows,
    set_up,
)
from uzina.core.errors import Refused
from uzina.core.models import LogEntry

pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
BASE = "/api/v1/calls"
CSV = "text/csv"


@pytest.fixture
def call(operator):
    return challenge_call(operator, opens_at=LONG_AGO)


@pytest.fixture
def challenge(call, operator):
    return set_up(call, operator, now=now(), closes_at=now() + timedelta(days=9))


@pytest.fixture
def entrant(challenge, org, ana):
    return enter(challenge.call, org, ana, now=now())


def close(challenge):
    """Have the challenge closed a second ago, by the clock on the wall."""
    Challenge.objects.filter(pk=challenge.pk).update(closes_at=now() - timedelta(seconds=1))


def test_the_whole_way_from_the_answers_to_the_prizes_over_http(call, operator, ana, org, api):
    office, startup = api(operator), api(ana)
    where = f"{BASE}/calls/{call.slug}/challenge"
    asked = "metric=accuracy&prizes=3000&prizes=1000&entries_per_day=3"
    closes = (now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    made = office.put(f"{where}?{asked}&closes_at={closes}", TRUTH, content_type=CSV)
    assert made.status_code == 200, made.content
    assert (made.json()["public_items"], made.json()["prizes_gpu_hours"]) == (2, [3000, 1000])
    assert made.json()["truth_sha256"]

    application = enter(call, org, ana, now=now())
    seen = startup.get(where).json()
    assert (seen["seal"], seen["truth_sha256"], seen["salt"]) == (made.json()["seal"], None, None)
    sent = startup.post(
        f"{BASE}/applications/{application.code}/entries?note=First", rows(a="w"), content_type=CSV
    )
    assert (sent.status_code, sent.json()["state"]) == (201, "received"), sent.content
    code = sent.json()["code"]
    tasks.score_entry(entry=code, now=now())
    scored = startup.get(f"{BASE}/entries/{code}").json()
    assert (scored["public_score_millionths"], scored["private_score_millionths"]) == (500000, None)
    assert startup.post(f"{BASE}/entries/{code}/choose").json()["is_chosen"] is True
    listed = startup.get(f"{BASE}/applications/{application.code}/entries").json()["items"]
    assert [(one["code"], one["note"]) for one in listed] == [(code, "First")]

    early = office.post(f"{where}/reveal")
    assert (early.status_code, early.json()["code"]) == (409, "challenge.reveal.too_early")
    close(Challenge.objects.get())
    assert office.post(f"{where}/reveal").json()["revealed_at"]
    final = startup.get(f"{BASE}/calls/{call.slug}/leaderboard").json()
    assert (final["is_final"], final["next"], len(final["items"])) == (True, None, 1)
    place = final["items"][0]
    assert (place["rank"], place["score_millionths"], place["is_mine"]) == (1, 1_000_000, True)
    assert startup.get(f"{BASE}/entries/{code}").json()["private_score_millionths"] == 1_000_000
    assert office.post(f"{where}/release").json()["released_at"]
    assert startup.get(f"{BASE}/applications/{application.code}").json()["award"]


def test_a_file_sent_twice_is_refused_with_the_code_of_the_first(entrant, ana, api):
    where = f"{BASE}/applications/{entrant.code}/entries"
    first = api(ana).post(where, rows(), content_type=CSV).json()
    again = api(ana).post(where, rows(), content_type=CSV)
    assert (again.status_code, again.json()["params"]) == (409, {"entry": first["code"]})


def test_a_body_that_is_too_long_is_refused_before_it_is_kept(entrant, ana, api, monkeypatch):
    monkeypatch.setattr(rules, "MOST_BYTES", len(rows()))
    where = f"{BASE}/applications/{entrant.code}/entries"
    refused = api(ana).post(where, rows() + b"\n", content_type=CSV)
    assert (refused.status_code, refused.json()["code"]) == (409, "request.body.too_long")
    assert not Entry.objects.exists()
    assert api(ana).post(where, rows(), content_type=CSV).status_code == 201


@pytest.mark.parametrize(
    ("announced", "body", "code"),
    [
        ("5", b"12345", None),
        ("6", b"12345", "request.body.cut_short"),
        ("9", b"123456789", "request.body.too_long"),
        ("", b"", None),
    ],
)
def test_a_body_arrives_whole_or_not_at_all(announced, body, code):
    stream = io.BytesIO(body)
    request = WSGIRequest(
        {"REQUEST_METHOD": "POST", "CONTENT_LENGTH": announced, "wsgi.input": stream}
    )
    if code is None:
        assert read_body(request, most=8) == body
        return
    with pytest.raises(Refused) as refused:
        read_body(request, most=8)
    assert refused.value.code == code
    assert code == "request.body.cut_short" or stream.tell() == 0, "nothing of it is read"


def test_strangers_find_nothing_of_an_entrant_and_nothing_of_the_office(
    entrant, challenge, stranger, ana, api, client
):
    entry = actions.send_entry(entrant, content=rows(), note="", by=ana, now=now())
    api_of_stranger = api(stranger)
    for path in (f"/applications/{entrant.code}/entries", f"/entries/{entry.code}"):
        assert api_of_stranger.get(f"{BASE}{path}").status_code == 404
    client.force_login(stranger)
    slug = challenge.call.slug
    for path in (f"/applications/{entrant.code}/entries/", f"/calls/{slug}/challenge/"):
        assert client.get(path).status_code == 404
    for path in (f"/calls/{slug}/challenge/reveal/", f"/entries/{entry.code}/choose/"):
        assert client.post(path).status_code == 404
    assert client.get(f"/calls/{slug}/leaderboard/").status_code == 200


def test_a_visitor_sees_the_leaderboard_and_must_sign_in_for_the_rest(entrant, challenge, client):
    slug = challenge.call.slug
    assert client.get(f"/calls/{slug}/leaderboard/").status_code == 200
    for path in (f"/applications/{entrant.code}/entries/", f"/calls/{slug}/challenge/"):
        assert client.get(path).status_code == 302


def test_an_entry_is_sent_and_chosen_on_a_page(entrant, ana, client):
    client.force_login(ana)
    where = f"/applications/{entrant.code}/entries/"
    broken = io.BytesIO(b"id,prediction\na,x\na,y\n")
    broken.name = "broken.csv"
    refused = client.post(where, {"file": broken, "note": ""})
    assert refused.status_code == 422
    assert "Line 3: the id a was there before." in refused.content.decode()

    good = io.BytesIO(rows())
    good.name = "good.csv"
    assert client.post(where, {"file": good, "note": "Ours"}).status_code == 302
    entry = Entry.objects.get()
    tasks.score_entry(entry=entry.code, now=now())
    page = client.get(where).content.decode()
    assert "1.000000" in page
    assert client.post(f"/entries/{entry.code}/choose/").status_code == 302
    assert "You chose this one" in client.get(where).content.decode()


def test_a_challenge_is_set_revealed_and_released_on_a_page(call, operator, ana, org, client):
    client.force_login(operator)
    where = f"/calls/{call.slug}/challenge/"
    file = io.BytesIO(TRUTH)
    file.name = "truth.csv"
    day = now() + timedelta(days=3)
    asked = {
        "truth": file, "metric": "accuracy", "prizes": "3,000\n1000\n", "entries_per_day": "2",
        "closes_on_day": str(day.day), "closes_on_month": str(day.month),
        "closes_on_year": str(day.year),
    }  # fmt: skip
    file.seek(0)
    wrong = client.post(where, asked | {"prizes": "9000\n9000", "truth": io.BytesIO(TRUTH)})
    assert wrong.status_code == 422
    assert "18000 GPU-hours" in wrong.content.decode().replace("&nbsp;", "")
    assert client.post(where, asked).status_code == 302
    challenge = Challenge.objects.get()
    assert challenge.prizes == [3000, 1000]

    entry = actions.send_entry(
        enter(call, org, ana, now=now()), content=rows(), note="", by=ana, now=now()
    )
    tasks.score_entry(entry=entry.code, now=now())
    assert challenge.truth_sha256 in client.get(where).content.decode()
    close(challenge)
    assert "Reveal the scores" in client.get(where).content.decode()
    assert client.post(f"{where}reveal/").status_code == 302
    assert client.post(f"{where}release/").status_code == 302
    challenge.refresh_from_db()
    assert challenge.released_at


def test_no_page_no_reply_and_no_log_ever_holds_an_answer(
    entrant, challenge, operator, ana, auditor, api, client
):
    """Every address of the challenge, as everybody, before and after the scores are revealed."""
    sent = actions.send_entry(entrant, content=rows(a="own"), note="", by=ana, now=now())
    tasks.score_entry(entry=sent.code, now=now())
    bad = actions.send_entry(entrant, content=rows(z="own"), note="", by=ana, now=now())
    tasks.score_entry(entry=bad.code, now=now())
    slug = challenge.call.slug
    pages = [
        f"/calls/{slug}/leaderboard/", f"/calls/{slug}/challenge/",
        f"/applications/{entrant.code}/entries/", f"/applications/{entrant.code}/",
    ]  # fmt: skip
    replies = [
        f"{BASE}/calls/{slug}/challenge", f"{BASE}/calls/{slug}/leaderboard",
        f"{BASE}/applications/{entrant.code}/entries", f"{BASE}/entries/{bad.code}",
    ]  # fmt: skip

    def read_all():
        found = []
        for person in (None, ana, operator, auditor):
            if person is not None:
                client.force_login(person)
            found += [client.get(path).content.decode() for path in pages]
            if person is not None:
                found += [api(person).get(path).content.decode() for path in replies]
        return " ".join(found)

    shown = read_all()
    close(challenge)
    actions.reveal(challenge.call, by=operator, now=now())
    actions.release_prizes(challenge.call, by=operator, now=now())
    shown += read_all() + " ".join(str(one.facts) for one in LogEntry.objects.all())
    assert "secret-cat" in RIGHT.values()
    assert not any(word in shown for word in ("secret-cat", "secret-dog"))
    assert challenge.truth.name not in shown


def test_private_scores_are_on_no_page_before_they_are_revealed(entrant, ana, challenge, client):
    sent = actions.send_entry(entrant, content=rows(c="w"), note="", by=ana, now=now())
    tasks.score_entry(entry=sent.code, now=now())
    client.force_login(ana)
    for path in (
        f"/calls/{challenge.call.slug}/leaderboard/",
        f"/applications/{entrant.code}/entries/",
    ):
        page = client.get(path).content.decode()
        assert "1.000000" in page
        assert "0.500000" not in page


def test_a_leaderboard_costs_as_many_queries_for_one_entrant_as_for_three(
    entrant, challenge, stranger, assessor, client
):
    def counted():
        with CaptureQueriesContext(connection) as queries:
            assert client.get(f"/calls/{challenge.call.slug}/leaderboard/").status_code == 200
        return len(queries)

    def sends(application):
        entry = actions.send_entry(
            application, content=rows(), note="", by=application.applicant, now=now()
        )
        tasks.score_entry(entry=entry.code, now=now())

    sends(entrant)
    client.get(f"/calls/{challenge.call.slug}/leaderboard/")
    one = counted()
    for person, name in ((stranger, "Alta SRL"), (assessor, "A Treia SRL")):
        sends(another(person, challenge.call, name))
    assert counted() == one
    assert one <= 12


def test_the_pages_are_in_romanian_too(entrant, challenge, ana, client):
    client.force_login(ana)
    client.post("/language/", {"language": "ro", "next": "/"})
    page = client.get(f"/calls/{challenge.call.slug}/leaderboard/").content.decode()
    assert 'lang="ro"' in page
    assert "Clasament" in page
