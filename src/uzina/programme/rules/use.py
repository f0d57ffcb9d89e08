"""Whether an award is used as its time goes by."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

TICK = timedelta(microseconds=1)
LONGEST_ANSWER = 4000
FEWEST_DAYS = 7
"""An award that runs for less is not asked yet."""


@dataclass(frozen=True)
class Use:
    """What was used of an award, beside an even pace. GPU-milliseconds."""

    expected: int
    used: int

    @property
    def percent(self) -> int:
        """What was used of what an even pace would have used; 100 where nothing was expected."""
        return self.used * 100 // self.expected if self.expected > 0 else 100


def expected(granted: int, *, starts_at: datetime, ends_at: datetime, now: datetime) -> int:
    """Return what an even pace would have used by now, GPU-milliseconds."""
    whole = (ends_at - starts_at) // TICK
    passed = (min(max(now, starts_at), ends_at) - starts_at) // TICK
    return granted * passed // whole if whole > 0 else granted


def is_asked(use: Use, *, share_percent: int) -> bool:
    """Tell whether it is asked why not more was used: below the share, not at it."""
    return use.used * 100 < use.expected * share_percent


def first_of_month(day: date) -> date:
    """Return the first day of the month."""
    return day.replace(day=1)


def day_counts(whys: Iterable[str]) -> dict[str, int]:
    """Return how many days each word is true of."""
    return dict(sorted(Counter(map(str, whys)).items()))


def check_answer(text: str) -> str:
    """Return the answer without its margins. Raises Invalid use.answer.missing, .too_long."""
    text = text.strip()
    if not text:
        raise Invalid([Problem("answer", "use.answer.missing", _("Write why."))])
    if len(text) > LONGEST_ANSWER:
        raise Invalid(
            [
                Problem(
                    "answer",
                    "use.answer.too_long",
                    _("Write at most {most} characters."),
                    {"most": LONGEST_ANSWER},
                )
            ]
        )
    return text
