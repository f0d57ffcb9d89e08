"""A call closes itself when it is spent, and opens again when hours come back."""

from datetime import datetime

from uzina.calls import queries
from uzina.calls.models import Call
from uzina.calls.rules.flows import CallState
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.text import _


@action
def settle(call: Call, *, now: datetime) -> Call:
    """Mark a published call as spent, or as open again, as its capacities and money stand.

    Doing it again changes nothing.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    call = queries.calls().get(pk=call.pk)
    is_spent = queries.is_spent(call, now)
    if call.state is not CallState.PUBLISHED or is_spent == (call.spent_at is not None):
        return call

    call.spent_at = now if is_spent else None
    call.save(update_fields=["spent_at"])
    log("call.spent" if is_spent else "call.reopened", call.code, by=None, now=now, slug=call.slug)
    return call


def check_not_spent(call: Call, verb: str) -> None:
    """Raise Refused application.<verb>.spent where a call has nothing left to give."""
    if call.spent_at is not None:
        raise Refused(
            f"application.{verb}.spent",
            _(
                "This call has given all its hours. A draft you have is kept, and the call opens "
                "again when hours come back. Look at the open calls for another one."
            ),
        )
