"""Every run on the cluster counts, to the second, exactly once."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uzina.compute import actions, queries, rules, tasks
from uzina.compute.actions import usage as ingest
from uzina.compute.models import Cluster, Job, SiteAccount, Usage
from uzina.compute.ports import SchedulerDown, UsagePage, UsageRow
from uzina.compute.rules import JobState, Sight, Step
from uzina.compute.tests.conftest import HOUR, balance, spec
from uzina.core.errors import NotAllowed
from uzina.core.models import LogEntry, Promise
from uzina.core.tests import NOW
from uzina.ledger import queries as ledger_queries
from uzina.ledger.models import Transfer

pytestmark = pytest.mark.django_db
T0 = int(NOW.timestamp())


def row(native_id="1", *, ran_s=10, started_s=T0, **changes):
    facts = {
        "native_id": native_id,
        "key": "",
        "submitted_s": started_s - 5,
        "started_s": started_s,
        "ended_s": started_s + ran_s,
        "nodes": 1,
        "cpus": 1,
        "gpus": 1,
        "state": "COMPLETED",
        "raw": f"{native_id}|{ran_s}",
        "account": "uz-prj",
        "user": "ana",
        "partition": "gpu",
    }
    return UsageRow(**(facts | changes))


def measure(*rows, cursor_s=T0, now=NOW):
    return actions.measure(queries.cluster(), page=UsagePage(rows, cursor_s), now=now)


def booked():
    """Return GPU-milliseconds booked, by the ledger; the books are proved on the way."""
    books = ledger_queries.check_books()
    assert books.problems == []
    signs = {"spend": 1, "overrun": 1, "credit": -1}
    return sum(
        signs[kind] * amount
        for kind, amount in Transfer.objects.values_list("kind", "amount")
        if kind in signs
    )


# --- past the portal ---


def test_a_run_past_the_portal_is_booked_on_its_accounts_project(project, hours, account):
    assert measure(row(ran_s=10), row("2", gpus=2, ran_s=20)) == 2

    kept = Usage.objects.get(native_id="2")
    assert (kept.job, kept.project, kept.allocation) == (None, project, hours)
    assert (kept.gpu_ms, kept.elapsed_s, kept.user) == (40_000, 20, "ana")
    assert kept.transfer.amount == 50_000
    assert balance(hours).spent == booked() == 50_000


def test_a_page_is_one_transfer_for_each_allocation(project, hours, account):
    measure(*(row(str(one)) for one in range(50)))
    measure(*(row(str(one)) for one in range(40, 60)))

    assert list(Transfer.objects.filter(kind="spend").values_list("amount", flat=True)) == [
        500_000,
        100_000,
    ]


def test_what_comes_again_is_neither_kept_nor_booked_again(project, hours, account):
    measure(row(), row())
    assert measure(row(), row()) == 0

    assert Usage.objects.count() == 1
    assert booked() == 10_000


@pytest.mark.parametrize(("ran_s", "kinds"), [(12, ["spend", "spend"]), (7, ["credit", "spend"])])
def test_what_was_measured_otherwise_is_booked_by_its_difference(
    project, hours, account, ran_s, kinds
):
    measure(row(ran_s=10))
    measure(row(ran_s=ran_s), now=NOW + timedelta(days=3))

    assert (
        sorted(Transfer.objects.exclude(kind__in=["fund", "grant"]).values_list("kind", flat=True))
        == kinds
    )
    assert list(Usage.objects.order_by("revision").values_list("revision", "elapsed_s")) == [
        (0, 10),
        (1, ran_s),
    ]
    assert queries.usage_of_project(project).get().elapsed_s == ran_s
    assert booked() == balance(hours).spent == ran_s * 1000


def test_an_account_of_nobody_is_kept_and_booked_on_nothing(project, hours, account):
    measure(row(account="physics"))

    kept = Usage.objects.get()
    assert (kept.project, kept.allocation, kept.transfer, kept.gpu_ms) == (None, None, None, 10_000)
    assert booked() == 0


def test_who_an_account_belonged_to_is_found_out_when_the_row_comes_again(project, hours):
    measure(row())
    assert measure(row()) == 0
    SiteAccount.objects.create(
        cluster=queries.cluster(), project=project, name="uz-prj", made_at=NOW
    )

    assert measure(row()) == 1
    assert measure(row()) == 0

    assert queries.usage_of_project(project).get().allocation == hours
    assert booked() == 10_000


@pytest.mark.parametrize(
    ("edge", "shift_s", "is_booked"),
    [
        ("starts_at", -1, False),
        ("starts_at", 0, True),
        ("ends_at", -1, True),
        ("ends_at", 0, False),
    ],
)
def test_a_run_is_booked_on_the_allocation_whose_period_it_began_in(
    project, hours, account, edge, shift_s, is_booked
):
    second = int(getattr(hours, edge).timestamp()) + shift_s
    measure(row(started_s=second))

    kept = Usage.objects.get()
    assert (kept.project, kept.allocation) == (project, hours if is_booked else None)
    assert booked() == (10_000 if is_booked else 0)


def test_what_is_more_than_is_left_is_booked_as_overrun(project, hours, account):
    measure(row(ran_s=36_001))

    stands = balance(hours)
    assert (stands.free, stands.spent, stands.overrun) == (0, 10 * HOUR + 1000, 1000)
    assert booked() == 10 * HOUR + 1000


@pytest.mark.parametrize("state", ["NODE_FAIL", "BOOT_FAIL", "PREEMPTED"])
def test_what_the_cluster_cut_off_itself_costs_nothing(project, hours, account, state):
    measure(row(state=state))

    assert Usage.objects.get().gpu_ms is None
    assert booked() == 0


def test_every_life_of_a_requeued_run_and_every_part_of_it_is_booked_once(project, hours, account):
    lives = [
        row("7", ran_s=5, state="REQUEUED"),
        row("7", ran_s=9, started_s=T0 + 100),
        *(row(f"8_{task}", ran_s=2) for task in range(3)),
        row("9+0", ran_s=4),
        row("9+1", ran_s=4, gpus=2),
        row("10", started_s=T0, ran_s=0, submitted_s=T0 - 9),
    ]
    measure(*lives)
    measure(*reversed(lives))

    assert booked() == (5 + 9 + 3 * 2 + 4 + 2 * 4) * 1000


def test_an_id_that_is_used_again_after_a_reset_is_another_run(project, hours, account):
    measure(row("2", ran_s=10))
    measure(row("2", ran_s=20, started_s=T0 + 86_400))

    assert Usage.objects.count() == 2
    assert booked() == 30_000


def test_two_projects_in_one_page_pay_for_their_own_runs(project, hours, account, org, ana):
    from uzina.people import actions as people

    other = people.open_project(
        org,
        title="Another",
        lead=ana,
        starts_at=NOW,
        ends_at=NOW + timedelta(days=9),
        award_code="",
        by=None,
        now=NOW,
    )
    SiteAccount.objects.create(
        cluster=queries.cluster(), project=other, name="uz-other", made_at=NOW
    )
    measure(row("1"), row("2", account="uz-other"), row("3"))

    assert balance(hours).spent == 20_000
    assert queries.usage_of_project(other).get().allocation is None


# --- jobs of the portal ---


def handed_over(project, ana, **changes):
    job = actions.submit(
        project, spec=spec(**changes), by=ana, now=NOW, key=f"k{Job.objects.count()}"
    )
    actions.begin_attempt(job, now=NOW)
    return actions.accept(job, native_id="70", submitted_s=T0, now=NOW)


def ended(job, state=JobState.DONE, **changes):
    facts = {
        "native_id": "70",
        "key": job.native_key,
        "state": state,
        "reason": "None",
        "submitted_s": T0,
        "started_s": T0 + 1,
        "ended_s": T0 + 11,
        "exit_code": 0,
    }
    sight = Sight(**(facts | changes))
    return actions.observe(job, step=Step("observe", job.native_key, sight), now=NOW)


def ours(job, native_id="70", **changes):
    return row(
        native_id, **({"key": job.native_key, "started_s": T0 + 1, "submitted_s": T0} | changes)
    )


def settled(job, *rows):
    measure(*rows)
    return actions.settle(job, now=NOW)


def test_a_job_of_the_portal_is_charged_once_from_its_hold(project, hours, account, ana):
    job = settled(ended(handed_over(project, ana)), *[ours(job) for job in Job.objects.all()])

    kept = Usage.objects.get()
    assert (kept.job, kept.allocation, kept.transfer) == (job, hours, None)
    assert job.gpu_ms == booked() == 10_000
    assert balance(hours).held == 0


def test_a_row_after_the_settlement_is_charged_as_a_difference(project, hours, account, ana):
    job = ended(handed_over(project, ana))
    job = settled(job, ours(job))
    measure(ours(job, ran_s=14), now=NOW + timedelta(days=2))
    measure(ours(job, started_s=T0 + 50, submitted_s=T0 + 40, ran_s=3))
    job.refresh_from_db()

    assert job.gpu_ms == booked() == balance(hours).spent == (14 + 3) * 1000
    assert [
        entry.facts["difference"] for entry in LogEntry.objects.filter(event="job.remeasured")
    ] == [
        4_000,
        3_000,
    ]


def test_a_job_that_was_measured_less_later_gets_the_difference_back(project, hours, account, ana):
    job = ended(handed_over(project, ana))
    job = settled(job, ours(job))
    measure(ours(job, ran_s=4))
    job.refresh_from_db()

    assert job.gpu_ms == booked() == 4_000
    assert balance(hours).free == 10 * HOUR - 4_000


def test_a_job_that_was_given_up_and_ran_all_the_same_is_charged(project, hours, account, ana):
    job = actions.submit(project, spec=spec(), by=ana, now=NOW, key="k")
    actions.begin_attempt(job, now=NOW)
    job = actions.abandon(job, now=NOW)
    assert (job.gpu_ms, job.native_id) == (0, "")
    measure(ours(job))
    job.refresh_from_db()

    assert job.gpu_ms == booked() == 10_000


def test_a_run_whose_hand_over_is_not_noted_yet_waits_for_it(project, hours, account, ana):
    job = actions.submit(project, spec=spec(), by=ana, now=NOW, key="k")
    actions.begin_attempt(job, now=NOW)
    assert measure(ours(job)) == 0
    assert not Usage.objects.exists()

    job = ended(actions.accept(job, native_id="70", submitted_s=T0, now=NOW))
    job = settled(job, ours(job))

    assert job.gpu_ms == booked() == 10_000


def test_a_strange_run_that_carries_the_name_of_a_job_is_charged_to_its_account(
    project, hours, account, ana
):
    job = ended(handed_over(project, ana))
    job = settled(job, ours(job), ours(job, "71", ran_s=100))

    assert job.gpu_ms == 10_000
    assert Usage.objects.get(native_id="71").job is None
    assert booked() == 110_000


def test_an_array_is_settled_when_all_its_tasks_are_measured(project, hours, account, ana):
    job = ended(handed_over(project, ana))
    Job.objects.filter(pk=job.pk).update(tasks=5)
    first = [ours(job, f"70_{task}") for task in range(2)]
    assert settled(job, *first).settled_at is None
    requeued = ours(job, "70_2", ran_s=1, state="REQUEUED")
    again = ours(job, "70_2", started_s=T0 + 9)
    assert settled(job, *first, requeued).settled_at is None
    never = replace(ours(job, "70_[3-4%2]", state="CANCELLED"), started_s=None)

    job = settled(job, requeued, again, never)

    assert job.gpu_ms == booked() == (2 * 10 + 1 + 10) * 1000


def test_a_task_that_is_told_as_a_job_of_its_own_for_a_moment_is_charged_once(
    project, hours, account, ana
):
    job = ended(handed_over(project, ana))
    Job.objects.filter(pk=job.pk).update(tasks=2)
    first = ours(job, "70_0", run_id="71")
    assert settled(job, first, ours(job, "72", run_id="72")).settled_at is None
    assert booked() == 0

    job = settled(job, first, ours(job, "70_1", run_id="72"))

    assert job.gpu_ms == booked() == 20_000
    assert Usage.objects.count() == 2


def test_a_task_that_accounting_lost_does_not_keep_the_hours_for_ever(project, hours, account, ana):
    job = ended(handed_over(project, ana))
    Job.objects.filter(pk=job.pk).update(tasks=2)
    gone_s = int(rules.FORGET_AFTER.total_seconds())
    ended_s = T0 + 11
    measure(ours(job, "70_0"), cursor_s=ended_s + gone_s)
    assert actions.settle(job, now=NOW).settled_at is None
    measure(cursor_s=ended_s + gone_s + 1)
    assert actions.settle(job, now=NOW).gpu_ms == 10_000

    measure(ours(job, "70_1"))
    job.refresh_from_db()

    assert job.gpu_ms == booked() == 20_000


def test_what_was_booked_past_the_portal_is_taken_back_when_it_was_a_task_of_a_job(
    project, hours, account, ana
):
    """The job was settled without the task, which is told as a job of its own before it is told
    as a task.
    """
    job = ended(handed_over(project, ana))
    Job.objects.filter(pk=job.pk).update(tasks=2)
    gone_s = int(rules.FORGET_AFTER.total_seconds())
    job = settled(job, ours(job, "70_0", run_id="71"))
    measure(cursor_s=T0 + 11 + gone_s + 1)
    job = actions.settle(job, now=NOW)
    measure(ours(job, "72", run_id="72", ran_s=20))
    direct = Usage.objects.get(native_id="72")
    assert (direct.job, direct.allocation, direct.transfer.amount) == (None, hours, 20_000)
    assert (job.gpu_ms, booked()) == (10_000, 30_000)

    task = ours(job, "70_1", run_id="72", ran_s=25)
    measure(task)
    assert measure(task) == 0
    job.refresh_from_db()

    whose = Usage.objects.get(native_id="70_1")
    assert (whose.job, whose.revision, whose.row_key) == (job, 1, direct.row_key)
    assert job.gpu_ms == booked() == balance(hours).spent == 35_000
    credit = Transfer.objects.get(kind="credit")
    assert (credit.amount, credit.subject) == (20_000, queries.cluster().slug)
    assert queries.total_differences(queries.cluster()) == []


def test_a_requeued_job_waits_again_and_pays_for_each_life(project, hours, account, ana):
    job = handed_over(project, ana)
    job = ended(job, JobState.RUNNING, ended_s=None, exit_code=None)
    back = ended(job, JobState.QUEUED, started_s=None, ended_s=None, exit_code=None)
    assert (back.state, back.started_at) == (JobState.QUEUED, None)
    measure(ours(job, ran_s=5, state="REQUEUED"))
    job = ended(back, JobState.CANCELLED, started_s=None, ended_s=T0 + 60)

    assert (job.state, job.gpu_ms) == (JobState.CANCELLED, 5_000)
    assert booked() == 5_000
    assert balance(hours).held == 0


@pytest.mark.parametrize(
    ("native_id", "tasks"),
    [
        ("7", 1),
        ("7_4", 1),
        ("7+1", 1),
        ("7_[3-5%2]", 3),
        ("7_[1,3,5-9:2]", 5),
        ("7_[0]", 1),
        ("7_[1-3,...]", 1),
    ],
)
def test_an_id_tells_how_many_tasks_it_stands_for(native_id, tasks):
    assert rules.tasks_in(native_id) == tasks


# --- any order, any split, any crash ---


@st.composite
def histories(draw):
    """Rows of a few runs, with revisions in their order, repeats anywhere, cut into pages."""
    runs = draw(st.lists(st.lists(st.integers(0, 5000), min_size=1, max_size=3), max_size=6))
    shown = []
    for number, measured in enumerate(runs):
        times = [draw(st.integers(1, 2)) for _ in measured]
        shown.append(
            [(number, ran) for ran, n in zip(measured, times, strict=True) for _ in range(n)]
        )
    order = draw(st.permutations([n for n, one in enumerate(shown) for _ in one]))
    iterators = [iter(one) for one in shown]
    events = [next(iterators[n]) for n in order]
    cuts = sorted(draw(st.lists(st.integers(0, len(events)), max_size=4)))
    pages = [events[a:b] for a, b in zip([0, *cuts], [*cuts, len(events)], strict=True)]
    return runs, pages


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(histories())
def test_what_is_booked_is_the_sum_over_the_latest_revisions(project, hours, account, history):
    runs, pages = history
    before = booked()
    first = Usage.objects.count()
    for page in pages:
        measure(*(row(f"{first}-{number}", ran_s=ran) for number, ran in page))

    assert booked() - before == sum(measured[-1] for measured in runs) * 1000
    latest = queries.latest(Usage.objects.filter(native_id__startswith=f"{first}-"))
    assert sum(one.gpu_ms for one in latest) == booked() - before


def test_what_breaks_off_between_two_pieces_is_read_again(project, hours, account, monkeypatch):
    monkeypatch.setattr(ingest, "PIECE", 2)
    rows = [row(str(number)) for number in range(5)]
    charge, calls = ingest.ledger.charge, []

    def breaks(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            msg = "the power went"
            raise OSError(msg)
        return charge(*args, **kwargs)

    monkeypatch.setattr(ingest.ledger, "charge", breaks)
    with pytest.raises(OSError, match="power"):
        measure(*rows, cursor_s=T0 + 99)

    assert (Usage.objects.count(), booked()) == (2, 20_000)
    assert Cluster.objects.get().usage_cursor_s == 0
    assert measure(*rows, cursor_s=T0 + 99) == 3
    assert booked() == 50_000
    assert Cluster.objects.get().usage_cursor_s == T0 + 99


@pytest.mark.django_db(transaction=True)
def test_two_readers_at_once_book_each_run_once(project, hours, account):
    rows = [row(str(number), ran_s=number) for number in range(300)]
    barrier, errors = threading.Barrier(4), []

    def read(mine):
        try:
            barrier.wait(timeout=60)
            for start in range(0, len(mine), 50):
                measure(*mine[start : start + 50])
        except Exception as error:  # noqa: BLE001 - shown by the assert
            errors.append(error)
        finally:
            connection.close()

    orders = [rows, rows[::-1], rows[150:] + rows[:150], rows]
    readers = [threading.Thread(target=read, args=(order,)) for order in orders]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(timeout=240)

    assert errors == []
    assert Usage.objects.count() == 300
    assert booked() == sum(range(300)) * 1000


def test_a_thousand_rows_take_a_handful_of_statements(project, hours, account):
    rows = [row(str(number)) for number in range(1000)]
    cluster = queries.cluster()
    with CaptureQueriesContext(connection) as new:
        actions.measure(cluster, page=UsagePage(tuple(rows), T0), now=NOW)
    with CaptureQueriesContext(connection) as known:
        actions.measure(cluster, page=UsagePage(tuple(rows), T0), now=NOW)

    assert Usage.objects.count() == 1000
    assert len([one for one in new if "SAVEPOINT" not in one["sql"]]) <= 24
    assert len([one for one in known if "SAVEPOINT" not in one["sql"]]) <= 4


# --- the watch ---


class Accounting:
    """A cluster of which only the accounting is asked."""

    has_accounts = True

    def __init__(self, *rows):
        self.rows, self.asked, self.is_down = list(rows), [], False

    def usage(self, *, since_s, until_s=None):
        if self.is_down:
            msg = "sacct: error: Connection refused"
            raise SchedulerDown(msg)
        self.asked.append((since_s, until_s))
        found = [
            one
            for one in self.rows
            if one.ended_s >= since_s and (until_s is None or one.ended_s <= until_s)
        ]
        return UsagePage(tuple(found), T0 + 100 if until_s is None else until_s)


@pytest.fixture
def cluster_of(monkeypatch):
    def use(*rows):
        found = Accounting(*rows)
        monkeypatch.setattr("uzina.compute.adapters.scheduler", lambda: found)
        return found

    return use


def test_the_watch_reads_usage_with_no_job_of_the_portal_open(project, hours, account, cluster_of):
    accounting = cluster_of(row())
    tasks.watch(now=NOW + timedelta(seconds=60))

    assert booked() == 10_000
    tasks.watch(now=NOW + timedelta(seconds=60, milliseconds=500))
    asked = len(accounting.asked)
    tasks.watch(now=NOW + timedelta(seconds=90))
    assert len(accounting.asked) == asked + 1
    assert accounting.asked[-1] == (T0 + 100 - 3600, None)


def test_the_cursor_stays_where_it_is_while_accounting_is_away(project, hours, account, cluster_of):
    accounting = cluster_of(row())
    accounting.is_down = True
    tasks.watch(now=NOW + timedelta(seconds=60))
    cluster = Cluster.objects.get()
    assert (cluster.usage_cursor_s, cluster.silent_since) == (0, NOW + timedelta(seconds=60))

    accounting.is_down = False
    tasks.watch(now=NOW + timedelta(seconds=120))
    assert Cluster.objects.get().usage_cursor_s == T0 + 100
    assert booked() == 10_000


def test_a_long_absence_is_read_a_day_at_a_time(project, hours, account, cluster_of):
    actions.measure(queries.cluster(), page=UsagePage((), T0 - 3 * 86_400), now=NOW)
    accounting = cluster_of(*(row(str(day), started_s=T0 - day * 86_400 + 7) for day in range(3)))

    tasks.watch(now=NOW + timedelta(seconds=100))

    start = T0 - 3 * 86_400 - 3600
    assert accounting.asked == [
        (start, start + 86_400),
        (start + 86_400, start + 2 * 86_400),
        (start + 2 * 86_400, start + 3 * 86_400),
        (start + 3 * 86_400, None),
    ]
    assert Usage.objects.count() == 3


def test_the_sweep_finds_what_came_days_late(project, hours, account, cluster_of):
    actions.measure(queries.cluster(), page=UsagePage((), T0 + 100), now=NOW)
    cluster_of(row(ran_s=10, started_s=T0 - 6 * 86_400 + 86_000), row("2"))
    tasks.watch(now=NOW + timedelta(seconds=100))
    assert Usage.objects.count() == 1

    tasks.sweep(now=NOW + timedelta(seconds=200))

    assert Usage.objects.count() == 2
    assert Cluster.objects.get().swept_at == NOW + timedelta(seconds=200)


def test_a_sweep_waits_for_its_turn(project, cluster_of):
    accounting = cluster_of()
    assert actions.begin_reading(queries.cluster(), now=NOW)

    tasks.sweep(now=NOW + timedelta(seconds=1))
    assert accounting.asked == []
    promised = Promise.objects.get(task="compute.sweep", key__startswith="sweep:")
    assert promised.run_at == NOW + timedelta(seconds=61)

    tasks.sweep(now=NOW + actions.READING_TAKES)
    assert accounting.asked


def test_only_operators_can_have_usage_read_again(ana, operator):
    with pytest.raises(NotAllowed) as refused:
        actions.ask_sweep(queries.cluster(), by=ana, now=NOW)
    assert refused.value.code == "usage.sweep.not_operator"
    assert not Promise.objects.exists()

    actions.ask_sweep(queries.cluster(), by=operator, now=NOW)
    assert Promise.objects.get().task == "compute.sweep"
    assert LogEntry.objects.get(event="cluster.sweep_asked").actor == operator.code


# --- pages and API ---


@pytest.fixture
def used(project, hours, account):
    measure(
        row("1", ran_s=3600),
        row("2", ran_s=1800, user="=cmd()", name="=1+1"),
        row("3", account="physics"),
        row("4", started_s=T0 - 40 * 86_400, ran_s=7),
    )
    return project


def test_members_see_every_run_of_their_project_and_what_it_was_booked_on(client, ana, used, hours):
    client.force_login(ana)
    page = client.get(f"/projects/{used.code}/usage/").content.decode()
    assert f'href="/projects/{used.code}/"' in page

    assert "Submitted past the portal" in page
    assert hours.code in page
    assert "no allocation covers its start" in page
    assert "physics" not in page
    filtered = client.get(f"/projects/{used.code}/usage/?user=ana&month=2026-11&way=direct")
    assert [one.native_id for one in filtered.context["page"].object_list] == ["1"]
    assert filtered.context["sum_gpu_ms"] == HOUR


@pytest.mark.parametrize("query", ["month=9999-12", "month=x&user=%27&way=?", "page=-1"])
def test_whatever_stands_in_the_filter_is_shown(client, ana, used, query):
    client.force_login(ana)
    assert client.get(f"/projects/{used.code}/usage/?{query}").status_code == 200


def test_the_table_for_spreadsheets_has_no_formulas(client, ana, used):
    client.force_login(ana)
    lines = client.get(f"/projects/{used.code}/usage.csv").getvalue().decode().splitlines()

    assert lines[0].startswith("native_id,job,name,user")
    assert len(lines) == 4
    assert "'=1+1,'=cmd()" in next(line for line in lines if line.startswith("2,"))


def test_who_is_not_of_the_project_sees_nothing_of_its_usage(client, stranger, used):
    client.force_login(stranger)
    for address in (f"/projects/{used.code}/usage/", f"/projects/{used.code}/usage.csv"):
        assert client.get(address).status_code == 404
    assert client.get("/usage/nobody/").status_code == 404


def test_operators_see_what_belongs_to_nobody_and_have_it_read_again(client, operator, used):
    client.force_login(operator)
    page = client.get("/usage/nobody/").content.decode()
    assert "physics" in page
    assert "uz-prj" not in page

    assert client.post("/usage/sweep/").status_code == 302
    assert Promise.objects.filter(task="compute.sweep").exists()


def test_the_api_lists_runs_and_totals(api, ana, used, stranger):
    found = api(ana).get(f"/api/v1/compute/usage?project={used.code}&way=direct").json()
    assert [one["native_id"] for one in found["items"]] == ["4", "2", "1"]
    assert found["items"][2]["gpu_ms"] == HOUR
    totals = api(ana).get(f"/api/v1/compute/usage/totals?project={used.code}").json()
    assert {"month": "2026-11-01", "user": "ana", "runs": 1, "gpu_ms": HOUR} in totals["items"]
    assert api(stranger).get(f"/api/v1/compute/usage?project={used.code}").status_code == 404
    assert api(stranger).get("/api/v1/compute/usage/nobody").status_code == 404


def test_an_operator_sets_and_restates_prices_on_a_page(client, operator, used, hours):
    client.force_login(operator)
    typed = {
        "partition": "",
        "since_day": "1",
        "since_month": "11",
        "since_year": "2026",
        "rule": "max",
        "gpu": "0.5",
        "cpu": "0",
        "gib": "0",
        "node_gpus": "4",
        "source": "Decision 9",
        "reason": "Half",
    }
    before = booked()
    page = client.post("/tariffs/new/", typed)
    assert "Sign and book the differences" in page.content.decode(), page.context["form"].errors
    assert booked() == before

    assert client.post("/tariffs/new/", typed | {"confirm": "yes"}).status_code == 302
    assert booked() == before // 2
    assert "Decision 9" in client.get("/tariffs/").content.decode()
    page = client.get(f"/projects/{used.code}/usage/").content.decode()
    assert "Node-hours" in page


def test_the_api_previews_and_restates(api, operator, ana, used, hours):
    price = {"since": "2026-11-01", "rule": "max", "gpu_us": 2_000_000}
    asked = api(operator).get("/api/v1/compute/tariffs/preview", price).json()
    assert {"project": used.code, "runs": 2, "gpu_ms": HOUR + HOUR // 2} in asked["items"]

    body = price | {"source": "Decision", "reason": "Twice"}
    key = {"Idempotency-Key": "restate-1"}
    for person, status in ((ana, 403), (operator, 201), (operator, 201)):
        done = api(person).post(
            "/api/v1/compute/tariffs/restate", body, content_type="application/json", headers=key
        )
        assert done.status_code == status, done.content
    assert booked() == 3 * HOUR
    assert len(api(ana).get("/api/v1/compute/tariffs").json()["items"]) == 1
