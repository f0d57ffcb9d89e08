"""Applications in order under a capacity: who gets how much, exactly, and why.

Two rules, each with its objective in words.

strict  Take the applications that pass in their order. Each gets the best that those before it
        left: all its hours in the partition it asks, else all of them in its fallback, else the
        most that is left, if that is not less than the least share. Where it gets nothing, nobody
        behind it gets hours of the partitions it named, however few they ask; where it is money
        that is short, nobody behind it gets anything. So nobody overtakes.
fill    The sum over applications of score times hours given is the largest there is; among
        equal sums the one that gives to the first in order, then to the second, and so on.
        Those behind may get what those before could not use (rules.filling).

Order: by score; then by the criteria, in the order of the mode; then by submission, earlier
first; then by code. Hours are whole GPU-hours, scores thousandths of a point. Everything follows
from the inputs, which are JSON and kept: the same record gives the same result.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from uzina.core.errors import Refused
from uzina.core.text import _

VERSION = "1"
"""Of these rules. A record says by which version it was made."""

RULES = ("strict", "fill")
PERCENT = 100


@dataclass(frozen=True)
class Criterion:
    """One criterion: its share in the weighted mean, and the least score that passes."""

    key: str
    weight: int
    threshold_milli: int


@dataclass(frozen=True)
class Ask:
    """One application.

    ceiling_hours  the most it may get: what the host recommends
    capacities     codes, the partition it asks first, then its fallback
    """

    code: str
    submitted_at: str
    scores: Mapping[str, int]
    asked_hours: int
    ceiling_hours: int
    capacities: tuple[str, ...]


@dataclass(frozen=True)
class Problem:
    """All that a result follows from.

    capacities       {code: hours that can be granted}
    money_eur_cents  what all awards may still be worth; None: no ceiling
    least_share_percent  the least part of its ask that an application is given; 100: all or nothing
    """

    rule: str
    criteria: tuple[Criterion, ...]
    threshold_milli: int
    least_share_percent: int
    price_eur_cents: int
    money_eur_cents: int | None
    capacities: Mapping[str, int]
    asks: tuple[Ask, ...]

    @property
    def money_hours(self) -> int | None:
        """How many hours the money pays; None where it sets no limit."""
        if self.money_eur_cents is None or not self.price_eur_cents:
            return None
        return max(self.money_eur_cents, 0) // self.price_eur_cents

    def score_milli(self, ask: Ask) -> int:
        """Return the weighted mean of the scores."""
        return weighted_milli(ask.scores, {one.key: one.weight for one in self.criteria})

    def least_hours(self, ask: Ask) -> int:
        """Return the least that an application is given, if anything."""
        share = -(-ask.asked_hours * self.least_share_percent // PERCENT)
        return max(1, min(ask.ceiling_hours, share))

    def failing(self, ask: Ask) -> dict[str, Any]:
        """Return the threshold that an application does not reach; empty where it passes."""
        score = self.score_milli(ask)
        if score < self.threshold_milli:
            return {
                "kind": "threshold",
                "score_milli": score,
                "threshold_milli": self.threshold_milli,
            }
        for one in self.criteria:
            if ask.scores.get(one.key, 0) < one.threshold_milli:
                return {
                    "kind": "criterion",
                    "criterion": one.key,
                    "score_milli": ask.scores.get(one.key, 0),
                    "threshold_milli": one.threshold_milli,
                }
        return {}

    def in_order(self) -> list[Ask]:
        """Return the applications, best first."""
        return sorted(self.asks, key=self._place)

    def _place(self, ask: Ask) -> tuple[Any, ...]:
        by_criterion = tuple(-ask.scores.get(one.key, 0) for one in self.criteria)
        return (-self.score_milli(ask), by_criterion, ask.submitted_at, ask.code)


@dataclass(frozen=True)
class Given:
    """What one application gets: hours of a capacity."""

    capacity: str
    hours: int


def weighted_milli(scores: Mapping[str, int], weights: Mapping[str, int]) -> int:
    """Return the weighted mean of scores, thousandths, half rounded up; 0 without criteria."""
    whole = sum(weights.values())
    if not whole:
        return 0
    total = sum(weight * scores.get(key, 0) for key, weight in weights.items())
    return (2 * total + whole) // (2 * whole)


def mean_milli(values: Sequence[int]) -> int:
    """Return the mean of whole numbers that are thousandths, half rounded up."""
    return (2 * sum(values) + len(values)) // (2 * len(values)) if values else 0


def read(inputs: Mapping[str, Any]) -> Problem:
    """Return what the inputs of a record say.

    Raises Refused ranking.run.other_version for a record that other rules made.
    """
    if inputs["version"] != VERSION or inputs["rule"] not in RULES:
        raise Refused(
            "ranking.run.other_version",
            _("This record was made by rules {version}; this server has {ours}."),
            version=str(inputs["version"]),
            ours=VERSION,
        )
    return Problem(
        rule=inputs["rule"],
        criteria=tuple(Criterion(**one) for one in inputs["criteria"]),
        threshold_milli=inputs["threshold_milli"],
        least_share_percent=inputs["least_share_percent"],
        price_eur_cents=inputs["price_eur_cents"],
        money_eur_cents=inputs["money_eur_cents"],
        capacities={one["code"]: one["gpu_hours"] for one in inputs["capacities"]},
        asks=tuple(
            Ask(
                code=one["code"],
                submitted_at=one["submitted_at"],
                scores=one["scores"],
                asked_hours=one["asked_gpu_hours"],
                ceiling_hours=one["ceiling_gpu_hours"],
                capacities=tuple(one["capacities"]),
            )
            for one in inputs["applications"]
        ),
    )


def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the result that the inputs lead to: every application with outcome and reason."""
    return result_of(read(inputs))


def result_of(problem: Problem) -> dict[str, Any]:
    """Return the result of a problem as JSON-able data."""
    order = problem.in_order()
    passing = [ask for ask in order if not problem.failing(ask)]
    if problem.rule == "strict":
        given, reasons = _strict(problem, passing)
    else:
        from uzina.calls.rules import filling

        given = filling.best(problem, passing)
        reasons = {}
    left, money = left_over(problem, given.values())
    rows = []
    for rank, ask in enumerate(order, start=1):
        got, failing = given.get(ask.code), problem.failing(ask)
        if got is not None:
            outcome, why = "award", _why_given(ask, got)
        elif failing:
            outcome, why = "decline", failing
        else:
            outcome = "reserve"
            why = reasons.get(ask.code) or short(problem, ask, left, money)
        rows.append(
            {
                "code": ask.code,
                "rank": rank,
                "score_milli": problem.score_milli(ask),
                "outcome": outcome,
                "capacity": got.capacity if got else "",
                "gpu_hours": got.hours if got else 0,
                "least_gpu_hours": problem.least_hours(ask),
                "why": why,
            }
        )
    return {"version": VERSION, "applications": rows, "left_gpu_hours": left}


def _why_given(ask: Ask, got: Given) -> dict[str, Any]:
    is_full = got.hours == ask.ceiling_hours
    if got.capacity != ask.capacities[0]:
        return {"kind": "full_fallback" if is_full else "partial_fallback"}
    return {"kind": "full" if is_full else "partial"}


def _strict(
    problem: Problem, passing: Sequence[Ask]
) -> tuple[dict[str, Given], dict[str, dict[str, Any]]]:
    left, money = dict(problem.capacities), problem.money_hours
    given: dict[str, Given] = {}
    reasons: dict[str, dict[str, Any]] = {}
    closed: dict[str, str] = {}
    for ask in passing:
        got = _best_of(problem, ask, {c: n for c, n in left.items() if c not in closed}, money)
        if got is not None:
            given[ask.code] = got
            left[got.capacity] -= got.hours
            money = None if money is None else money - got.hours
            continue
        ahead = next((closed[one] for one in ask.capacities if one in closed), "")
        why = short(problem, ask, left, money)
        reasons[ask.code] = {"kind": "behind", "code": ahead} if ahead else why
        is_poor = money is not None and money < problem.least_hours(ask)
        has_room = any(left.get(one, 0) >= problem.least_hours(ask) for one in ask.capacities)
        closes = problem.capacities if is_poor and has_room else ask.capacities
        for one in closes:
            closed.setdefault(one, ask.code)
    return given, reasons


def _best_of(
    problem: Problem, ask: Ask, left: Mapping[str, int], money: int | None
) -> Given | None:
    """Return the best of what is left for one application; None where it is too little."""
    best: Given | None = None
    for capacity in ask.capacities:
        hours = min(ask.ceiling_hours, left.get(capacity, 0))
        hours = hours if money is None else min(hours, money)
        if hours >= problem.least_hours(ask) and (best is None or hours > best.hours):
            best = Given(capacity, hours)
    return best


def left_over(problem: Problem, given: Iterable[Given]) -> tuple[dict[str, int], int | None]:
    """Return the hours left of each capacity, and how many the money still pays."""
    left, money = dict(problem.capacities), problem.money_hours
    for one in given:
        left[one.capacity] -= one.hours
        money = None if money is None else money - one.hours
    return left, money


def short(problem: Problem, ask: Ask, left: Mapping[str, int], money: int | None) -> dict[str, Any]:
    """Return which limit keeps an application out, and how much it is short of."""
    least = problem.least_hours(ask)
    room = {one: left[one] for one in ask.capacities if one in left}
    if not room:
        return {"kind": "no_capacity"}
    capacity = max(room, key=lambda one: (room[one], -ask.capacities.index(one)))
    if room[capacity] >= least and money is not None and money < least:
        return {"kind": "money", "short_gpu_hours": least - money, "left_gpu_hours": money}
    return {
        "kind": "capacity",
        "capacity": capacity,
        "short_gpu_hours": max(0, least - room[capacity]),
        "left_gpu_hours": room[capacity],
    }


def canonical(record: Any) -> bytes:
    """Return data as the one JSON text there is for them."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def seal(inputs: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a record, hex."""
    return hashlib.sha256(canonical({"inputs": inputs, "result": result})).hexdigest()


@dataclass(frozen=True)
class Checked:
    """What running a record again found. is_sealed: nobody changed it; is_same: the same came out."""

    is_sealed: bool
    is_same: bool

    @property
    def is_sound(self) -> bool:
        """Whether the record can be relied on."""
        return self.is_sealed and self.is_same


def check(inputs: Mapping[str, Any], result: Mapping[str, Any], sealed: str) -> Checked:
    """Run a record again: tell whether it is what was sealed and whether the same follows."""
    return Checked(
        is_sealed=seal(inputs, result) == sealed,
        is_same=canonical(run(inputs)) == canonical(result),
    )


def changed(
    inputs: Mapping[str, Any],
    *,
    capacities: Mapping[str, int],
    weights: Mapping[str, int],
    rule: str,
    least_share_percent: int,
    threshold_milli: int,
) -> dict[str, Any]:
    """Return the inputs with other capacities, weights and terms: what if."""
    return {
        **inputs,
        "rule": rule,
        "least_share_percent": least_share_percent,
        "threshold_milli": threshold_milli,
        "capacities": [
            {**one, "gpu_hours": capacities.get(one["code"], one["gpu_hours"])}
            for one in inputs["capacities"]
        ],
        "criteria": [
            {**one, "weight": weights.get(one["key"], one["weight"])} for one in inputs["criteria"]
        ],
    }


MOST_ROUNDS = 40


def hours_more(inputs: Mapping[str, Any], code: str) -> int | None:
    """Return hours that, added to the partition an application asks first, get it an award.

    Tried out, not estimated. None where no hours would: below a threshold, short of money, or in
    no partition of the call.
    """
    problem = read(inputs)
    ask = next(one for one in problem.asks if one.code == code)
    if problem.failing(ask) or not ask.capacities or ask.capacities[0] not in problem.capacities:
        return None
    first, more = ask.capacities[0], 0
    for _round in range(MOST_ROUNDS):
        tried = replace(
            problem,
            capacities={**problem.capacities, first: problem.capacities[first] + more},
        )
        rows = {row["code"]: row for row in result_of(tried)["applications"]}
        if rows[code]["outcome"] == "award":
            return more
        more += _missing(tried, ask, rows)
    return None


def _missing(problem: Problem, ask: Ask, rows: Mapping[str, Mapping[str, Any]]) -> int:
    """Return what the partition lacks for the application, beside what others take of it.

    strict: those before it take all they may. fill: everybody keeps what they have.
    """
    first = ask.capacities[0]
    demand = problem.least_hours(ask)
    order = problem.in_order()
    others = order[: order.index(ask)] if problem.rule == "strict" else order
    for one in others:
        row = rows[one.code]
        wants = one.capacities[:1] == (first,) and row["outcome"] != "decline"
        if problem.rule == "strict" and wants:
            demand += one.ceiling_hours
        elif row["capacity"] == first:
            demand += row["gpu_hours"]
    return max(1, demand - problem.capacities[first])
