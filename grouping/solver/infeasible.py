"""Why no grouping exists: the smallest budget that would do, or the constraint in conflict."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.errors import InfeasibleError
from grouping.solver.branch_and_bound import minimise
from grouping.solver.clock import Clock
from grouping.solver.formulate import formulate, prices
from grouping.solver.question import Question, SharedCost, readable
from grouping.solver.table import Table

__all__ = ["explain_infeasible"]


def explain_infeasible(table: Table, question: Question) -> InfeasibleError:
    """The error to raise for a question that has no answer."""
    budgets = question.budget_D
    for d, limit in enumerate(budgets):
        least = _least_cost(table, question, d)
        if least is not None:
            return InfeasibleError(
                f"no grouping that serves every task fits the budget of {limit:g}"
                + (f" (number {d + 1})" if len(budgets) > 1 else ""),
                where="budget",
                fix=f"The smallest feasible budget is {least:.12g}",
                minimum_budget=least,
            )
    if question.max_networks is not None:
        least = _least_count(table, question)
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


def _least_cost(table: Table, question: Question, budget: int) -> float | None:
    """The smallest cost, in one budget's unit, at which every task is served; None where that is impossible."""
    kept = [d for d in range(len(question.budget_D)) if d != budget]
    relaxed = replace(
        question,
        budget_D=tuple(question.budget_D[d] for d in kept),
        spent_D=tuple(question.spent_D[d] for d in kept) if question.spent_D else (),
        shared=tuple(SharedCost([part.cost_D[d] for d in kept], part.candidates) for part in question.shared),
    )
    charge_CD, spent_D, shared_KD, _ = prices(table[1], question)
    losses_CT, cost_CD, members_CT = table
    problem = formulate(losses_CT, cost_CD[:, kept], members_CT, relaxed)
    found = minimise(problem.flat(charge_CD[problem.index_C, budget], shared_KD[:, budget]), Clock())
    return None if found.choice is None else found.choice.cost + float(spent_D[budget])


def _least_count(table: Table, question: Question) -> int | None:
    """The smallest number of networks that serve every task at whatever cost; None where that is impossible."""
    losses_CT, cost_CD, members_CT = table
    problem = formulate(losses_CT, cost_CD, members_CT, replace(question, budget_D=(), max_networks=None))
    found = minimise(problem.flat(np.ones(len(problem.index_C)), np.zeros(len(problem.uses_KC))), Clock())
    return None if found.choice is None else len(found.choice.rows)
