"""What a run costs: the site's formula for each partition, from a day on.

Three units are kept apart. What was awarded and is booked is GPU time (GPU-milliseconds). What the
cluster bills by is a partition's formula over devices, cores and memory. What people read may be
node-hours, where a tariff says how many GPUs make a node.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from uzina.compute.rules.specs import JobSpec
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

MIB, PER_MS = 1024, 1_000_000
"""MiB in a GiB, and nanoseconds in a millisecond."""


@dataclass(frozen=True)
class Tariff:
    """What one second costs.

    rule            "max": the dearest of devices, cores and memory; "sum": all three together
    gpu_us, cpu_us  GPU-microseconds for a second of one device, of one core
    gib_ns          GPU-nanoseconds for a second of one GiB of memory
    node_gpus       GPUs in a node-hour; 0 where hours are not shown so

    Memory and cores that keep devices from others drain the grant too. LUMI's small-g bills
    max(GCDs, cores / 8, GiB / 64), and a GCD is half a GPU: max, 500_000, 62_500, 7_812_500.
    Discoverer adds up threads x 0.0357, GB x 0.25 and GPUs x 1: sum, 1_000_000, 35_700,
    250_000_000. Sources: docs.lumi-supercomputer.eu, docs.discoverer.bg.
    """

    rule: str = "max"
    gpu_us: int = 1_000_000
    cpu_us: int = 50_000
    gib_ns: int = 0
    node_gpus: int = 0


DEFAULT_TARIFF = Tariff()
"""Where none is set: a GPU is a GPU, and 20 cores go with it (an accelerated node of MareNostrum 5
has 80 cores and 4 H100), so who takes more cores keeps GPUs from others and pays for those.
Source: BSC, MareNostrum 5 system overview."""

RULES = ("max", "sum")
LARGEST_US = 1_000_000_000
"""A thousand GPUs for one device: above it, a figure is in the wrong unit."""


def cost(tariff: Tariff, *, gpus: int, cpus: int, memory_mb: int, elapsed_s: int) -> int:
    """Return GPU-milliseconds, halves rounded up. gpus, cpus and memory_mb are over all nodes."""
    parts = (
        gpus * tariff.gpu_us * 1000 * MIB,
        cpus * tariff.cpu_us * 1000 * MIB,
        memory_mb * tariff.gib_ns,
    )
    per_second = max(parts) if tariff.rule == "max" else sum(parts)
    unit = MIB * PER_MS
    return (elapsed_s * per_second + unit // 2) // unit


def hold_amount(spec: JobSpec, tariff: Tariff = DEFAULT_TARIFF) -> int:
    """Return the GPU-milliseconds set aside for a job: all it could use up to its time limit."""
    return spec.tasks * cost(
        tariff,
        gpus=spec.nodes * spec.gpus,
        cpus=spec.nodes * spec.cpus,
        memory_mb=spec.nodes * spec.memory_mb,
        elapsed_s=spec.time_limit_s,
    )


FREE_STATES = frozenset({"NODE_FAIL", "BOOT_FAIL", "PREEMPTED"})
"""Runs that the cluster itself cut off: nobody pays for them."""


class Tariffs:
    """All tariffs of a cluster, to look one up by partition and the second a run started.

    A day begins at midnight of the site's time zone, as people there read the date of a price.
    """

    def __init__(self, rows: Iterable[tuple[str, date, Tariff]], zone: ZoneInfo) -> None:
        """Take (partition, first day, tariff); of several for one day the last counts."""
        found: dict[str, dict[int, Tariff]] = defaultdict(dict)
        for partition, since, tariff in rows:
            found[partition][midnight_s(since, zone)] = tariff
        self._starts = {name: sorted(days) for name, days in found.items()}
        self._tariffs = {
            name: [days[start] for start in self._starts[name]] for name, days in found.items()
        }

    def at(self, partition: str, second: int) -> Tariff:
        """Return the partition's own tariff at a second, else the general one, else the default."""
        for name in (partition, ""):
            starts = self._starts.get(name)
            if starts and (at := bisect_right(starts, second)):
                return self._tariffs[name][at - 1]
        return DEFAULT_TARIFF


def midnight_s(day: date, zone: ZoneInfo) -> int:
    """Return the epoch second at which a day begins in a time zone."""
    return int(datetime.combine(day, time(), tzinfo=zone).timestamp())


def check_tariff(tariff: Tariff, *, source: str) -> None:
    """Raise Invalid tariff.* for an unknown rule, a figure out of range, or no source."""
    problems = []
    if tariff.rule not in RULES:
        problems.append(Problem("rule", "tariff.rule.unknown", _("Choose one of: max, sum.")))
    for name, most in (
        ("gpu_us", LARGEST_US),
        ("cpu_us", LARGEST_US),
        ("gib_ns", LARGEST_US * 1000),
        ("node_gpus", 1000),
    ):
        if not 0 <= getattr(tariff, name) <= most:
            problems.append(
                Problem(
                    name,
                    "tariff.figure.range",
                    _("Write a number from 0 to {most}."),
                    {"most": most},
                )
            )
    if not any((tariff.gpu_us, tariff.cpu_us, tariff.gib_ns)):
        problems.append(
            Problem("gpu_us", "tariff.figure.none", _("Give at least one of the three a price."))
        )
    if not source.strip() or len(source) > 500:
        problems.append(
            Problem(
                "source",
                "tariff.source.missing",
                _("Say where the figures come from, in up to 500 characters."),
            )
        )
    if problems:
        raise Invalid(problems)
