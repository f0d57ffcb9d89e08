"""The API and the pages of runs, models and documents: shape, who sees what, how many queries."""

import html
import json
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.training import actions
from uzina.training.models import FormAnswer, ModelVersion, Run

pytestmark = pytest.mark.django_db
BASE = "/api/v1/training"
VERSION = f"{BASE}/models/ro-mini/versions/1"
PAGE = "/models/ro-mini/1/"
PAGES = [
    PAGE,
    f"{PAGE}card/",
    f"{PAGE}card.md",
    f"{PAGE}documentation-form/",
    f"{PAGE}lineage/",
    f"{PAGE}record.json",
    f"{PAGE}files/config.json",
    "/models/ro-mini/",
]


def page(person=None):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


@pytest.fixture
def real_time(monkeypatch):
    """Doors read the clock; the fixtures live at NOW."""
    for module in ("uzina.training.api", "uzina.training.views"):
        monkeypatch.setattr(f"{module}.now", lambda: NOW)


def body(**changes):
    return {
        "project": "",
        "recipe": "prepare",
        "params": {"vocabulary": 512},
        "inputs": ["ro-texts@1"],
        "name": "ro-data",
        "gpus": 1,
        "time_limit_s": 600,
    } | changes


def post(client, address, data=None, key="k1"):
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(address, data or {}, content_type="application/json", headers=headers)


def test_recipes_are_told_to_anyone_in_their_language(api):
    rows = {one["slug"]: one for one in api().get(f"{BASE}/recipes").json()}
    assert {"prepare", "train", "evaluate"} <= set(rows)
    assert rows["train"]["parameters"][0]["name"]
    one = api().get(f"{BASE}/recipes/train", headers={"Accept-Language": "ro"}).json()
    assert "Antren" in one["title"]
    assert api().get(f"{BASE}/recipes/nothing").status_code == 404


def test_a_run_is_started_once_over_http(api, ana, project, texts, allocation, real_time):
    client = api(ana)
    first = post(client, f"{BASE}/runs", body(project=project.code))
    again = post(client, f"{BASE}/runs", body(project=project.code))
    assert first.status_code == 201, first.content
    assert first.json() == again.json()
    run = first.json()
    assert (run["state"], run["recipe"], run["inputs"]) == ("created", "prepare", ["ro-texts@1"])
    assert run["job"].startswith("JOB-")
    assert run["allowed"] == ["stop"]
    assert Run.objects.count() == 1
    other = post(client, f"{BASE}/runs", body(project=project.code, name="other"))
    assert other.status_code == 422


def test_a_run_without_a_key_is_refused(api, ana, project, texts, allocation, real_time):
    told = post(api(ana), f"{BASE}/runs", body(project=project.code), key="")
    assert told.status_code in {400, 422}
    assert not Run.objects.exists()


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"project": "PRJ-NOTMINE"}, "/project"),
        ({"recipe": "nothing"}, "/recipe"),
        ({"inputs": ["no reference"]}, "/inputs/0"),
        ({"inputs": ["ro-texts@9"]}, "/inputs"),
        ({"inputs": []}, "/inputs"),
        ({"model": "x"}, "/model"),
        ({"params": {"vocabulary": 1}}, "/params/vocabulary"),
        ({"params": {"vocabulary": "x" * 201}}, "vocabulary"),
        ({"params": {"vocabulary": 2**90}}, "/params/vocabulary"),
        ({"params": {"a\u0000": 1}}, "a"),
        ({"name": "No Name"}, "/name"),
        ({"gpus": -1}, "/gpus"),
        ({"gpus": 2**70}, "/gpus"),
        ({"time_limit_s": 0}, "/time_limit_s"),
        ({"cpus": 1.5}, "/cpus"),
    ],
)
def test_bad_input_is_told_by_pointer_and_holds_nothing(
    api, ana, project, texts, allocation, real_time, change, pointer
):
    told = post(api(ana), f"{BASE}/runs", body(project=project.code) | change)
    assert told.status_code == 422, told.content
    assert any(pointer in one["pointer"] for one in told.json()["errors"]), told.json()
    assert not Run.objects.exists()


def test_a_run_larger_than_what_is_left_is_409_with_the_figures(
    api, ana, project, texts, allocation, real_time
):
    told = post(api(ana), f"{BASE}/runs", body(project=project.code, time_limit_s=36_001))
    assert (told.status_code, told.json()["code"]) == (409, "allocation.hold.too_big")


@pytest.mark.parametrize("verb", ["", "/stop", "/resume"])
def test_a_run_is_404_for_strangers(api, prepared, stranger, verb):
    client = api(stranger)
    address = f"{BASE}/runs/{prepared.code}{verb}"
    assert (client.get(address) if not verb else post(client, address)).status_code == 404


def test_an_auditor_sees_runs_and_moves_none(api, prepared, auditor):
    assert api(auditor).get(f"{BASE}/runs/{prepared.code}").status_code == 200
    assert post(api(auditor), f"{BASE}/runs/{prepared.code}/stop").status_code == 403


def test_a_model_version_is_told_whole(api, ana, evaluated):
    told = api(ana).get(VERSION).json()
    assert told["reference"] == "ro-mini@1"
    assert told["digest"].startswith("sha256:")
    assert told["evaluations"][0]["scores"]["model"] == 2.1
    assert told["facts"]["parameters"] == 3_400_000
    assert 0 < told["missing_fields"] < 47
    assert told["documents"] == ["card", "documentation-form", "lineage"]
    assert api(ana).get(f"{BASE}/models").json()["items"][0]["versions"][0]["number"] == 1
    assert api(ana).get(f"{BASE}/models/ro-mini").json()["provider"] == "Limbă Vie SRL"


@pytest.mark.parametrize(
    "address",
    [f"{BASE}/models/ro-mini", VERSION, f"{VERSION}/documents/card",
     f"{VERSION}/documents/documentation-form", f"{VERSION}/documents/lineage",
     f"{VERSION}/files/config.json"],
)  # fmt: skip
def test_a_candidate_is_404_for_strangers_until_it_is_released(
    api, ana, stranger, trained, address
):
    assert api(stranger).get(address).status_code == 404
    assert api().get(address).status_code == 401
    assert post(api(ana), f"{VERSION}/release").json()["state"] == "released"
    assert api(stranger).get(address).status_code == 200


@pytest.mark.parametrize("verb", ["release", "retire"])
def test_strangers_and_auditors_move_no_model(api, trained, stranger, auditor, verb):
    assert post(api(stranger), f"{VERSION}/{verb}").status_code == 404
    assert post(api(auditor), f"{VERSION}/{verb}").status_code == 403
    assert str(ModelVersion.objects.get().state) == "candidate"


def test_model_files_are_sent_to_be_kept(api, ana, trained):
    sent = api(ana).get(f"{VERSION}/files/model.safetensors")
    assert sent.getvalue() == b"weights" * 1000
    assert sent["Content-Disposition"].startswith("attachment")
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert api(ana).get(f"{VERSION}/files/../secret").status_code == 404


def test_the_card_is_markdown_made_from_the_record(api, ana, evaluated):
    sent = api(ana).get(f"{VERSION}/documents/card")
    text = sent.content.decode()
    assert sent["Content-Type"].startswith("text/markdown")
    assert "| This model | 2.100 | 2.300 | 2.000 |" in text
    assert "ro-texts@1" in text
    assert "AutoModelForCausalLM" in text
    digest = api(ana).get(f"{VERSION}/documents/lineage").json()["record_digest"]
    assert digest in text
    assert api(ana).get(f"{VERSION}/documents/card?form=json").json()["record_digest"] == digest


def test_lineage_goes_from_the_texts_to_the_evaluation(api, ana, evaluated, prepared, trained):
    told = api(ana).get(f"{VERSION}/documents/lineage").json()
    codes = [one["code"] for one in told["nodes"] if one["code"]]
    order = ["ro-texts@1", prepared.code, "ro-data@1", trained.code, "ro-mini@1", evaluated.code]
    places = [codes.index(one) for one in order]
    assert places == sorted(places)
    record = told["record"]
    assert record["runs"][0]["jobs"][0]["elapsed_s"] == 120
    assert record["runs"][1]["code_version"]["sha256"] == "c" * 64
    assert record["data"][-1]["digest"] == prepared.output.digest
    missing = {one["kind"] for one in told["nodes"] if one["is_missing"]}
    assert missing == {"call", "application", "award"}


def test_the_form_is_filled_from_a_full_record(api, ana, evaluated):
    told = api(ana).get(f"{VERSION}/documents/documentation-form").json()
    rows = {one["slug"]: one for one in told["fields"]}
    assert rows["compute_amount"]["value"] == "6.4×10¹² FLOP"
    assert rows["compute_order"]["value"] == "10¹² FLOP"
    assert rows["total_size"]["value"].startswith("3.4×10⁶ parameters")
    assert rows["size_range"]["value"] == "1–500M"
    assert "120 s" in rows["training_time"]["value"]
    assert "estimated" in rows["energy_amount"]["value"]
    assert "processor package" in rows["energy_method"]["value"]
    assert "too short 12" in rows["unsuitable_sources"]["value"]
    assert rows["model_dependencies"]["value"] == "N/A"
    assert {one["source"] for one in rows.values()} == {"record", "missing"}
    assert told["missing"] == sum(one["source"] == "missing" for one in rows.values())
    assert rows["decision_rationale"]["source"] == "missing"


def test_a_person_fills_a_field_over_http_and_the_count_falls(api, ana, stranger, trained):
    form = f"{VERSION}/documents/documentation-form"
    before = api(ana).get(form).json()["missing"]
    told = (
        api(ana)
        .put(f"{form}/intended_uses", {"text": "Demos."}, content_type="application/json")
        .json()
    )
    assert told["missing"] == before - 1
    row = next(one for one in told["fields"] if one["slug"] == "intended_uses")
    assert (row["source"], row["stated_by"]) == ("person", ana.code)
    assert LogEntry.objects.filter(event="model.documented", actor=ana.code).count() == 1
    for person, field, status in ((stranger, "intended_uses", 404), (ana, "nothing", 422)):
        sent = api(person).put(f"{form}/{field}", {"text": "x"}, content_type="application/json")
        assert sent.status_code == status


# --- pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", PAGES)
def test_pages_of_a_candidate_are_for_its_project(evaluated, ana, stranger, address):
    assert page(ana).get(address).status_code == 200
    assert page(stranger).get(address).status_code == 404
    assert page().get(address).status_code == 404


@pytest.mark.parametrize("address", PAGES)
def test_pages_of_a_released_version_are_for_everybody(evaluated, ana, stranger, address):
    actions.release(ModelVersion.objects.get(), by=ana, now=NOW)
    assert page(stranger).get(address).status_code == 200
    assert page().get(address).status_code == 200


def test_the_model_page_shows_its_score_beside_baselines_and_what_is_missing(evaluated, ana):
    shown = html.unescape(page(ana).get(PAGE).content.decode())
    assert "2.100" in shown
    assert "Unigram over tokens" in shown
    assert re.search(r"\d+ fields missing, \d+ filled", shown)
    assert "AutoModelForCausalLM" in shown
    assert "ro-texts@1" in shown
    assert "6.4×10⁻¹¹ of it" in shown


def test_a_model_that_was_not_evaluated_says_so(trained, ana):
    assert "not evaluated yet" in page(ana).get(PAGE).content.decode()


def test_hostile_text_is_shown_as_text_on_every_document(evaluated, ana):
    version = ModelVersion.objects.get()
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    actions.state_answer(version, field="intended_uses", text=hostile, by=ana, now=NOW)
    type(version.model).objects.update(title=hostile)
    for address in (*PAGES[:6], f"{PAGE}documentation-form/intended_uses/", "/models/"):
        shown = page(ana).get(address)
        if shown["Content-Type"].startswith("text/html"):
            assert "<script>alert" not in shown.content.decode()
            assert "<img src=x" not in shown.content.decode()
    card = page(ana).get(f"{PAGE}card.md")
    assert card["Content-Disposition"].startswith("attachment")
    assert "<script>" not in card.content.decode()


def test_a_member_answers_a_field_on_its_page(trained, ana, stranger):
    address = f"{PAGE}documentation-form/intended_uses/"
    client = page(ana)
    assert client.get(address).status_code == 200
    sent = client.post(address, {"text": "Demonstrations."})
    assert (sent.status_code, sent["Location"]) == (302, f"{PAGE}documentation-form/#intended_uses")
    assert FormAnswer.objects.get().text == "Demonstrations."
    long = client.post(address, {"text": "x" * 10_001})
    assert long.status_code == 422
    assert "x" * 100 in long.content.decode()
    assert client.get(f"{PAGE}documentation-form/nothing/").status_code == 404
    assert page(stranger).post(address, {"text": "x"}).status_code == 404
    assert "/sign-in/" in page().get(address)["Location"]


def test_the_lead_releases_and_retires_on_the_page(trained, ana):
    client = page(ana)
    assert "Release this version" in client.get(PAGE).content.decode()
    client.post(f"{PAGE}release/")
    assert str(ModelVersion.objects.get().state) == "released"
    client.post(f"{PAGE}retire/")
    client.post(f"{PAGE}retire/")
    assert str(ModelVersion.objects.get().state) == "retired"
    assert "Release this version" not in client.get(PAGE).content.decode()


def test_runs_are_behind_the_sign_in_and_404_for_strangers(prepared, ana, stranger, operator):
    assert "/sign-in/" in page().get("/runs/")["Location"]
    address = f"/runs/{prepared.code}/"
    assert page(ana).get(address).status_code == 200
    assert page(operator).get(address).status_code == 200
    assert page(stranger).get(address).status_code == 404
    assert page(stranger).post(f"{address}stop/").status_code == 404


def test_a_run_page_links_its_job_data_and_what_it_made(trained, ana):
    shown = page(ana).get(f"/runs/{trained.code}/").content.decode()
    assert f"/jobs/{trained.job.code}/" in shown
    assert "/datasets/ro-data/" in shown
    assert PAGE in shown


def test_a_failed_run_shows_why(start, end, texts, ana):
    run = start(inputs=[("ro-texts", 1)])
    end(
        run,
        "failed",
        exit_json={"state": "failed", "resume": True, "step": 0, "reason": "<b>No.</b>"},
    )
    actions.collect(run, now=NOW)
    shown = page(ana).get(f"/runs/{run.code}/").content.decode()
    assert "&lt;b&gt;No.&lt;/b&gt;" in shown
    assert "Go on" in shown


FILLED = {
    "input_documents": ["ro-texts@1"],
    "name": "ro-data",
    "gpus": "1",
    "cpus": "2",
    "memory_mb": "500",
    "time_limit_min": "10",
    "param_vocabulary": "512",
    "key": "abc",
}


def test_a_run_is_started_on_the_page_after_its_cost_was_shown(
    ana, project, texts, allocation, real_time
):
    client = page(ana)
    assert "Choose a recipe" in client.get("/runs/new/").content.decode()
    form = client.get("/runs/new/?recipe=prepare").content.decode()
    assert "ro-texts@1" in form
    facts = FILLED | {"project": project.code}
    check = client.post("/runs/new/?recipe=prepare", facts)
    assert check.status_code == 200
    assert "0.17" in check.content.decode()
    assert not Run.objects.exists()
    again = client.post("/runs/new/?recipe=prepare", facts | {"change": "1"})
    assert again.status_code == 200
    assert 'value="512"' in again.content.decode()
    sent = [client.post("/runs/new/?recipe=prepare", facts | {"confirm": "one"}) for _ in range(2)]
    run = Run.objects.get()
    assert [one["Location"] for one in sent] == [f"/runs/{run.code}/"] * 2
    assert run.params["vocabulary"] == 512


@pytest.mark.parametrize(
    "change",
    [
        {"param_vocabulary": "many"},
        {"param_vocabulary": "5"},
        {"name": "No Name"},
        {"input_documents": []},
        {"input_documents": ["ro-texts@9"]},
        {"gpus": "65"},
        {"time_limit_min": "100000"},
        {"time_limit_min": "700"},
        {"name": "a\0b"},
    ],
)
def test_a_wrongly_filled_form_says_so_and_keeps_what_was_typed(
    ana, project, texts, allocation, real_time, change
):
    sent = page(ana).post("/runs/new/?recipe=prepare", FILLED | {"project": project.code} | change)
    assert sent.status_code == 422
    shown = sent.content.decode()
    assert "Error" in shown
    assert 'value="500"' in shown
    assert not Run.objects.exists()


def test_somebody_without_a_project_is_told_what_a_run_needs(stranger):
    shown = page(stranger).get("/runs/new/?recipe=prepare").content.decode()
    assert "active project" in shown


@pytest.mark.parametrize("address", [f"{BASE}/runs", "/runs/"])
def test_run_lists_cost_the_same_queries_for_one_and_three(api, ana, start, texts, address):
    client = api(ana) if address.startswith("/api") else page(ana)
    start(inputs=[("ro-texts", 1)], name="a", key="1")
    client.get(address)
    with CaptureQueriesContext(connection) as one:
        assert client.get(address).status_code == 200
    start(inputs=[("ro-texts", 1)], name="b", key="2")
    start(inputs=[("ro-texts", 1)], name="c", key="3")
    with CaptureQueriesContext(connection) as three:
        assert client.get(address).status_code == 200
    assert len(three) == len(one) <= 10


@pytest.mark.parametrize("address", [f"{BASE}/models", "/models/"])
def test_model_lists_cost_the_same_queries_for_one_and_three(
    api, ana, start, end, trained, address
):
    client = api(ana) if address.startswith("/api") else page(ana)
    client.get(address)
    with CaptureQueriesContext(connection) as one:
        assert client.get(address).status_code == 200
    for name in ("two", "three"):
        run = start("train", inputs=[("ro-data", 1)], name=name, key=name)
        end(run, **{"export/hf/model.safetensors": name.encode(), "export/facts.json": {}})
        actions.collect(run, now=NOW)
    with CaptureQueriesContext(connection) as three:
        shown = client.get(address)
    assert shown.status_code == 200
    assert (
        "three" in json.dumps(shown.json())
        if address.startswith("/api")
        else b"three" in shown.content
    )
    assert len(three) == len(one) <= 10


def test_pages_speak_romanian(evaluated, ana):
    client = page(ana)
    ro = {"Accept-Language": "ro"}
    shown = client.get(PAGE, headers=ro).content.decode()
    assert "Cât de bun este" in shown
    assert "câmpuri lipsă" in shown
    form = client.get(f"{PAGE}documentation-form/", headers=ro).content.decode()
    assert "Cantitatea de calcul" in form
    card = client.get(f"{PAGE}card.md", headers=ro).content.decode()
    assert "Datele de antrenare" in card
