"""What each access mode says to somebody who asks before they sign in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from uzina.calls.models import Call
from uzina.calls.queries.calls import open_calls
from uzina.calls.queries.modes import factory_day, valid_modes
from uzina.calls.rules import cut_offs, fits, sections
from uzina.calls.rules.modes import Text
from uzina.sizing import queries as sizing_queries
from uzina.sizing import rules as sizing

DEVICE = "h100"
"""What the estimate is made for; the estimator itself has all devices."""

NOTHING_TO_PREPARE = frozenset({"declarations"})


@dataclass(frozen=True)
class Guide:
    """What one mode says, and how to go on.

    calls    that are open for it now
    next_at  when the next cut-off closes; None where there is none, or none is known
    """

    answer: fits.Answer
    is_best: bool
    calls: tuple[Call, ...]
    next_at: datetime | None

    @property
    def sections(self) -> tuple[str, ...]:
        """The titles of the sections to prepare, marked for translation."""
        return tuple(
            sections.ALL[slug].title
            for slug in self.answer.mode.sections
            if slug not in NOTHING_TO_PREPARE
        )

    @property
    def documents(self) -> tuple[Text, ...]:
        """The titles of the documents to prepare."""
        return tuple(one.title for one in self.answer.mode.documents)


def guides(facts: Mapping[str, Any], now: datetime) -> list[Guide]:
    """Return what each mode says to such an applicant, the best one first. Three queries."""
    modes = valid_modes(on=factory_day(now))
    answers = fits.answers(facts, modes.values())
    best = fits.best_fit(answers)
    calls = open_calls(now)
    found = []
    for answer in answers:
        of_mode = tuple(one for one in calls if one.rules["slug"] == answer.mode.slug)
        closing = [
            window.closes_at
            for one in of_mode
            for window in one.windows
            if window.closes_at is not None and now < window.closes_at
        ]
        plan = answer.mode.cut_offs
        planned = cut_offs.next_planned(plan, now) if plan and not of_mode else None
        found.append(Guide(answer, answer is best, of_mode, min(closing, default=planned)))
    return found


@dataclass(frozen=True)
class Need:
    """How many GPU-hours a training run needs: what to ask for, and the net run with its range."""

    gpu_hours: int
    net: sizing.Estimate
    device: str


def need(parameters: int, tokens: int, method: str) -> Need:
    """Return what a run needs. Raises what sizing.estimate raises where the formula cannot say."""
    device = sizing_queries.device(DEVICE)
    net = sizing.estimate(sizing.Question(parameters, tokens, sizing.Method(method)), device)
    return Need(sizing.gpu_hours_to_ask(net.middle), net, device.title)
