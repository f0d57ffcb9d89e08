"""Changes of awards."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.shared import Code, Hours
from uzina.calls.models import Amendment, Award
from uzina.calls.rules import amendments
from uzina.calls.rules.amendments import AmendmentKind
from uzina.calls.rules.flows import AMENDMENT, AmendmentState
from uzina.core.idempotency import keyed
from uzina.core.inputs import Paragraphs, ShortLine
from uzina.core.paging import Page, paged
from uzina.people import access as people_access
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class AmendmentIn(Schema):
    """What is to change: months, gpu_hours, organisation or lead (codes), as the kind needs it."""

    kind: AmendmentKind
    reason: Annotated[Paragraphs, Field(max_length=500)]
    months: Annotated[int, Field(ge=1, le=60)] | None = None
    gpu_hours: Hours | None = None
    organisation: ShortLine = ""
    lead: ShortLine = ""


class DecisionIn(Schema):
    reason: Annotated[Paragraphs, Field(max_length=500)]


class AmendmentOut(Schema):
    code: str
    award: str
    kind: AmendmentKind
    state: AmendmentState
    facts: dict[str, Any]
    reason: str
    asked_at: datetime
    decided_at: datetime | None
    decided_reason: str
    allowed: list[str]

    @staticmethod
    def resolve_award(amendment: Amendment) -> str:
        return amendment.award.code

    @staticmethod
    def resolve_allowed(amendment: Amendment) -> list[str]:
        return AMENDMENT.verbs(amendment.state)


class AllowedOut(Schema):
    """A kind of change that the person may ask for now, and up to how much in all."""

    kind: AmendmentKind
    most_months: int
    most_percent: int
    needs_report: bool


class AmendmentsOut(Schema):
    kinds: list[AllowedOut]
    amendments: list[AmendmentOut]


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.followed_by(request.user).select_related(
            "application__call", "capacity", "project"
        ),
        code=code,
    )
    return found


def _amendment(request: SignedIn, code: str) -> Amendment:
    found: Amendment = get_object_or_404(
        Amendment.objects.visible_to(request.user).select_related(
            "award__application__call", "award__capacity", "award__project"
        ),
        code=code,
    )
    return found


@router.get("/awards/{code}/amendments", response=AmendmentsOut)
def list_amendments(request: SignedIn, code: Code) -> dict[str, Any]:
    """What was changed of an award, and what may be asked for."""
    award = _award(request, code)
    is_operator = access.may_run_calls(request.user)
    mode, kinds = award.application.call.mode, []
    is_running = award.ends_at is not None and award.ends_at > now()
    if is_running and (is_operator or access.may_follow_up(request.user, award)):
        kinds = amendments.kinds_for(
            mode, is_operator=is_operator, is_suspended=award.suspended_at is not None
        )
    return {
        "kinds": [
            AllowedOut(
                kind=kind,
                most_months=spec.most_months,
                most_percent=spec.most_percent,
                needs_report=spec.needs_report,
            )
            for kind in kinds
            for spec in [amendments.check_allowed(mode, kind, is_operator=is_operator)]
        ],
        "amendments": list(queries.amendments_of(award).select_related("award")),
    }


@router.post("/awards/{code}/amendments", response={201: AmendmentOut})
@keyed
def ask_amendment(request: SignedIn, code: Code, body: AmendmentIn) -> Any:
    """Ask for a change as a lead of the project; an operator does it at once."""
    asked = body.dict(exclude={"kind", "reason"})
    facts = {name: value for name, value in asked.items() if value not in (None, "")}
    award = _award(request, code)
    do = actions.amend if access.may_run_calls(request.user) else actions.ask_amendment
    made = do(award, kind=body.kind, facts=facts, reason=body.reason, by=request.user, now=now())
    return Status(201, made)


@router.get("/amendments", response=Page[AmendmentOut])
def asked_amendments(request: SignedIn, limit: int = 50, cursor: str = "") -> dict[str, Any]:
    """The changes that wait for an operator. For operators and auditors."""
    if not (people_access.is_operator(request.user) or people_access.is_auditor(request.user)):
        raise Http404
    return paged(queries.asked_amendments(), limit=limit, cursor=cursor)


@router.post("/amendments/{code}/approve", response=AmendmentOut)
@keyed
def approve_amendment(request: SignedIn, code: Code, body: DecisionIn) -> Amendment:
    """Approve a change and do it, as an operator with a reason."""
    return actions.approve_amendment(
        _amendment(request, code), reason=body.reason, by=request.user, now=now()
    )


@router.post("/amendments/{code}/refuse", response=AmendmentOut)
def refuse_amendment(request: SignedIn, code: Code, body: DecisionIn) -> Amendment:
    """Refuse a change, as an operator with a reason."""
    return actions.refuse_amendment(
        _amendment(request, code), reason=body.reason, by=request.user, now=now()
    )


@router.post("/amendments/{code}/withdraw", response=AmendmentOut)
def withdraw_amendment(request: SignedIn, code: Code) -> Amendment:
    """Take back what was asked, as a lead of the project."""
    return actions.withdraw_amendment(_amendment(request, code), by=request.user, now=now())
