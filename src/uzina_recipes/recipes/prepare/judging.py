"""The rules of one preparation: which are on, with which thresholds, over a batch at a time."""

from __future__ import annotations

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

from uzina_recipes.corpus import filters, language, near, personal
from uzina_recipes.corpus.batch import Batch
from uzina_recipes.recipes.prepare import texts
from uzina_recipes.recipes.prepare.texts import Verdict
from uzina_recipes.run_directory import Failed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from uzina_recipes.catalogue import Value

OWN_RULES = (
    "unreadable",
    "other_language",
    "wrong_language",
    "too_short",
    "few_letters",
    "word_length",
    "repeated_text",
)
UNKNOWN = "und"
PUBLISHED = filters.Rules.published()
DOCUMENT_RULES = (
    *OWN_RULES,
    *(rule.name for rule in PUBLISHED.rules if rule.name not in filters.LINE_RULES),
)
LINE_RULES = ("boilerplate_line", "foreign_line", *filters.LINE_RULES)


class Judge:
    """The rules, with what they need laid ready."""

    def __init__(self, settings: Mapping[str, Value]) -> None:
        """Keep the settings."""
        self.settings = settings
        self.is_fast = settings["mode"] == "fast"
        self.wanted = set(str(settings["languages"]).replace(",", " ").split())

    @cached_property
    def rules(self) -> filters.Rules:
        """The published rules as the settings switch and change them. Failed for a mistake."""
        return rules(self.settings)

    @cached_property
    def shape(self) -> near.Shape:
        """How signatures are made."""
        return near.Shape(seed=int(self.settings["seed"]))

    def tell_languages(self, rows: Sequence[dict[str, Any]]) -> None:
        """Tell the language of each document: told and sure; unknown is what was declared.

        What cannot be told surely enough reads as it is declared.
        """
        found = language.identify([row["text"] for row in rows], whole=not self.is_fast)
        least = float(self.settings["minimum_language"])
        for row, name, score in zip(rows, found.names, found.scores.tolist(), strict=True):
            row["sure"] = round(score, 3)
            row["told"] = name if name and score >= least else row["language"] or UNKNOWN
            row["language"] = row["language"] or row["told"]

    def verdicts(
        self, rows: Sequence[dict[str, Any]]
    ) -> tuple[list[Verdict | None], list[dict[str, int]]]:
        """Why each document is left out, None for those that stay; C4 takes lines out of those.

        Beside it, how many lines each rule of C4 took out of each document.
        """
        found = [texts.judge(row, self.wanted, self.settings) for row in rows]
        taken: list[dict[str, int]] = [{} for _ in rows]
        staying = [at for at, verdict in enumerate(found) if verdict is None]
        if not staying or not any(rule.on for rule in self.rules.rules):
            return found, taken
        judgement = filters.judge(Batch.of([rows[at]["text"] for at in staying]), self.rules)
        for number, at in enumerate(staying):
            if verdict := judgement.verdict(number):
                found[at] = Verdict(
                    verdict.rule, round(verdict.measured, 4), round(verdict.threshold, 4)
                )
            for rule, count in zip(filters.LINE_RULES, judgement.dropped[number], strict=True):
                if count:
                    taken[at][rule] = int(count)
        for number, kept in enumerate(judgement.kept.tolist()):
            rows[staying[kept]]["text"] = judgement.batch.text(number)
        return found, taken

    def scrub(self, rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, int]]:
        """Take personal data out of the documents; returns how many pieces, by language and kind.

        Names and addresses of documents are scrubbed too; what is counted is in texts.
        """
        if not self.settings["scrub"]:
            return {}
        counts: dict[str, Counter[str]] = {}
        for row in rows:
            row["id"], row["url"] = self.scrubbed(row["id"]), self.scrubbed(row["url"])
            row["text"], found = personal.scrub(row["text"])
            if found:
                counts.setdefault(row["language"], Counter()).update(found)
        return {name: dict(sorted(found.items())) for name, found in sorted(counts.items())}

    @staticmethod
    def scrubbed(text: str) -> str:
        """A text without personal data, for what is shown; whatever the settings are."""
        return personal.scrub(text)[0]

    def signatures(self, found: Sequence[str]) -> NDArray[np.uint64]:
        """The band keys of each text, [texts, bands]."""
        return near.band_keys(Batch.of(found), self.shape)


def rules(settings: Mapping[str, Value]) -> filters.Rules:
    """The published rules as the settings switch and change them. Raises Failed for a mistake."""
    on = {family: bool(settings[family]) for family in filters.FAMILIES}
    thresholds: dict[str, float] = {}
    for change in str(settings["rule_changes"]).replace(",", " ").split():
        name, _, value = change.partition("=")
        if value in {"on", "off"}:
            on[name] = value == "on"
            continue
        try:
            thresholds[name] = float(value)
        except ValueError as error:
            raise Failed(
                f"rule_changes has {change!r}: write a rule's name, =, and a number, on or off."
            ) from error
    families = {rule.name: rule.family for rule in PUBLISHED.rules}
    # A family that is off stays off but for rules that are switched on by name.
    switched = {
        rule.name: on.get(rule.name, on[families[rule.name]] and rule.on)
        for rule in PUBLISHED.rules
    }
    unknown = sorted((set(on) | set(thresholds)) - set(families) - set(filters.FAMILIES))
    if unknown:
        raise Failed(
            f"rule_changes: no rule is named {', '.join(unknown)}. Known: {', '.join(families)}."
        )
    return PUBLISHED.changed(on=switched, thresholds=thresholds)
