from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions, queries, rules, tasks
from uzina.ledger.models import Account, Allocation, Posting, Resource, Transfer
from uzina.ledger.rules import Balance, Settlement

from .conftest import HOUR

LATER = NOW + timedelta(hours=1)
TICK = timedelta(microseconds=1)


def snapshot():
    """Everything the ledger and the log hold, to compare before and after."""
    return [
        list(model.objects.order_by("pk").values())
        for model in (Account, Allocation, Transfer, Posting, LogEntry)
    ]


def refusal(call, *args, **kwargs):
    """Return the code of the refusal, after making sure that it left no trace."""
    before = snapshot()
    with pytest.raises(Refused) as refused:
        call(*args, **kwargs)
    assert snapshot() == before
    assert str(refused.value)
    if isinstance(refused.value, Invalid):
        return [problem.code for problem in refused.value.problems]
    return refused.value.code


def events():
    return list(LogEntry.objects.order_by("seq").values_list("event", flat=True))


def hold(allocation, amount=10 * HOUR, key="hold:JOB-1", now=NOW, by=None, subject="JOB-1"):
    return actions.hold(allocation, amount=amount, subject=subject, key=key, by=by, now=now)


def free_of(allocation):
    return queries.balance(allocation).free


# --- where hours come from


def test_a_call_is_funded_once_however_often_it_is_asked(capacity):
    before = snapshot()
    again = actions.open_capacity(
        owner="CAL-PLAYGR",
        title="Playground 2026",
        resource=queries.gpu_hours(),
        amount=5000 * HOUR,
        key="fund:CAL-PLAYGR",
        by=None,
        now=LATER,
    )
    assert again == capacity
    assert snapshot() == before
    assert Account.objects.get(kind="source").balance == -5000 * HOUR


def test_a_call_has_one_account_to_grant_from(capacity):
    def open_another():
        actions.open_capacity(
            owner="CAL-PLAYGR",
            title="",
            resource=queries.gpu_hours(),
            amount=HOUR,
            key="fund:again",
            by=None,
            now=NOW,
        )

    assert refusal(open_another) == "capacity.open.exists"


def test_a_call_can_be_given_more(capacity, operator):
    for _again in range(2):
        actions.fund(
            capacity, amount=5, reason="Second tranche", key="fund:2", by=operator, now=NOW
        )
    capacity.refresh_from_db()
    assert capacity.balance == 5000 * HOUR + 5
    assert [one for one in events() if one.startswith("capacity")] == [
        "capacity.opened",
        "capacity.funded",
    ]


def test_a_grant_moves_hours_from_the_call_to_the_project(capacity, allocation, project):
    capacity.refresh_from_db()
    assert capacity.balance == 4900 * HOUR
    assert queries.balance(allocation) == Balance(100 * HOUR, 100 * HOUR, 0, 0, 0, 0)
    assert (allocation.state, allocation.project) == ("active", project)
    entry = LogEntry.objects.get(event="allocation.granted")
    assert (entry.subject, entry.facts["amount"]) == (allocation.code, 100 * HOUR)


def test_a_grant_asked_again_is_the_same_allocation(project, capacity, allocation):
    before = snapshot()
    again = actions.grant(
        project,
        capacity=capacity,
        amount=100 * HOUR,
        starts_at=allocation.starts_at,
        ends_at=allocation.ends_at,
        key="grant:AWD-1",
        by=None,
        now=LATER,
    )
    assert again == allocation
    assert snapshot() == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": 101 * HOUR}, "transfer.post.key_reused"),
        ({"ends_at": NOW + timedelta(days=31)}, "transfer.post.key_reused"),
        ({"key": "new", "amount": 4900 * HOUR + 1}, "allocation.grant.too_big"),
        ({"key": "new", "amount": 0}, ["transfer.amount.range"]),
        ({"key": "new", "ends_at": NOW - timedelta(days=1)}, ["allocation.period.empty"]),
        ({"key": "new", "ends_at": NOW}, "allocation.grant.period_over"),
        ({"key": ""}, ["transfer.key.missing"]),
    ],
)
def test_a_grant_that_cannot_be_leaves_no_trace(project, capacity, allocation, change, code):
    asked = {
        "capacity": capacity,
        "amount": 100 * HOUR,
        "starts_at": allocation.starts_at,
        "ends_at": allocation.ends_at,
        "key": "grant:AWD-1",
    } | change
    assert refusal(actions.grant, project, by=None, now=NOW, **asked) == code


def test_all_that_a_call_has_left_can_be_granted(project, capacity, allocation):
    actions.grant(
        project,
        capacity=capacity,
        amount=4900 * HOUR,
        starts_at=NOW,
        ends_at=LATER,
        key="grant:AWD-2",
        by=None,
        now=NOW,
    )
    capacity.refresh_from_db()
    assert capacity.balance == 0
    assert queries.check_books().problems == []


# --- holds


def test_what_is_held_counts_as_gone(allocation, ana):
    transfer = hold(allocation, by=ana)
    assert queries.balance(allocation) == Balance(100 * HOUR, 90 * HOUR, 10 * HOUR, 0, 0, 0)
    assert (transfer.kind, transfer.subject, transfer.by_code) == ("hold", "JOB-1", ana.code)
    assert queries.hold_of("hold:JOB-1") == transfer
    entry = LogEntry.objects.get(event="allocation.held")
    assert (entry.actor, entry.facts["used_by"]) == (ana.code, "JOB-1")


def test_two_jobs_are_never_promised_the_same_hours(allocation):
    hold(allocation, 60 * HOUR)
    code = refusal(hold, allocation, 40 * HOUR + 1, key="hold:JOB-2")
    assert code == "allocation.hold.too_big"
    hold(allocation, 40 * HOUR, key="hold:JOB-2")
    assert free_of(allocation) == 0


def test_a_hold_asked_again_is_the_same_hold(allocation):
    first = hold(allocation)
    before = snapshot()
    assert hold(allocation, now=LATER) == first
    assert snapshot() == before


def test_a_hold_asked_again_after_the_end_is_still_the_same(allocation):
    first = hold(allocation)
    assert hold(allocation, now=allocation.ends_at) == first


def test_a_key_used_for_another_hold_is_refused(allocation):
    hold(allocation)
    assert refusal(hold, allocation, 11 * HOUR) == "transfer.post.key_reused"
    assert refusal(hold, allocation, subject="JOB-2") == "transfer.post.key_reused"
    assert refusal(hold, allocation, key="grant:AWD-1") == "transfer.post.key_reused"


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (NOW - timedelta(days=1, microseconds=1), "allocation.hold.outside_period"),
        (NOW - timedelta(days=1), None),
        (NOW + timedelta(days=30, microseconds=-1), None),
        (NOW + timedelta(days=30), "allocation.hold.outside_period"),
    ],
)
def test_hours_are_held_in_the_period_only(allocation, now, code):
    if code:
        assert refusal(hold, allocation, now=now) == code
    else:
        hold(allocation, now=now)


def test_a_pending_allocation_opens_with_its_first_hold(project, capacity):
    pending = actions.grant(
        project,
        capacity=capacity,
        amount=HOUR,
        starts_at=LATER,
        ends_at=LATER + timedelta(days=1),
        key="g",
        by=None,
        now=NOW,
    )
    assert pending.state == "pending"
    assert refusal(hold, pending, 1) == "allocation.hold.outside_period"
    hold(pending, 1, now=LATER)
    pending.refresh_from_db()
    assert pending.state == "active"


def test_a_frozen_allocation_takes_no_hold_and_settles_the_old_ones(allocation, operator):
    running = hold(allocation)
    actions.freeze(allocation, reason="Security incident", by=operator, now=NOW)
    assert refusal(hold, allocation, key="hold:JOB-2") == "allocation.hold.not_active"
    assert actions.settle(running, used=HOUR, by=None, now=LATER).spent == HOUR
    actions.thaw(allocation, reason="Solved", by=operator, now=LATER)
    hold(allocation, key="hold:JOB-2", now=LATER)
    assert events()[-5:] == [
        "allocation.held",
        "allocation.frozen",
        "hold.settled",
        "allocation.thawed",
        "allocation.held",
    ]


@pytest.mark.parametrize(("verb", "code"), [("thaw", "allocation.thaw.not_now")])
def test_only_what_is_frozen_thaws(allocation, operator, verb, code):
    assert refusal(actions.thaw, allocation, reason="x", by=operator, now=NOW) == code


@pytest.mark.parametrize("amount", [-1, 0, 2**53])
def test_amounts_that_cannot_be_are_refused(allocation, amount):
    assert refusal(hold, allocation, amount) == ["transfer.amount.range"]


# --- settling


@pytest.mark.parametrize(
    ("used", "settled", "balance"),
    [
        (0, (0, 0, 0, 10), (100, 100, 0, 0, 0, 0)),
        (4, (4, 0, 0, 6), (100, 96, 0, 4, 0, 0)),
        (10, (10, 0, 0, 0), (100, 90, 0, 10, 0, 0)),
        (11, (10, 1, 0, 0), (100, 89, 0, 11, 0, 0)),
        (100, (10, 90, 0, 0), (100, 0, 0, 100, 0, 0)),
        (101, (10, 90, 1, 0), (100, 0, 0, 101, 0, 1)),
    ],
)
def test_settling_spends_what_was_measured_and_releases_the_rest(
    allocation, used, settled, balance
):
    transfer = hold(allocation)
    found = actions.settle(transfer, used=used * HOUR, by=None, now=LATER)
    assert found == Settlement(*(part * HOUR for part in settled))
    assert queries.balance(allocation) == Balance(*(part * HOUR for part in balance))
    entry = LogEntry.objects.get(event="hold.settled")
    assert (entry.subject, entry.facts["spent"]) == (allocation.code, used * HOUR)
    assert queries.check_books().problems == []


@pytest.mark.parametrize("used", [0, 4, 10, 11, 101])
def test_settling_again_with_the_same_figure_gives_the_same_and_books_nothing(allocation, used):
    transfer = hold(allocation)
    first = actions.settle(transfer, used=used * HOUR, by=None, now=LATER)
    before = snapshot()
    assert actions.settle(transfer, used=used * HOUR, by=None, now=LATER) == first
    assert snapshot() == before


@pytest.mark.parametrize("used", [0, 4, 10, 11, 101])
def test_settling_again_with_another_figure_is_refused(allocation, used):
    transfer = hold(allocation)
    actions.settle(transfer, used=used * HOUR, by=None, now=LATER)
    code = refusal(actions.settle, transfer, used=used * HOUR + 1, by=None, now=LATER)
    assert code == "hold.settle.already"


@pytest.mark.parametrize("used", [-1, 2**53])
def test_a_figure_that_cannot_have_been_used_is_refused(allocation, used):
    transfer = hold(allocation)
    code = refusal(actions.settle, transfer, used=used, by=None, now=LATER)
    assert code == ["transfer.used.range"]


def test_only_a_hold_can_be_settled_or_voided(allocation):
    grant = Transfer.objects.get(kind="grant")
    with pytest.raises(ValueError, match="is not a hold"):
        actions.settle(grant, used=1, by=None, now=NOW)
    with pytest.raises(ValueError, match="is not a hold"):
        actions.void(grant, reason="", key="v", by=None, now=NOW)


def test_an_overrun_is_booked_shown_and_not_taken_from_later_hours(allocation, operator):
    transfer = hold(allocation, 100 * HOUR)
    actions.settle(transfer, used=100 * HOUR + 7000, by=None, now=LATER)
    actions.top_up(allocation, amount=HOUR, reason="More", key="t", by=operator, now=LATER)
    assert queries.balance(allocation) == Balance(101 * HOUR, HOUR, 0, 100 * HOUR + 7000, 0, 7000)
    assert queries.check_books().problems == []


def test_many_holds_settle_in_few_transactions_and_all_queries_are_counted(
    allocation, django_assert_num_queries
):
    holds = [hold(allocation, 10, key=f"hold:{i}") for i in range(30)]
    measured = [(one, i) for i, one in enumerate(holds)]
    found = actions.settle_many(measured, by=None, now=LATER)
    assert [one.spent for one in found] == list(range(30))
    assert queries.balance(allocation).spent == sum(range(30))
    assert queries.check_books().problems == []
    before = snapshot()
    assert actions.settle_many(measured, by=None, now=LATER) == found
    assert snapshot() == before


def test_a_batch_costs_as_many_queries_as_one(allocation, django_assert_max_num_queries):
    one, *many = [hold(allocation, 10, key=f"hold:{i}") for i in range(41)]
    with django_assert_max_num_queries(14) as counted:
        actions.settle(one, used=5, by=None, now=LATER)
    with django_assert_max_num_queries(len(counted)):
        actions.settle_many([(hold, 5) for hold in many], by=None, now=LATER)


def test_a_batch_with_a_refused_settlement_settles_none_of_it(allocation):
    first, second = hold(allocation), hold(allocation, key="hold:JOB-2")
    actions.settle(second, used=5, by=None, now=LATER)
    code = refusal(actions.settle_many, [(first, 1), (second, 6)], by=None, now=LATER)
    assert code == "hold.settle.already"


def test_batches_end_at_their_size(allocation, monkeypatch):
    monkeypatch.setattr(actions, "BATCH", 2)
    holds = [hold(allocation, 10, key=f"hold:{i}") for i in range(5)]
    found = actions.settle_many([(one, 3) for one in holds], by=None, now=LATER)
    assert [one.spent for one in found] == [3] * 5


# --- voiding


def test_voiding_gives_all_of_a_hold_back(allocation):
    transfer = hold(allocation)
    void = actions.void(transfer, reason="Cancelled", key="void:JOB-1", by=None, now=LATER)
    assert (void.kind, void.amount, void.hold) == ("release", 10 * HOUR, transfer)
    assert queries.balance(allocation) == Balance(100 * HOUR, 100 * HOUR, 0, 0, 0, 0)
    before = snapshot()
    for key in ("void:JOB-1", "void:JOB-1:again"):
        again = actions.void(transfer, reason="Cancelled", key=key, by=None, now=LATER)
        assert again == void
    assert snapshot() == before
    assert queries.check_books().problems == []


def test_a_hold_is_settled_or_voided_not_both(allocation):
    first, second = hold(allocation), hold(allocation, key="hold:JOB-2")
    actions.settle(first, used=1, by=None, now=LATER)
    actions.void(second, reason="", key="v2", by=None, now=LATER)
    code = refusal(actions.void, first, reason="", key="v1", by=None, now=LATER)
    assert code == "hold.void.already_settled"
    code = refusal(actions.settle, second, used=1, by=None, now=LATER)
    assert code == "hold.settle.already"
    assert actions.settle(second, used=0, by=None, now=LATER).released == 10 * HOUR


# --- corrections


def correct(verb, allocation, by, **change):
    asked = {"reason": "Node 7 failed", "key": f"{verb}:1"} | change
    if verb in {"freeze", "thaw"}:
        asked.pop("key")
    if verb in {"top_up", "reduce", "refund"}:
        asked.setdefault("amount", HOUR)
    return getattr(actions, verb)(allocation, by=by, now=NOW, **asked)


@pytest.mark.parametrize("verb", ["top_up", "reduce", "refund", "expire", "freeze", "thaw"])
def test_only_an_operator_corrects(allocation, ana, auditor, assessor, verb):
    for person in (ana, auditor, assessor):
        assert refusal(correct, verb, allocation, person) == f"allocation.{verb}.not_operator"
        with pytest.raises(NotAllowed):
            correct(verb, allocation, person)


@pytest.mark.parametrize("verb", ["top_up", "reduce", "refund", "expire", "freeze", "thaw"])
def test_a_correction_says_why(allocation, operator, verb):
    assert refusal(correct, verb, allocation, operator, reason=" ") == ["transfer.reason.missing"]


def test_a_top_up_comes_out_of_the_call(allocation, capacity, operator):
    for _again in range(2):
        transfer = correct("top_up", allocation, operator)
    capacity.refresh_from_db()
    assert capacity.balance == 4899 * HOUR
    assert queries.balance(allocation).granted == 101 * HOUR
    assert (transfer.reason, transfer.by_code) == ("Node 7 failed", operator.code)
    code = refusal(correct, "top_up", allocation, operator, amount=2 * HOUR)
    assert code == "transfer.post.key_reused"
    code = refusal(correct, "top_up", allocation, operator, amount=4899 * HOUR + 1, key="k")
    assert code == "allocation.grant.too_big"
    assert events().count("allocation.topped_up") == 1


def test_hours_given_back_are_the_calls_again_and_only_free_ones_can_be(
    allocation, capacity, operator
):
    hold(allocation, 30 * HOUR)
    for _again in range(2):
        correct("reduce", allocation, operator, amount=69 * HOUR)
    capacity.refresh_from_db()
    assert capacity.balance == 4969 * HOUR
    assert queries.balance(allocation) == Balance(31 * HOUR, HOUR, 30 * HOUR, 0, 0, 0)
    before = snapshot()
    code = refusal(correct, "reduce", allocation, operator, amount=HOUR + 1, key="k")
    assert code == "allocation.reduce.too_big"
    assert snapshot() == before
    correct("reduce", allocation, operator, amount=HOUR, key="k")
    assert queries.balance(allocation).free == 0
    assert queries.check_books().problems == []
    correct("expire", allocation, operator, key="end")
    code = refusal(correct, "reduce", allocation, operator, amount=1, key="late")
    assert code == "allocation.reduce.ended"


def test_giving_everything_back_leaves_nothing_granted(allocation, capacity, operator):
    correct("reduce", allocation, operator, amount=100 * HOUR)
    assert queries.balance(allocation) == Balance(0, 0, 0, 0, 0, 0)
    capacity.refresh_from_db()
    assert capacity.balance == 5000 * HOUR
    assert queries.check_books().problems == []


@pytest.mark.parametrize(
    ("now", "days", "code"),
    [
        (NOW + timedelta(days=30) - TICK, 31, None),
        (NOW + timedelta(days=30), 31, "allocation.prolong.over"),
        (NOW, 30, "allocation.prolong.not_later"),
    ],
)
def test_a_period_is_made_longer_before_it_is_over(allocation, operator, now, days, code):
    asked = {"ends_at": NOW + timedelta(days=days), "reason": "x", "by": operator, "now": now}
    if code is None:
        actions.prolong(allocation, **asked)
        allocation.refresh_from_db()
        assert allocation.ends_at == NOW + timedelta(days=days)
        assert events()[-1] == "allocation.prolonged"
        return
    before = snapshot()
    assert refusal(actions.prolong, allocation, **asked) == code
    assert snapshot() == before


def test_months_say_what_was_granted_used_and_expired(allocation, operator):
    actions.settle(hold(allocation), used=2 * HOUR, by=None, now=NOW)
    later = NOW + timedelta(days=31)
    correct("reduce", allocation, operator, amount=HOUR)
    actions.expire(allocation, reason="", key="end", by=None, now=later)
    one, two = queries.months([allocation], zone=ZoneInfo("Europe/Bucharest"))
    assert (one.granted, one.used, one.expired) == (99 * HOUR, 2 * HOUR, 0)
    assert (two.granted, two.used, two.expired) == (0, 0, 97 * HOUR)
    assert one.month.month != two.month.month


def test_a_refund_gives_back_what_was_charged_and_no_more(allocation, operator):
    actions.settle(hold(allocation), used=2 * HOUR, by=None, now=NOW)
    for _again in range(2):
        correct("refund", allocation, operator)
    assert queries.balance(allocation) == Balance(100 * HOUR, 99 * HOUR, 0, HOUR, 0, 0)
    code = refusal(correct, "refund", allocation, operator, amount=HOUR + 1, key="k")
    assert code == "allocation.refund.too_big"
    correct("refund", allocation, operator, key="k")
    assert queries.balance(allocation).spent == 0
    assert queries.check_books().problems == []


def test_an_operator_ends_an_allocation_at_any_time(allocation, operator):
    ended = correct("expire", allocation, operator)
    assert ended.state == "ended"
    assert queries.balance(allocation) == Balance(100 * HOUR, 0, 0, 0, 100 * HOUR, 0)
    before = snapshot()
    assert correct("expire", allocation, operator).state == "ended"
    assert snapshot() == before
    code = refusal(correct, "expire", allocation, operator, key="k")
    assert code == "allocation.expire.not_now"
    for verb in ("top_up", "refund"):
        assert refusal(correct, verb, allocation, operator) == f"allocation.{verb}.ended"


def test_what_a_job_gives_back_after_the_end_expires(allocation, operator):
    running, waiting = hold(allocation), hold(allocation, key="hold:JOB-2")
    correct("expire", allocation, operator)
    assert queries.balance(allocation) == Balance(100 * HOUR, 0, 20 * HOUR, 0, 80 * HOUR, 0)
    settled = actions.settle(running, used=4 * HOUR, by=None, now=LATER)
    assert settled == Settlement(4 * HOUR, 0, 0, 6 * HOUR)
    actions.void(waiting, reason="", key="v", by=None, now=LATER)
    assert queries.balance(allocation) == Balance(100 * HOUR, 0, 0, 4 * HOUR, 96 * HOUR, 0)
    assert actions.settle(running, used=4 * HOUR, by=None, now=LATER) == settled
    assert queries.check_books().problems == []


@pytest.mark.parametrize(("beyond", "overrun"), [(3000, 0), (90 * HOUR, 0), (90 * HOUR + 1, 1)])
def test_a_job_that_ran_over_after_the_end_is_paid_from_what_expired(
    allocation, operator, beyond, overrun
):
    running = hold(allocation)
    correct("expire", allocation, operator)
    settled = actions.settle(running, used=10 * HOUR + beyond, by=None, now=LATER)
    assert settled == Settlement(10 * HOUR, beyond - overrun, overrun, 0)
    assert actions.settle(running, used=10 * HOUR + beyond, by=None, now=LATER) == settled
    assert queries.balance(allocation).expired == 90 * HOUR - beyond + overrun
    assert queries.check_books().problems == []


def test_an_allocation_without_hours_left_ends_too(allocation, operator):
    actions.settle(hold(allocation, 100 * HOUR), used=100 * HOUR, by=None, now=NOW)
    assert correct("expire", allocation, operator).state == "ended"
    assert not Transfer.objects.filter(kind="expire").exists()


# --- the clock


@pytest.mark.parametrize(
    ("now", "state"),
    [
        (NOW + timedelta(days=30, microseconds=-1), "active"),
        (NOW + timedelta(days=30), "ended"),
    ],
)
def test_the_clock_ends_an_allocation_at_its_end(allocation, now, state):
    for _again in range(2):
        tasks.watch(now=now)
    allocation.refresh_from_db()
    assert allocation.state == state
    assert queries.balance(allocation).expired == (100 * HOUR if state == "ended" else 0)


@pytest.mark.parametrize(
    ("now", "state"), [(LATER - timedelta(microseconds=1), "pending"), (LATER, "active")]
)
def test_the_clock_opens_an_allocation_at_its_start(project, capacity, now, state):
    pending = actions.grant(
        project,
        capacity=capacity,
        amount=HOUR,
        starts_at=LATER,
        ends_at=LATER + timedelta(days=1),
        key="g",
        by=None,
        now=NOW,
    )
    for _again in range(2):
        tasks.watch(now=now)
    pending.refresh_from_db()
    assert pending.state == state
    assert events().count("allocation.opened") == (state == "active")


def test_the_factory_does_not_end_an_allocation_before_its_end(allocation):
    code = refusal(actions.expire, allocation, reason="", key="e", by=None, now=NOW)
    assert code == "allocation.expire.not_yet"


# --- what the database itself refuses


@pytest.mark.parametrize("model", [Transfer, Posting])
@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_database_refuses_to_change_what_was_booked(allocation, model, change):
    rows = list(model.objects.values())

    def tamper():
        if change == "update":
            model.objects.update(amount=1)
        else:
            model.objects.all()._raw_delete(model.objects.db)

    with pytest.raises(DatabaseError, match="is immutable"), transaction.atomic():
        tamper()
    assert list(model.objects.values()) == rows


@pytest.mark.parametrize(
    ("kind", "balance"),
    [
        ("capacity", -1),
        ("free", -1),
        ("held", -1),
        ("spent", -1),
        ("expired", -1),
        ("overrun", 1),
        ("source", 1),
    ],
)
def test_the_database_refuses_a_balance_on_the_wrong_side_of_zero(allocation, kind, balance):
    with pytest.raises(IntegrityError), transaction.atomic():
        Account.objects.filter(kind=kind).update(balance=balance)


@pytest.mark.parametrize("amounts", [(0, 1), (1, 2), (-1, -2), (1, -1, 5)])
def test_the_database_refuses_postings_that_are_not_one_out_and_one_in(allocation, amounts):
    account = Account.objects.first()
    transfer = Transfer.objects.create(kind="fund", key="k", amount=1, at=NOW)
    postings = [Posting(transfer=transfer, account=account, amount=one) for one in amounts]
    with pytest.raises(IntegrityError), transaction.atomic():
        Posting.objects.bulk_create(postings)


@pytest.mark.parametrize(
    "change",
    [{"amount": 0}, {"amount": -1}, {"amount": 2**53}, {"kind": "gift"}, {"kind": "grant"}],
)
def test_the_database_refuses_a_transfer_that_cannot_be(allocation, change):
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.create(**({"kind": "fund", "key": "k", "amount": 1, "at": NOW} | change))


def test_the_database_refuses_a_key_twice(allocation):
    with pytest.raises(IntegrityError), transaction.atomic():
        Transfer.objects.create(kind="fund", key="grant:AWD-1", amount=1, at=NOW)


def test_a_key_that_a_rival_used_at_the_same_moment_is_refused(allocation):
    """The rival books on other accounts, so no lock of ours lets us see it before."""
    booking = actions.books.Booking(None, NOW)
    free, held = (Account.objects.get(kind=kind) for kind in ("free", "held"))
    booking.move(rules.TransferKind.HOLD, free, held, 1, "grant:AWD-1", "other")
    before = snapshot()
    with pytest.raises(Refused) as refused, transaction.atomic():
        actions.books.post(booking)
    assert refused.value.code == "transfer.post.key_reused"
    assert snapshot() == before


def test_a_way_that_no_transfer_goes_is_a_bug(allocation):
    booking = actions.books.Booking(None, NOW)
    free, spent = (Account.objects.get(kind=kind) for kind in ("free", "spent"))
    with pytest.raises(AssertionError):
        booking.move(rules.TransferKind.HOLD, free, spent, 1, "k", "")


def test_the_database_knows_the_kinds_and_their_places(allocation):
    resource = queries.gpu_hours()
    for wrong in (
        {"kind": "pocket"},
        {"kind": "free"},
        {"kind": "source", "allocation": allocation},
        {"kind": "free", "allocation": allocation},
        {"kind": "source"},
        {"kind": "capacity", "owner": "CAL-PLAYGR"},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.create(resource=resource, **wrong)


def test_every_migrate_finds_the_resources_there(db):
    assert connection.vendor in {"sqlite", "postgresql"}
    there = list(Resource.objects.order_by("pk"))
    actions.seed_resources()
    assert list(Resource.objects.order_by("pk")) == there
    assert [(one.title, one.unit) for one in there] == [("GPU-hours", "gpu_ms"), ("Storage", "mb")]
