"""The size of an enterprise over its years: Recommendation 2003/361/EC, Annex, Articles 2 to 6."""

from dataclasses import replace
from datetime import date
from itertools import pairwise

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from uzina.core.errors import Invalid
from uzina.core.tests import NOW
from uzina.people import actions, queries, rules
from uzina.people.models import OrganisationYear
from uzina.people.rules import OrganisationKind, Related, Relation, SizeClass, Year, size_over

ORDER = list(SizeClass)
PEOPLE = {
    SizeClass.MICRO: 5,
    SizeClass.SMALL: 20,
    SizeClass.MEDIUM: 100,
    SizeClass.SMALL_MID_CAP: 500,
    SizeClass.LARGE: 5000,
}


def years(*sizes, since=2020):
    """Return years of which each by itself is of the size, without money."""
    return [Year(since + index, PEOPLE[size], 0, 0) for index, size in enumerate(sizes)]


figures = st.builds(
    lambda people, turnover, balance: (people, turnover, balance),
    st.integers(0, 1000),
    st.integers(0, 2 * 10**8),
    st.integers(0, 2 * 10**8),
)
histories = st.lists(figures, min_size=1, max_size=8).map(
    lambda rows: [Year(2015 + index, *row) for index, row in enumerate(rows)]
)


def alone(year):
    return rules.size_class(year.headcount, year.turnover_eur, year.balance_eur).size


MICRO, SMALL, MEDIUM, MID_CAP, LARGE = ORDER


@pytest.mark.parametrize(
    ("sizes", "size"),
    [
        ([SMALL], SMALL),
        ([SMALL, MEDIUM], SMALL),
        ([SMALL, MEDIUM, MEDIUM], MEDIUM),
        ([SMALL, MEDIUM, SMALL], SMALL),
        ([SMALL, MEDIUM, SMALL, MEDIUM], SMALL),
        ([SMALL, MEDIUM, LARGE], MEDIUM),
        ([SMALL, MEDIUM, LARGE, LARGE], LARGE),
        ([MEDIUM, LARGE], MEDIUM),
        ([MEDIUM, LARGE, LARGE], LARGE),
        ([LARGE, MEDIUM], LARGE),
        ([LARGE, MEDIUM, MEDIUM], MEDIUM),
        ([LARGE, LARGE, MICRO, SMALL], SMALL),
        ([MEDIUM, MID_CAP, MID_CAP], MID_CAP),
        ([LARGE, MID_CAP, MEDIUM], MID_CAP),
    ],
)
def test_a_class_is_lost_or_gained_after_two_years_in_a_row(sizes, size):
    assert size_over(years(*sizes)).size is size


@examples(deadline=None)
@given(histories)
def test_two_years_alike_decide_whatever_came_before(history):
    sized = size_over(history)
    if len(history) > 1 and alone(history[-1]) is alone(history[-2]):
        assert sized.size is alone(history[-1])


@examples(deadline=None)
@given(histories)
def test_the_class_is_one_that_the_figures_once_had(history):
    assert size_over(history).size in {alone(one) for one in history}


@examples(deadline=None)
@given(histories)
def test_one_more_year_moves_the_class_towards_that_year_or_not_at_all(history):
    if len(history) < 2:
        return
    before, after = size_over(history[:-1]).size, size_over(history).size
    last = alone(history[-1])
    low, high = sorted((ORDER.index(before), ORDER.index(last)))
    assert low <= ORDER.index(after) <= high


@examples(deadline=None)
@given(histories, st.integers(0, 500), st.integers(0, 10**8))
def test_a_linked_enterprise_never_makes_one_smaller_in_any_history(history, people, money):
    together = size_over(history, related=[Related("L", Relation.LINKED, 60, people, money, money)])
    assert ORDER.index(together.size) >= ORDER.index(size_over(history).size)


@examples(deadline=None)
@given(histories)
def test_the_order_in_which_years_are_given_says_nothing(history):
    assert size_over(history[::-1]) == size_over(history)


def test_a_take_over_counts_at_once():
    bought = [Related("Group", Relation.LINKED, 100, 10_000, 0, 0)]
    assert size_over(years(SMALL, SMALL, SMALL), related=bought).size is LARGE


@pytest.mark.parametrize(("percent", "size"), [(0, MICRO), (24, MICRO), (25, LARGE), (100, LARGE)])
def test_from_a_quarter_in_public_hands_it_is_no_sme(percent, size):
    sized = size_over(years(MICRO, MICRO), public_share_percent=percent)
    assert sized.size is size
    assert ("organisation.size.public" in {one.code for one in sized.reasons}) is (size is LARGE)


def test_the_reasons_name_the_year_the_ceiling_and_what_is_kept():
    sized = size_over(years(MEDIUM, LARGE))
    assert [(one.code, one.facts["year"]) for one in sized.reasons] == [
        ("organisation.size.within", 2020),
        ("organisation.size.beyond", 2021),
        ("organisation.size.two_years", 2021),
    ]
    kept = sized.reasons[-1].facts
    assert (kept["now_size"], kept["kept_size"]) == (LARGE, MEDIUM)


@pytest.mark.parametrize("language", ["en", "ro"])
def test_the_reasons_are_said_in_the_language_of_the_reader(language):
    sized = size_over(
        [Year(2024, 100, 1_500_000, 0), Year(2025, 800, 1_500_000, 0)], public_share_percent=30
    )
    with translation.override(language):
        said = queries.size_reasons(sized)
    assert len(said) == 4
    assert ("1.500.000" if language == "ro" else "1,500,000") in said[0]
    assert not any("{" in one for one in said)
    assert ("persoane" in said[0]) is (language == "ro")


def test_ceilings_have_a_day_and_a_source():
    before = rules.ceilings(date(2025, 5, 27))
    assert [one.size for one in before] == [MICRO, SMALL, MEDIUM]
    assert [one.size for one in rules.ceilings(date(2025, 5, 28))] == [*ORDER[:4]]
    assert all(one.source.startswith("Commission Recommendation") for one in rules.ceilings())
    for smaller, larger in pairwise(rules.ceilings()):
        assert smaller.headcount < larger.headcount
        assert smaller.turnover_eur < larger.turnover_eur
        assert smaller.balance_eur < larger.balance_eur
    assert size_over(years(MID_CAP), on=date(2025, 5, 27)).size is LARGE


@pytest.mark.parametrize(
    ("listed", "codes"),
    [
        ([], []),
        ([2026], []),
        ([2027], ["organisation.year.range"]),
        ([2006], []),
        ([2005], ["organisation.year.range"]),
        ([2024, 2025], []),
        ([2025, 2023], ["organisation.year.gap"]),
        ([2025, 2025], ["organisation.year.gap"]),
    ],
)
def test_years_follow_each_other_up_to_this_one(listed, codes):
    found = rules.years_problems([Year(one, 1, 1, 1) for one in listed], this_year=2026)
    assert [one.code for one in found] == codes


def test_an_estimate_stands_alone():
    estimate = Year(2026, 1, 1, 1, is_estimate=True)
    assert rules.years_problems([estimate], this_year=2026) == []
    (found,) = rules.years_problems([Year(2025, 1, 1, 1), estimate], this_year=2026)
    assert found.code == "organisation.year.estimate"
    codes = [one.code for one in size_over([estimate]).reasons]
    assert codes == ["organisation.size.within", "organisation.size.estimate"]


# Kept -----------------------------------------------------------------------------------------

FACTS = actions.OrganisationFacts(name="Limbă Vie", kind=OrganisationKind.SME, country="RO")


@pytest.mark.django_db
def test_the_years_are_kept_and_the_newest_gives_the_figures(ana):
    history = (Year(2024, 300, 90_000_000, 1), Year(2025, 10, 20, 30))
    made = actions.register_organisation(replace(FACTS, years=history), by=ana, now=NOW)

    assert (made.headcount, made.turnover_eur, made.balance_eur) == (10, 20, 30)
    assert queries.sized(made).size is MID_CAP

    changed = actions.change_organisation(made, replace(FACTS, headcount=7), by=ana, now=NOW)
    assert queries.sized(changed).size is MICRO
    assert not OrganisationYear.objects.exists()


@pytest.mark.django_db
def test_years_with_a_gap_are_refused_and_leave_nothing(ana):
    gap = (Year(2023, 1, 1, 1), Year(2025, 1, 1, 1))
    with pytest.raises(Invalid) as invalid:
        actions.register_organisation(replace(FACTS, years=gap), by=ana, now=NOW)
    assert invalid.value.problems[0].code == "organisation.year.gap"
    assert not OrganisationYear.objects.exists()
