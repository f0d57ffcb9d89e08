"""Messages of the Dataspace Protocol 2025-1: written, and checked against the official schemas.

The schemas ship with us (`schemas/`), so nothing is fetched. One mend when they are read: the
schemas of three transfer messages refer to `#definitions/…`, which names no place; JSON Pointer
begins with a slash (RFC 6901), so `#/definitions/…` is meant.
"""

import functools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from referencing import Registry, Resource

from uzina.catalogue.rules.dataspace import CONTEXT, ENDPOINT_TYPE, FORMAT, VERSION

if TYPE_CHECKING:
    from jsonschema import Draft201909Validator

FOLDER = Path(__file__).parent.parent / "schemas" / "dataspace-2025-1"

SCHEMA_OF = {
    "Catalog": "catalog",
    "CatalogError": "catalog-error",
    "CatalogRequestMessage": "catalog-request-message",
    "ContractAgreementMessage": "contract-agreement-message",
    "ContractAgreementVerificationMessage": "contract-agreement-verification-message",
    "ContractNegotiation": "contract-negotiation",
    "ContractNegotiationError": "contract-negotiation-error",
    "ContractNegotiationEventMessage": "contract-negotiation-event-message",
    "ContractNegotiationTerminationMessage": "contract-negotiation-termination-message",
    "ContractOfferMessage": "contract-offer-message",
    "ContractRequestMessage": "contract-request-message",
    "Dataset": "dataset",
    "TransferCompletionMessage": "transfer-completion-message",
    "TransferError": "transfer-error",
    "TransferProcess": "transfer-process",
    "TransferRequestMessage": "transfer-request-message",
    "TransferStartMessage": "transfer-start-message",
    "TransferSuspensionMessage": "transfer-suspension-message",
    "TransferTerminationMessage": "transfer-termination-message",
    "VersionResponse": "protocol-version",
}

MOST_PROBLEMS = 10


def _schema(path: Path) -> dict[str, Any]:
    text = path.read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text.replace("#definitions/", "#/definitions/"))
    return read


@functools.cache
def _registry() -> Registry[Any]:
    schemas = [_schema(path) for path in sorted(FOLDER.glob("*-schema.json"))]
    found: Registry[Any] = Registry().with_resources(
        [(one["$id"], Resource.from_contents(one)) for one in schemas]
    )
    return found


@functools.cache
def _validator(kind: str) -> "Draft201909Validator":
    # It builds grammars when it is imported, for two seconds: only where a message is checked.
    from jsonschema import Draft201909Validator

    schema = _schema(FOLDER / f"{SCHEMA_OF[kind]}-schema.json")
    known: dict[str, Any] = {"registry": _registry()}
    return Draft201909Validator(schema, **known)


def problems(kind: str, message: Any) -> list[str]:
    """Return what is wrong with a message of a kind, by the official schema; at most ten."""
    try:
        found = sorted(
            _validator(kind).iter_errors(message), key=lambda one: list(map(str, one.path))
        )
    except RecursionError:
        return ["The message is nested too deeply."]
    said = []
    for one in found[:MOST_PROBLEMS]:
        where = "/".join(str(part) for part in one.absolute_path)
        said.append(f"/{where}: {one.message[:300]}")
    return said


def parse(body: bytes) -> Any:
    """Return a body as JSON. Raises ValueError for what is none."""
    try:
        return json.loads(body)
    except (RecursionError, UnicodeDecodeError) as error:
        msg = "The body cannot be read as JSON."
        raise ValueError(msg) from error


def _message(kind: str, **parts: Any) -> dict[str, Any]:
    return {"@context": [CONTEXT], "@type": kind, **parts}


def versions(*, path: str, service: str) -> dict[str, Any]:
    """Return the document of the versions we speak."""
    return {
        "protocolVersions": [
            {
                "version": VERSION,
                "path": path,
                "binding": "HTTPS",
                "serviceId": service,
                "auth": {
                    "protocol": "Bearer",
                    "version": "1",
                    "profile": ["registered-participant"],
                },
            }
        ]
    }


def dataset(
    uid: str, *, title: str, description: str, offer: Mapping[str, Any], base: str
) -> dict[str, Any]:
    """Return a dataset as it stands in a catalogue: its offer, and how it is fetched."""
    return {
        "@id": uid,
        "@type": "Dataset",
        "title": title,
        "description": [description],
        "hasPolicy": [dict(offer)],
        "distribution": [
            {
                "@type": "Distribution",
                "format": FORMAT,
                "accessService": {
                    "@id": f"{base}#service",
                    "@type": "DataService",
                    "endpointURL": base,
                },
            }
        ],
    }


def alone(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return a dataset by itself, with the context it then needs."""
    return {"@context": [CONTEXT], **entry}


def catalog(
    uid: str, *, participant: str, entries: list[dict[str, Any]], base: str
) -> dict[str, Any]:
    """Return the catalogue, or a page of it."""
    service = {"@id": f"{base}#service", "@type": "DataService", "endpointURL": base}
    found = _message("Catalog", **{"@id": uid}, participantId=participant, service=[service])
    return found | ({"dataset": entries} if entries else {})


def negotiation(*, provider: str, consumer: str, state: str) -> dict[str, Any]:
    """Return where a negotiation stands."""
    return _message("ContractNegotiation", providerPid=provider, consumerPid=consumer, state=state)


def offer(
    *, provider: str, consumer: str, offered: Mapping[str, Any], target: str
) -> dict[str, Any]:
    """Return our offer, in answer to another."""
    return _message(
        "ContractOfferMessage",
        providerPid=provider,
        consumerPid=consumer,
        offer={**offered, "target": target},
    )


def agreement(
    uid: str,
    *,
    offered: Mapping[str, Any],
    target: str,
    assigner: str,
    assignee: str,
    now: datetime,
) -> dict[str, Any]:
    """Return the agreement to an offer."""
    rules = {key: one for key, one in offered.items() if key not in {"@id", "@type", "target"}}
    at = now.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")
    return {
        "@id": uid,
        "@type": "Agreement",
        "target": target,
        "assigner": assigner,
        "assignee": assignee,
        "timestamp": at,
        **rules,
    }


def agreement_message(*, provider: str, consumer: str, agreed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the message that carries an agreement."""
    return _message(
        "ContractAgreementMessage",
        providerPid=provider,
        consumerPid=consumer,
        agreement=dict(agreed),
    )


def finalized(*, provider: str, consumer: str) -> dict[str, Any]:
    """Return the message that an agreement holds."""
    return _message(
        "ContractNegotiationEventMessage",
        providerPid=provider,
        consumerPid=consumer,
        eventType="FINALIZED",
    )


def termination(
    kind: str, *, provider: str, consumer: str, code: str, reason: str
) -> dict[str, Any]:
    """Return the message that a negotiation or a transfer is over."""
    return _message(
        kind,
        providerPid=provider,
        consumerPid=consumer,
        code=code,
        reason=[reason or code],
    )


def transfer(*, provider: str, consumer: str, state: str) -> dict[str, Any]:
    """Return where a transfer stands."""
    return _message("TransferProcess", providerPid=provider, consumerPid=consumer, state=state)


def start(*, provider: str, consumer: str, endpoint: str, token: str) -> dict[str, Any]:
    """Return the message that a transfer can be fetched, and where, by whom."""
    properties = [("authorization", token), ("authType", "bearer")]
    return _message(
        "TransferStartMessage",
        providerPid=provider,
        consumerPid=consumer,
        dataAddress={
            "@type": "DataAddress",
            "endpointType": ENDPOINT_TYPE,
            "endpoint": endpoint,
            "endpointProperties": [
                {"@type": "EndpointProperty", "name": name, "value": value}
                for name, value in properties
            ],
        },
    )


def error(
    kind: str, *, provider: str, consumer: str, code: str, reasons: list[str]
) -> dict[str, Any]:
    """Return an error of the protocol: CatalogError, ContractNegotiationError or TransferError."""
    pids = {} if kind == "CatalogError" else {"providerPid": provider, "consumerPid": consumer}
    return _message(kind, **pids, code=code, reason=reasons)
