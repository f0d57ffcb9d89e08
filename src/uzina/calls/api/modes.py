"""Modes, and who qualifies under them."""

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from uzina.calls import queries
from uzina.calls.api.shared import Country, Hours, words
from uzina.calls.rules import modes
from uzina.core.inputs import Amount, Count, Line
from uzina.ledger.rules import AtExhaustion
from uzina.people import rules as people_rules

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


@router.get("/modes", response=list[ModeOut], auth=None)
def list_modes(request: HttpRequest) -> list[ModeOut]:
    """The access modes, each with its figures and their sources."""
    return [
        ModeOut(
            slug=mode.slug,
            version=mode.version,
            checked_on=mode.checked_on.isoformat(),
            title=words(mode.title),
            summary=words(mode.summary),
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
    return [
        verdict_out(modes.qualify(facts, mode), mode) for mode in queries.shipped_modes().values()
    ]
