"""Calls, applications and how they are judged, awards and what becomes of them."""

from uzina.calls.models.applications import (
    Application,
    Conflict,
    Document,
    Editor,
    Redirect,
    SavedSection,
    conflicted,
)
from uzina.calls.models.awards import Aid, Amendment, Award, Obligation
from uzina.calls.models.calls import AccessMode, Call, Capacity, CutOff, CutOffMove
from uzina.calls.models.challenges import Challenge, Entry
from uzina.calls.models.deciding import Appeal, Decision, Letter, Ranking
from uzina.calls.models.judging import (
    Assessment,
    AssignmentPlan,
    Bid,
    Consensus,
    PanelSeat,
    PoolExclusion,
    Reply,
    Review,
    Reviewer,
)
from uzina.calls.models.steps import Exemption, Pause, Question, Step

__all__ = [
    "AccessMode",
    "Aid",
    "Amendment",
    "Appeal",
    "Application",
    "Assessment",
    "AssignmentPlan",
    "Award",
    "Bid",
    "Call",
    "Capacity",
    "Challenge",
    "Conflict",
    "Consensus",
    "CutOff",
    "CutOffMove",
    "Decision",
    "Document",
    "Editor",
    "Entry",
    "Exemption",
    "Letter",
    "Obligation",
    "PanelSeat",
    "Pause",
    "PoolExclusion",
    "Question",
    "Ranking",
    "Redirect",
    "Reply",
    "Review",
    "Reviewer",
    "SavedSection",
    "Step",
    "conflicted",
]
