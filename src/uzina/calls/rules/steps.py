"""The steps an application passes, in the order its mode lays out, and their clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _
from uzina.people.rules import Named, RoleKind


class StepKind(Named):
    """What a step is. A mode includes it or not; the order is this one."""

    COMPLETENESS = "completeness", _("Completeness")
    ELIGIBILITY = "eligibility", _("Eligibility")
    TECHNICAL_ASSESSMENT = "technical_assessment", _("Technical assessment")
    PEER_REVIEW = "peer_review", _("Peer review")
    RIGHT_TO_REPLY = "right_to_reply", _("Right to reply")
    PANEL = "panel", _("Panel")
    RANKING = "ranking", _("Ranking")
    DECISION = "decision", _("Decision")
    ACCEPTANCE = "acceptance", _("Acceptance")
    APPEAL = "appeal", _("Appeal")


class StepState(States):
    """Where a step stands. Paused: the clock stands still, the applicant is waited for."""

    WAITING = "waiting", _("Not yet"), "quiet"
    OPEN = "open", _("Under way"), "busy"
    PAUSED = "paused", _("Waiting for you"), "busy"
    DONE = "done", _("Done"), "good"
    SKIPPED = "skipped", _("Not needed"), "quiet"


STEP: Flow[StepState] = Flow(
    "step",
    {
        "open": Move(StepState.WAITING, to=StepState.OPEN),
        "pause": Move(StepState.OPEN, to=StepState.PAUSED),
        "resume": Move(StepState.PAUSED, to=StepState.OPEN),
        "finish": Move(StepState.OPEN, to=StepState.DONE),
        "skip": Move(StepState.WAITING, StepState.OPEN, StepState.PAUSED, to=StepState.SKIPPED),
        "reopen": Move(StepState.OPEN, StepState.SKIPPED, to=StepState.WAITING),
    },
)

CHECKS = (StepKind.COMPLETENESS, StepKind.ELIGIBILITY)
"""Checks of form: by the rules at submission, unless the mode gives them to an operator."""

BATCH = (StepKind.PANEL, StepKind.RANKING)
"""Steps that end for all applications of a cut-off at once. The steps before them open and end for
each application by itself, also before its cut-off has closed; only their clock waits for that."""

UNDER_WAY = (StepState.OPEN, StepState.PAUSED)

STEP_ROLES = {
    "operator": RoleKind.OPERATOR,
    "assessor": RoleKind.ASSESSOR,
    "reviewer": RoleKind.REVIEWER,
    "panel": RoleKind.PANEL,
}
"""The role of each owner that is one of ours."""

OURS = tuple(STEP_ROLES)
"""Owners who can be late towards the applicant. An applicant's own steps lapse instead."""

APPLICANTS = (StepKind.RIGHT_TO_REPLY, StepKind.ACCEPTANCE)
"""Steps whose time is the applicant's. So is that of an appeal, until it is filed."""

LEVELS = 2
"""How often a step that is late is escalated: when it becomes late, and some days later."""


@dataclass(frozen=True)
class StepSpec:
    """One step of a mode.

    working_days  its target, in working days of the host's country; 0: no target of its own
    owner         the role that works on it: operator, assessor, reviewer, panel, applicant; or
                  rule where no person does
    """

    kind: StepKind
    working_days: int
    owner: str


def following(kinds: Sequence[StepKind], after: StepKind | None) -> StepKind | None:
    """Return the step that comes next in a mode; None after the last."""
    if after is None:
        return kinds[0] if kinds else None
    place = list(kinds).index(after) + 1
    return kinds[place] if place < len(kinds) else None


def escalation(
    *, level: int, due_at: datetime | None, again_at: datetime | None, now: datetime
) -> int:
    """Return the level to which a step that is under way is to be escalated; level where it is not.

    level     how often it was escalated already
    again_at  when it has been late for too long
    """
    if due_at is None or now < due_at:
        return level
    if again_at is not None and now >= again_at:
        return max(level, LEVELS)
    return max(level, 1)
