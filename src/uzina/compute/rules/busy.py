"""How busy machines are, and why the hours of a project were not used on a day."""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from uzina.core.text import _

TAKES_JOBS = frozenset({"idle", "mixed", "allocated", "completing"})
"""Node states in which what is not in use can be used."""

HOUR_S = 3600


def is_full(*, gpus: int, gpus_free: int, cpus_free: int, jobs_waiting: int) -> bool:
    """Tell whether jobs wait and nothing is free: no GPU, or, where there are none, no core."""
    return jobs_waiting > 0 and (gpus_free if gpus else cpus_free) <= 0


def percentile(ordered: Sequence[int], percent: int) -> int:
    """Return the smallest value that at least so many per cent of the values do not exceed.

    ordered  [N] one value or more, smallest first
    percent  1 to 100
    """
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


# Why hours were not used ------------------------------------------------------------------------


class Why(StrEnum):
    """What a day of an allocation's life was, in one word."""

    RAN = "ran"
    FULL = "full"
    MAINTENANCE = "maintenance"
    WAITED = "waited"
    NOTHING = "nothing"

    @property
    def label(self) -> str:
        """The word for people."""
        return WHY_LABELS[self]

    @property
    def meaning(self) -> str:
        """The word in a sentence."""
        return WHY_MEANINGS[self]


WHY_LABELS = {
    Why.RAN: _("Ran"),
    Why.FULL: _("Cluster full"),
    Why.MAINTENANCE: _("Maintenance"),
    Why.WAITED: _("Waited for another reason"),
    Why.NOTHING: _("Nothing submitted"),
}
WHY_MEANINGS = {
    Why.RAN: _("Something of the project ran."),
    Why.FULL: _("Nothing ran; jobs waited, and no GPU was free."),
    Why.MAINTENANCE: _("Nothing ran; jobs waited for the end of a maintenance."),
    Why.WAITED: _(
        "Nothing ran; jobs waited though GPUs were free, or it is not known whether any were: for "
        "a limit, another job, a start time, or nodes with more free together."
    ),
    Why.NOTHING: _("Nothing ran and nothing waited."),
}


@dataclass(frozen=True)
class Stay:
    """One run of one job in the queue and on the machines. Whole epoch seconds.

    It waited in [submitted_s, started_s) and ran in [started_s, ended_s); with started_s None it
    waited until ended_s. partition "" stands for all of the cluster.
    """

    partition: str
    gpus: int
    submitted_s: int
    started_s: int | None
    ended_s: int


@dataclass(frozen=True)
class Pause:
    """A maintenance in [starts_s, ends_s) of a partition; "" for all of them."""

    partition: str
    starts_s: int
    ends_s: int


@dataclass(frozen=True)
class DayUse:
    """What became of the seconds in [starts_s, ends_s): each counts for the first that is true.

    ran_s          something of the project ran
    maintenance_s  something waited in a partition in maintenance
    full_s         something waited in a partition that was full
    waited_s       something waited
    idle_s         nothing was there
    gpu_s          GPU-seconds of what ran
    """

    starts_s: int
    ends_s: int
    ran_s: int
    maintenance_s: int
    full_s: int
    waited_s: int
    gpu_s: int

    @property
    def idle_s(self) -> int:
        """Seconds in which nothing ran or waited."""
        busy_s = self.ran_s + self.maintenance_s + self.full_s + self.waited_s
        return self.ends_s - self.starts_s - busy_s

    @property
    def why(self) -> Why:
        """The day in one word: it ran at all; else what it waited for longest; else nothing."""
        if self.ran_s:
            return Why.RAN
        waits = ((self.full_s, Why.FULL), (self.maintenance_s, Why.MAINTENANCE))
        longest, why = max((*waits, (self.waited_s, Why.WAITED)), key=lambda one: one[0])
        return why if longest else Why.NOTHING


def days_of(
    stays: Iterable[Stay],
    *,
    cuts: Sequence[int],
    looks: Mapping[tuple[str, int], tuple[int, int]],
    pauses: Sequence[Pause],
) -> list[DayUse]:
    """Return what became of the time between each two cuts, oldest first.

    cuts   [D + 1] rising epoch seconds: the days are [cuts[0], cuts[1]), [cuts[1], cuts[2]), ...
    looks  (partition, epoch second its hour began): looks taken in the hour that saw the partition
           full, and looks taken in all; an hour without is one of which nothing is known

    Where it waited in several partitions the fullest counts, since one job at least waited for it.
    """
    first_s, last_s = (cuts[0], cuts[-1]) if cuts else (0, 0)
    ran: list[tuple[int, int]] = []
    waited: dict[str, list[tuple[int, int]]] = defaultdict(list)
    gpu_s: Counter[int] = Counter()
    for stay in stays:
        until_s = stay.ended_s if stay.started_s is None else stay.started_s
        _keep(waited[stay.partition], stay.submitted_s, until_s, first_s, last_s)
        if stay.started_s is not None:
            _keep(ran, stay.started_s, stay.ended_s, first_s, last_s)
            span = max(stay.started_s, first_s), min(stay.ended_s, last_s)
            for day, seconds in _by_day(*span, cuts):
                gpu_s[day] += stay.gpus * seconds
    ran_s, maintenance_s, full_s, waited_s = (Counter[int]() for _ in range(4))
    marks = sorted({*cuts, *(edge for one in pauses for edge in (one.starts_s, one.ends_s))})
    for starts_s, ends_s, partitions in _segments(ran, waited):
        if not partitions:
            for day, seconds in _by_day(starts_s, ends_s, cuts):
                ran_s[day] += seconds
            continue
        for from_s, to_s in _pieces(starts_s, ends_s, marks):
            day = bisect_right(cuts, from_s) - 1
            if _is_paused(from_s, partitions, pauses):
                maintenance_s[day] += to_s - from_s
                continue
            full, all_looks = _fullest(from_s, partitions, looks)
            in_full_s = (to_s - from_s) * full // all_looks if all_looks else 0
            full_s[day] += in_full_s
            waited_s[day] += to_s - from_s - in_full_s
    return [
        DayUse(
            cuts[day],
            cuts[day + 1],
            ran_s[day],
            maintenance_s[day],
            full_s[day],
            waited_s[day],
            gpu_s[day],
        )
        for day in range(len(cuts) - 1)
    ]


def _keep(spans: list[tuple[int, int]], from_s: int, to_s: int, first_s: int, last_s: int) -> None:
    """Add what of [from_s, to_s) lies in [first_s, last_s), if anything does."""
    from_s, to_s = max(from_s, first_s), min(to_s, last_s)
    if from_s < to_s:
        spans.append((from_s, to_s))


def _by_day(from_s: int, to_s: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield (day, seconds) for each day that a span reaches into."""
    while from_s < to_s:
        day = bisect_right(cuts, from_s) - 1
        until_s = min(to_s, cuts[day + 1])
        yield day, until_s - from_s
        from_s = until_s


def _merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans that touch or overlap as one."""
    merged: list[tuple[int, int]] = []
    for from_s, to_s in sorted(spans):
        if merged and from_s <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], to_s))
        else:
            merged.append((from_s, to_s))
    return merged


def _segments(
    ran: list[tuple[int, int]], waited: Mapping[str, list[tuple[int, int]]]
) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yield the stretches in which nothing changes: with the partitions waited for where nothing
    ran, with none where something did. What was idle is left out.
    """
    edges = [
        (edge_s, is_start, partition)
        for partition, spans in (*waited.items(), (None, ran))
        for span in _merged(spans)
        for edge_s, is_start in zip(span, (True, False), strict=True)
    ]
    present: set[str | None] = set()
    at_s = 0
    for edge_s, is_start, partition in sorted(edges, key=lambda edge: edge[0]):
        if edge_s > at_s and present:
            waiting = () if None in present else tuple(one for one in present if one is not None)
            yield at_s, edge_s, waiting
        at_s = edge_s
        if is_start:
            present.add(partition)
        else:
            present.discard(partition)


def _pieces(from_s: int, to_s: int, marks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Cut a span at every full hour and at the marks."""
    while from_s < to_s:
        following = bisect_right(marks, from_s)
        mark_s = marks[following] if following < len(marks) else to_s
        until_s = min(to_s, from_s - from_s % HOUR_S + HOUR_S, mark_s)
        yield from_s, until_s
        from_s = until_s


def _is_paused(at_s: int, partitions: Iterable[str], pauses: Iterable[Pause]) -> bool:
    return any(
        one.starts_s <= at_s < one.ends_s and (not one.partition or one.partition in partitions)
        for one in pauses
    )


def _fullest(
    at_s: int, partitions: Iterable[str], looks: Mapping[tuple[str, int], tuple[int, int]]
) -> tuple[int, int]:
    """Return (full looks, looks) of the partition that was full the largest part of the hour."""
    hour_s = at_s - at_s % HOUR_S
    seen = [looks.get((partition, hour_s), (0, 0)) for partition in partitions]
    return max(seen, key=lambda one: one[0] / one[1] if one[1] else 0.0)


# Jobs that waste GPUs ---------------------------------------------------------------------------

IDLE_AFTER_S = 600
"""A shorter job may have spent its time on starting up."""

IDLE_CPU_SHARE = 0.05
"""Of one core. Whatever feeds a GPU keeps a core busy: the loop that launches its kernels does."""

MEMORY_FACTOR = 4
MEMORY_FROM_MB = 8192
"""Asking for less than this keeps nobody else off a node."""

SHORT_S, SHORT_FROM = 60, 5
"""So many runs in the period, each of so many seconds at most, are a pattern: a loop of
submissions, or a program that fails at its start."""


@dataclass(frozen=True)
class Held:
    """What a job held and, as far as it was measured, used. memory_mb is that of one node."""

    gpus: int
    elapsed_s: int
    memory_mb: int
    cpu_s: float | None
    max_rss_mb: int | None


def waste(held: Held) -> list[str]:
    """Return how a job wasted what it held: "idle", "memory", both or neither."""
    is_idle = (
        held.gpus > 0
        and held.elapsed_s >= IDLE_AFTER_S
        and held.cpu_s is not None
        and held.cpu_s < IDLE_CPU_SHARE * held.elapsed_s
    )
    is_roomy = (
        held.memory_mb >= MEMORY_FROM_MB
        and held.max_rss_mb is not None
        and held.memory_mb >= MEMORY_FACTOR * held.max_rss_mb
    )
    return [name for name, is_true in (("idle", is_idle), ("memory", is_roomy)) if is_true]
