"""Who reviews what: the best assignment under load limits and conflicts, found exactly.

A whole-number programme, solved by HiGHS. Its rows are two families that nest (for each
application all reviewers and those who read its language; for each reviewer all applications), so
its linear relaxation is whole by itself and 300 applications with 60 reviewers take seconds.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from uzina.calls.rules.topics import overlap
from uzina.core.errors import Refused
from uzina.core.text import _

TOPICS, READS = 700, 100
"""What full overlap of topics, and reading the language, are worth, in thousandths."""

BIDS = {None: 0, 2: 200, 1: 100, 0: -1500}
"""What a bid is worth: eager, willing, unwilling. An unwilling reviewer is taken only where nobody
else is left: worse than everything else that can be gained."""

CROWDING = 12
"""What the second, third, ... review of one person costs more than the one before it. The cost of
a person's n reviews is convex, so the load is spread evenly where that gives up little."""

TIME_LIMIT_S = 60
ELASTIC = 1_000_000.0


@dataclass(frozen=True)
class Paper:
    """An application that needs reviews.

    about  topics and their shares in thousandths
    need   how many more reviews it needs; fixed: who has it already
    """

    code: str
    about: Mapping[str, int]
    language: str
    need: int
    fixed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Referee:
    """A reviewer. most: how many reviews they take at a time; load: how many they have now."""

    code: str
    topics: tuple[str, ...]
    languages: tuple[str, ...]
    most: int
    load: int = 0


@dataclass(frozen=True)
class Problem:
    """What is to be solved. barred: pairs that must not be; bids: value by pair."""

    papers: tuple[Paper, ...]
    referees: tuple[Referee, ...]
    barred: frozenset[tuple[str, str]] = frozenset()
    bids: Mapping[tuple[str, str], int] = field(default_factory=dict)
    seed: int = 1

    def kept(self) -> dict[str, Any]:
        """Return the problem as JSON-able data, the same for the same problem."""
        return {
            "papers": [asdict(one) for one in self.papers],
            "referees": [asdict(one) for one in self.referees],
            "barred": sorted(map(list, self.barred)),
            "bids": [[*pair, value] for pair, value in sorted(self.bids.items())],
            "seed": self.seed,
        }


def problem_of(kept: Mapping[str, Any]) -> Problem:
    """Return the problem that was kept."""
    return Problem(
        papers=tuple(Paper(**{**one, "fixed": tuple(one["fixed"])}) for one in kept["papers"]),
        referees=tuple(
            Referee(
                **{
                    **one,
                    "topics": tuple(one["topics"]),
                    "languages": tuple(one["languages"]),
                }
            )
            for one in kept["referees"]
        ),
        barred=frozenset((paper, referee) for paper, referee in kept["barred"]),
        bids={(paper, referee): value for paper, referee, value in kept["bids"]},
        seed=kept["seed"],
    )


@dataclass(frozen=True)
class Pair:
    """One review to ask for: what it is worth, in thousandths."""

    paper: str
    referee: str
    worth: int


@dataclass(frozen=True)
class Plan:
    """What the solver found. worth: of all pairs; crowding: what the loads cost; thousandths.

    bound  nothing can be better than this: what the linear relaxation comes to
    """

    pairs: tuple[Pair, ...]
    worth: int
    crowding: int
    bound: float

    @property
    def objective(self) -> int:
        """What was made as large as can be."""
        return self.worth - self.crowding

    def kept(self) -> dict[str, Any]:
        """Return the plan as JSON-able data."""
        return {
            "pairs": [asdict(one) for one in self.pairs],
            "worth": self.worth,
            "crowding": self.crowding,
            "objective": self.objective,
            "bound": round(self.bound, 3),
        }


def worth(paper: Paper, referee: Referee, bid: int | None) -> int:
    """Return what it is worth that the referee reviews the paper, in thousandths."""
    return (
        TOPICS * overlap(referee.topics, paper.about) // 1000
        + READS * (paper.language in referee.languages)
        + BIDS[bid]
    )


def crowding(load: int, more: int) -> int:
    """Return what it costs to give somebody with `load` reviews so many more, in thousandths."""
    return CROWDING * sum(range(load, load + more))


def worth_of(problem: Problem, pairs: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Return what an assignment is worth, and what its crowding costs: to compare others by."""
    papers = {one.code: one for one in problem.papers}
    referees = {one.code: one for one in problem.referees}
    given: dict[str, int] = {}
    total = 0
    for paper, referee in pairs:
        total += worth(papers[paper], referees[referee], problem.bids.get((paper, referee)))
        given[referee] = given.get(referee, 0) + 1
    return total, sum(crowding(referees[code].load, more) for code, more in given.items())


def solve(problem: Problem) -> Plan:
    """Return the best assignment: what each paper needs, at least one reader of its language.

    The same problem gives the same plan: among equals the seed decides. Raises Refused
    assignment.plan.cannot, with which papers cannot be served and why; assignment.plan.no_answer
    where the solver did not finish.
    """
    problem = _ordered(problem)
    pairs = _open_pairs(problem)
    if not any(one.need for one in problem.papers):
        return Plan((), 0, 0, 0.0)
    solved = _run(_model(problem, pairs, is_elastic=False))
    if solved is None:
        raise _cannot(problem, pairs)
    values, bound = solved
    chosen = [pair for pair, value in zip(pairs, values, strict=False) if value > 0.5]
    total, crowds = worth_of(problem, chosen)
    by_code = {one.code: one for one in problem.papers}
    people = {one.code: one for one in problem.referees}
    return Plan(
        pairs=tuple(
            Pair(
                paper,
                referee,
                worth(by_code[paper], people[referee], problem.bids.get((paper, referee))),
            )
            for paper, referee in chosen
        ),
        worth=total,
        crowding=crowds,
        bound=bound,
    )


def best_for(problem: Problem, paper: str, *, most: int) -> list[Pair]:
    """Return who would be next for one paper, the best first; full and barred ones left out."""
    asked = next(one for one in problem.papers if one.code == paper)
    free = [
        (worth(asked, one, problem.bids.get((paper, one.code))) - crowding(one.load, 1), one)
        for one in problem.referees
        if (paper, one.code) not in problem.barred
        and one.code not in asked.fixed
        and one.load < one.most
    ]
    free.sort(key=lambda pair: (-pair[0], pair[1].code))
    return [
        Pair(paper, one.code, worth(asked, one, problem.bids.get((paper, one.code))))
        for _value, one in free[:most]
    ]


def _ordered(problem: Problem) -> Problem:
    """Return the problem in the order of codes, so that its order of rows decides nothing."""
    return Problem(
        tuple(sorted(problem.papers, key=lambda one: one.code)),
        tuple(sorted(problem.referees, key=lambda one: one.code)),
        problem.barred,
        problem.bids,
        problem.seed,
    )


def _open_pairs(problem: Problem) -> list[tuple[str, str]]:
    return [
        (paper.code, referee.code)
        for paper in problem.papers
        if paper.need
        for referee in problem.referees
        if referee.load < referee.most
        and (paper.code, referee.code) not in problem.barred
        and referee.code not in paper.fixed
    ]


def _noise(seed: int, pair: tuple[str, str], count: int) -> float:
    """Return a tie-breaker from the seed: all of them together are worth less than a thousandth."""
    digest = hashlib.sha256(f"{seed}:{pair[0]}:{pair[1]}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 / (2 * max(count, 1))


@dataclass
class _Model:
    """Columns and rows of the programme; elastic columns are the last two for each paper."""

    costs: list[float]
    uppers: list[float]
    rows: list[tuple[float, float, list[int], list[float]]]
    pairs: int


def _model(problem: Problem, pairs: list[tuple[str, str]], *, is_elastic: bool) -> _Model:
    """Write the programme: maximise worth less crowding.

    Columns: one for each pair; for each referee one for each further review, the n-th dearer than
    the one before; elastic: for each paper how many reviews and how many readers it lacks.
    """
    infinity = float("inf")
    papers = {one.code: one for one in problem.papers}
    people = {one.code: one for one in problem.referees}
    count = sum(one.need for one in problem.papers)
    model = _Model([], [], [], len(pairs))
    of_paper: dict[str, list[int]] = {one.code: [] for one in problem.papers if one.need}
    of_referee: dict[str, list[int]] = {}
    readers: dict[str, list[int]] = {code: [] for code in of_paper}
    for column, (paper, referee) in enumerate(pairs):
        value = worth(papers[paper], people[referee], problem.bids.get((paper, referee)))
        gain = 0.0 if is_elastic else value + _noise(problem.seed, (paper, referee), count)
        model.costs.append(gain)
        model.uppers.append(1.0)
        of_paper[paper].append(column)
        of_referee.setdefault(referee, []).append(column)
        if papers[paper].language in people[referee].languages:
            readers[paper].append(column)
    for code, columns in of_referee.items():
        steps = []
        for load in range(people[code].load, people[code].most):
            steps.append(len(model.costs))
            model.costs.append(0.0 if is_elastic else -float(CROWDING * load))
            model.uppers.append(1.0)
        model.rows.append((0.0, 0.0, columns + steps, [1.0] * len(columns) + [-1.0] * len(steps)))
    for code, columns in of_paper.items():
        need = float(papers[code].need)
        has_reader = _has_reader(papers[code], people)
        lacks = _lack(model) if is_elastic else []
        model.rows.append((need, need, columns + lacks, [1.0] * (len(columns) + len(lacks))))
        if not has_reader:
            lacks = _lack(model) if is_elastic else []
            found = readers[code] + lacks
            model.rows.append((1.0, infinity, found, [1.0] * len(found)))
    return model


def _lack(model: _Model) -> list[int]:
    model.costs.append(-ELASTIC)
    model.uppers.append(float("inf"))
    return [len(model.costs) - 1]


def _has_reader(paper: Paper, people: Mapping[str, Referee]) -> bool:
    return any(code in people and paper.language in people[code].languages for code in paper.fixed)


def _run(model: _Model) -> tuple[list[float], float] | None:
    """Solve, on one thread. Return the values and the bound; None where nothing is feasible."""
    import highspy
    import numpy as np

    if any(low > 0 and not columns for low, _high, columns, _values in model.rows):
        return None
    programme = highspy.HighsLp()
    programme.num_col_, programme.num_row_ = len(model.costs), len(model.rows)
    programme.sense_ = highspy.ObjSense.kMaximize
    programme.col_cost_ = np.array(model.costs)
    programme.col_lower_ = np.zeros(len(model.costs))
    programme.col_upper_ = np.array(model.uppers)
    programme.row_lower_ = np.array([row[0] for row in model.rows])
    programme.row_upper_ = np.array([row[1] for row in model.rows])
    programme.integrality_ = [highspy.HighsVarType.kInteger] * len(model.costs)
    matrix = programme.a_matrix_
    matrix.format_ = highspy.MatrixFormat.kRowwise
    matrix.start_ = np.cumsum([0, *(len(row[2]) for row in model.rows)])
    matrix.index_ = np.concatenate([np.array(row[2], dtype=np.int32) for row in model.rows])
    matrix.value_ = np.concatenate([np.array(row[3]) for row in model.rows])

    solver = highspy.Highs()
    options: dict[str, bool | int | float | str] = {
        "output_flag": False,
        "threads": 1,
        "parallel": "off",
        "random_seed": 0,
        "time_limit": float(TIME_LIMIT_S),
        "mip_rel_gap": 0.0,
    }
    for name, value in options.items():
        solver.setOptionValue(name, value)
    solver.passModel(programme)
    solver.run()
    status = solver.getModelStatus()
    if status in {
        highspy.HighsModelStatus.kInfeasible,
        highspy.HighsModelStatus.kUnboundedOrInfeasible,
    }:
        return None
    if status != highspy.HighsModelStatus.kOptimal:
        raise Refused(
            "assignment.plan.no_answer",
            _(
                "The solver ended without an answer ({status}). Assign fewer applications at a "
                "time, one cut-off after another, or some of them by hand."
            ),
            status=solver.modelStatusToString(status),
        )
    return list(solver.getSolution().col_value), float(solver.getInfo().mip_dual_bound)


def _cannot(problem: Problem, pairs: list[tuple[str, str]]) -> Refused:
    """Return the refusal assignment.plan.cannot: every paper that cannot be served, and why."""
    model = _model(problem, pairs, is_elastic=True)
    solved = _run(model)
    if solved is None:
        raise AssertionError("the elastic programme is always feasible")
    short = _lacking(problem, pairs, solved[0])
    return Refused(
        "assignment.plan.cannot",
        _(
            "Not every application can get its reviews: {papers}. Ask more reviewers, raise what "
            "they take, or close those applications with fewer reviews."
        ),
        papers=", ".join(f"{code} ({one['got']}/{one['need']})" for code, one in short.items()),
        short=short,
    )


def _lacking(
    problem: Problem, pairs: list[tuple[str, str]], values: list[float]
) -> dict[str, dict[str, Any]]:
    """Return what papers lack where as many as can be are served, and why.

    why  few: too few reviewers without a conflict; reader: nobody who could reads its language;
         full: those who could take no more
    """
    people = {one.code: one for one in problem.referees}
    able: dict[str, list[str]] = {}
    given: dict[str, list[str]] = {}
    for (code, referee), value in zip(pairs, values, strict=False):
        able.setdefault(code, []).append(referee)
        if value > 0.5:
            given.setdefault(code, []).append(referee)
    short = {}
    for paper in problem.papers:
        could, got = able.get(paper.code, []), given.get(paper.code, [])
        has_reader = _has_reader(paper, people)
        reads = [one for one in could if paper.language in people[one].languages]
        if paper.need and len(could) < paper.need:
            why = "few"
        elif paper.need and not has_reader and not reads:
            why = "reader"
        elif len(got) < paper.need or not (has_reader or not paper.need or set(got) & set(reads)):
            why = "full"
        else:
            continue
        short[paper.code] = {
            "why": why,
            "could": len(could),
            "got": len(got),
            "need": paper.need,
            "language": paper.language,
        }
    return short
