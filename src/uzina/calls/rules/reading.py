"""Reading what a person wrote in a data file: one value at a time, every mistake by its path."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Self
from zoneinfo import ZoneInfo

from uzina.calls.rules.modes import LANGUAGES, Text
from uzina.core.errors import Problem
from uzina.core.text import _


class Reader:
    """Reads one value at a time, notes what is wrong with it, and goes on."""

    def __init__(self, raw: Mapping[str, Any], path: str = "") -> None:
        self.raw = raw
        self.path = path
        self.read: set[str] = set()
        self.problems: list[Problem] = []

    def wrong(self, key: str, message: str, **facts: Any) -> None:
        self.problems.append(Problem(self.path + key, "mode.read.wrong", message, facts))

    def value(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return self.raw.get(key, default)

    def check_all_read(self) -> None:
        """Note the settings that nobody asked for: most are misspelt."""
        for key in self.raw:
            if key not in self.read:
                self.wrong(str(key)[:60], _("There is no such setting."))

    def text(self, key: str) -> str:
        value = self.value(key)
        if not isinstance(value, str) or not value or "\x00" in value:
            self.wrong(key, _("Write a text."))
            return ""
        return value

    def one_of(self, key: str, choices: Sequence[str], default: str = "") -> str:
        value = self.value(key, default)
        if not isinstance(value, str) or value not in choices:
            self.wrong(key, _("Choose one of: {choices}."), choices=", ".join(choices))
            return choices[0]
        return value

    def some_of(self, key: str, choices: Sequence[str]) -> tuple[str, ...]:
        value = self.value(key)
        if not isinstance(value, list) or not value or not all(one in choices for one in value):
            self.wrong(key, _("Choose some of: {choices}."), choices=", ".join(choices))
            return ()
        return tuple(value)

    def count(self, key: str, most: int, least: int = 1, default: int | None = None) -> int:
        value = self.value(key, default)
        if type(value) is not int or not least <= value <= most:
            self.wrong(
                key,
                _("Write a whole number from {least} to {most}."),
                least=least,
                most=most,
            )
            return least
        return value

    def counts(self, key: str, most: int, *, is_needed: bool) -> tuple[int, ...]:
        value = self.value(key, None if is_needed else [])
        if (
            not isinstance(value, list)
            or (is_needed and not value)
            or not all(type(one) is int and 1 <= one <= most for one in value)
        ):
            self.wrong(key, _("Write whole numbers from 1 to {most}."), most=most)
            return ()
        return tuple(value)

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        value = self.value(key, default)
        if not isinstance(value, bool):
            self.wrong(key, _("Write true or false."))
        return value is True

    def table(self, key: str) -> Self | None:
        """Return a reader of a table; None where there is none, or it is something else."""
        value = self.value(key)
        if isinstance(value, dict):
            return type(self)(value, f"{self.path}{key}.")
        if value is not None:
            self.wrong(key, _("Write a table."))
        return None

    def close(self, reader: Self) -> None:
        """Take over what a reader of a part found wrong."""
        reader.check_all_read()
        self.problems += reader.problems

    def each(self, key: str) -> Iterable[Self]:
        """Return a reader for each table of a list; what they find wrong is this one's."""
        rows = self.value(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.wrong(key, _("Write a list of tables."))
            return
        for number, row in enumerate(rows):
            reader = type(self)(row, f"{self.path}{key}.{number}.")
            yield reader
            self.close(reader)

    def day(self, key: str) -> date:
        found = day_of(self.value(key))
        if found is None:
            self.wrong(key, _("Write a day as YYYY-MM-DD."))
        return found or date.min

    def words(self, key: str) -> Text:
        value = self.value(key)
        if (
            not isinstance(value, dict)
            or not all(isinstance(value.get(one), str) and value[one] for one in LANGUAGES)
            or any("\x00" in str(one) for one in value.values())
        ):
            self.wrong(
                key, _("Write a text in each of: {languages}."), languages=", ".join(LANGUAGES)
            )
            return {}
        return {language: value[language] for language in LANGUAGES}

    def sentence(self, key: str) -> Text:
        words = self.words(key)
        for language, text in words.items():
            try:
                text.format(value="", limit="")
            except (KeyError, IndexError, ValueError, AttributeError):
                self.wrong(f"{key}.{language}", _("Use only {names}."), names="{value}, {limit}")
        return words


def day_of(value: Any) -> date | None:
    """Return the day that is written, None where it is none."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None


def is_zone(name: str) -> bool:
    """Tell whether there is a time zone of this IANA name."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
