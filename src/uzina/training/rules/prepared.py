"""What a preparation reports, as a page draws it. The report is a stranger's file: bounded, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from uzina.core.text import _

MOST_RULES, MOST_ROWS, MOST_SAMPLES, LONGEST = 80, 50, 3, 200
LATE = ("exact_duplicate", "near_duplicate", "in_evaluation", "near_held_out")
RULES = {
    "unreadable": _("Could not be read"),
    "other_language": _("In a language that was not asked for"),
    "wrong_language": _("In another language than it says"),
    "too_short": _("Too short"),
    "few_letters": _("Too few letters"),
    "word_length": _("Words too long"),
    "repeated_text": _("Repeats its own lines"),
    "exact_duplicate": _("The same text again"),
    "near_duplicate": _("Nearly the same text again"),
    "in_evaluation": _("Holds text of an evaluation set"),
    "near_held_out": _("Too near to held-out text"),
    "boilerplate_line": _("Navigation and footers"),
    "foreign_line": _("Lines in another language"),
}
"""What a rule is called on the page; published rules keep their names."""


@dataclass(frozen=True)
class Sample:
    """A piece of something that was left out, and what is known of it."""

    id: str
    excerpt: str
    facts: str


@dataclass(frozen=True)
class Taken:
    """What one rule took, with samples. unit: documents or lines.

    says  what a published rule measures, by language of the page; empty for our own
    """

    rule: str
    label: str
    says: Mapping[str, str]
    count: int
    bytes: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Language:
    """What came in and went out in one language."""

    code: str
    read: int
    trained: int
    held_out: int
    bytes: int
    tokens: int


@dataclass(frozen=True)
class Report:
    """What a preparation reports.

    funnel    (what, documents) from what was read to what is trained on
    personal  (kind, pieces replaced)
    """

    funnel: tuple[tuple[str, int], ...]
    languages: tuple[Language, ...]
    rules: tuple[Taken, ...]
    lines: tuple[Taken, ...]
    personal: tuple[tuple[str, int], ...]


def read(report: Mapping[str, Any]) -> Report | None:
    """Return what a report says; None for what is no report."""
    out = _table(report, "out")
    train, held = _table(out, "train"), _table(out, "heldout")
    came_in = _count(report.get("in"))
    if not came_in or not train:
        return None
    rules = _taken(_table(report, "excluded_documents"))
    late = sum(one.count for one in rules if one.rule in LATE)
    early = sum(one.count for one in rules) - late
    funnel = (
        (_("Read"), came_in),
        (_("Left by the rules"), came_in - early),
        (_("Left without duplicates"), came_in - early - late),
        (_("To train on"), _whole(train.get("documents"))),
    )
    return Report(
        funnel,
        _languages(report, train, held),
        rules,
        _taken(_table(report, "removed_lines")),
        tuple(
            (str(kind)[:LONGEST], _whole(count))
            for kind, count in list(_table(report, "personal_data", "replaced").items())[:MOST_ROWS]
        ),
    )


def _languages(
    report: Mapping[str, Any], train: Mapping[str, Any], held: Mapping[str, Any]
) -> tuple[Language, ...]:
    tables = (_table(report, "in"), _table(train, "by_language"), _table(held, "by_language"))
    codes = sorted(
        {str(code) for table in tables for code in table},
        key=lambda code: (-_whole(_table(tables[1], code).get("bytes")), code),
    )
    return tuple(
        Language(
            code=code[:LONGEST],
            read=_whole(_table(tables[0], code).get("documents")),
            trained=_whole(_table(tables[1], code).get("documents")),
            held_out=_whole(_table(tables[2], code).get("documents")),
            bytes=_whole(_table(tables[1], code).get("bytes")),
            tokens=_whole(_table(tables[1], code).get("tokens")),
        )
        for code in codes[:MOST_ROWS]
    )


def _taken(rules: Mapping[str, Any]) -> tuple[Taken, ...]:
    found = [
        Taken(
            str(name)[:LONGEST],
            RULES.get(str(name), str(name)[:LONGEST].replace("_", " ")),
            {
                code: text[:LONGEST]
                for code in ("en", "ro")
                if isinstance(text := _table(rules, name, "says").get(code), str) and text
            },
            _count(_table(rules, name).get("by_language")),
            sum(
                _whole(row.get("bytes"))
                for row in _table(rules, name, "by_language").values()
                if isinstance(row, Mapping)
            ),
            _samples(_table(rules, name).get("samples")),
        )
        for name in list(rules)[:MOST_RULES]
    ]
    return tuple(sorted((one for one in found if one.count), key=lambda one: -one.count))


def _samples(given: Any) -> tuple[Sample, ...]:
    rows = [row for row in given if isinstance(row, Mapping)] if isinstance(given, list) else []
    return tuple(
        Sample(
            str(row.get("id", ""))[:LONGEST],
            str(row.get("excerpt", ""))[:LONGEST],
            ", ".join(
                f"{name} {value}"[:LONGEST]
                for name, value in list(row.items())[:8]
                if name not in {"id", "excerpt"}
            ),
        )
        for row in rows[:MOST_SAMPLES]
    )


def _table(given: Any, *names: str) -> Mapping[str, Any]:
    for name in names:
        given = given.get(name) if isinstance(given, Mapping) else None
    return given if isinstance(given, Mapping) else {}


def _count(rows: Any) -> int:
    table = rows if isinstance(rows, Mapping) else {}
    return sum(_whole(row.get("documents")) for row in table.values() if isinstance(row, Mapping))


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


MOST_NAMES = 10


def content(statistics: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the public summary of training content asks of prepared data, bounded.

    languages, licences, sources and domains are shares of the bytes, the largest first.
    """
    collected, crawled = _table(statistics, "collected"), _table(statistics, "crawled")
    return {
        **{name: _shares(statistics.get(name)) for name in ("languages", "licences", "sources")},
        "collected_from": str(collected.get("from", ""))[:10],
        "collected_until": str(collected.get("until", ""))[:10],
        "domains": _shares(crawled.get("top")),
        "domain_count": _whole(crawled.get("domains")),
    }


def _shares(rows: Any) -> list[list[Any]]:
    found = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    return [
        [str(row.get("name", ""))[:LONGEST], row["share"]]
        for row in found[:MOST_NAMES]
        if isinstance(row.get("share"), int | float) and 0 <= row["share"] <= 1
    ]
