"""The clock of working days: holidays, weekends, nights that are an hour shorter, and pauses."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from uzina.calls.rules import clock
from uzina.calls.rules.clock import Still
from uzina.calls.rules.steps import escalation

TICK = timedelta(microseconds=1)
HOSTS = [("RO", "Europe/Bucharest"), ("ES", "Europe/Madrid"), ("FI", "Europe/Helsinki")]


def at(text, zone="Europe/Bucharest"):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def due(start, days, *stills, country="RO", zone="Europe/Bucharest"):
    return clock.due_at(
        at(start, zone),
        working_days=days,
        country=country,
        zone=zone,
        stills=[Still(at(a, zone), at(b, zone)) for a, b in stills],
    )


def slow_due(start, days, stills, country, zone):
    """The same by another way: look at every half hour for the instants at which a day ends."""
    local, public = ZoneInfo(zone), holidays.country_holidays(country)
    instant = start.replace(minute=0, second=0, microsecond=0)
    left, first_day = days, start.astimezone(local).date()
    while True:
        following = instant + timedelta(minutes=30)
        ending, beginning = (one.astimezone(local).date() for one in (instant, following))
        if ending not in {beginning, first_day}:
            is_working = ending.weekday() < 5 and ending not in public
            is_still = any(
                one.began_at <= following - TICK and following <= one.ended_at for one in stills
            )
            left -= is_working and not is_still
            if left == 0:
                return following
        instant = following


instants = st.datetimes(
    min_value=datetime(2026, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone
    max_value=datetime(2027, 12, 31),  # noqa: DTZ001 - as above
    timezones=st.just(UTC),
)
midnights = st.dates(date(2026, 1, 1), date(2027, 12, 31)).map(
    lambda day: clock.day_end(day, "Europe/Bucharest")
)


@st.composite
def pauses(draw, start):
    """Up to four pauses after a start, in order, not overlapping; edges often at midnights."""
    edges = draw(
        st.lists(
            st.one_of(
                st.integers(0, 40 * 24 * 60).map(
                    lambda minutes: start + timedelta(minutes=minutes)
                ),
                st.integers(0, 40).map(
                    lambda days: clock.day_end(
                        (start + timedelta(days=days)).date(), "Europe/Bucharest"
                    )
                ),
            ).filter(lambda one: one >= start),
            max_size=8,
        )
    )
    edges = sorted(edges)[: len(edges) // 2 * 2]
    return [Still(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@given(
    st.one_of(instants, midnights).flatmap(lambda one: st.tuples(st.just(one), pauses(one))),
    st.integers(1, 12),
    st.sampled_from(HOSTS),
)
@example((at("2026-03-28T12:00"), []), 1, HOSTS[0])
@example((at("2026-10-24T12:00"), []), 2, HOSTS[1])
def test_the_clock_agrees_with_a_slow_one_that_looks_at_every_half_hour(begun, days, host):
    start, stills = begun
    country, zone = host

    found = clock.due_at(start, working_days=days, country=country, zone=zone, stills=stills)

    assert found == slow_due(start, days, stills, country, zone)


@given(
    instants.flatmap(lambda one: st.tuples(st.just(one), pauses(one))),
    st.integers(1, 12),
)
def test_pauses_never_make_anything_due_earlier_and_each_day_of_them_counts_once(begun, days):
    start, stills = begun
    place = {"country": "RO", "zone": "Europe/Bucharest"}
    without = clock.due_at(start, working_days=days, **place)
    with_them = clock.due_at(start, working_days=days, stills=stills, **place)

    before = [
        clock.due_at(start, working_days=days, stills=stills[:number], **place)
        for number in range(len(stills) + 1)
    ]
    assert all(a <= b for a, b in pairwise(before))
    ended = sum(
        clock.days_still(Still(one.began_at, min(one.ended_at, with_them)), **place)
        for one in stills
        if one.began_at < with_them
    )
    first_day = clock.day_end(start.astimezone(ZoneInfo("Europe/Bucharest")).date(), place["zone"])
    on_the_day_itself = sum(
        clock.days_still(Still(one.began_at, min(one.ended_at, first_day)), **place)
        for one in stills
        if one.began_at < first_day
    )
    later = clock.due_at(start, working_days=days + ended - on_the_day_itself, **place)
    assert with_them == later
    assert without <= with_them


@pytest.mark.parametrize(
    ("start", "days", "stills", "expected"),
    [
        # Monday 23 November 2026; 30 November and 1 December are holidays in Romania.
        ("2026-11-23T11:00", 2, [], "2026-11-26T00:00"),
        ("2026-11-27T23:59:59", 1, [], "2026-12-03T00:00"),
        ("2026-11-28T00:00", 1, [], "2026-12-03T00:00"),
        # asked and answered within a day: nobody loses a day
        ("2026-11-23T11:00", 2, [("2026-11-24T09:00", "2026-11-24T17:00")], "2026-11-26T00:00"),
        # over one midnight: one day
        ("2026-11-23T11:00", 2, [("2026-11-24T09:00", "2026-11-25T09:00")], "2026-11-27T00:00"),
        # on the day of the event, which does not count anyway
        ("2026-11-23T11:00", 2, [("2026-11-23T12:00", "2026-11-24T09:00")], "2026-11-26T00:00"),
        # over a weekend, from Friday evening to Monday morning: only Friday's end
        ("2026-11-19T11:00", 2, [("2026-11-20T16:00", "2026-11-23T08:00")], "2026-11-25T00:00"),
        # over the two holidays and their weekend: still one day only
        ("2026-11-26T11:00", 1, [("2026-11-27T16:00", "2026-12-02T08:00")], "2026-12-03T00:00"),
        # over the deadline itself
        ("2026-11-23T11:00", 2, [("2026-11-25T20:00", "2026-12-03T10:00")], "2026-12-04T00:00"),
        # after the deadline: what is late stays late
        ("2026-11-23T11:00", 2, [("2026-11-26T00:00", "2026-12-03T10:00")], "2026-11-26T00:00"),
        # no length
        ("2026-11-23T11:00", 2, [("2026-11-24T09:00", "2026-11-24T09:00")], "2026-11-26T00:00"),
        # two that overlap count once
        (
            "2026-11-23T11:00",
            2,
            [("2026-11-24T09:00", "2026-11-25T09:00"), ("2026-11-24T10:00", "2026-11-25T08:00")],
            "2026-11-27T00:00",
        ),
        # a pause that is over, or begins, at the very midnight
        ("2026-11-23T11:00", 2, [("2026-11-24T09:00", "2026-11-25T00:00")], "2026-11-27T00:00"),
        ("2026-11-23T11:00", 2, [("2026-11-25T00:00", "2026-11-25T09:00")], "2026-11-26T00:00"),
        # the nights on which clocks change are as long as any for the calendar
        ("2026-03-27T11:00", 1, [], "2026-03-31T00:00"),
        ("2026-10-23T11:00", 1, [("2026-10-24T09:00", "2026-10-26T09:00")], "2026-10-27T00:00"),
    ],
)
def test_what_is_due_moves_by_the_working_days_that_ended_in_a_pause(start, days, stills, expected):
    assert due(start, days, *stills) == at(expected)


@pytest.mark.parametrize("tick", [-TICK, timedelta(), TICK])
def test_a_pause_costs_the_day_only_when_it_reaches_the_last_instant_of_it(tick):
    midnight = at("2026-11-25T00:00")
    stills = [Still(midnight - timedelta(hours=8), midnight + tick)]

    found = clock.due_at(
        at("2026-11-23T11:00"),
        working_days=2,
        country="RO",
        zone="Europe/Bucharest",
        stills=stills,
    )

    assert found == at("2026-11-26T00:00" if tick < timedelta() else "2026-11-27T00:00")
    cost = clock.days_still(stills[0], country="RO", zone="Europe/Bucharest")
    assert cost == (0 if tick < timedelta() else 1)


@pytest.mark.parametrize(
    ("now", "late"),
    [
        ("2026-11-25T23:59:59", 0),
        ("2026-11-26T00:00", 1),
        ("2026-11-26T23:59:59", 1),
        ("2026-11-27T00:00", 2),
        ("2026-11-29T12:00", 2),
        ("2026-12-02T00:00", 3),
    ],
)
def test_lateness_counts_the_working_days_that_began_since(now, late):
    found = clock.working_days_late(
        at(now), at("2026-11-26T00:00"), country="RO", zone="Europe/Bucharest"
    )

    assert found == late


DUE, AGAIN = at("2026-11-26T00:00"), at("2026-11-28T00:00")


@pytest.mark.parametrize(
    ("level", "now", "expected"),
    [
        (0, DUE - TICK, 0),
        (0, DUE, 1),
        (1, AGAIN - TICK, 1),
        (1, AGAIN, 2),
        (0, AGAIN, 2),
        (2, AGAIN + timedelta(days=365), 2),
    ],
)
def test_lateness_is_escalated_at_the_deadline_and_some_days_later(level, now, expected):
    assert escalation(level=level, due_at=DUE, again_at=AGAIN, now=now) == expected


def test_what_has_no_deadline_is_never_escalated():
    assert escalation(level=0, due_at=None, again_at=None, now=DUE) == 0
