"""Decisions about people, organisations, projects and messages. Pure."""

from uzina.people.rules.kinds import (
    HOST_ROLES,
    MembershipKind,
    Named,
    OrganisationKind,
    Relation,
    RoleKind,
)
from uzina.people.rules.projects import PROJECT, ProjectState, check_extension, ended_early
from uzina.people.rules.sizes import (
    CEILINGS,
    LINKED_ABOVE,
    PARTNER_FROM,
    Ceiling,
    Related,
    SizeClass,
    Sized,
    related_problems,
    size_class,
)

__all__ = [
    "CEILINGS",
    "HOST_ROLES",
    "LINKED_ABOVE",
    "PARTNER_FROM",
    "PROJECT",
    "Ceiling",
    "MembershipKind",
    "Named",
    "OrganisationKind",
    "ProjectState",
    "Related",
    "Relation",
    "RoleKind",
    "SizeClass",
    "Sized",
    "check_extension",
    "ended_early",
    "related_problems",
    "size_class",
]
