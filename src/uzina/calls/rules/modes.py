"""Access modes: dated data, and whether an applicant qualifies under it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, Literal

from uzina.calls.rules.cut_offs import CutOffPlan
from uzina.calls.rules.steps import StepKind, StepSpec
from uzina.ledger.rules import AtExhaustion
from uzina.people.rules.sizes import Related, Year, size_over

LANGUAGES = ("en", "ro")

Fact = str | int | bool | tuple[str, ...] | None
Facts = Mapping[str, Fact]
Text = Mapping[str, str]

FACTS = (
    "organisation_kind",
    "size_class",
    "country",
    "team_countries",
    "civilian_purpose",
    "contract_covers",
    "months",
    "gpu_hours",
    "partition",
    "purpose",
    "has_he_funding",
    "has_defaulted",
)
"""What a rule may ask. None where it is not known yet.

gpu_hours       always GPU-hours, also where a mode counts node-hours
purpose         one of PURPOSES
has_he_funding  the work is part of a project of Horizon Europe or Digital Europe
has_defaulted   a report on an earlier award of the organisation, or of the applicant or a project
                they take part in, is late; the word is True or False
"""

PURPOSES = (
    "first_steps",
    "innovation",
    "research",
    "public_service",
    "testing",
    "development",
    "challenge",
    "consortium",
)

OWNERS = ("rule", "operator", "assessor", "reviewer", "panel", "applicant")

DOCUMENT_TYPES = ("pdf", "text", "csv", "docx", "odt")

AID_BASES = ("union_share", "de_minimis", "gber_28", "none")
"""On what a free award stands: the Union's share of the machine (no State aid), de minimis
(Regulation (EU) 2023/2831), Article 28 of Regulation (EU) No 651/2014, or paid for."""

CHECKS = ("one_of", "all_of", "is_true", "at_most", "at_least")

Check = Literal["one_of", "all_of", "is_true", "at_most", "at_least"]


@dataclass(frozen=True)
class Instead:
    """What to do where the fact has one of the values."""

    values: tuple[str, ...]
    text: Text


@dataclass(frozen=True)
class Rule:
    """One condition of a mode, its source, and what to say either way.

    limit  a number, or least, most or package: what may be asked of the partition, in GPU-hours
    """

    key: str
    check: Check
    fact: str
    source: str
    needs: Text
    yes: Text
    no: Text
    allowed: tuple[str, ...] = ()
    limit: str | int | None = None
    when_fact: str = ""
    when_values: tuple[str, ...] = ()
    instead: tuple[Instead, ...] = ()
    otherwise: Text = field(default_factory=dict)


@dataclass(frozen=True)
class Fit:
    """Why a mode would fit an applicant whom it takes, and how much that counts."""

    key: str
    check: Check
    fact: str
    points: int
    because: Text
    source: str
    allowed: tuple[str, ...] = ()
    limit: str | int | None = None


@dataclass(frozen=True)
class PartitionAsk:
    """What may be asked of one partition, in the mode's unit; gpus_per_node turns nodes to GPUs.

    Where least is most, that is what everybody gets who asks for it: a fixed menu.
    """

    name: str
    gpus_per_node: int
    least: int
    most: int


@dataclass(frozen=True)
class Criterion:
    """One thing that reviewers score.

    weight     its share in the weighted mean, any whole number above zero
    threshold  the least score with which an application passes; 0: none
    """

    key: str
    title: Text
    weight: int
    threshold: int


@dataclass(frozen=True)
class Scoring:
    """How reviewers score: whole numbers from least to most, and what passes overall.

    threshold_milli  of the weighted mean, thousandths of a point
    reviewers        how many reviews each application needs
    blind            none; single: applicants see no reviewer's name; double: reviewers see no
                     applicant's name either
    """

    least: int
    most: int
    threshold_milli: int
    reviewers: int
    blind: Literal["none", "single", "double"]
    conflict_years: int
    criteria: tuple[Criterion, ...]


@dataclass(frozen=True)
class DocumentSpec:
    """A file that a mode asks for. types: pdf, text, csv, docx, odt."""

    slug: str
    title: Text
    is_required: bool
    types: tuple[str, ...]
    most_mib: int


@dataclass(frozen=True)
class AmendmentSpec:
    """What may be changed after an award: up to so many months or per cent of the first grant.

    0 where the kind has no such figure. needs_report: only on an accepted interim report.
    """

    kind: str
    most_months: int
    most_percent: int
    needs_report: bool


AMENDMENTS = (
    "extension",
    "top_up",
    "reduction",
    "transfer",
    "change_of_lead",
    "suspension",
    "early_end",
)


@dataclass(frozen=True)
class Mode:
    """One access mode as it stood on a day. Units: GPU-hours, months, (working) days.

    kind      hours: awards of GPU-hours; challenge: prizes by a leaderboard; interest: a place in
              a consortium, no hours
    order     fifo: first come, first served; ranked: compared at a cut-off
    unit      what people ask in: gpu_hour or node_hour
    package_gpu_hours  what each award gives; 0 where the applicant says how much
    least, most        what may be asked in the unit, where partitions do not say otherwise
    steps     the workflow, in order
    valid_from, valid_until  the days on which calls may be made from it; until is the first day
              on which no more, None: no end
    storage_gb, most_storage_gb  the storage an award gives where none was asked for, and the most
    needs_fallback  whether an applicant names a second partition
    cut_offs  the deadlines it plans; None where it is open without a break
    fits      what speaks for it, for those whom it takes
    ranking_rule         of rules.ranking: strict (nobody overtakes) or fill (what is left is used)
    least_share_percent  the least part of an ask that is given at the cut line; 100: all or nothing
    """

    slug: str
    version: str
    checked_on: date
    valid_from: date
    valid_until: date | None
    title: Text
    summary: Text
    kind: Literal["hours", "challenge", "interest"]
    order: Literal["fifo", "ranked"]
    unit: Literal["gpu_hour", "node_hour"]
    package_gpu_hours: int
    least: int
    most: int
    partitions: tuple[PartitionAsk, ...]
    needs_fallback: bool
    durations_months: tuple[int, ...]
    cut_offs: CutOffPlan | None
    target_working_days: int
    answer_days: int
    report_months: int
    data_days: int
    storage_gb: int
    most_storage_gb: int
    amendments: tuple[AmendmentSpec, ...]
    at_exhaustion: AtExhaustion
    sections: tuple[str, ...]
    documents: tuple[DocumentSpec, ...]
    steps: tuple[StepSpec, ...]
    scoring: Scoring | None
    ranking_rule: Literal["strict", "fill"]
    least_share_percent: int
    appeal_working_days: int
    price_eur_cents: int
    aid_basis: str
    rules: tuple[Rule, ...]
    fits: tuple[Fit, ...]
    sources: Mapping[str, str]

    @property
    def is_extendable(self) -> bool:
        """Whether an award may be extended."""
        return any(one.kind == "extension" for one in self.amendments)

    def storage_for(self, asked_gb: int | None) -> int:
        """Return the storage that an award gives, GB. asked_gb: None where nothing was asked."""
        return min(self.storage_gb if asked_gb is None else asked_gb, self.most_storage_gb)

    def step(self, kind: StepKind) -> StepSpec | None:
        """Return the step of the kind; None where the mode has none."""
        return next((one for one in self.steps if one.kind is kind), None)


@dataclass(frozen=True)
class Reason:
    """What one rule found.

    passed  None where the fact is not known yet
    text    what to tell the applicant; then, where it failed, what to do
    """

    rule: str
    passed: bool | None
    text: Text
    todo: Text
    source: str


@dataclass(frozen=True)
class Verdict:
    """Whether a mode takes an applicant: no rule failed. `reasons` has one for each rule asked."""

    mode: str
    version: str
    reasons: tuple[Reason, ...]

    @property
    def qualifies(self) -> bool:
        """Tell whether nothing known speaks against it."""
        return all(reason.passed is not False for reason in self.reasons)

    @property
    def failed(self) -> list[Reason]:
        """The rules that were not met."""
        return [reason for reason in self.reasons if reason.passed is False]


UNKNOWN: Text = {
    "en": "You are asked about this in the application.",
    "ro": "Veți fi întrebat(ă) despre aceasta în cerere.",
}

BY_APPLYING: Text = {
    "en": "You say so by applying here.",
    "ro": "Confirmați acest lucru depunând cererea aici.",
}


def qualify(facts: Facts, mode: Mode) -> Verdict:
    """Return whether the mode takes the applicant, with a reason for each rule.

    A fact that is None is not known yet: it fails nothing, and the reason says so.
    """
    reasons = []
    partition = str(facts.get("partition") or "")
    for rule in mode.rules:
        if rule.when_fact and str(facts.get(rule.when_fact)) not in rule.when_values:
            continue
        reasons.append(_ask(rule, facts.get(rule.fact), mode, partition=partition))
    return Verdict(mode.slug, mode.version, tuple(reasons))


def _ask(rule: Rule, value: Fact, mode: Mode, *, partition: str) -> Reason:
    if value is None:
        unknown = BY_APPLYING if rule.fact == "purpose" else UNKNOWN
        later = {
            language: f"{words}. {unknown[language]}" for language, words in rule.needs.items()
        }
        return Reason(rule.key, None, later, {}, rule.source)
    limit = _limit(rule.limit, mode, partition)
    passed, culprits = _met(rule, value, mode, limit)
    shown = ", ".join(culprits) if culprits else _grouped(value)
    text = rule.yes if passed else rule.no
    return Reason(
        rule=rule.key,
        passed=passed,
        text={
            language: words.format(value=shown, limit=_grouped(limit))
            for language, words in text.items()
        },
        todo={} if passed else _todo(rule, str(value)),
        source=rule.source,
    )


def met_fits(facts: Facts, mode: Mode) -> list[Fit]:
    """Return what speaks for a mode. A fact that is not known speaks for nothing."""
    partition = str(facts.get("partition") or "")
    return [
        fit
        for fit in mode.fits
        if (value := facts.get(fit.fact)) is not None
        and _met(fit, value, mode, _limit(fit.limit, mode, partition))[0]
    ]


def _met(
    rule: Rule | Fit, value: Fact, mode: Mode, limit: str | int | None
) -> tuple[bool, list[str]]:
    """Return whether a fact that is known meets the condition, and the items that do not."""
    allowed = set(_allowed(rule, mode))
    match rule.check:
        case "one_of":
            return str(value) in allowed, []
        case "all_of":
            items = value if isinstance(value, tuple) else (str(value),)
            culprits = sorted({item for item in items if item not in allowed})
            return not culprits, culprits
        case "is_true":
            return value is True, []
        case "at_most":
            return int(str(value)) <= int(str(limit)), []
        case "at_least":
            return int(str(value)) >= int(str(limit)), []


def _limit(limit: str | int | None, mode: Mode, partition: str) -> str | int | None:
    if limit not in {"least", "most", "package"}:
        return limit
    asked = ask_limits(mode, partition)
    return asked.least if limit == "least" else asked.most


@dataclass(frozen=True)
class AskLimits:
    """What may be asked, GPU-hours, both included."""

    least: int
    most: int


def ask_limits(mode: Mode, partition: str = "") -> AskLimits:
    """Return what may be asked of a partition; of any of them where it is not one of the mode's."""
    if mode.package_gpu_hours:
        return AskLimits(1, mode.package_gpu_hours)
    named = [one for one in mode.partitions if one.name == partition]
    chosen = named or mode.partitions
    if not chosen:
        return AskLimits(mode.least, mode.most)
    factor = (lambda one: one.gpus_per_node) if mode.unit == "node_hour" else (lambda _one: 1)
    return AskLimits(
        min(one.least * factor(one) for one in chosen),
        max(one.most * factor(one) for one in chosen),
    )


def least_award_gpu_ms(mode: Mode, partition: str) -> int:
    """Return the smallest award that there can be: the package, or the least that may be asked."""
    least = mode.package_gpu_hours or ask_limits(mode, partition).least
    return max(least, 1) * MS_PER_HOUR


def _grouped(value: Any) -> str:
    """Write a number with narrow spaces between thousands, as both languages read it."""
    return f"{value:,}".replace(",", "\u202f") if type(value) is int else str(value)


def _allowed(rule: Rule | Fit, mode: Mode) -> Iterable[str]:
    for word in rule.allowed:
        if word == "durations":
            yield from (str(months) for months in mode.durations_months)
        else:
            yield word


def _todo(rule: Rule, value: str) -> Text:
    for instead in rule.instead:
        if value in instead.values:
            return instead.text
    return rule.otherwise


def organisation_facts(
    *,
    kind: str,
    country: str,
    headcount: int | None,
    turnover_eur: int | None,
    balance_eur: int | None,
    related: Sequence[Related],
    before: Year | None = None,
    public_share_percent: int = 0,
) -> dict[str, Any]:
    """Return the facts of an organisation that rules ask; its size is None without its figures.

    before  the figures of the year before, for the rule of two years
    """
    size = None
    if headcount is not None and turnover_eur is not None and balance_eur is not None:
        last = Year(LAST_YEAR, headcount, turnover_eur, balance_eur)
        years = [last] if before is None else [replace(before, year=LAST_YEAR - 1), last]
        sized = size_over(years, related=related, public_share_percent=public_share_percent)
        size = str(sized.size)
    return {"organisation_kind": str(kind), "size_class": size, "country": country}


LAST_YEAR = 1
"""Stands for the last closed year, where nobody said which: only the order of years counts."""


def kept(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON-able data, to be kept with the application it was given on."""
    return {
        "mode": verdict.mode,
        "version": verdict.version,
        "qualifies": verdict.qualifies,
        "reasons": [
            {
                "rule": reason.rule,
                "passed": reason.passed,
                "text": dict(reason.text),
                "todo": dict(reason.todo),
                "source": reason.source,
            }
            for reason in verdict.reasons
        ],
    }


MS_PER_HOUR = 3_600_000


def asked_gpu_ms(
    mode: Mode, answers: Mapping[str, Mapping[str, Any]], *, gpus_per_node: int
) -> int:
    """Return what an application asks for, GPU-milliseconds: the package, or what it says.

    gpus_per_node  of the partition it asks, for a mode that counts node-hours
    """
    if mode.package_gpu_hours:
        return mode.package_gpu_hours * MS_PER_HOUR
    work = answers.get("work", {})
    asked = int(work.get("gpu_hours", 0))
    menu = next((one for one in mode.partitions if one.name == work.get("partition")), None)
    if menu is not None and menu.least == menu.most:
        asked = menu.most
    return asked * MS_PER_HOUR * (gpus_per_node if mode.unit == "node_hour" else 1)


def in_language(text: Text, language: str) -> str:
    """Return a text in the language, else in English, else empty."""
    return text.get(language) or text.get("en", "")
