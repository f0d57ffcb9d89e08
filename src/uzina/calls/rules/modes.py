"""Access modes: dated data, and whether an applicant qualifies under it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from uzina.calls.rules.steps import StepKind, StepSpec
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _
from uzina.ledger.rules import AtExhaustion
from uzina.people.rules import Related, size_class

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
)
"""What a rule may ask. None where it is not known yet."""

OWNERS = ("rule", "operator", "assessor", "reviewer", "panel", "applicant")

DOCUMENT_TYPES = ("pdf", "text", "csv", "docx", "odt")

AID_BASES = ("union_share", "de_minimis", "gber_28", "none")
"""On what a free award stands: the Union's share of the machine (no State aid), de minimis
(Regulation (EU) 2023/2831), Article 28 of Regulation (EU) No 651/2014, or paid for."""

CHECKS = ("one_of", "all_of", "is_true", "at_most")

SECTIONS = ("project", "team", "work", "data", "ethics", "declarations")


@dataclass(frozen=True)
class Instead:
    """What to do where the fact has one of the values."""

    values: tuple[str, ...]
    text: Text


@dataclass(frozen=True)
class Rule:
    """One condition of a mode, its source, and what to say either way."""

    key: str
    check: Literal["one_of", "all_of", "is_true", "at_most"]
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
class PartitionAsk:
    """What may be asked of one partition, in the mode's unit; gpus_per_node turns nodes to GPUs."""

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
    ranking_rule         of rules.ranking: strict (nobody overtakes) or fill (what is left is used)
    least_share_percent  the least part of an ask that is given at the cut line; 100: all or nothing
    """

    slug: str
    version: str
    checked_on: date
    title: Text
    summary: Text
    kind: Literal["hours", "challenge", "interest"]
    order: Literal["fifo", "ranked"]
    unit: Literal["gpu_hour", "node_hour"]
    package_gpu_hours: int
    least: int
    most: int
    partitions: tuple[PartitionAsk, ...]
    durations_months: tuple[int, ...]
    target_working_days: int
    answer_days: int
    report_months: int
    data_days: int
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
    sources: Mapping[str, str]

    @property
    def is_extendable(self) -> bool:
        """Whether an award may be extended."""
        return any(one.kind == "extension" for one in self.amendments)

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


def qualify(facts: Facts, mode: Mode) -> Verdict:
    """Return whether the mode takes the applicant, with a reason for each rule.

    A fact that is None is not known yet: it fails nothing, and the reason says so.
    """
    reasons = []
    for rule in mode.rules:
        if rule.when_fact and str(facts.get(rule.when_fact)) not in rule.when_values:
            continue
        reasons.append(_ask(rule, facts.get(rule.fact), mode))
    return Verdict(mode.slug, mode.version, tuple(reasons))


def _ask(rule: Rule, value: Fact, mode: Mode) -> Reason:
    if value is None:
        later = {
            language: f"{words}. {UNKNOWN[language]}" for language, words in rule.needs.items()
        }
        return Reason(rule.key, None, later, {}, rule.source)
    limit = mode.package_gpu_hours if rule.limit == "package" else rule.limit
    allowed = set(_allowed(rule, mode))
    culprits: Sequence[str] = ()
    match rule.check:
        case "one_of":
            passed = str(value) in allowed
        case "all_of":
            items = value if isinstance(value, tuple) else (str(value),)
            culprits = sorted({item for item in items if item not in allowed})
            passed = not culprits
        case "is_true":
            passed = value is True
        case "at_most":
            passed = int(str(value)) <= int(str(limit))
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


def _grouped(value: Any) -> str:
    """Write a number with narrow spaces between thousands, as both languages read it."""
    return f"{value:,}".replace(",", "\u202f") if type(value) is int else str(value)


def _allowed(rule: Rule, mode: Mode) -> Iterable[str]:
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
) -> dict[str, Any]:
    """Return the facts of an organisation that rules ask; its size is None without its figures."""
    size = None
    if headcount is not None and turnover_eur is not None and balance_eur is not None:
        size = str(size_class(headcount, turnover_eur, balance_eur, related).size)
    return {"organisation_kind": str(kind), "size_class": size, "country": country}


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
    asked = int(answers.get("work", {}).get("gpu_hours", 0))
    return asked * MS_PER_HOUR * (gpus_per_node if mode.unit == "node_hour" else 1)


def in_language(text: Text, language: str) -> str:
    """Return a text in the language, else in English, else empty."""
    return text.get(language) or text.get("en", "")


def resolve(raw: Mapping[str, Any], groups: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Return a mode file as JSON-able data with its country groups spelt out.

    This is what a call keeps: it no longer depends on a file. An unknown group stays as it is,
    for parse_mode to name.
    """
    data = {
        key: value.isoformat() if isinstance(value, date) else value for key, value in raw.items()
    }
    data["rules"] = [
        {
            **rule,
            "allowed": [
                code
                for word in rule.get("allowed", [])
                for code in groups.get(word.removeprefix("group:"), [word])
            ],
        }
        for rule in raw.get("rules", [])
    ]
    return data


def parse_mode(raw: Mapping[str, Any]) -> Mode:
    """Return the mode that resolved data describe.

    Raises Invalid with every mistake in it, by dotted path.
    """
    reader = _Reader(raw)
    mode = Mode(
        slug=reader.text("slug"),
        version=reader.text("version"),
        checked_on=reader.day("checked_on"),
        title=reader.words("title"),
        summary=reader.words("summary"),
        kind=reader.one_of("kind", ("hours", "challenge", "interest"), "hours"),  # type: ignore[arg-type]
        order=reader.one_of("order", ("fifo", "ranked")),  # type: ignore[arg-type]
        unit=reader.one_of("unit", ("gpu_hour", "node_hour"), "gpu_hour"),  # type: ignore[arg-type]
        package_gpu_hours=reader.count("package_gpu_hours", 10_000_000, 0, 0),
        least=reader.count("least", 10_000_000, 0, 1),
        most=reader.count("most", 10_000_000, 1, 10_000_000),
        partitions=tuple(reader.partitions()),
        durations_months=reader.counts("durations_months", 60),
        target_working_days=reader.count("target_working_days", 250),
        answer_days=reader.count("answer_days", 366),
        report_months=reader.count("report_months", 24),
        data_days=reader.count("data_days", 3650, 1, 30),
        amendments=tuple(reader.amendments()),
        at_exhaustion=reader.at_exhaustion(),
        sections=reader.some_of("sections", SECTIONS),
        documents=tuple(reader.documents()),
        steps=tuple(reader.steps()),
        scoring=reader.scoring(),
        ranking_rule=reader.one_of("ranking_rule", ("strict", "fill"), "strict"),  # type: ignore[arg-type]
        least_share_percent=reader.count("least_share_percent", 100, 1, 100),
        appeal_working_days=reader.count("appeal_working_days", 250, 0, 10),
        price_eur_cents=reader.count("price_eur_cents", 100_000, 0, 0),
        aid_basis=reader.one_of("aid_basis", AID_BASES, "union_share"),
        rules=tuple(reader.rules()),
        sources=reader.sources(),
    )
    if reader.problems:
        raise Invalid(reader.problems)
    return mode


class _Reader:
    """Reads one value at a time, notes what is wrong with it, and goes on."""

    def __init__(self, raw: Mapping[str, Any], path: str = "") -> None:
        self.raw = raw
        self.path = path
        self.problems: list[Problem] = []

    def wrong(self, key: str, message: str, **facts: Any) -> None:
        self.problems.append(Problem(self.path + key, "mode.read.wrong", message, facts))

    def text(self, key: str) -> str:
        value = self.raw.get(key)
        if not isinstance(value, str) or not value:
            self.wrong(key, _("Write a text."))
            return ""
        return value

    def one_of(self, key: str, choices: Sequence[str], default: str = "") -> str:
        value = self.raw.get(key, default)
        if value not in choices:
            self.wrong(key, _("Choose one of: {choices}."), choices=", ".join(choices))
            return choices[0]
        return str(value)

    def some_of(self, key: str, choices: Sequence[str]) -> tuple[str, ...]:
        value = self.raw.get(key)
        if not isinstance(value, list) or not value or not set(value) <= set(choices):
            self.wrong(key, _("Choose some of: {choices}."), choices=", ".join(choices))
            return ()
        return tuple(value)

    def count(self, key: str, most: int, least: int = 1, default: int | None = None) -> int:
        value = self.raw.get(key, default)
        if type(value) is not int or not least <= value <= most:
            self.wrong(
                key,
                _("Write a whole number from {least} to {most}."),
                least=least,
                most=most,
            )
            return least
        return value

    def counts(self, key: str, most: int) -> tuple[int, ...]:
        value = self.raw.get(key)
        if (
            not isinstance(value, list)
            or not value
            or not all(type(one) is int and 1 <= one <= most for one in value)
        ):
            self.wrong(key, _("Write whole numbers from 1 to {most}."), most=most)
            return ()
        return tuple(value)

    def flag(self, key: str) -> bool:
        value = self.raw.get(key)
        if not isinstance(value, bool):
            self.wrong(key, _("Write true or false."))
        return value is True

    def each(self, key: str) -> "Iterable[_Reader]":
        """Return a reader for each table of a list; what they find wrong is this one's."""
        rows = self.raw.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            self.wrong(key, _("Write a list of tables."))
            return
        for number, row in enumerate(rows):
            reader = _Reader(row, f"{self.path}{key}.{number}.")
            yield reader
            self.problems += reader.problems

    def partitions(self) -> Iterable[PartitionAsk]:
        for row in self.each("partitions"):
            yield PartitionAsk(
                name=row.text("name"),
                gpus_per_node=row.count("gpus_per_node", 64),
                least=row.count("least", 10_000_000, 0, 1),
                most=row.count("most", 10_000_000),
            )

    def amendments(self) -> Iterable[AmendmentSpec]:
        for row in self.each("amendments"):
            yield AmendmentSpec(
                kind=row.one_of("kind", AMENDMENTS),
                most_months=row.count("most_months", 60, 0, 0),
                most_percent=row.count("most_percent", 1000, 0, 0),
                needs_report=row.flag("needs_report") if "needs_report" in row.raw else False,
            )

    def documents(self) -> Iterable[DocumentSpec]:
        for row in self.each("documents"):
            yield DocumentSpec(
                slug=row.text("slug"),
                title=row.words("title"),
                is_required=row.flag("is_required"),
                types=row.some_of("types", DOCUMENT_TYPES),
                most_mib=row.count("most_mib", 50),
            )

    def steps(self) -> Iterable[StepSpec]:
        kinds = []
        for row in self.each("steps"):
            kind = StepKind(row.one_of("kind", tuple(map(str, StepKind))))
            kinds.append(kind)
            yield StepSpec(
                kind=kind,
                working_days=row.count("working_days", 250, 0, 0),
                owner=row.one_of("owner", OWNERS),
            )
        if kinds != sorted(set(kinds), key=list(StepKind).index) or not kinds:
            self.wrong(
                "steps",
                _("Write steps once each, in this order: {steps}."),
                steps=", ".join(StepKind),
            )

    def scoring(self) -> Scoring | None:
        if "scoring" not in self.raw:
            return None
        row = _Reader(self.raw["scoring"], f"{self.path}scoring.")
        scoring = Scoring(
            least=row.count("least", 10, 0, 1),
            most=row.count("most", 100, 1, 5),
            threshold_milli=row.count("threshold_milli", 100_000, 0, 0),
            reviewers=row.count("reviewers", 10),
            blind=row.one_of("blind", ("none", "single", "double"), "single"),  # type: ignore[arg-type]
            conflict_years=row.count("conflict_years", 20, 0, 3),
            criteria=tuple(
                Criterion(
                    key=one.text("key"),
                    title=one.words("title"),
                    weight=one.count("weight", 1000),
                    threshold=one.count("threshold", 100, 0, 0),
                )
                for one in row.each("criteria")
            ),
        )
        if not scoring.criteria:
            row.wrong("criteria", _("Write at least one criterion."))
        if scoring.least >= scoring.most:
            row.wrong("most", _("The scale must end above its beginning."))
        self.problems += row.problems
        return scoring

    def at_exhaustion(self) -> AtExhaustion:
        """Return what happens when the hours end; a mode that does not say lets jobs finish."""
        if "at_exhaustion" not in self.raw:
            return AtExhaustion.FINISH
        return AtExhaustion(self.one_of("at_exhaustion", tuple(map(str, AtExhaustion))))

    def day(self, key: str) -> date:
        try:
            return date.fromisoformat(str(self.raw.get(key)))
        except ValueError:
            self.wrong(key, _("Write a day as YYYY-MM-DD."))
            return date.min

    def words(self, key: str) -> Text:
        value = self.raw.get(key)
        if not isinstance(value, dict) or not all(value.get(language) for language in LANGUAGES):
            self.wrong(
                key, _("Write a text in each of: {languages}."), languages=", ".join(LANGUAGES)
            )
            return {}
        return {language: str(value[language]) for language in LANGUAGES}

    def sources(self) -> Mapping[str, str]:
        value = self.raw.get("sources")
        if not isinstance(value, dict):
            self.wrong("sources", _("Name the source of each figure."))
            return {}
        for key in (
            "package_gpu_hours",
            "least",
            "most",
            "partitions",
            "durations_months",
            "target_working_days",
            "order",
            "amendments",
            "report_months",
            "answer_days",
            "scoring",
            "ranking_rule",
            "least_share_percent",
            "steps",
            "data_days",
            "price_eur_cents",
            "aid_basis",
            "appeal_working_days",
        ):
            if key in self.raw and not value.get(key):
                self.wrong(f"sources.{key}", _("Name the source of this figure."))
        return {str(key): str(source) for key, source in value.items()}

    def rules(self) -> Iterable[Rule]:
        rows = self.raw.get("rules")
        if not isinstance(rows, list) or not rows:
            self.wrong("rules", _("Write at least one rule."))
            return
        for number, row in enumerate(rows):
            reader = _Reader(row, f"rules.{number}.")
            yield reader.rule()
            self.problems += reader.problems

    def rule(self) -> Rule:
        check = self.one_of("check", CHECKS)
        allowed = self.raw.get("allowed") or []
        limit = self.raw.get("limit")
        if check in {"one_of", "all_of"} and not allowed:
            self.wrong("allowed", _("Name what is allowed."))
        for word in allowed:
            if str(word).startswith("group:"):
                self.wrong("allowed", _("There is no group of countries {word}."), word=str(word))
        if check == "at_most" and limit != "package" and type(limit) is not int:
            self.wrong("limit", _("Write a whole number, or package."))
        when = self.raw.get("when") or {}
        if when and when.get("fact") not in FACTS:
            self.wrong("when.fact", _("Choose one of: {choices}."), choices=", ".join(FACTS))
        return Rule(
            key=self.text("key"),
            check=check,  # type: ignore[arg-type]
            fact=self.one_of("fact", FACTS),
            source=self.text("source"),
            needs=self.words("needs"),
            yes=self.sentence("yes"),
            no=self.sentence("no"),
            allowed=tuple(str(word) for word in allowed),
            limit=limit,
            when_fact=str(when.get("fact", "")),
            when_values=tuple(str(value) for value in when.get("values", [])),
            instead=tuple(self.insteads()),
            otherwise=self.sentence("otherwise") if "otherwise" in self.raw else {},
        )

    def insteads(self) -> Iterable[Instead]:
        for number, row in enumerate(self.raw.get("instead") or []):
            reader = _Reader({"text": row}, f"{self.path}instead.{number}.")
            yield Instead(
                tuple(str(value) for value in row.get("values", [])), reader.sentence("text")
            )
            self.problems += reader.problems

    def sentence(self, key: str) -> Text:
        words = self.words(key)
        for language, text in words.items():
            try:
                text.format(value="", limit="")
            except (KeyError, IndexError, ValueError):
                self.wrong(f"{key}.{language}", _("Use only {names}."), names="{value}, {limit}")
        return words
