"""What a section still needs before the application can be handed in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from uzina.calls.rules.sections.fields import AMOUNT, Field, Section
from uzina.calls.rules.sections.parsing import NOT_OFFERED
from uzina.core.errors import Problem
from uzina.core.text import _


def missing(section: Section, answers: Mapping[str, Any]) -> list[Problem]:
    """Return what the section still needs, one problem a question, by dotted path.

    Among it answers that were kept and that the call does not offer: a draft keeps them.
    """
    problems: list[Problem] = []
    for field in section.fields:
        if field.needed_where and answers.get(field.needed_where[0]) != field.needed_where[1]:
            continue
        answer = answers.get(field.name)
        if _is_empty(field, answer):
            problems += [_missing(field.name, field)] if field.missing else []
        elif field.kind == "rows":
            problems += _missing_in_rows(field, answer or [])
        else:
            problems += _not_offered(field.name, field, answer)
    return problems + _beyond_limits(section, answers)


def _missing_in_rows(field: Field, rows: Sequence[Mapping[str, Any]]) -> Iterable[Problem]:
    for number, row in enumerate(rows):
        for column in field.columns:
            path, answer = f"{field.name}.{number}.{column.name}", row.get(column.name)
            if not _is_empty(column, answer):
                yield from _not_offered(path, column, answer)
            elif column.missing:
                yield _missing(path, column)
    total = sum(row.get(field.sum_of, 0) for row in rows) if field.sum_of else 0
    if total > 100:
        yield Problem(
            field.name,
            "application.section.sum",
            _("The shares come to {total} %. Together they may be at most 100 %."),
            {"total": total},
        )


def _is_empty(field: Field, answer: Any) -> bool:
    if field.kind == "tick":
        return answer is not True
    return answer is None or answer in ("", [])


def _missing(path: str, field: Field) -> Problem:
    return Problem(path, "application.section.missing", field.missing)


def _not_offered(path: str, field: Field, answer: Any) -> list[Problem]:
    if field.kind == "whole" and field.allowed and answer not in field.allowed:
        offered = ", ".join(map(str, field.allowed))
    elif field.kind == "choice" and field.offered and answer not in dict(field.choices):
        offered = ", ".join(words for _value, words in field.choices)
    elif field.kind == "terms" and field.choices and answer != field.choices[0][0]:
        return [_missing(path, field)]
    else:
        return []
    return [
        Problem(
            path,
            "application.section.not_offered",
            NOT_OFFERED,
            {"offered": offered},
        )
    ]


def _beyond_limits(section: Section, answers: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with the amount on the partition, and with the two partitions."""
    problems = []
    partition, amount = answers.get("partition", ""), answers.get(AMOUNT)
    limit = next((one for one in section.limits if one.partition in {"", partition}), None)
    if limit and amount is not None and not limit.least <= amount <= limit.most:
        problems.append(
            Problem(
                AMOUNT,
                "application.section.limits",
                _("Ask for {least} to {most}: that is what this call gives there."),
                {"least": limit.least, "most": limit.most, "partition": limit.partition},
            )
        )
    if partition and answers.get("fallback_partition") == partition:
        problems.append(
            Problem(
                "fallback_partition",
                "application.section.same_partition",
                _("Choose another partition than your first choice, or none."),
            )
        )
    return problems


def incomplete(
    sections: Iterable[Section], answers: Mapping[str, Mapping[str, Any]]
) -> list[Problem]:
    """Return what an application still needs, over all its sections: `section.field` paths."""
    return [
        Problem(f"{section.slug}.{one.field}", one.code, one.message, one.facts)
        for section in sections
        for one in missing(section, answers.get(section.slug, {}))
    ]
