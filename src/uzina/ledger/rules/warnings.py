"""When a project is told that its hours come to their end."""

from uzina.ledger.rules.kinds import WARN_AT, AtExhaustion, Balance

SLOW_FROM = 90
"""Per cent spent from which new jobs wait behind everybody else's, where the policy is "slow"."""


def level(balance: Balance) -> int:
    """Return the highest of 75, 90 and 100 % of the budget that is spent, or 0.

    Spent, not held: a hold is released again where a job ends early, and nobody should be told
    twice that the same hours are gone.
    """
    return max(
        (percent for percent in WARN_AT if balance.spent * 100 >= max(percent * balance.budget, 1)),
        default=0,
    )


def is_slow(policy: str, balance: Balance) -> bool:
    """Tell whether new jobs of an allocation go behind everybody else's."""
    return policy == AtExhaustion.SLOW and level(balance) >= SLOW_FROM
