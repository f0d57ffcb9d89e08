"""What a technical assessment may recommend, and where an application may be sent on to."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from uzina.calls.rules.modes import MS_PER_HOUR, Mode
from uzina.core.errors import Refused
from uzina.core.text import _


@dataclass(frozen=True)
class Range:
    """From least to most, GPU-milliseconds, both included."""

    least: int
    most: int


def recommendable(mode: Mode, *, partition: str, asked_gpu_ms: int) -> Range:
    """Return the amounts that an assessment may recommend on a partition.

    Up to the package, or up to what the mode gives there at most; from what it gives at least, or
    from what was asked where that is less. A mode without hours: nothing.
    """
    if mode.kind == "interest":
        return Range(0, 0)
    if mode.package_gpu_hours:
        return Range(MS_PER_HOUR, mode.package_gpu_hours * MS_PER_HOUR)
    named = next((one for one in mode.partitions if one.name == partition), None)
    gpus = named.gpus_per_node if named and mode.unit == "node_hour" else 1
    least, most = (named.least, named.most) if named else (mode.least, mode.most)
    unit_ms = gpus * MS_PER_HOUR
    return Range(max(min(least * unit_ms, asked_gpu_ms), MS_PER_HOUR), most * unit_ms)


def check_recommended(recommended_gpu_ms: int, allowed: Range) -> None:
    """Raise Refused application.assess.amount for an amount that is not in the range."""
    if not allowed.least <= recommended_gpu_ms <= allowed.most:
        raise Refused(
            "application.assess.amount",
            _("Recommend from {least} to {most} GPU-hours: that is what this call gives."),
            least=-(-allowed.least // MS_PER_HOUR),
            most=allowed.most // MS_PER_HOUR,
        )


def check_partition(recommended: str, partitions: Iterable[str]) -> None:
    """Raise Refused application.assess.partition for one that the call does not have."""
    known = sorted(set(partitions))
    if recommended and recommended not in known:
        raise Refused(
            "application.assess.partition",
            _("This call gives hours on: {partitions}."),
            partitions=", ".join(known) or "-",
        )


@dataclass(frozen=True)
class Factory:
    """An AI Factory of the network. host and system are empty where none is named yet."""

    name: str
    country: str
    city: str
    host: str
    system: str
    wave: int


@dataclass(frozen=True)
class Factories:
    """The list of factories as it stood on a day."""

    checked_on: date
    source: str
    factories: tuple[Factory, ...]

    def others(self, name: str) -> list[Factory]:
        """Return all but the one of the name, by name."""
        found = [one for one in self.factories if one.name != name]
        return sorted(found, key=lambda one: one.name.casefold())


def read_factories(raw: dict[str, Any]) -> Factories:
    """Return the list that the shipped file holds. Raises what a mistake in it raises."""
    return Factories(
        checked_on=raw["checked_on"],
        source=str(raw["source"]),
        factories=tuple(Factory(**row) for row in raw["factories"]),
    )
