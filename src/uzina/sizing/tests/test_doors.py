"""The estimator's API and page, without any login."""

import pytest

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/sizing/estimate"


def ask(client, **body):
    sent = {"parameters": 7_000_000_000, "tokens": 10**12} | body
    return client.post(ADDRESS, sent, content_type="application/json")


def test_anybody_gets_an_estimate_with_range_source_and_what_to_ask_for(client):
    answer = ask(client, device="a100-80", devices=64, pue=1.2, grams_per_kwh=250).json()

    hours = answer["gpu_hours"]
    assert hours["low"] < hours["middle"] == 110_000 < hours["high"]
    assert answer["gpu_hours_to_ask"] == 280_000
    assert answer["memory"]["fits"] is True
    assert answer["energy_kwh"] == 42_200
    assert answer["co2_kg"] == 10_600
    assert answer["source"]
    assert answer["checked_on"] == "2026-11-21"


def test_without_site_figures_co2_is_left_out_and_energy_is_the_devices_alone(client):
    answer = ask(client, device="a100-80").json()

    assert answer["co2_kg"] is None
    assert answer["energy_kwh"] == 35_200


def test_what_the_formula_cannot_say_is_a_refusal_with_a_reason(client):
    answer = ask(client, method="distillation")

    assert (answer.status_code, answer.json()["code"]) == (409, "sizing.estimate.distillation")


@pytest.mark.parametrize(
    "body",
    [
        {"parameters": 0},
        {"parameters": 10**30},
        {"tokens": -1},
        {"device": "abacus"},
        {"device": "x" * 50},
        {"devices": 0},
        {"pue": 0.9},
        {"grams_per_kwh": "NaN"},
        {"method": "magic"},
    ],
)
def test_what_cannot_be_is_refused_with_its_place(client, body):
    answer = ask(client, **body)

    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_the_devices_are_listed_with_their_sources(client):
    devices = client.get("/api/v1/sizing/devices").json()

    assert {"h100", "cpu-core"} <= {one["slug"] for one in devices}
    assert all(one["source"] for one in devices)


def test_the_page_answers_a_question_that_is_in_its_address(client):
    question = {
        "method": "pretraining",
        "parameters": "7 000 000 000",
        "tokens": "1 000 000 000 000",
        "device": "a100-80",
        "devices": "1",
        "architecture": "dense",
        "precision": "bf16",
    }
    assert client.get("/estimate/").status_code == 200

    text = client.get("/estimate/", question).content.decode()
    refused = client.get("/estimate/", question | {"method": "reinforcement"})
    wrong = client.get("/estimate/", question | {"parameters": "many"})

    assert "110,000 GPU-hours, from 68,700 to 176,000" in text
    assert "Does not fit" in text
    assert refused.status_code == 422
    assert "Reinforcement learning spends" in refused.content.decode()
    assert wrong.status_code == 422
    assert "Write a whole number" in wrong.content.decode()
