"""The question a user asks: the best grouping of a loss table under budgets and constraints, with its proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from grouping.errors import InputError
from grouping.solver.answer import Objective, answer, named, with_heads
from grouping.solver.clock import Callback, Clock
from grouping.solver.formulate import formulate
from grouping.solver.infeasible import explain_infeasible
from grouping.solver.question import Question, SharedCost
from grouping.solver.solution import Solution
from grouping.solver.table import arrays

__all__ = ["solve"]


def solve(
    losses_CT: ArrayLike,
    cost_C: ArrayLike,
    budget: float | Sequence[float] | None = None,
    *,
    weights_T: Sequence[float] | None = None,
    max_networks: int | None = None,
    max_size: int | None = None,
    partition: bool = False,
    time_limit: float | None = None,
    top: int = 1,
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
) -> Solution:
    """Choose the candidates whose best members serve every task at the lowest loss within the budget, and prove it.

    Minimises ``sum_t weight_t * min_{c chosen} loss_ct`` (or the maximum over tasks). Groupings may overlap, and a
    candidate may train a task only for the others' sake. The problem is that of Standley et al., ICML 2020.

    Args:
        losses_CT: Losses [C, T], lower is better, any sign; NaN where a candidate cannot serve a task.
        cost_C: What serving each candidate costs, [C]; [C, D] for several budgets.
        budget: Limit of the summed cost; one per column for several; None for no limit.
        weights_T: Positive weight of each task; default 1.
        max_networks: At most that many candidates.
        max_size: At most that many members in a candidate.
        partition: Each served task is a member of exactly one chosen candidate.
        time_limit: Seconds after which the best found is returned with its bound.
        top: How many solutions; the others are ``alternatives``, each giving some task another loss.
        callback: Told ``Progress`` before every node of the search but the first; returning True ends it.
        together: Pairs of tasks that some chosen candidate must have as members, both.
        apart: Pairs of tasks that no chosen candidate may have as members, both.
        at_most: Largest acceptable loss of tasks, unweighted.
        deployed: Candidates that are paid for already: they cost nothing, nor does what they share.
        sunk: Candidates whose cost is spent of the budget whether they are used or not.
        shared: Costs that are paid once by all who use something: preprocessing, a frozen backbone.
        head_cost: What of ``cost_C`` is the head of each task, [C, T] or [C, T, D]: the heads of tasks that a chosen
            candidate does not serve are dropped and cost nothing. Left out: heads cost what they cost.
        auxiliary: Tasks that need not be served and do not count.
        objective: ``sum`` over tasks, or ``max``: the worst-served task counts.
        members_CT: Who is trained in each candidate, where that is more than whom it can serve.
        tasks: Names for messages; default: the indices.

    Raises:
        InputError: arrays, weights or constraints that make no sense.
        InfeasibleError: no grouping satisfies the constraints; says the smallest budget that would.
        NoResultError: stopped before the first grouping was found.
    """
    table = arrays(losses_CT, cost_C, members_CT)
    if top < 1:
        raise InputError(f"top is {top}", where="top", fix="Ask for 1 solution or more")
    n_candidates, n_tasks = table[0].shape
    question = Question.of(
        n_tasks,
        budget_D=() if budget is None else tuple(np.atleast_1d(np.asarray(budget, dtype=float)).tolist()),
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
    clock = Clock(time_limit, callback)
    solution = answer(table, question, formulate(*table, question), objective, clock, top)
    if solution is None:
        raise explain_infeasible(table, question, clock)
    return named(solution, origin_C)
