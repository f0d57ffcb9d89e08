"""Contracts negotiated with participants of a data space.

What a participant sends changes a state and promises our answer; the worker answers, and takes each
message to it until it arrives. So whatever breaks in between, the answer is given once and told.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction

from uzina.catalogue import queries, rules
from uzina.catalogue.actions import terms_news
from uzina.catalogue.actions.participants import check_callback, check_pid
from uzina.catalogue.actions.terms import BY_ITSELF, drop, let_in
from uzina.catalogue.actions.transfers import end_transfers
from uzina.catalogue.models import AccessRequest, Negotiation, Participant
from uzina.catalogue.queries import dataspace as found
from uzina.catalogue.rules import dataspace, odrl
from uzina.catalogue.rules import dataspace_messages as messages
from uzina.catalogue.rules.dataspace import NEGOTIATION, NegotiationState
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _

AGREED_FOR = timedelta(days=366)
"""How long an agreement holds whose policy names no end; then it is negotiated again."""


@action
def request_contract(
    participant: Participant, *, message: Mapping[str, Any], now: datetime
) -> Negotiation:
    """Take a request that begins a negotiation. The same message again is the same negotiation.

    Raises Refused negotiation.request.no_dataset, negotiation.request.other,
    negotiation.request.callback, negotiation.request.pid.
    """
    offer, pid = message["offer"], message["consumerPid"]
    kept = Negotiation.objects.filter(participant=participant, consumer_pid=pid).first()
    if kept is not None:
        return _same(kept, message)
    dataset = found.offered_dataset(str(offer.get("target", "")))
    if dataset is None:
        raise Refused(
            "negotiation.request.no_dataset",
            _("The offer's target names no dataset that is offered here."),
        )
    callback = str(message.get("callbackAddress", ""))
    check_pid(pid)
    check_callback(participant, callback)

    negotiation = Negotiation(
        participant=participant,
        consumer_pid=pid,
        callback=callback.rstrip("/"),
        dataset=dataset,
        policy=queries.policy_of(dataset),
        asked=dict(message),
        made_at=now,
        changed_at=now,
    )
    try:
        with transaction.atomic():
            negotiation.save()
    except IntegrityError:
        return _same(Negotiation.objects.get(participant=participant, consumer_pid=pid), message)
    log(
        "negotiation.requested",
        str(negotiation.uid),
        by=None,
        now=now,
        participant=participant.code,
        dataset=dataset.slug,
    )
    _promise_answer(negotiation, now=now)
    return negotiation


def _same(kept: Negotiation, message: Mapping[str, Any]) -> Negotiation:
    if kept.asked != dict(message):
        raise Refused(
            "negotiation.request.other",
            _("This consumerPid began another negotiation. Choose a new one."),
        )
    return kept


@action
def request_again(
    negotiation: Negotiation, *, message: Mapping[str, Any], now: datetime
) -> Negotiation:
    """Take a request in answer to our offer. Raises Refused negotiation.request.not_now,
    negotiation.request.no_dataset.
    """
    negotiation = _locked(negotiation)
    state = NEGOTIATION.after("request", negotiation.state)
    target = message["offer"].get("target", "")
    if str(target) not in {"", found.dataset_uid(negotiation.dataset)}:
        raise Refused(
            "negotiation.request.no_dataset",
            _("The offer's target names no dataset that is offered here."),
        )
    negotiation.asked = dict(message)
    _move(negotiation, state, now=now)
    _promise_answer(negotiation, now=now)
    return negotiation


@action
def accept_offer(negotiation: Negotiation, *, now: datetime) -> Negotiation:
    """Take the acceptance of our offer. Raises Refused negotiation.accept.not_now."""
    negotiation = _locked(negotiation)
    _move(negotiation, NEGOTIATION.after("accept", negotiation.state), now=now)
    _promise_answer(negotiation, now=now)
    return negotiation


@action
def verify_agreement(negotiation: Negotiation, *, now: datetime) -> Negotiation:
    """Take the verification of our agreement. Raises Refused negotiation.verify.not_now."""
    negotiation = _locked(negotiation)
    _move(negotiation, NEGOTIATION.after("verify", negotiation.state), now=now)
    _promise_answer(negotiation, now=now)
    return negotiation


@action
def terminate_negotiation(negotiation: Negotiation, *, reason: str, now: datetime) -> Negotiation:
    """Take the participant's termination; a request that waits for the holder is withdrawn.

    Raises Refused negotiation.terminate.not_now.
    """
    negotiation = _locked(negotiation)
    negotiation.reason = reason[:2000]
    _move(negotiation, NEGOTIATION.after("terminate", negotiation.state), now=now)
    if negotiation.request is not None:
        drop(negotiation.request, now=now)
    return negotiation


def _promise_answer(negotiation: Negotiation, *, now: datetime) -> None:
    promise(
        "catalogue.answer_negotiation",
        key=f"dataspace.answer.{negotiation.uid}.{negotiation.state}.{now.timestamp()}",
        now=now,
        negotiation=str(negotiation.uid),
    )


@action
def answer_negotiation(negotiation: Negotiation, *, now: datetime) -> Negotiation:
    """Give our answer to what the participant sent last. Again changes nothing.

    Requested as we offer it, or accepted: public data is agreed at once; restricted data where the
    policy lets in by itself and can be judged whole, else the holder is asked. Requested otherwise:
    our own offer is the answer. Verified: finalised.
    """
    negotiation = _locked(negotiation)
    match negotiation.state:
        case NegotiationState.REQUESTED if not _is_our_offer(negotiation):
            negotiation.policy = queries.policy_of(negotiation.dataset)
            _move(negotiation, NEGOTIATION.after("offer", negotiation.state), now=now)
            _tell(negotiation, "offer", now=now)
        case NegotiationState.REQUESTED | NegotiationState.ACCEPTED:
            _decide(negotiation, now=now)
        case NegotiationState.VERIFIED:
            _move(negotiation, NEGOTIATION.after("finalize", negotiation.state), now=now)
            _tell(negotiation, "finalized", now=now)
    return negotiation


def _is_our_offer(negotiation: Negotiation) -> bool:
    """Tell whether what is requested is what is offered now, word for word."""
    newest = queries.policy_of(negotiation.dataset)
    ours, theirs = found.offer_of(negotiation.dataset, newest), negotiation.asked["offer"]
    parts = ("@id", "permission", "prohibition", "obligation")
    is_newest = negotiation.policy == newest
    return is_newest and all(ours.get(part) == theirs.get(part) for part in parts)


def _decide(negotiation: Negotiation, *, now: datetime) -> None:
    if negotiation.dataset.access_right is rules.AccessRight.PUBLIC:
        _agree(negotiation, now=now)
        return
    if negotiation.request is None:
        _ask_holder(negotiation, now=now)
    request = negotiation.request
    if request is not None and request.state is rules.AccessState.GRANTED:
        _agree(negotiation, now=now)


def _ask_holder(negotiation: Negotiation, *, now: datetime) -> None:
    policy, participant = negotiation.policy, negotiation.participant
    terms = odrl.parse(found.offer_of(negotiation.dataset, policy))
    latest = now + AGREED_FOR
    until = min(terms.until, latest) if terms.until is not None else latest
    if until <= now:
        _end(negotiation, reason=_("The policy allows no use any more."), now=now)
        return
    request = AccessRequest.objects.create(
        dataset=negotiation.dataset,
        policy=policy,
        participant=participant,
        purpose="",
        why=f"{participant.name} ({participant.participant_id})",
        place=participant.country,
        until=until,
        asked_at=now,
    )
    negotiation.request = request
    negotiation.save(update_fields=["request"])
    log(
        "access.asked",
        request.code,
        by=None,
        now=now,
        dataset=negotiation.dataset.slug,
        participant=participant.code,
        until=until.isoformat(),
    )
    use = queries.use_of(request.asker, purpose="", place=request.place, now=now)
    is_whole = not terms.forbidden_purposes and not odrl.evaluate(terms, use)
    if policy is not None and policy.is_automatic and is_whole:
        let_in(request, policy=policy, until=until, reason=BY_ITSELF, by=None, now=now)
    else:
        terms_news.tell_asked(request, now=now)


def _agree(negotiation: Negotiation, *, now: datetime) -> None:
    offered = found.offer_of(negotiation.dataset, negotiation.policy)
    if negotiation.request is not None:
        terms = odrl.parse(offered)
        limited = odrl.Terms(**(vars(terms) | {"until": negotiation.request.until}))
        offered = odrl.build(limited, uid=offered["@id"])
    negotiation.agreement = messages.agreement(
        f"{negotiation.pid}#agreement",
        offered=offered,
        target=found.dataset_uid(negotiation.dataset),
        assigner=found.own_id(),
        assignee=negotiation.participant.participant_id,
        now=now,
    )
    _move(negotiation, NEGOTIATION.after("agree", negotiation.state), now=now)
    _tell(negotiation, "agreement", now=now)


@action
def follow_decision(code: str, *, now: datetime) -> None:
    """Go on where a holder answered, or a permission is over. Again changes nothing."""
    for row in found.negotiations_of(code):
        negotiation = _locked(row)
        request = negotiation.request
        if request is None:
            continue
        is_waiting = negotiation.state in {NegotiationState.REQUESTED, NegotiationState.ACCEPTED}
        if request.state is rules.AccessState.GRANTED:
            if is_waiting:
                _agree(negotiation, now=now)
        elif request.state is not rules.AccessState.ASKED:
            if negotiation.state in dataspace.OPEN:
                _end(negotiation, reason=request.end_reason or request.reason, now=now)
            end_transfers(negotiation, reason=request.end_reason, now=now)


def _end(negotiation: Negotiation, *, reason: str, now: datetime) -> None:
    negotiation.reason = reason
    _move(negotiation, NEGOTIATION.after("terminate", negotiation.state), now=now)
    _tell(negotiation, "termination", now=now)


def _move(negotiation: Negotiation, state: NegotiationState, *, now: datetime) -> None:
    negotiation.state, negotiation.changed_at = state, now
    negotiation.save()
    log(
        f"negotiation.{str(state).lower()}",
        str(negotiation.uid),
        by=None,
        now=now,
        participant=negotiation.participant.code,
    )


def _tell(negotiation: Negotiation, what: str, *, now: datetime) -> None:
    promise(
        "catalogue.send_negotiation",
        key=f"dataspace.{what}.{negotiation.uid}.{now.timestamp()}",
        now=now,
        negotiation=str(negotiation.uid),
        what=what,
    )


def _locked(negotiation: Negotiation) -> Negotiation:
    row: Negotiation = found.with_negotiation(
        Negotiation.objects.select_for_update(of=("self",))
    ).get(pk=negotiation.pk)
    return row
