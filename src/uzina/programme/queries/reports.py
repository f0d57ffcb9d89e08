"""Reports."""

from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from uzina.calls import queries as calls
from uzina.calls.models import Obligation
from uzina.programme.models import Report
from uzina.programme.queries.facts import facts_of
from uzina.programme.queries.use import checks_of


def report_of(obligation: Obligation) -> Report | None:
    """Return the report that was begun for an obligation."""
    found: Report | None = Report.objects.filter(obligation=obligation).first()
    return found


def kept_report(obligation: Obligation) -> Report:
    """Return the report of an obligation, begun or not; not saved where it was not begun."""
    return report_of(obligation) or Report(obligation=obligation)


def reports_listed(seen: QuerySet[Obligation]) -> QuerySet[Obligation]:
    """Return the obligations that are seen, the first due first, with saved_at of their reports."""
    saved = Report.objects.filter(obligation=OuterRef("pk")).values("saved_at")
    rows = calls.obligations().filter(pk__in=seen.order_by().values("pk"))
    return rows.annotate(saved_at=Subquery(saved))


def report_data(obligation: Obligation, *, now: datetime) -> dict[str, Any]:
    """Return a report as data: as it was handed in, or as it stands."""
    kept = kept_report(obligation)
    is_in = obligation.submitted_at is not None and bool(kept.facts)
    return {
        "award": obligation.award.code,
        "project": obligation.award.its_project.code,
        "kind": str(obligation.kind),
        "state": str(obligation.state),
        "due_at": obligation.due_at,
        "submitted_at": obligation.submitted_at,
        "accepted_at": obligation.accepted_at,
        "note": obligation.note,
        "version": kept.version,
        "answers": kept.answers,
        "facts": kept.facts if is_in else facts_of(obligation.award, now=now),
        "use": [
            {
                "month": one.month,
                "expected_gpu_ms": one.expected_gpu_ms,
                "used_gpu_ms": one.used_gpu_ms,
                "days": one.facts,
                "is_asked": one.asked_at is not None,
                "answer": one.answer,
            }
            for one in checks_of(obligation.award.its_project)
        ],
    }
