"""Pages of clusters: how they stand, how busy they were, who used them, why hours were not used.

They read tables only, so they answer while the cluster does not, and say how old what they show is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.timezone import now
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_GET

from uzina.compute import access, queries, rules
from uzina.compute.models import Cluster, Partition
from uzina.compute.rules import DayUse, Why
from uzina.core import charts
from uzina.ledger import queries as ledger
from uzina.ledger.models import Allocation
from uzina.people.models import Project
from uzina.people.types import SignedIn

PERIODS = {
    "day": (timedelta(days=1), gettext_lazy("24 hours")),
    "month": (timedelta(days=30), gettext_lazy("30 days")),
    "year": (timedelta(days=365), gettext_lazy("A year")),
}
STATES = {
    "idle": gettext_lazy("free"),
    "mixed": gettext_lazy("partly in use"),
    "allocated": gettext_lazy("in use"),
    "completing": gettext_lazy("finishing jobs"),
    "down": gettext_lazy("down"),
    "drained": gettext_lazy("drained"),
    "draining": gettext_lazy("draining"),
    "reserved": gettext_lazy("reserved"),
    "maint": gettext_lazy("in maintenance"),
    "fail": gettext_lazy("failed"),
    "unknown": gettext_lazy("unknown"),
}
"""Slurm's words for the states of nodes; those not here are shown as they are."""

MINUTE_S = 60


@login_required
@require_GET
def clusters(request: SignedIn) -> HttpResponse:
    """Show how the cluster stands: to everybody the queues, to its operators every machine."""
    moment = now()
    partitions = list(queries.partitions())
    sees_all = access.may_see_clusters(request.user)
    context = {
        "standing": queries.standing(now=moment),
        "partitions": partitions,
        "age_s": _age_s(partitions, moment),
        "sees_all": sees_all,
        "may_announce": access.may_announce(request.user),
        "groups": _groups(partitions) if sees_all else [],
        "drained": _drained(partitions) if sees_all else [],
    }
    return render(request, "compute/clusters.html", context)


def _age_s(partitions: Sequence[Partition], moment: datetime) -> float | None:
    """Return how long ago the machines were counted."""
    if not partitions:
        return None
    return max(0.0, (moment - max(one.counted_at for one in partitions)).total_seconds())


def _groups(partitions: Sequence[Partition]) -> list[dict[str, Any]]:
    return [
        {"partition": one.name, **group, "state": STATES.get(group["state"], group["state"])}
        for one in partitions
        for group in one.groups
    ]


def _drained(partitions: Sequence[Partition]) -> list[dict[str, Any]]:
    """Return the nodes that take no jobs, each once with all its partitions, the longest first."""
    found: dict[str, dict[str, Any]] = {}
    for one in partitions:
        for node in one.drained:
            kept = found.setdefault(
                node["name"],
                {
                    "name": node["name"],
                    "state": STATES.get(node["state"], node["state"]),
                    "reason": node["reason"],
                    "since": datetime.fromisoformat(node["since"]),
                    "partitions": [],
                },
            )
            kept["partitions"].append(one.name)
    return sorted(found.values(), key=lambda node: (node["since"], node["name"]))


# How busy it was --------------------------------------------------------------------------------


@login_required
@require_GET
def cluster_history(request: SignedIn) -> HttpResponse:
    """Draw how much of a partition was in use, what queued and how long it waited."""
    cluster = _for_operators(request)
    period, since, until = _period(request)
    names = [one.name for one in queries.partitions()]
    partition = request.GET.get("partition", "")
    if partition not in names:
        partition = ""
    busy = queries.history(cluster, partition=partition, since=since, until=until)
    waits = queries.waits(cluster, since=since, until=until)
    context = {
        "periods": PERIODS,
        "period": period,
        "partition": partition,
        "partitions": names,
        "used": _used_chart(busy),
        "queue": _queue_chart(busy),
        "wait": _wait_chart(waits),
        "waits": waits,
        "summary": _busy_summary(busy),
    }
    return render(request, "compute/cluster_history.html", context)


def _busy_summary(busy: list[queries.Busy]) -> dict[str, float | None]:
    whole = queries.Busy(
        busy[0].at,
        *(sum(getattr(one, name) for one in busy) for name in queries.SUMS),
    )
    return {"used_percent": whole.used_percent, "full_percent": whole.full_percent}


def _used_chart(busy: list[queries.Busy]) -> charts.LineChart:
    has_gpus = any(one.gpus for one in busy)
    what = "gpus" if has_gpus else "cpus"
    return charts.line_chart(
        title=gettext("GPUs in use") if has_gpus else gettext("Cores in use"),
        x_label=gettext("Time"),
        y_label=gettext("GPUs") if has_gpus else gettext("Cores"),
        series=[
            (gettext("In use"), [(one.at, one.average(f"{what}_used")) for one in busy]),
            (gettext("There"), [(one.at, one.average(what)) for one in busy]),
        ],
        from_zero=True,
    )


def _queue_chart(busy: list[queries.Busy]) -> charts.LineChart:
    return charts.line_chart(
        title=gettext("Jobs in the queue"),
        x_label=gettext("Time"),
        y_label=gettext("Jobs"),
        series=[
            (gettext("Waiting"), [(one.at, one.average("jobs_waiting")) for one in busy]),
            (gettext("Running"), [(one.at, one.average("jobs_running")) for one in busy]),
        ],
        from_zero=True,
    )


def _wait_chart(waits: queries.Waits) -> charts.LineChart:
    return charts.line_chart(
        title=gettext("How long jobs waited"),
        x_label=gettext("Day on which they began"),
        y_label=gettext("Minutes"),
        series=[
            (
                gettext("Half of them at most"),
                [(at, p50 / MINUTE_S) for at, p50, _ in waits.by_day],
            ),
            (gettext("95 of 100 at most"), [(at, p95 / MINUTE_S) for at, _, p95 in waits.by_day]),
        ],
        from_zero=True,
    )


def _for_operators(request: SignedIn) -> Cluster:
    """Return the cluster to those who may see who uses it."""
    cluster = queries.known_cluster()
    if cluster is None or not access.may_see_clusters(request.user):
        raise Http404
    return cluster


def _period(request: SignedIn) -> tuple[str, datetime, datetime]:
    """Return the period that was asked for: its name, [since, until)."""
    name = request.GET.get("period", "month")
    if name not in PERIODS:
        name = "month"
    until = now()
    return name, until - PERIODS[name][0], until


# Who used it ------------------------------------------------------------------------------------


@login_required
@require_GET
def cluster_use(request: SignedIn) -> HttpResponse:
    """Show who used most, how long whose jobs waited, and which jobs wasted GPUs."""
    cluster = _for_operators(request)
    period, since, until = _period(request)
    users = queries.biggest_users(cluster, since=since, until=until)
    context = {
        "periods": PERIODS,
        "period": period,
        "users": users,
        "waits": queries.waits(cluster, since=since, until=until),
        "wasteful": queries.wasteful(cluster, since=since, now=until),
        "loops": queries.loops(cluster, since=since, until=until),
        "short_s": rules.SHORT_S,
    }
    return render(request, "compute/cluster_use.html", context)


# Why hours were not used ------------------------------------------------------------------------

HEIGHTS = {Why.RAN: 100, Why.FULL: 70, Why.MAINTENANCE: 50, Why.WAITED: 35, Why.NOTHING: 6}
"""Per cent of the strip: a day is told by its height as well as by its colour."""


@dataclass(frozen=True)
class Column:
    """One day of the strip: where it stands and how high, in a drawing 100 high."""

    x: int
    y: int
    height: int
    why: str
    label: str


@dataclass(frozen=True)
class Strip:
    """Why hours were not used, day by day; show it with compute/cluster_strip.html.

    counts  (why, how many days), those that occur
    days    the days with their words, for the table
    """

    allocation: Allocation
    columns: list[Column]
    counts: list[tuple[Why, int]]
    days: list[dict[str, Any]]
    summary: str

    @property
    def width(self) -> int:
        """How many days are drawn."""
        return len(self.columns)

    @property
    def first(self) -> datetime:
        """The first day."""
        return self.days[0]["at"]  # type: ignore[no-any-return]

    @property
    def last(self) -> datetime:
        """The last day."""
        return self.days[-1]["at"]  # type: ignore[no-any-return]


def unused_strip(allocation: Allocation, *, moment: datetime) -> Strip | None:
    """Return the strip of an allocation's life until now; None when it has not begun."""
    until = min(moment, allocation.ends_at)
    days = queries.unused(allocation.project, since=allocation.starts_at, until=until)
    if not days:
        return None
    counted = Counter(day.why for day in days)
    counts = [(why, counted[why]) for why in Why if counted[why]]
    rows = [_day(day) for day in days]
    columns = [
        Column(
            x,
            100 - HEIGHTS[row["why"]],
            HEIGHTS[row["why"]],
            str(row["why"]),
            f"{charts.day_words(row['at'], 'j M Y')}: {gettext(row['why'].label)}",
        )
        for x, row in enumerate(rows)
    ]
    words = ", ".join(
        ngettext("{label}: {count} day", "{label}: {count} days", count).format(
            label=gettext(why.label), count=count
        )
        for why, count in counts
    )
    return Strip(allocation, columns, counts, rows, words)


def _day(day: DayUse) -> dict[str, Any]:
    at = datetime.fromtimestamp(day.starts_s, UTC).astimezone(queries.zone())
    parts = (day.ran_s, day.full_s, day.maintenance_s, day.waited_s, day.idle_s)
    return {
        "at": at,
        "why": day.why,
        "gpu_ms": day.gpu_s * 1000,
        "hours": [seconds / 3600 for seconds in parts],
    }


@login_required
@require_GET
def unused(request: SignedIn, code: str) -> HttpResponse:
    """Show day by day whether a project ran, waited or had nothing submitted.

    Asked by the project's page, which fetches it when it has loaded, only the strip.
    """
    visible = Project.objects.visible_to(request.user)
    project = get_object_or_404(visible, code=code[:16])
    allocations = list(ledger.allocations_of(project).select_related("project"))
    asked = request.GET.get("allocation", "")
    chosen = next((one for one in allocations if one.code == asked), None) or next(
        (one for one in allocations if one.state == "active"), next(iter(allocations), None)
    )
    context = {
        "project": project,
        "allocations": allocations,
        "chosen": chosen,
        "strip": unused_strip(chosen, moment=now()) if chosen else None,
        "meanings": list(Why),
    }
    is_part = request.headers.get("HX-Request") == "true"
    template = "compute/cluster_unused_part.html" if is_part else "compute/cluster_unused.html"
    return render(request, template, context)
