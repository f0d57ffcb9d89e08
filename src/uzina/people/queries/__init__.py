"""Reads worth a name."""

from uzina.people.queries.messages import (
    awaiting_digest,
    held_batches,
    messages_about,
    messages_seen_by,
    unsubscribe_token,
    unsubscribing,
    wish,
    wishes,
)
from uzina.people.queries.organisations import (
    is_affiliated,
    linked_names,
    names_and_links,
    organisations_by_person,
    organisations_of,
    related_of,
    represents,
    sized,
)
from uzina.people.queries.persons import (
    people_by_ids,
    people_with_role,
    person,
    person_by_email,
    token_holder,
)
from uzina.people.queries.projects import (
    fellows_of,
    members_of,
    people_in,
    project,
    projects_by_id,
    projects_of,
)

__all__ = [
    "awaiting_digest",
    "fellows_of",
    "held_batches",
    "is_affiliated",
    "linked_names",
    "members_of",
    "messages_about",
    "messages_seen_by",
    "names_and_links",
    "organisations_by_person",
    "organisations_of",
    "people_by_ids",
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
