"""Keeping a cluster's accounts as the ledger says, on a batch system in memory."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from uzina.compute import actions, adapters, queries, tasks
from uzina.compute.adapters.scripted import ScriptedScheduler
from uzina.compute.models import Drift, Job, SiteAccount, Usage
from uzina.compute.ports import Finding, Health, SchedulerDown
from uzina.compute.tests.conftest import HOUR, spec
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry, Promise
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.ledger.rules import Charge

MINUTE = timedelta(minutes=1)


def configured(**changes):
    """Return settings with accounts of projects, and changes to [scheduler]."""
    config = settings.UZINA
    changes = {"accounts": "project", "account": "uzina", "identity": "person"} | changes
    return override_settings(UZINA=replace(config, scheduler=replace(config.scheduler, **changes)))


@pytest.fixture
def batch(monkeypatch, db):
    """A cluster in memory, looked at from a factory that keeps its accounts."""
    batch = ScriptedScheduler(clock=int(timezone.now().timestamp()))
    monkeypatch.setattr(adapters, "scheduler", lambda: batch)
    with configured(repair="auto"):
        yield batch


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def member(ana, operator, now):
    """Ana, whose jobs run as ana."""
    actions.map_person(queries.cluster(), ana, name="ana", by=operator, now=now)
    return ana


@pytest.fixture
def account(project):
    return f"uz-{project.code.lower()}"


def use(batch, account, *, seconds, gpus=1):
    """Run a job past the portal and read what it used."""
    work = batch.submit_past(account=account, gpus=gpus, work_s=seconds, limit_s=seconds * 2)
    batch.tick(seconds + 2)
    return work


def measure(batch, now):
    actions.measure(queries.cluster(), page=batch.usage(since_s=0), now=now)


def left_min(allocation):
    balance = ledger_queries.balance(allocation)
    return -(-(balance.free + balance.held) // 60_000)


def test_a_project_gets_its_account_its_users_and_its_limit(
    batch, member, account, allocation, now
):
    tasks.reconcile(now=now)

    made = batch.accounts[account]
    assert (made.parent, made.users, made.gpu_min, made.is_blocked) == (
        "uzina",
        {"ana"},
        600,
        False,
    )
    assert queries.cluster().reconciled_at == now
    assert not Drift.objects.exists()
    assert LogEntry.objects.get(event="cluster.repaired").facts["steps"] == {
        "add_account": 1,
        "add_user": 1,
        "limit": 1,
    }


def test_with_one_shared_account_nothing_is_looked_at(batch, member, allocation, now):
    with configured(accounts="shared"):
        tasks.reconcile(now=now)

    assert set(batch.accounts) == {"uzina"}
    assert not SiteAccount.objects.exists()
    assert queries.cluster().reconciled_at is None


def test_nothing_to_change_writes_nothing_but_the_time_of_the_look(
    batch, member, account, allocation, now
):
    tasks.reconcile(now=now)
    with CaptureQueriesContext(connection) as said:
        tasks.reconcile(now=now + MINUTE)

    writes = [one for one in statements(said) if one.split()[0] in {"UPDATE", "INSERT", "DELETE"}]
    assert len(writes) == 1
    assert "reconciled_at" in writes[0]


def test_a_difference_costs_at_most_twenty_statements(batch, member, account, allocation, now):
    with CaptureQueriesContext(connection) as said:
        tasks.reconcile(now=now)
    assert len(statements(said)) <= 23  # the very first look also names the accounts

    use(batch, account, seconds=3600)
    measure(batch, now)
    batch.accounts[account].users, batch.accounts[account].gpu_min = set(), 7
    with CaptureQueriesContext(connection) as said:
        tasks.reconcile(now=now + MINUTE)
    assert batch.accounts[account].gpu_min == 600
    assert len(statements(said)) <= 20


def statements(said):
    """Return the SQL without the frames of transactions."""
    frames = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")
    return [one["sql"] for one in said.captured_queries if not one["sql"].startswith(frames)]


def test_what_is_missing_waits_for_an_operator_where_the_site_wants_to_be_asked(
    batch, member, operator, account, allocation, now
):
    with configured(repair="ask"):
        tasks.reconcile(now=now)
        tasks.reconcile(now=now + MINUTE)
        assert account not in batch.accounts
        drift = Drift.objects.get()
        assert (drift.kind, drift.subject, drift.finding, drift.winner) == (
            "account",
            account,
            "missing",
            "factory",
        )
        assert (drift.since_at, drift.gone_at) == (now, None)

        tasks.repair(kinds=["user"], now=now + 2 * MINUTE)
        assert account not in batch.accounts
        tasks.repair(kinds=["account"], now=now + 3 * MINUTE)

    assert batch.accounts[account].users == {"ana"}
    drift.refresh_from_db()
    assert drift.gone_at == now + 3 * MINUTE


def test_the_fence_is_kept_without_asking(batch, member, account, allocation, operator, now):
    tasks.reconcile(now=now)
    batch.accounts[account].gpu_min = 10**6
    batch.accounts[account].users.add("eve")

    with configured(repair="ask"):
        tasks.reconcile(now=now + MINUTE)

    assert batch.accounts[account].gpu_min == 600
    assert batch.accounts[account].blocked_users == set()
    open_drift, closed = Drift.objects.order_by("gone_at")
    if open_drift.gone_at is not None:
        open_drift, closed = closed, open_drift
    assert (open_drift.kind, open_drift.subject) == ("user", f"{account}/eve")
    assert (closed.kind, closed.theirs) == ("limit", "GrpTRESMins=gres/gpu=1000000,billing=600")
    assert LogEntry.objects.filter(event="cluster.repaired").last().facts["overruled"] == [account]


def test_frozen_and_spent_accounts_are_blocked_and_a_top_up_opens_them(
    batch, member, account, allocation, operator, now
):
    tasks.reconcile(now=now)
    ledger.freeze(allocation, reason="Looked into.", by=operator, now=now)
    tasks.reconcile(now=now + MINUTE)
    assert batch.accounts[account].is_blocked

    ledger.thaw(allocation, reason="It is well.", by=operator, now=now)
    tasks.reconcile(now=now + 2 * MINUTE)
    assert not batch.accounts[account].is_blocked
    assert batch.accounts[account].gpu_min == 600

    use(batch, account, seconds=12 * 3600)
    batch.accounts[account].gpu_min = None
    use(batch, account, seconds=12 * 3600)
    measure(batch, now)
    tasks.reconcile(now=now + 3 * MINUTE)
    assert left_min(allocation) == 0
    assert batch.accounts[account].is_blocked

    ledger.top_up(
        allocation, amount=30 * HOUR, reason="An extension.", key="more", by=operator, now=now
    )
    tasks.reconcile(now=now + 4 * MINUTE)
    seen = {one.name: one for one in batch.limits()}[account]
    assert not seen.is_blocked
    assert seen.gpu_min - seen.used_gpu_min == left_min(allocation)


def test_what_runs_past_the_portal_is_counted_once_before_and_after_it_is_read(
    batch, member, account, allocation, now
):
    tasks.reconcile(now=now)
    use(batch, account, seconds=3600)

    tasks.reconcile(now=now + MINUTE)
    assert batch.accounts[account].gpu_min == 600

    measure(batch, now)
    assert left_min(allocation) == 540
    tasks.reconcile(now=now + 2 * MINUTE)
    assert batch.accounts[account].gpu_min == 600


@pytest.mark.parametrize("skew_s", [0, -3600, 3600])
def test_a_cluster_that_lost_its_memory_heals_and_is_told_once(
    batch, member, account, allocation, now, skew_s
):
    batch.skew_s = skew_s
    batch.clock += skew_s
    tasks.reconcile(now=now)
    use(batch, account, seconds=6 * 3600)
    batch.accounts[account].gpu_min = None
    use(batch, account, seconds=3600)
    measure(batch, now)
    tasks.reconcile(now=now + MINUTE)
    used = {one.name: one for one in batch.limits()}[account].used_gpu_min
    assert used >= 60

    batch.lose_state()
    tasks.reconcile(now=now + 2 * MINUTE)
    tasks.reconcile(now=now + 3 * MINUTE)

    assert batch.accounts[account].gpu_min == left_min(allocation) == 600 - used
    kept = SiteAccount.objects.get(name=account)
    assert (kept.used_gpu_min, kept.reset_at) == (0, Usage.objects.latest("ended_at").ended_at)
    lost = LogEntry.objects.get(event="cluster.lost_usage")
    assert lost.facts == {"count": 1, "accounts": [account]}
    # What ends from now on counts against the new memory.
    use(batch, account, seconds=1800)
    measure(batch, now)
    tasks.reconcile(now=now + 4 * MINUTE)
    seen = {one.name: one for one in batch.limits()}[account]
    assert seen.gpu_min - seen.used_gpu_min == left_min(allocation)


def test_changes_that_the_cluster_loses_are_seen_and_made_again(
    batch, member, account, allocation, now
):
    batch.odds["lost_write"] = 1.0
    tasks.reconcile(now=now)
    assert Drift.objects.get(gone_at=None).finding == "missing"

    batch.odds.clear()
    tasks.reconcile(now=now + MINUTE)
    assert account in batch.accounts
    assert not Drift.objects.filter(gone_at=None).exists()


def test_a_silent_cluster_leaves_the_last_good_look_as_it_was(batch, member, allocation, now):
    tasks.reconcile(now=now)
    batch.odds["silent"] = 1.0
    tasks.reconcile(now=now + MINUTE)

    cluster = queries.cluster()
    assert cluster.reconciled_at == now
    assert cluster.silent_since == now + MINUTE


def test_a_write_that_breaks_off_gives_the_turn_back(
    batch, member, account, allocation, now, monkeypatch
):
    def broken(_steps):
        raise SchedulerDown("it broke off")

    with monkeypatch.context() as patch:
        patch.setattr(batch, "apply", broken)
        tasks.reconcile(now=now)
    assert account not in batch.accounts

    tasks.reconcile(now=now + MINUTE)
    assert account in batch.accounts


def test_two_never_write_at_once(batch, member, account, allocation, now):
    cluster = queries.cluster()
    assert actions.begin_writing(cluster, now=now)
    assert not actions.begin_writing(cluster, now=now)

    tasks.reconcile(now=now)
    assert account not in batch.accounts

    late = now + actions.WRITING
    assert not actions.begin_writing(cluster, now=late - timedelta(microseconds=1))
    tasks.reconcile(now=late)
    assert account in batch.accounts


def test_only_operators_ask_for_a_repair_of_kinds_there_are(batch, ana, auditor, operator, now):
    cluster = queries.cluster()
    for person in (ana, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.ask_repair(cluster, kinds=["account"], by=person, now=now)
        assert refused.value.code == "cluster.repair.not_operator"
    for kinds in ([], ["weather"]):
        with pytest.raises(Refused) as refused:
            actions.ask_repair(cluster, kinds=kinds, by=operator, now=now)
        assert refused.value.code == "cluster.repair.unknown_kind"
    assert not Promise.objects.filter(task="compute.repair").exists()

    actions.ask_repair(cluster, kinds=["user", "account"], by=operator, now=now)
    assert Promise.objects.get(task="compute.repair").args == {"kinds": ["account", "user"]}


def test_totals_that_differ_are_shown_and_mended_by_reading_the_week_again(
    batch, member, project, account, allocation, now
):
    tasks.reconcile(now=now)
    use(batch, account, seconds=3600)
    measure(batch, now)
    tasks.compare_totals(now=now)
    assert not Drift.objects.exists()

    ledger.refund(allocation, amount=HOUR // 2, reason="A bad node.", key="r", by=None, now=now)
    tasks.compare_totals(now=now)
    assert not Drift.objects.exists()

    ledger.charge(
        [Charge(allocation, HOUR, "by-hand", "X", "Booked by nobody's job")],
        by=None,
        now=now,
    )
    tasks.compare_totals(now=now)
    drift = Drift.objects.get()
    assert (drift.kind, drift.subject, drift.winner) == ("total", project.code, "cluster")
    assert (drift.ours, drift.theirs) == ("2.0000 h", "1.0000 h")


def test_rows_that_were_never_read_are_booked_by_a_repair_of_totals(
    batch, member, account, allocation, now
):
    tasks.reconcile(now=now)
    use(batch, account, seconds=3600)
    later = now + timedelta(hours=2)
    tasks.repair(kinds=["total"], now=later)

    assert ledger_queries.balance(allocation).spent == HOUR
    assert not Drift.objects.filter(gone_at=None).exists()


def test_at_the_end_of_the_hours_what_runs_is_stopped_where_the_call_says_so(
    batch, member, project, account, allocation, now
):
    tasks.reconcile(now=now)
    job = actions.submit(project, spec=spec(), by=member, now=now, key="ours")
    tasks.hand_over(job=job.code, now=now)
    batch.accounts[account].gpu_min = None
    foreign = batch.submit_past(account=account, gpus=1, work_s=3600, limit_s=7200, tasks=3)
    batch.tick(5)
    ledger.charge([Charge(allocation, 10 * HOUR, "all", "X", "Everything")], by=None, now=now)

    for _ in range(2):
        tasks.stop_exhausted(
            event="allocation.exhausted", subject=allocation.code, facts={}, now=now
        )

    assert Job.objects.get().cancel_asked_at == now
    assert not foreign.is_open


def test_while_another_allocation_has_hours_what_runs_past_the_portal_goes_on(
    batch, member, project, account, allocation, now
):
    ledger.grant(
        project,
        capacity=allocation.capacity,
        amount=HOUR,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        key="second",
        by=None,
        now=now,
    )
    tasks.reconcile(now=now)
    assert batch.accounts[account].gpu_min == 660
    foreign = batch.submit_past(account=account, gpus=1, work_s=3600, limit_s=7200)
    batch.tick(5)

    tasks.stop_exhausted(event="allocation.exhausted", subject=allocation.code, facts={}, now=now)

    assert foreign.is_open


def test_many_changes_in_a_moment_are_one_look(batch, allocation, now):
    for _ in range(5):
        tasks.accounts_changed(
            event="allocation.topped_up", subject=allocation.code, facts={}, now=now
        )

    assert Promise.objects.filter(task="compute.reconcile").count() == 1


@pytest.mark.parametrize(
    ("policy", "spent", "nice"),
    [
        ("slow", 9 * HOUR, 10_000),
        ("slow", 9 * HOUR - 1, 0),
        ("finish", 9 * HOUR, 0),
        ("stop", 9 * HOUR, 0),
    ],
)
def test_near_the_end_of_the_hours_new_jobs_step_back_where_the_call_says_so(
    batch, member, project, allocation, now, monkeypatch, policy, spent, nice
):
    tasks.reconcile(now=now)
    allocation.policy = policy
    allocation.save(update_fields=["policy"])
    ledger.charge([Charge(allocation, spent, "most", "X", "Most")], by=None, now=now)
    seen = []
    submit = batch.submit
    monkeypatch.setattr(
        batch, "submit", lambda spec, **more: seen.append(spec.nice) or submit(spec, **more)
    )

    job = actions.submit(project, spec=spec(), by=member, now=now, key="ours")
    tasks.hand_over(job=job.code, now=now)

    assert seen == [nice]


def test_what_makes_budgets_lie_is_kept_and_logged_when_it_changes(batch, now, monkeypatch):
    lie = Finding("decay", "refuse", {"value": "7-00:00:00"})
    fine = Finding("no_job_comment", "warn")
    found = Health(True, True, "22.05.8", 0.5, (lie, fine))
    monkeypatch.setattr(batch, "health", lambda: found)

    for minutes in (0, 1):
        tasks.examine(now=now + minutes * MINUTE)
    assert LogEntry.objects.get(event="cluster.examined").facts == {"budgets_lie": ["decay"]}

    found = replace(found, findings=(fine,))
    tasks.examine(now=now + 2 * MINUTE)
    assert LogEntry.objects.filter(event="cluster.examined").last().facts == {"budgets_lie": []}
    cluster = queries.cluster()
    assert (cluster.health_at, cluster.health["version"]) == (now + 2 * MINUTE, "22.05.8")
    assert [one.code for one in queries.site_findings(cluster)] == ["no_job_comment"]
