"""Changes of an award: asked for, decided, and done in the books and the project at once."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from uzina.calls import access, queries
from uzina.calls.actions import aid, awards, obligations
from uzina.calls.models import Amendment, Award, Call, Obligation
from uzina.calls.rules import aid as aid_rules
from uzina.calls.rules import amendments
from uzina.calls.rules.amendments import AmendmentKind, check_reason
from uzina.calls.rules.flows import AMENDMENT, AmendmentState, AwardState, ObligationState
from uzina.calls.rules.modes import AmendmentSpec
from uzina.calls.rules.obligations import ObligationKind
from uzina.core.db import action
from uzina.core.errors import NotAllowed, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.ledger.models import Allocation
from uzina.ledger.rules import AllocationState
from uzina.people import actions as people
from uzina.people import queries as people_queries
from uzina.people.models import Membership, Organisation, Person

K = AmendmentKind


def _locked(award: Award) -> Award:
    """Lock the call and then the award: the order of every writer."""
    Call.objects.select_for_update(of=("self",)).get(pk=award.application.call_id)
    return (  # type: ignore[no-any-return]
        Award.objects.select_for_update(of=("self",))
        .select_related(
            "application__call",
            "application__applicant",
            "application__organisation",
            "capacity__account",
            "project__organisation",
        )
        .get(pk=award.pk)
    )


@action
def ask_amendment(
    award: Award,
    *,
    kind: AmendmentKind,
    facts: Mapping[str, Any],
    reason: str,
    by: Person,
    now: datetime,
) -> Amendment:
    """Ask for a change of an award. Where the mode wants an interim report first, it is due now.

    facts  {"months": 3}, {"gpu_hours": 500}, {"organisation": "ORG-..."}, {"lead": "PER-..."}

    Raises NotAllowed amendment.ask.not_lead, Invalid, Refused amendment.ask.not_allowed,
    .not_running, .too_long, .too_much, .capacity_over, .asked_already and others of its kind.
    """
    award = _locked(award)
    if not access.may_follow_up(by, award):
        raise NotAllowed(
            "amendment.ask.not_lead",
            _("Only a lead of the project can ask for a change."),
        )
    return _ask(award, kind, facts, reason, by=by, now=now)


@action
def amend(
    award: Award,
    *,
    kind: AmendmentKind,
    facts: Mapping[str, Any],
    reason: str,
    by: Person,
    now: datetime,
) -> Amendment:
    """Ask for a change and approve it at once, as an operator with a reason.

    Raises NotAllowed amendment.approve.not_operator, and what asking and approving refuse.
    """
    award = _locked(award)
    _check_operator(by, "approve")
    amendment = _ask(award, kind, facts, reason, by=by, now=now)
    return _approve(amendment, award, reason, by=by, now=now)


def _ask(
    award: Award,
    kind: AmendmentKind,
    facts: Mapping[str, Any],
    reason: str,
    *,
    by: Person,
    now: datetime,
) -> Amendment:
    reason = check_reason(reason)
    asked = amendments.parse(kind, facts)
    amendments.check_running(award.ends_at, now)
    spec = _check(award, kind, asked, by)
    open_one = Amendment.objects.filter(award=award, kind=kind, state=AmendmentState.ASKED)
    if open_one.exists():
        raise Refused(
            "amendment.ask.asked_already",
            _("This was asked for already and waits for an answer. Withdraw that first."),
        )

    amendment: Amendment = Amendment.objects.create(
        award=award, kind=kind, facts=asked, reason=reason, asked_by=by, asked_at=now
    )
    log("amendment.asked", amendment.code, by=by, now=now, award=award.code, kind=kind, **asked)
    if spec.needs_report:
        obligations.owe_interim_report(award, now=now)
    return amendment


def _check(
    award: Award, kind: AmendmentKind, facts: Mapping[str, Any], by: Person
) -> AmendmentSpec:
    """Ask the mode, and whether what is named is there. At asking and again at approval."""
    mode = award.application.call.mode
    is_operator = access.may_run_calls(by)
    spec = amendments.check_allowed(mode, kind, is_operator=is_operator)
    amendments.check(kind, facts, spec, queries.held(award))
    if kind is K.TRANSFER:
        _taker(award, facts)
    elif kind is K.CHANGE_OF_LEAD:
        _new_lead(award, facts)
    return spec


@action
def approve_amendment(amendment: Amendment, *, reason: str, by: Person, now: datetime) -> Amendment:
    """Approve a change, and do it in the books, the project and the dates, all or nothing.

    Raises NotAllowed amendment.approve.not_operator, Refused amendment.approve.not_now,
    .not_free, .report_missing, .not_eligible, and what the ledger and the project refuse.
    """
    award = _locked(amendment.award)
    _check_operator(by, "approve")
    return _approve(amendment, award, check_reason(reason), by=by, now=now)


def _approve(
    amendment: Amendment, award: Award, reason: str, *, by: Person, now: datetime
) -> Amendment:
    amendment = _locked_amendment(amendment)
    amendment.state = AMENDMENT.after("approve", amendment.state)
    amendments.check_running(award.ends_at, now)
    kind = AmendmentKind(amendment.kind)
    spec = _check(award, kind, amendment.facts, by)
    accepted = Obligation.objects.filter(
        award=award, kind=ObligationKind.INTERIM, state=ObligationState.ACCEPTED
    )
    amendments.check_report(
        is_needed=spec.needs_report, is_accepted=spec.needs_report and accepted.exists()
    )

    _DONE_BY[kind](award, amendment, reason, by, now)
    amendment.decided_by, amendment.decided_at = by, now
    amendment.decided_reason = reason
    amendment.save(update_fields=["state", "decided_by", "decided_at", "decided_reason"])
    log(
        "amendment.approved",
        amendment.code,
        by=by,
        now=now,
        award=award.code,
        kind=amendment.kind,
        reason=reason,
        **amendment.facts,
    )
    _tell(amendment, award, now=now)
    if kind in {K.REDUCTION, K.EARLY_END}:
        awards.offer_next(award.application.call, now=now)
    return amendment


@action
def refuse_amendment(amendment: Amendment, *, reason: str, by: Person, now: datetime) -> Amendment:
    """Refuse a change, with the reason.

    Raises NotAllowed amendment.refuse.not_operator, Refused amendment.refuse.not_now, Invalid.
    """
    award = _locked(amendment.award)
    _check_operator(by, "refuse")
    amendment = _locked_amendment(amendment)
    amendment.state = AMENDMENT.after("refuse", amendment.state)
    amendment.decided_reason = check_reason(reason)

    amendment.decided_by, amendment.decided_at = by, now
    amendment.save(update_fields=["state", "decided_by", "decided_at", "decided_reason"])
    log("amendment.refused", amendment.code, by=by, now=now, reason=amendment.decided_reason)
    _tell(amendment, award, now=now)
    return amendment


@action
def withdraw_amendment(amendment: Amendment, *, by: Person, now: datetime) -> Amendment:
    """Take back what was asked.

    Raises NotAllowed amendment.withdraw.not_lead, Refused amendment.withdraw.not_now.
    """
    award = _locked(amendment.award)
    if not access.may_follow_up(by, award):
        raise NotAllowed(
            "amendment.withdraw.not_lead",
            _("Only a lead of the project can take this back."),
        )
    amendment = _locked_amendment(amendment)
    amendment.state = AMENDMENT.after("withdraw", amendment.state)

    amendment.save(update_fields=["state"])
    log("amendment.withdrawn", amendment.code, by=by, now=now, award=award.code)
    return amendment


# What an approved change does ------------------------------------------------------------------


def _extend(award: Award, amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    award.ends_at = amendments.extended_end(queries.held(award), amendment.facts["months"])
    award.save(update_fields=["ends_at"])
    for one in [*_open_allocations(award), *_open_storage(award)]:
        ledger.prolong(one, ends_at=award.ends_at, reason=reason, by=by, now=now)
    people.extend_project(award.its_project, ends_at=award.ends_at, by=by, now=now)
    obligations.owe_final_report(award, now=now)


def _top_up(award: Award, amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    gpu_ms = amendment.facts["gpu_ms"]
    amendments.check_free(gpu_ms, queries.free_gpu_ms(award.capacity))
    value = aid_rules.value_eur_cents(award.application.call.mode, gpu_ms)
    worth = aid_rules.aid_eur_cents(award.aid_basis, value)
    aid.grant_aid(
        award.its_project.organisation,
        about=amendment.code,
        title=award.its_project.title,
        basis=award.aid_basis,
        value_eur_cents=value,
        aid_eur_cents=worth,
        verb="top_up",
        by=by,
        now=now,
    )
    award.value_eur_cents += value
    award.aid_eur_cents += worth
    award.save(update_fields=["value_eur_cents", "aid_eur_cents"])
    ledger.top_up(
        _allocation(award),
        amount=gpu_ms,
        reason=reason,
        key=f"amendment:{amendment.code}",
        by=by,
        now=now,
    )


def _reduce(award: Award, amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    ledger.reduce(
        _allocation(award),
        amount=amendment.facts["gpu_ms"],
        reason=reason,
        key=f"amendment:{amendment.code}",
        by=by,
        now=now,
    )


def _transfer(award: Award, amendment: Amendment, _reason: str, by: Person, now: datetime) -> None:
    """Hand over after asking the rules again; what is left is aid to whoever takes it."""
    taker = _taker(award, amendment.facts)
    verdict = queries.verdict_for(award.application, taker)
    if not verdict.qualifies:
        raise Refused(
            "amendment.approve.not_eligible",
            _("{name} does not qualify under this mode: {rules}."),
            name=taker.name,
            rules=", ".join(reason.rule for reason in verdict.failed),
        )
    balance = ledger_queries.balance(_allocation(award))
    left = balance.free + balance.held
    value = aid_rules.value_eur_cents(award.application.call.mode, left)
    aid.grant_aid(
        taker,
        about=amendment.code,
        title=award.its_project.title,
        basis=award.aid_basis,
        value_eur_cents=value,
        aid_eur_cents=aid_rules.aid_eur_cents(award.aid_basis, value),
        verb="transfer",
        by=by,
        now=now,
    )
    people.transfer_project(award.its_project, organisation=taker, by=by, now=now)


def _change_lead(
    award: Award, amendment: Amendment, _reason: str, by: Person, now: datetime
) -> None:
    lead = _new_lead(award, amendment.facts)
    people.change_lead(award.its_project, lead=lead, by=by, now=now)


def _suspend(award: Award, _amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    award.suspended_at = now
    award.save(update_fields=["suspended_at"])
    for one in _open_allocations(award):
        if one.state is AllocationState.ACTIVE:
            ledger.freeze(one, reason=reason, by=by, now=now)


def _resume(award: Award, _amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    award.suspended_at = None
    award.save(update_fields=["suspended_at"])
    for one in _open_allocations(award):
        if one.state is AllocationState.FROZEN:
            ledger.thaw(one, reason=reason, by=by, now=now)


def _end_early(award: Award, amendment: Amendment, reason: str, by: Person, now: datetime) -> None:
    """Give the free hours back and end the period; what runs may finish and is charged.

    The storage's period ends too. Its files stay as long as the award promised after the end.
    """
    for number, one in enumerate(_open_allocations(award)):
        key = f"amendment:{amendment.code}:{number}"
        if free := ledger_queries.balance(one).free:
            ledger.reduce(one, amount=free, reason=reason, key=f"{key}:back", by=by, now=now)
        ledger.expire(one, reason=reason, key=f"{key}:end", by=by, now=now)
    for number, one in enumerate(_open_storage(award)):
        key = f"amendment:{amendment.code}:storage:{number}"
        ledger.expire(one, reason=reason, key=key, by=by, now=now)
    award.ends_at = people.wind_up(award.its_project, by=by, now=now).ends_at
    award.ended_early_at, award.suspended_at = now, None
    award.save(update_fields=["ends_at", "ended_early_at", "suspended_at"])
    obligations.owe_final_report(award, now=now)


_DONE_BY = {
    K.EXTENSION: _extend,
    K.TOP_UP: _top_up,
    K.REDUCTION: _reduce,
    K.TRANSFER: _transfer,
    K.CHANGE_OF_LEAD: _change_lead,
    K.SUSPENSION: _suspend,
    K.RESUMPTION: _resume,
    K.EARLY_END: _end_early,
}


# What they stand on ----------------------------------------------------------------------------


def _locked_amendment(amendment: Amendment) -> Amendment:
    return (  # type: ignore[no-any-return]
        Amendment.objects.select_for_update(of=("self",))
        .select_related("asked_by", "award")
        .get(pk=amendment.pk)
    )


def _open_allocations(award: Award) -> list[Allocation]:
    rows = ledger_queries.allocations_of(award.its_project)
    return [one for one in rows if one.state is not AllocationState.ENDED]


def _open_storage(award: Award) -> list[Allocation]:
    rows = ledger_queries.storage_allocations(award.its_project)
    return [one for one in rows if one.state is not AllocationState.ENDED]


def _allocation(award: Award) -> Allocation:
    """Return what the award's hours are booked on. Raises Refused amendment.approve.no_hours."""
    for one in _open_allocations(award):
        if one.capacity_id == award.capacity.account_id:
            return one
    raise Refused(
        "amendment.approve.no_hours", _("The hours of this award have ended: nothing can be moved.")
    )


def _taker(award: Award, facts: Mapping[str, Any]) -> Organisation:
    """Return the organisation that takes over: a member of the project has to belong to it."""
    for organisation in people_queries.organisations_of_project(award.its_project):
        if organisation.code == facts["organisation"]:
            if organisation.pk == award.its_project.organisation_id:
                break
            return organisation
    raise Refused(
        "amendment.ask.unknown_organisation",
        _(
            "Name another organisation that a member of the project belongs to. Take its people in "
            "as members first."
        ),
    )


def _new_lead(award: Award, facts: Mapping[str, Any]) -> Person:
    member: Membership
    for member in people_queries.members_of(award.its_project):
        if member.person.code == facts["lead"]:
            return member.person
    raise Refused(
        "amendment.ask.not_member", _("Only a member of the project can become its lead.")
    )


def _check_operator(by: Person, verb: str) -> None:
    if not access.may_run_calls(by):
        raise NotAllowed(
            f"amendment.{verb}.not_operator",
            _("Only an operator of the factory can decide on a change."),
        )


def _tell(amendment: Amendment, award: Award, *, now: datetime) -> None:
    """Tell who asked, unless they decided themselves; then the leads."""
    told = {amendment.asked_by.pk: amendment.asked_by}
    if award.state is AwardState.ACCEPTED and amendment.asked_by == amendment.decided_by:
        leads = people_queries.leads_of(award.its_project)
        told = {one.pk: one for one in leads if one != amendment.decided_by}
    for person in told.values():
        people.write_message(
            person,
            kind="calls.amendment_decided",
            facts={
                "award": award,
                "project": award.its_project,
                "amendment": amendment,
                "what": amendment.kind_label,
                "is_approved": amendment.state is AmendmentState.APPROVED,
                "ends_at": award.ends_at,
                "path": f"/awards/{award.code}/changes/",
            },
            about=award.code,
            key=f"amendment_decided.{amendment.code}.{person.code}",
            now=now,
        )
