"""The closed lists of words that people and organisations are described by."""

from enum import StrEnum
from typing import Self

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
