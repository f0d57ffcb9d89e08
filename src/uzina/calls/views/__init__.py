"""Pages of calls, applications, assessments and awards."""

from uzina.calls.views.aid import aid_register, aid_register_csv, aid_void, organisation_aid
from uzina.calls.views.amendments import (
    award_change,
    award_changes,
    change_decide,
    change_withdraw,
    changes,
)
from uzina.calls.views.appeals import (
    appeal,
    appeal_fund,
    appeal_new,
    appeal_withdraw,
    appeals,
)
from uzina.calls.views.applications import (
    application,
    applications,
    apply,
    withdraw,
)
from uzina.calls.views.assessments import (
    assessment,
    assessments,
)
from uzina.calls.views.awards import (
    award,
    award_accept,
    award_refuse,
)
from uzina.calls.views.bids import (
    bid,
    bid_conflict,
    bids,
)
from uzina.calls.views.calls import (
    call,
    call_archive,
    call_new,
    call_publish,
    calls,
    standings,
)
from uzina.calls.views.challenges import (
    challenge,
    challenge_release,
    challenge_reveal,
    entries,
    entry_choose,
    leaderboard,
)
from uzina.calls.views.cut_offs import capacity_fund, cut_off_move, cut_offs, cut_offs_ics
from uzina.calls.views.drafts import (
    check,
    clone,
    colleague_remove,
    colleagues,
    document,
    document_remove,
    documents,
    export_json,
    export_pdf,
    terms,
)
from uzina.calls.views.interest import interest, interests, members, members_csv
from uzina.calls.views.letters import (
    letter,
    verify,
)
from uzina.calls.views.modes import mode, mode_difference, mode_edit, modes
from uzina.calls.views.panel import (
    panel,
    panel_application,
    panel_close,
    panel_seats,
    panel_unseat,
    panels,
)
from uzina.calls.views.public_awards import public_awards, public_awards_csv
from uzina.calls.views.qualify import (
    qualify,
)
from uzina.calls.views.queue import queue, queue_csv, queue_hand_out
from uzina.calls.views.rankings import (
    ranking,
    ranking_adopt,
    ranking_discard,
    ranking_release,
    ranking_rerun,
    ranking_what_if,
    ranking_why,
    rankings,
)
from uzina.calls.views.replies import (
    reply,
    reply_waive,
)
from uzina.calls.views.reviewers import (
    my_profile,
    reviewer,
    reviewer_new,
    reviewers,
)
from uzina.calls.views.reviewing import (
    application_reviewing,
    application_reviewing_act,
    assignment_adopt,
    assignment_plan,
    pool,
    review_act,
    reviewing,
)
from uzina.calls.views.reviews import (
    my_reviews,
    review,
    review_accept,
    review_conflict,
    review_decline,
    review_document,
)
from uzina.calls.views.sections import section
from uzina.calls.views.work import question, work, work_act

__all__ = [
    "aid_register",
    "aid_register_csv",
    "aid_void",
    "appeal",
    "appeal_fund",
    "appeal_new",
    "appeal_withdraw",
    "appeals",
    "application",
    "application_reviewing",
    "application_reviewing_act",
    "applications",
    "apply",
    "assessment",
    "assessments",
    "assignment_adopt",
    "assignment_plan",
    "award",
    "award_accept",
    "award_change",
    "award_changes",
    "award_refuse",
    "bid",
    "bid_conflict",
    "bids",
    "call",
    "call_archive",
    "call_new",
    "call_publish",
    "calls",
    "capacity_fund",
    "challenge",
    "challenge_release",
    "challenge_reveal",
    "change_decide",
    "change_withdraw",
    "changes",
    "check",
    "clone",
    "colleague_remove",
    "colleagues",
    "cut_off_move",
    "cut_offs",
    "cut_offs_ics",
    "document",
    "document_remove",
    "documents",
    "entries",
    "entry_choose",
    "export_json",
    "export_pdf",
    "interest",
    "interests",
    "leaderboard",
    "letter",
    "members",
    "members_csv",
    "mode",
    "mode_difference",
    "mode_edit",
    "modes",
    "my_profile",
    "my_reviews",
    "organisation_aid",
    "panel",
    "panel_application",
    "panel_close",
    "panel_seats",
    "panel_unseat",
    "panels",
    "pool",
    "public_awards",
    "public_awards_csv",
    "qualify",
    "question",
    "queue",
    "queue_csv",
    "queue_hand_out",
    "ranking",
    "ranking_adopt",
    "ranking_discard",
    "ranking_release",
    "ranking_rerun",
    "ranking_what_if",
    "ranking_why",
    "rankings",
    "reply",
    "reply_waive",
    "review",
    "review_accept",
    "review_act",
    "review_conflict",
    "review_decline",
    "review_document",
    "reviewer",
    "reviewer_new",
    "reviewers",
    "reviewing",
    "section",
    "standings",
    "terms",
    "verify",
    "withdraw",
    "work",
    "work_act",
]
