"""Cut-offs that move: with a reason, a history, and word to everybody who has a draft."""

from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import steps
from uzina.calls.models import Call, CutOff, CutOffMove
from uzina.calls.rules import cut_offs
from uzina.calls.rules.flows import CallState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Person

LONGEST_REASON = 500


def checked_reason(reason: str) -> str:
    """Return a reason without spaces around it. Raises Invalid where there is none."""
    words = reason.strip()
    if not words or len(words) > LONGEST_REASON or "\x00" in words:
        raise Invalid(
            [
                Problem(
                    "reason",
                    "call.change.reason",
                    _("Say why, in at most {most} characters: applicants read it."),
                    {"most": LONGEST_REASON},
                )
            ]
        )
    return words


@action
def move_cut_off(
    cut_off: CutOff, *, closes_at: datetime, reason: str, by: Person, now: datetime
) -> CutOffMove:
    """Let a cut-off close at another instant; the next one opens where this one closes.

    Applications keep their cut-off: what counts from it is counted anew. Everybody with a draft
    is told. Raises NotAllowed cut_off.move.not_operator, Refused cut_off.move.archived and what
    rules.cut_offs.check_move refuses, Invalid for a move without a reason.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=cut_off.call_id)
    if not access.may_run_calls(by):
        raise NotAllowed("cut_off.move.not_operator", _("Only an operator can move a cut-off."))
    if call.state is CallState.ARCHIVED:
        raise Refused(
            "cut_off.move.archived", _("This call is archived: nothing can be handed in any more.")
        )
    words = checked_reason(reason)
    cut_off = CutOff.objects.select_for_update(of=("self",)).get(pk=cut_off.pk)
    following = call.cut_offs.filter(closes_at__gt=cut_off.closes_at).order_by("closes_at").first()
    cut_offs.check_move(
        opens_at=cut_off.opens_at,
        before=cut_off.closes_at,
        after=closes_at,
        next_closes_at=following.closes_at if following else None,
        now=now,
    )

    move = CutOffMove.objects.create(
        cut_off=cut_off,
        closes_at_before=cut_off.closes_at,
        closes_at_after=closes_at,
        reason=words,
        moved_by=by,
        moved_at=now,
    )
    if following and (following.opens_at == cut_off.closes_at or following.opens_at < closes_at):
        following.opens_at = closes_at
        following.save(update_fields=["opens_at"])
    cut_off.closes_at = closes_at
    cut_off.save(update_fields=["closes_at"])
    if call.closes_at is not None and call.closes_at < closes_at:
        call.closes_at = closes_at
        call.save(update_fields=["closes_at"])
    steps.cut_off_moved(cut_off, now=now)
    log(
        "cut_off.moved",
        call.code,
        by=by,
        now=now,
        before=move.closes_at_before,
        after=closes_at,
        reason=words,
    )
    promise("calls.tell_cut_off_moved", key=f"cut_off_move:{move.pk}", now=now, move=move.pk)
    return move


@action
def tell_cut_off_moved(move: CutOffMove, *, now: datetime) -> int:
    """Write to everybody who has a draft in the call, once each. Return to how many."""
    call = move.cut_off.call
    told: set[int] = set()
    for draft in queries.drafts_of(call):
        for person in [draft.applicant, *(one.person for one in draft.editors.all())]:
            if person.pk in told:
                continue
            told.add(person.pk)
            people.write_message(
                person,
                kind="calls.cut_off_moved",
                facts={
                    "application": draft,
                    "call": call,
                    "before": move.closes_at_before,
                    "after": move.closes_at_after,
                    "reason": move.reason,
                    "path": f"/applications/{draft.code}/",
                },
                about=draft.code,
                key=f"cut_off_moved.{move.pk}.{person.pk}",
                now=now,
            )
    return len(told)
