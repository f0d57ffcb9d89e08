"""The priors the estimator ships with."""

import functools
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from uzina.core.errors import Invalid, Problem
from uzina.core.text import _
from uzina.sizing import rules

FILE = Path(__file__).parent / "priors.toml"


@functools.cache
def _raw() -> dict[str, Any]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


@functools.cache
def devices() -> dict[str, rules.Device]:
    """Return the devices by slug, in the order of the file."""
    return rules.parse_priors(_raw())


def checked_on() -> date:
    """Return the day the priors were last checked."""
    day: date = _raw()["checked_on"]
    return day


def device(slug: str) -> rules.Device:
    """Return one device. Raises Invalid sizing.device.unknown."""
    try:
        return devices()[slug]
    except KeyError:
        raise Invalid(
            [
                Problem(
                    "device",
                    "sizing.device.unknown",
                    _("Choose one of: {devices}."),
                    {"devices": ", ".join(devices())},
                )
            ]
        ) from None
