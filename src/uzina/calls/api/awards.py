"""Awards."""

from datetime import datetime

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema

from uzina.calls import actions, queries
from uzina.calls.api.shared import Code
from uzina.calls.models import Award
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import AWARD, AwardState
from uzina.core.idempotency import keyed
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class AwardOut(Schema):
    """An award. The period begins on acceptance: starts_at and ends_at are null until then."""

    code: str
    application: str
    call: str
    title: str
    state: AwardState
    gpu_ms: int
    gpu_hours: float
    months: int
    offered_at: datetime
    answer_by: datetime
    answered_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    report_due_at: datetime | None
    project: str | None
    partition: str
    terms: str
    allowed: list[str]


def _award_out(award: Award, request: SignedIn) -> AwardOut:
    is_own = award.application.applicant_id == request.user.pk
    verbs = [verb for verb in AWARD.verbs(award.state) if verb != "lapse"] if is_own else []
    return AwardOut(
        code=award.code,
        application=award.application.code,
        call=award.application.call.slug,
        title=award.application.title,
        state=award.state,
        gpu_ms=award.gpu_ms,
        gpu_hours=award.gpu_ms / MS_PER_HOUR,
        months=award.months,
        offered_at=award.offered_at,
        answer_by=award.answer_by,
        answered_at=award.answered_at,
        starts_at=award.starts_at,
        ends_at=award.ends_at,
        report_due_at=award.report_due_at,
        project=award.project.code if award.project else None,
        partition=award.capacity.partition,
        terms=award.terms or queries.terms_version(award.application.call),
        allowed=verbs,
    )


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.visible_to(request.user).select_related(
            "application__call", "capacity", "project"
        ),
        code=code,
    )
    return found


@router.get("/awards/{code}", response=AwardOut)
def show_award(request: SignedIn, code: Code) -> AwardOut:
    """One award."""
    return _award_out(_award(request, code), request)


@router.post("/awards/{code}/accept", response=AwardOut)
@keyed
def accept_award(request: SignedIn, code: Code) -> AwardOut:
    """Accept an award: it becomes a project with an allocation."""
    actions.accept(_award(request, code), by=request.user, now=now())
    return _award_out(_award(request, code), request)


@router.post("/awards/{code}/refuse", response=AwardOut)
def refuse_award(request: SignedIn, code: Code) -> AwardOut:
    """Refuse an award: its hours go to whoever is next."""
    actions.refuse(_award(request, code), by=request.user, now=now())
    return _award_out(_award(request, code), request)
