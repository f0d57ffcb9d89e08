"""Rules that decide whether a text stays: which, with which thresholds, and the judgement.

The rules run in the order of rules.toml; a text is judged by the first that it breaks. The rules
of C4 also take lines out, and those of FineWeb judge what is left.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from importlib import resources
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uzina_recipes.corpus import characters, gopher, lines
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.corpus.words import Words

FAMILIES = ("gopher_repetition", "gopher_quality", "c4", "fineweb")
LINE_RULES = (
    "long_word_lines",
    "citations",
    "unended_lines",
    "short_lines",
    "javascript_lines",
    "policy_lines",
)
"""Rules of C4 that take out lines (or marks in them), never a whole text."""

KEPT = -1


@dataclass(frozen=True)
class Rule:
    """One published rule."""

    name: str
    family: str
    on: bool
    threshold: float
    keeps: str
    en: str
    ro: str


class Verdict(NamedTuple):
    """Why a text does not stay."""

    rule: str
    measured: float
    threshold: float


@functools.cache
def published() -> dict[str, Any]:
    """What rules.toml says."""
    text = resources.files(__package__).joinpath("rules.toml").read_text("utf-8")
    return tomllib.loads(text)


@dataclass(frozen=True)
class Rules:
    """The rules of one preparation, in order."""

    rules: tuple[Rule, ...]
    stop_words: tuple[str, ...]
    short_line: int
    collected_on: date

    @classmethod
    def published(cls) -> Rules:
        """All rules as they were published."""
        table = published()
        sources = table["sources"]
        return cls(
            tuple(Rule(name=name, **fields) for name, fields in table["rules"].items()),
            tuple(sources["gopher_quality"]["stop_words"]),
            sources["fineweb"]["short_line"],
            table["collected_on"],
        )

    def changed(
        self, *, on: Mapping[str, bool] | None = None, thresholds: Mapping[str, float] | None = None
    ) -> Rules:
        """The same with some rules switched, whole families switched off, or other thresholds.

        Raises KeyError for a name that is neither a rule nor (to switch) a family.
        """
        on, thresholds = dict(on or {}), dict(thresholds or {})
        known = {rule.name for rule in self.rules}
        if unknown := (set(on) - known - set(FAMILIES)) | (set(thresholds) - known):
            raise KeyError(f"No rule is named {', '.join(sorted(unknown))}.")
        rules = tuple(
            replace(
                rule,
                on=on.get(rule.name, rule.on and on.get(rule.family, True)),
                threshold=thresholds.get(rule.name, rule.threshold),
            )
            for rule in self.rules
        )
        return replace(self, rules=rules)

    def names(self) -> tuple[str, ...]:
        """The rules' names; a judgement's numbers point here."""
        return tuple(rule.name for rule in self.rules)

    def limits(self, family: str) -> NDArray[np.float64]:
        """The thresholds of a family in order, not a number where a rule is off."""
        chosen = [rule for rule in self.rules if rule.family == family]
        return np.array([rule.threshold if rule.on else np.nan for rule in chosen], np.float64)

    def first(self, family: str) -> int:
        """The number of a family's first rule."""
        return next(n for n, rule in enumerate(self.rules) if rule.family == family)

    def is_on(self, family: str) -> bool:
        """Whether any rule of a family is on."""
        return any(rule.on for rule in self.rules if rule.family == family)


@dataclass(frozen=True)
class Judgement:
    """What became of each text of a batch.

    rule      [texts] number of the first rule broken; KEPT for none
    measured  [texts] what that rule measured
    dropped   [texts, 6] how many lines each of LINE_RULES took out
    kept      the numbers of the texts that stay
    batch     those texts, without the lines that were taken out
    """

    rules: Rules = field(repr=False)
    rule: NDArray[np.int16]
    measured: NDArray[np.float64]
    dropped: NDArray[np.int32]
    kept: NDArray[np.int64]
    batch: Batch = field(repr=False)

    def verdict(self, at: int) -> Verdict | None:
        """Why a text does not stay; None when it does."""
        if self.rule[at] == KEPT:
            return None
        rule = self.rules.rules[self.rule[at]]
        return Verdict(rule.name, float(self.measured[at]), rule.threshold)


def judge(batch: Batch, rules: Rules) -> Judgement:
    """Judge each text by the rules that are on."""
    rule = np.full(len(batch), KEPT, np.int16)
    measured = np.zeros(len(batch), np.float64)
    dropped = np.zeros((len(batch), len(LINE_RULES)), np.int32)
    classes = characters.classes()
    found = Words.of(batch)

    for family in FAMILIES:
        if not rules.is_on(family):
            continue
        limits = rules.limits(family)
        laid = (batch.points, batch.starts, classes)
        spans = (found.starts, found.begins, found.ends, found.hashes)
        answer = (rules.first(family), rule, measured)
        if family == "gopher_repetition":
            gopher.repetition(*laid, *spans, limits, *answer)
        elif family == "gopher_quality":
            common = np.unique(Words.of(Batch.of(rules.stop_words)).hashes)
            gopher.quality(*laid, *spans, found.kinds, common, limits, *answer)
        elif family == "c4":
            out, starts = np.empty_like(batch.points), np.zeros_like(batch.starts)
            made = lines.c4(*laid, limits, out, starts, dropped, *answer)
            batch = Batch(out[:made], starts)
            found = Words.of(batch)
        else:
            limits = np.append(limits, rules.short_line)
            lines.fineweb(*laid, found.starts, limits, *answer)
    kept = np.flatnonzero(rule == KEPT)
    if len(kept) < len(batch):
        batch = batch.only(kept)
    return Judgement(rules, rule, measured, dropped, kept, batch)
