"""The whole frontier: the best grouping for every budget that buys a better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from grouping.errors import InfeasibleError, NoResultError
from grouping.solver.answer import Objective, answer, named, with_heads
from grouping.solver.clock import Callback, Clock
from grouping.solver.formulate import formulate, prices, within
from grouping.solver.infeasible import explain_infeasible
from grouping.solver.problem import COST_SLACK, Problem
from grouping.solver.question import Question, SharedCost
from grouping.solver.solution import Solution
from grouping.solver.table import Table, arrays

__all__ = ["solve_frontier"]


def solve_frontier(
    losses_CT: ArrayLike,
    cost_C: ArrayLike,
    *,
    weights_T: Sequence[float] | None = None,
    max_networks: int | None = None,
    max_size: int | None = None,
    partition: bool = False,
    time_limit: float | None = None,
    callback: Callback | None = None,
    together: Sequence[tuple[int, int]] = (),
    apart: Sequence[tuple[int, int]] = (),
    at_most: Mapping[int, float] | None = None,
    deployed: Sequence[int] = (),
    sunk: Sequence[int] = (),
    shared: Sequence[SharedCost] = (),
    head_cost: ArrayLike | None = None,
    auxiliary: Sequence[int] = (),
    objective: Objective = "sum",
    members_CT: ArrayLike | None = None,
    tasks: Sequence[str] | None = None,
) -> list[Solution]:
    """Every non-dominated (cost, objective), ascending in cost; each solution's budget is its own cost.

    Solves with ever smaller budgets: an answer is the cheapest of its objective, so the next budget is anything below
    its cost. Arguments as for ``solve``. Where the time limit or Ctrl-C ends the sweep, the points found so far are
    returned, the one it stopped at being the first and its ``stopped`` saying so.

    Raises:
        InfeasibleError: no budget serves every task under the constraints.
    """
    table = arrays(losses_CT, cost_C, members_CT)
    n_candidates, n_tasks = table[0].shape
    question = Question.of(
        n_tasks,
        weights_T=weights_T,
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        together=together,
        apart=apart,
        at_most=at_most,
        deployed=deployed,
        sunk=sunk,
        shared=shared,
        auxiliary=auxiliary,
        tasks=tasks,
    )
    question.check_against(n_candidates, n_tasks, table[1].shape[1])
    table, question, origin_C = with_heads(table, head_cost, question)
    charge_CD, spent_D, shared_KD, _ = prices(table[1], question)
    # A grouping never holds more networks than requirements, so this is as good as no limit.
    dearest = np.sort(charge_CD[:, 0])[-table[0].shape[1] - len(question.together) :].sum()
    budget = float(dearest + spent_D[0] + shared_KD.sum()) * (1 + 4 * COST_SLACK)
    clock = Clock(time_limit, callback)
    question = replace(question, budget_D=(budget,))
    problem = formulate(*table, question)
    points: list[Solution] = []
    try:
        while point := _next(table, question, problem, objective, clock, first=not points):
            points.append(named(replace(point, budget=point.cost, seconds=clock.seconds), origin_C))
            if clock.stopped or point.cost <= 0:
                break
            question = replace(question, budget_D=(point.cost * (1 - 3 * COST_SLACK),))
            problem = within(problem, question.budget_D[0] - float(spent_D[0]))
    except KeyboardInterrupt:
        if not points:
            raise
        clock.interrupt()
    if not points:
        error = explain_infeasible(table, question, clock)
        raise InfeasibleError(error.what, where=error.where, fix=error.fix)
    return [replace(points[-1], stopped=clock.stopped), *points[-2::-1]]


def _next(
    table: Table, question: Question, problem: Problem, objective: Objective, clock: Clock, *, first: bool
) -> Solution | None:
    """The best grouping within the budget; None where there is none, or the search stopped before finding one."""
    try:
        return answer(table, question, problem, objective, clock)
    except NoResultError:
        if first:
            raise
        return None
