"""The states of the Dataspace Protocol 2025-1, seen from a provider.

Source: Dataspace Protocol 2025-1, Contract Negotiation Protocol and Transfer Process Protocol,
their tables of states.
"""

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _

VERSION = "2025-1"

CONTEXT = "https://w3id.org/dspace/2025/1/context.jsonld"

FORMAT = "HttpData-PULL"

ENDPOINT_TYPE = "https://w3id.org/idsa/v4.1/HTTP"

LONGEST_MESSAGE = 1_000_000
"""Bytes of a message. A real one has a few thousand."""

LONGEST_PID = 200

DATA_TOKEN_S = 3600
"""How long a data address lets its holder in; a suspended and resumed transfer gets a new one."""

CATALOG_PAGE = 100


class NegotiationState(States):
    """Where a negotiation of a contract stands."""

    REQUESTED = "REQUESTED", _("Requested"), "busy"
    OFFERED = "OFFERED", _("Offered"), "busy"
    ACCEPTED = "ACCEPTED", _("Accepted"), "busy"
    AGREED = "AGREED", _("Agreed"), "busy"
    VERIFIED = "VERIFIED", _("Verified"), "busy"
    FINALIZED = "FINALIZED", _("Finalised"), "good"
    TERMINATED = "TERMINATED", _("Terminated"), "quiet"


N = NegotiationState
OPEN = (N.REQUESTED, N.OFFERED, N.ACCEPTED, N.AGREED, N.VERIFIED)

NEGOTIATION: Flow[NegotiationState] = Flow(
    "negotiation",
    {
        "request": Move(N.OFFERED, to=N.REQUESTED),
        "offer": Move(N.REQUESTED, to=N.OFFERED),
        "accept": Move(N.OFFERED, to=N.ACCEPTED),
        "agree": Move(N.REQUESTED, N.ACCEPTED, to=N.AGREED),
        "verify": Move(N.AGREED, to=N.VERIFIED),
        "finalize": Move(N.VERIFIED, to=N.FINALIZED),
        "terminate": Move(*OPEN, to=N.TERMINATED),
    },
)
"""request, accept and verify are the consumer's; offer, agree and finalize ours; both terminate."""


class TransferState(States):
    """Where a transfer stands."""

    REQUESTED = "REQUESTED", _("Requested"), "busy"
    STARTED = "STARTED", _("Started"), "good"
    SUSPENDED = "SUSPENDED", _("Suspended"), "quiet"
    COMPLETED = "COMPLETED", _("Completed"), "quiet"
    TERMINATED = "TERMINATED", _("Terminated"), "quiet"


T = TransferState

TRANSFER: Flow[TransferState] = Flow(
    "transfer",
    {
        "start": Move(T.REQUESTED, T.SUSPENDED, to=T.STARTED),
        "suspend": Move(T.STARTED, to=T.SUSPENDED),
        "complete": Move(T.STARTED, to=T.COMPLETED),
        "terminate": Move(T.REQUESTED, T.STARTED, T.SUSPENDED, to=T.TERMINATED),
    },
)
