"""Clusters: what there is, how busy it was, why hours were not used, when maintenance is."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.compute import access, actions, queries, rules
from uzina.compute.models import Cluster, Maintenance
from uzina.core.errors import Refused
from uzina.core.idempotency import keyed
from uzina.core.paging import Page, paged
from uzina.core.text import _
from uzina.people.types import SignedIn

router = Router(tags=["compute"])

Code = Annotated[str, Field(max_length=16)]
Name = Annotated[str, Field(max_length=80)]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
LONGEST = timedelta(days=732)


class PartitionOut(Schema):
    """A partition as it was counted last; drained nodes take no jobs."""

    name: str
    is_up: bool
    is_default: bool
    nodes: int
    nodes_up: int
    cpus: int
    cpus_used: int
    cpus_free: int
    gpus: int
    gpus_used: int
    gpus_free: int
    gpu_type: str
    memory_mb: int
    max_time_s: int | None
    jobs_running: int
    jobs_waiting: int
    gpus_wanted: int
    counted_at: datetime


class MaintenanceOut(Schema):
    """A maintenance in [starts_at, ends_at) of a partition, or of all of the cluster ("")."""

    code: str
    partition: str
    starts_at: datetime
    ends_at: datetime
    reason: str
    cancelled_at: datetime | None
    replaces: str | None

    @staticmethod
    def resolve_replaces(one: Maintenance) -> str | None:
        return one.replaces.code if one.replaces else None


class InventoryOut(Schema):
    cluster: str
    answered_at: datetime | None
    silent_since: datetime | None
    partitions: list[PartitionOut]
    maintenance: list[MaintenanceOut]


class BusyOut(Schema):
    """An hour or a day: sums over the looks taken in it; divided by looks they are averages."""

    at: datetime
    looks: int
    full_looks: int
    gpus: int
    gpus_used: int
    cpus: int
    cpus_used: int
    jobs_running: int
    jobs_waiting: int
    gpus_wanted: int


class HistoryOut(Schema):
    partition: str
    since: datetime
    until: datetime
    items: list[BusyOut]


class DayOut(Schema):
    """What became of the seconds of a day: each counts for the first that is true of it."""

    starts_at: datetime
    ends_at: datetime
    why: str
    ran_s: int
    maintenance_s: int
    full_s: int
    waited_s: int
    idle_s: int
    gpu_s: int


class ProjectHistoryOut(Schema):
    project: str
    items: list[DayOut]


class MaintenanceIn(Schema):
    partition: Name = ""
    starts_at: Moment
    ends_at: Moment
    reason: Annotated[str, Field(min_length=1, max_length=500)]


class WastefulOut(Schema):
    job: str
    project: str
    how: list[str]
    gpus: int
    elapsed_s: int
    memory_mb: int
    cpu_s: float | None
    max_rss_mb: int | None
    person: str
    email: str


class WasteOut(Schema):
    items: list[WastefulOut]


@router.get("/inventory", response=InventoryOut)
def inventory(request: SignedIn) -> dict[str, Any]:
    """Return the machines as they were counted last, whether the cluster answers, and which
    maintenance runs or comes soon.
    """
    standing = queries.standing(now=now())
    cluster = standing.cluster
    return {
        "cluster": queries.cluster_slug(),
        "answered_at": cluster and cluster.answered_at,
        "silent_since": cluster and cluster.silent_since,
        "partitions": list(queries.partitions()),
        "maintenance": [*standing.running, *standing.coming],
    }


@router.get("/history", response=HistoryOut)
def history(
    request: SignedIn,
    since: Moment | None = None,
    until: Moment | None = None,
    partition: Name = "",
) -> dict[str, Any]:
    """Return how busy a partition was ("": all of the cluster), by hours up to three days, else by
    days; without times, the last 30 days. For operators and auditors.
    """
    cluster = _cluster(request)
    until_at, since_at = _span(since, until)
    return {
        "partition": partition,
        "since": since_at,
        "until": until_at,
        "items": queries.history(cluster, partition=partition, since=since_at, until=until_at),
    }


@router.get("/projects/{code}/history", response=ProjectHistoryOut)
def project_history(
    request: SignedIn,
    code: str,
    since: Moment | None = None,
    until: Moment | None = None,
) -> dict[str, Any]:
    """Return day by day whether a project ran, waited for a full cluster, or had nothing
    submitted; without times, from its beginning until now.
    """
    project = queries.visible_project(request.user, code[:16])
    if project is None:
        raise Http404
    moment = now()
    until_at = min(until or moment, moment)
    since_at = max(since or project.starts_at, project.starts_at)
    days = queries.unused(project, since=since_at, until=until_at)
    return {"project": project.code, "items": [_day(day) for day in days]}


def _day(day: rules.DayUse) -> dict[str, Any]:
    zone = queries.zone()
    return {
        "starts_at": datetime.fromtimestamp(day.starts_s, zone),
        "ends_at": datetime.fromtimestamp(day.ends_s, zone),
        "why": str(day.why),
        "ran_s": day.ran_s,
        "maintenance_s": day.maintenance_s,
        "full_s": day.full_s,
        "waited_s": day.waited_s,
        "idle_s": day.idle_s,
        "gpu_s": day.gpu_s,
    }


@router.get("/waste", response=WasteOut)
def waste(request: SignedIn) -> dict[str, Any]:
    """Return the jobs of the last 30 days that wasted what they held. For operators and auditors."""
    moment = now()
    found = queries.wasteful(_cluster(request), since=moment - timedelta(days=30), now=moment)
    return {
        "items": [
            {
                "job": one.job.code,
                "project": one.job.project.code,
                "how": one.how,
                "gpus": one.held.gpus,
                "elapsed_s": one.held.elapsed_s,
                "memory_mb": one.held.memory_mb,
                "cpu_s": one.held.cpu_s,
                "max_rss_mb": one.held.max_rss_mb,
                "person": one.person.code if one.person else "",
                "email": one.person.email if one.person else "",
            }
            for one in found
        ]
    }


@router.get("/maintenance", response=Page[MaintenanceOut])
def list_maintenance(
    request: SignedIn, limit: int = 50, cursor: Annotated[str, Field(max_length=20)] = ""
) -> dict[str, Any]:
    """List the maintenances, cancelled ones too, the newest announcement first."""
    return paged(queries.maintenances(), limit=limit, cursor=cursor)


@router.post("/maintenance", response={201: MaintenanceOut})
@keyed
def announce_maintenance(request: SignedIn, body: MaintenanceIn) -> Status[Maintenance]:
    """Announce a maintenance; those it gets in the way of are told by mail. For operators."""
    window = actions.Window(**body.dict())
    made = actions.announce(queries.cluster(), window, by=request.user, now=now())
    return Status(201, made)


@router.post("/maintenance/{code}/change", response=MaintenanceOut)
@keyed
def change_maintenance(request: SignedIn, code: str, body: MaintenanceIn) -> Maintenance:
    """Put another maintenance in the place of one that is not over. For operators."""
    window = actions.Window(**body.dict())
    return actions.change(_window(code), window, by=request.user, now=now())


@router.post("/maintenance/{code}/cancel", response=MaintenanceOut)
@keyed
def cancel_maintenance(request: SignedIn, code: str) -> Maintenance:
    """Call off a maintenance, or end one early. For operators."""
    return actions.cancel_maintenance(_window(code), by=request.user, now=now())


def _window(code: str) -> Maintenance:
    return get_object_or_404(queries.maintenances(), code=code[:16])


def _cluster(request: SignedIn) -> Cluster:
    """Return the cluster to those who may see who uses it."""
    cluster = queries.known_cluster()
    if cluster is None or not access.may_see_clusters(request.user):
        raise Http404
    return cluster


def _span(since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Return (until, since). Raises Refused history.span.wrong."""
    until_at = min(until or now(), now())
    since_at = since or until_at - timedelta(days=30)
    if not since_at < until_at <= since_at + LONGEST:
        raise Refused(
            "history.span.wrong",
            _("Ask for a time that begins before it ends, of {days} days at most."),
            days=LONGEST.days,
        )
    return until_at, since_at
