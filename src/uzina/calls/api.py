"""The API of modes, calls, applications, assessments and awards."""

from collections.abc import Container
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.timezone import now
from django.utils.translation import get_language, gettext
from ninja import Router, Schema, Status
from pydantic import AwareDatetime, Field

from uzina.calls import actions, queries
from uzina.calls.models import Application, Award, Call
from uzina.calls.rules import clock, modes, sections, timeline
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.flows import AWARD, CALL, ApplicationState, AwardState, CallState
from uzina.core.http import told
from uzina.core.idempotency import keyed
from uzina.core.inputs import Amount, Count, Line, Paragraphs
from uzina.core.paging import Page, paged
from uzina.ledger.rules import AtExhaustion
from uzina.people import access as people_access
from uzina.people import rules as people_rules
from uzina.people.models import Organisation
from uzina.people.types import SignedIn

router = Router(tags=["calls"])

Code = Annotated[str, Field(max_length=16)]
Slug = Annotated[str, Field(max_length=60)]
Hours = Annotated[int, Field(ge=1, le=2_000_000_000)]
Cursor = Annotated[str, Field(max_length=40)]
Country = Annotated[str, Field(pattern="^[A-Z]{2}$")]


def _language() -> str:
    return (get_language() or "en")[:2]


def _words(text: modes.Text) -> str:
    return modes.in_language(text, _language())


class ReasonOut(Schema):
    """What one rule found: passed is null where the fact is not known yet."""

    rule: str
    passed: bool | None
    text: str
    todo: str
    source: str


class VerdictOut(Schema):
    """Whether a mode takes an applicant, with a reason for each rule."""

    mode: str
    version: str
    title: str
    qualifies: bool
    reasons: list[ReasonOut]
    package_gpu_hours: int
    durations_months: list[int]
    target_working_days: int


class ModeOut(Schema):
    """One access mode as shipped."""

    slug: str
    version: str
    checked_on: str
    title: str
    summary: str
    order: str
    package_gpu_hours: int
    durations_months: list[int]
    target_working_days: int
    answer_days: int
    report_months: int
    is_extendable: bool
    at_exhaustion: AtExhaustion
    sections: list[str]
    sources: dict[str, str]


def _verdict(verdict: modes.Verdict, mode: modes.Mode) -> VerdictOut:
    return VerdictOut(
        mode=mode.slug,
        version=mode.version,
        title=_words(mode.title),
        qualifies=verdict.qualifies,
        reasons=[
            ReasonOut(
                rule=reason.rule,
                passed=reason.passed,
                text=_words(reason.text),
                todo=_words(reason.todo),
                source=reason.source,
            )
            for reason in verdict.reasons
        ],
        package_gpu_hours=mode.package_gpu_hours,
        durations_months=list(mode.durations_months),
        target_working_days=mode.target_working_days,
    )


@router.get("/modes", response=list[ModeOut], auth=None)
def list_modes(request: HttpRequest) -> list[ModeOut]:
    """The access modes, each with its figures and their sources."""
    return [
        ModeOut(
            slug=mode.slug,
            version=mode.version,
            checked_on=mode.checked_on.isoformat(),
            title=_words(mode.title),
            summary=_words(mode.summary),
            order=mode.order,
            package_gpu_hours=mode.package_gpu_hours,
            durations_months=list(mode.durations_months),
            target_working_days=mode.target_working_days,
            answer_days=mode.answer_days,
            report_months=mode.report_months,
            is_extendable=mode.is_extendable,
            at_exhaustion=mode.at_exhaustion,
            sections=list(mode.sections),
            sources=dict(mode.sources),
        )
        for mode in queries.shipped_modes().values()
    ]


class RelatedIn(Schema):
    """A partner or linked enterprise."""

    name: Line = ""
    relation: people_rules.Relation
    share_percent: int = Field(ge=25, le=100)
    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount


class OrganisationFactsIn(Schema):
    """Facts of an organisation; figures may be left out, then size is an open question."""

    kind: people_rules.OrganisationKind
    country: Country
    headcount: Count | None = None
    turnover_eur: Amount | None = None
    balance_eur: Amount | None = None
    related: list[RelatedIn] = Field(default_factory=list, max_length=50)


class QualifyIn(Schema):
    """Two minutes before any login."""

    organisation: OrganisationFactsIn
    civilian_purpose: bool | None = None
    months: int | None = Field(default=None, ge=1, le=60)
    gpu_hours: Hours | None = None


@router.post("/qualify", response=list[VerdictOut], auth=None)
def qualify(request: HttpRequest, asked: QualifyIn) -> list[VerdictOut]:
    """Say for each mode whether such an organisation qualifies, and why."""
    organisation = asked.organisation
    facts = modes.organisation_facts(
        kind=organisation.kind,
        country=organisation.country,
        headcount=organisation.headcount,
        turnover_eur=organisation.turnover_eur,
        balance_eur=organisation.balance_eur,
        related=[people_rules.Related(**one.dict()) for one in organisation.related],
    )
    facts |= {
        "civilian_purpose": asked.civilian_purpose,
        "months": asked.months,
        "gpu_hours": asked.gpu_hours,
    }
    return [_verdict(modes.qualify(facts, mode), mode) for mode in queries.shipped_modes().values()]


class CutOffIn(Schema):
    """One deadline."""

    opens_at: AwareDatetime
    closes_at: AwareDatetime


class CallIn(Schema):
    """A new call, made from a mode."""

    mode: Slug
    slug: Slug
    title_en: Line
    title_ro: Line
    budget_gpu_hours: Hours
    opens_at: AwareDatetime
    closes_at: AwareDatetime | None = None
    package_gpu_hours: Hours | None = None
    partition: Annotated[Line, Field(max_length=60)] = ""
    cut_offs: list[CutOffIn] = Field(default_factory=list, max_length=100)


class CallOut(Schema):
    """A call. budget and free hours are shown to operators and auditors only."""

    code: str
    slug: str
    title: str
    title_en: str
    title_ro: str
    summary: str
    state: CallState
    is_open: bool
    opens_at: datetime
    closes_at: datetime | None
    mode: str
    mode_version: str
    package_gpu_hours: int
    durations_months: list[int]
    target_working_days: int
    partition: str
    free_gpu_ms: int | None
    allowed: list[str]


def _call_out(call: Call, request: SignedIn) -> CallOut:
    is_operator = people_access.is_operator(request.user)
    return CallOut(
        code=call.code,
        slug=call.slug,
        title=call.title,
        title_en=call.title_en,
        title_ro=call.title_ro,
        summary=call.summary,
        state=call.state,
        is_open=call.state is CallState.PUBLISHED
        and any(clock.is_open(window, now()) for window in call.windows),
        opens_at=call.opens_at,
        closes_at=call.closes_at,
        mode=call.mode.slug,
        mode_version=call.mode.version,
        package_gpu_hours=call.mode.package_gpu_hours,
        durations_months=list(call.mode.durations_months),
        target_working_days=call.mode.target_working_days,
        partition=call.partition,
        free_gpu_ms=queries.left_gpu_ms(call)
        if is_operator or people_access.is_auditor(request.user)
        else None,
        allowed=CALL.verbs(call.state) if is_operator else [],
    )


def _calls(request: SignedIn) -> Any:
    return queries.calls().filter(pk__in=Call.objects.visible_to(request.user).values("pk"))


def _call(request: SignedIn, slug: str) -> Call:
    found: Call = get_object_or_404(_calls(request), slug=slug)
    return found


@router.get("/calls", response=Page[CallOut])
def list_calls(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """The calls one may see, newest first."""
    page = paged(_calls(request), limit=limit, cursor=cursor)
    return page | {"items": [_call_out(call, request) for call in page["items"]]}


@router.post("/calls", response={201: CallOut})
def create_call(request: SignedIn, facts: CallIn) -> Any:
    """Draft a call from a mode (operator). Its budget is opened in the ledger."""
    values = facts.dict()
    values["cut_offs"] = [clock.Window(**one) for one in values["cut_offs"]]
    call = actions.create_call(actions.CallFacts(**values), by=request.user, now=now())
    return Status(201, _call_out(_call(request, call.slug), request))


@router.get("/calls/{slug}", response=CallOut)
def show_call(request: SignedIn, slug: Slug) -> CallOut:
    """One call."""
    return _call_out(_call(request, slug), request)


@router.post("/calls/{slug}/publish", response=CallOut)
def publish_call(request: SignedIn, slug: Slug) -> CallOut:
    """Show a call to everybody (operator)."""
    actions.publish(_call(request, slug), by=request.user, now=now())
    return _call_out(_call(request, slug), request)


@router.post("/calls/{slug}/archive", response=CallOut)
def archive_call(request: SignedIn, slug: Slug) -> CallOut:
    """Take no more applications (operator)."""
    actions.archive(_call(request, slug), by=request.user, now=now())
    return _call_out(_call(request, slug), request)


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
    """One question: kind is line, text, yes_no, tick, choice, whole, email, country or rows."""

    name: str
    kind: str
    label: str
    hint: str
    is_needed: bool
    choices: list[ChoiceOut]
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


class EntryOut(Schema):
    """One step of the timeline."""

    title: str
    at: datetime | None
    is_done: bool
    text: str


class NextOut(Schema):
    """What happens next, by when, and whether it is the applicant's move."""

    text: str
    at: datetime | None
    is_yours: bool


class AssessmentOut(Schema):
    """The technical assessment; the host's own note is not part of it."""

    is_positive: bool
    is_fitting: bool
    is_ready: bool
    is_justified: bool
    recommended_gpu_ms: int
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
    timeline: list[EntryOut]


def _next(application: Application) -> NextOut:
    coming = timeline.next_step(queries.story(application))
    return NextOut(text=gettext(coming.text), at=coming.at, is_yours=coming.is_yours)


def _summary(application: Application, request: SignedIn, own: Container[int]) -> dict[str, Any]:
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
        "next": _next(application),
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
        columns=[_field_out(column) for column in field.columns],
    )


def _section_out(slug: str, saved: Any) -> SectionOut:
    section = sections.ALL[slug]
    answers = saved.answers if saved else {}
    problems = sections.missing(section, answers)
    return SectionOut(
        slug=slug,
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
        return _verdict(queries.verdict_now(application), mode)
    kept = application.verdict
    reasons = [modes.Reason(**reason) for reason in kept["reasons"]]
    return _verdict(modes.Verdict(kept["mode"], kept["version"], tuple(reasons)), mode)


def _application_out(application: Application, request: SignedIn) -> ApplicationOut:
    saved = {one.slug: one for one in application.sections.all()}
    return ApplicationOut(
        **_summary(application, request, queries.organisation_ids(request.user)),
        months=application.months,
        gpu_ms=application.gpu_ms,
        is_reserve=application.reserve_at is not None,
        sections=[_section_out(slug, saved.get(slug)) for slug in application.call.mode.sections],
        verdict=_kept_verdict(application),
        assessment=AssessmentOut.from_orm(application.review)
        if hasattr(application, "review")
        else None,
        decision=DecisionOut.from_orm(application.decision)
        if hasattr(application, "decision")
        else None,
        timeline=[
            EntryOut(
                title=gettext(one.title),
                at=one.at,
                is_done=one.is_done,
                text=gettext(one.text) if one.text else "",
            )
            for one in timeline.entries(queries.story(application))
        ],
    )


def _applications(request: SignedIn) -> Any:
    visible = Application.objects.visible_to(request.user)
    return queries.applications().filter(pk__in=visible.values("pk"))


def _application(request: SignedIn, code: str) -> Application:
    found: Application = get_object_or_404(_applications(request), code=code)
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
    return Status(201, _application_out(_application(request, application.code), request))


@router.get("/applications", response=Page[ApplicationSummaryOut])
def list_applications(request: SignedIn, limit: int = 50, cursor: Cursor = "") -> Any:
    """The applications one may see, newest first."""
    page = paged(_applications(request), limit=limit, cursor=cursor)
    own = queries.organisation_ids(request.user)
    return page | {"items": [_summary(one, request, own) for one in page["items"]]}


@router.get("/applications/{code}", response=ApplicationOut)
def show_application(request: SignedIn, code: Code) -> ApplicationOut:
    """One application, with what happens next and by when."""
    return _application_out(_application(request, code), request)


class SectionIn(Schema):
    """Answers of one step, and the version that they were typed into (0 before the first save)."""

    version: Count
    answers: dict[str, Any]


@router.put("/applications/{code}/sections/{section}", response=SectionOut)
def save_section(request: SignedIn, code: Code, section: Slug, asked: SectionIn) -> SectionOut:
    """Save one step of a draft, complete or not. `problems` says what is still missing."""
    saved = actions.save_section(
        _application(request, code),
        section=section,
        answers=asked.answers,
        version=asked.version,
        by=request.user,
        now=now(),
    )
    return _section_out(section, saved)


@router.post("/applications/{code}/submit", response=ApplicationOut)
def submit_application(request: SignedIn, code: Code) -> ApplicationOut:
    """Hand a draft in. It is admitted or declined at once, with reasons."""
    actions.submit(_application(request, code), by=request.user, now=now())
    return _application_out(_application(request, code), request)


@router.post("/applications/{code}/withdraw", response=ApplicationOut)
def withdraw_application(request: SignedIn, code: Code) -> ApplicationOut:
    """Take an application back."""
    actions.withdraw(_application(request, code), by=request.user, now=now())
    return _application_out(_application(request, code), request)


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
    return {"items": [_summary(one, request, own) for one in items], "next": following}


class AssessmentIn(Schema):
    """The technical assessment. The comment goes to the applicant, the note stays here."""

    is_fitting: bool
    is_ready: bool
    is_justified: bool
    recommended_gpu_hours: Annotated[int, Field(ge=0, le=2_000_000_000)] = 0
    comment: Annotated[Paragraphs, Field(max_length=4000)] = ""
    note: Annotated[Paragraphs, Field(max_length=4000)] = ""


@router.post("/applications/{code}/assessment", response=ApplicationOut)
def assess_application(request: SignedIn, code: Code, asked: AssessmentIn) -> ApplicationOut:
    """Give the technical assessment (assessor). In a first-in-first-out mode it decides."""
    actions.assess(_application(request, code), **asked.dict(), by=request.user, now=now())
    return _application_out(_application(request, code), request)


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
        allowed=verbs,
    )


def _award(request: SignedIn, code: str) -> Award:
    found: Award = get_object_or_404(
        Award.objects.visible_to(request.user).select_related("application__call", "project"),
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
