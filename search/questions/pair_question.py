"""``taskgroup solve --estimator higher-order`` for so many tasks that their groups cannot be listed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from grouping.errors import InputError
from grouping.estimators.higher_order import higher_order, pair_table
from grouping.solver.implicit import frontier_from_pairs, solve_from_pairs
from grouping.solver.problem import COST_SLACK
from grouping.solver.solution import Solution
from search.questions.table_question import InfeasibleBudget, TableQuestion

__all__ = ["frontier_by_pairs", "solve_by_pairs", "sweep_by_pairs"]

_NEED_A_LIST = {
    "partition": "--partition",
    "at_most": "--at-most",
    "together": "--together",
    "apart": "--apart",
    "deployed": "--deployed",
    "sunk": "--sunk",
    "shared": "--shared-cost",
    "head_cost": "--drop-heads",
    "auxiliary": "--auxiliary",
}


def solve_by_pairs(question: TableQuestion, *, time_limit: float | None) -> tuple[TableQuestion, Solution]:
    """The answer, and the question about a table that holds the groups it needs.

    Raises:
        InputError: constraints that need a list of all groups, or pairs that are missing.
    """
    _check(question)
    pair_TT, cost = pair_table(question.table)
    limits = question.budget_D
    budget = None if limits is None or not cost else limits[0] / cost  # what costs nothing fits any budget
    found = solve_from_pairs(pair_TT, budget, time_limit=time_limit, **_rules(question))
    listed, (solution,) = _listed(question, [found], cost)
    return listed, replace(solution, budget=question.budget_D[0] if question.budget_D else solution.budget)


def frontier_by_pairs(question: TableQuestion, *, time_limit: float | None) -> tuple[TableQuestion, list[Solution]]:
    """The answer for every number of networks, and the question about a table that holds the groups they need.

    Raises:
        InputError: as ``solve_by_pairs``.
    """
    _check(question)
    pair_TT, cost = pair_table(question.table)
    found = frontier_from_pairs(pair_TT, time_limit=time_limit, **_rules(question))
    listed, points = _listed(question, found if cost else found[-1:], cost)  # the last costs no more than the others
    return listed, [replace(point, budget=point.cost) for point in points]


def sweep_by_pairs(
    question: TableQuestion, budgets: Sequence[float], *, time_limit: float | None
) -> tuple[TableQuestion, list[Solution | InfeasibleBudget]]:
    """The answers for the given budgets, which the frontier holds; those that it was stopped before are left out.

    Raises:
        InputError: as ``solve_by_pairs``.
    """
    listed, frontier = frontier_by_pairs(question, time_limit=time_limit)
    points: list[Solution | InfeasibleBudget] = []
    for limit in budgets:
        within = [point for point in frontier if point.cost <= limit * (1 + COST_SLACK)]
        if within:
            points.append(replace(within[-1], budget=limit))
        elif not frontier[0].stopped:
            points.append(InfeasibleBudget(limit, frontier[0].cost))
    return listed, points


def _rules(question: TableQuestion) -> dict[str, Any]:
    return {name: question.options[name] for name in ("weights_T", "max_size", "max_networks", "tasks")}


def _check(question: TableQuestion) -> None:
    """Refuse what the search over pairs does not know."""
    refused = [option for name, option in _NEED_A_LIST.items() if _given(question.options.get(name))]
    if question.options["objective"] != "sum":
        refused.append("--objective max")
    refused += [f"--budget {unit}=" for unit in question.units if unit != "snt"]
    if refused:
        raise InputError(
            f"{refused[0]} needs a list of all groups, and {len(question.table.tasks)} tasks form too many",
            where=refused[0].split()[0],
            fix="Leave it out, or make the groups few with --max-size",
        )


def _given(value: object) -> bool:
    return value is not None and (isinstance(value, np.ndarray) or bool(value))


def _listed(question: TableQuestion, found: Sequence[Solution], cost: float) -> tuple[TableQuestion, list[Solution]]:
    """The chosen groups as rows of a table, and the solutions in those rows."""
    groups = {tuple(np.flatnonzero(members_T).tolist()) for solution in found for members_T in solution.members_GT}
    table = higher_order(question.table, sorted(groups), keep_measured=False)
    tasks, label = table.tasks, _label(question, cost)
    solutions = []
    for solution in found:
        row_G = np.array([
            table.candidates.index([task for task, member in zip(tasks, members_T, strict=True) if member], cost, label)
            for members_T in solution.members_GT
        ], dtype=np.int64)  # fmt: skip
        order_G = np.argsort(row_G)
        place_G = np.argsort(order_G)
        solutions.append(
            replace(
                solution,
                chosen=row_G[order_G],
                members_GT=solution.members_GT[order_G],
                serves_T=place_G[solution.serves_T],
                cost=cost * len(row_G),
            )
        )
    return replace(question, table=table), solutions


def _label(question: TableQuestion, cost: float) -> str:
    """The label of the pairs that were used."""
    candidates = question.table.candidates
    pairs = np.flatnonzero((candidates.size_C == 2) & (candidates.cost_C == cost))
    return candidates.label_C[int(pairs[0])]
