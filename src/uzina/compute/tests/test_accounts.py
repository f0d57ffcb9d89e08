"""Accounts, users and limits of a cluster: what there shall be, and getting there."""

from dataclasses import replace
from fractions import Fraction

import pytest
from django.conf import settings
from django.test import override_settings
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from uzina.compute import actions, queries, rules
from uzina.compute.models import Job, SiteUser
from uzina.compute.rules import AccountSeen, AccountWanted, Rate
from uzina.compute.tests.conftest import HOUR, spec
from uzina.core.errors import NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW


def configured(**changes):
    """Return settings with changes to [scheduler]."""
    config = settings.UZINA
    return override_settings(UZINA=replace(config, scheduler=replace(config.scheduler, **changes)))


@pytest.fixture
def cluster(db):
    return queries.cluster()


# --- who is who ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["", "root", "Ana", "9ana", "ana pop", "a" * 33, "ana\n", "-ana"])
def test_a_name_no_job_may_run_as_is_refused_and_leaves_no_trace(cluster, ana, operator, name):
    with pytest.raises(Refused) as refused:
        actions.map_person(cluster, ana, name=name, by=operator, now=NOW)

    assert refused.value.code == "site_user.map.bad_name"
    assert not SiteUser.objects.exists()
    assert not LogEntry.objects.filter(event="site_user.mapped").exists()


@pytest.mark.parametrize("name", ["ana", "_svc", "ana.pop", "a" * 32, "u-1_2"])
def test_an_operator_maps_a_person_to_a_name_once(cluster, ana, operator, name):
    for _ in range(2):
        actions.map_person(cluster, ana, name=name, by=operator, now=NOW)

    assert SiteUser.objects.get().name == name
    assert LogEntry.objects.filter(event="site_user.mapped", subject=ana.code).count() == 1


def test_a_name_belongs_to_one_person_and_a_person_may_change_it(cluster, ana, stranger, operator):
    actions.map_person(cluster, ana, name="ana", by=operator, now=NOW)
    with pytest.raises(Refused) as refused:
        actions.map_person(cluster, stranger, name="ana", by=operator, now=NOW)
    assert refused.value.code == "site_user.map.taken"

    actions.map_person(cluster, ana, name="apop", by=operator, now=NOW)
    actions.map_person(cluster, stranger, name="ana", by=operator, now=NOW)

    assert dict(SiteUser.objects.values_list("person__name", "name")) == {
        ana.name: "apop",
        stranger.name: "ana",
    }


def test_only_operators_say_who_is_who(cluster, ana, auditor):
    for person in (ana, auditor):
        with pytest.raises(NotAllowed) as refused:
            actions.map_person(cluster, ana, name="ana", by=person, now=NOW)
        assert refused.value.code == "site_user.map.not_operator"
    assert not SiteUser.objects.exists()


def test_without_a_user_name_nothing_is_taken_on_and_the_refusal_says_whom_to_ask(
    ana, project, allocation
):
    with configured(identity="person"), pytest.raises(Refused, match="Ask an operator") as refused:
        actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="one")

    assert refused.value.code == "job.submit.no_site_user"
    assert "factory@example.org" in str(refused.value)
    assert not Job.objects.exists()
    with configured(identity="person"), pytest.raises(Refused):
        queries.price(project, spec=spec(), by=ana, now=timezone.now())


def test_a_job_keeps_as_whom_and_for_which_account_it_goes(
    cluster, ana, operator, project, allocation
):
    actions.map_person(cluster, ana, name="ana", by=operator, now=NOW)
    shared = actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="shared")
    with configured(identity="person", accounts="project", account="uzina"):
        own = actions.submit(project, spec=spec(), by=ana, now=timezone.now(), key="own")

    assert (shared.site_user, shared.site_account) == ("", "")
    assert (own.site_user, own.site_account) == ("ana", f"uz-{project.code.lower()}")
    assert own.site_account == rules.account_name("uz-", project.code)


# --- the plan -----------------------------------------------------------------------------------

NAMES = st.sampled_from(["ana", "ion", "maria", "uz", "root"])
USERS = st.frozensets(NAMES)
MINUTES = st.integers(0, 10**6)
ONE_TO_ONE = Rate()
ACCOUNTS = st.sampled_from(["uz-1", "uz-2", "uz-3", "uz-4"])
RATES = st.builds(
    Rate,
    st.sampled_from([1_000_000, 500_000, 333_333, 0]),
    st.none() | st.sampled_from([Fraction(1), Fraction(64), Fraction(1, 3)]),
)


@st.composite
def wanted_accounts(draw):
    names = draw(st.lists(ACCOUNTS, unique=True))
    return [
        AccountWanted(name, draw(USERS), draw(st.integers(0, 10**12)), draw(st.integers(0, 10**8)))
        for name in names
    ]


@st.composite
def seen_accounts(draw):
    names = draw(st.lists(ACCOUNTS, unique=True))
    found = []
    for name in names:
        users = draw(USERS)
        found.append(
            AccountSeen(
                name=name,
                parent="uzina",
                users=users,
                blocked_users=draw(st.frozensets(st.sampled_from(sorted(users))))
                if users
                else users,
                gpu_min=draw(st.none() | MINUTES),
                billing_min=draw(st.none() | MINUTES),
                used_gpu_min=draw(MINUTES),
                used_billing_min=draw(MINUTES),
                is_blocked=draw(st.booleans()),
            )
        )
    return found


def applied(seen, steps):
    """Return the accounts of a cluster after steps, as Slurm would have them."""
    accounts = {one.name: one for one in seen}
    for step in steps:
        if step.verb == "add_account":
            assert step.account not in accounts
            empty = frozenset()
            accounts[step.account] = AccountSeen(
                step.account, step.parent, empty, empty, None, None, 0, 0, is_blocked=False
            )
            continue
        one = accounts[step.account]
        changes = {
            "limit": {"gpu_min": step.gpu_min, "billing_min": step.billing_min},
            "block": {"is_blocked": True},
            "unblock": {"is_blocked": False},
            "add_user": {"users": one.users | step.users},
            "block_user": {"blocked_users": one.blocked_users | step.users},
            "unblock_user": {"blocked_users": one.blocked_users - step.users},
        }
        accounts[step.account] = replace(one, **changes[step.verb])
    return list(accounts.values())


def planned(wanted, seen, rate):
    return rules.plan_accounts(rules.compare(wanted, seen, rate=rate, parent="uzina"))


@given(wanted=wanted_accounts(), seen=seen_accounts(), rate=RATES)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(wanted, seen, rate):
    after = applied(seen, planned(wanted, seen, rate))

    assert planned(wanted, after, rate) == []


@given(wanted=wanted_accounts(), seen=seen_accounts(), rate=RATES)
def test_nothing_on_the_cluster_is_ever_deleted(wanted, seen, rate):
    after = {one.name: one for one in applied(seen, planned(wanted, seen, rate))}

    assert {one.name for one in seen} | {one.name for one in wanted} == set(after)
    for before in seen:
        assert after[before.name].users >= before.users
    for one in wanted:
        assert after[one.name].users - after[one.name].blocked_users == one.users
    for name in set(after) - {one.name for one in wanted}:
        assert after[name].is_blocked


@given(wanted=wanted_accounts(), seen=seen_accounts(), rate=RATES)
def test_each_thing_is_told_once_and_mended_by_as_few_steps_as_can_be(wanted, seen, rate):
    found = rules.compare(wanted, seen, rate=rate, parent="uzina")
    steps = rules.plan_accounts(found)

    assert len({(one.kind, one.subject) for one in found}) == len(found)
    assert len({(step.verb, step.account) for step in steps}) == len(steps)


@given(
    left=st.integers(0, 10**12),
    read_s=st.integers(0, 10**7),
    running_s=st.integers(0, 10**7),
    lost=st.booleans(),
)
def test_a_running_job_does_not_lift_its_own_limit(left, read_s, running_s, lost):
    """The cluster counts a job while it runs, we when it has ended: together never twice."""
    base = 0 if lost else read_s
    before = fence_of(left, read_s=base, used_min=base // 60)
    during = fence_of(left, read_s=base, used_min=(base + running_s) // 60)

    assert during.gpu_min <= max(before.gpu_min, (base + running_s) // 60) + 1
    paid_ms = min(left, running_s * 1000)
    after = fence_of(left - paid_ms, read_s=base + running_s, used_min=(base + running_s) // 60)
    assert after.gpu_min - (base + running_s) // 60 == -(-(left - paid_ms) // 60_000)


def fence_of(left, *, read_s, used_min, rate=ONE_TO_ONE):
    wanted = AccountWanted("uz-1", frozenset(), left, read_s)
    return rules.fence(wanted, rate=rate, used_gpu_min=used_min, used_billing_min=used_min)


@pytest.mark.parametrize(
    ("left_gpu_ms", "gpu_min", "is_blocked"),
    [(0, 7, True), (1, 8, False), (60_000, 8, False), (60_001, 9, False)],
)
def test_a_limit_is_what_was_used_and_what_is_left_in_begun_minutes(
    left_gpu_ms, gpu_min, is_blocked
):
    assert fence_of(left_gpu_ms, read_s=420, used_min=7) == rules.Fence(gpu_min, None, is_blocked)


def test_half_a_gpu_as_the_cluster_counts_costs_half_and_may_run_twice_as_long():
    rate = Rate(gpu_us=500_000, billing=Fraction(128))

    assert fence_of(HOUR, read_s=0, used_min=0, rate=rate) == rules.Fence(
        120, 7680, is_blocked=False
    )


def test_a_cluster_that_lost_its_memory_gets_the_hours_that_are_left_and_not_the_whole_award():
    before = fence_of(4 * HOUR, read_s=6 * 3600, used_min=360)
    after = fence_of(4 * HOUR, read_s=0, used_min=0)

    assert (before.gpu_min, after.gpu_min) == (600, 240)


def test_billing_is_a_measure_only_where_every_partition_has_weights():
    gcd, gpu = rules.Tariff(gpu_us=500_000), rules.Tariff()

    assert rules.rate_of([(gcd, {"gres/gpu": 64.0}), (gpu, {"gres/gpu": 1.0})]) == Rate(
        500_000, Fraction(128)
    )
    assert rules.rate_of([(gpu, {"gres/gpu": 1.0}), (gpu, {"cpu": 0.05})]).billing == 1
    assert rules.rate_of([(gpu, {"gres/gpu": 1.0}), (gpu, {})]).billing is None
    assert rules.rate_of([]) == Rate(1_000_000, None)


def test_members_who_left_are_shut_out_at_once_and_strangers_after_somebody_looked():
    wanted = [AccountWanted("uz-1", frozenset({"ana"}), HOUR)]
    users = frozenset({"ana", "ion", "eve"})
    seen = [AccountSeen("uz-1", "uzina", users, frozenset(), 60, None, 0, 0, is_blocked=False)]

    found = rules.compare(
        wanted, seen, rate=Rate(), parent="uzina", known_users=frozenset({"ana", "ion"})
    )

    assert {(one.subject, one.finding): one.is_fence for one in found} == {
        ("uz-1/eve", "extra"): False,
        ("uz-1/ion", "extra"): True,
    }


def test_an_account_moved_elsewhere_is_shown_and_left_to_people():
    wanted = [AccountWanted("uz-1", frozenset(), HOUR)]
    none = frozenset()
    seen = [AccountSeen("uz-1", "physics", none, none, 60, None, 0, 0, is_blocked=False)]

    (found,) = rules.compare(wanted, seen, rate=Rate(), parent="uzina")

    assert (found.finding, found.ours, found.theirs, found.steps) == (
        "different",
        "uzina",
        "physics",
        (),
    )
