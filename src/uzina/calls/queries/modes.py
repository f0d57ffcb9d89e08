"""The shipped modes and countries."""

import functools
import tomllib
from pathlib import Path
from typing import Any

from uzina.calls.rules import modes

MODES = Path(__file__).parent.parent / "modes"


@functools.cache
def _countries_file() -> dict[str, Any]:
    return tomllib.loads((MODES / "countries.toml").read_text(encoding="utf-8"))


@functools.cache
def country_names(language: str) -> dict[str, str]:
    """Return the countries of the shipped list, code to name, in the order of their names."""
    names = {
        row["code"]: modes.in_language(row["name"], language)
        for row in _countries_file()["countries"]
    }
    return dict(sorted(names.items(), key=lambda item: item[1]))


@functools.cache
def country_groups() -> dict[str, list[str]]:
    """Return the country codes of each group of the shipped list."""
    groups: dict[str, list[str]] = {name: [] for name in _countries_file()["groups"]}
    for row in _countries_file()["countries"]:
        groups[row["group"]].append(row["code"])
    return groups


@functools.cache
def mode_data() -> dict[str, dict[str, Any]]:
    """Return the shipped modes by slug, as the data that a call keeps. A copy is the caller's."""
    found = {}
    for path in sorted(MODES.glob("*.toml")):
        if path.name == "countries.toml":
            continue
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
        found[str(raw["slug"])] = modes.resolve(raw, country_groups())
    return found


@functools.cache
def shipped_modes() -> dict[str, modes.Mode]:
    """Return the shipped modes by slug. Raises Invalid with every mistake of a file."""
    return {slug: modes.parse_mode(raw) for slug, raw in mode_data().items()}
