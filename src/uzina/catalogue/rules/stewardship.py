"""What a steward answers about a dataset, and what is still to be answered.

The questions are data: `catalogue/stewardship.toml`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from uzina.catalogue.rules.texts import text_problems
from uzina.core.errors import Problem
from uzina.core.text import _

FILE = Path(__file__).parent.parent / "stewardship.toml"

KINDS = ("choice", "choices", "text", "date", "yes_no")

LONGEST_ANSWER = 2_000

ACCESS_RIGHT = "access_right"
"""Stands among the conditions of a question for the dataset's access right."""


@dataclass(frozen=True)
class Source:
    """A law a question comes from."""

    en: str
    ro: str
    title: str
    on: date
    url: str


@dataclass(frozen=True)
class Option:
    """One answer to choose."""

    code: str
    en: str
    ro: str

    def label(self, language: str) -> str:
        """Return its words in a language of the portal."""
        return self.ro if language == "ro" else self.en


@dataclass(frozen=True)
class Section:
    """Questions asked on one page."""

    key: str
    en: str
    ro: str

    def label(self, language: str) -> str:
        """Return its title in a language of the portal."""
        return self.ro if language == "ro" else self.en


@dataclass(frozen=True)
class Question:
    """One question.

    when       what has to be answered, and how, for it to be asked; empty: always
    is_needed  to be answered before the dataset is published
    is_public  whether everybody may read the answer
    """

    key: str
    kind: str
    section: str
    en: str
    ro: str
    hint_en: str
    hint_ro: str
    source: Source
    article: str
    when: Mapping[str, tuple[Any, ...]]
    is_needed: bool
    is_public: bool
    longest: int
    options: tuple[Option, ...]

    def label(self, language: str) -> str:
        """Return the question in a language of the portal."""
        return self.ro if language == "ro" else self.en

    def hint(self, language: str) -> str:
        """Return its explanation and the law it comes from."""
        return f"{self.hint_ro if language == 'ro' else self.hint_en} ({self.law(language)})"

    def law(self, language: str) -> str:
        """Return the law it comes from, as people cite it."""
        if language == "ro":
            return f"{self.source.ro}, art. {self.article}"
        return f"{self.source.en}, Art. {self.article}"

    def shown(self, value: Any, language: str) -> str:
        """Return an answer in words; a date stays as it is written."""
        names = {one.code: one.label(language) for one in self.options}
        if self.kind == "choices":
            return "; ".join(names.get(one, one) for one in value)
        if self.kind == "yes_no":
            yes, no = ("da", "nu") if language == "ro" else ("yes", "no")
            return yes if value else no
        return names.get(value, value)  # type: ignore[no-any-return]


@cache
def _file() -> Mapping[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@cache
def sections() -> tuple[Section, ...]:
    """Return the pages of questions, in their order."""
    return tuple(Section(**one) for one in _file()["section"])


@cache
def questions() -> Mapping[str, Question]:
    """Return the questions by key, in the order they are asked."""
    sources = {key: Source(**one) for key, one in _file()["sources"].items()}
    return MappingProxyType({one["key"]: _question(one, sources) for one in _file()["question"]})


def _question(row: Mapping[str, Any], sources: Mapping[str, Source]) -> Question:
    return Question(
        key=row["key"],
        kind=row["kind"],
        section=row["section"],
        en=row["en"],
        ro=row["ro"],
        hint_en=row["hint_en"],
        hint_ro=row["hint_ro"],
        source=sources[row["source"]],
        article=row["article"],
        when={key: tuple(values) for key, values in row.get("when", {}).items()},
        is_needed=row.get("needed", False),
        is_public=row.get("public", True),
        longest=row.get("longest", LONGEST_ANSWER),
        options=tuple(Option(**one) for one in row.get("option", ())),
    )


def asked(answers: Mapping[str, Any], access_right: str) -> tuple[Question, ...]:
    """Return the questions that what was answered so far leads to, in their order.

    access_right  `public`, `restricted` or `non_public`
    """
    facts = {**answers, ACCESS_RIGHT: str(access_right)}
    return tuple(one for one in questions().values() if _applies(one, facts))


def _applies(question: Question, facts: Mapping[str, Any]) -> bool:
    return all(
        bool(set(values) & set(given))
        if isinstance(given := facts.get(key), list)
        else given in values
        for key, values in question.when.items()
    )


def problems(answers: Mapping[str, Any]) -> list[Problem]:
    """Return every mistake in answers, each on `answers.KEY`. An unfinished answer is none."""
    found = []
    for key, value in answers.items():
        question = questions().get(key)
        if question is None:
            found.append(
                Problem(
                    "answers",
                    "dataset.answer.unknown",
                    _(
                        "There is no question {given!r}. GET /api/v1/catalogue/questions lists them."
                    ),
                    {"given": key[:40]},
                )
            )
        else:
            found += _mistakes(question, value)
    return found


def _mistakes(question: Question, value: Any) -> list[Problem]:
    field = f"answers.{question.key}"
    if question.kind == "text" and isinstance(value, str):
        return text_problems(field, value, longest=question.longest, is_needed=False)
    codes = [one.code for one in question.options]
    fits, message = {
        "text": (False, _("Answer with a text.")),
        "yes_no": (isinstance(value, bool), _("Answer with yes or no (true or false).")),
        "date": (_is_date(value), _("Answer with a date, year-month-day, such as 2027-03-27.")),
        "choice": (value in codes, _("Choose one of: {codes}.")),
        "choices": (_are_some(value, codes), _("Choose some of: {codes}.")),
    }[question.kind]
    facts = {"codes": ", ".join(codes)}
    return [] if fits else [Problem(field, "dataset.answer.form", message, facts)]


def _are_some(value: Any, codes: Sequence[str]) -> bool:
    return isinstance(value, list) and all(
        one in codes and value.index(one) == at for at, one in enumerate(value)
    )


def _is_date(value: Any) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except (TypeError, ValueError):
        return False


def is_answered(value: Any) -> bool:
    """Tell whether a value is an answer: a yes or no, or anything that is not empty."""
    return isinstance(value, bool) or bool(value.strip() if isinstance(value, str) else value)


def unanswered(answers: Mapping[str, Any], access_right: str) -> list[Problem]:
    """Return a problem for each question that has to be answered before the data are published."""
    return [
        Problem(
            f"answers.{one.key}",
            "dataset.answer.missing",
            _("Answer this question: publishing needs it."),
        )
        for one in asked(answers, access_right)
        if one.is_needed and not is_answered(answers.get(one.key))
    ]


def public_answers(answers: Mapping[str, Any], access_right: str) -> dict[str, Any]:
    """Return the answers everybody may read: to questions that are asked, and not kept inside."""
    return {
        one.key: answers[one.key]
        for one in asked(answers, access_right)
        if one.is_public and is_answered(answers.get(one.key))
    }


STRICTEST_LAST = ("none", "anonymised", "pseudonymised", "personal")


def inherited(sources: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is known of data a job made from sources with these answers.

    A job adds no people: personal data are as personal as the most personal source, and unknown
    when one source does not say. Legal basis and retention are carried over where they are the
    same, or, of dates, the earliest; the rest is for a person to answer.
    """
    found: dict[str, Any] = {"collection": ["derived"]}
    if not sources:
        return found
    kinds = [one.get("personal_data") for one in sources]
    if all(kind in STRICTEST_LAST for kind in kinds):
        found["personal_data"] = max(kinds, key=STRICTEST_LAST.index)  # type: ignore[arg-type]
    for key in questions():
        if key in found or key in {"collection", "collection_text", "limits", "retention_until"}:
            continue
        told = [one[key] for one in sources if is_answered(one.get(key))]
        if len(told) == len(sources) and all(one == told[0] for one in told):
            found[key] = told[0]
    if any(one.get("special_categories") is True for one in sources):
        found["special_categories"] = True
    ends = [one["retention_until"] for one in sources if one.get("retention_until")]
    if ends:
        found["retention_until"] = min(ends)
    return found
