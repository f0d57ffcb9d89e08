"""The API and the pages: status, shape, who sees what, what a mistake is told."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.compute import actions, queries
from uzina.compute.models import Job
from uzina.compute.rules import JobState
from uzina.compute.tests.conftest import HOUR, balance, spec, work_until_settled
from uzina.core.models import LogEntry

pytestmark = pytest.mark.django_db
BASE = "/api/v1/compute"


def description(**changes):
    return {
        "name": "Train",
        "command": ["bash", "-c", "echo bună; sleep 1"],
        "gpus": 1,
        "memory_mb": 100,
        "time_limit_s": 60,
    } | changes


def post(client, path, body, key="k1"):
    return client.post(
        f"{BASE}{path}", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def page(person):
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def job(ana, project, allocation):
    return actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="fixture")


def test_a_job_goes_from_submission_to_usage_over_http(api, ana, project, allocation):
    client = api(ana)

    made = post(client, "/jobs", {"project": project.code, "spec": description()})
    again = post(client, "/jobs", {"project": project.code, "spec": description()})
    code = made.json()["code"]
    work_until_settled(code)
    shown = client.get(f"{BASE}/jobs/{code}").json()

    assert (made.status_code, made.json()["state"]) == (201, "created")
    assert again.json()["code"] == code
    assert Job.objects.count() == 1
    assert (shown["state"], shown["exit_code"], shown["allowed"]) == ("done", 0, [])
    [run] = client.get(f"{BASE}/jobs/{code}/usage").json()["items"]
    assert shown["gpu_ms"] == run["gpus"] * run["elapsed_s"] * 1000
    log = client.get(f"{BASE}/jobs/{code}/logs?stream=stdout").json()
    assert (log["text"], log["next_offset"], log["is_end"]) == ("bună\n", 6, True)
    assert [one["code"] for one in client.get(f"{BASE}/jobs").json()["items"]] == [code]
    [partition] = client.get(f"{BASE}/inventory").json()["partitions"]
    assert (partition["gpus"], partition["cpus"]) == (2, 2)


def test_a_log_is_read_on_without_cutting_a_letter(api, ana, job):
    folder = queries.run_dir(job) / "logs"
    folder.mkdir(parents=True)
    (folder / "stdout.log").write_text("șșșș")
    client = api(ana)
    text, offset = "", 0
    while True:
        piece = client.get(f"{BASE}/jobs/{job.code}/logs?offset={offset}&limit=5").json()
        text += piece["text"]
        offset = piece["next_offset"]
        if piece["is_end"]:
            break

    assert text == "șșșș"
    assert client.get(f"{BASE}/jobs/{job.code}/logs?offset=-2").json()["text"] == "ș"


def test_metrics_and_events_are_read_on_from_an_offset(api, ana, job):
    folder = queries.run_dir(job)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text('{"step": 1, "loss": 2.5}\nno json\n{"step": 2')
    (folder / "events.jsonl").write_text('{"t": 1.0, "event": "started"}\n')
    client = api(ana)

    first = client.get(f"{BASE}/jobs/{job.code}/metrics").json()
    rest = client.get(f"{BASE}/jobs/{job.code}/metrics?after={first['next']}").json()
    events = client.get(f"{BASE}/jobs/{job.code}/events").json()

    assert first == {"items": [{"step": 1, "loss": 2.5}], "next": 33, "skipped": 1}
    assert rest == {"items": [], "next": 33, "skipped": 0}
    assert events["items"] == [{"t": 1.0, "event": "started"}]


def test_every_mistake_of_a_description_is_told_at_once_with_its_place(api, ana, project):
    body = {"project": project.code, "spec": {"name": "", "gpus": -1, "tiem": 3}}

    told = post(api(ana), "/jobs", body)

    assert told.status_code == 422
    pointers = {one["pointer"] for one in told.json()["errors"]}
    assert pointers == {
        "/spec/name", "/spec/gpus", "/spec/tiem", "/spec/command", "/spec/time_limit_s",
    }  # fmt: skip
    assert Job.objects.count() == 0


def test_a_job_that_asks_for_more_than_is_left_is_told_how_much_is(api, ana, project, allocation):
    before = LogEntry.objects.count()
    told = post(
        api(ana), "/jobs", {"project": project.code, "spec": description(time_limit_s=40_000)}
    )

    assert told.status_code == 409
    assert told.json()["code"] == "allocation.hold.too_big"
    assert "10" in told.json()["detail"]
    assert (Job.objects.count(), balance(allocation).free) == (0, 10 * HOUR)
    assert not LogEntry.objects.filter(event__startswith="job.").exists()
    assert LogEntry.objects.count() >= before


def test_a_submission_without_a_key_is_refused(api, ana, project):
    told = api(ana).post(
        f"{BASE}/jobs",
        {"project": project.code, "spec": description()},
        content_type="application/json",
    )
    assert (told.status_code, told.json()["code"]) == (400, "request.key.missing")


@pytest.mark.parametrize(
    "path",
    ["", "/logs", "/metrics", "/events", "/usage"],
)
def test_strangers_find_no_job_and_auditors_read_it(api, stranger, auditor, job, path):
    assert api(stranger).get(f"{BASE}/jobs/{job.code}{path}").status_code == 404
    assert api(auditor).get(f"{BASE}/jobs/{job.code}{path}").status_code == 200
    assert api().get(f"{BASE}/jobs/{job.code}{path}").status_code == 401


def test_a_stranger_neither_submits_nor_stops(api, stranger, project, job):
    body = {"project": project.code, "spec": description()}
    assert post(api(stranger), "/jobs", body).status_code == 404
    assert post(api(stranger), f"/jobs/{job.code}/cancel", {}).status_code == 404
    assert Job.objects.get().cancel_asked_at is None


def test_an_auditor_sees_and_neither_submits_nor_stops(api, auditor, project, job):
    body = {"project": project.code, "spec": description()}
    assert post(api(auditor), "/jobs", body).status_code == 403
    assert post(api(auditor), f"/jobs/{job.code}/cancel", {}).status_code == 403


def test_a_job_is_stopped_over_http_and_a_second_time_refused(api, ana, job):
    client = api(ana)
    first = post(client, f"/jobs/{job.code}/cancel", {})
    second = post(client, f"/jobs/{job.code}/cancel", {}, key="k2")

    assert (first.status_code, first.json()["state"]) == (200, "cancelled")
    assert (second.status_code, second.json()["code"]) == (409, "job.cancel.not_now")


@pytest.mark.parametrize(
    "query",
    [
        "stream=../../secret", "stream=\x00", "offset=x", "offset=99999999999999999999",
        "limit=0", "limit=99999999", "stream=stdout&offset=-5&limit=1",
    ],
)  # fmt: skip
def test_odd_questions_about_a_log_are_no_error_of_ours(api, ana, job, query):
    assert api(ana).get(f"{BASE}/jobs/{job.code}/logs?{query}").status_code in {200, 409, 422}


@pytest.mark.parametrize(
    "odd",
    [
        {"command": [1]}, {"command": "'"}, {"command": []}, {"command": [""]},
        {"command": ["a\x00b"]}, {"environment": {"A B": "c"}}, {"environment": {"SLURM_X": "1"}},
        {"environment": {"A": 1}}, {"environment": []}, {"files": {"../x": ""}},
        {"files": {"/etc/x": ""}}, {"files": {"logs/stdout.log": ""}}, {"files": {"a": 1}},
        {"inputs": [1]}, {"inputs": ["x"]}, {"inputs": ["a@1", "a@2"]}, {"inputs": {"a": 1}},
        {"outputs": [None]}, {"name": "x\ny"}, {"name": 7}, {"nodes": 0}, {"nodes": True},
        {"gpus": 1.5}, {"gpus": 2**70}, {"memory_mb": 1}, {"time_limit_s": 0},
        {"time_limit": "1h"}, {"memory": "lots"}, {"recipe": "train"}, {"recipe": "../x"},
        {"files": {"a": "x" * 1_100_000}}, {"command": ["x"] * 300}, {"": 1},
    ],
)  # fmt: skip
def test_odd_descriptions_are_told_and_leave_nothing(api, ana, project, allocation, odd):
    told = post(api(ana), "/jobs", {"project": project.code, "spec": description(**odd)})

    assert told.status_code == 422
    assert told.json()["errors"][0]["pointer"].startswith("/spec")
    assert told.json()["errors"][0]["detail"]
    assert Job.objects.count() == 0


def test_pages_show_a_job_from_its_queue_to_its_end(ana, job):
    client = page(ana)
    folder = queries.run_dir(job)
    (folder / "logs").mkdir(parents=True)
    (folder / "logs" / "stdout.log").write_text("<b>step 1</b>\n")
    (folder / "metrics.jsonl").write_text(
        '{"step": 1, "loss": 9.5, "tok_s": 4000, "eta_s": 60}\n{"step": 2, "loss": NaN}\n'
    )
    (folder / "events.jsonl").write_text('{"t": 1795298795.5, "event": "started"}\n')

    shown = client.get(f"/jobs/{job.code}/").content.decode()
    live = client.get(f"/jobs/{job.code}/live/").content.decode()

    for text in (shown, live):
        assert "Being handed over" in text
        assert "&lt;b&gt;step 1&lt;/b&gt;" in text
        assert "Loss" in text
        assert 'hx-trigger="every 2s"' in text
    assert "Stop this job" in shown
    assert "metrics.jsonl" in shown
    assert client.get(f"/jobs/{job.code}/log/?stream=stdout").content == b"<b>step 1</b>\n"
    assert client.get("/jobs/").status_code == 200

    assert client.post(f"/jobs/{job.code}/cancel/", follow=True).status_code == 200
    over = client.get(f"/jobs/{job.code}/live/").content.decode()
    assert "Cancelled" in over
    assert "hx-trigger" not in over


def test_the_form_shows_the_cost_first_and_then_submits_once(ana, project, allocation):
    client = page(ana)
    assert client.get("/jobs/new/").status_code == 200
    typed = {
        "project": project.code, "name": "Test", "command": "python -c 'print(1)'",
        "gpus": "2", "nodes": "1", "cpus": "1", "memory": "1 gb", "time_limit": "30m",
        "inputs": "", "environment": "SEED=7",
    }  # fmt: skip

    check = client.post("/jobs/new/", typed)
    assert Job.objects.count() == 0
    key = check.context["key"]
    assert check.context["price"].held_gpu_ms == HOUR
    changed = client.post("/jobs/new/", typed | {"change": "1"})
    assert "print(1)" in changed.content.decode()
    for _ in range(2):
        done = client.post("/jobs/new/", typed | {"confirm": "1", "key": key})
        assert done.status_code == 302

    job = Job.objects.get()
    assert (job.state, job.held_gpu_ms, job.memory_mb) == (JobState.CREATED, HOUR, 1024)
    assert job.spec["environment"] == {"SEED": "7"}


def test_mistakes_in_the_form_stand_beside_their_fields_and_nothing_typed_is_lost(
    ana, project, allocation
):
    typed = {
        "project": project.code, "name": "Test", "command": "python 'x", "gpus": "1",
        "nodes": "1", "cpus": "1", "memory": "1G", "time_limit": "soon", "inputs": "",
        "environment": "",
    }  # fmt: skip
    told = page(ana).post("/jobs/new/", typed)

    assert told.status_code == 422
    assert set(told.context["form"].errors) == {"command", "time_limit"}
    assert "python &#x27;x" in told.content.decode()
    assert Job.objects.count() == 0


def test_the_form_says_how_much_is_left_when_a_job_asks_for_more(ana, project, allocation):
    typed = {
        "project": project.code, "name": "Test", "command": "true", "gpus": "60", "nodes": "1",
        "cpus": "1", "memory": "1G", "time_limit": "1h", "inputs": "", "environment": "",
    }  # fmt: skip
    told = page(ana).post("/jobs/new/", typed)

    assert told.status_code == 422
    assert "10" in told.context["form"].non_field_errors()[0]


def test_a_job_that_another_went_on_from_says_so_and_claims_no_ending_of_its_own(ana, project, job):
    first = actions.cancel(job, by=ana, now=timezone.now())
    second = actions.submit(
        project, spec=spec(), by=ana, now=timezone.now(), key="again", continues=first
    )
    run_dir = queries.run_dir(second)
    run_dir.mkdir(parents=True)
    (run_dir / "exit.json").write_text('{"state": "done", "reason": "all steps"}')

    text = page(ana).get(f"/jobs/{first.code}/").content.decode()
    assert f"/jobs/{second.code}/" in text
    assert "all steps" not in text
    assert queries.successor(second) is None


def test_pages_of_jobs_are_404_for_strangers_and_sign_in_for_nobody(stranger, job):
    for path in ("", "live/", "log/"):
        assert page(stranger).get(f"/jobs/{job.code}/{path}").status_code == 404
        assert Client().get(f"/jobs/{job.code}/{path}").status_code == 302
    assert page(stranger).post(f"/jobs/{job.code}/cancel/").status_code == 404


@pytest.mark.parametrize("address", [f"{BASE}/jobs", "/jobs/"])
def test_a_list_costs_the_same_queries_for_one_and_three_rows(
    api, ana, project, allocation, address
):
    client = api(ana) if address.startswith("/api") else page(ana)

    def cost():
        with CaptureQueriesContext(
            connection,
        ) as queries_made:
            assert client.get(address).status_code == 200
        return len(queries_made)

    actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="1")
    one = cost()
    for key in ("2", "3"):
        actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key=key)

    assert cost() == one


def test_a_job_toml_read_as_json_is_what_the_api_takes(api, ana, project, allocation):
    import tomllib

    text = """
        name = "Hello"
        command = "bash -c 'cat inputs/x'"
        gpus = 1
        memory = "1G"
        time_limit = "1m30s"
        [environment]
        SEED = "7"
        [files]
        "config.toml" = "a = 1"
    """
    made = post(
        api(ana), "/jobs", json.dumps({"project": project.code, "spec": tomllib.loads(text)})
    )

    assert made.status_code == 201
    assert made.json()["spec"]["command"] == ["bash", "-c", "cat inputs/x"]
    assert made.json()["time_limit_s"] == 90
