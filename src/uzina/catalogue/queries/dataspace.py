"""What a data space sees of us: offers, negotiations, transfers."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.signing import Signer
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare

from uzina.catalogue import rules
from uzina.catalogue.models import Dataset, Negotiation, Participant, Policy, Transfer
from uzina.catalogue.queries.terms import policy_of
from uzina.catalogue.rules import dataspace, odrl
from uzina.catalogue.rules import dataspace_messages as messages
from uzina.core.errors import Refused
from uzina.core.text import _

DATASET = "urn:uzina:dataset:"

PATH = f"/dsp/{dataspace.VERSION}"


def base() -> str:
    """Return the address our end of the protocol begins with."""
    return f"{settings.UZINA.site.url}{PATH}"


def own_id() -> str:
    """Return our name in the data space."""
    return str(settings.UZINA.dataspace.participant or settings.UZINA.site.url)


def participant_of(token: str) -> Participant | None:
    """Return who signs in with a token; None for nobody we listen to."""
    digest = hashlib.sha256(token.encode()).hexdigest()
    return Participant.objects.filter(token_digest=digest, stopped_at=None).first()


def participants() -> QuerySet[Participant]:
    """Return the registered participants, newest first."""
    return Participant.objects.order_by("-pk")


def callback_token(participant: Participant) -> str:
    """Return what we sign in with at a participant: told once, made again, kept nowhere."""
    key = f"uzina.dataspace.callback:{settings.SECRET_KEY}".encode()
    return hmac.new(key, participant.code.encode(), "sha256").hexdigest()


def offered_datasets() -> QuerySet[Dataset]:
    """Return the published data that a data space is offered: public, or under a policy."""
    found: QuerySet[Dataset] = (
        Dataset.objects.filter(
            Q(access_right=rules.AccessRight.PUBLIC) | Q(policies__isnull=False),
            state=rules.DatasetState.PUBLISHED,
            kind=rules.DatasetKind.DATA,
            versions__isnull=False,
        )
        .select_related("holder", "project", "licence")
        .distinct()
        .order_by("pk")
    )
    return found


def offered_dataset(uid: str) -> Dataset | None:
    """Return the offered dataset of an identifier or a slug."""
    return offered_datasets().filter(slug=uid.removeprefix(DATASET)).first()


def offer_of(dataset: Dataset, policy: Policy | None) -> dict[str, Any]:
    """Return what a dataset is offered under; public data without a policy for any use."""
    if policy is not None:
        return dict(policy.offer)
    return odrl.build(odrl.Terms(), uid=f"urn:uzina:policy:{dataset.slug}:0")


def dataset_uid(dataset: Dataset) -> str:
    """Return a dataset's name in the data space."""
    return f"{DATASET}{dataset.slug}"


def catalog_entry(dataset: Dataset) -> dict[str, Any]:
    """Return a dataset as it stands in the catalogue."""
    return messages.dataset(
        dataset_uid(dataset),
        title=dataset.title,
        description=dataset.description,
        offer=offer_of(dataset, policy_of(dataset)),
        base=base(),
    )


def catalog_page(after: int) -> tuple[dict[str, Any], int | None]:
    """Return a page of the catalogue, and what the next one begins after; None after the last."""
    rows = list(offered_datasets().filter(pk__gt=after)[: dataspace.CATALOG_PAGE + 1])
    shown = rows[: dataspace.CATALOG_PAGE]
    page = messages.catalog(
        f"{base()}/catalog",
        participant=own_id(),
        entries=[catalog_entry(one) for one in shown],
        base=base(),
    )
    return page, shown[-1].pk if len(rows) > len(shown) else None


def negotiation_of(participant: Participant, pid: str) -> Negotiation | None:
    """Return a participant's negotiation by our pid; another's is not there."""
    uid = _uid(pid)
    rows = Negotiation.objects.filter(participant=participant)
    return None if uid is None else with_negotiation(rows).filter(uid=uid).first()


def with_negotiation(rows: QuerySet[Negotiation]) -> QuerySet[Negotiation]:
    """Bring along what messages say of negotiations."""
    return rows.select_related(
        "participant", "dataset__holder", "dataset__project", "policy", "request__policy"
    )


def transfer_of(participant: Participant, pid: str) -> Transfer | None:
    """Return a participant's transfer by our pid; another's is not there."""
    uid = _uid(pid)
    rows = Transfer.objects.filter(negotiation__participant=participant)
    return None if uid is None else with_transfer(rows).filter(uid=uid).first()


def with_transfer(rows: QuerySet[Transfer]) -> QuerySet[Transfer]:
    """Bring along what messages say of transfers."""
    return rows.select_related(
        "version__dataset__holder",
        "negotiation__participant",
        "negotiation__dataset",
        "negotiation__request",
    )


def agreed(participant: Participant, agreement: str) -> Negotiation | None:
    """Return the participant's finalised negotiation of an agreement."""
    rows = Negotiation.objects.filter(
        participant=participant, state=dataspace.NegotiationState.FINALIZED
    )
    uid = _uid(agreement.removesuffix("#agreement"))
    if uid is None or not agreement.endswith("#agreement"):
        return None
    return with_negotiation(rows).filter(uid=uid).first()


def negotiations_of(request_code: str) -> Sequence[Negotiation]:
    """Return the negotiations that wait for, or rest on, a request for access."""
    return list(Negotiation.objects.filter(request__code=request_code).order_by("pk"))


def holds(negotiation: Negotiation, *, now: datetime) -> bool:
    """Tell whether an agreement lets its participant in now: asked at every byte."""
    dataset = negotiation.dataset
    is_there = dataset.state is rules.DatasetState.PUBLISHED
    is_heard = negotiation.participant.stopped_at is None
    request = negotiation.request
    if request is None:
        is_open = dataset.access_right is rules.AccessRight.PUBLIC
    else:
        is_open = rules.is_running(request.state, request.until, now)
    return is_there and is_heard and is_open


def data_token(transfer: Transfer, *, now: datetime) -> str:
    """Return what lets whoever holds it fetch a transfer, for a short time."""
    until = int((now + timedelta(seconds=dataspace.DATA_TOKEN_S)).timestamp())
    said = f"{transfer.uid}.{transfer.serial}.{until}"
    return f"{said}.{_signer().signature(said)}"


def transfer_by_token(uid: UUID, token: str, *, now: datetime) -> Transfer:
    """Return the started transfer a token is for. Raises Refused transfer.fetch.not_allowed."""
    said, _dot, signature = token.rpartition(".")
    parts = said.split(".")
    is_ours = constant_time_compare(_signer().signature(said), signature)
    found = with_transfer(Transfer.objects.filter(uid=uid)).first()
    if (
        not is_ours
        or found is None
        or parts[:2] != [str(found.uid), str(found.serial)]
        or now.timestamp() >= int(parts[2])
        or found.state is not dataspace.TransferState.STARTED
        or not holds(found.negotiation, now=now)
    ):
        raise Refused(
            "transfer.fetch.not_allowed",
            _("This address has ended, or is another's. Start the transfer again."),
        )
    return found


def _signer() -> Signer:
    return Signer(salt="uzina.dataspace.data")


def _uid(pid: str) -> UUID | None:
    try:
        return UUID(pid.removeprefix("urn:uuid:"))
    except (ValueError, ValidationError):
        return None


def negotiation_by_uid(uid: str) -> Negotiation:
    """Return a negotiation, whoever's. Raises Negotiation.DoesNotExist."""
    return with_negotiation(Negotiation.objects.all()).get(uid=uid)


def transfer_by_uid(uid: str) -> Transfer:
    """Return a transfer, whoever's. Raises Transfer.DoesNotExist."""
    return with_transfer(Transfer.objects.all()).get(uid=uid)


def negotiation_message(row: Negotiation, what: str) -> tuple[str, dict[str, Any]] | None:
    """Return where below the callback a message goes, and the message; None where it is overtaken.

    what  offer, agreement, finalized or termination
    """
    pids = {"provider": row.pid, "consumer": row.consumer_pid}
    state = dataspace.NegotiationState
    match what:
        case "offer" if row.state is state.OFFERED:
            offered = offer_of(row.dataset, row.policy)
            target = dataset_uid(row.dataset)
            return "offers", messages.offer(**pids, offered=offered, target=target)
        case "agreement" if row.state is state.AGREED:
            return "agreement", messages.agreement_message(**pids, agreed=row.agreement or {})
        case "finalized" if row.state is state.FINALIZED:
            return "events", messages.finalized(**pids)
        case "termination" if row.state is state.TERMINATED:
            kind = "ContractNegotiationTerminationMessage"
            said = messages.termination(kind, **pids, code="ended", reason=row.reason)
            return "termination", said
    return None


def transfer_message(
    row: Transfer, what: str, *, now: datetime
) -> tuple[str, dict[str, Any]] | None:
    """Return where below the callback a message goes, and the message; None where it is overtaken.

    what  start or termination
    """
    pids = {"provider": row.pid, "consumer": row.consumer_pid}
    match what:
        case "start" if row.state is dataspace.TransferState.STARTED:
            endpoint, token = f"{base()}/data/{row.uid}", data_token(row, now=now)
            return "start", messages.start(**pids, endpoint=endpoint, token=token)
        case "termination" if row.state is dataspace.TransferState.TERMINATED:
            kind = "TransferTerminationMessage"
            said = messages.termination(kind, **pids, code="ended", reason=row.reason)
            return "termination", said
    return None
