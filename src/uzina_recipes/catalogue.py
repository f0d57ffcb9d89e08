"""Which recipes there are, what each takes, and what it says to a configuration.

Read by the server too (to draw a form and to check it), so it imports nothing beyond the standard
library.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HERE = Path(__file__).parent / "recipes"
KINDS = {"integer": int, "number": float, "choice": str, "boolean": bool, "text": str}

Value = int | float | str | bool


class BadConfig(Exception):
    """A configuration with mistakes; `problems` lists every one of them, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        """Keep the sentences; str() is all of them."""
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Text:
    """A text in the languages of the site."""

    en: str
    ro: str


@dataclass(frozen=True)
class Parameter:
    """One setting of a recipe.

    kind         integer, number, choice, boolean or text
    minimum      smallest value allowed, None for a choice
    maximum      largest value allowed, None for a choice; of a text, the most characters
    choices      the values a choice may take, empty otherwise
    may_change   whether a resumed run may have another value than the run it goes on from
    """

    name: str
    kind: str
    default: Value
    help: Text
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    may_change: bool = False

    def problem(self, value: object) -> str:
        """Say what is wrong with a value; empty when nothing is."""
        if self.kind == "choice":
            if value in self.choices:
                return ""
            return f"{self.name} is {value!r}: choose one of {', '.join(self.choices)}."
        if self.kind == "boolean":
            return (
                "" if isinstance(value, bool) else f"{self.name} is {value!r}: give true or false."
            )
        if self.kind == "text":
            most = int(self.maximum or 0)
            if isinstance(value, str) and len(value) <= most and value.isprintable():
                return ""
            return f"{self.name} is no text of at most {most} characters on one line."
        wanted = (int,) if self.kind == "integer" else (int, float)
        if isinstance(value, bool) or not isinstance(value, wanted):
            noun = "a whole number" if self.kind == "integer" else "a number"
            return f"{self.name} is {value!r}: give {noun}."
        low, high = self.minimum, self.maximum
        # The comparison is written so that a NaN, which is neither below nor above, is refused.
        if low is not None and high is not None and not low <= value <= high:
            return f"{self.name} is {value}: give {low:g} to {high:g}."
        return ""


@dataclass(frozen=True)
class Stage:
    """A piece of a recipe that may run as a job of its own; a shared one as an array of tasks."""

    name: str
    shared: bool = False


@dataclass(frozen=True)
class Recipe:
    """A versioned way to prepare text, train a model or judge one."""

    slug: str
    version: str
    title: Text
    summary: Text
    hardware: Text
    expects: Text
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: tuple[Parameter, ...] = field(default=())
    stages: tuple[Stage, ...] = ()

    def problems(self, given: Mapping[str, object]) -> list[str]:
        """Every mistake in a configuration, as sentences: unknown names, wrong types, ranges."""
        known = {parameter.name: parameter for parameter in self.parameters}
        found = []
        for name, value in given.items():
            if name not in known:
                found.append(
                    f"{name} is not a setting of {self.slug}: it takes {', '.join(known)}."
                )
            elif problem := known[name].problem(value):
                found.append(problem)
        return found

    def resolve(self, given: Mapping[str, object]) -> dict[str, Value]:
        """Fill in the defaults; numbers come back in the type of their parameter.

        Raises BadConfig with every mistake.
        """
        if problems := self.problems(given):
            raise BadConfig(problems)
        return {
            parameter.name: KINDS[parameter.kind](given.get(parameter.name, parameter.default))  # type: ignore[call-overload]
            for parameter in self.parameters
        }


def text(table: Mapping[str, str]) -> Text:
    """A text from its table in recipe.toml."""
    return Text(en=table["en"], ro=table["ro"])


def read(path: Path) -> Recipe:
    """One recipe from its recipe.toml."""
    raw = tomllib.loads(path.read_text("utf-8"))
    return Recipe(
        slug=raw["slug"],
        version=raw["version"],
        title=text(raw["title"]),
        summary=text(raw["summary"]),
        hardware=text(raw["hardware"]),
        expects=text(raw["expects"]),
        inputs=tuple(raw["inputs"]),
        outputs=tuple(raw["outputs"]),
        parameters=tuple(
            Parameter(
                name=name,
                kind=row["kind"],
                default=row["default"],
                help=text(row["help"]),
                minimum=row.get("minimum"),
                maximum=row.get("maximum"),
                choices=tuple(row.get("choices", ())),
                may_change=row.get("may_change", False),
            )
            for name, row in raw["parameters"].items()
        ),
        stages=tuple(Stage(**row) for row in raw.get("stages", ())),
    )


def load() -> dict[str, Recipe]:
    """Every recipe by its slug, in alphabetical order."""
    recipes = [read(path) for path in sorted(HERE.glob("*/recipe.toml"))]
    return {recipe.slug: recipe for recipe in recipes}
