"""The two kinds of refusal. Everything else that goes wrong is a bug or an outage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from typing import Any

from uzina.core.text import _


class Refused(Exception):
    """The rules said no, and a person can do something about it.

    code     `<noun>.<verb>.<why>`, stable for ever: programs and translations key on it
    message  English template with {facts}; says what is wrong and what to do
    facts    JSON-able values for the template, also handed to programs
    """

    def __init__(self, code: str, message: str, **facts: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.facts = facts

    def __str__(self) -> str:
        return self.message.format(**self.facts)


class NotAllowed(Refused):
    """This person may not do this; somebody else may."""


@dataclass(frozen=True)
class Problem:
    """One mistake in what was sent.

    field    dotted path to the value, "" for the whole ("related.0.name")
    message  English template with {facts}
    """

    field: str
    code: str
    message: str
    facts: Mapping[str, Any] = made_by(default_factory=dict)

    def __str__(self) -> str:
        return self.message.format(**self.facts)


class Invalid(Refused):
    """What was sent has mistakes; all of them are listed at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(
            "input.invalid",
            _("{count} answers need a change: {fields}."),
            count=len(problems),
            fields=", ".join(problem.field or "-" for problem in problems),
        )
        self.problems = tuple(problems)
