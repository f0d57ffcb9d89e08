"""The API of reports and of the use of projects."""

from datetime import date, datetime
from typing import Annotated, Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import actions as calls
from uzina.calls.models import Obligation
from uzina.calls.rules.flows import OBLIGATION, ObligationState
from uzina.calls.rules.obligations import ObligationKind
from uzina.core.idempotency import keyed
from uzina.core.inputs import Count, Paragraphs
from uzina.core.paging import Page, paged
from uzina.people.models import Project
from uzina.people.types import SignedIn
from uzina.programme import actions, queries
from uzina.programme.models import UseCheck

router = Router(tags=["programme"])

Code = Annotated[str, Field(max_length=16)]


class OwedOut(Schema):
    """A report that is owed, and where it stands."""

    award: str
    project: str
    kind: ObligationKind
    state: ObligationState
    due_at: datetime
    submitted_at: datetime | None
    accepted_at: datetime | None
    note: str
    allowed: list[str]

    @staticmethod
    def resolve_award(obligation: Obligation) -> str:
        return obligation.award.code

    @staticmethod
    def resolve_project(obligation: Obligation) -> str:
        return str(obligation.award.its_project.code)

    @staticmethod
    def resolve_allowed(obligation: Obligation) -> list[str]:
        return [verb for verb in OBLIGATION.verbs(obligation.state) if verb != "default"]


class ProjectFactsOut(Schema):
    """When a project ends, what it has left, and what is due. Amounts are GPU-milliseconds.

    pace is what is spent in a day, null while that cannot be told; spent_at is when the hours are
    probably spent, where that is before the end.
    """

    project: str
    award: str | None
    ends_at: datetime
    left_gpu_ms: int | None
    granted_gpu_ms: int | None
    pace_gpu_ms: int | None
    spent_at: datetime | None
    data_deleted_at: datetime | None
    report: OwedOut | None
    is_suspended: bool
    acknowledgement: str


class UseOut(Schema):
    """What was used of an award when a month began, beside an even pace."""

    id: int
    month: date
    expected_gpu_ms: int
    used_gpu_ms: int
    percent: int
    days: dict[str, int]
    asked_at: datetime | None
    answer: str

    @staticmethod
    def resolve_days(check: UseCheck) -> dict[str, int]:
        return check.facts


class ReportIn(Schema):
    """Answers by question (results, publications, not_used, feedback), and the version seen."""

    version: Count
    answers: Annotated[dict[str, Paragraphs], Field(max_length=10)]


class ReportVersionIn(Schema):
    version: Count


class ReportVersionOut(Schema):
    version: int


class ReturnReasonIn(Schema):
    reason: Annotated[Paragraphs, Field(max_length=500)]


class UseAnswerIn(Schema):
    answer: Annotated[Paragraphs, Field(max_length=4000)]


def _obligation(request: SignedIn, code: str, kind: str) -> Obligation:
    found: Obligation = get_object_or_404(
        Obligation.objects.visible_to(request.user).select_related(
            "award__application__call", "award__project__organisation", "award__capacity"
        ),
        award__code=code,
        kind=kind,
    )
    return found


def _project(request: SignedIn, code: str) -> Project:
    visible = Project.objects.visible_to(request.user).select_related("organisation")
    return get_object_or_404(visible, code=code)  # type: ignore[no-any-return]


@router.get("/projects/{code}", response=ProjectFactsOut)
def show_project(request: SignedIn, code: Code) -> dict[str, Any]:
    """When a project ends, what it has left, what is due, and what publications have to say."""
    found = _project(request, code)
    facts = queries.project_facts(found, now=now())
    report = facts.report
    if report is not None and facts.award is not None:
        report.award = facts.award
    return {
        "project": found.code,
        "award": facts.award.code if facts.award else None,
        "ends_at": facts.ends_at,
        "left_gpu_ms": facts.left,
        "granted_gpu_ms": facts.granted,
        "pace_gpu_ms": facts.pace,
        "spent_at": facts.spent_at,
        "data_deleted_at": facts.data_deleted_at,
        "report": report,
        "is_suspended": facts.is_suspended,
        "acknowledgement": queries.acknowledgement(found, facts.award),
    }


@router.get("/projects/{code}/use", response=list[UseOut])
def project_use(request: SignedIn, code: Code) -> list[UseCheck]:
    """What was used month by month, and where it was asked why."""
    return list(queries.checks_of(_project(request, code)))


@router.post("/projects/{code}/use/{check}", response=UseOut)
def answer_use(
    request: SignedIn, code: Code, check: Annotated[int, Field(ge=1, le=2**53)], body: UseAnswerIn
) -> UseCheck:
    """Say why hours were not used."""
    found = get_object_or_404(
        UseCheck.objects.visible_to(request.user),
        pk=check,
        award__project=_project(request, code),
    )
    return actions.answer_use(found, answer=body.answer, by=request.user, now=now())


@router.get("/reports", response=Page[OwedOut])
def list_reports(
    request: SignedIn, state: ObligationState | None = None, limit: int = 50, cursor: str = ""
) -> dict[str, Any]:
    """The reports that your projects owe; operators and auditors see all."""
    rows = queries.reports_listed(Obligation.objects.visible_to(request.user))
    return paged(rows.filter(state=state) if state else rows, limit=limit, cursor=cursor)


@router.get("/reports/{code}/{kind}")
def show_report(request: SignedIn, code: Code, kind: ObligationKind) -> dict[str, Any]:
    """A report: what the record says, and what was added."""
    return queries.report_data(_obligation(request, code, kind), now=now())


@router.put("/reports/{code}/{kind}", response=ReportVersionOut)
def save_report(request: SignedIn, code: Code, kind: ObligationKind, body: ReportIn) -> Any:
    """Keep what was written so far."""
    found = _obligation(request, code, kind)
    return actions.save_report(
        found, answers=body.answers, version=body.version, by=request.user, now=now()
    )


@router.post("/reports/{code}/{kind}/submit", response=OwedOut)
@keyed
def submit_report(
    request: SignedIn, code: Code, kind: ObligationKind, body: ReportVersionIn
) -> Obligation:
    """Hand a report in; what the record says at this moment is kept with it."""
    found = _obligation(request, code, kind)
    actions.submit_report(found, version=body.version, by=request.user, now=now())
    return _obligation(request, code, kind)


@router.post("/reports/{code}/{kind}/accept", response=OwedOut)
def accept_report(request: SignedIn, code: Code, kind: ObligationKind) -> Obligation:
    """Accept a report, as an operator."""
    return calls.accept_report(_obligation(request, code, kind), by=request.user, now=now())


@router.post("/reports/{code}/{kind}/return", response=OwedOut)
def return_report(
    request: SignedIn, code: Code, kind: ObligationKind, body: ReturnReasonIn
) -> Obligation:
    """Send a report back with the reason, as an operator."""
    found = _obligation(request, code, kind)
    return calls.return_report(found, reason=body.reason, by=request.user, now=now())
