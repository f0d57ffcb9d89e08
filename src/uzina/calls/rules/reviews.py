"""What a review must have, what it comes to, and what a blind one shows."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from uzina.calls.rules.flows import ReviewState
from uzina.calls.rules.modes import Criterion, Scoring
from uzina.calls.rules.steps import StepKind
from uzina.calls.rules.topics import plain
from uzina.core.errors import Invalid, Problem, Refused
from uzina.core.text import _

BEFORE_THE_PANEL = (StepKind.PEER_REVIEW, StepKind.RIGHT_TO_REPLY)
"""The steps during which a review may be written and changed."""

LIVE = (ReviewState.ASSIGNED, ReviewState.ACCEPTED, ReviewState.SUBMITTED)
"""Reviews that count: asked for, being written, handed in."""

OPEN = (ReviewState.ASSIGNED, ReviewState.ACCEPTED)

REMIND_BEFORE = timedelta(days=3)

FIVE = {1: _("Poor"), 2: _("Fair"), 3: _("Good"), 4: _("Very good"), 5: _("Excellent")}
"""What the scores of the usual scale say."""

PRIVATE_SECTIONS = frozenset({"principal_investigator", "date_of_birth", "declarations"})
"""What no reviewer needs, blind or not."""

HIDDEN_SECTIONS = PRIVATE_SECTIONS | {"team", "interest"}
HIDDEN_KINDS = frozenset({"email", "url", "phone", "country"})
"""What a reviewer sees nothing of where applicants are not named."""

MASK = "▇▇▇"


def scale(scoring: Scoring) -> list[tuple[int, str]]:
    """Return the scores one can give, each with its word; only the ends of an unusual scale."""
    if (scoring.least, scoring.most) in {(1, 5), (0, 5)}:
        words = {0: _("Does not answer the criterion"), **FIVE}
    else:
        words = {scoring.least: _("Lowest"), scoring.most: _("Highest")}
    return [(score, words.get(score, "")) for score in range(scoring.least, scoring.most + 1)]


def read_scores(scores: Mapping[str, Any], scoring: Scoring) -> dict[str, int]:
    """Return the scores that were given. Raises Invalid for one off the scale or of no criterion."""
    criteria = {one.key for one in scoring.criteria}
    problems = [
        Problem(
            f"scores.{key}",
            "review.save.score",
            _("Choose a whole number from {least} to {most}."),
            {"least": scoring.least, "most": scoring.most},
        )
        for key, value in scores.items()
        if key not in criteria
        or (
            value is not None
            and (type(value) is not int or not scoring.least <= value <= scoring.most)
        )
    ]
    if problems:
        raise Invalid(problems)
    return {key: value for key, value in sorted(scores.items()) if value is not None}


def weighted_milli(scores: Mapping[str, int], criteria: Iterable[Criterion]) -> int:
    """Return the weighted mean of the scores in thousandths of a point, half a thousandth up.

    Raises KeyError where a criterion has no score.
    """
    weights = {one.key: one.weight for one in criteria}
    whole = sum(weights.values())
    points = sum(weight * scores[key] for key, weight in weights.items())
    return (2 * 1000 * points + whole) // (2 * whole)


def check_complete(scores: Mapping[str, int], comment: str, scoring: Scoring) -> None:
    """Raise Invalid with everything a review lacks before it can be handed in."""
    problems = [
        Problem(f"scores.{one.key}", "review.submit.score_missing", _("Give a score."))
        for one in scoring.criteria
        if one.key not in scores
    ]
    if not comment.strip():
        problems.append(
            Problem(
                "comment",
                "review.submit.comment_missing",
                _("Write what the applicant should know: what is good, what would make it better."),
            )
        )
    if problems:
        raise Invalid(problems)


def check_open(step: str | None, verb: str) -> None:
    """Raise Refused review.<verb>.too_late unless the panel has not begun yet.

    step  the kind of the application's step that is open; None where none is
    """
    if step not in BEFORE_THE_PANEL:
        raise Refused(
            f"review.{verb}.too_late",
            _("The panel has the reviews of this application now; they cannot be changed."),
        )


def remind_from(assigned_at: datetime, due_at: datetime) -> datetime:
    """Return when to remind: three days before it is due, or a third of the time if that is less."""
    return due_at - min(REMIND_BEFORE, (due_at - assigned_at) / 3)


def reminder(assigned_at: datetime, due_at: datetime, reminders: int, now: datetime) -> int:
    """Return how many reminders there should have been by now: 1 shortly before, 2 once late."""
    wanted = 2 if now >= due_at else 1 if now >= remind_from(assigned_at, due_at) else 0
    return max(wanted, reminders)


def spread_milli(scores: Iterable[int]) -> int:
    """Return how far the highest and the lowest score are apart; 0 for fewer than two."""
    given = sorted(scores)
    return given[-1] - given[0] if given else 0


def blinded(text: str, names: Iterable[str]) -> str:
    """Return a text with the names in it covered, in any case, with or without marks.

    Names shorter than four letters are covered only as whole words; so are all others, but a
    name is also found where punctuation parts its words.
    """
    patterns = []
    for name in sorted({one for one in names if one.strip()}, key=len, reverse=True):
        words = re.findall(r"\w+", name)
        if words:
            patterns.append(r"\W+".join(_any_marks(word) for word in words))
    if not patterns:
        return text
    return re.sub(rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)", MASK, text, flags=re.IGNORECASE)


def _any_marks(word: str) -> str:
    """Return a pattern for a word that finds it with and without marks on its letters."""
    return "".join(_letter(one) for one in word)


def _letter(letter: str) -> str:
    bare = plain(letter)
    with_marks = MARKED.get(bare, "")
    return (
        f"[{re.escape(letter)}{re.escape(bare)}{with_marks}]"
        if with_marks or bare != letter
        else re.escape(letter)
    )


MARKED = {
    "a": "aăâáàäãåą",
    "c": "cćčç",
    "d": "dďđ",
    "e": "eéèêëěęē",
    "g": "gğģ",
    "i": "iîíìïī",
    "k": "kķ",
    "l": "lłľļ",
    "n": "nńňñņ",
    "o": "oóòôöõőø",
    "r": "rřŕ",
    "s": "sșşśšß",
    "t": "tțţť",
    "u": "uúùûüűůū",
    "y": "yýÿ",
    "z": "zźżž",
}
"""Letters that people write with and without their marks."""
