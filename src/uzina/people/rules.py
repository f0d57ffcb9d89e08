"""Decisions about people and organisations. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from uzina.core.errors import Problem
from uzina.core.flow import Flow, Move, States
from uzina.core.text import _


class Named(StrEnum):
    """A closed list of words, each with its name for people."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class OrganisationKind(Named):
    """What sort of body a person acts for (the portal's list: domain.md 1.5)."""

    STARTUP = "startup", _("Start-up")
    SME = "sme", _("Small or medium enterprise")
    LARGE_ENTERPRISE = "large_enterprise", _("Large enterprise")
    UNIVERSITY = "university", _("University")
    RESEARCH = "research", _("Research institution")
    PUBLIC = "public", _("Public administration")
    NGO = "ngo", _("Non-governmental organisation")
    OTHER = "other", _("Other")


class RoleKind(Named):
    """What a person may do for the factory itself."""

    OPERATOR = "operator", _("Operator")
    ASSESSOR = "assessor", _("Technical assessor")
    AUDITOR = "auditor", _("Auditor")
    REVIEWER = "reviewer", _("External expert")
    PANEL = "panel", _("Member of the resource allocation panel")


HOST_ROLES = (RoleKind.OPERATOR, RoleKind.ASSESSOR, RoleKind.AUDITOR)
"""The roles of the factory's own people. Experts and panel members come from elsewhere and see
only what they are asked to judge."""


class MembershipKind(Named):
    """What a person is in a project."""

    LEAD = "lead", _("Project lead")
    MEMBER = "member", _("Member")


class Relation(Named):
    """How another enterprise is related to the organisation, from the side of its share."""

    PARTNER = "partner", _("Partner enterprise")
    LINKED = "linked", _("Linked enterprise")


class SizeClass(Named):
    """Size of an enterprise under Recommendation 2003/361/EC."""

    MICRO = "micro", _("Micro enterprise")
    SMALL = "small", _("Small enterprise")
    MEDIUM = "medium", _("Medium-sized enterprise")
    LARGE = "large", _("Large enterprise")


class ProjectState(States):
    """Where a project stands."""

    ACTIVE = "active", _("Active"), "good"
    CLOSING = "closing", _("Closing"), "busy"
    CLOSED = "closed", _("Closed"), "quiet"


PROJECT: Flow[ProjectState] = Flow(
    "project",
    {
        "wind_up": Move(ProjectState.ACTIVE, to=ProjectState.CLOSING),
        "close": Move(ProjectState.CLOSING, to=ProjectState.CLOSED),
    },
)


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
