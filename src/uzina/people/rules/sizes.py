"""How large an enterprise is: Recommendations 2003/361/EC and (EU) 2025/1099.

The ceilings are data (ceilings.toml); the rules about partners, public owners, new enterprises and
two years in a row are here, each with its article of the Annex to Recommendation 2003/361/EC. We
apply the same rules to small mid-caps.
"""

import math
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from uzina.core.errors import Problem
from uzina.core.text import _
from uzina.people.rules.kinds import Named, Relation


class SizeClass(Named):
    """Size of an enterprise, from the smallest."""

    MICRO = "micro", _("Micro enterprise")
    SMALL = "small", _("Small enterprise")
    MEDIUM = "medium", _("Medium-sized enterprise")
    SMALL_MID_CAP = "small_mid_cap", _("Small mid-cap enterprise")
    LARGE = "large", _("Large enterprise")


SME = (SizeClass.MICRO, SizeClass.SMALL, SizeClass.MEDIUM)
"""What the Union calls small and medium-sized enterprises."""


@dataclass(frozen=True)
class Ceiling:
    """The ceiling of one size class: below `headcount`, and at most one of the two sums."""

    size: SizeClass
    since: date
    headcount: int
    turnover_eur: int
    balance_eur: int
    source: str

    def holds(self, year: "Year") -> bool:
        """Tell whether the figures of a year are within it (Article 2)."""
        return year.headcount < self.headcount and (
            year.turnover_eur <= self.turnover_eur or year.balance_eur <= self.balance_eur
        )


PARTNER_FROM, LINKED_ABOVE = 25, 50
"""Per cent of capital or votes. Recommendation 2003/361/EC, Annex, Article 3(2) and 3(3)."""

PUBLIC_FROM = 25
"""Per cent held by public bodies from which an enterprise is no SME (Article 3(4))."""

MOST_YEARS = 10


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
class Year:
    """The figures of one closed year; of a new enterprise, its own estimate in good faith.

    year       the year in which the accounts closed; 0 where nobody said
    headcount  annual work units
    """

    year: int
    headcount: int
    turnover_eur: int
    balance_eur: int
    is_estimate: bool = False


@dataclass(frozen=True)
class Reason:
    """One step of how a size follows from figures: an English template and its facts.

    Facts that end in _size are size classes, and those that end in _eur are money.
    """

    code: str
    message: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Sized:
    """The size of an enterprise and the figures it follows from, related enterprises included."""

    size: SizeClass
    headcount: int
    turnover_eur: int
    balance_eur: int
    reasons: tuple[Reason, ...] = field(default=(), compare=False)

    @property
    def is_sme(self) -> bool:
        """Tell whether it is a micro, small or medium-sized enterprise."""
        return self.size in SME


@cache
def all_ceilings() -> tuple[Ceiling, ...]:
    """Return every ceiling there ever was, in the order of the file."""
    text = (Path(__file__).parent.parent / "ceilings.toml").read_text(encoding="utf-8")
    return tuple(
        Ceiling(
            SizeClass(row["size"]),
            row["since"],
            row["below_headcount"],
            row["turnover_eur"],
            row["balance_eur"],
            row["source"],
        )
        for row in tomllib.loads(text)["ceilings"]
    )


def ceilings(on: date | None = None) -> tuple[Ceiling, ...]:
    """Return the ceilings in force on a day, the smallest class first; the newest without a day."""
    newest: dict[SizeClass, Ceiling] = {}
    for one in sorted(all_ceilings(), key=lambda one: one.since):
        if on is None or one.since <= on:
            newest[one.size] = one
    return tuple(newest[size] for size in SizeClass if size in newest)


def size_class(
    headcount: int, turnover_eur: int, balance_eur: int, related: Sequence[Related] = ()
) -> Sized:
    """Return the size class by the figures of one year, of which no year is known before."""
    return size_over([Year(0, headcount, turnover_eur, balance_eur)], related=related)


def size_over(
    years: Sequence[Year],
    *,
    related: Sequence[Related] = (),
    public_share_percent: int = 0,
    on: date | None = None,
) -> Sized:
    """Return the size class of an enterprise.

    years    closed years that follow each other, in any order; at least one
    related  partner enterprises count in proportion to the share, linked ones in full (Article 6);
             parts of a person or of a euro count upwards, against the applicant. Their figures
             are those of today and count in every year, so that a take-over counts at once
    public_share_percent  capital or votes that public bodies hold (Article 3(4))
    on       the day whose ceilings count; the newest without

    A status is lost or gained only after two years in a row on the other side of its ceilings
    (Article 4(2)). The oldest year known is taken as it is.
    """
    ordered = sorted(years, key=lambda one: one.year)
    summed = [_with_related(one, related) for one in ordered]
    last = summed[-1]
    reasons = [reason for one in summed for reason in _of_year(one, on)]
    size = _after_years(summed, on)
    if last.is_estimate:
        reasons.append(
            Reason(
                "organisation.size.estimate",
                _("No accounts are closed yet, so its own estimate counts (Article 4(3))."),
                {},
            )
        )
    now_size = _class_of(last, on)
    if size is not now_size:
        reasons.append(_two_years(size, now_size, last))
    if public_share_percent >= PUBLIC_FROM:
        size = SizeClass.LARGE
        reasons.append(
            Reason(
                "organisation.size.public",
                _(
                    "Public bodies hold {percent} per cent. From {limit} per cent on it is no"
                    " small or medium-sized enterprise, whatever its figures (Article 3(4))."
                ),
                {"percent": public_share_percent, "limit": PUBLIC_FROM},
            )
        )
    return Sized(size, last.headcount, last.turnover_eur, last.balance_eur, tuple(reasons))


def _with_related(year: Year, related: Iterable[Related]) -> Year:
    headcount, turnover, balance = year.headcount, year.turnover_eur, year.balance_eur
    for other in related:
        share = 100 if other.relation is Relation.LINKED else other.share_percent
        headcount += math.ceil(other.headcount * share / 100)
        turnover += math.ceil(other.turnover_eur * share / 100)
        balance += math.ceil(other.balance_eur * share / 100)
    return replace(year, headcount=headcount, turnover_eur=turnover, balance_eur=balance)


def _class_of(year: Year, on: date | None) -> SizeClass:
    return next((one.size for one in ceilings(on) if one.holds(year)), SizeClass.LARGE)


def _after_years(years: Sequence[Year], on: date | None) -> SizeClass:
    """Return the smallest class whose ceilings it is within, each lost or gained after two years.

    Every ceiling is followed by itself: from small to beyond medium in two years, of which the
    first was within medium, is medium.
    """
    for ceiling in ceilings(on):
        within = [ceiling.holds(one) for one in years]
        status = within[0]
        for before, now in pairwise(within):
            if before == now:
                status = now
        if status:
            return ceiling.size
    return SizeClass.LARGE


def _of_year(year: Year, on: date | None) -> list[Reason]:
    """Return the ceilings of its class; for what is no SME those of SMEs that it is beyond, too."""
    size = _class_of(year, on)
    by_size = {one.size: one for one in ceilings(on)}
    reasons = []
    if size not in SME:
        reasons.append(_beside(year, by_size[SizeClass.MEDIUM], is_within=False))
    if size in by_size:
        reasons.append(_beside(year, by_size[size], is_within=True))
    return reasons


def _beside(year: Year, ceiling: Ceiling, *, is_within: bool) -> Reason:
    facts = {
        "year": year.year,
        "people": year.headcount,
        "turnover_eur": year.turnover_eur,
        "balance_eur": year.balance_eur,
        "class_size": ceiling.size,
        "limit": ceiling.headcount,
        "turnover_limit_eur": ceiling.turnover_eur,
        "balance_limit_eur": ceiling.balance_eur,
        "source": ceiling.source,
    }
    if is_within:
        return Reason(
            "organisation.size.within",
            _(
                "{year}: headcount {people}, turnover EUR {turnover_eur}, balance sheet EUR"
                " {balance_eur}. Within the limits of “{class_size}”: a headcount below {limit}, and"
                " a turnover up to EUR {turnover_limit_eur} or a balance sheet up to EUR"
                " {balance_limit_eur} ({source})."
            ),
            facts,
        )
    return Reason(
        "organisation.size.beyond",
        _(
            "{year}: headcount {people}, turnover EUR {turnover_eur}, balance sheet EUR"
            " {balance_eur}. Beyond the limits of “{class_size}”: a headcount below {limit}, and a"
            " turnover up to EUR {turnover_limit_eur} or a balance sheet up to EUR"
            " {balance_limit_eur} ({source})."
        ),
        facts,
    )


def _two_years(size: SizeClass, now_size: SizeClass, last: Year) -> Reason:
    return Reason(
        "organisation.size.two_years",
        _(
            "By the figures of {year} alone it would be “{now_size}”. A class is lost or gained only"
            " after two years in a row (Article 4(2)), so it still counts as “{kept_size}”."
        ),
        {"year": last.year, "now_size": now_size, "kept_size": size},
    )


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


def years_problems(years: Sequence[Year], *, this_year: int) -> list[Problem]:
    """Return what is wrong with the years: closed, once each, following each other, few enough.

    Only the newest may be an estimate, and then it is the only one: an enterprise that closed
    accounts is not new.
    """
    problems = [
        Problem(
            f"years.{index}.year",
            "organisation.year.range",
            _("Give the year in which the accounts closed, up to {latest}."),
            {"latest": this_year},
        )
        for index, one in enumerate(years)
        if not this_year - 2 * MOST_YEARS <= one.year <= this_year
    ]
    listed = sorted(one.year for one in years)
    if not problems and listed and listed != [*range(listed[0], listed[0] + len(listed))]:
        problems.append(
            Problem(
                "years",
                "organisation.year.gap",
                _("Give years that follow each other, each once: a gap hides what came between."),
            )
        )
    if len(years) > 1 and any(one.is_estimate for one in years):
        problems.append(
            Problem(
                "years",
                "organisation.year.estimate",
                _("An estimate is for enterprises that have closed no accounts yet."),
            )
        )
    return problems
