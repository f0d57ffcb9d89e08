"""Whether two runs saw the same samples and got the same losses, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uzina_recipes.run_directory import read_lines

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = 5


def steps(path: Path) -> dict[int, list[tuple[str, float, int]]]:
    """For each step every record of it: digest of the samples, loss, life."""
    found: dict[int, list[tuple[str, float, int]]] = {}
    for row in read_lines(path / "metrics.jsonl"):
        if "samples" in row:
            found.setdefault(row["step"], []).append((row["samples"], row["loss"], row["life"]))
    return found


def compare(run: Path, against: Path) -> dict[str, Any]:
    """Compare two runs; a step that was done twice after a resume must be equal both times.

    The result has: equal, steps (compared), lives (of each run), repeated (steps done more than
    once), max_loss_difference, differences (the first five), missing (steps only one run has).
    """
    left, right = steps(run), steps(against)
    differences = []
    largest = 0.0
    for step in sorted(left.keys() & right.keys()):
        samples, loss, _ = right[step][0]
        for seen in left[step] + right[step][1:]:
            largest = max(largest, abs(seen[1] - loss))
            if seen[:2] != (samples, loss):
                differences.append({"step": step, "run": seen, "against": right[step][0]})
    missing = sorted(left.keys() ^ right.keys())
    lives = [
        sorted({life for rows in found.values() for _, _, life in rows}) for found in (left, right)
    ]
    return {
        "equal": bool(left) and not differences and not missing,
        "steps": len(left.keys() & right.keys()),
        "lives": {"run": lives[0], "against": lives[1]},
        "repeated": sum(len(rows) - 1 for found in (left, right) for rows in found.values()),
        "max_loss_difference": largest,
        "differences": differences[:SHOWN],
        "missing": missing[:SHOWN],
    }
