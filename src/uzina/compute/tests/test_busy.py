"""The rules: what is full, what is wasted, why hours were not used."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.compute import rules
from uzina.compute.rules import DayUse, Held, Pause, Stay, Why

HOUR, DAY = 3600, 86_400
D0 = 1_800_000_000 - 1_800_000_000 % DAY
"""A midnight in UTC."""


# The rules: full, percentiles, waste -----------------------------------------------------------


@pytest.mark.parametrize(
    ("gpus", "gpus_free", "cpus_free", "waiting", "full"),
    [
        (8, 0, 5, 1, True),
        (8, 1, 0, 1, False),
        (8, 0, 0, 0, False),
        (0, 0, 0, 1, True),
        (0, 0, 1, 1, False),
    ],
)
def test_a_partition_is_full_when_jobs_wait_and_no_gpu_or_else_no_core_is_free(
    gpus, gpus_free, cpus_free, waiting, full
):
    assert (
        rules.is_full(gpus=gpus, gpus_free=gpus_free, cpus_free=cpus_free, jobs_waiting=waiting)
        is full
    )


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_covers_its_share(values, percent):
    ordered = sorted(values)
    found = rules.percentile(ordered, percent)

    def share(limit):
        return sum(value <= limit for value in ordered) * 100 >= percent * len(ordered)

    assert share(found)
    assert not any(share(value) for value in ordered if value < found)


def held(**changes):
    facts = {
        "gpus": 4,
        "elapsed_s": 10_000,
        "memory_mb": 40_000,
        "cpu_s": 500.0,
        "max_rss_mb": 10_001,
    }
    return Held(**facts | changes)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, []),
        ({"cpu_s": 499.9}, ["idle"]),
        ({"cpu_s": 0.0, "gpus": 0}, []),
        ({"cpu_s": 0.0, "elapsed_s": 600}, ["idle"]),
        ({"cpu_s": 0.0, "elapsed_s": 599}, []),
        ({"cpu_s": None}, []),
        ({"max_rss_mb": 10_000}, ["memory"]),
        ({"max_rss_mb": None}, []),
        ({"memory_mb": 8192, "max_rss_mb": 2048}, ["memory"]),
        ({"memory_mb": 8191, "max_rss_mb": 1}, []),
        ({"cpu_s": 1.0, "max_rss_mb": 1}, ["idle", "memory"]),
    ],
)
def test_waste_is_a_core_that_slept_beside_gpus_or_memory_asked_four_times_over(changes, found):
    assert rules.waste(held(**changes)) == found


# The rules: why hours were not used --------------------------------------------------------------


def one_day(stays, *, looks=None, pauses=()):
    [day] = rules.days_of(stays, cuts=[D0, D0 + DAY], looks=looks or {}, pauses=pauses)
    return day


def test_a_day_on_which_nothing_was_submitted_is_idle_and_says_so():
    day = one_day([])

    assert day == DayUse(D0, D0 + DAY, 0, 0, 0, 0, 0)
    assert (day.idle_s, day.why) == (DAY, Why.NOTHING)


@pytest.mark.parametrize(
    ("ended_s", "ran_s", "why"),
    [(D0, 0, Why.NOTHING), (D0 + 1, 1, Why.RAN)],
)
def test_a_run_counts_for_a_day_from_its_first_second_on(ended_s, ran_s, why):
    day = one_day([Stay("gpu", 4, D0 - 20, D0 - 10, ended_s)])

    assert (day.ran_s, day.gpu_s, day.why) == (ran_s, 4 * ran_s, why)


def test_a_run_that_begins_with_the_next_day_only_waited_on_this_one():
    day = one_day([Stay("gpu", 1, D0 + DAY - 1, D0 + DAY, D0 + DAY + 50)])

    assert (day.ran_s, day.waited_s, day.why) == (0, 1, Why.WAITED)


def test_a_run_over_midnight_is_cut_at_it():
    first, second = rules.days_of(
        [Stay("gpu", 2, D0 + DAY - 30, D0 + DAY - 10, D0 + DAY + 5)],
        cuts=[D0, D0 + DAY, D0 + 2 * DAY],
        looks={},
        pauses=[],
    )

    assert (first.waited_s, first.ran_s, first.gpu_s) == (20, 10, 20)
    assert (second.waited_s, second.ran_s, second.gpu_s) == (0, 5, 10)


def test_runs_side_by_side_fill_the_day_once_but_use_their_gpus_each():
    day = one_day([Stay("a", 1, D0, D0, D0 + 100), Stay("b", 2, D0 + 50, D0 + 50, D0 + 150)])

    assert (day.ran_s, day.gpu_s) == (150, 300)


def test_waiting_counts_only_where_nothing_ran():
    running, waiting = Stay("gpu", 1, D0, D0, D0 + 100), Stay("gpu", 1, D0 + 50, None, D0 + 130)
    day = one_day([running, waiting])

    assert (day.ran_s, day.waited_s, day.idle_s, day.why) == (100, 30, DAY - 130, Why.RAN)


def test_waiting_is_full_in_the_share_of_the_looks_that_saw_no_free_gpu():
    day = one_day(
        [Stay("gpu", 1, D0 + HOUR, None, D0 + 3 * HOUR)],
        looks={("gpu", D0 + HOUR): (45, 60), ("gpu", D0): (60, 60), ("cpu", D0 + HOUR): (1, 1)},
    )

    assert (day.full_s, day.waited_s) == (2700, 900 + HOUR)
    assert day.why is Why.WAITED


@pytest.mark.parametrize(("full", "why"), [(30, Why.FULL), (29, Why.WAITED)])
def test_a_day_is_full_when_it_waited_for_that_at_least_as_long_as_for_anything_else(full, why):
    stays = [Stay("gpu", 1, D0, None, D0 + HOUR)]

    assert one_day(stays, looks={("gpu", D0): (full, 60)}).why is why


def test_of_several_partitions_waited_for_the_fullest_counts():
    stays = [Stay("a", 1, D0, None, D0 + 600), Stay("b", 1, D0, None, D0 + 600)]
    looks = {("a", D0): (1, 4), ("b", D0): (3, 4)}

    assert one_day(stays, looks=looks).full_s == 450


@pytest.mark.parametrize(
    ("partition", "waited_in", "in_maintenance_s"),
    [("", "gpu", 200), ("gpu", "gpu", 200), ("cpu", "gpu", 0)],
)
def test_a_maintenance_explains_the_waiting_within_it_and_not_a_second_more(
    partition, waited_in, in_maintenance_s
):
    pause = Pause(partition, D0 + 100, D0 + 300)
    stays = [Stay(waited_in, 1, D0, None, D0 + 1000)]
    day = one_day(stays, pauses=[pause], looks={(waited_in, D0): (1, 1)})

    assert (day.maintenance_s, day.full_s) == (in_maintenance_s, 1000 - in_maintenance_s)


SECONDS = st.integers(0, 3 * DAY)
STAYS = st.builds(
    lambda partition, gpus, at, wait, run: Stay(
        partition,
        gpus,
        D0 - DAY + at,
        None if run is None else D0 - DAY + at + wait,
        D0 - DAY + at + wait + (run or 0),
    ),
    st.sampled_from(["", "a", "b"]),
    st.integers(0, 8),
    SECONDS,
    st.integers(0, DAY),
    st.none() | st.integers(0, DAY),
)


@given(
    st.lists(STAYS, max_size=8),
    st.dictionaries(
        st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 47).map(lambda n: D0 + n * HOUR)),
        st.integers(0, 60).map(lambda n: (n, 60)),
    ),
    st.lists(st.integers(D0, D0 + 2 * DAY), max_size=3),
)
def test_the_parts_of_the_days_add_up_to_them_and_to_what_was_counted_second_by_second(
    stays, looks, edges
):
    cuts = sorted({D0, D0 + 2 * DAY, *edges})
    found = rules.days_of(stays, cuts=cuts, looks=looks, pauses=[])

    assert [(day.starts_s, day.ends_s) for day in found] == list(pairwise(cuts))
    assert all(day.idle_s >= 0 for day in found)
    ran = {
        second // 60
        for stay in stays
        if stay.started_s is not None
        for second in range(max(stay.started_s, D0), min(stay.ended_s, D0 + 2 * DAY), 60)
    }
    assert bool(ran) == any(day.ran_s for day in found)
    assert sum(day.gpu_s for day in found) == sum(
        stay.gpus * max(0, min(stay.ended_s, D0 + 2 * DAY) - max(stay.started_s, D0))
        for stay in stays
        if stay.started_s is not None
    )
    whole = rules.days_of(stays, cuts=[D0, D0 + 2 * DAY], looks=looks, pauses=[])[0]
    for name in ("ran_s", "maintenance_s", "idle_s"):
        assert getattr(whole, name) == sum(getattr(day, name) for day in found)
