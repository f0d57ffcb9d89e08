"""The rule `fill` of rules.ranking, solved as a mixed-integer programme by HiGHS.

Which applications get hours, and of which capacity, is found by the solver; how many each gets
then follows exactly, in whole numbers. So the result does not hang on the solver's floating
point: what it finds is checked and valued in whole numbers, and ties are decided by us.
"""

from collections.abc import Mapping, Sequence

import highspy

from uzina.calls.rules.ranking import Ask, Given, Problem

Choice = dict[str, str]
"""{code of an application: code of the capacity it gets hours of}"""

PARTS = 1000.0
"""The largest number that the solver sees: amounts are scaled to it, for its tolerances."""


def best(problem: Problem, passing: Sequence[Ask]) -> dict[str, Given]:
    """Return what each of the applications gets, best first in `passing`.

    The optimum is found once; then, in order, each application is given the best place that
    leaves the sum as large. That is one more solve for each that is not there already.
    """
    asks = [ask for ask in passing if any(one in problem.capacities for one in ask.capacities)]
    model = _Model(problem, asks)
    choice = model.solve()
    most = _value(problem, asks, choice)
    model.demand(most)
    for ask in asks:
        for capacity in model.places(ask):
            if choice.get(ask.code) == capacity:
                break
            model.settle(ask, capacity)
            other = model.solve()
            if _value(problem, asks, other) == most:
                choice = other
                break
        model.settle(ask, choice.get(ask.code))
    return _amounts(problem, asks, choice) or {}


def weight(problem: Problem, ask: Ask) -> int:
    """Return what an hour of the application counts: its score, and never nothing."""
    return max(problem.score_milli(ask), 1)


def _amounts(
    problem: Problem, asks: Sequence[Ask], choice: Mapping[str, str]
) -> dict[str, Given] | None:
    """Return the best amounts for a choice, exactly; None where it does not fit.

    First everybody's least; then what is left goes to the highest score, then the next. That is
    the optimum, for the limits are nested: each capacity, and the money over all of them.
    """
    left, money = dict(problem.capacities), problem.money_hours
    chosen = [ask for ask in asks if ask.code in choice]
    hours = {ask.code: 0 for ask in chosen}

    def give(ask: Ask, most: int) -> None:
        nonlocal money
        more = min(most, left[choice[ask.code]], most if money is None else money)
        hours[ask.code] += more
        left[choice[ask.code]] -= more
        money = None if money is None else money - more

    for ask in chosen:
        give(ask, problem.least_hours(ask))
        if hours[ask.code] < problem.least_hours(ask):
            return None
    for ask in sorted(chosen, key=lambda one: -weight(problem, one)):
        give(ask, ask.ceiling_hours - hours[ask.code])
    return {code: Given(choice[code], amount) for code, amount in hours.items()}


def _value(problem: Problem, asks: Sequence[Ask], choice: Mapping[str, str]) -> int:
    """Return the sum of score times hours of a choice, exactly; -1 where it does not fit."""
    given = _amounts(problem, asks, choice)
    if given is None:
        return -1
    return sum(weight(problem, ask) * given[ask.code].hours for ask in asks if ask.code in given)


class _Model:
    """The programme: for each application and place, whether it gets hours there, and how many."""

    def __init__(self, problem: Problem, asks: Sequence[Ask]) -> None:
        self.problem = problem
        self.columns: dict[tuple[str, str], int] = {}
        self.worths: dict[int, float] = {}
        self.scale = 1.0
        self.solver = highspy.Highs()
        for name, value in (
            ("output_flag", False),
            ("threads", 1),
            ("random_seed", 0),
            ("mip_rel_gap", 0.0),
            ("mip_abs_gap", 0.0),
            ("mip_feasibility_tolerance", 1e-9),
            ("primal_feasibility_tolerance", 1e-9),
            ("dual_feasibility_tolerance", 1e-9),
        ):
            self.solver.setOptionValue(name, value)
        self._build(asks)

    def places(self, ask: Ask) -> list[str]:
        """Return the capacities that an application may get hours of, the best first."""
        return [one for one in ask.capacities if one in self.problem.capacities]

    def _build(self, asks: Sequence[Ask]) -> None:
        """Write the programme. Columns come in pairs: chosen (0 or 1), then hours."""
        solver, infinite = self.solver, highspy.kHighsInf
        self.solver.changeObjectiveSense(highspy.ObjSense.kMaximize)
        money = self.problem.money_hours
        limits = [*self.problem.capacities.values(), *([] if money is None else [money])]
        unit = max(max(limits, default=1), 1) / PARTS
        heaviest = max((weight(self.problem, ask) for ask in asks), default=1)
        self.scale = unit * heaviest
        for ask in asks:
            worth = weight(self.problem, ask) / heaviest
            for place in self.places(ask):
                chosen = 2 * len(self.columns)
                self.columns[ask.code, place] = chosen
                solver.addVar(0.0, 1.0)
                solver.addVar(0.0, infinite)
                solver.changeColCost(chosen + 1, worth)
                self.worths[chosen + 1] = worth
                solver.changeColIntegrality(chosen, highspy.HighsVarType.kInteger)
                pair = [chosen, chosen + 1]
                least, most = self.problem.least_hours(ask) / unit, ask.ceiling_hours / unit
                solver.addRow(-infinite, 0.0, 2, pair, [least, -1.0])
                solver.addRow(0.0, infinite, 2, pair, [most, -1.0])
            mine = [self.columns[ask.code, place] for place in self.places(ask)]
            solver.addRow(-infinite, 1.0, len(mine), mine, [1.0] * len(mine))
        for code, hours in self.problem.capacities.items():
            users = [at + 1 for (_ask, place), at in self.columns.items() if place == code]
            solver.addRow(-infinite, hours / unit, len(users), users, [1.0] * len(users))
        if money is not None:
            everybody = [at + 1 for at in self.columns.values()]
            ones = [1.0] * len(everybody)
            solver.addRow(-infinite, money / unit, len(everybody), everybody, ones)

    def demand(self, value: int) -> None:
        """Have the solver look only for choices of the value: what is less is cut off early."""
        least = value / self.scale * (1 - 1e-9)
        columns, worths = list(self.worths), list(self.worths.values())
        self.solver.addRow(least, highspy.kHighsInf, len(columns), columns, worths)

    def settle(self, ask: Ask, place: str | None) -> None:
        """Fix the place of an application: one of its capacities, or none."""
        for one in self.places(ask):
            fixed = 1.0 if one == place else 0.0
            self.solver.changeColBounds(self.columns[ask.code, one], fixed, fixed)

    def solve(self) -> Choice:
        """Return the best choice; empty where what is fixed does not fit.

        Raises RuntimeError where the solver says neither that, nor that it found the optimum.
        """
        if not self.columns:
            return {}
        self.solver.clearSolver()
        self.solver.run()
        status = self.solver.getModelStatus()
        if status == highspy.HighsModelStatus.kInfeasible:
            return {}
        if status != highspy.HighsModelStatus.kOptimal:
            msg = f"the solver ended with {self.solver.modelStatusToString(status)}"
            raise RuntimeError(msg)
        values = self.solver.getSolution().col_value
        return {code: place for (code, place), at in self.columns.items() if values[at] > 0.5}
