"""People, organisations, roles, projects, tokens and messages."""

from uzina.people.models.messages import Message, MessageQuerySet, MessageWish
from uzina.people.models.organisations import (
    Affiliation,
    Organisation,
    OrganisationQuerySet,
    OrganisationYear,
    RelatedEnterprise,
)
from uzina.people.models.persons import (
    ApiToken,
    FailedSignIn,
    Person,
    PersonManager,
    PersonQuerySet,
    Role,
)
from uzina.people.models.projects import Membership, Project, ProjectQuerySet

__all__ = [
    "Affiliation",
    "ApiToken",
    "FailedSignIn",
    "Membership",
    "Message",
    "MessageQuerySet",
    "MessageWish",
    "Organisation",
    "OrganisationQuerySet",
    "OrganisationYear",
    "Person",
    "PersonManager",
    "PersonQuerySet",
    "Project",
    "ProjectQuerySet",
    "RelatedEnterprise",
    "Role",
]
