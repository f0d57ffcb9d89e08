"""Pages and API of clusters: who sees what, what it costs, what it says while Slurm is away."""

from datetime import datetime, timedelta

from django.test import Client
from django.utils import timezone

from uzina.compute import actions, queries
from uzina.compute.models import Job, Maintenance
from uzina.compute.ports import QueueSeen
from uzina.compute.tests.conftest import spec
from uzina.compute.tests.machines import IN_A_WEEK, NOW, TICK, look, node, sample, usage, window

# Pages and the API -------------------------------------------------------------------------------------

PAGES = (
    "/clusters/",
    "/clusters/history/",
    "/clusters/history/?period=day&partition=gpu",
    "/clusters/history/?period=year&partition=nowhere",
    "/clusters/use/?period=year",
    "/clusters/maintenance/",
    "/clusters/maintenance/new/",
)


def page(person):
    client = Client()
    client.force_login(person)
    return client


def fill(cluster, project, early_job, count):
    """Put so many of everything where pages look."""
    now = early_job.submitted_at + timedelta(days=1)
    seen = look(
        *(node(f"n{n}", f"p{n}", state="drained") for n in range(count)),
        queue=[QueueSeen("p0", 1, 2, 3)],
    )
    actions.count(cluster, inventory=seen, now=now)
    for number in range(count):
        sample(cluster, (now - timedelta(hours=number)).replace(minute=0), f"q{count}")
        usage(cluster, f"{count}-{number}", now, run_s=30, project=project)
        when = IN_A_WEEK + timedelta(hours=100 * count + number)
        starts = {"starts_at": when, "ends_at": when + timedelta(hours=1)}
        actions.announce(cluster, window(**starts), by=None, now=when - timedelta(days=1))
    Job.objects.filter(pk=early_job.pk).update(
        started_at=now - timedelta(days=1), state="running", effort={"cpu_s": 1, "max_rss_mb": 1}
    )


def test_pages_need_few_statements_and_as_many_for_twenty_as_for_two(
    operator, cluster, project, early_job, django_assert_max_num_queries
):
    client, counts = page(operator), []
    for count in (2, 20):
        fill(cluster, project, early_job, count)
        counted = []
        for path in (*PAGES, f"/projects/{project.code}/history/"):
            with django_assert_max_num_queries(15) as captured:
                assert client.get(path).status_code == 200
            counted.append(len(captured))
        counts.append(counted)
    assert counts[0] == counts[1]


def test_pages_ask_the_tables_only_and_say_how_old_they_are_while_the_cluster_is_away(
    operator, ana, cluster, project, early_job, monkeypatch
):
    class Away:
        def __getattr__(self, name):
            raise AssertionError(name)

    fill(cluster, project, early_job, 2)
    actions.note_silence(cluster, detail="timeout", now=NOW)
    monkeypatch.setattr("uzina.compute.adapters.scheduler", Away)
    client = page(operator)
    for path in (
        *PAGES,
        "/jobs/",
        f"/projects/{project.code}/",
        f"/projects/{project.code}/history/",
    ):
        assert client.get(path).status_code == 200, path

    said = page(ana).get("/clusters/").content.decode()
    assert "As counted" in said
    assert "The cluster has not answered since" in said
    assert "The cluster has not answered since" in page(ana).get("/jobs/").content.decode()


def test_silence_during_a_maintenance_is_explained_by_it(ana, cluster):
    actions.note_silence(cluster, detail="timeout", now=NOW)
    now = timezone.now()
    running = window(starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    actions.announce(cluster, running, by=None, now=now)

    for path in ("/clusters/", "/jobs/"):
        said = page(ana).get(path).content.decode()
        assert "The cluster is in maintenance until" in said
        assert "During the maintenance the cluster does not answer" in said
        assert "The cluster has not answered since" not in said


def test_members_see_queues_and_maintenance_and_nobodys_use(ana, auditor, operator, cluster):
    actions.count(cluster, inventory=look(node("n1"), queue=[QueueSeen("gpu", 1, 7, 9)]), now=NOW)

    plain = page(ana).get("/clusters/").content.decode()
    full = page(auditor).get("/clusters/").content.decode()
    assert ("4 of 4" in plain, "GPUs by sort and state" in plain) == (True, False)
    assert ("GPUs by sort and state" in full, "Announce maintenance" in full) == (True, False)
    assert "Announce maintenance" in page(operator).get("/clusters/").content.decode()
    for path in ("/clusters/history/", "/clusters/use/", "/clusters/maintenance/new/"):
        assert page(ana).get(path).status_code == 404
    assert page(auditor).get("/clusters/maintenance/new/").status_code == 404
    assert page(ana).get("/clusters/maintenance/").status_code == 200


def test_a_project_sees_its_own_history_and_strangers_nothing(ana, stranger, project, early_job):
    path = f"/projects/{project.code}/history/"

    whole = page(ana).get(path)
    part = page(ana).get(path, headers={"HX-Request": "true"})

    assert "The days in figures" in whole.content.decode()
    assert part.content.decode().count("<figure") == 1
    assert "<html" not in part.content.decode()
    assert page(stranger).get(path).status_code == 404


def test_a_maintenance_is_announced_changed_and_called_off_on_pages(operator, cluster):
    actions.count(cluster, inventory=look(node("n1")), now=NOW)
    client, year = page(operator), timezone.now().year + 1
    typed = {
        "partition": "gpu",
        "starts_on_day": "5",
        "starts_on_month": "march",
        "starts_on_year": str(year),
        "starts_time": "08:00",
        "ends_on_day": "5",
        "ends_on_month": "3",
        "ends_on_year": str(year),
        "ends_time": "8.00",
        "reason": "Filters",
    }
    refused = client.post("/clusters/maintenance/new/", typed)
    assert refused.status_code == 422
    assert "ends before it starts" in refused.content.decode()
    wrong = client.post("/clusters/maintenance/new/", typed | {"ends_time": "24:00"})
    assert "Write a time of day" in wrong.content.decode()

    assert (
        client.post("/clusters/maintenance/new/", typed | {"ends_time": "10:00"}).status_code == 302
    )
    made = Maintenance.objects.get()
    assert made.starts_at == datetime(year, 3, 5, 8, tzinfo=queries.zone())
    path = f"/clusters/maintenance/{made.code}/"
    shown = client.get(f"{path}change/").content.decode()
    assert 'value="08:00"' in shown
    assert client.post(f"{path}change/", typed | {"ends_time": "11:00"}).status_code == 302
    latest = Maintenance.objects.get(replaces=made)
    client.post(f"/clusters/maintenance/{latest.code}/cancel/")
    listed = client.get("/clusters/maintenance/").content.decode()
    assert listed.count("Called off") == 1
    assert latest.code in listed


BASE = "/api/v1/compute"


def post(client, path, body, key="k1"):
    return client.post(
        f"{BASE}{path}", body, content_type="application/json", headers={"Idempotency-Key": key}
    )


def test_the_api_tells_history_waste_and_maintenance_to_those_who_may_know(
    api, ana, operator, stranger, cluster, project, early_job
):
    now = timezone.now()
    sample(cluster, now.replace(minute=0, second=0, microsecond=0) - timedelta(days=1), "")
    boss, member = api(operator), api(ana)
    body = {
        "starts_at": (now + timedelta(days=1)).isoformat(),
        "ends_at": (now + timedelta(days=2)).isoformat(),
        "reason": "Filters",
    }

    made = post(boss, "/maintenance", body)
    assert made.status_code == 201
    assert post(member, "/maintenance", body).status_code == 403
    naive = post(boss, "/maintenance", body | {"ends_at": "2027-01-01T00:00:00"}, key="k2")
    assert naive.status_code == 422
    code = made.json()["code"]
    assert member.get(f"{BASE}/inventory").json()["maintenance"][0]["code"] == code
    moved = post(boss, f"/maintenance/{code}/change", body | {"reason": "Fans"}, key="k3").json()
    assert (moved["replaces"], moved["reason"]) == (code, "Fans")
    gone = post(boss, f"/maintenance/{moved['code']}/cancel", {}, key="k4").json()
    assert gone["cancelled_at"] is not None
    assert [one["code"] for one in member.get(f"{BASE}/maintenance").json()["items"]] == [
        moved["code"],
        code,
    ]

    days = boss.get(f"{BASE}/history").json()["items"]
    assert (len(days) in {30, 31, 32}, sum(one["looks"] for one in days)) == (True, 60)
    assert boss.get(f"{BASE}/history?since=2999-01-01T00:00:00Z").status_code == 422
    backwards = boss.get(f"{BASE}/history?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")
    assert backwards.json()["code"] == "history.span.wrong"
    assert boss.get(f"{BASE}/waste").json() == {"items": []}
    for path in ("/history", "/waste"):
        assert member.get(f"{BASE}{path}").status_code == 404

    type(project).objects.filter(pk=project.pk).update(starts_at=now - timedelta(days=3))
    Job.objects.filter(pk=early_job.pk).update(submitted_at=now - timedelta(hours=1))
    own = member.get(f"{BASE}/projects/{project.code}/history").json()
    assert sum(one["waited_s"] for one in own["items"]) >= 3600
    assert (own["items"][0]["why"], own["items"][-1]["why"]) == ("nothing", "waited")
    assert {"ran_s", "full_s", "idle_s"} <= set(own["items"][0])
    assert api(stranger).get(f"{BASE}/projects/{project.code}/history").status_code == 404


def test_the_check_of_a_job_says_when_it_would_run_into_a_maintenance(ana, project, early_job):
    now = early_job.submitted_at
    limit = timedelta(seconds=60)

    def found():
        checks = queries.preflight(project, spec=spec(time_limit_s=60), by=ana, now=now)
        return [one.level for one in checks if one.code == "maintenance.hits"]

    starts = {"starts_at": now + limit, "ends_at": now + 2 * limit}
    made = actions.announce(early_job.cluster, window(**starts), by=None, now=now)
    assert found() == []
    starts["starts_at"] -= TICK
    actions.change(made, window(**starts), by=None, now=now)
    assert found() == ["warn"]
