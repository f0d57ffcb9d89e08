"""Expressions of interest: the decision, and who is admitted."""

from datetime import datetime
from typing import Annotated, Any

from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import access, actions, queries
from uzina.calls.api.shared import Code, Cursor, Slug
from uzina.calls.models import Application, Call
from uzina.calls.rules.flows import ApplicationState
from uzina.core.inputs import Paragraphs
from uzina.core.paging import Page, paged
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class InterestOut(Schema):
    """An expression of interest as those who decide see it."""

    code: str
    call: str
    organisation: str
    organisation_name: str
    country: str
    title: str
    state: ApplicationState
    submitted_at: datetime | None
    contact: str
    contact_email: str
    decided_at: datetime | None
    reason: str


def _out(application: Application) -> InterestOut:
    decision = getattr(application, "decision", None)
    return InterestOut(
        code=application.code,
        call=application.call.slug,
        organisation=application.organisation.code,
        organisation_name=application.organisation.name,
        country=application.organisation.country,
        title=application.title,
        state=application.state,
        submitted_at=application.submitted_at,
        contact=application.applicant.name,
        contact_email=application.applicant.email,
        decided_at=decision.made_at if decision else None,
        reason=decision.inputs.get("reason", "") if decision else "",
    )


def _call(request: SignedIn, slug: str) -> Call:
    found: Call = get_object_or_404(Call.objects.visible_to(request.user), slug=slug)
    if found.mode.kind != "interest" or not access.may_see_interests(request.user, found):
        raise Http404
    return found


@router.get("/calls/{slug}/interests", response=Page[InterestOut])
def list_interests(request: SignedIn, slug: Slug, limit: int = 50, cursor: Cursor = "") -> Any:
    """The expressions of interest (operators, auditors, the panel of the call), newest first."""
    rows = queries.interests(_call(request, slug), request.user)
    page = paged(rows, limit=limit, cursor=cursor)
    return page | {"items": [_out(one) for one in page["items"]]}


@router.get("/calls/{slug}/members", response=Page[InterestOut])
def list_members(request: SignedIn, slug: Slug, limit: int = 50, cursor: Cursor = "") -> Any:
    """The organisations that were admitted (operators, auditors, the panel of the call)."""
    page = paged(queries.members(_call(request, slug), request.user), limit=limit, cursor=cursor)
    return page | {"items": [_out(one) for one in page["items"]]}


class InterestReasonIn(Schema):
    """Why: the applicant reads it."""

    reason: Annotated[Paragraphs, Field(max_length=4000)] = ""


def _interest(request: SignedIn, slug: str, code: str) -> Application:
    found: Application = get_object_or_404(
        queries.interests(_call(request, slug), request.user), code=code
    )
    return found


@router.post("/calls/{slug}/interests/{code}/admit", response=InterestOut)
def admit_interest(
    request: SignedIn, slug: Slug, code: Code, asked: InterestReasonIn
) -> InterestOut:
    """Admit an organisation to the consortium (operators, the panel of the call)."""
    found = _interest(request, slug, code)
    actions.admit_interest(found, reason=asked.reason, by=request.user, now=now())
    return _out(_interest(request, slug, code))


@router.post("/calls/{slug}/interests/{code}/decline", response=InterestOut)
def decline_interest(
    request: SignedIn, slug: Slug, code: Code, asked: InterestReasonIn
) -> InterestOut:
    """Decline an expression of interest with a reason (operators, the panel of the call)."""
    found = _interest(request, slug, code)
    actions.decline_interest(found, reason=asked.reason, by=request.user, now=now())
    return _out(_interest(request, slug, code))
