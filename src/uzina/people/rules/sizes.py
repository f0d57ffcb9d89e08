"""How large an enterprise is: Recommendation 2003/361/EC."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from uzina.core.errors import Problem
from uzina.core.text import _
from uzina.people.rules.kinds import Named, Relation


class SizeClass(Named):
    """Size of an enterprise under Recommendation 2003/361/EC."""

    MICRO = "micro", _("Micro enterprise")
    SMALL = "small", _("Small enterprise")
    MEDIUM = "medium", _("Medium-sized enterprise")
    LARGE = "large", _("Large enterprise")


@dataclass(frozen=True)
class Ceiling:
    """The ceiling of one size class: below `headcount`, and at most one of the two sums."""

    size: SizeClass
    headcount: int
    turnover_eur: int
    balance_eur: int


CEILINGS = (
    Ceiling(SizeClass.MICRO, 10, 2_000_000, 2_000_000),
    Ceiling(SizeClass.SMALL, 50, 10_000_000, 10_000_000),
    Ceiling(SizeClass.MEDIUM, 250, 50_000_000, 43_000_000),
)
"""Recommendation 2003/361/EC, Annex, Article 2."""


PARTNER_FROM, LINKED_ABOVE = 25, 50
"""Per cent of capital or votes. Recommendation 2003/361/EC, Annex, Article 3(2) and 3(3)."""


@dataclass(frozen=True)
class Related:
    """One partner or linked enterprise.

    share_percent  capital or votes held, the higher of the two, above 0 to 100
    """

    name: str
    relation: Relation
    share_percent: int
    headcount: int
    turnover_eur: int
    balance_eur: int


@dataclass(frozen=True)
class Sized:
    """The size of an enterprise and the figures it follows from, related enterprises included."""

    size: SizeClass
    headcount: int
    turnover_eur: int
    balance_eur: int

    @property
    def is_sme(self) -> bool:
        """Tell whether it is a micro, small or medium-sized enterprise."""
        return self.size is not SizeClass.LARGE


def size_class(
    headcount: int, turnover_eur: int, balance_eur: int, related: Sequence[Related] = ()
) -> Sized:
    """Return the size class of an enterprise.

    headcount    annual work units, zero or more
    related      partner enterprises count in proportion to the share, linked ones in full
                 (Recommendation 2003/361/EC, Annex, Article 6); parts of a person or of a euro
                 count upwards, against the applicant
    returns      headcount below the ceiling and turnover or balance sheet within it, by Article 2

    The two-year rule of Article 4(2) is not applied: it needs the figures of two closed years.
    """
    for other in related:
        share = 100 if other.relation is Relation.LINKED else other.share_percent
        headcount += math.ceil(other.headcount * share / 100)
        turnover_eur += math.ceil(other.turnover_eur * share / 100)
        balance_eur += math.ceil(other.balance_eur * share / 100)
    size = next(
        (
            ceiling.size
            for ceiling in CEILINGS
            if headcount < ceiling.headcount
            and (turnover_eur <= ceiling.turnover_eur or balance_eur <= ceiling.balance_eur)
        ),
        SizeClass.LARGE,
    )
    return Sized(size, headcount, turnover_eur, balance_eur)


def related_problems(related: Sequence[Related]) -> list[Problem]:
    """Return what is wrong with the shares: a partner has 25 to 50 %, a linked one above 50 %."""
    problems = []
    for index, other in enumerate(related):
        is_linked = other.share_percent > LINKED_ABOVE
        if not PARTNER_FROM <= other.share_percent <= 100:
            problems.append(
                Problem(
                    f"related_enterprises.{index}.share_percent",
                    "organisation.related.share_range",
                    _("Give a share from {least} to 100 per cent; below that it does not count."),
                    {"least": PARTNER_FROM},
                )
            )
        elif is_linked != (other.relation is Relation.LINKED):
            problems.append(
                Problem(
                    f"related_enterprises.{index}.relation",
                    "organisation.related.wrong_relation",
                    _("Above {most} per cent is a linked enterprise, up to it a partner."),
                    {"most": LINKED_ABOVE},
                )
            )
    return problems
