"""What the record says of a project: the part of a report that nobody has to write."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum

from uzina.calls import queries as calls
from uzina.calls.models import Award
from uzina.calls.rules.flows import AmendmentState
from uzina.catalogue import queries as catalogue
from uzina.compute import queries as compute
from uzina.compute import rules as compute_rules
from uzina.ledger import queries as ledger
from uzina.people.models import Project
from uzina.programme.rules import use
from uzina.training import queries as training

MOST_RUNS = 100_000
"""As many runs as waits and sizes are told of, the newest."""

FAILED = frozenset(
    {"failed", "timeout", "out_of_memory", "node_fail", "boot_fail", "deadline", "launch_failed"}
)
"""How the cluster calls runs that did not end as they should, in small letters."""


def facts_of(award: Award, *, now: datetime) -> dict[str, Any]:
    """Return what a report is prefilled with, JSON-able. About twenty statements.

    Energy is what the cluster measured: of how many runs is said beside it, None where of none.
    """
    project = award.its_project
    return {
        "as_of": now.isoformat(timespec="seconds"),
        "award": _award_facts(award),
        "hours": _hours(project),
        "jobs": _jobs(project),
        "energy": _energy(project),
        "unused": _unused(award, now=now),
        "amendments": _amendments(award),
        "models": _models(project),
        "datasets": [
            {"slug": one.slug, "title": one.title} for one in catalogue.datasets_of(project)
        ],
    }


def _award_facts(award: Award) -> dict[str, Any]:
    starts_at, ends_at = award.starts_at, award.ends_at
    return {
        "code": award.code,
        "project": award.its_project.code,
        "title": award.its_project.title,
        "organisation": award.its_project.organisation.name,
        "gpu_ms": award.gpu_ms,
        "starts_at": starts_at.isoformat() if starts_at else "",
        "ends_at": ends_at.isoformat() if ends_at else "",
    }


def _hours(project: Project) -> dict[str, Any]:
    """Return what was granted, used and expired, in all and by month. Three statements."""
    allocations = list(ledger.allocations_of(project))
    balances = ledger.balances(allocations).values() if allocations else []
    granted, used = sum(one.granted for one in balances), sum(one.spent for one in balances)
    return {
        "granted_gpu_ms": granted,
        "used_gpu_ms": used,
        "expired_gpu_ms": sum(one.expired for one in balances),
        "left_gpu_ms": sum(one.free + one.held for one in balances),
        "used_percent": used * 100 // granted if granted else None,
        "months": [
            {
                "month": f"{one.month:%Y-%m}",
                "granted_gpu_ms": one.granted,
                "used_gpu_ms": one.used,
                "expired_gpu_ms": one.expired,
            }
            for one in ledger.months(allocations, zone=compute.zone())
        ],
    }


def _jobs(project: Project) -> dict[str, Any]:
    """Return how many runs there were, of which size, and how long they waited. Two statements."""
    rows = compute.usage_of_project(project).values_list(
        "state", "gpus", "submitted_at", "started_at"
    )[:MOST_RUNS]
    sizes, waits, failed, runs = Counter[int](), [], 0, 0
    for state, gpus, submitted_at, started_at in rows:
        runs += 1
        failed += state.lower() in FAILED
        sizes[gpus] += 1
        if started_at is not None:
            waits.append(max(0, int((started_at - submitted_at).total_seconds())))
    waits.sort()
    return {
        "runs": runs,
        "failed": failed,
        "by_gpus": {str(gpus): sizes[gpus] for gpus in sorted(sizes)},
        "wait_p50_s": compute_rules.percentile(waits, 50) if waits else None,
        "wait_p95_s": compute_rules.percentile(waits, 95) if waits else None,
    }


def _energy(project: Project) -> dict[str, Any]:
    """Return the energy that was measured, and its CO2 where the site says how much a kWh makes."""
    found = compute.usage_of_project(project).aggregate(
        joules=Sum("energy_j"), measured=Count("pk", filter=Q(energy_j__isnull=False)),
        runs=Count("pk"),
    )  # fmt: skip
    kwh = found["joules"] / 3_600_000 if found["measured"] else None
    grams = settings.UZINA.programme.grams_per_kwh
    return {
        "kwh": None if kwh is None else round(kwh, 3),
        "co2_kg": None if kwh is None or not grams else round(kwh * grams / 1000, 3),
        "grams_per_kwh": grams or None,
        "measured_runs": found["measured"],
        "runs": found["runs"],
    }


def _unused(award: Award, *, now: datetime) -> dict[str, Any]:
    """Return how many days of the period were what. Four statements."""
    if award.starts_at is None or award.ends_at is None:
        return {}
    days = compute.unused(award.its_project, since=award.starts_at, until=min(now, award.ends_at))
    return {"days": use.day_counts(day.why for day in days)}


def _amendments(award: Award) -> list[dict[str, Any]]:
    rows: Iterable[Any] = calls.amendments_of(award).filter(state=AmendmentState.APPROVED)
    return [
        {
            "code": one.code,
            "kind": one.kind,
            "label": one.kind_label,
            "facts": one.facts,
            "reason": one.reason,
            "decided_at": one.decided_at.isoformat(timespec="seconds"),
        }
        for one in reversed(list(rows))
    ]


def _models(project: Project) -> list[dict[str, Any]]:
    return [
        {
            "reference": one.reference,
            "title": one.model.title,
            "state": str(one.state),
            "parameters": one.facts.get("parameters"),
        }
        for one in training.versions_of(project)
    ]
