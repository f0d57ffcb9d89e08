"""Pages of people."""

from uzina.people.views.accounts import (
    account,
    register,
    sign_in,
    sign_out,
    sign_out_everywhere,
    token_new,
    token_revoke,
)
from uzina.people.views.messages import (
    message,
    message_release,
    message_send_again,
    my_message,
    my_messages,
    outbox,
    release_batch,
    templates,
    unsubscribe,
    wishes,
)
from uzina.people.views.organisations import (
    organisation,
    organisation_change,
    organisation_new,
)

__all__ = [
    "account",
    "message",
    "message_release",
    "message_send_again",
    "my_message",
    "my_messages",
    "organisation",
    "organisation_change",
    "organisation_new",
    "outbox",
    "register",
    "release_batch",
    "sign_in",
    "sign_out",
    "sign_out_everywhere",
    "templates",
    "token_new",
    "token_revoke",
    "unsubscribe",
    "wishes",
]
