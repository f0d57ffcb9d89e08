"""Accounts, users and limits on a real Slurm: what stops jobs that go past the portal."""

import subprocess
import time
import uuid
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone

from uzina.compute import adapters, queries, tasks
from uzina.compute.adapters.commands import client_environment
from uzina.compute.models import Drift, SiteAccount, SiteUser
from uzina.compute.tests.conftest import HOUR, SLURM_CONF
from uzina.core.models import LogEntry
from uzina.ledger import actions as ledger
from uzina.people.models import Membership

pytestmark = pytest.mark.skipif(not SLURM_CONF, reason="needs a Slurm: make test starts one")


FENCED = {"AssocGrpGRESMinutes", "AssocGrpBillingMinutes"}
"""Either limit stops a job that the balance does not cover; Slurm names the one it met first."""


def slurm(*argv, check=True):
    """Run a command of Slurm's as an administrator or user of the site would."""
    return subprocess.run(
        argv,
        env=client_environment(SLURM_CONF),
        capture_output=True,
        text=True,
        timeout=120,
        check=check,
    )


def past_the_portal(account, *, minutes, gpus=1):
    """Submit a plain job; returns how sbatch ended."""
    return slurm(
        *("sbatch", "--parsable", f"--account={account}", "--partition=gpu", "--mem=10M"),
        *(f"--time={minutes}", f"--gpus={gpus}", "--output=/dev/null", "--wrap=sleep 600"),
        check=False,
    )


def wait_for(native_id, *, state, seconds=120):
    """Wait until a job is in a state, and return why it is, as Slurm says."""
    end = time.monotonic() + seconds
    while True:
        said = slurm("squeue", "-h", "-j", native_id, "-o", "%T %r").stdout.split()
        if said[:1] == [state] and said[1:] not in (["None"], ["Priority"]):
            return said[1]
        if said[:1] == [state] == ["RUNNING"]:
            return ""
        assert time.monotonic() < end, said
        time.sleep(0.2)


@pytest.fixture
def site(folders, db):
    """An account of our own on the cluster, with nothing below it, and a factory that keeps it."""
    parent = f"test{uuid.uuid4().hex[:8]}"
    slurm("sacctmgr", "-i", "add", "account", parent, "Description=t", "Organization=t")
    config = settings.UZINA
    scheduler = replace(
        config.scheduler,
        kind="slurm",
        slurm_conf=SLURM_CONF,
        account=parent,
        partition="gpu",
        accounts="project",
        repair="auto",
    )
    with override_settings(UZINA=replace(config, scheduler=scheduler)):
        yield parent
        names = [one.name for one in adapters.scheduler().limits()]
    if names:
        slurm("scancel", f"--account={','.join(names)}", check=False)


@pytest.fixture
def account(project):
    return f"uz-{project.code.lower()}"


def reconcile(*, minutes):
    tasks.reconcile(now=timezone.now() + timedelta(minutes=minutes))
    assert queries.cluster().silent_since is None
    return {one.name: one for one in adapters.scheduler().limits()}


def test_a_limit_stops_what_goes_past_the_portal_and_a_top_up_lets_it_run(
    site, account, allocation, operator
):
    seen = reconcile(minutes=0)[account]
    assert (seen.parent, seen.gpu_min, seen.is_blocked) == (site, 600, False)
    assert not Drift.objects.exists()

    too_long = past_the_portal(account, minutes=620).stdout.strip()
    assert wait_for(too_long, state="PENDING") in FENCED
    ledger.top_up(
        allocation,
        amount=HOUR,
        reason="An extension.",
        key="more",
        by=operator,
        now=timezone.now(),
    )
    assert reconcile(minutes=1)[account].gpu_min == 660
    wait_for(too_long, state="RUNNING")
    # It runs up to 620 of 660 minutes: an hour more does not fit beside it.
    another = past_the_portal(account, minutes=60).stdout.strip()
    assert wait_for(another, state="PENDING") in FENCED


def test_a_frozen_project_is_refused_at_once_until_it_is_thawed(
    site, account, allocation, operator
):
    now = timezone.now()
    reconcile(minutes=0)
    ledger.freeze(allocation, reason="Looked into.", by=operator, now=now)
    assert reconcile(minutes=1)[account].is_blocked
    refused = past_the_portal(account, minutes=1)
    assert refused.returncode != 0
    assert "limit" in refused.stderr

    ledger.thaw(allocation, reason="It is well.", by=operator, now=now)
    assert not reconcile(minutes=2)[account].is_blocked
    assert past_the_portal(account, minutes=1).returncode == 0


def test_who_leaves_a_project_is_shut_out_and_who_returns_is_let_in(
    site, account, allocation, ana, project
):
    """The only Unix user sure to be here is root, which no operator could map."""
    config = settings.UZINA
    person = replace(config, scheduler=replace(config.scheduler, identity="person", repair="ask"))
    SiteUser.objects.create(
        cluster=queries.cluster(), person=ana, name="root", made_at=timezone.now()
    )
    with override_settings(UZINA=person):
        tasks.repair(kinds=["account", "user"], now=timezone.now())
        assert past_the_portal(account, minutes=1).returncode == 0

        membership = Membership.objects.get(project=project, person=ana)
        membership.delete()
        assert reconcile(minutes=1)[account].blocked_users == {"root"}
        assert past_the_portal(account, minutes=1).returncode != 0

        membership.save(force_insert=True)
        assert reconcile(minutes=2)[account].blocked_users == set()
        assert past_the_portal(account, minutes=1).returncode == 0


def test_what_was_changed_or_lost_on_the_cluster_is_put_back(site, account, allocation):
    reconcile(minutes=0)
    slurm("sacctmgr", "-i", "modify", "account", account, "set", "GrpTRESMins=gres/gpu=9999")
    eve = f"{site}-eve"
    slurm("sacctmgr", "-i", "add", "account", eve, f"parent={site}", "Organization=t")
    kept = SiteAccount.objects.get(name=account)
    assert kept.limit_gpu_min == 600
    # As after the controller lost its state: it counts less than it once did.
    SiteAccount.objects.update(used_gpu_min=100, read_gpu_s=6000)

    seen = reconcile(minutes=1)

    assert seen[account].gpu_min == 600
    assert seen[eve].is_blocked
    assert Drift.objects.get(gone_at=None).subject == eve
    assert LogEntry.objects.get(event="cluster.lost_usage").facts["accounts"] == [account]
    kept.refresh_from_db()
    assert (kept.used_gpu_min, kept.read_gpu_s) == (0, 0)


def test_at_the_end_of_the_hours_jobs_past_the_portal_are_stopped(site, account, allocation):
    reconcile(minutes=0)
    running = past_the_portal(account, minutes=5).stdout.strip()
    wait_for(running, state="RUNNING")

    tasks.stop_exhausted(
        event="allocation.exhausted", subject=allocation.code, facts={}, now=timezone.now()
    )

    end = time.monotonic() + 120
    while adapters.scheduler().jobs_of_account(account):
        assert time.monotonic() < end
        time.sleep(0.2)
