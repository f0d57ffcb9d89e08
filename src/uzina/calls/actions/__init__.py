"""Every write of calls. Each one locks the call first and then what it changes."""

from uzina.calls.actions.applications import assess, save_section, start, submit, withdraw
from uzina.calls.actions.awards import accept, lapse, offer_next, refuse
from uzina.calls.actions.calls import CallFacts, CapacityFacts, archive, create_call, publish

__all__ = [
    "CallFacts",
    "CapacityFacts",
    "accept",
    "archive",
    "assess",
    "create_call",
    "lapse",
    "offer_next",
    "publish",
    "refuse",
    "save_section",
    "start",
    "submit",
    "withdraw",
]
