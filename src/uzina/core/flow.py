"""Life cycles: which verb leads from which state to which."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, Self, TypeVar

from uzina.core.errors import Refused
from uzina.core.text import _


class States(StrEnum):
    """States of one life cycle, each with its name for people and its tone.

    Written `DRAFT = "draft", _("Draft"), "quiet"`. The tone is quiet, busy, good or bad; a page
    shows the word and lets the tone only repeat it.
    """

    label: str
    tone: str

    def __new__(cls, value: str, label: str = "", tone: str = "") -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        member.tone = tone
        return member


S = TypeVar("S", bound=States)


class Move(Generic[S]):
    """One verb of a life cycle: the states it may start from and the state it leads to."""

    def __init__(self, *sources: S, to: S) -> None:
        self.sources = frozenset(sources)
        self.to = to


class Flow(Generic[S]):
    """The life cycle of one noun: a table of verbs."""

    def __init__(self, noun: str, moves: Mapping[str, Move[S]]) -> None:
        self.noun = noun
        self.moves = dict(moves)

    def after(self, verb: str, state: S) -> S:
        """Return the state that verb leads to from state.

        Raises Refused `<noun>.<verb>.not_now` when the verb is not open in that state.
        """
        move = self.moves[verb]
        if state not in move.sources:
            raise Refused(
                f"{self.noun}.{verb}.not_now",
                _("Cannot {verb} this {noun}: it is {state}. Possible from: {sources}."),
                verb=verb,
                noun=self.noun,
                state=str(state),
                sources=", ".join(sorted(move.sources)),
            )
        return move.to

    def verbs(self, state: S) -> list[str]:
        """Return the verbs open in state, in the order of the table."""
        return [verb for verb, move in self.moves.items() if state in move.sources]
