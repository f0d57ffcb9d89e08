"""What was used, by whom, and what it costs."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal

from django.http import Http404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.compute import access, actions, queries, rules
from uzina.compute.models import Tariff, Usage
from uzina.core.idempotency import keyed
from uzina.core.paging import Page, paged
from uzina.people.models import Project
from uzina.people.types import SignedIn

router = Router(tags=["compute"])

Code = Annotated[str, Field(max_length=16)]
Rule = Literal["max", "sum"]
Figure = Annotated[int, Field(ge=0, le=2**53)]
Day = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2200, 1, 1))]
Moment = Annotated[
    AwareDatetime,
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]


class UsageRunOut(Schema):
    """One run of one job. `job` is empty for a run submitted past the portal."""

    native_id: str
    job: str
    name: str
    user: str
    account: str
    partition: str
    state: str
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime
    elapsed_s: int
    nodes: int
    gpus: int
    cpus: int
    memory_mb: int
    energy_j: int | None
    gpu_ms: int | None
    allocation: str
    revision: int

    @staticmethod
    def resolve_job(row: Usage) -> str:
        """Return the job's code."""
        return row.job.code if row.job else ""

    @staticmethod
    def resolve_allocation(row: Usage) -> str:
        """Return the allocation's code."""
        return row.allocation.code if row.allocation else ""


class TotalOut(Schema):
    month: date
    user: str
    runs: int
    gpu_ms: int


class TotalsOut(Schema):
    items: list[TotalOut]


class PriceIn(Schema):
    """A price. For every partition without one of its own, leave `partition` empty."""

    partition: Annotated[str, Field(max_length=80)] = ""
    since: Day
    rule: Rule = "max"
    gpu_us: Figure = 1_000_000
    cpu_us: Figure = 0
    gib_ns: Figure = 0
    node_gpus: Annotated[int, Field(ge=0, le=1000)] = 0


class TariffIn(PriceIn):
    source: Annotated[str, Field(max_length=500)]


class RestateIn(TariffIn):
    reason: Annotated[str, Field(max_length=400)]


class TariffOut(Schema):
    partition: str
    since: date
    version: int
    rule: str
    gpu_us: int
    cpu_us: int
    gib_ns: int
    node_gpus: int
    source: str
    reason: str
    by_code: str
    made_at: datetime


class TariffsOut(Schema):
    items: list[TariffOut]


class DifferenceOut(Schema):
    """What a price would change. `project` is empty for runs that belong to nobody."""

    project: str
    runs: int
    gpu_ms: int


class DifferencesOut(Schema):
    items: list[DifferenceOut]


@router.get("/usage", response=Page[UsageRunOut])
def list_usage(
    request: SignedIn,
    project: Code,
    way: Annotated[str, Field(max_length=8)] = "",
    user: Annotated[str, Field(max_length=64)] = "",
    since: Moment | None = None,
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=20)] = "",
) -> dict[str, Any]:
    """List the runs of a project, the last to be measured first, those past the portal too.

    `way`: portal, direct or unbooked. `since`: ended at or after this instant.
    """
    rows = queries.usage_of_project(_project(request, project))
    rows = queries.filtered(rows, way=way, user=user)
    if since is not None:
        rows = rows.filter(ended_at__gte=since)
    return paged(rows.select_related("job", "allocation"), limit=limit, cursor=cursor)


@router.get("/usage/totals", response=TotalsOut)
def usage_totals(request: SignedIn, project: Code) -> dict[str, Any]:
    """Return what each user of a project used in each month."""
    return {"items": queries.totals(queries.usage_of_project(_project(request, project)))}


@router.get("/usage/nobody", response=Page[UsageRunOut])
def usage_of_nobody(
    request: SignedIn,
    limit: int = 50,
    cursor: Annotated[str, Field(max_length=20)] = "",
) -> dict[str, Any]:
    """List the runs whose account belongs to no project. For operators and auditors."""
    if not access.may_see_clusters(request.user):
        raise Http404
    rows = queries.of_nobody(queries.known_cluster())
    return paged(rows.select_related("job", "allocation"), limit=limit, cursor=cursor)


@router.post("/usage/sweep", response={202: None})
@keyed
def sweep_usage(request: SignedIn) -> Status[None]:
    """Have the usage of the last week read again."""
    actions.ask_sweep(queries.cluster(), by=request.user, now=now())
    return Status(202, None)


@router.get("/tariffs", response=TariffsOut)
def list_tariffs(request: SignedIn) -> dict[str, Any]:
    """List the prices, by partition, the oldest first."""
    cluster = queries.known_cluster()
    return {"items": list(queries.tariff_rows(cluster)) if cluster else []}


@router.post("/tariffs", response={201: TariffOut})
@keyed
def set_tariff(request: SignedIn, body: TariffIn) -> Status[Tariff]:
    """Set a price from a day on, today at the earliest."""
    made = actions.set_tariff(
        queries.cluster(),
        partition=body.partition,
        since=body.since,
        tariff=_price(body),
        source=body.source,
        by=request.user,
        now=now(),
    )
    return Status(201, made)


@router.get("/tariffs/preview", response=DifferencesOut)
def preview_restatement(
    request: SignedIn,
    since: Day,
    partition: Annotated[str, Field(max_length=80)] = "",
    rule: Annotated[str, Field(max_length=8)] = "max",
    gpu_us: Figure = 1_000_000,
    cpu_us: Figure = 0,
    gib_ns: Figure = 0,
) -> dict[str, Any]:
    """Return what restating a price would change for each project. For operators and auditors."""
    if not access.may_see_clusters(request.user):
        raise Http404
    price = rules.Tariff(rule, gpu_us, cpu_us, gib_ns)
    rules.check_tariff(price, source="-")
    found = queries.preview(queries.cluster(), partition, max(since, _earliest()), price)
    return {
        "items": [
            {
                "project": one.project.code if one.project else "",
                "runs": one.runs,
                "gpu_ms": one.gpu_ms,
            }
            for one in found
        ]
    }


@router.post("/tariffs/restate", response={201: TariffOut})
@keyed
def restate_tariff(request: SignedIn, body: RestateIn) -> Status[Tariff]:
    """Change the price of a day that has begun; each allocation gets a signed counter-entry."""
    made = actions.restate(
        queries.cluster(),
        partition=body.partition,
        since=body.since,
        tariff=_price(body),
        source=body.source,
        reason=body.reason,
        by=request.user,
        now=now(),
    )
    return Status(201, made)


def _price(body: PriceIn) -> rules.Tariff:
    return rules.Tariff(body.rule, body.gpu_us, body.cpu_us, body.gib_ns, body.node_gpus)


def _earliest() -> date:
    """Return a day before which no page is asked to reckon anew."""
    return now().date() - timedelta(days=3660)


def _project(request: SignedIn, code: str) -> Project:
    found = queries.visible_project(request.user, code)
    if found is None:
        raise Http404
    return found
