"""What a dataset says of itself: each field checked, changes told, and what is still missing."""

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from uzina.catalogue.rules import stewardship
from uzina.catalogue.rules.datasets import (
    LONGEST_DESCRIPTION,
    LONGEST_TITLE,
    MOST_LANGUAGES,
    AccessRight,
    language_problems,
)
from uzina.catalogue.rules.texts import folded, text_problems
from uzina.catalogue.rules.vocabularies import LANGUAGES, terms
from uzina.core.errors import Problem
from uzina.core.text import _

LONGEST_KEYWORD = 60

MOST_KEYWORDS = 30

MOST_CREATORS = 100

LONGEST_NAME_OF_PERSON = 120

LONGEST_CREATOR = 200

LONGEST_EMAIL = 254

LONGEST_URL = 500

EMAIL = re.compile(r"[^@\s,;<>()\"]{1,64}@[^@\s.,;<>()\"]+(?:\.[^@\s.,;<>()\"]+)+")

PERSONAL = ("contact_name", "contact_email", "creators")
"""Fields that name people: the log, which is kept for ever, says that they changed, not how."""

Facts = Mapping[str, Any]


def fact_problems(facts: Facts, *, only: Iterable[str]) -> list[Problem]:
    """Return every mistake in what a dataset would say of itself.

    facts  everything it would say; `said` in queries makes such facts of a dataset
    only   the fields that are being changed: mistakes elsewhere are not theirs
    """
    problems: list[Problem] = []
    for key in only:
        check = CHECKS.get(key)
        if check is None:
            problems.append(
                Problem(
                    "",
                    "dataset.describe.unknown",
                    _("A dataset has no field {given!r}. It has: {fields}."),
                    {"given": key[:40], "fields": ", ".join(CHECKS)},
                )
            )
        else:
            problems += check(facts)
    return problems


def _text(key: str, longest: int, *, is_needed: bool) -> Callable[[Facts], list[Problem]]:
    def check(facts: Facts) -> list[Problem]:
        value = facts[key]
        if not isinstance(value, str):
            return [_wrong(key, _("Write a text."))]
        return text_problems(key, value, longest=longest, is_needed=is_needed)

    return check


def _codes(key: str, table: str) -> Callable[[Facts], list[Problem]]:
    def check(facts: Facts) -> list[Problem]:
        given = facts[key]
        if not isinstance(given, list):
            return [_wrong(key, _("Give a list of codes."))]
        return [
            _unknown(f"{key}.{at}", table, one)
            for at, one in enumerate(given)
            if not (isinstance(one, str) and one in terms(table)) or given.index(one) != at
        ][: len(terms(table))]

    return check


def _unknown(field: str, table: str, given: Any) -> Problem:
    return Problem(
        field,
        "dataset.code.unknown",
        _("{given!r} is not a code of the table {table}, or is there twice."),
        {"given": str(given)[:40], "table": table},
    )


def _wrong(field: str, message: str) -> Problem:
    return Problem(field, "dataset.describe.form", message)


def _languages(facts: Facts) -> list[Problem]:
    given = facts["languages"]
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        return [_wrong("languages", _("Give a list of codes."))]
    return language_problems(given)


def _translations(facts: Facts) -> list[Problem]:
    given, languages = facts["translations"], facts["languages"]
    if not isinstance(given, dict) or not all(isinstance(one, dict) for one in given.values()):
        return [_wrong("translations", _("Give a title and a description by language."))]
    main = languages[0] if isinstance(languages, list) and languages else ""
    problems: list[Problem] = []
    for code, texts in given.items():
        field = f"translations.{code}" if code in LANGUAGES else "translations"
        if code not in LANGUAGES or code == main:
            problems.append(
                Problem(
                    field,
                    "dataset.translation.language",
                    _("{given!r} is the main language, or no language code we know."),
                    {"given": code[:20]},
                )
            )
        if not set(texts) <= {"title", "description"}:
            problems.append(_wrong(field, _("Give a title and a description only.")))
        for key, longest in (("title", LONGEST_TITLE), ("description", LONGEST_DESCRIPTION)):
            text = texts.get(key, "")
            if isinstance(text, str):
                problems += text_problems(
                    f"{field}.{key}", text, longest=longest, is_needed=key == "title"
                )
            else:
                problems.append(_wrong(f"{field}.{key}", _("Write a text.")))
    return problems


def _frequency(facts: Facts) -> list[Problem]:
    given = facts["frequency"]
    is_known = isinstance(given, str) and (not given or given in terms("frequency"))
    return [] if is_known else [_unknown("frequency", "frequency", given)]


def _keywords(facts: Facts) -> list[Problem]:
    given = facts["keywords"]
    if not isinstance(given, list) or len(given) > MOST_KEYWORDS:
        return [
            Problem(
                "keywords",
                "dataset.keywords.count",
                _("Give a list of up to {most} keywords."),
                {"most": MOST_KEYWORDS},
            )
        ]
    problems: list[Problem] = []
    for at, one in enumerate(given):
        field = f"keywords.{at}"
        if isinstance(one, str):
            problems += text_problems(field, one, longest=LONGEST_KEYWORD, is_needed=True)
            problems += _one_line(field, one)
        else:
            problems.append(_wrong(field, _("Write a text.")))
    return problems


def _one_line(field: str, text: str) -> list[Problem]:
    if any(unicodedata.category(one) == "Cc" for one in text.strip()) and "\0" not in text:
        return [_wrong(field, _("Write it on one line, without control characters."))]
    return []


def _creators(facts: Facts) -> list[Problem]:
    given = facts["creators"]
    if not isinstance(given, list) or len(given) > MOST_CREATORS:
        return [
            Problem(
                "creators",
                "dataset.creators.count",
                _("Name up to {most} creators."),
                {"most": MOST_CREATORS},
            )
        ]
    problems: list[Problem] = []
    for at, one in enumerate(given):
        field = f"creators.{at}"
        if not isinstance(one, dict) or not set(one) <= {"name", "url"}:
            problems.append(_wrong(field, _("Give a name and, if there is one, a web address.")))
            continue
        name = one.get("name", "")
        if isinstance(name, str):
            problems += text_problems(
                f"{field}.name", name, longest=LONGEST_CREATOR, is_needed=True
            )
            problems += _one_line(f"{field}.name", name)
        else:
            problems.append(_wrong(f"{field}.name", _("Write a text.")))
        problems += _url_problems(f"{field}.url", one.get("url", ""))
    return problems


def _email(facts: Facts) -> list[Problem]:
    given = facts["contact_email"]
    if given == "":
        return []
    if not isinstance(given, str) or len(given) > LONGEST_EMAIL or not EMAIL.fullmatch(given):
        return [
            Problem(
                "contact_email",
                "dataset.email.form",
                _("Write an e-mail address such as data@example.org."),
            )
        ]
    return text_problems("contact_email", given, longest=LONGEST_EMAIL, is_needed=False)


def _landing_url(facts: Facts) -> list[Problem]:
    return _url_problems("landing_url", facts["landing_url"])


def _url_problems(field: str, given: Any) -> list[Problem]:
    if given == "" or (isinstance(given, str) and is_url(given)):
        return []
    return [
        Problem(field, "dataset.url.form", _("Write a web address such as https://example.org."))
    ]


def is_url(text: str) -> bool:
    """Tell whether text is an address of the web: http or https, a host, nothing odd in it."""
    if (
        len(text) > LONGEST_URL
        or not text.isprintable()
        or not re.fullmatch(r"https?://[^\s<>\"{}|\\^`\x00-\x1f]+", text)
    ):
        return False
    try:
        parts = urlsplit(text)
        _port = parts.port
    except ValueError:
        return False
    return bool(parts.hostname) and parts.username is None


def _begins_on(facts: Facts) -> list[Problem]:
    return _day_problems("begins_on", facts["begins_on"])


def _ends_on(facts: Facts) -> list[Problem]:
    begins, ends = facts["begins_on"], facts["ends_on"]
    if problems := _day_problems("ends_on", ends):
        return problems
    if ends is not None and isinstance(begins, date) and ends < begins:
        return [
            Problem(
                "ends_on",
                "dataset.period.order",
                _("The period ends before it begins: {begins} to {ends}."),
                {"begins": begins.isoformat(), "ends": ends.isoformat()},
            )
        ]
    return []


def _day_problems(field: str, given: Any) -> list[Problem]:
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return []
    return [_wrong(field, _("Give a day, year-month-day, such as 2027-03-27."))]


def _access_right(facts: Facts) -> list[Problem]:
    if facts["access_right"] in [one.value for one in AccessRight]:
        return []
    return [
        Problem(
            "access_right",
            "dataset.access_right.unknown",
            _("Choose one of: {codes}."),
            {"codes": ", ".join(one.value for one in AccessRight)},
        )
    ]


def _answers(facts: Facts) -> list[Problem]:
    given = facts["answers"]
    if not isinstance(given, dict):
        return [_wrong("answers", _("Give the answers by the key of the question."))]
    return stewardship.problems(given)


def _licence(facts: Facts) -> list[Problem]:
    """Only its form: which licences there are is a table's to say."""
    return _text("licence", 40, is_needed=True)(facts)


CHECKS: Mapping[str, Callable[[Facts], list[Problem]]] = MappingProxyType(
    {
        "title": _text("title", LONGEST_TITLE, is_needed=True),
        "description": _text("description", LONGEST_DESCRIPTION, is_needed=True),
        "languages": _languages,
        "translations": _translations,
        "themes": _codes("themes", "data-theme"),
        "keywords": _keywords,
        "frequency": _frequency,
        "creators": _creators,
        "contact_name": _text("contact_name", LONGEST_NAME_OF_PERSON, is_needed=False),
        "contact_email": _email,
        "landing_url": _landing_url,
        "places": _codes("places", "country"),
        "begins_on": _begins_on,
        "ends_on": _ends_on,
        "licence": _licence,
        "access_right": _access_right,
        "answers": _answers,
    }
)
"""What may be said, and what looks for mistakes in it."""


def blank() -> dict[str, Any]:
    """Return what a new dataset says where nothing is said. The licence has no default."""
    return {
        "title": "",
        "description": "",
        "languages": [],
        "translations": {},
        "themes": [],
        "keywords": [],
        "frequency": "",
        "creators": [],
        "contact_name": "",
        "contact_email": "",
        "landing_url": "",
        "places": [],
        "begins_on": None,
        "ends_on": None,
        "access_right": AccessRight.PUBLIC.value,
        "answers": {},
    }


def merged(before: Facts, given: Facts) -> dict[str, Any]:
    """Return what a dataset says once `given` is said too.

    A field replaces the one before. Answers are added to; one that is None or empty is taken back.
    Spaces around texts go, and a keyword that is there already.
    """
    after = {**before, **{key: _tidy(value) for key, value in given.items()}}
    if isinstance(given.get("answers"), dict):
        told = {**before["answers"], **_tidy(given["answers"])}
        after["answers"] = {key: one for key, one in told.items() if one not in (None, "", [])}
    if isinstance(after["keywords"], list) and "keywords" in given:
        after["keywords"] = _once(after["keywords"])
    if isinstance(after["languages"], list) and "languages" in given:
        after["languages"] = _once(after["languages"])
    return after


def _tidy(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return [_tidy(one) for one in value]
    if isinstance(value, dict):
        return {key: _tidy(one) for key, one in value.items()}
    return value


def _once(values: list[Any]) -> list[Any]:
    """Return the values, texts that differ only in case or diacritics once."""
    seen: dict[str, Any] = {}
    for one in values:
        seen.setdefault(folded(one) if isinstance(one, str) else repr(one), one)
    return list(seen.values())


def changes(before: Facts, after: Facts) -> dict[str, Any]:
    """Return what changed, for the log: {field: [old, new]}, of people's names only that they did.

    Answers are told one by one, as `answers.KEY`.
    """
    told: dict[str, Any] = {}
    for key in CHECKS:
        if key == "answers":
            old, new = before[key], after[key]
            told |= {
                f"answers.{one}": [old.get(one), new.get(one)]
                for one in dict.fromkeys([*old, *new])
                if old.get(one) != new.get(one)
            }
        elif before[key] != after[key]:
            told[key] = "changed" if key in PERSONAL else [before[key], after[key]]
    return told


def readiness(facts: Facts) -> list[Problem]:
    """Return what a dataset still has to say before it is published; empty when it is ready."""
    needed = {
        "title": _("Write something here."),
        "description": _("Write something here."),
        "languages": _("Name 1 to {most} languages."),
        "licence": _("Choose the licence."),
        "contact_email": _("Say whom to write to about the data."),
    }
    missing = [
        Problem(key, "dataset.publish.missing", message, {"most": MOST_LANGUAGES})
        for key, message in needed.items()
        if not facts[key]
    ]
    return missing + stewardship.unanswered(facts["answers"], str(facts["access_right"]))
