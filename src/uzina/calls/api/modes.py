"""Modes, and who qualifies under them."""

from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest
from django.utils.timezone import now
from django.utils.translation import gettext
from ninja import Router, Schema, Status
from pydantic import Field

from uzina.calls import actions, queries
from uzina.calls.api.shared import Country, Hours, Slug, words
from uzina.calls.rules import modes
from uzina.core.inputs import Amount, Count, Line, Paragraphs, ShortLine
from uzina.ledger.rules import AtExhaustion
from uzina.people import rules as people_rules
from uzina.people.rules.sizes import Year
from uzina.people.types import SignedIn
from uzina.sizing import rules as sizing

router = Router(tags=["calls"])


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


class GuideOut(VerdictOut):
    """What a mode says to somebody who asks: the first of them fits best, where is_best is set.

    because     why it fits; empty where it does not take the applicant
    next_at     when the next cut-off closes; null where there is none
    open_calls  names of the calls to apply to
    prepare     what will be asked
    """

    is_best: bool
    because: list[str]
    because_sources: list[str]
    next_at: datetime | None
    open_calls: list[str]
    prepare: list[str]
    need_gpu_hours: int | None
    need_low_gpu_hours: float | None
    need_high_gpu_hours: float | None


class ModePartitionOut(Schema):
    """What may be asked of one partition, GPU-hours."""

    name: str
    gpus_per_node: int
    least_gpu_hours: int
    most_gpu_hours: int


class ModeOut(Schema):
    """One access mode as it is valid today, with the source of each figure."""

    slug: str
    version: str
    checked_on: str
    valid_from: str
    title: str
    summary: str
    kind: str
    order: str
    unit: str
    package_gpu_hours: int
    least_gpu_hours: int
    most_gpu_hours: int
    partitions: list[ModePartitionOut]
    durations_months: list[int]
    target_working_days: int
    answer_days: int
    report_months: int
    is_extendable: bool
    at_exhaustion: AtExhaustion
    sections: list[str]
    documents: list[str]
    steps: list[str]
    sources: dict[str, str]


class ModeVersionOut(Schema):
    """One version of a mode. made_by and reason are empty for a shipped one."""

    version: str
    valid_from: date
    made_by: str
    reason: str


class TextOut(ModeVersionOut):
    """A version with its text."""

    text: str


class ModeVersionIn(Schema):
    """The next version of a mode, as TOML, and why it changes."""

    text: Annotated[str, Field(max_length=200_000)]
    reason: Annotated[Paragraphs, Field(max_length=500)]


class DifferenceLineOut(Schema):
    """One line of a difference: same, gone, new, or empty for a gap."""

    change: str
    line: str


def verdict_out(verdict: modes.Verdict, mode: modes.Mode) -> VerdictOut:
    """Return a verdict in the language of the reader."""
    return VerdictOut(
        mode=mode.slug,
        version=mode.version,
        title=words(mode.title),
        qualifies=verdict.qualifies,
        reasons=[
            ReasonOut(
                rule=reason.rule,
                passed=reason.passed,
                text=words(reason.text),
                todo=words(reason.todo),
                source=reason.source,
            )
            for reason in verdict.reasons
        ],
        package_gpu_hours=mode.package_gpu_hours,
        durations_months=list(mode.durations_months),
        target_working_days=mode.target_working_days,
    )


def _mode_out(mode: modes.Mode) -> ModeOut:
    limits = modes.ask_limits(mode)
    return ModeOut(
        slug=mode.slug,
        version=mode.version,
        checked_on=mode.checked_on.isoformat(),
        valid_from=mode.valid_from.isoformat(),
        title=words(mode.title),
        summary=words(mode.summary),
        kind=mode.kind,
        order=mode.order,
        unit=mode.unit,
        package_gpu_hours=mode.package_gpu_hours,
        least_gpu_hours=limits.least,
        most_gpu_hours=limits.most,
        partitions=[
            ModePartitionOut(
                name=one.name,
                gpus_per_node=one.gpus_per_node,
                least_gpu_hours=modes.ask_limits(mode, one.name).least,
                most_gpu_hours=modes.ask_limits(mode, one.name).most,
            )
            for one in mode.partitions
        ],
        durations_months=list(mode.durations_months),
        target_working_days=mode.target_working_days,
        answer_days=mode.answer_days,
        report_months=mode.report_months,
        is_extendable=mode.is_extendable,
        at_exhaustion=mode.at_exhaustion,
        sections=list(mode.sections),
        documents=[one.slug for one in mode.documents],
        steps=[str(one.kind) for one in mode.steps],
        sources=dict(mode.sources),
    )


def _current() -> dict[str, modes.Mode]:
    return queries.valid_modes(on=queries.factory_day(now()))


@router.get("/modes", response=list[ModeOut], auth=None)
def list_modes(request: HttpRequest) -> list[ModeOut]:
    """The access modes that are valid today, each with its figures and their sources."""
    return [_mode_out(mode) for mode in _current().values()]


@router.get("/modes/{slug}", response=ModeOut, auth=None)
def show_mode(request: HttpRequest, slug: Slug) -> ModeOut:
    """One access mode as it is valid today."""
    found = _current().get(slug)
    if found is None:
        raise Http404
    return _mode_out(found)


def _versions(slug: str) -> list[queries.Version]:
    found = queries.mode_versions(slug)
    if not found:
        raise Http404
    return found


def _version(versions: list[queries.Version], name: str) -> queries.Version:
    found = next((one for one in versions if one.version == name), None)
    if found is None:
        raise Http404
    return found


@router.get("/modes/{slug}/versions", response=list[ModeVersionOut], auth=None)
def list_mode_versions(request: HttpRequest, slug: Slug) -> list[queries.Version]:
    """Every version of a mode, newest first."""
    return _versions(slug)


@router.post("/modes/{slug}/versions", response={201: ModeVersionOut})
def write_mode(request: SignedIn, slug: Slug, version: ModeVersionIn) -> Any:
    """Write the next version of a mode (operator). No call that is there changes."""
    versions = _versions(slug)
    made = actions.write_mode(versions[0].slug, **version.dict(), by=request.user, now=now())
    return Status(201, _version(_versions(slug), made.version))


@router.get("/modes/{slug}/versions/{version}", response=TextOut, auth=None)
def show_mode_version(request: HttpRequest, slug: Slug, version: ShortLine) -> queries.Version:
    """One version of a mode, with its text."""
    return _version(_versions(slug), version)


@router.get("/modes/{slug}/difference", response=list[DifferenceLineOut], auth=None)
def compare_modes(
    request: HttpRequest, slug: Slug, before: ShortLine, after: ShortLine
) -> list[DifferenceLineOut]:
    """What one version of a mode says otherwise than another, line by line."""
    versions = _versions(slug)
    lines = queries.difference(_version(versions, before).text, _version(versions, after).text)
    return [DifferenceLineOut(change=change, line=line) for change, line in lines]


class RelatedIn(Schema):
    """A partner or linked enterprise."""

    name: Line = ""
    relation: people_rules.Relation
    share_percent: int = Field(ge=25, le=100)
    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount


class FiguresIn(Schema):
    """The figures of a closed year."""

    headcount: Count
    turnover_eur: Amount
    balance_eur: Amount


class OrganisationFactsIn(Schema):
    """Facts of an organisation; figures may be left out, then size is an open question.

    before  the year before, for the rule of two years (Recommendation 2003/361/EC, Article 4(2))
    """

    kind: people_rules.OrganisationKind
    country: Country
    headcount: Count | None = None
    turnover_eur: Amount | None = None
    balance_eur: Amount | None = None
    before: FiguresIn | None = None
    public_share_percent: Annotated[int, Field(ge=0, le=100)] = 0
    related: list[RelatedIn] = Field(default_factory=list, max_length=50)


class QualifyIn(Schema):
    """Two minutes before any login.

    gpu_hours   or parameters and tokens, from which they are estimated
    """

    organisation: OrganisationFactsIn
    civilian_purpose: bool | None = None
    has_he_funding: bool | None = None
    purpose: (
        Literal[
            "first_steps",
            "innovation",
            "research",
            "public_service",
            "testing",
            "development",
            "challenge",
            "consortium",
        ]
        | None
    ) = None
    months: int | None = Field(default=None, ge=1, le=60)
    gpu_hours: Hours | None = None
    partition: Annotated[Line, Field(max_length=60)] = ""
    method: sizing.Method = sizing.Method.PRETRAINING
    parameters: int | None = Field(default=None, ge=1, le=sizing.LARGEST_PARAMETERS)
    tokens: int | None = Field(default=None, ge=1, le=sizing.LARGEST_TOKENS)


@router.post("/qualify", response=list[GuideOut], auth=None)
def qualify(request: HttpRequest, asked: QualifyIn) -> list[GuideOut]:
    """Say for each mode whether such an organisation qualifies, and why; the best one first."""
    organisation, before = asked.organisation, asked.organisation.before
    facts = modes.organisation_facts(
        kind=organisation.kind,
        country=organisation.country,
        headcount=organisation.headcount,
        turnover_eur=organisation.turnover_eur,
        balance_eur=organisation.balance_eur,
        related=[people_rules.Related(**one.dict()) for one in organisation.related],
        before=Year(0, **before.dict()) if before else None,
        public_share_percent=organisation.public_share_percent,
    )
    need = None
    if asked.gpu_hours is None and asked.parameters and asked.tokens:
        need = queries.need(asked.parameters, asked.tokens, asked.method)
    facts |= {
        "civilian_purpose": asked.civilian_purpose,
        "has_he_funding": asked.has_he_funding,
        "purpose": asked.purpose,
        "months": asked.months,
        "gpu_hours": need.gpu_hours if need else asked.gpu_hours,
        "partition": asked.partition or None,
    }
    return [_guide_out(guide, need) for guide in queries.guides(facts, now())]


def _guide_out(guide: queries.Guide, need: queries.Need | None) -> GuideOut:
    answer = guide.answer
    return GuideOut(
        **verdict_out(answer.verdict, answer.mode).dict(),
        is_best=guide.is_best,
        because=[words(one) for one in answer.because] if answer.verdict.qualifies else [],
        because_sources=list(answer.sources) if answer.verdict.qualifies else [],
        next_at=guide.next_at,
        open_calls=[one.slug for one in guide.calls],
        prepare=[
            *(gettext(one) for one in guide.sections),
            *(words(one) for one in guide.documents),
        ],
        need_gpu_hours=need.gpu_hours if need else None,
        need_low_gpu_hours=need.net.low if need else None,
        need_high_gpu_hours=need.net.high if need else None,
    )
