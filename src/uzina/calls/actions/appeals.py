"""Appeals: filed in time by the applicant, heard by a second panel, and what comes of them."""

from datetime import datetime, timedelta

from django.conf import settings

from uzina.calls import access, queries
from uzina.calls.actions import awards as award_actions
from uzina.calls.actions import steps
from uzina.calls.models import Appeal, Application, Award, Call, Capacity
from uzina.calls.rules import aid, appeals, clock
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import APPEAL, APPLICATION
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.people.models import Person

UPHELD = "appeal_upheld"
DEFAULT_WORKING_DAYS = 20
"""The second panel's target where the mode sets none."""


def _locked(appeal: Appeal) -> Appeal:
    """Lock the call and then the appeal: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=appeal.application.call_id)
    return (  # type: ignore[no-any-return]
        Appeal.objects.select_for_update(of=("self",))
        .select_related(
            "application__call",
            "application__cut_off",
            "application__organisation",
            "application__applicant",
            "application__assessment",
            "application__decision",
        )
        .get(pk=appeal.pk)
    )


@action
def file_appeal(application: Application, *, grounds: str, by: Person, now: datetime) -> Appeal:
    """Ask a second panel to look at a decision that declined. Once, and in time.

    Raises NotAllowed appeal.file.not_yours, Refused appeal.file.no_appeal, appeal.file.already,
    appeal.file.too_late, Invalid without grounds.
    """
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "decision")
        .get(pk=application.pk)
    )
    if not access.may_change(by, application):
        raise NotAllowed("appeal.file.not_yours", _("Only the applicant can appeal."))
    if Appeal.objects.filter(application=application).exists():
        raise Refused(
            "appeal.file.already",
            _("You have appealed already. A decision can be appealed once."),
        )
    appeals.check_in_time(queries.appeal_by(application), now)
    if not grounds.strip():
        raise Invalid(
            [Problem("grounds", "appeal.file.no_grounds", _("Say what is wrong, and why."))]
        )

    site, spec = settings.UZINA.site, application.call.mode.step(StepKind.APPEAL)
    appeal = Appeal.objects.create(
        application=application,
        grounds=grounds.strip(),
        filed_by=by,
        filed_at=now,
        due_at=clock.due_at(
            now,
            working_days=(spec.working_days if spec else 0) or DEFAULT_WORKING_DAYS,
            country=site.country,
            zone=site.timezone,
        ),
    )
    application.steps.filter(kind=StepKind.APPEAL).update(due_at=appeal.due_at)
    log("appeal.filed", appeal.code, by=by, now=now, application=application.code)
    promise("calls.mail_appeal_received", key=f"appeal:{appeal.code}", now=now, appeal=appeal.code)
    return appeal  # type: ignore[no-any-return]


@action
def withdraw_appeal(appeal: Appeal, *, by: Person, now: datetime) -> Appeal:
    """Take an appeal back. The decision stands.

    Raises NotAllowed appeal.withdraw.not_yours, Refused appeal.withdraw.not_now.
    """
    appeal = _locked(appeal)
    if not access.may_change(by, appeal.application):
        raise NotAllowed("appeal.withdraw.not_yours", _("Only the applicant can do this."))
    appeal.state = APPEAL.after("withdraw", appeal.state)

    appeal.save(update_fields=["state"])
    steps.stop(appeal.application, now=now)
    log("appeal.withdrawn", appeal.code, by=by, now=now)
    return appeal


def _check_hears(appeal: Appeal, by: Person, verb: str) -> None:
    if not queries.to_be_heard_by(by).filter(pk=appeal.pk).exists():
        raise NotAllowed(
            f"appeal.{verb}.not_hearing",
            _(
                "An appeal is heard by the second panel of its call, and by nobody who reviewed the "
                "application or has an interest in it."
            ),
        )


def _check_text(text: str) -> None:
    if not text.strip():
        raise Invalid(
            [Problem("text", "appeal.decide.no_text", _("Tell the applicant what was found."))]
        )


@action
def allow_funding(appeal: Appeal, *, reason: str, by: Person, now: datetime) -> Appeal:
    """Let the factory add the hours that the call has no more, should the appeal be upheld.

    Nothing is added before, so nobody else can get them. Raises NotAllowed
    appeal.allow_funding.not_operator, Refused appeal.uphold.not_now, Invalid without a reason.
    """
    appeal = _locked(appeal)
    if not access.may_run_calls(by):
        raise NotAllowed(
            "appeal.allow_funding.not_operator", _("Only an operator can add hours to a call.")
        )
    APPEAL.after("uphold", appeal.state)
    if not reason.strip():
        raise Invalid(
            [Problem("reason", "appeal.allow_funding.no_reason", _("Say where they come from."))]
        )

    appeal.funding_reason, appeal.funded_by = reason.strip(), by
    appeal.save(update_fields=["funding_reason", "funded_by"])
    log("appeal.funding_allowed", appeal.code, by=by, now=now, reason=reason.strip())
    return appeal


@action
def uphold(appeal: Appeal, *, gpu_hours: int, text: str, by: Person, now: datetime) -> Award:
    """Uphold an appeal: the application gets an award, beside the decision, which stays as it was.

    The hours are what the call has free, and where an operator allowed it what is missing is added
    to the call in the same moment. Eligibility is not asked again: the panel has judged it.
    Raises NotAllowed appeal.uphold.not_hearing, Refused appeal.uphold.not_now,
    appeal.uphold.amount, appeal.uphold.no_partition, appeal.uphold.no_capacity,
    appeal.uphold.no_money, Invalid without a text.
    """
    appeal = _locked(appeal)
    application, call = appeal.application, appeal.application.call
    _check_hears(appeal, by, "uphold")
    state = APPEAL.after("uphold", appeal.state)
    _check_text(text)
    gpu_ms = gpu_hours * MS_PER_HOUR
    appeals.check_amount(gpu_ms, application.gpu_ms or 0)
    capacity = queries.capacity_of(application)
    if capacity is None:
        raise Refused(
            "appeal.uphold.no_partition",
            _("The call has no hours of the partition that was asked."),
        )
    _check_or_fund(appeal, capacity, gpu_ms, now=now)

    appeal.state, appeal.decided_by, appeal.decided_at = state, by, now
    appeal.outcome_text, appeal.gpu_ms = text.strip(), gpu_ms
    appeal.save()
    application.state = APPLICATION.after("uphold", application.state)
    application.ended_at = now
    application.save(update_fields=["state", "ended_at"])
    value = aid.value_eur_cents(call.mode, gpu_ms)
    award = Award.objects.create(
        application=application,
        capacity=capacity,
        gpu_ms=gpu_ms,
        value_eur_cents=value,
        aid_eur_cents=aid.aid_eur_cents(call.mode.aid_basis, value),
        aid_basis=call.mode.aid_basis,
        months=application.months or max(call.mode.durations_months),
        offered_at=now,
        answer_by=now + timedelta(days=call.mode.answer_days),
    )
    steps.finish(application, StepKind.APPEAL, outcome="upheld", by=by, now=now)
    log(
        "appeal.upheld",
        appeal.code,
        by=by,
        now=now,
        application=application.code,
        award=award.code,
        gpu_ms=gpu_ms,
    )
    _tell(appeal, now=now)
    return award  # type: ignore[no-any-return]


def _check_or_fund(appeal: Appeal, capacity: Capacity, gpu_ms: int, *, now: datetime) -> None:
    free, call = queries.unpromised_gpu_ms(capacity), appeal.application.call
    if not appeal.funding_reason:
        appeals.check_room(gpu_ms, free)
        appeals.check_money(aid.value_eur_cents(call.mode, gpu_ms), queries.money_left(call))
    elif gpu_ms > free:
        ledger.fund(
            capacity.account,
            amount=gpu_ms - free,
            reason=appeal.funding_reason,
            key=f"appeal:{appeal.code}",
            by=appeal.funded_by,
            now=now,
        )


@action
def dismiss(appeal: Appeal, *, text: str, by: Person, now: datetime) -> Appeal:
    """Dismiss an appeal: the decision stands.

    Raises NotAllowed appeal.dismiss.not_hearing, Refused appeal.dismiss.not_now, Invalid without
    a text.
    """
    appeal = _locked(appeal)
    _check_hears(appeal, by, "dismiss")
    state = APPEAL.after("dismiss", appeal.state)
    _check_text(text)

    appeal.state, appeal.decided_by, appeal.decided_at = state, by, now
    appeal.outcome_text = text.strip()
    appeal.save()
    steps.finish(appeal.application, StepKind.APPEAL, outcome="dismissed", by=by, now=now)
    log("appeal.dismissed", appeal.code, by=by, now=now, application=appeal.application.code)
    _tell(appeal, now=now)
    return appeal


def _tell(appeal: Appeal, *, now: datetime) -> None:
    award_actions.promise_letter(appeal.application, "appeal", now=now)
    promise(
        "calls.mail_appeal_outcome",
        key=f"appeal_outcome:{appeal.code}",
        now=now,
        appeal=appeal.code,
    )


@action
def end_appeal_period(application: Application, *, now: datetime) -> None:
    """Close the time to appeal, where nobody did. An appeal that came meanwhile is left alone."""
    Call.objects.select_for_update(of=("self",)).get(pk=application.call_id)
    by = queries.appeal_by(application)
    if (by is not None and now < by) or Appeal.objects.filter(application=application).exists():
        return
    steps.stop(application, now=now)
    log("appeal.not_filed", application.code, by=None, now=now)
