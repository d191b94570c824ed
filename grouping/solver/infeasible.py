"""Why no grouping exists: the smallest budget that would do, or the constraint in conflict."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InfeasibleError
from grouping.solver.branch_and_bound import minimise
from grouping.solver.clock import Clock
from grouping.solver.problem import Question, formulate, readable

__all__ = ["Table", "explain_infeasible"]

Table = tuple[FloatArray, FloatArray, BoolArray]
"""Losses [C, T], costs [C, D], members [C, T]."""


def explain_infeasible(table: Table, question: Question) -> InfeasibleError:
    """The error to raise for a question that has no answer."""
    budgets = question.budget_D
    for d, limit in enumerate(budgets):
        kept = [other for other in range(len(budgets)) if other != d]
        charge_C = table[1][:, d].copy()
        charge_C[list(question.deployed)] = 0.0
        relaxed = replace(question, budget_D=tuple(budgets[other] for other in kept))
        least = _least(table, relaxed, kept, charge_C)
        if least is not None:
            return InfeasibleError(
                f"no grouping that serves every task fits the budget of {limit:g}"
                + (f" (number {d + 1})" if len(budgets) > 1 else ""),
                where="budget",
                fix=f"The smallest feasible budget is {least:.12g}",
                minimum_budget=least,
            )
    if question.max_networks is not None:
        least = _least(table, replace(question, budget_D=(), max_networks=None), [], np.ones(len(table[0])))
        if least is not None:
            return InfeasibleError(
                f"{question.max_networks} networks cannot serve every task",
                where="max_networks",
                fix=f"At least {least:g} are needed",
            )
    if len(budgets) > 1:
        return InfeasibleError(f"the budgets of {readable(budgets)} exclude each other", where="budget")
    return InfeasibleError(
        "no grouping satisfies the constraints together",
        where="partition" if question.partition else "together",
        fix="Add networks (single-task ones, say) or drop a constraint",
    )


def _least(table: Table, question: Question, kept: list[int], price_C: FloatArray) -> float | None:
    """The smallest sum of prices at which every task is served; None where that is impossible."""
    losses_CT, cost_CD, members_CT = table
    problem = formulate(losses_CT, cost_CD[:, kept], members_CT, question)
    found = minimise(problem.flat(price_C[problem.index_C]), Clock())
    if found.choice is None:
        return None
    return math.fsum(price_C[problem.index_C[list(found.choice.rows)]].tolist())
