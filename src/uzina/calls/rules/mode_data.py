"""Reading access modes: what a file or an operator wrote, with every mistake by its path."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from uzina.calls.rules import sections
from uzina.calls.rules.cut_offs import CutOffPlan
from uzina.calls.rules.modes import (
    AID_BASES,
    AMENDMENTS,
    CHECKS,
    DOCUMENT_TYPES,
    FACTS,
    LANGUAGES,
    OWNERS,
    AmendmentSpec,
    Criterion,
    DocumentSpec,
    Fit,
    Instead,
    Mode,
    PartitionAsk,
    Rule,
    Scoring,
)
from uzina.calls.rules.reading import Reader, day_of, is_zone
from uzina.calls.rules.steps import StepKind, StepSpec
from uzina.core.errors import Invalid
from uzina.core.text import _
from uzina.ledger.rules import AtExhaustion

NEEDS_NO_SOURCE = frozenset(
    {
        "slug",
        "version",
        "checked_on",
        "valid_from",
        "valid_until",
        "title",
        "summary",
        "kind",
        "rules",
        "fits",
        "sources",
    }
)
"""What names, describes or dates a mode. Rules and fits have a source each."""

LIMITS = ("package", "least", "most")

LAST_DAY_OF_ALL_MONTHS = 28


def resolve(
    raw: Mapping[str, Any],
    groups: Mapping[str, Sequence[str]],
    shared: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Return a mode file as JSON-able data that stands for itself.

    groups  country codes by the name of a group: "group:eu" is spelt out
    shared  rules that many modes have, by key: a rule that says `use` is filled from it, what it
            says itself wins

    This is what a call keeps: it no longer depends on a file. An unknown name stays as it is, for
    parse_mode to name.
    """
    data: dict[str, Any] = {key: _jsonable(value) for key, value in raw.items()}
    if isinstance(data.get("rules"), list):
        data["rules"] = [
            _resolved(row, data.get("sources"), groups, shared) for row in data["rules"]
        ]
    return data


def _resolved(
    row: Any,
    sources: Any,
    groups: Mapping[str, Sequence[str]],
    shared: Mapping[str, Mapping[str, Any]],
) -> Any:
    if not isinstance(row, dict):
        return row
    if isinstance(row.get("use"), str) and row["use"] in shared:
        row = {**shared[row["use"]], **{key: one for key, one in row.items() if key != "use"}}
        named = sources if isinstance(sources, dict) else {}
        for key in row.pop("source_of", ()):
            if key in named:
                row.setdefault("source", named[key])
    if isinstance(row.get("allowed"), list):
        row["allowed"] = [
            code
            for word in row["allowed"]
            for code in groups.get(str(word).removeprefix("group:"), [word])
        ]
    return row


def _jsonable(value: Any) -> Any:
    match value:
        case dict():
            return {key: _jsonable(one) for key, one in value.items()}
        case list():
            return [_jsonable(one) for one in value]
        case datetime() | date() | time():
            return value.isoformat()
        case _:
            return value


def parse_mode(raw: Mapping[str, Any]) -> Mode:
    """Return the mode that resolved data describe.

    Raises Invalid with every mistake in it, by dotted path.
    """
    reader = _Reader(raw)
    is_hours = raw.get("kind", "hours") != "interest"
    mode = Mode(
        slug=reader.text("slug"),
        version=reader.text("version"),
        checked_on=reader.day("checked_on"),
        valid_from=reader.day("valid_from" if "valid_from" in raw else "checked_on"),
        valid_until=reader.day("valid_until") if "valid_until" in raw else None,
        title=reader.words("title"),
        summary=reader.words("summary"),
        kind=reader.one_of("kind", ("hours", "challenge", "interest"), "hours"),  # type: ignore[arg-type]
        order=reader.one_of("order", ("fifo", "ranked")),  # type: ignore[arg-type]
        unit=reader.one_of("unit", ("gpu_hour", "node_hour"), "gpu_hour"),  # type: ignore[arg-type]
        package_gpu_hours=reader.count("package_gpu_hours", 10_000_000, 0, 0),
        least=reader.count("least", 10_000_000, 0, 1),
        most=reader.count("most", 10_000_000, 1, 10_000_000),
        partitions=tuple(reader.partitions()),
        needs_fallback=reader.flag("needs_fallback", default=False),
        durations_months=reader.counts("durations_months", 60, is_needed=is_hours),
        cut_offs=reader.cut_offs(),
        target_working_days=reader.count("target_working_days", 250),
        answer_days=reader.count("answer_days", 366),
        report_months=reader.count("report_months", 24, 0),
        data_days=reader.count("data_days", 3650, 1, 30),
        storage_gb=reader.count("storage_gb", 10_000_000, 0, 1000),
        most_storage_gb=reader.count("most_storage_gb", 10_000_000, 0, 50_000),
        amendments=tuple(reader.amendments()),
        at_exhaustion=AtExhaustion(
            reader.one_of("at_exhaustion", tuple(map(str, AtExhaustion)), str(AtExhaustion.FINISH))
        ),
        sections=reader.some_of("sections", tuple(sections.ALL)),
        documents=tuple(reader.documents()),
        steps=tuple(reader.steps()),
        scoring=reader.scoring(),
        ranking_rule=reader.one_of("ranking_rule", ("strict", "fill"), "strict"),  # type: ignore[arg-type]
        least_share_percent=reader.count("least_share_percent", 100, 1, 100),
        appeal_working_days=reader.count("appeal_working_days", 250, 0, 10),
        price_eur_cents=reader.count("price_eur_cents", 100_000, 0, 0),
        aid_basis=reader.one_of("aid_basis", AID_BASES, "union_share"),
        rules=tuple(reader.rules()),
        fits=tuple(reader.fits()),
        sources=reader.sources(),
    )
    _check_whole(mode, reader)
    reader.check_all_read()
    if reader.problems:
        raise Invalid(reader.problems)
    return mode


def _check_whole(mode: Mode, reader: "_Reader") -> None:
    """Note what is wrong between the parts of a mode."""
    if mode.most < mode.least:
        reader.wrong("most", _("The most must not be below the least."))
    if mode.valid_until is not None and mode.valid_until <= mode.valid_from:
        reader.wrong("valid_until", _("It must end after the day on which it begins."))
    kinds = [one.kind for one in mode.steps]
    if StepKind.PEER_REVIEW in kinds and mode.scoring is None:
        reader.wrong("scoring", _("A mode with peer review says how reviewers score."))
    if len({one.name for one in mode.partitions}) < len(mode.partitions):
        reader.wrong("partitions", _("Name each partition once."))


class _Reader(Reader):
    """Reads the parts of a mode."""

    def partitions(self) -> Iterable[PartitionAsk]:
        for row in self.each("partitions"):
            least = row.count("least", 10_000_000, 0, 1)
            yield PartitionAsk(
                name=row.text("name"),
                gpus_per_node=row.count("gpus_per_node", 64),
                least=least,
                most=row.count("most", 10_000_000, max(least, 1)),
            )

    def cut_offs(self) -> CutOffPlan | None:
        row = self.table("cut_offs")
        if row is None:
            return None
        days = row.value("days", [])
        read = [day_of(one) for one in days] if isinstance(days, list) else [None]
        found = [day for day in read if day is not None]
        if len(found) < len(read) or found != sorted(set(found)):
            row.wrong("days", _("Write days as YYYY-MM-DD, in order, each once."))
        at, zone = row.text("at"), row.text("zone")
        try:
            clock = time.fromisoformat(at)
        except ValueError:
            clock = time()
            row.wrong("at", _("Write a time of day as HH:MM."))
        if not is_zone(zone):
            row.wrong("zone", _("Name a time zone such as Europe/Brussels."))
        plan = CutOffPlan(
            days=tuple(found),
            month_day=row.count("month_day", LAST_DAY_OF_ALL_MONTHS, 0, 0),
            at=clock.replace(tzinfo=None),
            zone=zone,
        )
        self.close(row)
        return plan

    def amendments(self) -> Iterable[AmendmentSpec]:
        for row in self.each("amendments"):
            yield AmendmentSpec(
                kind=row.one_of("kind", AMENDMENTS),
                most_months=row.count("most_months", 60, 0, 0),
                most_percent=row.count("most_percent", 1000, 0, 0),
                needs_report=row.flag("needs_report", default=False),
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
        row = self.table("scoring")
        if row is None:
            return None
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
        if any(one.threshold > scoring.most for one in scoring.criteria):
            row.wrong("criteria", _("No threshold may be above the scale."))
        self.close(row)
        return scoring

    def sources(self) -> Mapping[str, str]:
        value = self.value("sources")
        if not isinstance(value, dict):
            self.wrong("sources", _("Name the source of each figure."))
            return {}
        for key in self.raw:
            source = value.get(key)
            if key not in NEEDS_NO_SOURCE and not (isinstance(source, str) and source.strip()):
                self.wrong(f"sources.{str(key)[:60]}", _("Name the source of this figure."))
        for key in value:
            if key not in self.raw:
                self.wrong(f"sources.{str(key)[:60]}", _("There is no such setting."))
        return {str(key): str(source) for key, source in value.items()}

    def rules(self) -> Iterable[Rule]:
        if not self.raw.get("rules"):
            self.read.add("rules")
            self.wrong("rules", _("Write at least one rule."))
            return
        for reader in self.each("rules"):
            yield reader.rule()

    def fits(self) -> Iterable[Fit]:
        for reader in self.each("fits"):
            check, allowed, limit = reader.condition()
            yield Fit(
                key=reader.text("key"),
                check=check,  # type: ignore[arg-type]
                fact=reader.one_of("fact", FACTS),
                points=reader.count("points", 100),
                because=reader.sentence("because"),
                source=reader.text("source"),
                allowed=allowed,
                limit=limit,
            )

    def condition(self) -> tuple[str, tuple[str, ...], str | int | None]:
        """Return check, what is allowed, and the limit, of a rule or of a fit."""
        check = self.one_of("check", CHECKS)
        allowed = self.value("allowed", [])
        if not isinstance(allowed, list) or not all(type(one) in {str, int} for one in allowed):
            self.wrong("allowed", _("Name what is allowed."))
            allowed = []
        elif check in {"one_of", "all_of"} and not allowed:
            self.wrong("allowed", _("Name what is allowed."))
        for word in allowed:
            if str(word).startswith("group:"):
                self.wrong("allowed", _("There is no group of countries {word}."), word=str(word))
        limit = self.value("limit")
        if check in {"at_most", "at_least"} and limit not in LIMITS and type(limit) is not int:
            self.wrong(
                "limit", _("Write a whole number, or one of: {words}."), words=", ".join(LIMITS)
            )
            limit = None
        return check, tuple(str(word) for word in allowed), limit

    def rule(self) -> Rule:
        if "use" in self.raw:
            self.read.add("use")
            self.wrong("use", _("There is no shared rule of this name."))
        check, allowed, limit = self.condition()
        when = self.table("when")
        when_fact = ""
        when_values: tuple[str, ...] = ()
        if when is not None:
            when_fact, when_values = when.one_of("fact", FACTS), when.plain_values()
            self.close(when)
        return Rule(
            key=self.text("key"),
            check=check,  # type: ignore[arg-type]
            fact=self.one_of("fact", FACTS),
            source=self.text("source"),
            needs=self.words("needs"),
            yes=self.sentence("yes"),
            no=self.sentence("no"),
            allowed=allowed,
            limit=limit,
            when_fact=when_fact,
            when_values=when_values,
            instead=tuple(self.insteads()),
            otherwise=self.sentence("otherwise") if "otherwise" in self.raw else {},
        )

    def plain_values(self) -> tuple[str, ...]:
        values = self.value("values")
        if not isinstance(values, list) or not values:
            self.wrong("values", _("Name what is allowed."))
            return ()
        return tuple(str(value) for value in values)

    def insteads(self) -> Iterable[Instead]:
        for row in self.each("instead"):
            words = _Reader({"text": {key: row.value(key) for key in LANGUAGES}}, row.path)
            yield Instead(row.plain_values(), words.sentence("text"))
            row.problems += words.problems
