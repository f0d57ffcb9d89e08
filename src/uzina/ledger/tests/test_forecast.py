"""How long the hours last: the arithmetic, how often its range holds, and what pages say."""

import random
from datetime import timedelta

import pytest
from django.test import Client
from django.utils.timezone import now as clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uzina.core.tests import NOW
from uzina.ledger import actions, queries, rules
from uzina.ledger.models import Allocation
from uzina.ledger.rules import AllocationState, Balance, Charge, Outlook

from .conftest import HOUR

DAY = timedelta(days=1)
TICK = timedelta(microseconds=1)


def foretold(days, *, left=1000, for_days=30, **changes):
    asked = {
        "state": AllocationState.ACTIVE,
        "starts_at": NOW - 40 * DAY,
        "ends_at": NOW + for_days * DAY,
        "balance": Balance(left + 500, left, 0, 500, 0, 0),
        "days": days,
        "now": NOW,
    }
    return rules.forecast(**(asked | changes))


# --- the arithmetic


def test_an_even_pace_is_one_day_and_no_range():
    told = foretold([100] * 10)
    assert (told.outlook, told.days, told.pace) == (Outlook.RUNS_OUT, 10, 100)
    assert told.early == told.late == told.likely
    assert abs(told.likely - (NOW + 10 * DAY)) < timedelta(seconds=2)
    assert (told.unused.least, told.unused.likely, told.unused.most) == (0, 0, 0)


def test_what_is_held_is_left():
    balance = Balance(1000, 400, 600, 0, 0, 0)
    told = foretold([100] * 10, balance=balance)
    assert abs(told.likely - (NOW + 10 * DAY)) < timedelta(seconds=2)


def test_an_even_pace_that_lasts_says_what_expires():
    told = foretold([10] * 10)
    assert told.outlook is Outlook.LASTS
    assert (told.early, told.likely, told.late) == (None, None, None)
    assert (told.unused.least, told.unused.likely, told.unused.most) == (700, 700, 700)
    assert told.unused.at == NOW + 30 * DAY


def test_an_uneven_pace_is_a_range_around_the_likely_day():
    told = foretold([60, 140] * 14)
    assert told.outlook is Outlook.RUNS_OUT
    assert NOW < told.early < told.likely < told.late < NOW + 30 * DAY
    assert abs(told.likely - (NOW + 10 * DAY)) < timedelta(seconds=2)


def test_a_range_that_reaches_beyond_the_end_has_no_late_day():
    told = foretold([0, 20, 80, 0, 100, 10], for_days=30)
    assert told.outlook is Outlook.RUNS_OUT
    assert told.late is None
    assert told.unused.least == told.unused.likely == 0 < told.unused.most


def test_what_may_run_out_and_probably_does_not_is_said_so():
    told = foretold([0, 20, 80, 0, 60, 10], for_days=30)
    assert told.outlook is Outlook.UNSURE
    assert told.early is not None
    assert told.likely is None
    assert 0 == told.unused.least < told.unused.likely < told.unused.most


@pytest.mark.parametrize(
    ("days", "outlook"),
    [
        ([], Outlook.TOO_EARLY),
        ([50, 50], Outlook.TOO_EARLY),
        ([50, 0, 0, 0, 0, 50], Outlook.TOO_EARLY),
        ([50, 50, -200, 50], Outlook.TOO_EARLY),
        ([1, 1, 1], Outlook.LASTS),
        ([50, 0, 50, 0, 50], Outlook.UNSURE),
    ],
)
def test_with_fewer_than_three_days_of_use_nothing_is_guessed(days, outlook):
    told = foretold(days)
    assert told.outlook is outlook
    if outlook is Outlook.TOO_EARLY:
        assert (told.days, told.early, told.unused, told.points) == (0, None, None, ())


@pytest.mark.parametrize(
    ("changes", "outlook"),
    [
        ({"state": AllocationState.ENDED}, Outlook.ENDED),
        ({"ends_at": NOW}, Outlook.ENDED),
        ({"ends_at": NOW + TICK}, Outlook.LASTS),
        ({"starts_at": NOW + TICK}, Outlook.NOT_BEGUN),
        ({"starts_at": NOW}, Outlook.RUNS_OUT),
        ({"balance": Balance(500, 0, 0, 500, 0, 0)}, Outlook.EXHAUSTED),
        ({"balance": Balance(500, 1, 0, 499, 0, 0)}, Outlook.RUNS_OUT),
    ],
)
def test_before_and_after_there_is_nothing_to_foretell(changes, outlook):
    assert foretold([100] * 10, **changes).outlook is outlook


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    days=st.lists(st.integers(-(10**9), 10**12), max_size=28),
    left=st.integers(-(10**12), rules.LARGEST),
    for_days=st.integers(1, 1000),
)
def test_a_forecast_is_in_order_whatever_was_spent(days, left, for_days):
    told = foretold(days, left=left, for_days=for_days)
    for point in told.points:
        assert 0 <= point.least <= point.likely <= point.most <= left
    for low, high in zip(told.points, told.points[1:], strict=False):
        assert low.at < high.at
        assert (low.least, low.likely, low.most) >= (high.least, high.likely, high.most)
    ends = NOW + for_days * DAY
    known = [at for at in (told.early, told.likely, told.late) if at is not None]
    assert known == sorted(known)
    assert all(NOW < at <= ends + timedelta(seconds=2) for at in known)
    assert (told.likely is not None) is (told.outlook is Outlook.RUNS_OUT)


def even(chance):
    while True:
        yield 100_000 + chance.randrange(-20_000, 20_000)


def bursts(chance):
    while True:
        yield int(chance.lognormvariate(10, 1.0))


def working_week(chance):
    day = chance.randrange(7)
    while True:
        yield int((0.1 if day % 7 > 4 else 1) * chance.uniform(50_000, 150_000))
        day += 1


def on_and_off(chance):
    on = True
    while True:
        on ^= chance.random() < 0.2
        yield chance.randrange(80_000, 120_000) if on else 0


@pytest.mark.parametrize(
    ("habit", "width"), [(even, 0.2), (bursts, 1.5), (working_week, 1), (on_and_off, 2.5)]
)
def test_the_range_holds_about_as_often_as_it_says_and_says_something(habit, width):
    """Of 150 projects with each habit, four weeks of which were seen, in the next month."""
    ahead, left, inside, wide = 30, 10**12, 0, 0
    for seed in range(150):
        use = habit(random.Random(seed))
        seen = [next(use) for _ in range(28)]
        spent = sum(next(use) for _ in range(ahead))
        found = foretold(seen, left=left, for_days=ahead).unused
        inside += found.least <= left - spent <= found.most
        wide += found.most - found.least > width * (left - found.likely)
    assert inside >= 0.7 * 150
    assert wide <= 0.1 * 150


# --- from the books


def spend(allocation, *hours_ago, amount=HOUR, now=NOW):
    for ago in hours_ago:
        one = Charge(allocation, amount, f"{amount}:{ago}")
        actions.charge([one], by=None, now=now - timedelta(hours=ago))


def test_days_are_counted_back_from_now():
    hour = timedelta(hours=1)
    spent = [(NOW, 1), (NOW - DAY + hour, 2), (NOW - DAY, 4), (NOW - 3 * DAY, 8)]
    assert rules.daily(spent, NOW) == [8, 0, 4, 3]
    assert rules.daily([(NOW - 28 * DAY + TICK, 5)], NOW) == [5] + [0] * 27
    assert rules.daily([(NOW - 28 * DAY, 5), (NOW + TICK, 5)], NOW) == []


def test_the_pace_is_what_was_booked_lately(allocation, operator, django_assert_num_queries):
    spend(allocation, 1, 30, 50, 80, 100)
    spend(allocation, 2, amount=3 * HOUR)
    spend(allocation, 3, amount=-HOUR)
    actions.refund(allocation, amount=HOUR, reason="Ours", key="r", by=operator, now=NOW)
    with django_assert_num_queries(2):
        told = queries.forecast(allocation, NOW)
    assert (told.days, told.pace) == (5, 7 * HOUR // 5)
    assert told.outlook is Outlook.LASTS


def test_use_of_long_ago_is_not_the_pace_of_today(allocation):
    Allocation.objects.update(starts_at=NOW - 100 * DAY)
    allocation.refresh_from_db()
    spend(allocation, *(24 * day for day in range(29, 40)), amount=2 * HOUR)
    assert queries.forecast(allocation, NOW).outlook is Outlook.TOO_EARLY


# --- what people see


@pytest.fixture
def today(allocation):
    """The allocation, around the time that pages take for now."""
    allocation.starts_at, allocation.ends_at = clock() - 10 * DAY, clock() + 20 * DAY
    allocation.save()
    return allocation


def used(allocation, *, amount=HOUR):
    for ago in range(1, 10):
        one = Charge(allocation, amount + ago * HOUR // 10, f"day:{ago}")
        actions.charge([one], by=None, now=clock() - ago * DAY)
    return f"/allocations/{allocation.code}/"


def page(client, person, address, language="en"):
    client.force_login(person)
    client.cookies["django_language"] = language
    return client.get(address).content.decode()


def test_the_page_says_what_expires_unused(ana, today):
    shown = page(Client(), ana, used(today))
    assert "1.35 GPU-hours a day, as lately, about 59.5" in shown
    assert "GPU-hours expire unused at the end." in shown
    assert "Jobs that run may finish, no new one starts." in shown
    assert 'class="chart__band"' in shown
    assert "If use is high" in shown


def test_the_page_says_when_the_hours_are_spent(ana, today):
    shown = page(Client(), ana, used(today, amount=8 * HOUR))
    assert "7.65 GPU-hours a day, as lately, the hours are spent around" in shown
    assert "Four times in five such a range holds: between" in shown


def test_the_page_refuses_to_guess(ana, today):
    shown = page(Client(), ana, f"/allocations/{today.code}/")
    assert "Fewer than 3 days of use in the last 4 weeks: too few to tell." in shown
    assert "chart__band" not in shown


def test_the_api_tells_the_forecast(api, ana, stranger, today):
    used(today, amount=8 * HOUR)
    address = f"/api/v1/ledger/allocations/{today.code}/forecast"
    told = api(ana).get(address).json()
    assert (told["allocation"], told["outlook"], told["days"]) == (today.code, "runs_out", 10)
    assert told["early"] < told["likely"] < told["late"]
    assert told["unused"] == {"least": 0, "likely": 0, "most": 0}
    assert api(stranger).get(address).status_code == 404


def test_the_api_says_that_it_cannot_tell(api, ana, today):
    address = f"/api/v1/ledger/allocations/{today.code}/forecast"
    told = api(ana).get(address).json()
    assert (told["outlook"], told["days"], told["early"], told["unused"]) == (
        "too_early",
        0,
        None,
        None,
    )
