from datetime import timedelta

import pytest
from django.db import connection

from uzina.core.tests import NOW
from uzina.ledger import actions, queries
from uzina.ledger.models import Account, Allocation, Posting, Transfer
from uzina.people.actions import open_project

from .conftest import HOUR


def at(hours):
    return NOW + timedelta(hours=hours)


def job(allocation, number, held, used):
    """Book one whole job that starts and ends at hours named by its number."""
    hold = actions.hold(
        allocation,
        amount=held * HOUR,
        subject=f"JOB-{number}",
        key=f"hold:JOB-{number}",
        by=None,
        now=at(number),
    )
    actions.settle(hold, used=used * HOUR, by=None, now=at(number + 0.5))
    return hold


@pytest.fixture
def history(allocation, operator):
    """Three jobs, the last one running over, a top-up, a refund, and the end."""
    job(allocation, 1, 10, 4)
    job(allocation, 2, 10, 10)
    actions.top_up(allocation, amount=HOUR, reason="Extension", key="t", by=operator, now=at(3))
    job(allocation, 4, 87, 88)
    actions.refund(
        allocation, amount=2 * HOUR, reason="Node failed", key="r", by=operator, now=at(5)
    )
    actions.expire(allocation, reason="Closed", key="e", by=operator, now=at(6))
    return allocation


def test_a_statement_shows_where_the_allocation_stood_after_each_transfer(history, operator):
    lines = queries.statement(history)
    assert [
        (one.number, str(one.kind), one.amount, one.granted, one.free, one.held, one.spent)
        for one in lines
    ] == [
        (number, kind, *(part * HOUR for part in figures))
        for number, kind, *figures in [
            (1, "grant", 100, 100, 100, 0, 0),
            (2, "hold", 10, 100, 90, 10, 0),
            (3, "spend", 4, 100, 90, 6, 4),
            (4, "release", 6, 100, 96, 0, 4),
            (5, "hold", 10, 100, 86, 10, 4),
            (6, "spend", 10, 100, 86, 0, 14),
            (7, "top_up", 1, 101, 87, 0, 14),
            (8, "hold", 87, 101, 0, 87, 14),
            (9, "spend", 87, 101, 0, 0, 101),
            (10, "overrun", 1, 101, 0, 0, 102),
            (11, "refund", 2, 101, 2, 0, 100),
            (12, "expire", 2, 101, 0, 0, 100),
        ]
    ]
    assert (lines[9].overrun, lines[-1].expired) == (HOUR, 2 * HOUR)
    assert (lines[2].subject, lines[2].at) == ("JOB-1", at(1.5))
    assert (lines[6].reason, lines[6].by_code) == ("Extension", operator.code)


def test_the_last_line_of_a_statement_is_the_balance(history):
    last, balance = queries.statement(history)[-1], queries.balance(history)
    assert (last.granted, last.free, last.held, last.spent, last.expired, last.overrun) == (
        balance.granted,
        balance.free,
        balance.held,
        balance.spent,
        balance.expired,
        balance.overrun,
    )


@pytest.mark.parametrize(
    ("last", "before", "numbers"),
    [
        (5, None, [8, 9, 10, 11, 12]),
        (5, 8, [3, 4, 5, 6, 7]),
        (5, 3, [1, 2]),
        (5, 1, []),
        (5, 99, [8, 9, 10, 11, 12]),
        (100, None, list(range(1, 13))),
        (None, 4, [1, 2, 3]),
    ],
)
def test_a_page_of_a_statement_is_the_same_lines(history, last, before, numbers):
    whole = {line.number: line for line in queries.statement(history)}
    page = queries.statement(history, last=last, before=before)
    assert page == [whole[number] for number in numbers]


def test_a_statement_costs_the_same_for_any_length(
    history, project, capacity, django_assert_num_queries
):
    with django_assert_num_queries(3):
        queries.statement(history)
    with django_assert_num_queries(4):
        queries.statement(history, last=2)


def test_the_burn_down_is_what_was_spent_at_each_instant(history):
    assert queries.burn_down(history) == [
        (at(1.5), 4 * HOUR),
        (at(2.5), 14 * HOUR),
        (at(4.5), 101 * HOUR),
        (at(4.5), 102 * HOUR),
        (at(5), 100 * HOUR),
    ]


def test_the_burn_down_of_an_unused_allocation_is_empty(allocation, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert queries.burn_down(allocation) == []


def test_the_burn_down_fits_a_chart(allocation, monkeypatch):
    monkeypatch.setattr(queries, "BURN_DOWN_POINTS", 4)
    for number in range(1, 10):
        job(allocation, number, 1, 1)
    points = queries.burn_down(allocation)
    assert len(points) == 4
    assert (points[0], points[-1]) == ((at(1.5), HOUR), (at(9.5), 9 * HOUR))


def test_balances_of_many_allocations_are_one_query(
    allocation, capacity, project, django_assert_num_queries
):
    more = [
        actions.grant(
            project,
            capacity=capacity,
            amount=number * HOUR,
            starts_at=NOW,
            ends_at=at(number),
            key=f"g{number}",
            by=None,
            now=NOW,
        )
        for number in (1, 2)
    ]
    with django_assert_num_queries(1):
        found = queries.balances([allocation, *more])
    assert [one.granted for one in found.values()] == [100 * HOUR, HOUR, 2 * HOUR]
    assert list(queries.allocations_of(project)) == [more[1], more[0], allocation]


def test_members_operators_and_auditors_see_an_allocation(
    allocation, ana, operator, auditor, assessor, stranger
):
    for person, sees in (
        (ana, True),
        (operator, True),
        (auditor, True),
        (assessor, False),
        (stranger, False),
    ):
        assert Allocation.objects.visible_to(person).exists() is sees


def test_a_member_of_another_project_sees_only_their_own(allocation, org, stranger, capacity):
    theirs = open_project(
        org,
        title="Another",
        lead=stranger,
        starts_at=NOW,
        ends_at=at(1),
        award_code="",
        by=None,
        now=NOW,
    )
    granted = actions.grant(
        theirs,
        capacity=capacity,
        amount=1,
        starts_at=NOW,
        ends_at=at(1),
        key="g",
        by=None,
        now=NOW,
    )
    assert list(Allocation.objects.visible_to(stranger)) == [granted]


# --- the proof of the books


def test_the_proof_counts_what_it_proved(history):
    books = queries.check_books()
    assert (books.accounts, books.transfers, books.postings) == (8, 13, 26)
    assert books.balanced
    assert str(books) == "8 accounts, 13 transfers, 26 postings: the books balance"


def test_the_proof_costs_as_many_queries_for_a_day_as_for_a_year(
    allocation, django_assert_num_queries
):
    with django_assert_num_queries(12):
        queries.check_books()
    for number in range(1, 20):
        job(allocation, number, 2, 1)
    with django_assert_num_queries(12):
        assert queries.check_books().balanced


def test_the_proof_of_empty_books_finds_nothing(db):
    books = queries.check_books()
    assert (books.accounts, books.transfers, books.postings, books.problems) == (0, 0, 0, [])


@pytest.fixture
def tampering(allocation):
    """Somebody with the database's own rights has taken the triggers away."""
    with connection.cursor() as cursor:
        for table in ("ledger_transfer", "ledger_posting"):
            for verb in ("update", "delete"):
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {table}_refuses_{verb}{on}")
    return allocation


def problems():
    books = queries.check_books()
    assert not books.balanced
    return "\n".join(books.problems)


def test_the_proof_notices_a_changed_balance(history):
    Account.objects.filter(allocation=history, kind="free").update(balance=5)
    found = problems()
    assert "(free) says 5, its postings say 0" in found
    assert f"{history.code} has ended and still has 5 free" in found
    assert f"{history.code} was granted {101 * HOUR}; used, held, left and expired are" in found


def test_the_proof_notices_a_changed_posting(tampering):
    Posting.objects.filter(amount__gt=0, account__kind="free").update(amount=7)
    found = problems()
    assert "All postings together are" in found
    assert "Transfer grant:AWD-1" in found


def test_the_proof_notices_a_posting_that_is_gone(tampering):
    posting = Posting.objects.filter(account__kind="free")
    posting._raw_delete("default")
    assert "has 1 postings" in problems()


def test_the_proof_notices_a_transfer_that_is_gone(tampering):
    hold = job(tampering, 1, 10, 4)
    released = Transfer.objects.get(hold=hold, kind="release")
    Posting.objects.filter(transfer=released)._raw_delete("default")
    Transfer.objects.filter(pk=released.pk)._raw_delete("default")
    found = problems()
    assert f"Hold hold:JOB-1 of {10 * HOUR} was settled with {4 * HOUR}" in found
    assert "(held) says 0" in found


def test_the_proof_notices_a_transfer_of_the_wrong_kind(tampering):
    job(tampering, 1, 10, 4)
    Transfer.objects.filter(kind="hold").update(kind="refund")
    assert "Transfer hold:JOB-1 is a refund and moved" in problems()


def test_the_proof_notices_a_changed_amount(tampering):
    Transfer.objects.filter(kind="grant").update(amount=1)
    found = problems()
    assert "Transfer grant:AWD-1 of 1 has 2 postings" in found
    assert "was granted 1;" in found


def test_the_proof_lists_the_first_of_many(tampering, monkeypatch):
    monkeypatch.setattr(queries, "PROBLEMS_SHOWN", 2)
    for number in range(1, 5):
        job(tampering, number, 1, 1)
    Transfer.objects.update(amount=7)
    assert queries.check_books().problems.count("... and more of this sort.") >= 1
