"""Where the compute of a model stands against the thresholds of the AI Act. Pure arithmetic."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Threshold:
    """One figure of the law or its guidelines.

    flop   the threshold, floating-point operations; 0 when it is a share
    share  of the base model's compute; 0 when it is absolute
    """

    slug: str
    flop: float
    share: float
    title: Mapping[str, str]
    meaning: Mapping[str, str]
    source: str
    url: str
    in_force_from: date
    status: Mapping[str, str]


@dataclass(frozen=True)
class Standing:
    """Where a model stands: None where it cannot be said."""

    threshold: Threshold
    limit_flop: float | None
    is_reached: bool | None
    ratio: float | None


def parse(raw: Mapping[str, Any]) -> tuple[Threshold, ...]:
    """Return the thresholds of `ai_act.toml`."""
    return tuple(
        Threshold(
            slug=one["slug"],
            flop=float(one.get("flop", 0)),
            share=float(one.get("share", 0)),
            title={"en": one["title_en"], "ro": one["title_ro"]},
            meaning={"en": one["meaning_en"], "ro": one["meaning_ro"]},
            source=one["source"],
            url=one["url"],
            in_force_from=one["in_force_from"],
            status={"en": one["status_en"], "ro": one["status_ro"]},
        )
        for one in raw["threshold"]
    )


def standings(
    thresholds: Sequence[Threshold], *, flop: float | None, base_flop: float | None
) -> tuple[Standing, ...]:
    """Return where a model stands against each threshold.

    flop       operations of its training, None when nobody counted
    base_flop  operations of the model it was made from, None when there is none or it is unknown

    "More than" is meant: exactly the threshold has not passed it.
    """
    found = []
    for one in thresholds:
        limit = one.flop or (one.share * base_flop if base_flop else None)
        ratio = None if flop is None or not limit else flop / limit
        found.append(Standing(one, limit, None if ratio is None else ratio > 1, ratio))
    return tuple(found)
