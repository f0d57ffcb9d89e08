"""Applications, section by section."""

from collections.abc import Container
from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status

from uzina.calls import actions, queries
from uzina.calls.api.modes import VerdictOut, verdict_out
from uzina.calls.api.shared import Code, Cursor, Slug
from uzina.calls.models import Application, Award, Call
from uzina.calls.rules import modes, sections
from uzina.calls.rules.flows import ApplicationState
from uzina.core.http import told
from uzina.core.inputs import Count
from uzina.core.paging import Page, paged
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

router = Router(tags=["calls"])


class ProblemOut(Schema):
    """Something still missing."""

    field: str
    code: str
    detail: str


class ChoiceOut(Schema):
    """One answer that may be chosen."""

    value: str
    label: str


class FieldOut(Schema):
    """One question. kind says how it is answered: rows are lists of objects, choices are lists,
    terms is the version accepted, the others are one value.

    allowed  the numbers that may be asked, where the call offers only some
    """

    name: str
    kind: str
    label: str
    hint: str
    is_needed: bool
    choices: list[ChoiceOut]
    allowed: list[int]
    columns: list["FieldOut"]


class SectionOut(Schema):
    """One step of an application. Send `version` back when you save it."""

    slug: str
    title: str
    fields: list[FieldOut]
    version: int
    is_complete: bool
    answers: dict[str, Any]
    problems: list[ProblemOut]
    saved_at: datetime | None


class TimelineEntryOut(Schema):
    """One step of the timeline; is_now: it is under way."""

    title: str
    at: datetime | None
    is_done: bool
    is_now: bool
    text: str


class NextOut(Schema):
    """What happens next, by when, and whether it is the applicant's move.

    verb: submit, answer, reply, decide, appeal, draft, export, apply, or empty; target: the code of
    what it is done with. days_left: working days; null where there is no deadline or it is over.
    """

    text: str
    at: datetime | None
    is_yours: bool
    verb: str
    target: str
    days_left: int | None
    is_late: bool


class AssessmentOut(Schema):
    """The technical assessment; the host's own note is not part of it."""

    is_positive: bool
    is_fitting: bool
    is_ready: bool
    is_justified: bool
    recommended_gpu_ms: int
    recommended_partition: str
    comment: str
    made_at: datetime


class DecisionOut(Schema):
    """What was decided, by which rule."""

    outcome: str
    rule: str
    made_at: datetime


class ApplicationSummaryOut(Schema):
    """An application in a list."""

    code: str
    call: str
    organisation: str
    organisation_name: str
    title: str
    state: ApplicationState
    made_at: datetime
    submitted_at: datetime | None
    due_at: datetime | None
    award: str | None
    next: NextOut
    allowed: list[str]


class ApplicationOut(ApplicationSummaryOut):
    """An application with its answers, reasons and timeline."""

    months: int | None
    gpu_ms: int | None
    is_reserve: bool
    sections: list[SectionOut]
    verdict: VerdictOut
    assessment: AssessmentOut | None
    decision: DecisionOut | None
    timeline: list[TimelineEntryOut]


def summary_out(application: Application, request: SignedIn, own: Container[int]) -> dict[str, Any]:
    """Return what a list shows of an application."""
    award: Award | None = getattr(application, "award", None)
    return {
        "code": application.code,
        "call": application.call.slug,
        "organisation": application.organisation.code,
        "organisation_name": application.organisation.name,
        "title": application.title,
        "state": application.state,
        "made_at": application.made_at,
        "submitted_at": application.submitted_at,
        "due_at": application.due_at,
        "award": award.code if award else None,
        "next": queries.next_shown(queries.story(application), now()),
        "allowed": queries.verbs(application, request.user, own),
    }


def _field_out(field: sections.Field) -> FieldOut:
    return FieldOut(
        name=field.name,
        kind=field.kind,
        label=gettext(field.label),
        hint=gettext(field.hint) if field.hint else "",
        is_needed=bool(field.missing),
        choices=[ChoiceOut(value=value, label=gettext(label)) for value, label in field.choices],
        allowed=list(field.allowed),
        columns=[_field_out(column) for column in field.columns],
    )


def section_out(section: sections.Section, saved: Any) -> SectionOut:
    """Return a section as its call asks it, with what is saved of it."""
    answers = saved.answers if saved else {}
    problems = sections.missing(section, answers)
    return SectionOut(
        slug=section.slug,
        title=gettext(section.title),
        fields=[_field_out(field) for field in section.fields],
        version=saved.version if saved else 0,
        is_complete=not problems,
        answers=answers,
        problems=[ProblemOut(field=one.field, code=one.code, detail=told(one)) for one in problems],
        saved_at=saved.saved_at if saved else None,
    )


def _kept_verdict(application: Application) -> VerdictOut:
    """The verdict it was judged by; for a draft what the rules say now."""
    mode = application.call.mode
    if not application.verdict:
        return verdict_out(queries.verdict_now(application), mode)
    kept = application.verdict
    reasons = [modes.Reason(**reason) for reason in kept["reasons"]]
    return verdict_out(modes.Verdict(kept["mode"], kept["version"], tuple(reasons)), mode)


def application_out(application: Application, request: SignedIn) -> ApplicationOut:
    """Return all that an application's door shows."""
    saved = {one.slug: one for one in application.sections.all()}
    return ApplicationOut(
        **summary_out(application, request, queries.organisation_ids(request.user)),
        months=application.months,
        gpu_ms=application.gpu_ms,
        is_reserve=application.reserve_at is not None,
        sections=[
            section_out(section, saved.get(section.slug))
            for section in queries.asked_sections(application)
        ],
        verdict=_kept_verdict(application),
        assessment=AssessmentOut.from_orm(application.assessment)
        if hasattr(application, "assessment")
        else None,
        decision=DecisionOut.from_orm(application.decision)
        if hasattr(application, "decision") and application.decision.released_at
        else None,
        timeline=[
            TimelineEntryOut(**one) for one in queries.entries_shown(queries.story(application))
        ],
    )


def visible_applications(request: SignedIn) -> Any:
    """Return the applications that the caller may see."""
    visible = Application.objects.visible_to(request.user)
    return queries.applications().filter(pk__in=visible.values("pk"))


def visible_application(request: SignedIn, code: str) -> Application:
    """Return one of them by its code, or 404."""
    found: Application = get_object_or_404(visible_applications(request), code=code)
    return found


class ApplicationIn(Schema):
    """Which call, for which organisation."""

    call: Slug
    organisation: Code


@router.post("/applications", response={201: ApplicationOut})
def start_application(request: SignedIn, asked: ApplicationIn) -> Any:
    """Start a draft."""
    call = get_object_or_404(Call.objects.visible_to(request.user), slug=asked.call)
    organisation = get_object_or_404(
        Organisation.objects.visible_to(request.user), code=asked.organisation
    )
    application = actions.start(call, organisation=organisation, by=request.user, now=now())
    return Status(201, application_out(visible_application(request, application.code), request))


@router.get("/applications", response=Page[ApplicationSummaryOut])
def list_applications(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """The applications one may see, newest first."""
    page = paged(visible_applications(request), limit=limit, cursor=cursor)
    own = queries.organisation_ids(request.user)
    return page | {"items": [summary_out(one, request, own) for one in page["items"]]}


@router.get("/applications/{code}", response=ApplicationOut)
def show_application(request: SignedIn, code: Code) -> ApplicationOut:
    """One application, with what happens next and by when."""
    return application_out(visible_application(request, code), request)


class SectionIn(Schema):
    """Answers of one step, and the version that they were typed into (0 before the first save)."""

    version: Count
    answers: dict[str, Any]


@router.put("/applications/{code}/sections/{section}", response=SectionOut)
def save_section(request: SignedIn, code: Code, section: Slug, asked: SectionIn) -> SectionOut:
    """Save one step of a draft, complete or not. `problems` says what is still missing."""
    application = visible_application(request, code)
    saved = actions.save_section(
        application,
        section=section,
        answers=asked.answers,
        version=asked.version,
        by=request.user,
        now=now(),
    )
    return section_out(queries.asked_section(application, section), saved)


@router.post("/applications/{code}/submit", response=ApplicationOut)
def submit_application(request: SignedIn, code: Code) -> ApplicationOut:
    """Hand a draft in. It is admitted or declined at once, with reasons."""
    arrived = now()  # the instant that counts: before anything is waited for
    actions.submit(visible_application(request, code), by=request.user, now=arrived)
    return application_out(visible_application(request, code), request)


@router.post("/applications/{code}/withdraw", response=ApplicationOut)
def withdraw_application(request: SignedIn, code: Code) -> ApplicationOut:
    """Take an application back."""
    actions.withdraw(visible_application(request, code), by=request.user, now=now())
    return application_out(visible_application(request, code), request)
