"""Data reaches a job under its terms: laid out before the start, refused when withdrawn since."""

import hashlib

import pytest
from django.utils import timezone

from uzina.catalogue import actions as catalogue
from uzina.compute import actions, queries
from uzina.compute.rules import JobState
from uzina.compute.tests.conftest import HOUR, balance, spec, work_until_settled
from uzina.core.errors import Refused

pytestmark = pytest.mark.django_db
BODY = "Bună ziua\n".encode()


@pytest.fixture
def corpus(ana, project):
    """Version 1 of Ana's dataset ro-corpus."""
    now = timezone.now()
    catalogue.seed_licences(now=now)
    dataset = catalogue.register_dataset(
        slug="ro-corpus",
        title="Știri",
        description="Texte.",
        licence="cc-by-sa-3.0",
        languages=["ro"],
        holder=project.organisation,
        project=project,
        by=ana,
        now=now,
    )
    sha256 = hashlib.sha256(BODY).hexdigest()
    catalogue.upload(sha256, iter([BODY]), size=len(BODY), by=ana, now=now)
    files = [{"path": "ro/a.txt", "bytes": len(BODY), "sha256": sha256}]
    return catalogue.add_version(dataset, files=files, note="First.", by=ana, now=now)


def submit(project, ana, **changes):
    return actions.submit(project, spec=spec(**changes), by=ana, now=timezone.now(), key="k")


def test_a_job_finds_its_datasets_and_files_before_it_starts(
    api, ana, project, allocation, corpus, cluster_kind
):
    job = submit(
        project,
        ana,
        command="cat inputs/corpus/ro/a.txt config.toml",
        inputs=[{"dataset": "ro-corpus", "version": 1, "at": "corpus"}],
        files={"config.toml": "a = 1\n"},
    )

    job = work_until_settled(job.code)

    assert job.state is JobState.DONE
    assert (queries.run_dir(job) / "logs" / "stdout.log").read_bytes() == BODY + b"a = 1\n"
    base = f"/api/v1/compute/jobs/{job.code}/files"
    client = api(ana)
    listed = [one["path"] for one in client.get(base).json()["items"]]
    assert "config.toml" in listed
    assert client.get(f"{base}/config.toml").status_code == 200
    assert not [path for path in listed if path.startswith("inputs")]
    for path in ("inputs/corpus/ro/a.txt", "/inputs/corpus/ro/a.txt", "inputs//corpus/ro/a.txt"):
        assert client.get(f"{base}/{path}").status_code == 404, "the catalogue gives inputs"


def test_a_dataset_withdrawn_before_the_start_fails_the_job_and_gives_its_hours_back(
    ana, project, allocation, corpus
):
    job = submit(project, ana, inputs=["ro-corpus@1"])
    catalogue.withdraw(corpus.dataset, reason="A right ended.", by=ana, now=timezone.now())

    job = work_until_settled(job.code)

    assert (job.state, job.reason) == (JobState.FAILED, "AccessOver")
    assert "withdrawn" in job.detail
    assert balance(allocation).free == 10 * HOUR


def test_a_dataset_of_others_is_not_there(ana, project, allocation, corpus):
    with pytest.raises(Refused, match="ro-corpus@2"):
        submit(project, ana, inputs=["ro-corpus@2"])
