"""Every write of calls. Each one locks the call first and then what it changes."""

from uzina.calls.actions.aid import AidFacts, declare_aid, grant_aid, void_aid
from uzina.calls.actions.amendments import (
    amend,
    approve_amendment,
    ask_amendment,
    refuse_amendment,
    withdraw_amendment,
)
from uzina.calls.actions.applications import start, submit, withdraw
from uzina.calls.actions.assessments import assess
from uzina.calls.actions.drafts import attach, clone, detach, import_draft, save_section, share, unshare
from uzina.calls.actions.awards import accept, lapse, offer_next, refuse
from uzina.calls.actions.calls import CallFacts, CapacityFacts, archive, create_call, publish
from uzina.calls.actions.challenges import (
    ChallengeFacts,
    release_prizes,
    reveal,
    set_challenge,
)
from uzina.calls.actions.checks import confirm, exempt, reject
from uzina.calls.actions.entries import choose_entry, score_entry, send_entry
from uzina.calls.actions.escalations import escalate
from uzina.calls.actions.interest import admit_interest, decline_interest
from uzina.calls.actions.obligations import accept_report, end, remind, return_report, submit_report
from uzina.calls.actions.questions import answer_question, ask, end_waiting, watch_question
from uzina.calls.actions.redirects import redirect
from uzina.calls.actions.steps import (
    assign_step,
    cut_off_moved,
    finish_batch,
    give_back_step,
    take_step,
)

__all__ = [
    "AidFacts",
    "CallFacts",
    "CapacityFacts",
    "ChallengeFacts",
    "accept",
    "accept_report",
    "admit_interest",
    "amend",
    "answer_question",
    "approve_amendment",
    "archive",
    "ask",
    "ask_amendment",
    "assess",
    "assign_step",
    "unshare",
    "share",
    "import_draft",
    "detach",
    "clone",
    "attach",
    "choose_entry",
    "confirm",
    "create_call",
    "cut_off_moved",
    "declare_aid",
    "decline_interest",
    "end",
    "end_waiting",
    "escalate",
    "exempt",
    "finish_batch",
    "give_back_step",
    "grant_aid",
    "lapse",
    "offer_next",
    "publish",
    "redirect",
    "refuse",
    "refuse_amendment",
    "reject",
    "release_prizes",
    "remind",
    "return_report",
    "reveal",
    "save_section",
    "score_entry",
    "send_entry",
    "set_challenge",
    "start",
    "submit",
    "submit_report",
    "take_step",
    "void_aid",
    "watch_question",
    "withdraw",
    "withdraw_amendment",
]
