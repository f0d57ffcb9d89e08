"""Making, publishing and archiving calls."""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from uzina.calls import access, queries
from uzina.calls.actions import spending
from uzina.calls.actions.capacities import MOST_BUDGET_HOURS
from uzina.calls.models import Call, Capacity, CutOff
from uzina.calls.rules import cut_offs as cut_off_rules
from uzina.calls.rules import mode_data
from uzina.calls.rules.awards import MS_PER_HOUR
from uzina.calls.rules.clock import Window
from uzina.calls.rules.flows import CALL
from uzina.core.db import action
from uzina.core.errors import Invalid, NotAllowed, Problem
from uzina.core.fields import new_code
from uzina.core.log import log
from uzina.core.text import _
from uzina.ledger import actions as ledger
from uzina.ledger import queries as ledger_queries
from uzina.people.models import Person

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_PARTITION, MOST_GPUS_PER_NODE = 60, 64
MOST_EUR_CENTS = 10**13
RESERVED = frozenset({"new", "modes", "cut-offs", "standings"})


@dataclass(frozen=True)
class CapacityFacts:
    """What a call can grant of one partition, GPU-hours.

    cut_off        number of the cut-off it is for, from 0; None: for the whole call
    gpus_per_node  turns node-hours into GPU-hours; for a partition of the mode its figure counts
    """

    partition: str
    budget_gpu_hours: int
    cut_off: int | None = None
    gpus_per_node: int = 1
    usable_from: datetime | None = None
    usable_until: datetime | None = None


@dataclass(frozen=True)
class CallFacts:
    """What an operator says of a new call. Hours are GPU-hours.

    budget_gpu_hours   what the call can grant in all, where it has one partition
    capacities         what it can grant by partition and cut-off, instead of one budget
    money_eur_cents    what all its awards may be worth, where the funder says so
    package_gpu_hours  what one award gives; None takes the mode's figure
    cut_offs           deadlines in order; none for a call that is open without a break
    has_planned_cut_offs  takes those that the mode plans from the opening on, instead
    """

    mode: str
    slug: str
    title_en: str
    title_ro: str
    opens_at: datetime
    budget_gpu_hours: int = 0
    closes_at: datetime | None = None
    package_gpu_hours: int | None = None
    partition: str = ""
    cut_offs: Sequence[Window] = field(default_factory=tuple)
    capacities: Sequence[CapacityFacts] = field(default_factory=tuple)
    money_eur_cents: int | None = None
    has_planned_cut_offs: bool = False

    def all_capacities(self) -> list[CapacityFacts]:
        """Return the capacities, also where one budget stands for the only one."""
        if self.capacities or not self.budget_gpu_hours:
            return list(self.capacities)
        return [CapacityFacts(self.partition, self.budget_gpu_hours)]


@action
def create_call(facts: CallFacts, *, by: Person, now: datetime) -> Call:
    """Draft a call from a mode and open the accounts that it grants from.

    Raises NotAllowed call.create.not_operator, Invalid with every fact that cannot be.
    """
    if not access.may_run_calls(by):
        raise NotAllowed("call.create.not_operator", _("Only an operator can make a call."))
    known = queries.mode_data(on=queries.factory_day(now))
    rules = copy.deepcopy(known.get(facts.mode))
    if rules is not None and facts.package_gpu_hours is not None:
        rules["package_gpu_hours"] = facts.package_gpu_hours
    if facts.has_planned_cut_offs and rules is not None:
        facts = replace(facts, cut_offs=_planned(facts, rules))
    if problems := [*_problems(facts, rules), *_mode_problems(facts, rules, known)]:
        raise Invalid(problems)

    call = Call.objects.create(
        code=new_code("CAL"),
        slug=facts.slug,
        title_en=facts.title_en.strip(),
        title_ro=facts.title_ro.strip(),
        opens_at=facts.opens_at,
        closes_at=facts.closes_at,
        rules=rules,
        money_eur_cents=facts.money_eur_cents,
        made_at=now,
    )
    cut_offs = CutOff.objects.bulk_create(
        CutOff(call=call, opens_at=one.opens_at, closes_at=one.closes_at)
        for one in facts.cut_offs
        if one.closes_at is not None
    )
    for one in facts.all_capacities():
        _open_capacity(call, one, cut_offs, by=by, now=now)
    log(
        "call.created",
        call.code,
        by=by,
        now=now,
        slug=call.slug,
        mode=facts.mode,
        version=call.mode.version,
        budget_gpu_hours=sum(one.budget_gpu_hours for one in facts.all_capacities()),
        money_eur_cents=facts.money_eur_cents,
    )
    return call


def _planned(facts: CallFacts, rules: dict[str, object]) -> tuple[Window, ...]:
    plan = mode_data.parse_mode(rules).cut_offs
    if plan is None:
        return ()
    return cut_off_rules.planned(plan, opens_at=facts.opens_at, closes_at=facts.closes_at)


def _open_capacity(
    call: Call, facts: CapacityFacts, cut_offs: Sequence[CutOff], *, by: Person, now: datetime
) -> Capacity:
    code = new_code("CAP")
    account = ledger.open_capacity(
        owner=code,
        title=f"{call.title_en} {facts.partition}".strip(),
        resource=ledger_queries.gpu_hours(),
        amount=facts.budget_gpu_hours * MS_PER_HOUR,
        key=f"capacity:{code}",
        by=by,
        now=now,
    )
    named = next((one for one in call.mode.partitions if one.name == facts.partition), None)
    return Capacity.objects.create(
        code=code,
        call=call,
        cut_off=None if facts.cut_off is None else cut_offs[facts.cut_off],
        partition=facts.partition,
        gpus_per_node=named.gpus_per_node if named else facts.gpus_per_node,
        account=account,
        usable_from=facts.usable_from,
        usable_until=facts.usable_until,
    )


def _mode_problems(
    facts: CallFacts, rules: dict[str, object] | None, known: Iterable[str]
) -> list[Problem]:
    if rules is None:
        return [
            Problem(
                "mode",
                "call.create.mode",
                _("Choose one of: {modes}."),
                {"modes": ", ".join(known)},
            )
        ]
    try:
        mode = mode_data.parse_mode(rules)
    except Invalid as invalid:
        return list(invalid.problems)
    if mode.kind == "hours" and any(
        one.budget_gpu_hours < max(mode.package_gpu_hours, 1) for one in facts.all_capacities()
    ):
        return [
            Problem(
                "budget_gpu_hours",
                "call.create.budget",
                _("The budget must hold at least one package of {package} GPU-hours."),
                {"package": mode.package_gpu_hours},
            )
        ]
    return []


def _problems(facts: CallFacts, rules: dict[str, object] | None) -> list[Problem]:
    problems = []
    if not SLUG.fullmatch(facts.slug) or facts.slug in RESERVED or len(facts.slug) > 60:
        problems.append(
            Problem(
                "slug",
                "call.create.slug",
                _("Use small letters, figures and hyphens, at most 60: playground-2026."),
            )
        )
    elif Call.objects.filter(slug=facts.slug).exists():
        problems.append(
            Problem("slug", "call.create.slug_taken", _("There is a call with this name already."))
        )
    problems += [
        Problem(name, "call.create.title", _("Write a title."))
        for name in ("title_en", "title_ro")
        if not getattr(facts, name).strip()
    ]
    hours = [one.budget_gpu_hours for one in facts.all_capacities()] or [facts.budget_gpu_hours]
    may_be_none = (rules or {}).get("kind") == "interest"
    if not may_be_none and not all(1 <= one <= MOST_BUDGET_HOURS for one in hours):
        problems.append(
            Problem(
                "budget_gpu_hours",
                "call.create.budget_range",
                _("Write GPU-hours from 1 to {most}."),
                {"most": MOST_BUDGET_HOURS},
            )
        )
    problems += _capacity_problems(facts)
    if facts.money_eur_cents is not None and not 1 <= facts.money_eur_cents <= MOST_EUR_CENTS:
        problems.append(
            Problem(
                "money_eur_cents",
                "call.create.money",
                _("Write an amount above 0 and up to {most} euro."),
                {"most": MOST_EUR_CENTS // 100},
            )
        )
    if facts.closes_at is not None and facts.closes_at <= facts.opens_at:
        problems.append(
            Problem("closes_at", "call.create.period", _("The call must close after it opens."))
        )
    previous = facts.opens_at
    for number, one in enumerate(facts.cut_offs):
        if one.closes_at is None or not previous <= one.opens_at < one.closes_at:
            problems.append(
                Problem(
                    f"cut_offs.{number}",
                    "call.create.cut_off",
                    _("Give cut-offs in order of time, each closing after it opens."),
                )
            )
            break
        previous = one.closes_at
    return problems


def _capacity_problems(facts: CallFacts) -> list[Problem]:
    problems = []
    seen: set[tuple[int | None, str]] = set()
    for number, one in enumerate(facts.capacities):
        name = f"capacities.{number}"
        if (one.cut_off, one.partition) in seen:
            message = _("Name each partition once for each cut-off.")
            problems.append(Problem(f"{name}.partition", "call.create.partition_twice", message))
        seen.add((one.cut_off, one.partition))
        if one.cut_off is not None and not 0 <= one.cut_off < len(facts.cut_offs):
            message = _("There is no cut-off of this number.")
            problems.append(Problem(f"{name}.cut_off", "call.create.no_such_cut_off", message))
        if len(one.partition) > LONGEST_PARTITION or "\x00" in one.partition:
            message = _("Name the partition in at most {most} characters.")
            facts_of = {"most": LONGEST_PARTITION}
            problems.append(
                Problem(f"{name}.partition", "call.create.partition", message, facts_of)
            )
        if not 1 <= one.gpus_per_node <= MOST_GPUS_PER_NODE:
            message = _("Write a whole number from {least} to {most}.")
            facts_of = {"least": 1, "most": MOST_GPUS_PER_NODE}
            problems.append(
                Problem(f"{name}.gpus_per_node", "call.create.gpus_per_node", message, facts_of)
            )
        if (
            one.usable_from is not None
            and one.usable_until is not None
            and one.usable_until <= one.usable_from
        ):
            message = _("The period must end after it begins.")
            problems.append(Problem(f"{name}.usable_until", "call.create.usable", message))
    return problems


@action
def publish(call: Call, *, by: Person, now: datetime) -> Call:
    """Show a call to everybody; it takes applications from opens_at on.

    Raises NotAllowed call.publish.not_operator, Refused call.publish.not_now.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if not access.may_run_calls(by):
        raise NotAllowed("call.publish.not_operator", _("Only an operator can publish a call."))
    state = CALL.after("publish", call.state)

    call.state, call.published_at = state, now
    call.save(update_fields=["state", "published_at"])
    log("call.published", call.code, by=by, now=now, slug=call.slug)
    return spending.settle(call, now=now)


@action
def archive(call: Call, *, by: Person, now: datetime) -> Call:
    """Take no more applications. Those that were handed in are still decided.

    Raises NotAllowed call.archive.not_operator, Refused call.archive.not_now.
    """
    call = Call.objects.select_for_update(of=("self",)).get(pk=call.pk)
    if not access.may_run_calls(by):
        raise NotAllowed("call.archive.not_operator", _("Only an operator can archive a call."))
    state = CALL.after("archive", call.state)

    call.state = state
    call.save(update_fields=["state"])
    log("call.archived", call.code, by=by, now=now, slug=call.slug)
    return call
