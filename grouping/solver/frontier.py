"""The whole frontier: the best grouping for every budget that buys a better one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from grouping.errors import InfeasibleError
from grouping.solver.clock import Callback, Clock
from grouping.solver.problem import COST_SLACK, Question
from grouping.solver.solution import Solution
from grouping.solver.solve import Objective, arrays, ask

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
    losses, cost_CD, _ = table
    # A grouping never holds more networks than tasks, so this is as good as no limit.
    budget = float(np.sort(cost_CD[:, 0])[-losses.shape[1] - len(together) :].sum()) * (1 + 4 * COST_SLACK)
    question = Question(
        weights_T=tuple(weights_T) if weights_T is not None else (1.0,) * losses.shape[1],
        max_networks=max_networks,
        max_size=max_size,
        partition=partition,
        together=tuple(together),
        apart=tuple(apart),
        at_most=dict(at_most or {}),
        deployed=tuple(deployed),
        auxiliary=tuple(auxiliary),
        tasks=tuple(map(str, range(losses.shape[1]))) if tasks is None else tuple(tasks),
    )
    question.check_against(*losses.shape)
    clock = Clock(time_limit, callback)
    points: list[Solution] = []
    while True:
        try:
            point = ask(table, replace(question, budget_D=(budget,)), objective, clock)
        except InfeasibleError as error:
            if not points:
                raise InfeasibleError(error.what, where=error.where, fix=error.fix) from None
            return points[::-1]
        points.append(replace(point, budget=point.cost, seconds=clock.seconds))
        if clock.stopped or point.cost <= 0:
            return points[::-1]
        budget = point.cost * (1 - 3 * COST_SLACK)
