"""Completeness and eligibility: by the rules, or by an operator; and exceptions to a rule."""

from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import steps
from uzina.calls.models import Appeal, Application, Call, Decision, Exemption, Pause, Ranking, Step
from uzina.calls.rules import checks, modes
from uzina.calls.rules.flows import APPLICATION, ApplicationState, RankingState
from uzina.calls.rules.steps import CHECKS, StepKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.people import actions as people
from uzina.people.models import Person


@action
def go_on(application: Application, *, now: datetime) -> None:
    """Let the rules decide on eligibility, where it is their turn and the mode leaves it to them.

    Part of an action that holds the lock. Declines, or admits and opens what comes next.
    """
    verdict = queries.verdict_now(application)
    application.verdict = modes.kept(verdict)
    application.save(update_fields=["verdict"])
    if _human_check(application) is not None:
        return
    if verdict.qualifies:
        _admit(application, by=None, now=now)
        return
    steps.end(application, StepKind.ELIGIBILITY, outcome="failed", by=None, now=now)
    failed = [reason.rule for reason in verdict.failed]
    award_actions.decline(application, rule="eligibility", inputs={"failed": failed}, now=now)


def _human_check(application: Application) -> Step | None:
    """Return the check of form that is under way and that the mode gives to an operator."""
    step = queries.step_under_way(application)
    if step is None or step.kind not in CHECKS:
        return None
    spec = application.call.mode.step(StepKind(step.kind))
    return step if spec is not None and spec.owner != "rule" else None


def _admit(application: Application, *, by: Person | None, now: datetime) -> None:
    application.state = APPLICATION.after("admit", application.state)
    application.save(update_fields=["state"])
    mode = application.call.mode
    log("application.admitted", application.code, by=by, now=now, mode=mode.version)
    outcome = "exempted" if application.exemptions.exists() else "passed"
    opened = steps.finish(application, StepKind.ELIGIBILITY, outcome=outcome, by=by, now=now)
    if opened is not None and opened.kind == StepKind.DECISION:
        award_actions.offer_next(application.call, now=now)


@action
def confirm(application: Application, *, by: Person, now: datetime) -> Application:
    """Say that an application passes the check of form that waits for an operator.

    Raises NotAllowed application.confirm.not_operator, .conflict, Refused
    application.confirm.not_now, application.confirm.rules_failed, step.finish.not_now.
    """
    application = _locked(application)
    step = _check_operator(application, by, "confirm")
    verdict = queries.verdict_now(application)
    if step.kind == StepKind.ELIGIBILITY and not verdict.qualifies:
        raise Refused(
            "application.confirm.rules_failed",
            _("The rules {rules} are not met. Let them pass with a reason, or decline."),
            rules=", ".join(reason.rule for reason in verdict.failed),
        )

    if step.kind == StepKind.ELIGIBILITY:
        application.verdict = modes.kept(verdict)
        application.save(update_fields=["verdict"])
        _admit(application, by=by, now=now)
    else:
        steps.finish(application, StepKind.COMPLETENESS, outcome="passed", by=by, now=now)
        go_on(application, now=now)
    return application


@action
def reject(application: Application, *, reason: str, by: Person, now: datetime) -> Application:
    """Decline an application in a check of form, with a reason for the applicant.

    Raises NotAllowed application.reject.not_operator, .conflict, Refused
    application.reject.not_now, step.finish.not_now, Invalid for a reason without a word.
    """
    application = _locked(application)
    step = _check_operator(application, by, "reject")
    reason = checks.check_text("reason", reason, most=checks.LONGEST_REASON)

    kind = StepKind(step.kind)
    steps.end(application, kind, outcome="failed", by=by, now=now)
    log("application.rejected", application.code, by=by, now=now, step=kind)
    failed = [one.rule for one in queries.verdict_now(application).failed]
    award_actions.decline(
        application, rule=str(kind), inputs={"failed": failed, "reason": reason}, now=now
    )
    return application


@action
def exempt(
    application: Application, *, rule: str, reason: str, by: Person, now: datetime
) -> Application:
    """Let an application pass although a rule of eligibility failed. The applicant is told why.

    It holds for what the rule found and is asked again with everything else before an award. An
    application that was declined for its eligibility alone goes on as soon as nothing fails any
    more: it was declined by the rules, so nobody's judgement is set aside.

    Raises NotAllowed application.exempt.not_operator, .conflict, Refused
    application.exempt.not_now, .not_failed, .appealed, .ranked, Invalid.
    """
    application = _locked(application)
    _check_may(application, by, "exempt")
    decision: Decision | None = getattr(application, "decision", None)
    is_waiting = application.state is ApplicationState.SUBMITTED
    is_declined = (
        application.state is ApplicationState.DECLINED
        and decision is not None
        and decision.rule == "eligibility"
    )
    if not is_waiting and not is_declined:
        raise Refused(
            "application.exempt.not_now",
            _(
                "A rule can be let pass while eligibility is checked, or after an application was "
                "declined for it."
            ),
        )
    verdict = queries.verdict_now(application)
    found = next((one for one in verdict.failed if one.rule == rule), None)
    if found is None:
        raise Refused(
            "application.exempt.not_failed",
            _("This rule is met. Those that are not: {rules}."),
            rules=", ".join(one.rule for one in verdict.failed) or "-",
        )
    if is_declined:
        _check_can_return(application)
    reason = checks.check_text("reason", reason, most=checks.LONGEST_REASON)

    Exemption.objects.create(
        application=application,
        rule=rule,
        found=found.text.get("en", ""),
        reason=reason,
        by=by,
        made_at=now,
    )
    log("application.exempted", application.code, by=by, now=now, rule=rule, reason=reason)
    verdict = queries.verdict_now(application)
    application.verdict = modes.kept(verdict)
    application.save(update_fields=["verdict"])
    if is_declined and verdict.qualifies and decision is not None:
        _reinstate(application, decision, by=by, now=now)
    return application


def _check_can_return(application: Application) -> None:
    if Appeal.objects.filter(application=application).exists():
        raise Refused(
            "application.exempt.appealed",
            _("There is an appeal against this decision: it decides."),
        )
    if (
        Ranking.objects.filter(call=application.call_id, cut_off=application.cut_off_id)
        .exclude(state=RankingState.DRAFT)
        .exists()
    ):
        raise Refused(
            "application.exempt.ranked",
            _("The applications of this cut-off are ranked already. It can apply at the next one."),
        )


def _reinstate(application: Application, decision: Decision, *, by: Person, now: datetime) -> None:
    """Take a decline by rule back: the log keeps it, the decision to come takes its place."""
    log(
        "decision.set_aside",
        application.code,
        by=by,
        now=now,
        outcome=decision.outcome,
        rule=decision.rule,
        inputs=decision.inputs,
        made_at=decision.made_at,
    )
    declined_at = application.ended_at or now
    decision.delete()
    application.state = APPLICATION.after("reinstate", application.state)
    application.ended_at = None
    application.save(update_fields=["state", "ended_at"])
    eligibility = Step.objects.filter(application=application, kind=StepKind.ELIGIBILITY).first()
    if eligibility is not None:
        Pause.objects.create(
            step=eligibility, reason="declined", began_at=declined_at, ended_at=now
        )
        steps.count_again(application)
    application = Application.objects.select_related("call", "cut_off").get(pk=application.pk)
    opened = steps.reopen(application, after=StepKind.ELIGIBILITY, now=now)
    application.state = APPLICATION.after("admit", application.state)
    application.save(update_fields=["state"])
    Step.objects.filter(application=application, kind=StepKind.ELIGIBILITY).update(
        outcome="exempted", done_by=by
    )
    log(
        "application.admitted", application.code, by=by, now=now, mode=application.call.mode.version
    )
    people.write_message(
        application.applicant,
        kind="calls.reinstated",
        facts={
            "application": application,
            "call": application.call,
            "due": application.due_at,
            "reasons": [one.reason for one in application.exemptions.all()],
            "path": f"/applications/{application.code}/",
        },
        about=application.code,
        key=f"reinstated.{application.code}",
        now=now,
    )
    if opened is not None and opened.kind == StepKind.DECISION:
        award_actions.offer_next(application.call, now=now)


def receipt(application: Application, *, now: datetime) -> None:
    """Promise the applicant the receipt. A declined application gets its reasons instead."""
    if application.state is not ApplicationState.DECLINED:
        promise(
            "calls.mail_receipt",
            key=f"receipt:{application.code}",
            now=now,
            application=application.code,
        )


def _locked(application: Application) -> Application:
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    return (  # type: ignore[no-any-return]
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant", "decision")
        .get(pk=application.pk)
    )


def _check_may(application: Application, by: Person, verb: str) -> None:
    if not access.may_run_calls(by):
        raise NotAllowed(f"application.{verb}.not_operator", _("Only an operator can do this."))
    if access.has_conflict(by, application):
        raise NotAllowed(
            f"application.{verb}.conflict",
            _("Somebody with an interest in an application cannot work on it."),
        )


def _check_operator(application: Application, by: Person, verb: str) -> Step:
    _check_may(application, by, verb)
    step = _human_check(application)
    if step is None:
        raise Refused(
            f"application.{verb}.not_now",
            _("No check of {application} waits for an operator."),
            application=application.code,
        )
    return step
