"""What somebody said before they signed in, as the first answers of their application."""

from collections.abc import Mapping
from typing import Any

from uzina.calls.rules import sections
from uzina.calls.rules.modes import Mode


def first_answers(mode: Mode, said: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return answers by section: only what the mode asks, and only what was said.

    said  civilian_purpose, has_he_funding, months, gpu_hours, parameters, tokens; None: not said

    An amount is left out where a mode counts node-hours: it hangs on the partition.
    """
    places = {
        "project": ("civilian_purpose", "months"),
        "research": ("has_he_funding",),
        "work": ("parameters", "tokens", *(("gpu_hours",) if mode.unit == "gpu_hour" else ())),
    }
    found: dict[str, dict[str, Any]] = {}
    for slug, names in places.items():
        if slug not in mode.sections:
            continue
        asked = {field.name for field in sections.ALL[slug].fields}
        answers = {
            name: said[name] for name in names if name in asked and said.get(name) is not None
        }
        if answers.get("months") not in {None, *mode.durations_months}:
            del answers["months"]
        if answers:
            found[slug] = answers
    return found
