"""Decisions, and what becomes of the offers that follow them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from uzina.calls import access, queries
from uzina.calls.actions import aid, obligations, spending, steps
from uzina.calls.models import Application, Award, Call, Capacity, Decision
from uzina.calls.rules import aid as aid_rules
from uzina.calls.rules import awards, modes
from uzina.calls.rules import ranking as rules_of_ranking
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
MOVED_UP = "reserve_moved_up"


@action
def offer_next(call: Call, *, now: datetime) -> list[Award]:
    """Offer awards to those whose turn it is, as far as the capacity holds.

    Decided by rule, so no person's name is needed: the log has the rule and its inputs.
    Eligibility is asked again with the facts of this moment. Those whose turn it would be but
    for the capacity are told once that they wait. Calling it again changes nothing. In a ranked
    call the reserve list moves up, by the rule that ranked it.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    is_fifo = call.mode.order == "fifo"
    offered = _first_come(call, now=now) if is_fifo else _move_up(call, now=now)
    spending.settle(call, now=now)
    return offered


def _first_come(call: Call, *, now: datetime) -> list[Award]:
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
            reserve(_application(code), rule=FIFO, rank=None, now=now)
    return offered


def _move_up(call: Call, *, now: datetime) -> list[Award]:
    """Offer what became free to the reserve list of a ranked call, by the same rule.

    Each cut-off by itself, the earlier first: its reserve was ranked together.
    """
    offered: list[Award] = []
    waiting = list(queries.reserve_of(call).select_related("decision__ranking__cut_off"))
    rankings = {one.decision.ranking for one in waiting if one.decision.ranking is not None}
    for ranking in sorted(rankings, key=lambda one: one.pk):
        rows = [one for one in waiting if one.decision.ranking_id == ranking.pk]
        inputs = queries.inputs_for(call, ranking.cut_off, rows) | {
            key: ranking.inputs[key] for key in ("rule", "criteria", "least_share_percent")
        }
        inputs["threshold_milli"] = 0
        inputs["criteria"] = [{**one, "threshold_milli": 0} for one in inputs["criteria"]]
        capacities = {one.code: one for one in queries.capacities_for(call, ranking.cut_off)}
        for row in rules_of_ranking.run(inputs)["applications"]:
            if row["outcome"] != "award":
                continue
            application = _application(row["code"])
            if not still_qualifies(application, now=now):
                return [*offered, *_move_up(call, now=now)]
            offered.append(
                offer(
                    application,
                    capacities[row["capacity"]],
                    gpu_ms=row["gpu_hours"] * awards.MS_PER_HOUR,
                    rule=MOVED_UP,
                    inputs={"ranking": ranking.code, **row},
                    now=now,
                )
            )
    return offered


def _application(code: str) -> Application:
    return (  # type: ignore[no-any-return]
        Application.objects.select_for_update(of=("self",))
        .select_related("call", "cut_off", "organisation", "applicant", "assessment", "decision")
        .get(code=code)
    )


def _offer(code: str, capacity: Capacity, *, now: datetime) -> Award | None:
    """Offer one award; None when the applicant no longer qualifies and is declined instead."""
    application = _application(code)
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
    decision = _decide(application, "award", rule, inputs, now)
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
    promise_letter(application, "award", now=now)
    if rule == MOVED_UP:
        promise("calls.mail_moved_up", key=f"award:{award.code}", now=now, award=award.code)
    elif decision.ranking_id is None:
        promise("calls.mail_award", key=f"award:{award.code}", now=now, award=award.code)
    return award


def promise_letter(application: Application, kind: str, *, now: datetime) -> None:
    """Promise that the letter on a decision is made. Part of the action that releases it."""
    promise(
        "calls.write_letter",
        key=f"letter:{kind}:{application.code}",
        now=now,
        application=application.code,
        kind=kind,
    )


def reserve(application: Application, *, rule: str, rank: int | None, now: datetime) -> None:
    """Put an application on the reserve list. Part of an action that holds the lock.

    rank  its place in a ranking; None: by time of submission
    """
    if application.reserve_at is not None:
        return
    application.reserve_at, application.reserve_rank = now, rank
    application.save(update_fields=["reserve_at", "reserve_rank"])
    log("application.reserved", application.code, by=None, now=now, rule=rule, rank=rank)
    if rank is None:
        promise(
            "calls.mail_reserve",
            key=f"reserve:{application.code}",
            now=now,
            application=application.code,
        )
        return
    _release(application.decision, now=now)
    promise_letter(application, "reserve", now=now)


def decline(
    application: Application, *, rule: str, inputs: Mapping[str, Any], now: datetime
) -> None:
    """Decline by rule, and promise the reasons by mail. Part of an action that holds the lock."""
    application.state = APPLICATION.after("decline", application.state)
    application.ended_at, application.reserve_at = now, None
    application.save(update_fields=["state", "ended_at", "reserve_at"])
    decision = _decide(application, "decline", rule, inputs, now)
    keep = StepKind.APPEAL if application.call.mode.step(StepKind.APPEAL) else None
    steps.stop(application, now=now, keep=keep)
    log("application.declined", application.code, by=None, now=now, rule=rule, **inputs)
    promise_letter(application, "decline", now=now)
    if decision.ranking_id is None:
        promise(
            "calls.mail_decline",
            key=f"decline:{application.code}",
            now=now,
            application=application.code,
        )


def _decide(
    application: Application, outcome: str, rule: str, inputs: Mapping[str, Any], now: datetime
) -> Decision:
    """Note a decision that is released at once; one that was pending is released.

    Who was ranked and no longer qualifies is declined: what was pending then says so. One that was
    released stays as it was: an award that follows a reserve list or an appeal is added to it.
    """
    pending = Decision.objects.filter(application=application).first()
    if pending is None:
        return Decision.objects.create(  # type: ignore[no-any-return]
            application=application,
            outcome=outcome,
            rule=rule,
            inputs=dict(inputs),
            made_at=now,
            released_at=now,
        )
    if pending.released_at is None:
        if pending.outcome != outcome:
            pending.outcome, pending.rule, pending.gpu_ms = outcome, rule, None
            pending.inputs = {**pending.inputs, **inputs}
        _release(pending, now=now)
    return pending  # type: ignore[no-any-return]


def _release(decision: Decision, *, now: datetime) -> None:
    decision.released_at = now
    decision.save()


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
    award.accept.too_late, award.accept.not_now, award.accept.period_over,
    award.accept.de_minimis_ceiling, and what the ledger refuses.
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
    award.starts_at, award.ends_at = awards.period(
        now,
        months=award.months,
        usable_from=award.capacity.usable_from,
        usable_until=award.capacity.usable_until,
    )
    award.terms = queries.terms_version(application.call)
    award.project = people.open_project(
        application.organisation,
        title=application.title,
        lead=application.applicant,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        award_code=award.code,
        data_days=application.call.mode.data_days,
        by=by,
        now=now,
    )
    _grant_storage(award, by=by, now=now)
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
        terms=award.terms,
    )
    return award


def _grant_storage(award: Award, *, by: Person, now: datetime) -> None:
    """Grant the storage that was asked for, as far as the mode gives it, for the award's period."""
    application = award.application
    storage_gb = application.call.mode.storage_for(
        queries.answers_of(application).get("data", {}).get("storage_gb")
    )
    if not storage_gb or award.starts_at is None or award.ends_at is None:
        return
    ledger.grant_storage(
        award.its_project,
        owner=application.call.slug,
        title=application.call.title_en,
        amount_mb=storage_gb * awards.MB_PER_GB,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        key=f"award:{award.code}:storage",
        by=by,
        now=now,
    )


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
