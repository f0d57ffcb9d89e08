"""What a second costs: worked examples, days, and prices that are restated by counter-entries."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.compute import actions, queries, rules
from uzina.compute.models import Tariff, Usage
from uzina.compute.rules import DEFAULT_TARIFF, Tariffs, cost
from uzina.compute.tests.conftest import HOUR, balance, spec
from uzina.compute.tests.test_usage import (
    T0,
    booked,
    ended,
    handed_over,
    measure,
    ours,
    row,
    settled,
)
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger.models import Transfer

ZONE = ZoneInfo("Europe/Bucharest")
LUMI_SMALL_G = rules.Tariff("max", 500_000, 62_500, 7_812_500, 4)
DISCOVERER = rules.Tariff("sum", 1_000_000, 35_700, 250_000_000)
GIB = 1024


# --- the formula ---


@given(gpus=st.integers(1, 1024), cpus=st.integers(1, 4096), seconds=st.integers(0, 10**7))
def test_devices_times_seconds_are_exact_while_cores_and_memory_go_with_them(gpus, cpus, seconds):
    cores = min(cpus, 20 * gpus)
    found = cost(DEFAULT_TARIFF, gpus=gpus, cpus=cores, memory_mb=10**6, elapsed_s=seconds)
    assert found == gpus * seconds * 1000


def test_twenty_cores_without_a_gpu_cost_what_one_gpu_does():
    assert cost(DEFAULT_TARIFF, gpus=0, cpus=20, memory_mb=0, elapsed_s=3600) == HOUR
    assert cost(DEFAULT_TARIFF, gpus=1, cpus=40, memory_mb=0, elapsed_s=3600) == 2 * HOUR


@pytest.mark.parametrize(
    ("gcds", "cores", "gib", "gpu_hours"),
    [
        (1, 8, 64, 0.5),
        (8, 56, 480, 4),
        (1, 16, 64, 1),
        (1, 8, 256, 2),
        (0, 4, 0, 0.25),
        (2, 8, 64, 1),
    ],
)
def test_lumis_small_g_bills_the_most_of_gcds_cores_and_memory(gcds, cores, gib, gpu_hours):
    """Max(GCDs, cores / 8, GiB / 64), an eighth of a node-hour of four GPUs each."""
    found = cost(LUMI_SMALL_G, gpus=gcds, cpus=cores, memory_mb=gib * GIB, elapsed_s=3600)
    assert found == gpu_hours * HOUR


@pytest.mark.parametrize(
    ("gpus", "threads", "gb", "units"),
    [(1, 28, 0, 1.9996), (1, 1, 4, 2.0357), (8, 224, 2048, 527.9968), (0, 10, 1, 0.607)],
)
def test_discoverer_adds_up_threads_memory_and_gpus(gpus, threads, gb, units):
    """Threads x 0.0357 + GB x 0.25 + GPUs x 1."""
    found = cost(DISCOVERER, gpus=gpus, cpus=threads, memory_mb=gb * GIB, elapsed_s=3600)
    assert found == round(units * HOUR)


@pytest.mark.parametrize(("memory_mb", "found"), [(511, 0), (512, 1), (513, 1), (1536, 2)])
def test_halves_of_a_gpu_millisecond_are_rounded_up(memory_mb, found):
    price = rules.Tariff("max", 0, 0, 1_000_000)
    assert cost(price, gpus=0, cpus=0, memory_mb=memory_mb, elapsed_s=1) == found


def test_what_is_held_is_all_that_could_be_used_by_the_same_price():
    asked = replace(spec(), nodes=3, gpus=4, cpus=8, memory_mb=64 * GIB * 5, time_limit_s=100)
    assert rules.hold_amount(asked) == 3 * 4 * 100 * 1000
    assert rules.hold_amount(asked, LUMI_SMALL_G) == 3 * 5 * 500 * 100


# --- the day ---


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=ZONE).timestamp())


def test_a_price_begins_at_midnight_where_the_site_is():
    dear, cheap = replace(DEFAULT_TARIFF, gpu_us=2_000_000), rules.Tariff("sum", 1, 1, 1)
    found = Tariffs([("", date(2026, 12, 1), dear), ("gpu", date(2026, 12, 3), cheap)], ZONE)

    assert found.at("gpu", at("2026-11-30T23:59:59")) == DEFAULT_TARIFF
    assert found.at("gpu", at("2026-12-01T00:00:00")) == dear
    assert found.at("gpu", at("2026-12-02T23:59:59")) == dear
    assert found.at("gpu", at("2026-12-03T00:00:00")) == cheap
    assert found.at("cpu", at("2026-12-03T00:00:00")) == dear
    assert datetime.fromtimestamp(at("2026-12-01T00:00:00"), UTC).hour == 22


def test_a_partitions_own_price_beats_the_general_one_and_the_last_of_a_day_counts():
    one, two, general = (rules.Tariff("max", us, 0, 0) for us in (1, 2, 3))
    day = date(2026, 12, 1)
    found = Tariffs([("gpu", day, one), ("gpu", day, two), ("", date(2026, 12, 5), general)], ZONE)

    assert found.at("gpu", at("2026-12-09T00:00:00")) == two
    assert found.at("", at("2026-12-09T00:00:00")) == general


# --- setting and restating ---

pytestmark = pytest.mark.django_db
TODAY = NOW.astimezone(ZONE).date()
DEAR = replace(DEFAULT_TARIFF, gpu_us=3_000_000)


def put(by, since=TODAY, tariff=DEAR, partition="gpu", now=NOW):
    return actions.set_tariff(
        queries.cluster(),
        partition=partition,
        since=since,
        tariff=tariff,
        source="Decision 7",
        by=by,
        now=now,
    )


def restate(by, since=TODAY, tariff=DEAR, partition="", reason="A wrong price was published"):
    return actions.restate(
        queries.cluster(),
        partition=partition,
        since=since,
        tariff=tariff,
        source="Decision 8",
        reason=reason,
        by=by,
        now=NOW,
    )


def test_an_operator_sets_a_price_from_today_on(project, hours, account, operator):
    put(operator)
    put(operator)

    assert Tariff.objects.get().by_code == operator.code
    assert queries.tariff("gpu", now=NOW) == DEAR
    midnight_s = rules.midnight_s(TODAY, ZONE)
    measure(row("1", started_s=midnight_s - 1), row("2", started_s=midnight_s))
    assert booked() == 10_000 + 30_000


def test_a_price_never_begins_yesterday(operator):
    with pytest.raises(Refused) as refused:
        put(operator, since=TODAY - timedelta(days=1))
    assert refused.value.code == "tariff.set.backwards"
    put(operator, since=TODAY + timedelta(days=1))
    assert Tariff.objects.count() == 1
    assert LogEntry.objects.filter(event="tariff.set").count() == 1


def test_a_price_of_today_is_refused_once_runs_of_today_are_booked(
    project,
    hours,
    account,
    operator,
):
    measure(row(started_s=T0))
    with pytest.raises(Refused) as refused:
        put(operator)
    assert refused.value.code == "tariff.set.already_booked"
    assert not Tariff.objects.exists()
    assert put(operator, partition="other")


@pytest.mark.parametrize("call", [put, restate])
def test_only_operators_set_and_restate_prices(ana, call):
    with pytest.raises(NotAllowed) as refused:
        call(ana)
    assert refused.value.code == "tariff.set.not_operator"
    assert not Tariff.objects.exists()


@pytest.mark.parametrize(
    ("tariff", "field"),
    [
        (replace(DEAR, rule="mean"), "rule"),
        (replace(DEAR, gpu_us=-1), "gpu_us"),
        (replace(DEAR, cpu_us=10**9 + 1), "cpu_us"),
        (rules.Tariff("max", 0, 0, 0), "gpu_us"),
    ],
)
def test_a_price_that_cannot_be_meant_is_refused(operator, tariff, field):
    with pytest.raises(Invalid) as refused:
        put(operator, tariff=tariff)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_a_restatement_is_shown_before_it_is_booked(project, hours, account, operator):
    measure(row("1"), row("2", account="physics"), row("3", state="NODE_FAIL"))
    before = Transfer.objects.count()

    found = queries.preview(queries.cluster(), "", TODAY, DEAR)

    assert {(one.project, one.runs, one.gpu_ms) for one in found} == {
        (project, 1, 20_000),
        (None, 1, 20_000),
    }
    assert (Transfer.objects.count(), Tariff.objects.count()) == (before, 0)


def test_a_restatement_books_one_signed_counter_entry_and_only_once(
    project,
    hours,
    account,
    operator,
    ana,
):
    job = ended(handed_over(project, ana))
    settled(job, ours(job), row("1"), row("2", started_s=T0 - 50_000))
    assert booked() == 30_000

    restate(operator)
    restate(operator)
    job.refresh_from_db()

    entry = Transfer.objects.get(key__startswith="restate:")
    assert (entry.amount, entry.by_code) == (40_000, operator.code)
    assert "A wrong price was published" in entry.reason
    assert (job.gpu_ms, booked(), balance(hours).spent) == (30_000, 70_000, 70_000)
    assert sum(one.gpu_ms for one in queries.usage_of_project(project)) == 70_000
    assert Usage.objects.filter(native_id="2").count() == 1


def test_what_comes_again_after_a_restatement_is_kept_and_booked_by_the_new_price(
    project,
    hours,
    account,
    operator,
):
    measure(row("1"))
    restate(operator, tariff=replace(DEFAULT_TARIFF, gpu_us=500_000))
    assert booked() == 5_000
    assert measure(row("1")) == 0
    measure(row("1", ran_s=30))

    assert booked() == balance(hours).spent == 15_000


def test_an_open_job_is_settled_by_the_restated_price(project, hours, account, operator, ana):
    job = handed_over(project, ana)
    measure(ours(job))
    restate(operator)
    job = actions.settle(ended(job), now=NOW)

    assert job.gpu_ms == booked() == 30_000
    assert not Transfer.objects.filter(key__startswith="restate:").exists()


def test_a_restatement_needs_a_reason_and_a_day_that_has_begun(operator):
    with pytest.raises(Invalid):
        restate(operator, reason=" ")
    with pytest.raises(Refused) as refused:
        restate(operator, since=TODAY + timedelta(days=1))
    assert refused.value.code == "tariff.restate.future"
    assert not Tariff.objects.exists()
