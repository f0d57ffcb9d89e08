"""The use of awards."""

from datetime import datetime

from django.db.models import QuerySet

from uzina.calls import queries as calls
from uzina.calls.models import Award
from uzina.ledger import queries as ledger
from uzina.people.models import Project
from uzina.programme.models import UseCheck
from uzina.programme.rules import use


def running_awards(now: datetime) -> QuerySet[Award]:
    """Return the awards that run and are not paused."""
    return calls.running_awards(now)


def use_of(award: Award, *, now: datetime) -> use.Use:
    """Return what was used of an award, beside an even pace. Two statements."""
    if award.starts_at is None or award.ends_at is None:
        return use.Use(0, 0)
    allocations = list(ledger.allocations_of(award.its_project))
    balances = ledger.balances(allocations).values() if allocations else []
    granted = sum(one.granted for one in balances)
    passed = use.expected(granted, starts_at=award.starts_at, ends_at=award.ends_at, now=now)
    return use.Use(passed, sum(one.spent for one in balances))


def checks_of(project: Project) -> QuerySet[UseCheck]:
    """Return the monthly looks at a project's use, newest first."""
    return UseCheck.objects.filter(award__project=project).select_related("award", "answered_by")  # type: ignore[no-any-return]
