"""The API and the pages: status, shape, who sees what, what a mistake is told."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.compute import actions, queries
from uzina.compute.models import Job, Partition
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


# --- checks, copies, files ---


def ended(job, **files):
    """Have a job ended, with these files in its run directory."""
    run_dir = queries.run_dir(job)
    for path, text in files.items():
        (run_dir / path).parent.mkdir(parents=True, exist_ok=True)
        (run_dir / path).write_text(text)
    return Job.objects.filter(pk=job.pk).update(
        state="failed",
        reason="NonZeroExitCode",
        exit_code=137,
        started_at=timezone.now(),
        ended_at=timezone.now(),
        settled_at=timezone.now(),
        gpu_ms=0,
        effort={"cpu_s": 0.0, "max_rss_mb": 50},
    )


@pytest.fixture
def counted():
    """A partition of two nodes with four GPUs each, one of them taken."""
    return Partition.objects.create(
        cluster=queries.cluster(),
        name="gpu",
        nodes=2,
        nodes_up=2,
        cpus=64,
        cpus_used=8,
        cpus_free=56,
        gpus=8,
        gpus_used=1,
        gpus_free=7,
        memory_mb=256_000,
        max_time_s=7200,
        is_default=True,
        counted_at=timezone.now(),
    )


def check(client, project, **changes):
    told = post(client, "/jobs/check", {"project": project.code, "spec": description(**changes)})
    assert told.status_code == 200
    return told.json(), {one["code"]: one for one in told.json()["checks"]}


def test_a_check_looks_at_everything_and_holds_nothing(api, ana, project, allocation, counted):
    told, checks = check(api(ana), project)

    assert told["may_submit"]
    assert {code: one["level"] for code, one in checks.items()} == {
        "fit.ok": "ok", "start.free": "ok", "balance.ok": "ok", "cluster.unseen": "warn",
    }  # fmt: skip
    assert "0.02" in checks["balance.ok"]["text"]
    assert "9.98" in checks["balance.ok"]["text"]
    assert (Job.objects.count(), balance(allocation).free) == (0, 10 * HOUR)


@pytest.mark.parametrize(
    ("changes", "code", "level"),
    [
        ({"gpus": 4}, "fit.ok", "ok"),
        ({"gpus": 4, "nodes": 2}, "start.busy", "warn"),
        ({"gpus": 5}, "fit.gpus", "refuse"),
        ({"nodes": 2}, "fit.ok", "ok"),
        ({"nodes": 3}, "fit.nodes", "refuse"),
        ({"cpus": 32}, "fit.ok", "ok"),
        ({"cpus": 33}, "fit.cpus", "refuse"),
        ({"memory_mb": 128_000}, "fit.ok", "ok"),
        ({"memory_mb": 128_001}, "fit.memory", "refuse"),
        ({"time_limit_s": 7200}, "fit.ok", "ok"),
        ({"time_limit_s": 7201}, "fit.time", "refuse"),
        ({"partition": "cpu"}, "fit.no_partition", "refuse"),
        ({"gpus": 4, "time_limit_s": 7200, "array": "0-1"}, "allocation.hold.too_big", "refuse"),
        ({"inputs": ["ro-corpus@3"]}, "dataset.not_found", "refuse"),
        ({"after": "JOB-0000"}, "job.submit.no_such_job", "refuse"),
        ({"modules": ["cuda"]}, "environment.modules", "warn"),
        ({"container": "a.sif"}, "environment.container", "warn"),
    ],
)
def test_what_a_check_finds(api, ana, project, allocation, counted, changes, code, level):
    told, checks = check(api(ana), project, **changes)
    found = [one for one in checks.values() if one["level"] == "refuse"]
    if code == "dataset.not_found":
        assert found
    else:
        assert checks[code]["level"] == level
    assert told["may_submit"] == (not found)


def test_a_check_is_for_members_and_tells_mistakes_at_their_place(
    api, ana, project, stranger, operator
):
    body = {"project": project.code, "spec": description(array="a")}
    assert post(api(stranger), "/jobs/check", body).status_code == 404
    assert post(api(operator), "/jobs/check", body).status_code == 403
    told = post(api(ana), "/jobs/check", body)
    assert [one["pointer"] for one in told.json()["errors"]] == ["/spec/array"]


def test_a_rehearsal_is_the_same_for_two_minutes(api, ana, project, allocation):
    spec = description(time_limit_s=7200, chain=3)
    made = post(api(ana), "/jobs", {"project": project.code, "spec": spec, "is_rehearsal": True})

    shown = made.json()
    assert (shown["time_limit_s"], shown["chain_left"]) == (120, None)
    assert (shown["spec"]["stop_before_s"], shown["spec"]["is_rehearsal"]) == (60, True)
    job = Job.objects.get(code=shown["code"])
    ended(job, STOP="time\n", **{"checkpoints/1.pt": "x"})
    Job.objects.filter(pk=job.pk).update(state="done", exit_code=0)
    text = api(ana).get(f"{BASE}/jobs/{job.code}").json()["rehearsal"]
    assert text.startswith("The rehearsal went well")
    (queries.run_dir(job) / "checkpoints/1.pt").unlink()
    assert "no checkpoint" in api(ana).get(f"{BASE}/jobs/{job.code}").json()["rehearsal"]


def test_a_job_is_run_again_by_members_once_a_key(api, ana, project, allocation, job, auditor):
    again = post(api(ana), f"/jobs/{job.code}/rerun", None)
    assert (again.status_code, again.json()["rerun_of"]) == (201, job.code)
    assert post(api(ana), f"/jobs/{job.code}/rerun", None).json()["code"] == again.json()["code"]
    assert post(api(auditor), f"/jobs/{job.code}/rerun", None).status_code == 403
    assert Job.objects.count() == 2

    pressed = page(ana).post(f"/jobs/{job.code}/rerun/", {"key": "k"})
    page(ana).post(f"/jobs/{job.code}/rerun/", {"key": "k"})
    assert Job.objects.filter(rerun_of=job).count() == 2
    assert pressed["Location"] == f"/jobs/{Job.objects.latest('pk').code}/"


@pytest.mark.parametrize("address", [BASE + "/jobs/{code}/files/", "/jobs/{code}/files/"])
def test_a_file_of_the_run_directory_is_sent_to_members_as_an_attachment(
    api, ana, auditor, stranger, job, address, tmp_path
):
    (tmp_path / "secret").write_text("secret")
    ended(job, **{"export/page.html": "<script>", ".hidden": "x"})
    (queries.run_dir(job) / "link").symlink_to(tmp_path / "secret")
    (queries.run_dir(job) / "folder").symlink_to(tmp_path)
    base = address.format(code=job.code)
    is_api = address.startswith("/api")

    def get(person, path):
        return (api(person) if is_api else page(person)).get(base + path)

    sent = get(ana, "export/page.html")
    assert b"".join(sent.streaming_content) == b"<script>"
    assert sent["Content-Disposition"] == 'attachment; filename="page.html"'
    assert sent["Content-Type"] == "application/octet-stream"
    for path in ("link", "folder/secret", ".hidden", "nothing", "export", "a/../export/page.html"):
        assert get(ana, path).status_code == 404
    assert get(auditor, "export/page.html").status_code == 403
    assert get(stranger, "export/page.html").status_code == 404


def test_the_page_of_a_failed_job_says_what_to_do_and_what_it_used(ana, project, job):
    ended(job, **{"outputs.json": '{"outputs": [{"path": "a.txt", "bytes": 3, "sha256": "abc"}]}'})

    text = page(ana).get(f"/jobs/{job.code}/").content.decode()

    assert "most often because memory ran out" in text
    assert "50 %" in text
    assert "not measured here" in text
    assert f'href="/jobs/{job.code}/files/a.txt"' in text
    assert f"/jobs/new/?like={job.code}" in text


def test_a_copy_of_a_job_is_filled_in_and_keeps_its_files(ana, project, allocation):
    first = actions.submit(
        project,
        spec=spec("echo 'a b'", files={"a.txt": "x"}, array="0-1", outputs=["a*"]),
        by=ana,
        now=timezone.now(),
        key="first",
    )
    form = page(ana).get(f"/jobs/new/?like={first.code}").context["form"]
    typed = {name: form[name].value() for name in form.fields if form[name].value() is not None}

    made = page(ana).post("/jobs/new/", typed | {"confirm": "1", "key": "copy"})

    copy = Job.objects.latest("pk")
    assert made["Location"] == f"/jobs/{copy.code}/"
    assert copy.spec == first.spec


def test_a_script_counts_more_than_the_fields_and_the_check_shows_it(
    ana, project, allocation, counted
):
    typed = {
        "project": project.code,
        "name": "Script",
        "script": "#!/bin/bash\r\n#SBATCH -t 30 --gpus-per-node=2\r\n#SBATCH -o x\r\ntrue\r\n",
        "gpus": "1",
        "nodes": "1",
        "cpus": "1",
        "memory": "4G",
        "time_limit": "1h",
    }
    text = page(ana).post("/jobs/new/", typed).content.decode()
    assert "30 min" in text
    assert "--output" in text
    assert "It fits the partition gpu." in text

    wrong = page(ana).post("/jobs/new/", typed | {"script": "#SBATCH -A other\ntrue"})
    assert wrong.status_code == 422
    assert "--" not in wrong.context["form"].errors["script"][0]
    assert "-A other" in wrong.context["form"].errors["script"][0]


def test_an_array_shows_its_tasks_and_their_logs(ana, project, allocation):
    job = actions.submit(project, spec=spec(array="3-4"), by=ana, now=timezone.now(), key="array")
    logs = queries.run_dir(job) / "logs"
    logs.mkdir(parents=True)
    (logs / "stdout-4.log").write_text("from four\n")

    client = page(ana)
    text = client.get(f"/jobs/{job.code}/").content.decode()

    assert "Output of task 4" in text
    assert "Output of task 3" not in text
    assert b"from four" in client.get(f"/jobs/{job.code}/log/?stream=stdout-4").content
