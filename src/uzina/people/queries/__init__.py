"""Reads worth a name."""

from uzina.people.queries.messages import (
    awaiting_digest,
    held_batches,
    messages_about,
    unsubscribe_token,
    unsubscribing,
    wish,
    wishes,
)
from uzina.people.queries.organisations import (
    is_affiliated,
    organisations_of,
    related_of,
    represents,
    sized,
)
from uzina.people.queries.persons import people_with_role, person, person_by_email, token_holder
from uzina.people.queries.projects import (
    members_of,
    people_in,
    project,
    projects_by_id,
    projects_of,
)

__all__ = [
    "awaiting_digest",
    "held_batches",
    "is_affiliated",
    "members_of",
    "messages_about",
    "organisations_of",
    "people_in",
    "people_with_role",
    "person",
    "person_by_email",
    "project",
    "projects_by_id",
    "projects_of",
    "related_of",
    "represents",
    "sized",
    "token_holder",
    "unsubscribe_token",
    "unsubscribing",
    "wish",
    "wishes",
]
