"""Who sits on a panel, what it agrees on, and when it is done."""

from collections.abc import Mapping
from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import steps
from uzina.calls.models import Application, Call, Consensus, CutOff, PanelSeat
from uzina.calls.rules import modes, ranking
from uzina.calls.rules.steps import StepKind, StepState
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people.models import Person
from uzina.people.rules import RoleKind


def _locked(call: Call) -> Call:
    return Call.objects.select_for_update(of=("self",)).get(pk=call.pk)  # type: ignore[no-any-return]


@action
def seat(
    call: Call,
    *,
    person: Person,
    is_for_appeals: bool,
    is_chair: bool,
    by: Person,
    now: datetime,
) -> PanelSeat:
    """Seat a person on the panel of a call, or on its second one, that hears appeals.

    Seating them again changes who is the chair, of whom there is one. Raises NotAllowed
    panel.seat.not_operator, Refused panel.seat.not_panel, panel.seat.other_panel.
    """
    call = _locked(call)
    if not access.may_run_calls(by):
        raise NotAllowed("panel.seat.not_operator", _("Only an operator can seat a panel."))
    if not person.has_role(RoleKind.PANEL):
        raise Refused(
            "panel.seat.not_panel",
            _("{person} has not the role of a panel member. An administrator gives it first."),
            person=person.name,
        )
    kept = PanelSeat.objects.filter(call=call, person=person).first()
    if kept is not None and kept.is_for_appeals is not is_for_appeals:
        raise Refused(
            "panel.seat.other_panel",
            _("{person} sits on the other panel of this call: nobody judges the same case twice."),
            person=person.name,
        )

    if is_chair:
        panel = PanelSeat.objects.filter(call=call, is_for_appeals=is_for_appeals)
        panel.update(is_chair=False)
    found = kept or PanelSeat(call=call, person=person, is_for_appeals=is_for_appeals, made_at=now)
    found.is_chair = is_chair
    found.save()
    log(
        "panel.seated",
        call.code,
        by=by,
        now=now,
        person=person.code,
        is_for_appeals=is_for_appeals,
        is_chair=is_chair,
    )
    return found


@action
def unseat(seat: PanelSeat, *, by: Person, now: datetime) -> None:
    """Take a person off a panel. What they wrote stays. Raises NotAllowed panel.unseat.not_operator."""
    call = _locked(seat.call)
    if not access.may_run_calls(by):
        raise NotAllowed("panel.unseat.not_operator", _("Only an operator can seat a panel."))
    gone, _each = PanelSeat.objects.filter(pk=seat.pk).delete()
    if gone:
        log("panel.unseated", call.code, by=by, now=now, person=seat.person.code)


def _check_sits(by: Person, call: Call, verb: str) -> PanelSeat:
    found = queries.seat_of(by, call, is_for_appeals=False)
    if found is None or not by.has_role(RoleKind.PANEL):
        raise NotAllowed(
            f"consensus.{verb}.not_panel", _("Only a member of the panel of this call can do this.")
        )
    return found


@action
def agree(
    application: Application,
    *,
    scores: Mapping[str, int],
    comment: str,
    note: str,
    by: Person,
    now: datetime,
) -> Consensus:
    """Write down what the panel agreed on one application; again until the panel is closed.

    scores   {criterion key: thousandths of a point}, one for each criterion
    comment  for the applicant; note for the record

    Raises NotAllowed consensus.agree.not_panel, consensus.agree.conflict, Refused
    consensus.agree.not_now, Invalid with every score that cannot be.
    """
    call = _locked(application.call)
    _check_sits(by, call, "agree")
    if queries.has_interest(by, application):
        raise NotAllowed(
            "consensus.agree.conflict",
            _("Somebody with an interest in an application cannot judge it."),
        )
    if not application.steps.filter(kind=StepKind.PANEL, state=StepState.OPEN).exists():
        raise Refused(
            "consensus.agree.not_now",
            _("{application} is not before the panel now."),
            application=application.code,
        )
    kept = _scores(call.mode, scores)

    found, is_new = Consensus.objects.update_or_create(
        application=application,
        defaults={
            "scores": kept,
            "score_milli": _weighted(call.mode, kept),
            "comment": comment,
            "note": note,
            "is_by_mean": False,
            "made_by": by,
            "made_at": now,
        },
    )
    log(
        "consensus.agreed",
        application.code,
        by=by,
        now=now,
        score_milli=found.score_milli,
        scores=kept,
        is_new=is_new,
    )
    return found  # type: ignore[no-any-return]


def _scores(mode: modes.Mode, scores: Mapping[str, int]) -> dict[str, int]:
    scoring = mode.scoring
    if scoring is None:
        return {}
    problems = [
        Problem(
            one.key,
            "consensus.agree.score",
            _("Give a score from {least} to {most}."),
            {"least": scoring.least, "most": scoring.most},
        )
        for one in scoring.criteria
        if not 1000 * scoring.least <= scores.get(one.key, -1) <= 1000 * scoring.most
    ]
    if problems:
        raise Invalid(problems)
    return {one.key: scores[one.key] for one in scoring.criteria}


def _weighted(mode: modes.Mode, scores: Mapping[str, int]) -> int:
    weights = {one.key: one.weight for one in mode.scoring.criteria} if mode.scoring else {}
    return ranking.weighted_milli(scores, weights)


@action
def close_panel(
    call: Call, *, cut_off: CutOff | None, reason: str, by: Person, now: datetime
) -> list[Application]:
    """End the panel of a cut-off: all its applications go to the ranking.

    reason  why what was not discussed is ranked by the mean of its reviews; may be empty where
            the panel agreed on each

    Raises NotAllowed consensus.close.not_panel, panel.close.not_chair, Refused
    panel.close.not_all_there, panel.close.nothing, panel.close.no_reason, panel.close.no_review.
    """
    call = _locked(call)
    if not _check_sits(by, call, "close").is_chair:
        raise NotAllowed("panel.close.not_chair", _("Only the chair can close the panel."))
    waiting = list(queries.at_panel(call, cut_off))
    behind = [
        one.code
        for one in queries.behind(call, StepKind.PANEL, cut_off=cut_off)
        if one.code not in {here.code for here in waiting}
    ]
    if behind:
        raise Refused(
            "panel.close.not_all_there",
            _("{applications} are not before the panel yet. All are ranked together."),
            applications=", ".join(behind),
        )
    if not waiting:
        raise Refused("panel.close.nothing", _("Nothing is before the panel."))
    silent = [one for one in waiting if not hasattr(one, "consensus")]
    if silent and not reason.strip():
        raise Refused(
            "panel.close.no_reason",
            _(
                "The panel has agreed on nothing for {applications}. Write it down, or say why the "
                "mean of the reviews stands."
            ),
            applications=", ".join(one.code for one in silent),
        )
    unread = [one.code for one in silent if call.mode.scoring and not one.submitted_reviews]  # type: ignore[attr-defined]
    if unread:
        raise Refused(
            "panel.close.no_review",
            _("{applications} have no review, so there is no mean. Agree on a score for each."),
            applications=", ".join(unread),
        )

    for application in silent:
        scores = queries.means(application, call.mode)
        Consensus.objects.create(
            application=application,
            scores=scores,
            score_milli=_weighted(call.mode, scores),
            note=reason.strip(),
            is_by_mean=True,
            made_by=by,
            made_at=now,
        )
    found = steps.finish_batch(
        call, StepKind.PANEL, cut_off=cut_off, outcome="closed", by=by, now=now
    )
    log(
        "panel.closed",
        call.code,
        by=by,
        now=now,
        applications=[one.code for one in found],
        by_mean=[one.code for one in silent],
    )
    return found
