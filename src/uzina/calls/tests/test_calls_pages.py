"""Pages and doors of calls, cut-offs, modes and "do I qualify", and what lists cost."""

import re
from datetime import UTC, datetime, time, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.calls import actions, queries
from uzina.calls.models import AccessMode, Application, Call, Capacity
from uzina.calls.rules import calendar, cut_offs, modes, prefill
from uzina.calls.rules.clock import Window
from uzina.calls.tests.conftest import make_call
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db

JSON = "application/json"
BASE = "/api/v1/calls"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
STARTUP = {
    "kind": "startup",
    "country": "RO",
    "headcount": "8",
    "turnover_eur": "400 000",
    "balance_eur": "250 000",
    "civilian_purpose": "yes",
}


def page(person=None, language="en"):
    client = Client(headers={"Accept-Language": language})
    if person is not None:
        client.force_login(person)
    return client


def text(answer):
    return answer.content.decode()


def soon(days):
    """Return an instant some days ahead of the clock on the wall, which the doors read."""
    return (timezone.now() + timedelta(days=days)).replace(microsecond=0)


def call_with_cut_off(operator, slug="large", days=20, **facts):
    values = {
        "mode": "large-scale",
        "slug": slug,
        "title_en": f"Call {slug}",
        "opens_at": LONG_AGO,
        "cut_offs": [Window(LONG_AGO, soon(days)), Window(soon(days), soon(days + 30))],
        "budget_gpu_hours": 500_000,
    } | facts
    return make_call(operator, **values)


# --- do I qualify ---


def test_the_best_mode_comes_first_with_why_when_and_what_to_prepare(operator):
    make_call(operator, opens_at=LONG_AGO)

    shown = text(page().get("/qualify/", STARTUP | {"gpu_hours": "5000"}))

    first = shown[shown.index('id="answer-') :]
    assert first.startswith('id="answer-playground"')
    assert shown.count("Fits you best") == 1
    assert "what you need fits into its fixed package" in shown
    assert "within 2 working days of a complete application" in shown
    assert "What to prepare" in shown
    assert 'href="/calls/playground/?kind=startup&amp;country=RO' in shown
    assert "Large Scale: you do not qualify" in shown
    assert "this mode begins at 50\u202f001" in shown


def test_the_answer_is_the_same_for_a_shared_address_and_in_romanian(operator):
    make_call(operator, opens_at=LONG_AGO)
    asked = STARTUP | {"purpose": "first_steps"}

    def main(answer):
        return text(answer).partition("<main")[2].partition("</main>")[0]

    assert main(page().get("/qualify/", asked)) == main(page().get("/qualify/", asked))
    shown = text(page(language="ro").get("/qualify/", asked))
    assert "vi se potrivește cel mai bine" in shown.lower()
    assert "este intrarea pentru primii pași pe un supercalculator" in shown
    assert "you qualify" not in shown


def test_hours_are_estimated_from_the_model_with_a_range_or_refused_where_nobody_can_say():
    asked = STARTUP | {"parameters": "7 000 000 000", "tokens": "20 000 000 000"}

    shown = text(page().get("/qualify/", asked))
    assert "The run itself takes about" in shown
    assert re.search(r"from [\d,.]+ to [\d,.]+", shown)

    refused = page().get("/qualify/", asked | {"method": "distillation"})
    assert refused.status_code == 422
    assert "Measure a pilot run" in text(refused)
    half = page().get("/qualify/", STARTUP | {"tokens": "5"})
    assert half.status_code == 422
    assert "The estimate needs this figure too." in text(half)


def test_firms_one_belongs_to_and_the_year_before_count_for_the_size():
    mother = {
        "related_1_share": "80",
        "related_1_headcount": "5000",
        "related_1_turnover_eur": "1000000000",
        "related_1_balance_eur": "1000000000",
    }
    shown = text(page().get("/qualify/", STARTUP | mother))
    assert "above the EU&#x27;s definition of an SME" in shown
    assert "<details open>" in shown

    half = page().get("/qualify/", STARTUP | {"related_1_share": "80"})
    assert half.status_code == 422
    assert "Fill in this figure too" in text(half)

    grown = STARTUP | {"headcount": "300", "turnover_eur": "60000000", "balance_eur": "60000000"}
    before = {
        "before_headcount": "200",
        "before_turnover_eur": "1",
        "before_balance_eur": "1",
    }
    assert "above the EU&#x27;s definition" in text(page().get("/qualify/", grown))
    assert "above the EU&#x27;s definition" not in text(page().get("/qualify/", grown | before))


def test_who_is_taken_nowhere_is_told_what_would_have_to_change():
    shown = text(page().get("/qualify/", STARTUP | {"civilian_purpose": "no"}))

    assert "No mode takes you as you are now." in shown
    assert "Fits you best" not in shown
    assert "If a part of your work is civilian, apply for that part." in shown


@pytest.mark.parametrize(
    "hostile",
    [
        {"country": "<script>"},
        {"gpu_hours": "9" * 50},
        {"parameters": "-1", "tokens": "0"},
        {"related_1_share": "101"},
        {"purpose": "war"},
    ],
)
def test_what_cannot_be_answered_is_refused_in_words(hostile):
    answer = page().get("/qualify/", STARTUP | hostile)

    assert answer.status_code == 422
    assert "<script>" not in text(answer).replace("<script src", "")


def test_what_was_said_before_signing_in_is_in_the_draft(operator, org, ana):
    make_call(operator, opens_at=LONG_AGO)
    asked = STARTUP | {"months": "2", "parameters": "7000000", "tokens": "100000000"}
    shown = text(page(ana).get("/qualify/", asked))
    address = re.search(r'href="(/calls/playground/\?[^"]*)"', shown)[1].replace("&amp;", "&")
    call_page = text(page(ana).get(address))
    apply = re.search(r'href="(/calls/playground/apply/\?[^"]*)"', call_page)[1]

    page(ana).post(apply.replace("&amp;", "&"), {"organisation": org.code})

    answers = queries.answers_of(Application.objects.get())
    assert answers["project"] == {"civilian_purpose": True, "months": 2}
    assert answers["work"]["parameters"] == 7_000_000
    assert answers["work"]["tokens"] == 100_000_000
    assert answers["work"]["gpu_hours"] >= 1


def test_only_what_a_mode_asks_and_takes_is_carried_over():
    shipped = queries.shipped_modes()
    said = {"months": 2, "gpu_hours": 7, "civilian_purpose": None, "has_he_funding": False}

    assert prefill.first_answers(shipped["playground"], said) == {
        "project": {"months": 2},
        "work": {"gpu_hours": 7},
    }
    assert prefill.first_answers(shipped["ai-for-science"], said) == {
        "research": {"has_he_funding": False}
    }
    assert prefill.first_answers(shipped["playground"], {}) == {}


def test_the_api_answers_as_the_page_does(operator):
    make_call(operator, opens_at=LONG_AGO)
    body = {
        "organisation": {
            "kind": "startup",
            "country": "RO",
            "headcount": 8,
            "turnover_eur": 1,
            "balance_eur": 1,
        },
        "civilian_purpose": True,
        "parameters": 7_000_000,
        "tokens": 100_000_000,
    }

    best, *others = Client().post(f"{BASE}/qualify", body, content_type=JSON).json()

    assert (best["mode"], best["is_best"], best["open_calls"]) == (
        "playground",
        True,
        ["playground"],
    )
    assert best["because"]
    assert best["because_sources"]
    assert best["need_low_gpu_hours"] < best["need_high_gpu_hours"]
    assert not any(one["is_best"] for one in others)
    assert len(others) == len(queries.shipped_modes()) - 1
    refused = Client().post(
        f"{BASE}/qualify", body | {"method": "reinforcement"}, content_type=JSON
    )
    assert (refused.status_code, refused.json()["code"]) == (
        409,
        "sizing.estimate.reinforcement",
    )


# --- cut-offs ---


def test_the_calendar_shows_cut_offs_to_come_in_named_zones_and_as_a_feed(operator):
    call_with_cut_off(operator, title_en="Large; scale, ț")
    call_with_cut_off(operator, slug="over", cut_offs=[Window(LONG_AGO, NOW - timedelta(days=300))])
    Call.objects.create(
        slug="draft",
        title_en="Hidden",
        title_ro="Hidden",
        opens_at=LONG_AGO,
        rules={},
        made_at=NOW,
    ).cut_offs.create(opens_at=LONG_AGO, closes_at=soon(3))

    shown = text(page().get("/calls/cut-offs/"))
    assert shown.count("Large; scale, ț</a>") == 2
    assert "Hidden" not in shown
    assert "CET" in shown or "CEST" in shown
    assert "/calls/cut-offs.ics" in shown

    feed = page().get("/calls/cut-offs.ics")
    assert feed["Content-Type"] == "text/calendar; charset=utf-8"
    lines = text(feed).split("\r\n")
    assert lines.count("BEGIN:VEVENT") == 2
    assert "SUMMARY:Cut-off: Large\\; scale\\, ț" in lines
    coming = queries.coming_cut_offs(timezone.now())
    assert f"DTSTART:{coming[0].closes_at:%Y%m%dT%H%M%SZ}" in lines
    api = Client().get(f"{BASE}/cut-offs").json()
    assert [one["call"] for one in api] == ["large", "large"]


def test_lines_of_a_calendar_are_folded_within_75_octets_and_no_letter_is_cut():
    entry = calendar.Entry("a", NOW, "ț" * 100 + "\r\nBEGIN:VALARM", "https://x.example", 2)

    folded = calendar.icalendar([entry], name="x", now=NOW)

    lines = folded.split("\r\n")
    assert all(len(line.encode()) <= 75 for line in lines)
    assert "ț" * 100 in folded.replace("\r\n ", "")
    assert "BEGIN:VALARM" not in lines


def test_an_operator_moves_a_cut_off_on_a_page_and_applicants_read_why(operator, ana):
    call = call_with_cut_off(operator)
    first = call.cut_offs.first()
    address = "/calls/large/cut-offs/1/move/"
    later = first.closes_at.astimezone(timezone.get_fixed_timezone(0)) + timedelta(days=3)
    sent = {
        "closes_on_day": str(later.day),
        "closes_on_month": str(later.month),
        "closes_on_year": str(later.year),
        "at": "10:00",
        "zone": "Europe/Brussels",
        "reason": "The portal was down",
    }

    assert page(ana).get(address).status_code == 404
    assert page(operator).get("/calls/large/cut-offs/3/move/").status_code == 404
    assert page(operator).get(address).status_code == 200
    wrong = page(operator).post(address, sent | {"at": "25:00"})
    assert (wrong.status_code, "such as 10:00" in text(wrong)) == (422, True)
    assert page(operator).post(address, sent)["Location"] == "/calls/large/"

    first.refresh_from_db()
    assert first.closes_at == cut_offs.instant_of(later.date(), time(10), "Europe/Brussels")
    shown = text(page(ana).get("/calls/large/"))
    assert "The portal was down" in shown
    assert "Moved on" in shown


def test_a_time_that_the_night_of_the_change_skips_is_refused_on_the_page(operator):
    call_with_cut_off(operator)
    sent = {
        "closes_on_day": "28",
        "closes_on_month": "3",
        "closes_on_year": "2027",
        "at": "2:30",
        "zone": "Europe/Brussels",
        "reason": "x",
    }

    answer = page(operator).post("/calls/large/cut-offs/2/move/", sent)

    assert answer.status_code == 422
    assert "There is no 02:30 on 2027-03-28" in text(answer)


def test_the_api_moves_cut_offs_and_adds_hours_for_operators_only(api, operator, ana):
    call = call_with_cut_off(operator, capacities=[actions.CapacityFacts("LUMI-G", 60_000)])
    moved = {"closes_at": soon(25).isoformat(), "reason": "Holidays"}
    capacity = call.capacities.get()
    funds = {"gpu_hours": 1000, "reason": "More", "key": "a"}
    fund = f"{BASE}/calls/large/capacities/{capacity.code}/fund"
    move = f"{BASE}/calls/large/cut-offs/1/move"

    assert api(ana).post(move, moved, content_type=JSON).status_code == 403
    assert api(ana).post(fund, funds, content_type=JSON).status_code == 403
    answer = api(operator).post(move, moved, content_type=JSON).json()
    assert [one["reason"] for one in answer["cut_offs"][0]["moves"]] == ["Holidays"]
    answer = api(operator).post(fund, funds, content_type=JSON).json()
    (shown,) = answer["capacities"]
    assert (shown["partition"], shown["funded_gpu_ms"], shown["left_gpu_ms"]) == (
        "LUMI-G",
        61_000 * modes.MS_PER_HOUR,
        61_000 * modes.MS_PER_HOUR,
    )
    (hidden,) = api(ana).get(f"{BASE}/calls/large").json()["capacities"]
    assert (hidden["funded_gpu_ms"], hidden["left_gpu_ms"]) == (None, None)
    past = api(operator).post(
        move, moved | {"closes_at": "2026-02-01T00:00:00Z"}, content_type=JSON
    )
    assert (past.status_code, past.json()["code"]) == (409, "cut_off.move.past")


# --- making calls, and what they have left ---


def test_a_call_with_its_own_cut_offs_and_capacities_is_made_on_a_page(operator):
    sent = {
        "mode": "large-scale",
        "title_en": "Large",
        "title_ro": "Large",
        "slug": "large",
        "opens_on_day": "1",
        "opens_on_month": "1",
        "opens_on_year": "2027",
        "cut_off_kind": "typed",
        "cut_offs": "2027-02-01 10:00\n\n2027-04-01 10:00\n",
        "zone": "Europe/Brussels",
        "capacities": "LUMI-G; 100 000; 1\nLeonardo Booster; 200000",
        "money_eur": "100000",
    }
    client = page(operator)

    for wrong, said in (
        ({"cut_offs": "tomorrow 10:00"}, "“tomorrow 10:00” is no cut-off"),
        ({"cut_offs": ""}, "Write at least one cut-off."),
        ({"cut_offs": "2027-03-28 02:30"}, "There is no 02:30 on 2027-03-28"),
        ({"capacities": "LUMI-G"}, "“LUMI-G” is no capacity"),
        ({"capacities": "LUMI-G; 100000; 3"}, "There is no cut-off of this number."),
        ({"capacities": ""}, "Write how many GPU-hours it can grant."),
    ):
        answer = client.post("/calls/new/", sent | wrong)
        assert answer.status_code == 422, wrong
        assert said in text(answer), wrong
    assert not Call.objects.exists()

    assert client.post("/calls/new/", sent)["Location"] == "/calls/large/"

    call = Call.objects.get()
    assert [one.closes_at.isoformat() for one in call.cut_offs.all()] == [
        "2027-02-01T09:00:00+00:00",
        "2027-04-01T08:00:00+00:00",
    ]
    assert call.money_eur_cents == 100_000_00
    assert [(one.partition, one.cut_off_id) for one in call.capacities.all()] == [
        ("LUMI-G", call.cut_offs.first().pk),
        ("Leonardo Booster", None),
    ]
    preview = text(client.get("/calls/large/"))
    assert "Worth a look before you publish" in preview
    assert "Excellence: 33 % of the score, at least 3 of 5" in preview
    assert "You name a second partition" in preview
    assert page().get("/calls/large/").status_code == 404


def test_what_calls_have_left_is_for_operators_and_auditors(operator, ana):
    call = call_with_cut_off(operator, capacities=[actions.CapacityFacts("LUMI-G", 60_000)])
    capacity = call.capacities.get()

    assert page(ana).get("/calls/standings/").status_code == 404
    shown = text(page(operator).get("/calls/standings/"))
    assert "LUMI-G" in shown
    assert "<dd>60,000</dd>" in shown
    address = f"/calls/large/capacities/{capacity.code}/fund/"
    assert page(ana).get(address).status_code == 404
    key = re.search(r'name="key" value="(\w+)"', text(page(operator).get(address)))[1]
    sent = {"gpu_hours": "500", "reason": "More", "key": key}
    page(operator).post(address, sent)
    page(operator).post(address, sent)
    assert "<dd>60,500</dd>" in text(page(operator).get("/calls/standings/"))
    assert page(operator).post(address, sent | {"gpu_hours": "0"}).status_code == 422


def many_calls(operator, count):
    first = call_with_cut_off(operator, slug=f"first-{count}")
    for number in range(count - 1):
        call = Call.objects.create(
            slug=f"call-{count}-{number}",
            title_en="A",
            title_ro="A",
            state="published",
            opens_at=LONG_AGO,
            rules=first.rules,
            made_at=NOW,
        )
        call.cut_offs.create(opens_at=LONG_AGO, closes_at=soon(5))
        account = type(first.capacities.get().account).objects.create(
            kind="capacity", resource=first.capacities.get().account.resource, owner=call.code
        )
        Capacity.objects.create(call=call, account=account)


def test_lists_of_fifty_calls_cost_as_many_statements_as_of_three(operator, api):
    addresses = ("/calls/", "/calls/standings/", "/calls/cut-offs/", "/calls/cut-offs.ics")

    def counts():
        found = {}
        client, program = page(operator), api(operator)
        for address in addresses:
            with CaptureQueriesContext(
                connection,
            ) as statements:
                assert client.get(address).status_code == 200
            found[address] = len(statements)
        with CaptureQueriesContext(connection) as statements:
            assert program.get(f"{BASE}/calls").status_code == 200
        return found | {"api": len(statements)}

    many_calls(operator, 3)
    few = counts()
    many_calls(operator, 47)
    assert Call.objects.count() == 50

    assert counts() == few
    assert max(few.values()) <= 12, few


# --- modes ---


def next_text():
    shipped = queries.mode_versions("playground")[-1].text
    return shipped.replace('version = "2026-11-22"', 'version = "two"').replace(
        "valid_from = 2026-01-01", "valid_from = 2099-01-01"
    )


def test_modes_are_shown_to_everybody_with_each_rule_and_source():
    listed = text(page().get("/calls/modes/"))
    for mode in queries.shipped_modes().values():
        assert f"/calls/modes/{mode.slug}/" in listed
        shown = page().get(f"/calls/modes/{mode.slug}/")
        assert shown.status_code == 200
        assert "Figures and their sources" in text(shown)
    assert page().get("/calls/modes/no-such/").status_code == 404
    assert page().get("/calls/modes/playground/?version=9").status_code == 404
    romanian = text(page(language="ro").get("/calls/modes/large-scale/"))
    assert "Excelență" in romanian


def test_a_version_is_written_on_a_page_every_mistake_is_named_and_nothing_typed_is_lost(
    operator, ana
):
    address = "/calls/modes/playground/edit/"
    assert page(ana).get(address).status_code == 404
    assert "package_gpu_hours = 5000" in text(page(operator).get(address))
    broken = (
        next_text()
        .replace("package_gpu_hours = 5000", "package_gpu_hours = -7")
        .replace('order = "fifo"', 'order = "lottery" # typed by me')
    )

    answer = page(operator).post(address, {"text": broken, "reason": "Because"})

    assert answer.status_code == 422
    shown = text(answer)
    assert "package_gpu_hours: Write a whole number" in shown
    assert "order: Choose one of: fifo, ranked." in shown
    assert "# typed by me" in shown
    assert "Because" in shown
    assert not AccessMode.objects.exists()

    sent = {"text": next_text().replace("= 5000", "= 6000"), "reason": "Because"}
    answer = page(operator).post(address, sent)
    assert answer["Location"] == "/calls/modes/playground/?version=two"
    assert "6,000 GPU-hours" in text(page().get(answer["Location"]))
    assert "5,000 GPU-hours" in text(page().get("/calls/modes/playground/"))
    difference = text(page().get("/calls/modes/playground/difference/?before=2026-11-22&after=two"))
    assert "<del><code>package_gpu_hours = 5000</code></del>" in difference
    assert "<ins><code>package_gpu_hours = 6000</code></ins>" in difference
    missing = page().get("/calls/modes/playground/difference/?before=two")
    assert missing.status_code == 404


def test_the_api_writes_and_compares_versions(api, operator, ana):
    path = f"{BASE}/modes/playground"
    body = {"text": next_text(), "reason": "Because"}

    assert api(ana).post(f"{path}/versions", body, content_type=JSON).status_code == 403
    wrong = api(operator).post(f"{path}/versions", body | {"text": "slug = 1"}, content_type=JSON)
    assert wrong.status_code == 422
    assert "/slug" in {one["pointer"] for one in wrong.json()["errors"]}
    made = api(operator).post(f"{path}/versions", body, content_type=JSON)
    assert (made.status_code, made.json()["version"]) == (201, "two")

    listed = api().get(f"{path}/versions").json()
    assert [(one["version"], one["made_by"]) for one in listed] == [
        ("two", operator.name),
        ("2026-11-22", ""),
    ]
    assert api().get(f"{path}/versions/two").json()["text"] == body["text"]
    assert api().get(path).json()["version"] == "2026-11-22"
    lines = api().get(f"{path}/difference?before=2026-11-22&after=two").json()
    assert {"change": "new", "line": 'version = "two"'} in lines
    assert api().get(f"{path}/versions/three").status_code == 404
    assert api().get(f"{BASE}/modes/no-such").status_code == 404
