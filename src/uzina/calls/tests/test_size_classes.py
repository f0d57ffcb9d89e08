"""A small mid-cap is no SME: what modes say to a large enterprise they say to it too."""

import pytest

from uzina.calls.queries import modes as mode_queries
from uzina.people.rules import SME, SizeClass

RULES = [
    (version.slug, rule)
    for version in mode_queries.shipped()
    for rule in version.mode.rules
    if rule.fact == "size_class"
]


def test_there_are_rules_about_the_size():
    assert RULES


@pytest.mark.parametrize(("mode", "rule"), RULES, ids=[slug for slug, _rule in RULES])
def test_who_takes_smes_only_takes_no_small_mid_cap_and_says_what_to_do_instead(mode, rule):
    if SizeClass.LARGE in rule.allowed:
        return
    assert set(rule.allowed) <= set(SME)
    for instead in rule.instead:
        assert (SizeClass.LARGE in instead.values) is (SizeClass.SMALL_MID_CAP in instead.values)
