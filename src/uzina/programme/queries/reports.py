"""Reports."""

from django.db.models import OuterRef, QuerySet, Subquery

from uzina.calls import queries as calls
from uzina.calls.models import Obligation
from uzina.programme.models import Report


def report_of(obligation: Obligation) -> Report | None:
    """Return the report that was begun for an obligation."""
    found: Report | None = Report.objects.filter(obligation=obligation).first()
    return found


def kept_report(obligation: Obligation) -> Report:
    """Return the report of an obligation, begun or not; not saved where it was not begun."""
    return report_of(obligation) or Report(obligation=obligation)


def reports_listed() -> QuerySet[Obligation]:
    """Return all obligations, the first due first, each with saved_at of its report."""
    saved = Report.objects.filter(obligation=OuterRef("pk")).values("saved_at")
    return calls.obligations().annotate(saved_at=Subquery(saved))
