"""Good groupings quickly: greedy, and greedy again without one of its networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.choice import Choice, evaluate
from grouping.solver.problem import Problem

__all__ = ["greedy", "improved"]


def greedy(problem: Problem, penalty_T: FloatArray, chosen: Sequence[int] = ()) -> list[int]:
    """Repeatedly the candidate that lowers the objective most per cost. It may leave requirements unmet.

    Args:
        problem: The problem.
        penalty_T: Price of leaving a requirement unmet.
        chosen: Candidates to begin with.
    """
    rows = list(chosen)
    current_T = np.minimum(penalty_T, problem.value_TC[:, rows].min(axis=1, initial=np.inf))
    free_T: BoolArray = np.isinf(problem.value_TC[:, rows].min(axis=1, initial=np.inf))
    paid_K: BoolArray = np.logical_or.reduce(problem.uses_KC[:, rows], axis=1)
    unpaid_KC: BoolArray = problem.uses_KC & ~paid_K[:, None]
    left_D = problem.limit_D - problem.cost_DC[:, rows].sum(axis=1) - problem.shared_DK @ paid_K
    while len(rows) < problem.n_rows:
        cost_DC = problem.cost_DC + problem.shared_DK @ unpaid_KC if unpaid_KC.any() else problem.cost_DC
        weight_C = cost_DC.max(axis=0, initial=0.0) + 1e-6
        if problem.partition:
            margin_TC = np.where(np.isfinite(problem.value_TC), current_T[:, None] - problem.value_TC, 0.0)
            gain_C = margin_TC.sum(axis=0) - problem.open_C
            gain_C[(np.isfinite(problem.value_TC) & ~free_T[:, None]).any(axis=0)] = 0.0
        else:
            gain_C = np.maximum(current_T[:, None] - problem.value_TC, 0.0).sum(axis=0) - problem.open_C
        gain_C[(cost_DC > left_D[:, None]).any(axis=0)] = 0.0
        best = int((gain_C / weight_C).argmax())
        if gain_C[best] <= 0:
            break
        rows.append(best)
        left_D = left_D - cost_DC[:, best]
        unpaid_KC[problem.uses_KC[:, best]] = False
        free_T &= ~np.isfinite(problem.value_TC[:, best])
        current_T = np.minimum(current_T, problem.value_TC[:, best])
    return rows


def improved(
    problem: Problem, choice: Choice, pool: IntArray, penalty_T: FloatArray, expired: Callable[[], bool]
) -> Choice:
    """Leave one network out and fill up greedily, as long as that helps.

    Args:
        problem: The problem.
        choice: A grouping of it.
        pool: Candidates to fill up from, by position, ascending.
        penalty_T: See ``greedy``.
        expired: True ends it.
    """
    pool = np.union1d(pool, choice.rows)
    part = problem.keep(pool)
    tried: set[tuple[int, ...]] = set()
    waiting = list(choice.rows)
    while waiting and not expired():
        left_out = waiting.pop()
        rest = tuple(row for row in choice.rows if row != left_out)
        if rest in tried:
            continue
        tried.add(rest)
        following = evaluate(problem, pool[greedy(part, penalty_T, np.searchsorted(pool, rest).tolist())].tolist())
        if following is not None and following.objective < choice.objective - 1e-12 * choice.magnitude:
            choice = following
            waiting = list(choice.rows)
    return choice
