"""Assigning 300 applications to 60 reviewers: ours beside two peers, in one run.

    python benchmarks/assign.py [--papers 300] [--reviewers 60] [--seed 1] [--quick]

Ours is the exact optimum under load limits, conflicts, bids and a reader of each application's
language, one thread of HiGHS. Beside it a greedy assignment (each round the best pair that is
left), and networkx's minimum-cost flow on the same problem without the rule of languages, which a
plain flow cannot say. Each is priced by the same objective; the bound is the linear relaxation's.
CPU seconds of this process. Rewrites benchmarks/assign.md; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import time
from collections import Counter
from pathlib import Path

import networkx as nx

from uzina.calls.rules import assignment
from uzina.calls.rules.assignment import Paper, Problem, Referee

TOPICS = [f"topic-{number}" for number in range(18)]
LANGUAGES = ["en", "ro", "de"]
NEED = 3


def main() -> None:
    """Make the problem, solve it three ways, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--papers", type=int, default=300)
    parser.add_argument("--reviewers", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    papers, reviewers = (60, 20) if asked.quick else (asked.papers, asked.reviewers)
    problem = make(papers, reviewers, seed=asked.seed)
    rows = [
        timed("exact (ours)", problem, ours),
        timed("greedy", problem, greedy),
        timed("minimum-cost flow (networkx)", problem, flow),
    ]
    report(problem, rows, assignment.solve(problem).bound)


def make(papers: int, reviewers: int, *, seed: int) -> Problem:
    """Return a problem as calls have them: few topics each, 5 % conflicts, a fifth with bids."""
    draw = random.Random(seed)
    most = -(-papers * NEED * 6 // (reviewers * 5))
    referees = tuple(
        Referee(
            f"PER-{number:04}",
            tuple(draw.sample(TOPICS, draw.randint(2, 5))),
            tuple(draw.sample(LANGUAGES, draw.randint(1, 2))),
            most,
        )
        for number in range(reviewers)
    )
    made = []
    for number in range(papers):
        first, second = draw.sample(TOPICS, 2)
        share = draw.randint(300, 1000)
        made.append(
            Paper(
                f"APP-{number:04}",
                {first: share, second: 1000 - share},
                draw.choice(LANGUAGES[:2]),
                NEED,
            )
        )
    pairs = [(paper.code, one.code) for paper in made for one in referees]
    barred = frozenset(pair for pair in pairs if draw.random() < 0.05)
    bids = {pair: draw.choice([0, 1, 2]) for pair in pairs if draw.random() < 0.2}
    return Problem(tuple(made), referees, barred, bids, seed)


def ours(problem: Problem) -> list[tuple[str, str]]:
    return [(one.paper, one.referee) for one in assignment.solve(problem).pairs]


def greedy(problem: Problem) -> list[tuple[str, str]]:
    """Take the best pair that is left, until every application has its reviews or nobody is left."""
    need = {one.code: one.need for one in problem.papers}
    room = {one.code: one.most - one.load for one in problem.referees}
    worth = {
        (paper.code, one.code): assignment.worth(
            paper, one, problem.bids.get((paper.code, one.code))
        )
        for paper in problem.papers
        for one in problem.referees
        if (paper.code, one.code) not in problem.barred
    }
    chosen = []
    for pair in sorted(worth, key=lambda one: (-worth[one], one)):
        paper, referee = pair
        if need[paper] and room[referee]:
            chosen.append(pair)
            need[paper] -= 1
            room[referee] -= 1
    return chosen


def flow(problem: Problem) -> list[tuple[str, str]]:
    """Solve it as a flow from applications to reviewers, crowding as parallel arcs that get dearer."""
    graph = nx.DiGraph()
    total = sum(one.need for one in problem.papers)
    graph.add_node("end", demand=total)
    for paper in problem.papers:
        graph.add_node(paper.code, demand=-paper.need)
        for one in problem.referees:
            if (paper.code, one.code) not in problem.barred:
                value = assignment.worth(paper, one, problem.bids.get((paper.code, one.code)))
                graph.add_edge(paper.code, one.code, capacity=1, weight=-value)
    for one in problem.referees:
        for load in range(one.load, one.most):
            step = (one.code, load)
            graph.add_edge(one.code, step, capacity=1, weight=assignment.CROWDING * load)
            graph.add_edge(step, "end", capacity=1, weight=0)
    found = nx.min_cost_flow(graph)
    return [
        (paper.code, referee)
        for paper in problem.papers
        for referee, amount in found[paper.code].items()
        if amount
    ]


def timed(name: str, problem: Problem, solve: object) -> dict[str, object]:
    began = time.process_time()
    pairs = solve(problem)  # type: ignore[operator]
    took = time.process_time() - began
    worth, crowding = assignment.worth_of(problem, pairs)
    people = {one.code: one for one in problem.referees}
    given = Counter(paper for paper, _referee in pairs)
    unread = sum(
        not any(
            paper.language in people[referee].languages
            for code, referee in pairs
            if code == paper.code
        )
        for paper in problem.papers
    )
    loads = Counter(referee for _paper, referee in pairs)
    return {
        "name": name,
        "cpu_s": round(took, 2),
        "objective": (worth - crowding) / 1000,
        "missing": sum(one.need - given[one.code] for one in problem.papers),
        "unread": unread,
        "unwilling": sum(problem.bids.get(pair) == 0 for pair in pairs),
        "loads": f"{min(loads.values())} to {max(loads.values())}",
    }


def report(problem: Problem, rows: list[dict[str, object]], bound: float) -> None:
    lines = [
        "# Assigning reviewers",
        "",
        (
            f"{len(problem.papers)} applications with {NEED} reviews each, {len(problem.referees)} "
            f"reviewers of {problem.referees[0].most} reviews at most, seed {problem.seed}; nothing can "
            f"be better than {bound / 1000:.3f}. CPython {platform.python_version()}, "
            f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}. `python benchmarks/assign.py` "
            "makes this page."
        ),
        "",
        (
            "| | CPU s | objective | of the bound | reviews missing | applications nobody can read | "
            "unwilling | reviews a reviewer |"
        ),
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        share = float(str(row["objective"])) * 1000 / bound
        lines.append(
            f"| {row['name']} | {row['cpu_s']} | {row['objective']:.3f} | {share:.2%} | "
            f"{row['missing']} | {row['unread']} | {row['unwilling']} | {row['loads']} |"
        )
    lines += [
        "",
        (
            "Greedy and the flow do not know the rule that somebody reads the language of each "
            "application; what they gain by that is not theirs to gain."
        ),
        "",
        json.dumps(
            {
                "benchmark": "assign",
                "papers": len(problem.papers),
                "reviewers": len(problem.referees),
                "cpu_s": rows[0]["cpu_s"],
                "objective": rows[0]["objective"],
                "bound": round(bound / 1000, 3),
                "greedy_objective": rows[1]["objective"],
                "flow_cpu_s": rows[2]["cpu_s"],
            }
        ),
    ]
    text = "\n".join(lines) + "\n"
    if len(problem.papers) >= 300:
        Path(__file__).with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
