"""Adding to what a call can grant."""

from datetime import datetime

from uzina.calls import access
from uzina.calls.actions import awards, spending
from uzina.calls.actions.cut_offs import checked_reason
from uzina.calls.models import Call, Capacity
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import CallState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.people.models import Person

MOST_BUDGET_HOURS = 2_000_000_000


@action
def fund_capacity(
    capacity: Capacity, *, gpu_hours: int, reason: str, key: str, by: Person, now: datetime
) -> Capacity:
    """Add hours to a capacity. Whoever waits for them is offered them; a spent call opens again.

    key  what makes sending it twice harmless: the same key adds once

    Raises NotAllowed call.fund.not_operator, Refused call.fund.archived, Invalid for hours or a
    reason that cannot be, and what the ledger refuses.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=capacity.call_id)
    if not access.may_run_calls(by):
        raise NotAllowed("call.fund.not_operator", _("Only an operator can add hours to a call."))
    if call.state is CallState.ARCHIVED:
        raise Refused("call.fund.archived", _("This call is archived: it grants nothing new."))
    words = checked_reason(reason)
    if not 1 <= gpu_hours <= MOST_BUDGET_HOURS:
        message = _("Write GPU-hours from 1 to {most}.")
        facts = {"most": MOST_BUDGET_HOURS}
        raise Invalid([Problem("gpu_hours", "call.create.budget_range", message, facts)])

    ledger.fund(
        capacity.account,
        amount=gpu_hours * MS_PER_HOUR,
        reason=words,
        key=f"fund:{capacity.code}:{key}",
        by=by,
        now=now,
    )
    awards.offer_next(call, now=now)
    spending.settle(call, now=now)
    return capacity
