"""Drafts carried over, exported and taken in again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from uzina.calls.rules.sections import Field, Section, parse
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

FORMAT = "uzina.application/1"

MADE_ANEW = frozenset({"declarations"})
"""Sections that nobody declares by copying."""

MOST_SECTIONS = 50


def carried(
    answers: Mapping[str, Mapping[str, Any]],
    asked: Sequence[Section],
    *,
    countries: Iterable[str],
) -> dict[str, dict[str, Any]]:
    """Return of earlier answers what another call asks too and takes as it is, by section."""
    kept: dict[str, dict[str, Any]] = {}
    for section in asked:
        if section.slug in MADE_ANEW:
            continue
        found: dict[str, Any] = {}
        for field in section.fields:
            value = answers.get(section.slug, {}).get(field.name)
            if value is not None and _fits(section, field, value, countries):
                found |= parse(section, {field.name: value}, countries=countries)
        if found:
            kept[section.slug] = found
    return kept


def _fits(section: Section, field: Field, value: Any, countries: Iterable[str]) -> bool:
    if field.allowed and value not in field.allowed:
        return False
    try:
        parse(section, {field.name: value}, countries=countries)
    except Invalid:
        return False
    return True


def left_out(
    answers: Mapping[str, Mapping[str, Any]], kept: Mapping[str, Mapping[str, Any]]
) -> tuple[str, ...]:
    """Return the `section.field` paths of an earlier application that a later one does not hold."""
    return tuple(
        f"{slug}.{name}"
        for slug, given in answers.items()
        for name in given
        if name not in kept.get(slug, {})
    )


def read_export(document: Any) -> dict[str, Mapping[str, Any]]:
    """Return the answers by section of an exported application. Raises Invalid for another thing."""
    problem = Problem(
        "document",
        "application.import.format",
        _("This is no exported application. Its format is {format}."),
        {"format": FORMAT},
    )
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise Invalid([problem])
    given = document.get("sections")
    if (
        not isinstance(given, dict)
        or len(given) > MOST_SECTIONS
        or not all(isinstance(one, dict) for one in given.values())
    ):
        raise Invalid([problem])
    return {str(slug)[:60]: answers for slug, answers in given.items()}


def parse_all(
    given: Mapping[str, Mapping[str, Any]],
    asked: Mapping[str, Section],
    *,
    countries: Iterable[str],
) -> dict[str, dict[str, Any]]:
    """Return the answers that a call asks, typed. Raises Invalid with all that cannot be kept."""
    problems: list[Problem] = []
    answers: dict[str, dict[str, Any]] = {}
    for slug, raw in given.items():
        if slug not in asked or slug in MADE_ANEW:
            continue
        try:
            answers[slug] = parse(asked[slug], raw, countries=countries)
        except Invalid as invalid:
            problems += [
                Problem(f"{slug}.{one.field}", one.code, one.message, one.facts)
                for one in invalid.problems
            ]
    if problems:
        raise Invalid(problems)
    return {slug: kept for slug, kept in answers.items() if kept}
