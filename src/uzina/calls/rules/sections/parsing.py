"""Reading what a form or a program sent, question by question."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from uzina.calls.rules.sections.fields import ELSEWHERE, MOST_ROWS, Field, Section
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{4,28}[0-9]")
URL = re.compile(r"https?://[^\s<>\"'\\@/]+\.[^\s<>\"'\\@/.]+(/[^\s<>\"'\\]*)?")
EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)
GROUPED = re.compile(r"[\s\u00a0\u202f_]")
UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|[\ud800-\udfff]")
NOT_OFFERED = _("This call offers {offered}. Choose one of these.")
TRUE = (True, "yes", "on", "true")
FALSE = (False, "no", "false")


def parse(section: Section, raw: Mapping[str, Any], *, countries: Iterable[str]) -> dict[str, Any]:
    """Return the answers of a section, typed; what has no answer is left out.

    raw        values as a form (texts) or a program (JSON) sends them; a name not asked is wrong
    countries  codes that may be chosen, beside ELSEWHERE

    Raises Invalid with every value that cannot be kept. Missing answers are no mistake here.
    """
    problems: list[Problem] = []
    known = {*countries, ELSEWHERE}
    names = {field.name for field in section.fields}
    problems += [
        Problem(str(name)[:60], "application.section.unknown", _("This section does not ask that."))
        for name in raw
        if name not in names
    ]
    answers = _parse_fields(section.fields, raw, "", known, problems)
    if problems:
        raise Invalid(problems)
    return answers


def _parse_fields(
    fields: Sequence[Field],
    raw: Mapping[str, Any],
    path: str,
    countries: set[str],
    problems: list[Problem],
) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for field in fields:
        value = raw.get(field.name)
        if value is None or value == "":
            continue
        answer: Any
        if field.kind == "rows":
            answer = _parse_rows(field, value, f"{path}{field.name}", countries, problems)
        else:
            answer = _parse_value(field, value, f"{path}{field.name}", countries, problems)
        if answer is not None and answer not in ("", []):
            answers[field.name] = answer
    return answers


def _parse_rows(
    field: Field, value: Any, path: str, countries: set[str], problems: list[Problem]
) -> list[dict[str, Any]] | None:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        problems.append(Problem(path, "application.section.rows", _("Send a list of rows.")))
        return None
    if len(value) > MOST_ROWS:
        problems.append(
            Problem(
                path,
                "application.section.too_many",
                _("Give at most {most} rows; sum up the others."),
                {"most": MOST_ROWS},
            )
        )
        return None
    names = {column.name for column in field.columns}
    rows = []
    for number, row in enumerate(value):
        problems += [
            Problem(
                f"{path}.{number}.{str(name)[:60]}",
                "application.section.unknown",
                _("This section does not ask that."),
            )
            for name in row
            if name not in names
        ]
        parsed = _parse_fields(field.columns, row, f"{path}.{number}.", countries, problems)
        if parsed:
            rows.append(parsed)
    return rows or None


def _parse_value(
    field: Field, value: Any, path: str, countries: set[str], problems: list[Problem]
) -> Any:
    def wrong(code: str, message: str, **facts: Any) -> None:
        problems.append(Problem(path, f"application.section.{code}", message, facts))

    match field.kind:
        case "yes_no" | "tick" if value in TRUE or value in FALSE:
            return value in TRUE
        case "yes_no" | "tick":
            wrong("yes_no", _("Choose yes or no."))
        case "choice" | "country":
            known = countries if field.kind == "country" else dict(field.choices)
            if isinstance(value, str) and value in known:
                return value
            if field.offered == "partitions":
                offered = ", ".join(words for _value, words in field.choices)
                wrong("not_offered", NOT_OFFERED, offered=offered)
            else:
                wrong("choice", _("Choose one of the answers in the list."))
        case kind if kind in READ:
            return READ[kind](field, value, wrong)
        case _:
            return _text(field, value, wrong)
    return None


def _whole(field: Field, value: Any, wrong: Any) -> int | None:
    digits = GROUPED.sub("", value) if isinstance(value, str) else value
    if isinstance(digits, str) and digits.isascii() and digits.isdigit() and len(digits) <= 18:
        digits = int(digits)
    if type(digits) is not int or not field.least <= digits <= field.most:
        wrong(
            "whole",
            _("Write a whole number from {least} to {most}, in figures."),
            least=field.least,
            most=field.most,
        )
        return None
    return digits


def _choices(field: Field, value: Any, wrong: Any) -> list[str] | None:
    chosen = [value] if isinstance(value, str) else value
    known = dict(field.choices)
    if not isinstance(chosen, list) or any(
        type(one) is not str or one not in known for one in chosen
    ):
        wrong("choice", _("Choose one of the answers in the list."))
        return None
    return [one for one in known if one in chosen]


def _terms(field: Field, value: Any, wrong: Any) -> str | bool | None:
    """Return the version of the terms that is accepted; a bare yes accepts those of the call."""
    if value in FALSE:
        return None
    current = field.choices[0][0] if field.choices else True
    if value in TRUE or value == current:
        return current
    wrong("terms", _("The terms of reference have changed. Read them and accept them again."))
    return None


def _date(_field: Field, value: Any, wrong: Any) -> str | None:
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        day = None
    if day is None or not EARLIEST <= day < LATEST:
        wrong("date", _("Write a date with day, month and year."))
        return None
    return day.isoformat()


def _text(field: Field, value: Any, wrong: Any) -> str | None:
    if not isinstance(value, str):
        wrong("text", _("Write a text."))
        return None
    text = value.replace("\r\n", "\n").replace("\r", "\n").strip()
    if field.kind != "text":
        text = " ".join(text.split())
    if UNSEEN.search(text):
        wrong("unseen", _("Take out the control characters: they cannot be kept."))
    elif len(text) > field.most:
        wrong(
            "too_long",
            _("Shorten it to {most} characters; it has {count}."),
            most=field.most,
            count=len(text),
        )
    elif field.kind == "email" and text and not EMAIL.fullmatch(text):
        wrong("email", _("Write an e-mail address such as name@example.org."))
    elif field.kind == "phone" and text and not PHONE.fullmatch(text):
        wrong("phone", _("Write a telephone number such as +40 256 123 456."))
    elif field.kind == "url" and text and not URL.fullmatch(text):
        wrong("url", _("Write a web address such as https://example.org."))
    else:
        return text
    return None


READ = {"terms": _terms, "whole": _whole, "choices": _choices, "date": _date}
"""Kinds with a reader of their own."""
