"""Every write of calls. Each one locks the call first and then what it changes."""

from uzina.calls.actions.applications import assess, save_section, start, submit, withdraw
from uzina.calls.actions.awards import accept, lapse, offer_next, refuse
from uzina.calls.actions.calls import CallFacts, CapacityFacts, archive, create_call, publish
from uzina.calls.actions.challenges import (
    ChallengeFacts,
    release_prizes,
    reveal,
    set_challenge,
)
from uzina.calls.actions.entries import choose_entry, score_entry, send_entry

__all__ = [
    "CallFacts",
    "CapacityFacts",
    "ChallengeFacts",
    "accept",
    "archive",
    "assess",
    "choose_entry",
    "create_call",
    "lapse",
    "offer_next",
    "publish",
    "refuse",
    "release_prizes",
    "reveal",
    "save_section",
    "score_entry",
    "send_entry",
    "set_challenge",
    "start",
    "submit",
    "withdraw",
]
