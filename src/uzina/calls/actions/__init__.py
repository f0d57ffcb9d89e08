"""Every write of calls. Each one locks the call first and then what it changes."""

from uzina.calls.actions.aid import AidFacts, declare_aid, grant_aid, void_aid
from uzina.calls.actions.amendments import (
    amend,
    approve_amendment,
    ask_amendment,
    refuse_amendment,
    withdraw_amendment,
)
from uzina.calls.actions.appeals import (
    allow_funding,
    dismiss,
    end_appeal_period,
    file_appeal,
    uphold,
    withdraw_appeal,
)
from uzina.calls.actions.applications import start, submit, withdraw
from uzina.calls.actions.assessments import assess
from uzina.calls.actions.assignments import (
    adopt_assignment,
    assign_review,
    plan_assignment,
    replace_review,
    unassign_review,
)
from uzina.calls.actions.awards import (
    accept,
    lapse,
    offer_next,
    refuse,
)
from uzina.calls.actions.calls import CallFacts, CapacityFacts, archive, create_call, publish
from uzina.calls.actions.capacities import fund_capacity
from uzina.calls.actions.challenges import (
    ChallengeFacts,
    release_prizes,
    reveal,
    set_challenge,
)
from uzina.calls.actions.checks import confirm, exempt, reject
from uzina.calls.actions.conflicts import (
    declare_conflict,
    note_conflict,
    screen,
    screen_call,
    screen_person,
)
from uzina.calls.actions.cut_offs import move_cut_off, tell_cut_off_moved
from uzina.calls.actions.documents import attach, delete_file, detach, received
from uzina.calls.actions.drafts import carry_over, clone, import_draft, save_section, share, unshare
from uzina.calls.actions.entries import choose_entry, score_entry, send_entry
from uzina.calls.actions.escalations import escalate
from uzina.calls.actions.interest import admit_interest, decline_interest
from uzina.calls.actions.letters import (
    keep_letter,
)
from uzina.calls.actions.modes import write_mode
from uzina.calls.actions.obligations import accept_report, end, remind, return_report, submit_report
from uzina.calls.actions.owners import assign_step, give_back_step, hand_out, take_step
from uzina.calls.actions.panel import (
    agree,
    close_panel,
    seat,
    unseat,
)
from uzina.calls.actions.questions import answer_question, ask, end_waiting, watch_question
from uzina.calls.actions.rankings import (
    adopt,
    discard,
    draft_ranking,
    release,
    rerun,
)
from uzina.calls.actions.redirects import redirect
from uzina.calls.actions.replies import (
    end_reply,
    reply,
    waive_reply,
)
from uzina.calls.actions.reviewers import (
    CoAuthor,
    Past,
    Profile,
    change_profile,
    leave_out,
    make_reviewer,
    rest_reviewer,
    take_in,
    wake_reviewer,
)
from uzina.calls.actions.reviews import (
    accept_review,
    bid,
    close_peer_review,
    finish_peer_review,
    refuse_review,
    remind_reviewer,
    save_review,
    submit_review,
)
from uzina.calls.actions.spending import settle
from uzina.calls.actions.steps import (
    cut_off_moved,
    finish_batch,
)

__all__ = [
    "AidFacts",
    "CallFacts",
    "CapacityFacts",
    "ChallengeFacts",
    "CoAuthor",
    "Past",
    "Profile",
    "accept",
    "accept_report",
    "accept_review",
    "admit_interest",
    "adopt",
    "adopt_assignment",
    "agree",
    "allow_funding",
    "amend",
    "answer_question",
    "approve_amendment",
    "archive",
    "ask",
    "ask_amendment",
    "assess",
    "assign_review",
    "assign_step",
    "attach",
    "bid",
    "carry_over",
    "change_profile",
    "choose_entry",
    "clone",
    "close_panel",
    "close_peer_review",
    "confirm",
    "create_call",
    "cut_off_moved",
    "declare_aid",
    "declare_conflict",
    "decline_interest",
    "delete_file",
    "detach",
    "discard",
    "dismiss",
    "draft_ranking",
    "end",
    "end_appeal_period",
    "end_reply",
    "end_waiting",
    "escalate",
    "exempt",
    "file_appeal",
    "finish_batch",
    "finish_peer_review",
    "fund_capacity",
    "give_back_step",
    "grant_aid",
    "hand_out",
    "import_draft",
    "keep_letter",
    "lapse",
    "leave_out",
    "make_reviewer",
    "move_cut_off",
    "note_conflict",
    "offer_next",
    "plan_assignment",
    "publish",
    "received",
    "redirect",
    "refuse",
    "refuse_amendment",
    "refuse_review",
    "reject",
    "release",
    "release_prizes",
    "remind",
    "remind_reviewer",
    "replace_review",
    "reply",
    "rerun",
    "rest_reviewer",
    "return_report",
    "reveal",
    "save_review",
    "save_section",
    "score_entry",
    "screen",
    "screen_call",
    "screen_person",
    "seat",
    "send_entry",
    "set_challenge",
    "settle",
    "share",
    "start",
    "submit",
    "submit_report",
    "submit_review",
    "take_in",
    "take_step",
    "tell_cut_off_moved",
    "unassign_review",
    "unseat",
    "unshare",
    "uphold",
    "void_aid",
    "waive_reply",
    "wake_reviewer",
    "watch_question",
    "withdraw",
    "withdraw_amendment",
    "withdraw_appeal",
    "write_mode",
]
