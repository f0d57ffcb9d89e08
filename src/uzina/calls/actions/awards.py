"""Decisions, and what becomes of the offers that follow them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from uzina.calls import access, queries
from uzina.calls.actions import aid, obligations, steps
from uzina.calls.models import Application, Award, Call, Capacity, Decision
from uzina.calls.rules import aid as aid_rules
from uzina.calls.rules import awards, clock, modes
from uzina.calls.rules.flows import APPLICATION, AWARD, AwardState
from uzina.calls.rules.steps import StepKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.people import actions as people
from uzina.people.models import Person

FIFO = "first_come_first_served"


@action
def offer_next(call: Call, *, now: datetime) -> list[Award]:
    """Offer awards to those whose turn it is, as far as the capacity holds.

    Decided by rule, so no person's name is needed: the log has the rule and its inputs.
    Eligibility is asked again with the facts of this moment. Those whose turn it would be but
    for the capacity are told once that they wait. Calling it again changes nothing.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if call.mode.order != "fifo":
        return []
    offered: list[Award] = []
    for capacity in Capacity.objects.select_related("account").filter(call=call).order_by("pk"):
        while True:
            outcome = awards.first_in_first_out(
                queries.queue(capacity), queries.free_gpu_ms(capacity)
            )
            made = [_offer(code, capacity, now=now) for code in outcome.offers]
            offered += [award for award in made if award is not None]
            if None not in made:
                break
        for code in outcome.reserves:
            _reserve(code, now=now)
    return offered


def _offer(code: str, capacity: Capacity, *, now: datetime) -> Award | None:
    """Offer one award; None when the applicant no longer qualifies and is declined instead."""
    application = (
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "organisation", "assessment")
        .get(code=code)
    )
    if not still_qualifies(application, now=now):
        return None
    gpu_ms = queries.to_be_given_gpu_ms(application)
    inputs = {"gpu_ms": gpu_ms, "asked_gpu_ms": application.gpu_ms}
    return offer(application, capacity, gpu_ms=gpu_ms, rule=FIFO, inputs=inputs, now=now)


def still_qualifies(application: Application, *, now: datetime) -> bool:
    """Ask eligibility once more; where it fails, decline. Part of an action that holds the lock."""
    verdict = queries.verdict_now(application)
    application.verdict = modes.kept(verdict)
    application.save(update_fields=["verdict"])
    if verdict.qualifies:
        return True
    failed = [reason.rule for reason in verdict.failed]
    decline(application, rule="eligibility_at_award", inputs={"failed": failed}, now=now)
    return False


def offer(
    application: Application,
    capacity: Capacity,
    *,
    gpu_ms: int,
    rule: str,
    inputs: Mapping[str, Any],
    now: datetime,
) -> Award:
    """Offer an award by rule. Part of an action that holds the lock and knows that it fits."""
    application.state = APPLICATION.after("award", application.state)
    application.ended_at, application.reserve_at = now, None
    application.save(update_fields=["state", "ended_at", "reserve_at"])
    _decide(application, "award", rule, inputs, now)
    steps.finish(application, StepKind.DECISION, outcome="award", by=None, now=now)
    mode = application.call.mode
    value = aid_rules.value_eur_cents(mode, gpu_ms)
    award = Award.objects.create(
        application=application,
        capacity=capacity,
        gpu_ms=gpu_ms,
        value_eur_cents=value,
        aid_eur_cents=aid_rules.aid_eur_cents(mode.aid_basis, value),
        aid_basis=mode.aid_basis,
        months=application.months or max(application.call.mode.durations_months),
        offered_at=now,
        answer_by=now + timedelta(days=mode.answer_days),
    )
    log(
        "application.awarded",
        application.code,
        by=None,
        now=now,
        rule=rule,
        award=award.code,
        gpu_ms=gpu_ms,
        months=award.months,
    )
    promise("calls.mail_award", key=f"award:{award.code}", now=now, award=award.code)
    return award


def _reserve(code: str, *, now: datetime) -> None:
    application = Application.objects.select_for_update(of=("self",)).get(code=code)
    if application.reserve_at is not None:
        return
    application.reserve_at = now
    application.save(update_fields=["reserve_at"])
    log("application.reserved", application.code, by=None, now=now, rule=FIFO)
    promise("calls.mail_reserve", key=f"reserve:{code}", now=now, application=code)


def decline(
    application: Application, *, rule: str, inputs: Mapping[str, Any], now: datetime
) -> None:
    """Decline by rule, and promise the reasons by mail. Part of an action that holds the lock."""
    application.state = APPLICATION.after("decline", application.state)
    application.ended_at, application.reserve_at = now, None
    application.save(update_fields=["state", "ended_at", "reserve_at"])
    _decide(application, "decline", rule, inputs, now)
    keep = StepKind.APPEAL if application.call.mode.step(StepKind.APPEAL) else None
    steps.stop(application, now=now, keep=keep)
    log("application.declined", application.code, by=None, now=now, rule=rule, **inputs)
    promise(
        "calls.mail_decline",
        key=f"decline:{application.code}",
        now=now,
        application=application.code,
    )


def _decide(
    application: Application, outcome: str, rule: str, inputs: Mapping[str, Any], now: datetime
) -> None:
    Decision.objects.create(
        application=application, outcome=outcome, rule=rule, inputs=dict(inputs), made_at=now
    )


def _locked(award: Award) -> Award:
    """Lock the call and then the award: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=award.application.call_id)
    return (  # type: ignore[no-any-return]
        Award.objects.select_for_update(of=("self",))
        .select_related(
            "application__call",
            "application__organisation",
            "application__applicant",
            "capacity__account",
        )
        .get(pk=award.pk)
    )


def _check_own(award: Award, by: Person, verb: str) -> None:
    if not access.may_answer(by, award):
        raise NotAllowed(
            f"award.{verb}.not_yours",
            _("Only the applicant can answer {award}."),
            award=award.code,
        )


@action
def accept(award: Award, *, by: Person, now: datetime) -> Award:
    """Turn an award into a project with an allocation, from this moment on.

    Its final report is due from then on, and what it is worth is entered as aid where it is aid.
    Accepting it again returns the same award. Raises NotAllowed award.accept.not_yours, Refused
    award.accept.too_late, award.accept.not_now, award.accept.de_minimis_ceiling, and what the
    ledger refuses.
    """
    award = _locked(award)
    _check_own(award, by, "accept")
    if award.state is AwardState.ACCEPTED:
        return award
    state = AWARD.after("accept", award.state)
    awards.check_answer(award.answer_by, now)

    application = award.application
    aid.grant_aid(
        application.organisation,
        about=award.code,
        title=application.title,
        basis=award.aid_basis,
        value_eur_cents=award.value_eur_cents,
        aid_eur_cents=award.aid_eur_cents,
        verb="accept",
        by=by,
        now=now,
    )
    award.state, award.answered_at = state, now
    award.starts_at, award.ends_at = now, clock.after_months(now, award.months)
    award.project = people.open_project(
        application.organisation,
        title=application.title,
        lead=application.applicant,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        award_code=award.code,
        by=by,
        now=now,
    )
    allocation = ledger.grant(
        award.project,
        capacity=award.capacity.account,
        amount=award.gpu_ms,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        policy=application.call.mode.at_exhaustion,
        key=f"award:{award.code}",
        by=by,
        now=now,
    )
    award.save()
    obligations.owe_final_report(award, now=now)
    steps.finish(application, StepKind.ACCEPTANCE, outcome="accepted", by=by, now=now)
    steps.stop(application, now=now)
    log(
        "award.accepted",
        award.code,
        by=by,
        now=now,
        project=award.project.code,
        allocation=allocation.code,
        gpu_ms=award.gpu_ms,
    )
    return award


@action
def refuse(award: Award, *, by: Person, now: datetime) -> Award:
    """Turn an offer down; the hours go to whoever is next.

    Raises NotAllowed award.refuse.not_yours, Refused award.refuse.not_now.
    """
    award = _locked(award)
    _check_own(award, by, "refuse")
    state = AWARD.after("refuse", award.state)

    award.state, award.answered_at = state, now
    award.save(update_fields=["state", "answered_at"])
    steps.stop(award.application, now=now)
    log("award.refused", award.code, by=by, now=now)
    offer_next(award.application.call, now=now)
    return award


@action
def lapse(award: Award, *, now: datetime) -> Award:
    """Let an offer lapse that was not answered in time; the hours go to whoever is next.

    An award that was answered meanwhile, or has time left, is left alone.
    """
    award = _locked(award)
    if award.state is not AwardState.OFFERED or now < award.answer_by:
        return award
    state = AWARD.after("lapse", award.state)

    award.state = state
    award.save(update_fields=["state"])
    steps.stop(award.application, now=now)
    log("award.lapsed", award.code, by=None, now=now)
    promise("calls.mail_lapse", key=f"lapse:{award.code}", now=now, award=award.code)
    offer_next(award.application.call, now=now)
    return award
