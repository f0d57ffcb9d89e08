"""Expressions of interest: who is admitted to a consortium. No hours are given."""

from datetime import datetime

from uzina.calls import access
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import steps
from uzina.calls.models import Application, Call, Decision, conflicted
from uzina.calls.rules.flows import APPLICATION
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Person

INTEREST = "interest"
LONGEST_REASON = 4000


@action
def admit_interest(
    application: Application, *, reason: str, by: Person, now: datetime
) -> Application:
    """Admit an organisation to the consortium, and tell it so.

    reason  what the applicant is told; may be empty

    Raises NotAllowed interest.decide.not_yours, interest.decide.conflict, Refused
    interest.decide.no_interest, application.join.not_now, step.finish.not_now.
    """
    application = _locked(application, by, reason)
    state = APPLICATION.after("join", application.state)

    _finish(application, outcome="admit", by=by, now=now)
    application.state, application.ended_at = state, now
    application.save(update_fields=["state", "ended_at"])
    Decision.objects.create(
        application=application,
        outcome="admit",
        rule=INTEREST,
        inputs={"decided_by": by.code, "reason": reason.strip()},
        made_at=now,
        released_at=now,
    )
    steps.stop(application, now=now)
    log("application.joined", application.code, by=by, now=now, call=application.call.code)
    people.write_message(
        application.applicant,
        kind="calls.joined",
        facts={
            "application": application,
            "call": application.call,
            "reason": reason.strip(),
            "path": f"/applications/{application.code}/",
        },
        about=application.code,
        key=f"joined:{application.code}",
        now=now,
    )
    return application


@action
def decline_interest(
    application: Application, *, reason: str, by: Person, now: datetime
) -> Application:
    """Decline an expression of interest with a reason, which the applicant is told.

    Raises what admit_interest raises, and Invalid without a reason.
    """
    application = _locked(application, by, reason)
    if not reason.strip():
        raise Invalid(
            [
                Problem(
                    "reason",
                    "interest.decide.reason_missing",
                    _("Tell the applicant why."),
                )
            ]
        )
    APPLICATION.after("join", application.state)

    _finish(application, outcome="decline", by=by, now=now)
    award_actions.decline(
        application,
        rule=INTEREST,
        inputs={"decided_by": by.code, "reason": reason.strip()},
        now=now,
    )
    return application


def _locked(application: Application, by: Person, reason: str) -> Application:
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "organisation", "applicant")
        .get(pk=application.pk)
    )
    if not access.may_decide_interest(by, application.call):
        raise NotAllowed(
            "interest.decide.not_yours",
            _("Only an operator or the panel of the call can decide this."),
        )
    if Application.objects.filter(conflicted(by), pk=application.pk).exists():
        raise NotAllowed(
            "interest.decide.conflict",
            _("You have an interest in {application}. Leave it to a colleague."),
            application=application.code,
        )
    if application.call.mode.kind != "interest":
        raise Refused(
            "interest.decide.no_interest",
            _("{application} is no expression of interest."),
            application=application.code,
        )
    if len(reason) > LONGEST_REASON:
        raise Invalid(
            [
                Problem(
                    "reason",
                    "interest.decide.reason_long",
                    _("Shorten this to {most} characters."),
                    {"most": LONGEST_REASON},
                )
            ]
        )
    return application


def _finish(application: Application, *, outcome: str, by: Person, now: datetime) -> None:
    """End the panel's step and the decision. What must come before them has to be done."""
    for kind in (StepKind.PANEL, StepKind.DECISION):
        if application.call.mode.step(kind):
            steps.finish(application, kind, outcome=outcome, by=by, now=now)
