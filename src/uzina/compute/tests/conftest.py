"""What the tests of jobs share: an allocation, a worker, both schedulers."""

import os
import time
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.compute import actions, queries, rules
from uzina.compute.models import Job, SiteAccount
from uzina.core.models import Promise
from uzina.core.promises import Worker, plant_recurring
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger_queries

SLURM_CONF = os.environ.get("UZINA_TEST_SLURM_CONF", "")
HOUR = 3_600_000
"""One GPU-hour in GPU-milliseconds."""


@pytest.fixture
def allocation(grant_hours):
    """Ten GPU-hours, open now. Real jobs need the real clock."""
    return grant_hours(timezone.now(), days=30)


@pytest.fixture
def cluster(db):
    return queries.cluster()


@pytest.fixture
def early_job(ana, project, allocation, cluster):
    """Return a job submitted on the first day of its allocation."""
    return actions.submit(
        project, spec=spec(), by=ana, now=allocation.starts_at + timedelta(days=1), key="fixture"
    )


@pytest.fixture
def on_slurm(folders):
    """Jobs go to the real Slurm of the tests."""
    config = settings.UZINA
    scheduler = replace(
        config.scheduler, kind="slurm", slurm_conf=SLURM_CONF, account="uzina", partition="gpu"
    )
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        yield


@pytest.fixture(params=["local", *(["slurm"] if SLURM_CONF else [])])
def cluster_kind(request):
    """Run the test on each kind of cluster there is."""
    if request.param == "slurm":
        request.getfixturevalue("on_slurm")
    return request.param


@pytest.fixture
def hours(grant_hours):
    """Ten GPU-hours from a day before NOW for thirty days."""
    return grant_hours(NOW, days=30)


@pytest.fixture
def account(project):
    """The project's account on the cluster."""
    return SiteAccount.objects.create(
        cluster=queries.cluster(), project=project, name="uz-prj", made_at=NOW
    )


def spec(command="true", **changes):
    """Return the description of a small shell job."""
    mapping = {
        "name": "Test",
        "command": ["bash", "-c", command],
        "gpus": 1,
        "memory_mb": 100,
        "time_limit_s": 60,
    }
    return rules.parse_spec(mapping | changes)


def balance(allocation):
    return ledger_queries.balance(allocation)


def work(*, until, seconds=180):
    """Run a worker in this thread until a condition holds."""
    worker = Worker("test-worker")
    end = time.monotonic() + seconds
    plant_recurring(now=timezone.now())
    while not until():
        assert time.monotonic() < end, [
            (p.key, p.state, p.error[-2000:]) for p in Promise.objects.exclude(state="done")
        ]
        if not worker.run_one():
            time.sleep(0.05)


def work_until_settled(*codes, seconds=180):
    work(
        until=lambda: not Job.objects.filter(code__in=codes, settled_at=None).exists(),
        seconds=seconds,
    )
    jobs = [Job.objects.get(code=code) for code in codes]
    return jobs[0] if len(jobs) == 1 else jobs
