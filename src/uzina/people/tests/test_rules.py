import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from uzina.people.rules import Related, Relation, SizeClass, related_problems, size_class


@pytest.mark.parametrize(
    ("headcount", "turnover", "balance", "size"),
    [
        (0, 0, 0, SizeClass.MICRO),
        (9, 2_000_000, 9_000_000, SizeClass.MICRO),
        (9, 9_000_000, 2_000_000, SizeClass.MICRO),
        (9, 2_000_001, 2_000_001, SizeClass.SMALL),
        (10, 0, 0, SizeClass.SMALL),
        (49, 10_000_000, 99_000_000, SizeClass.SMALL),
        (49, 10_000_001, 10_000_001, SizeClass.MEDIUM),
        (50, 0, 0, SizeClass.MEDIUM),
        (249, 50_000_000, 99_000_000, SizeClass.MEDIUM),
        (249, 99_000_000, 43_000_000, SizeClass.MEDIUM),
        (249, 50_000_001, 43_000_001, SizeClass.SMALL_MID_CAP),
        (250, 0, 0, SizeClass.SMALL_MID_CAP),
        (749, 150_000_000, 999_000_000, SizeClass.SMALL_MID_CAP),
        (749, 999_000_000, 129_000_000, SizeClass.SMALL_MID_CAP),
        (749, 150_000_001, 129_000_001, SizeClass.LARGE),
        (750, 0, 0, SizeClass.LARGE),
    ],
)
def test_an_enterprise_has_the_size_of_the_recommendation(headcount, turnover, balance, size):
    sized = size_class(headcount, turnover, balance)
    assert sized.size is size
    assert sized.is_sme is (size not in {SizeClass.SMALL_MID_CAP, SizeClass.LARGE})


def test_a_partner_counts_in_proportion_and_a_linked_enterprise_in_full():
    related = [
        Related("Partner", Relation.PARTNER, 30, 101, 1_000_001, 100),
        Related("Linked", Relation.LINKED, 60, 200, 5_000_000, 7),
    ]
    sized = size_class(10, 1_000, 1_000, related)
    assert (sized.headcount, sized.turnover_eur, sized.balance_eur) == (241, 5_301_001, 1_037)
    assert sized.size is SizeClass.MEDIUM


def test_one_person_more_in_a_linked_enterprise_makes_it_no_sme():
    def of(people):
        return size_class(50, 0, 0, [Related("L", Relation.LINKED, 51, people, 0, 0)]).size

    assert of(199) is SizeClass.MEDIUM
    assert of(200) is SizeClass.SMALL_MID_CAP


@examples(deadline=None)
@given(st.integers(0, 900), st.integers(0, 10**8), st.integers(0, 10**8), st.integers(0, 500))
def test_a_related_enterprise_never_makes_one_smaller(headcount, turnover, balance, more):
    order = list(SizeClass)
    alone = size_class(headcount, turnover, balance)
    together = size_class(
        headcount, turnover, balance, [Related("L", Relation.LINKED, 51, more, 0, 0)]
    )
    assert order.index(together.size) >= order.index(alone.size)


@pytest.mark.parametrize(
    ("relation", "share", "code"),
    [
        (Relation.PARTNER, 24, "organisation.related.share_range"),
        (Relation.PARTNER, 25, None),
        (Relation.PARTNER, 50, None),
        (Relation.PARTNER, 51, "organisation.related.wrong_relation"),
        (Relation.LINKED, 50, "organisation.related.wrong_relation"),
        (Relation.LINKED, 51, None),
        (Relation.LINKED, 100, None),
        (Relation.LINKED, 101, "organisation.related.share_range"),
    ],
)
def test_the_share_decides_between_partner_and_linked(relation, share, code):
    problems = related_problems([Related("X", relation, share, 1, 1, 1)])
    assert [problem.code for problem in problems] == ([code] if code else [])
