from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.core.errors import Invalid, Refused
from uzina.core.tests import NOW
from uzina.ledger import rules
from uzina.ledger.rules import AccountKind, AllocationState, TransferKind

HOUR = rules.GPU_MS_PER_HOUR
TICK = timedelta(microseconds=1)
STARTS, ENDS = NOW, NOW + timedelta(days=30)
amounts = st.integers(0, rules.LARGEST)


def code_of(call, *args, **kwargs):
    """Return the code of the refusal, the codes of the problems, or None."""
    try:
        call(*args, **kwargs)
    except Invalid as invalid:
        return [problem.code for problem in invalid.problems]
    except Refused as refused:
        return refused.code
    return None


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (STARTS - TICK, "allocation.hold.outside_period"),
        (STARTS, None),
        (ENDS - TICK, None),
        (ENDS, "allocation.hold.outside_period"),
    ],
)
def test_hours_can_be_held_from_the_start_up_to_the_end(now, code):
    assert code == code_of(
        rules.check_hold,
        state=AllocationState.ACTIVE,
        starts_at=STARTS,
        ends_at=ENDS,
        free=1,
        amount=1,
        now=now,
    )


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        (HOUR - 1, None),
        (HOUR, None),
        (HOUR + 1, "allocation.hold.too_big"),
    ],
)
def test_no_more_is_held_than_is_free(amount, code):
    assert code == code_of(
        rules.check_hold,
        state=AllocationState.ACTIVE,
        starts_at=STARTS,
        ends_at=ENDS,
        free=HOUR,
        amount=amount,
        now=NOW,
    )


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (AllocationState.PENDING, AllocationState.ACTIVE),
        (AllocationState.ACTIVE, AllocationState.ACTIVE),
        (AllocationState.FROZEN, "allocation.hold.not_active"),
        (AllocationState.ENDED, "allocation.hold.not_active"),
    ],
)
def test_only_an_open_allocation_takes_holds_and_a_pending_one_opens_for_it(state, after):
    try:
        found = rules.check_hold(
            state=state, starts_at=STARTS, ends_at=ENDS, free=1, amount=1, now=NOW
        )
    except Refused as refused:
        found = refused.code
    assert found == after


def test_a_hold_that_is_too_big_says_both_figures_and_what_to_do():
    with pytest.raises(Refused) as refused:
        rules.check_hold(
            state=AllocationState.ACTIVE,
            starts_at=STARTS,
            ends_at=ENDS,
            free=100 * HOUR,
            amount=100 * HOUR + HOUR // 2,
            now=NOW,
        )
    assert str(refused.value) == (
        "This job needs 100.5 GPU-hours and the project has 100 left. "
        "Shorten the job, use fewer GPUs, or ask for an extension."
    )


@given(held=st.integers(1, rules.LARGEST), used=amounts, free=amounts)
def test_settling_never_makes_or_loses_a_millisecond(held, used, free):
    settled = rules.settle(held=held, used=used, left=free)
    assert settled.spent == used
    assert settled.from_hold + settled.released == held
    assert 0 <= settled.from_free <= free
    assert min(settled.from_hold, settled.overrun, settled.released) >= 0


@given(held=st.integers(1, rules.LARGEST), used=amounts, free=amounts)
def test_nothing_is_taken_beyond_a_hold_while_some_of_it_is_left(held, used, free):
    settled = rules.settle(held=held, used=used, left=free)
    assert not (settled.released and (settled.from_free or settled.overrun))
    assert not settled.overrun or settled.from_free == free


@pytest.mark.parametrize(
    ("used", "settled"),
    [
        (0, rules.Settlement(0, 0, 0, 10)),
        (9, rules.Settlement(9, 0, 0, 1)),
        (10, rules.Settlement(10, 0, 0, 0)),
        (11, rules.Settlement(10, 1, 0, 0)),
        (15, rules.Settlement(10, 5, 0, 0)),
        (16, rules.Settlement(10, 5, 1, 0)),
    ],
)
def test_what_was_used_comes_from_the_hold_then_from_what_is_free_then_from_nobody(used, settled):
    assert rules.settle(held=10, used=used, left=5) == settled


@given(
    amount=st.integers(-rules.LARGEST, rules.LARGEST).filter(bool),
    left=amounts,
    overrun=amounts,
    more=amounts,
)
def test_dividing_a_charge_never_makes_or_loses_a_millisecond(amount, left, overrun, more):
    spent = overrun + more
    parts = rules.divide(amount, left=left, overrun=overrun, spent=spent)
    if amount > 0:
        assert parts.left + parts.overrun == amount
        assert 0 <= parts.left <= left
        assert parts.overrun == 0 or parts.left == left
    else:
        assert parts.left + parts.overrun == -min(-amount, spent)
        assert -overrun <= parts.overrun <= 0
        assert parts.left == 0 or parts.overrun == -overrun


@pytest.mark.parametrize(
    ("amount", "problems"),
    [
        (-1, ["transfer.amount.range"]),
        (0, ["transfer.amount.range"]),
        (1, None),
        (2**53 - 1, None),
        (2**53, ["transfer.amount.range"]),
    ],
)
def test_amounts_go_from_one_to_what_json_keeps_exact(amount, problems):
    assert code_of(rules.check_amount, amount) == problems
    assert float(min(amount, 2**53 - 1)) + 1 == min(amount, 2**53 - 1) + 1


@pytest.mark.parametrize(
    ("used", "problems"),
    [
        (-1, ["transfer.used.range"]),
        (0, None),
        (rules.LARGEST, None),
        (rules.LARGEST + 1, ["transfer.used.range"]),
    ],
)
def test_what_was_used_may_be_nothing_but_not_less(used, problems):
    assert code_of(rules.check_used, used) == problems


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        ({"key": "k" * 200, "subject": "s" * 80, "reason": "r" * 500}, None),
        ({"key": ""}, ["transfer.key.missing"]),
        ({"key": "k" * 201}, ["transfer.key.too_long"]),
        ({"key": "hold:JOB-1#spent"}, ["transfer.key.reserved"]),
        ({"key": "k", "subject": "s" * 81}, ["transfer.subject.too_long"]),
        ({"key": "k", "reason": "r" * 501}, ["transfer.reason.too_long"]),
        (
            {"key": "\0", "subject": "\0", "reason": "\0"},
            ["transfer.key.nul", "transfer.subject.nul", "transfer.reason.nul"],
        ),
    ],
)
def test_keys_subjects_and_reasons_fit_their_columns(words, problems):
    assert code_of(rules.check_words, **words) == problems


@pytest.mark.parametrize(
    ("reason", "problems"),
    [
        ("", ["transfer.reason.missing"]),
        (" \n", ["transfer.reason.missing"]),
        ("node failed", None),
    ],
)
def test_a_correction_needs_a_reason(reason, problems):
    assert code_of(rules.check_reason, reason) == problems


@pytest.mark.parametrize(
    ("ends_at", "problems"),
    [
        (STARTS - TICK, ["allocation.period.empty"]),
        (STARTS, ["allocation.period.empty"]),
        (STARTS + TICK, None),
    ],
)
def test_a_period_has_some_length(ends_at, problems):
    assert code_of(rules.check_period, STARTS, ends_at) == problems


@pytest.mark.parametrize(
    ("now", "code"), [(ENDS - TICK, None), (ENDS, "allocation.grant.period_over")]
)
def test_no_hours_are_granted_for_a_period_that_is_over(now, code):
    assert code_of(rules.check_grant, ENDS, now) == code


@pytest.mark.parametrize(
    ("now", "code"), [(ENDS - TICK, "allocation.expire.not_yet"), (ENDS, None)]
)
def test_the_clock_ends_an_allocation_at_its_end_and_not_before(now, code):
    assert code_of(rules.check_expire, ENDS, now) == code


@pytest.mark.parametrize(("amount", "code"), [(10, None), (11, "allocation.grant.too_big")])
def test_a_call_grants_no_more_than_it_has_left(amount, code):
    assert code_of(rules.check_capacity, 10, amount) == code


@pytest.mark.parametrize("verb", ["top_up", "refund", "overdraw"])
def test_an_ended_allocation_is_given_no_more(verb):
    assert code_of(rules.check_open, AllocationState.FROZEN, verb) is None
    assert code_of(rules.check_open, AllocationState.ENDED, verb) == f"allocation.{verb}.ended"


@pytest.mark.parametrize(("amount", "code"), [(7, None), (8, "allocation.refund.too_big")])
def test_no_more_is_refunded_than_was_charged_and_an_overrun_was_not(amount, code):
    balance = rules.Balance(granted=10, free=3, held=0, spent=12, expired=0, overrun=5)
    assert code_of(rules.check_refund, balance, amount) == code


def test_a_hold_is_settled_once_and_with_one_figure():
    settled = rules.Settlement(10, 2, 1, 0)
    assert code_of(rules.check_settled_so, settled, 13) is None
    assert code_of(rules.check_settled_so, settled, 12) == "hold.settle.already"


@pytest.mark.parametrize("kind", AccountKind)
def test_only_the_funder_overruns_and_overdrafts_may_stand_below_zero(kind):
    rules.check_balance(kind, 0)
    if kind in {AccountKind.SOURCE, AccountKind.OVERRUN, AccountKind.OVERDRAFT}:
        rules.check_balance(kind, -rules.LARGEST)
    else:
        with pytest.raises(AssertionError):
            rules.check_balance(kind, -1)


def test_a_balance_that_json_would_round_is_refused():
    assert code_of(rules.check_balance, AccountKind.FREE, rules.LARGEST) is None
    too_much = rules.LARGEST + 1
    assert code_of(rules.check_balance, AccountKind.FREE, too_much) == "transfer.post.out_of_range"
    assert (
        code_of(rules.check_balance, AccountKind.SOURCE, -too_much) == "transfer.post.out_of_range"
    )


def test_every_kind_of_transfer_has_a_way_to_go():
    assert set(rules.WAYS) == set(TransferKind)


def test_a_fingerprint_tells_content_apart_and_nothing_else():
    asked = rules.fingerprint("hold", amount=1, at=NOW)
    assert asked == rules.fingerprint("hold", at=NOW.astimezone(), amount=1)
    assert asked != rules.fingerprint("hold", amount=2, at=NOW)
    assert asked != rules.fingerprint("spend", amount=1, at=NOW)
    assert asked != rules.fingerprint("hold", amount="1", at=NOW)
    with pytest.raises(TypeError):
        rules.fingerprint("hold", what=object())
    assert code_of(rules.check_same, "k", asked, asked) is None
    assert code_of(rules.check_same, "k", asked, "") == "transfer.post.key_reused"


@given(st.lists(st.integers(0, 10**12), min_size=6, max_size=6))
def test_what_was_granted_is_what_became_of_it(six):
    free, held, spent, expired, overrun, overdraft = six
    owed = {"overrun": -overrun, "overdraft": -overdraft}
    balance = rules.balance_of(
        {"free": free, "held": held, "spent": spent, "expired": expired, **owed}
    )
    assert balance.budget == free + held + spent + expired - overrun
    assert balance.granted == balance.budget - overdraft
    assert balance.charged == spent - overrun


def movement(kind, amount, **changes):
    return rules.Movement(kind, NOW, amount, "JOB-1", "", "", "k", changes)


def test_a_statement_carries_its_balances_from_line_to_line():
    found = rules.lines(
        [
            movement(TransferKind.GRANT, 100, free=100),
            movement(TransferKind.HOLD, 60, free=-60, held=60),
            movement(TransferKind.SPEND, 50, held=-50, spent=50),
            movement(TransferKind.RELEASE, 10, held=-10, free=10),
        ],
        first=1,
        opening={},
    )
    assert [(one.number, one.granted, one.free, one.held, one.spent) for one in found] == [
        (1, 100, 100, 0, 0),
        (2, 100, 40, 60, 0),
        (3, 100, 40, 10, 50),
        (4, 100, 50, 0, 50),
    ]


def test_a_statement_may_begin_in_the_middle():
    (line,) = rules.lines(
        [movement(TransferKind.EXPIRE, 5, free=-5, expired=5)],
        first=9,
        opening={"free": 5, "spent": 95},
    )
    assert (line.number, line.granted, line.free, line.spent, line.expired) == (9, 100, 0, 95, 5)


@given(st.integers(0, 500), st.integers(2, 60))
def test_thinning_keeps_the_ends_and_the_order(count, most):
    points = [(NOW + timedelta(seconds=i), i) for i in range(count)]
    found = rules.thinned(points, most)
    assert len(found) == min(count, most)
    assert found == sorted(set(found))
    assert set(found) <= set(points)
    if points:
        assert (found[0], found[-1]) == (points[0], points[-1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("\t=1", "'\t=1"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("node failed", "node failed"),
        ("", ""),
        (-5, "-5"),
    ],
)
def test_no_cell_of_a_download_is_taken_for_a_formula(value, text):
    assert rules.csv_cell(value) == text


@pytest.mark.parametrize("state", AllocationState)
def test_an_allocation_ends_once_and_freezes_only_while_open(state):
    verbs = {
        "pending": ["open", "expire"],
        "active": ["freeze", "expire"],
        "frozen": ["thaw", "expire"],
        "ended": [],
    }
    assert rules.ALLOCATION.verbs(state) == verbs[state]
