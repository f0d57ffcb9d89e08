"""Versions fetched by participants of a data space, under an agreement."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from uzina.catalogue import rules
from uzina.catalogue.actions.evidence import note_use
from uzina.catalogue.actions.participants import check_callback, check_pid
from uzina.catalogue.models import Negotiation, Participant, Transfer, Version
from uzina.catalogue.queries import dataspace as found
from uzina.catalogue.rules import dataspace
from uzina.catalogue.rules.dataspace import TRANSFER, TransferState
from uzina.core.db import action
from uzina.core.errors import Refused
from uzina.core.log import log
from uzina.core.promises import promise
from uzina.core.text import _


@action
def request_transfer(
    participant: Participant, *, message: Mapping[str, Any], now: datetime
) -> Transfer:
    """Take a request for the newest version of what was agreed on. Again is the same transfer.

    Raises Refused transfer.request.no_agreement, transfer.request.format, transfer.request.over,
    transfer.request.other, and what check_callback and check_pid raise.
    """
    negotiation = found.agreed(participant, str(message["agreementId"]))
    if negotiation is None:
        raise Refused(
            "transfer.request.no_agreement",
            _("You have no agreement here with this agreementId."),
        )
    pid = message["consumerPid"]
    kept = Transfer.objects.filter(negotiation=negotiation, consumer_pid=pid).first()
    if kept is not None:
        return _same(kept, message)
    if message["format"] != dataspace.FORMAT:
        raise Refused(
            "transfer.request.format",
            _("The one format here is {known}."),
            known=dataspace.FORMAT,
        )
    check_pid(pid)
    check_callback(participant, str(message["callbackAddress"]))
    version = _newest(negotiation)
    if version is None or not found.holds(negotiation, now=now):
        raise Refused(
            "transfer.request.over",
            _("The agreement does not hold any more. Negotiate again."),
        )

    transfer = Transfer(
        negotiation=negotiation,
        version=version,
        consumer_pid=pid,
        callback=str(message["callbackAddress"]).rstrip("/"),
        asked=dict(message),
        made_at=now,
        changed_at=now,
    )
    try:
        with transaction.atomic():
            transfer.save()
    except IntegrityError:
        kept = Transfer.objects.get(negotiation=negotiation, consumer_pid=pid)
        return _same(kept, message)
    log(
        "transfer.requested",
        str(transfer.uid),
        by=None,
        now=now,
        participant=participant.code,
        version=version.reference,
    )
    promise(
        "catalogue.start_transfer",
        key=f"dataspace.start.{transfer.uid}",
        now=now,
        transfer=str(transfer.uid),
    )
    return transfer


def _newest(negotiation: Negotiation) -> Version | None:
    rows = Version.objects.filter(dataset=negotiation.dataset).whole()
    row: Version | None = rows.order_by("-number").first()
    return row


def _same(kept: Transfer, message: Mapping[str, Any]) -> Transfer:
    if kept.asked != dict(message):
        raise Refused(
            "transfer.request.other",
            _("This consumerPid began another transfer. Choose a new one."),
        )
    return kept


@action
def start_transfer(transfer: Transfer, *, now: datetime) -> Transfer:
    """Start what was requested, and tell where it is fetched. Again changes nothing."""
    transfer = _locked(transfer)
    if transfer.state is not TransferState.REQUESTED:
        return transfer
    if not found.holds(transfer.negotiation, now=now):
        _end(transfer, reason=_("The agreement does not hold any more."), now=now)
        return transfer
    _start(transfer, now=now)
    return transfer


@action
def resume_transfer(transfer: Transfer, *, now: datetime) -> Transfer:
    """Start a suspended transfer again, at a new address.

    Raises Refused transfer.start.not_now, transfer.request.over.
    """
    transfer = _locked(transfer)
    if transfer.state is not TransferState.SUSPENDED:
        raise Refused(
            "transfer.start.not_now",
            _("A transfer is started again when it is suspended; this one is {state}."),
            state=str(transfer.state),
        )
    if not found.holds(transfer.negotiation, now=now):
        raise Refused(
            "transfer.request.over",
            _("The agreement does not hold any more. Negotiate again."),
        )
    _start(transfer, now=now)
    return transfer


def _start(transfer: Transfer, *, now: datetime) -> None:
    transfer.serial += 1
    _move(transfer, TRANSFER.after("start", transfer.state), now=now)
    _tell(transfer, "start", now=now)


@action
def suspend_transfer(transfer: Transfer, *, reason: str, now: datetime) -> Transfer:
    """Let a transfer rest; its address is void. Raises Refused transfer.suspend.not_now."""
    return _moved(transfer, "suspend", reason=reason, now=now)


@action
def complete_transfer(transfer: Transfer, *, now: datetime) -> Transfer:
    """Note that all was fetched; its address is void. Raises Refused transfer.complete.not_now."""
    return _moved(transfer, "complete", reason="", now=now)


@action
def terminate_transfer(transfer: Transfer, *, reason: str, now: datetime) -> Transfer:
    """Take the participant's termination. Raises Refused transfer.terminate.not_now."""
    return _moved(transfer, "terminate", reason=reason, now=now)


def _moved(transfer: Transfer, verb: str, *, reason: str, now: datetime) -> Transfer:
    transfer = _locked(transfer)
    state = TRANSFER.after(verb, transfer.state)
    transfer.reason = reason[:2000]
    _move(transfer, state, now=now)
    return transfer


def end_transfers(negotiation: Negotiation, *, reason: str, now: datetime) -> None:
    """Terminate what is fetched under an agreement that is over, and tell the participant."""
    rows = negotiation.transfers.exclude(
        state__in=[TransferState.COMPLETED, TransferState.TERMINATED]
    )
    for row in rows.order_by("pk"):
        _end(_locked(row), reason=reason, now=now)


def _end(transfer: Transfer, *, reason: str, now: datetime) -> None:
    transfer.reason = reason
    _move(transfer, TRANSFER.after("terminate", transfer.state), now=now)
    _tell(transfer, "termination", now=now)


def open_data(uid: UUID, *, token: str, now: datetime) -> Transfer:
    """Let whoever holds the token of a started transfer read, and note it.

    Raises Refused transfer.fetch.not_allowed.
    """
    transfer = found.transfer_by_token(uid, token, now=now)
    note_use(
        transfer.version,
        kind=rules.UseKind.TRANSFER,
        person=None,
        project=None,
        subject=transfer.negotiation.participant.code,
        now=now,
        under=transfer.negotiation.request,
    )
    return transfer


def _move(transfer: Transfer, state: TransferState, *, now: datetime) -> None:
    transfer.state, transfer.changed_at = state, now
    transfer.save()
    log(
        f"transfer.{str(state).lower()}",
        str(transfer.uid),
        by=None,
        now=now,
        participant=transfer.negotiation.participant.code,
    )


def _tell(transfer: Transfer, what: str, *, now: datetime) -> None:
    promise(
        "catalogue.send_transfer",
        key=f"dataspace.{what}.{transfer.uid}.{transfer.serial}",
        now=now,
        transfer=str(transfer.uid),
        what=what,
    )


def _locked(transfer: Transfer) -> Transfer:
    row: Transfer = found.with_transfer(Transfer.objects.select_for_update(of=("self",))).get(
        pk=transfer.pk
    )
    return row
