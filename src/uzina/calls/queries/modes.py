"""Access modes, shipped and as operators wrote them since, and countries."""

import difflib
import functools
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from uzina.calls.models import AccessMode
from uzina.calls.rules import mode_data as reading
from uzina.calls.rules import modes
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

MODES = Path(__file__).parent.parent / "modes"

NO_MODES = frozenset({"countries", "shared"})
"""Files beside the modes that all of them use."""

LONGEST_TEXT = 200_000


@dataclass(frozen=True)
class Version:
    """One version of a mode: shipped, or written by an operator.

    made_by  who wrote it; empty for a shipped one
    """

    slug: str
    version: str
    valid_from: date
    text: str
    data: dict[str, Any]
    made_by: str
    reason: str

    @property
    def mode(self) -> modes.Mode:
        """The mode it describes. Raises Invalid with every mistake of a shipped file."""
        return reading.parse_mode(self.data)


@functools.cache
def _file(name: str) -> dict[str, Any]:
    return tomllib.loads((MODES / f"{name}.toml").read_text(encoding="utf-8"))


@functools.cache
def country_names(language: str) -> dict[str, str]:
    """Return the countries of the shipped list, code to name, in the order of their names."""
    names = {
        row["code"]: modes.in_language(row["name"], language)
        for row in _file("countries")["countries"]
    }
    return dict(sorted(names.items(), key=lambda item: item[1]))


@functools.cache
def country_groups() -> dict[str, list[str]]:
    """Return the country codes of each group of the shipped list."""
    groups: dict[str, list[str]] = {name: [] for name in _file("countries")["groups"]}
    for row in _file("countries")["countries"]:
        groups[row["group"]].append(row["code"])
    return groups


@functools.cache
def shared_rules() -> dict[str, dict[str, Any]]:
    """Return the rules that many modes have, by key."""
    return {row["key"]: row for row in _file("shared")["rules"]}


def read_text(text: str) -> dict[str, Any]:
    """Return the data that the text of a mode describes, standing for itself.

    Raises Invalid with every mistake in it, by dotted path.
    """
    if len(text) > LONGEST_TEXT:
        message = _("Shorten the text to {most} characters.")
        raise Invalid([Problem("text", "mode.read.too_long", message, {"most": LONGEST_TEXT})])
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as mistake:
        message = _("This is no TOML: {why}.")
        facts = {"why": str(mistake)[:300]}
        raise Invalid([Problem("text", "mode.read.not_toml", message, facts)]) from None
    data = reading.resolve(raw, country_groups(), shared_rules())
    reading.parse_mode(data)
    return data


@functools.cache
def shipped() -> tuple[Version, ...]:
    """Return the modes of the shipped files. Raises Invalid with every mistake of a file."""
    found = []
    for path in sorted(MODES.glob("*.toml")):
        if path.stem in NO_MODES:
            continue
        text = path.read_text(encoding="utf-8")
        data = read_text(text)
        mode = reading.parse_mode(data)
        found.append(Version(mode.slug, mode.version, mode.valid_from, text, data, "", ""))
    return tuple(found)


def _written(rows: Iterable[AccessMode]) -> list[Version]:
    return [
        Version(
            row.slug, row.version, row.valid_from, row.text, row.rules, row.made_by.name, row.reason
        )
        for row in rows
    ]


def mode_versions(slug: str) -> list[Version]:
    """Return every version of a mode, newest first. One query; empty for a mode there is not."""
    rows = AccessMode.objects.filter(slug=slug).select_related("made_by").order_by("pk")
    found = [one for one in shipped() if one.slug == slug] + _written(rows)
    return sorted(found, key=lambda one: one.valid_from)[::-1]


def current_versions(on: date) -> dict[str, Version]:
    """Return the version of each mode that is valid on a day, by slug. One query.

    The one that became valid last; of two of the same day the later written. A mode whose time is
    over is left out.
    """
    rows = AccessMode.objects.filter(valid_from__lte=on).select_related("made_by").order_by("pk")
    found: dict[str, Version] = {}
    for one in [*shipped(), *_written(rows)]:
        known = found.get(one.slug)
        if one.valid_from <= on and (known is None or known.valid_from <= one.valid_from):
            found[one.slug] = one
    return {
        slug: one
        for slug, one in sorted(found.items())
        if "valid_until" not in one.data or on < date.fromisoformat(one.data["valid_until"])
    }


def factory_day(now: datetime) -> date:
    """Return the day it is at the factory."""
    return now.astimezone(ZoneInfo(settings.UZINA.site.timezone)).date()


def mode_data(*, on: date) -> dict[str, dict[str, Any]]:
    """Return the modes that are valid on a day, as the data that a call keeps. A copy is the
    caller's.
    """
    return {slug: one.data for slug, one in current_versions(on).items()}


def valid_modes(*, on: date) -> dict[str, modes.Mode]:
    """Return the modes that are valid on a day, by slug. One query."""
    known = _shipped_parsed()
    return {
        slug: known[slug] if slug in known and not one.made_by else reading.parse_mode(one.data)
        for slug, one in current_versions(on).items()
    }


@functools.cache
def _shipped_parsed() -> dict[str, modes.Mode]:
    return {one.slug: one.mode for one in shipped()}


def shipped_modes() -> dict[str, modes.Mode]:
    """Return the modes of the shipped files by slug, whatever operators wrote since."""
    return dict(_shipped_parsed())


def difference(before: str, after: str) -> list[tuple[str, str]]:
    """Return two texts line by line: what happened to a line (same, gone, new), and the line.

    Unchanged lines further than three from a change are left out; "" marks the gap.
    """
    shown: list[tuple[str, str]] = []
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3):
        if line.startswith(("---", "+++")) and not shown:
            continue
        if line.startswith("@@"):
            shown.append(("", ""))
            continue
        kind = {"+": "new", "-": "gone"}.get(line[:1], "same")
        shown.append((kind, line[1:]))
    return shown[1:]
