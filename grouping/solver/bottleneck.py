"""The min-max objective: the grouping whose worst-served task is served best, at the least cost.

A threshold is attainable when the tasks can be covered within the limits by services at or below it. The smallest
attainable one is found by bisection over the losses in the table; every step is a covering problem.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.choice import Choice
from grouping.solver.clock import Clock
from grouping.solver.problem import Problem

__all__ = ["minimise_maximum"]


def minimise_maximum(problem: Problem, clock: Clock) -> Outcome:
    """The best grouping by its largest value; ties as everywhere: lowest cost, fewest networks, first members."""
    floor_T = problem.value_TC.min(axis=1, initial=np.inf)
    if np.isinf(floor_T).any():
        return Outcome(None, math.inf, complete=True, nodes=0)
    served_TC = np.isfinite(problem.value_TC) & (problem.value_TC >= floor_T.max())
    value_N = np.unique(problem.value_TC[served_TC])
    best = _cover(problem, float(value_N[-1]), clock)
    low, high = 0, len(value_N) - 1
    while low < high and best.choice is not None and not clock.expired():
        # What a cover attains is often far below the threshold it was asked for.
        high = min(high, int(np.searchsorted(value_N, best.choice.objective)))
        if low >= high:
            break
        middle = (low + high) // 2
        found = _cover(problem, float(value_N[middle]), clock)
        if found.choice is not None:
            best, high = found, middle
        elif found.complete:
            low = middle + 1
        else:
            break
    if best.choice is None:
        return best
    if low == high and best.choice.objective < value_N[high]:
        best = _cover(problem, best.choice.objective, clock)
    return replace(best, bound=float(value_N[low]), complete=low == high and best.complete, proof=())


def _cover(problem: Problem, threshold: float, clock: Clock) -> Outcome:
    """The cheapest grouping that serves everything at or below the threshold."""
    nothing_T = np.full(problem.n_rows, -np.inf)
    under = problem.between(nothing_T, np.full(problem.n_rows, threshold))
    found = minimise(under.flat(under.charge_C, under.shared_charge_K), clock)
    if found.choice is None:
        return found
    position = {index: row for row, index in enumerate(problem.index_C.tolist())}
    rows = tuple(sorted(position[int(under.index_C[row])] for row in found.choice.rows))
    worst = float(problem.value_TC[:, list(rows)].min(axis=1).max())
    return replace(found, choice=Choice(rows, worst, found.choice.cost, abs(worst)))
