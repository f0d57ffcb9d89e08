"""Which access mode fits an applicant best, among those that take them."""

from collections.abc import Iterable
from dataclasses import dataclass

from uzina.calls.rules.modes import Facts, Mode, Text, Verdict, met_fits, qualify


@dataclass(frozen=True)
class Answer:
    """What one mode says to an applicant: its verdict, and what speaks for it.

    points  how much speaks for it; 0 where nothing does
    """

    mode: Mode
    verdict: Verdict
    points: int
    because: tuple[Text, ...]
    sources: tuple[str, ...]


def answers(facts: Facts, modes: Iterable[Mode]) -> list[Answer]:
    """Return an answer for each mode, the best one first.

    Those that take the applicant come first: by what speaks for them, then the quicker one. The
    others follow, the one that fails fewest rules first.
    """
    found = []
    for mode in modes:
        fits = met_fits(facts, mode)
        found.append(
            Answer(
                mode=mode,
                verdict=qualify(facts, mode),
                points=sum(one.points for one in fits),
                because=tuple(one.because for one in fits),
                sources=tuple(dict.fromkeys(one.source for one in fits)),
            )
        )
    return sorted(
        found,
        key=lambda one: (
            len(one.verdict.failed),
            -one.points,
            one.mode.target_working_days,
            one.mode.slug,
        ),
    )


def best_fit(sorted_answers: list[Answer]) -> Answer | None:
    """Return the mode to recommend, of answers(); None where none takes them and fits."""
    first = next(iter(sorted_answers), None)
    if first is None or not first.verdict.qualifies or not first.points:
        return None
    return first
