"""The steps an application passes, in the order its mode lays out, and their clock."""

from collections.abc import Sequence
from dataclasses import dataclass

from uzina.core.flow import Flow, Move, States
from uzina.core.text import _
from uzina.people.rules import Named


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
    },
)

AUTOMATIC = (StepKind.COMPLETENESS, StepKind.ELIGIBILITY)
"""Decided by the rules at submission."""


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
