"""Charges without a hold, their corrections, and overdrafts."""

import contextlib
import itertools
import random
from datetime import timedelta

import pytest

from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions, queries
from uzina.ledger.models import Account, Allocation, Posting, Transfer
from uzina.ledger.rules import Balance, Charge

from .conftest import HOUR

LATER = NOW + timedelta(hours=1)


def charged(allocation, *amounts, prefix="row"):
    """Charge hours in one call, a key each."""
    asked = [
        Charge(allocation, amount * HOUR, f"{prefix}:{number}", subject="CLU-1", reason="Direct")
        for number, amount in enumerate(amounts)
    ]
    return actions.charge(asked, by=None, now=LATER)


def ended(allocation, operator):
    return actions.expire(allocation, reason="Over", key="end", by=operator, now=NOW)


def overdraw(allocation, by, amount=20, key="sign"):
    return actions.overdraw(
        allocation, amount=amount * HOUR, reason="A demo is due", key=key, by=by, now=LATER
    )


def stands(allocation, *parts):
    """Say whether the balance is so many hours, and the books are right."""
    assert queries.check_books().problems == []
    return queries.balance(allocation) == Balance(*(part * HOUR for part in parts))


def counted():
    return [model.objects.count() for model in (Transfer, Posting, LogEntry)]


def test_a_charge_is_spent_from_what_is_free(allocation):
    (transfer,) = charged(allocation, 7)
    assert stands(allocation, 100, 93, 0, 7, 0, 0)
    assert (transfer.kind, transfer.key, transfer.amount) == ("spend", "row:0", 7 * HOUR)
    assert (transfer.subject, transfer.reason) == ("CLU-1", "Direct")
    entry = LogEntry.objects.get(event="allocation.charged")
    assert (entry.subject, entry.facts) == (allocation.code, {"amount": 7 * HOUR, "count": 1})


def test_what_is_held_for_jobs_is_not_charged_for_something_else(allocation):
    actions.hold(allocation, amount=90 * HOUR, subject="JOB-1", key="h", by=None, now=NOW)
    (transfer,) = charged(allocation, 12)
    assert stands(allocation, 100, 0, 90, 12, 0, 2)
    assert (transfer.kind, transfer.amount) == ("spend", 10 * HOUR)
    rest = Transfer.objects.get(key="row:0#rest")
    assert (rest.kind, rest.amount, rest.subject) == ("overrun", 2 * HOUR, "CLU-1")


@pytest.mark.parametrize(("used", "overrun"), [(99, 0), (100, 0), (101, 1)])
def test_beyond_what_is_free_a_charge_is_an_overrun(allocation, used, overrun):
    charged(allocation, used)
    assert stands(allocation, 100, 100 - used + overrun, 0, used, 0, overrun)


def test_with_nothing_left_the_transfer_of_a_charge_is_the_overrun(allocation):
    _full, over = charged(allocation, 100, 3)
    assert (over.kind, over.key) == ("overrun", "row:1")
    assert stands(allocation, 100, 0, 0, 103, 0, 3)


@pytest.mark.parametrize(("used", "expired", "overrun"), [(40, 0, 0), (39, 1, 0), (41, 0, 1)])
def test_after_the_end_a_charge_is_spent_from_what_expired(
    allocation, operator, used, expired, overrun
):
    charged(allocation, 60, prefix="before")
    ended(allocation, operator)
    charged(allocation, used)
    assert stands(allocation, 100, 0, 0, 60 + used, expired, overrun)


@pytest.mark.parametrize(
    ("back", "balance"),
    [
        (2, (100, 0, 0, 103, 0, 3)),
        (5, (100, 0, 0, 100, 0, 0)),
        (6, (100, 1, 0, 99, 0, 0)),
        (105, (100, 100, 0, 0, 0, 0)),
    ],
)
def test_a_correction_undoes_an_overrun_before_hours_are_free_again(allocation, back, balance):
    charged(allocation, 105)
    (transfer,) = charged(allocation, -back, prefix="fix")
    assert (transfer.kind, transfer.key) == ("credit", "fix:0")
    assert stands(allocation, *balance)


def test_after_the_end_a_correction_gives_back_to_what_expired(allocation, operator):
    charged(allocation, 10)
    ended(allocation, operator)
    charged(allocation, -4, prefix="fix")
    assert stands(allocation, 100, 0, 0, 6, 94, 0)


def test_a_correction_gives_nothing_back_that_an_operator_refunded(allocation, operator):
    charged(allocation, 10)
    actions.refund(allocation, amount=8 * HOUR, reason="Ours", key="r", by=operator, now=LATER)
    (some,) = charged(allocation, -5, prefix="fix")
    assert some.amount == 2 * HOUR
    assert charged(allocation, -5, prefix="again") == [None]
    assert stands(allocation, 100, 100, 0, 0, 0, 0)


def test_a_frozen_and_a_pending_allocation_are_charged_all_the_same(
    allocation, project, capacity, operator
):
    actions.freeze(allocation, reason="Look", by=operator, now=NOW)
    pending = actions.grant(
        project,
        capacity=capacity,
        amount=HOUR,
        starts_at=NOW + timedelta(days=2),
        ends_at=NOW + timedelta(days=3),
        key="later",
        by=None,
        now=NOW,
    )
    charged(allocation, 1)
    charged(pending, 1, prefix="other")
    assert stands(allocation, 100, 99, 0, 1, 0, 0)
    assert stands(pending, 1, 0, 0, 1, 0, 0)


def test_charging_again_with_the_same_keys_gives_the_same_and_books_nothing(allocation):
    first = charged(allocation, 60, 50, -20, 5)
    before = counted()
    assert charged(allocation, 60, 50, -20, 5) == first
    assert counted() == before


def test_half_of_a_page_again_books_the_other_half(allocation):
    first = charged(allocation, 1, 2)
    again = charged(allocation, 1, 2, 3)
    assert again[:2] == first
    assert stands(allocation, 100, 94, 0, 6, 0, 0)


def test_one_key_twice_in_a_call_counts_once(allocation):
    one = Charge(allocation, HOUR, "row")
    found = actions.charge([one, one], by=None, now=LATER)
    assert found[0] is found[1]
    assert stands(allocation, 100, 99, 0, 1, 0, 0)


@pytest.mark.parametrize(
    "other",
    [{"amount": 2 * HOUR}, {"amount": -HOUR}, {"subject": "CLU-2"}, {"reason": "Another"}],
)
def test_a_key_with_other_content_is_refused_and_the_whole_call_undone(allocation, other):
    asked = {"amount": HOUR, "key": "row", "subject": "CLU-1", "reason": "Direct"}
    actions.charge([Charge(allocation, **asked)], by=None, now=LATER)
    before = counted()
    with pytest.raises(Refused) as refused:
        actions.charge(
            [Charge(allocation, HOUR, "new"), Charge(allocation, **(asked | other))],
            by=None,
            now=LATER,
        )
    assert refused.value.code == "transfer.post.key_reused"
    assert counted() == before


@pytest.mark.parametrize("amount", [0, 2**53, -(2**53)])
def test_a_charge_that_cannot_be_is_refused(allocation, amount):
    before = counted()
    with pytest.raises(Invalid) as invalid:
        actions.charge([Charge(allocation, amount, "row")], by=None, now=LATER)
    assert [problem.code for problem in invalid.value.problems] == ["charge.amount.range"]
    with pytest.raises(Invalid):
        actions.charge([Charge(allocation, 1, "row#1")], by=None, now=LATER)
    assert counted() == before


def test_charging_nothing_books_nothing(db):
    assert actions.charge([], by=None, now=LATER) == []


def test_many_charges_cost_a_fixed_number_of_statements(allocation, django_assert_max_num_queries):
    charged(allocation, 1, prefix="first")
    with django_assert_max_num_queries(30):
        charged(allocation, *([1] * 50))


STEPS = ("use 30", "fix -30", "late 80", "hold", "end")


def test_in_any_order_charges_corrections_and_the_end_leave_the_same(project, capacity, operator):
    """Room for all of it was there, so nothing runs over, whatever came first."""
    orders = [
        order
        for order in itertools.permutations(STEPS)
        if order.index("use 30") < order.index("fix -30")
    ]
    for turn, order in enumerate(random.Random(7).sample(orders, 12)):
        row = actions.grant(
            project,
            capacity=capacity,
            amount=100 * HOUR,
            starts_at=NOW - timedelta(days=1),
            ends_at=NOW + timedelta(days=9),
            key=f"grant:{turn}",
            by=None,
            now=NOW,
        )
        spent = play(row, order, operator)
        assert queries.balance(row) == Balance(
            100 * HOUR, 0, 0, spent * HOUR, (100 - spent) * HOUR, 0
        ), order
    assert queries.check_books().problems == []


def play(row, order, operator):
    """Do the steps, then end the job if it could start; return the hours spent."""
    holds = []
    for step in order:
        match step.split():
            case [_charge, hours]:
                charged(row, int(hours), prefix=f"{row.code}:{step}")
            case ["hold"]:
                with contextlib.suppress(Refused):
                    key = f"hold:{row.code}"
                    asked = {"amount": 10 * HOUR, "subject": "JOB-1", "key": key}
                    holds.append(actions.hold(row, **asked, by=None, now=NOW))
            case _:
                key = f"end:{row.code}"
                actions.expire(row, reason="Over", key=key, by=operator, now=NOW)
    actions.settle_many([(hold, 5 * HOUR) for hold in holds], by=None, now=LATER)
    return 80 + 5 * len(holds)


# --- overdrafts


def test_an_overdraft_lets_a_project_go_on_and_is_seen(allocation, operator):
    charged(allocation, 100)
    transfer = overdraw(allocation, operator)
    assert stands(allocation, 100, 20, 0, 100, 0, 0, 20)
    assert (transfer.kind, transfer.by_code) == ("overdraft", operator.code)
    assert transfer.reason == "A demo is due"
    charged(allocation, 21, prefix="more")
    assert stands(allocation, 100, 0, 0, 121, 0, 1, 20)
    assert queries.balance(allocation).budget == 120 * HOUR
    entry = LogEntry.objects.get(event="allocation.overdrawn")
    assert (entry.actor, entry.facts["amount"]) == (operator.code, 20 * HOUR)


def test_a_correction_is_the_same_before_and_after_an_overdraft(allocation, operator):
    charged(allocation, 105)
    overdraw(allocation, operator)
    charged(allocation, -15, prefix="fix")
    assert stands(allocation, 100, 30, 0, 90, 0, 0, 20)


def test_what_was_spent_out_of_an_overdraft_can_be_refunded(allocation, operator):
    overdraw(allocation, operator)
    charged(allocation, 110)
    actions.refund(allocation, amount=110 * HOUR, reason="Ours", key="r", by=operator, now=LATER)
    assert stands(allocation, 100, 120, 0, 0, 0, 0, 20)


def test_an_overdraft_is_signed_once(allocation, operator):
    first = overdraw(allocation, operator)
    assert overdraw(allocation, operator) == first
    with pytest.raises(Refused) as refused:
        overdraw(allocation, operator, amount=21)
    assert refused.value.code == "transfer.post.key_reused"
    assert queries.balance(allocation).overdraft == 20 * HOUR


def test_only_an_operator_with_a_reason_signs_an_overdraft(allocation, operator, ana, auditor):
    before = counted()
    for person in (ana, auditor):
        with pytest.raises(NotAllowed) as refused:
            overdraw(allocation, person)
        assert refused.value.code == "allocation.overdraw.not_operator"
    with pytest.raises(Invalid) as invalid:
        actions.overdraw(allocation, amount=1, reason=" ", key="k", by=operator, now=NOW)
    assert [one.code for one in invalid.value.problems] == ["transfer.reason.missing"]
    assert counted() == before


def test_no_overdraft_is_signed_for_an_allocation_that_has_ended(allocation, operator):
    ended(allocation, operator)
    before = counted()
    with pytest.raises(Refused) as refused:
        overdraw(allocation, operator)
    assert refused.value.code == "allocation.overdraw.ended"
    assert counted() == before
    assert Allocation.objects.get().state == "ended"
    assert Account.objects.get(kind="overdraft").balance == 0
