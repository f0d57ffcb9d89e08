"""Prices: set from a day on by an operator, never backwards but by counter-entries one signs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any

from django.db import connection

from uzina.compute import queries, rules
from uzina.compute.actions import rows as table
from uzina.compute.models import Cluster, Job, Tariff, Usage
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem, Refused
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.ledger import rules as ledger_rules
from uzina.people import access as people_access
from uzina.people.models import Person

PIECE = 2000


@action
def set_tariff(
    cluster: Cluster,
    *,
    partition: str,
    since: date,
    tariff: rules.Tariff,
    source: str,
    by: Person | None,
    now: datetime,
) -> Tariff:
    """Set what a second costs from a day on, today at the earliest. Setting it again is nothing new.

    partition  "" for every partition without a tariff of its own

    Raises NotAllowed tariff.set.not_operator, Invalid tariff.*, Refused tariff.set.backwards and
    tariff.set.already_booked.
    """
    _check_may_set(by)
    rules.check_tariff(tariff, source=source)
    cluster = _locked(cluster)
    before = _of_day(cluster, partition, since)
    if before is not None and queries.figures(before) == tariff:
        return before
    if since < now.astimezone(queries.zone()).date():
        raise Refused(
            "tariff.set.backwards",
            _("A price begins today at the earliest. Restate the runs since {since} instead."),
            since=since.isoformat(),
        )
    if queries.runs_since(cluster, partition, since).filter(gpu_ms__gt=0).exists():
        raise Refused(
            "tariff.set.already_booked",
            _("Runs that began on {since} are booked already. Restate them, or begin tomorrow."),
            since=since.isoformat(),
        )

    row = _new(cluster, before, partition, since, tariff, source=source, reason="", by=by, now=now)
    log(
        "tariff.set",
        cluster.slug,
        by=by,
        now=now,
        partition=partition,
        since=since,
        rule=tariff.rule,
        gpu_us=tariff.gpu_us,
        cpu_us=tariff.cpu_us,
        gib_ns=tariff.gib_ns,
    )
    return row


@action
def restate(
    cluster: Cluster,
    *,
    partition: str,
    since: date,
    tariff: rules.Tariff,
    source: str,
    reason: str,
    by: Person | None,
    now: datetime,
) -> Tariff:
    """Change the price of a day that has begun, and book the difference for each run since then.

    Each run gets a further revision with its new cost; each allocation one counter-entry, signed
    by the operator. Nothing else ever changes what was booked. Restating the same again finds no
    difference, and books nothing.

    Raises NotAllowed tariff.set.not_operator, Invalid tariff.*, Refused tariff.restate.future.
    """
    _check_may_set(by)
    rules.check_tariff(tariff, source=source)
    if not reason.strip() or len(reason) > ledger_rules.REASON_LONGEST - 60:
        raise Invalid(
            [
                Problem(
                    "reason",
                    "tariff.reason.missing",
                    _("Say why, in up to 400 characters. It stands on each statement."),
                )
            ]
        )
    if since > now.astimezone(queries.zone()).date():
        raise Refused(
            "tariff.restate.future",
            _("Nothing has run since {since} yet. Set the price instead."),
            since=since.isoformat(),
        )
    cluster = _locked(cluster)
    before = _of_day(cluster, partition, since)
    row = before
    if row is None or queries.figures(row) != tariff:
        row = _new(
            cluster, before, partition, since, tariff, source=source, reason=reason, by=by, now=now
        )
    _restate(cluster, row, reason=reason, by=by, now=now)
    return row


def _restate(
    cluster: Cluster, row: Tariff, *, reason: str, by: Person | None, now: datetime
) -> None:
    changes = list(queries.restated(cluster, row.partition, row.since, queries.tariffs(cluster)))
    by_job: dict[int, int] = defaultdict(int)
    by_allocation: dict[int, int] = defaultdict(int)
    places = _settled({one.job for one in changes if one.job is not None})
    for one in changes:
        if one.job is None and one.allocation is not None:
            by_allocation[one.allocation] += one.difference
        elif one.job in places:
            by_allocation[places[one.job]] += one.difference
            by_job[one.job] += one.difference
    transfers = _counter_entries(row, by_allocation, reason=reason, by=by, now=now)
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {Job._meta.db_table} SET gpu_ms = gpu_ms + %s WHERE id = %s",  # noqa: S608, SLF001 - our own name
            [(change, pk) for pk, change in by_job.items()],
        )
    for piece in _pieces(changes):
        costs = {one.pk: one.gpu_ms for one in piece}
        kept = Usage.objects.filter(pk__in=costs).order_by("pk").values("pk", *table.FIELDS)
        table.write(
            [
                _revised(
                    one,
                    gpu_ms=costs[one["pk"]],
                    is_booked=one["job"] is None or one["job"] in places,
                    transfers=transfers,
                    now=now,
                )
                for one in kept
            ]
        )
    log(
        "tariff.restated",
        cluster.slug,
        by=by,
        now=now,
        partition=row.partition,
        since=row.since,
        rows=len(changes),
        gpu_ms=sum(by_allocation.values()),
        reason=reason,
    )


def _counter_entries(
    row: Tariff, by_allocation: dict[int, int], *, reason: str, by: Person | None, now: datetime
) -> dict[int, int]:
    """Book the difference of each allocation; return its transfer's id by the allocation's."""
    changed = {pk: amount for pk, amount in by_allocation.items() if amount}
    if not changed:
        return {}
    found = ledger_queries.allocations_by_id(changed)
    # Restating the same day again, because runs came since, is a booking of its own.
    head = f"restate:{row.pk}:{Usage.objects.order_by('-pk').values_list('pk', flat=True)[0]}"
    charges = [
        ledger_rules.Charge(
            found[pk],
            amount,
            key=f"{head}:{found[pk].code}",
            subject=row.partition or row.cluster.slug,
            reason=f"Price since {row.since} restated: {reason}",
        )
        for pk, amount in sorted(changed.items())
    ]
    booked = ledger.charge(charges, by=by, now=now)
    return {
        pk: transfer.pk
        for pk, transfer in zip(sorted(changed), booked, strict=True)
        if transfer is not None
    }


def _revised(
    kept: dict[str, Any],
    *,
    gpu_ms: int,
    is_booked: bool,
    transfers: dict[int, int],
    now: datetime,
) -> tuple[Any, ...]:
    changed = kept | {
        "revision": kept["revision"] + 1,
        "gpu_ms": gpu_ms,
        "transfer": transfers.get(kept["allocation"]) if is_booked else None,
        "read_at": now,
    }
    return tuple(
        table.moment(changed[name]) if name.endswith("_at") and changed[name] else changed[name]
        for name in table.FIELDS
    )


def _settled(jobs: set[int]) -> dict[int, int]:
    """Lock jobs and return the allocations of the settled ones; others are settled with the new
    cost of their runs.
    """
    found: dict[int, int] = {}
    for piece in _pieces(sorted(jobs)):
        held = Job.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=piece)
        rows = held.order_by("pk").values_list("pk", "allocation", "settled_at")
        found |= {pk: allocation for pk, allocation, settled_at in rows if settled_at is not None}
    return found


def _pieces(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(things), PIECE):
        yield things[start : start + PIECE]


def _check_may_set(by: Person | None) -> None:
    if not people_access.is_operator(by):
        raise NotAllowed(
            "tariff.set.not_operator", _("Only an operator of the factory can set prices.")
        )


def _locked(cluster: Cluster) -> Cluster:
    """Lock the cluster, so that no run is measured by a price that changes meanwhile."""
    return Cluster.objects.select_for_update(no_key=True).get(pk=cluster.pk)


def _of_day(cluster: Cluster, partition: str, since: date) -> Tariff | None:
    return (
        Tariff.objects.filter(cluster=cluster, partition=partition, since=since)
        .order_by("-version")
        .first()
    )


def _new(
    cluster: Cluster,
    before: Tariff | None,
    partition: str,
    since: date,
    tariff: rules.Tariff,
    *,
    source: str,
    reason: str,
    by: Person | None,
    now: datetime,
) -> Tariff:
    return Tariff.objects.create(
        cluster=cluster,
        partition=partition[:80],
        since=since,
        version=0 if before is None else before.version + 1,
        rule=tariff.rule,
        gpu_us=tariff.gpu_us,
        cpu_us=tariff.cpu_us,
        gib_ns=tariff.gib_ns,
        node_gpus=tariff.node_gpus,
        source=source,
        reason=reason,
        by_code=by.code if by else "",
        made_at=now,
    )
