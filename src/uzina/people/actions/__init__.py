"""Every write about people, organisations, projects, tokens and messages."""

from uzina.people.actions.organisations import (
    OrganisationFacts,
    change_organisation,
    register_organisation,
)
from uzina.people.actions.persons import (
    SIGN_IN_TRIES,
    SIGN_IN_WINDOW,
    appoint,
    note_failed_sign_in,
    register,
    sign_in,
    sign_out_everywhere,
    speak,
)
from uzina.people.actions.projects import (
    add_member,
    change_lead,
    close,
    extend_project,
    open_project,
    transfer_project,
    wind_up,
)
from uzina.people.actions.tokens import TOKEN_LONGEST, TOKEN_PREFIX, issue_token, revoke_token

__all__ = [
    "SIGN_IN_TRIES",
    "SIGN_IN_WINDOW",
    "TOKEN_LONGEST",
    "TOKEN_PREFIX",
    "OrganisationFacts",
    "add_member",
    "appoint",
    "change_lead",
    "change_organisation",
    "close",
    "extend_project",
    "issue_token",
    "note_failed_sign_in",
    "open_project",
    "register",
    "register_organisation",
    "revoke_token",
    "sign_in",
    "sign_out_everywhere",
    "speak",
    "transfer_project",
    "wind_up",
]
