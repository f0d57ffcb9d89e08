"""What every page of a project says of it."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from uzina.calls import queries as calls
from uzina.calls.models import Award, Obligation
from uzina.ledger import queries as ledger
from uzina.ledger.models import Allocation
from uzina.ledger.rules import AllocationState, Forecast
from uzina.people.models import Project
from uzina.programme.rules import reports


@dataclass(frozen=True)
class ProjectFacts:
    """When a project ends, what it has left, and what is due. GPU-milliseconds.

    left, granted, pace  of its newest open allocation; None where it has none
    pace                 what is spent in a day; None where that cannot be told yet
    spent_at             when the hours are probably spent, if before the end
    """

    project: Project
    award: Award | None
    ends_at: datetime
    left: int | None
    granted: int | None
    pace: int | None
    spent_at: datetime | None
    data_deleted_at: datetime | None
    report: Obligation | None
    is_suspended: bool


def project_facts(project: Project, *, now: datetime) -> ProjectFacts:
    """Return what every page of a project says of it. Six statements at most."""
    award = calls.award_of_project(project) if project.award_code else None
    allocation = _newest(list(ledger.allocations_of(project)))
    balance = ledger.balance(allocation) if allocation else None
    outlook = ledger.forecast(allocation, now) if allocation else None
    return ProjectFacts(
        project=project,
        award=award,
        ends_at=(award.ends_at if award else None) or project.ends_at,
        left=balance.free + balance.held if balance else None,
        granted=balance.granted if balance else None,
        pace=_pace(outlook),
        spent_at=outlook.likely if outlook else None,
        data_deleted_at=award.data_deleted_at if award else None,
        report=calls.next_due(award) if award else None,
        is_suspended=award is not None and award.suspended_at is not None,
    )


def _newest(allocations: list[Allocation]) -> Allocation | None:
    """Return the newest that is open, else the newest."""
    is_open = [one for one in allocations if one.state is not AllocationState.ENDED]
    return next(iter([*is_open, *allocations]), None)


def _pace(outlook: Forecast | None) -> int | None:
    return outlook.pace if outlook is not None and outlook.days else None


def acknowledgement(project: Project, award: Award | None) -> str:
    """Return the sentence that publications of a project carry: its wording is required."""
    config = settings.UZINA
    machine = award.capacity.partition if award and award.capacity.partition else ""
    return reports.acknowledgement(
        config.programme.acknowledgement,
        project=project.code,
        award=award.code if award else "",
        machine=machine or config.programme.machine or config.site.name,
        host=config.programme.host or config.site.name,
    )
