"""Technical assessments."""

from typing import Annotated, Any

from django.utils.timezone import now
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.applications import (
    ApplicationOut,
    ApplicationSummaryOut,
    application_out,
    summary_out,
    visible_application,
)
from uzina.calls.api.shared import Code
from uzina.core.inputs import Paragraphs
from uzina.core.paging import Page
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


@router.get("/assessments", response=Page[ApplicationSummaryOut])
def list_assessments(
    request: SignedIn,
    limit: Annotated[int, Field(ge=1, le=200)] = 50,
    cursor: Annotated[str, Field(pattern=r"^([0-9]{1,17}-[0-9]{1,18})?$")] = "",
) -> Any:
    """The applications that wait for one's technical assessment, oldest first."""
    rows = queries.assessable_by(request.user)
    items, following = queries.oldest_first(rows, limit=limit, cursor=cursor)
    own = queries.organisation_ids(request.user)
    return {"items": [summary_out(one, request, own) for one in items], "next": following}


class AssessmentIn(Schema):
    """The technical assessment. The comment goes to the applicant, the note stays here.

    recommended_partition: another one of the call than was asked; empty where that one fits.
    """

    is_fitting: bool
    is_ready: bool
    is_justified: bool
    recommended_gpu_hours: Annotated[int, Field(ge=0, le=2_000_000_000)] = 0
    recommended_partition: Annotated[str, Field(max_length=60)] = ""
    comment: Annotated[Paragraphs, Field(max_length=4000)] = ""
    note: Annotated[Paragraphs, Field(max_length=4000)] = ""


@router.post("/applications/{code}/assessment", response=ApplicationOut)
def assess_application(request: SignedIn, code: Code, asked: AssessmentIn) -> ApplicationOut:
    """Give the technical assessment (assessor). In a first-in-first-out mode it decides."""
    actions.assess(visible_application(request, code), **asked.dict(), by=request.user, now=now())
    return application_out(visible_application(request, code), request)
