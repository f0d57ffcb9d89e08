"""The pages of notebooks: described, priced, started; a mistake stands beside its field."""

import json

import pytest

from uzina.compute.models import Job

pytestmark = pytest.mark.django_db

PAGE = "/sessions/new/"


@pytest.fixture
def typed(project):
    return {
        "project": project.code,
        "gpus": "0",
        "cpus": "2",
        "memory": "8 GB",
        "time_limit": "1h 30m",
        "idle_minutes": "10",
        "inputs": "",
    }


def test_a_notebook_is_priced_before_it_is_started_and_started_once(ana, client, allocation, typed):
    client.force_login(ana)

    checked = client.post(PAGE, typed).content.decode()
    assert not Job.objects.exists()
    assert 'name="memory" value="8 GB"' in checked

    for _again in range(2):
        answer = client.post(PAGE, typed | {"confirm": "1", "key": "once"})
    job = Job.objects.get()
    assert answer.headers["Location"] == f"/jobs/{job.code}/"
    assert (job.kind, job.cpus, job.memory_mb, job.time_limit_s) == ("session", 2, 8192, 5400)
    assert json.loads(job.spec["files"]["session.json"]) == {"idle_s": 600}


@pytest.mark.parametrize(
    ("time_limit", "status"), [("12h", 200), ("12h1s", 422), ("soon", 422), ("", 422)]
)
def test_a_notebook_runs_for_twelve_hours_at_most(
    ana, client, allocation, typed, time_limit, status
):
    client.force_login(ana)

    answer = client.post(PAGE, typed | {"time_limit": time_limit})

    assert answer.status_code == status
    assert ("id_time_limit_error" in answer.content.decode()) == (status == 422)
    assert not Job.objects.exists()
