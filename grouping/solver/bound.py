"""What prices prove: a lower bound of every grouping, and which candidates a better one can still use.

Prices ``u_t`` of the requirements and ``p_d >= 0`` of the limits, whatever they are, turn the problem into one that
every candidate answers for itself. Choosing c, with the services that are worth their price, changes the sum by ::

    r_c = open_c + sum_d p_d cost_dc + sum_t min(0, value_tc - u_t)        (reduced cost)

so that, since each candidate is chosen at most once and at most ``m`` are chosen at all (each serves somebody), ::

    optimum >= sum_t u_t - sum_d p_d limit_d + max(m * min(0, min_c r_c),  sum_c min(0, r_c))

The column generation of ``relaxation`` ends at prices where no ``r_c`` is negative, the ascent of ``ascent`` elsewhere.
Choosing c costs some *excess* above the bound, ``r_c - min(0, min_c r_c)`` or ``max(0, r_c)`` by which of the two it
is, and serving t from c another ``max(0, value_tc - u_t)``: what would exceed the best known objective is out.
Shared parts are left out, which only lowers the bound; branching settles them first. In a partition the sum over t runs
over all members, without the minimum.
Sources: strong facility location formulation, Cornuejols, Fisher and Nemhauser 1977; reduced-cost fixing is folklore.
"""

from __future__ import annotations

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.problem import Problem, blocks

__all__ = ["extremes", "lower_bound", "most_networks", "penalties", "reduced_costs", "survivors"]


def extremes(problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest finite value of each requirement, [T]; +inf and -inf where there is none."""
    low_T: FloatArray = problem.value_TC.min(axis=1, initial=np.inf)
    top_T = np.full(problem.n_rows, -np.inf)
    for block in blocks(len(problem.index_C)):
        value_TC = problem.value_TC[:, block]
        np.maximum(top_T, np.where(value_TC == np.inf, -np.inf, value_TC).max(axis=1), out=top_T)
    return low_T, top_T


def penalties(problem: Problem, low_T: FloatArray, top_T: FloatArray) -> FloatArray:
    """The price of leaving each requirement unmet, [T]: so high that every feasible grouping is better.

    Args:
        problem: The problem.
        low_T, top_T: Its ``extremes``, all finite.
    """
    spread = float((top_T - low_T).sum() + len(top_T) * problem.open_C.max(initial=0.0))
    return top_T + 2 * spread + max(1e-3 * float(np.abs(top_T).max(initial=0.0)), 1e-3 * spread, 1e-9)


def most_networks(problem: Problem) -> int:
    """An upper bound of the number of chosen candidates: each meets a requirement, and all fit into the limits."""
    most = problem.n_rows
    for cost_C, limit in zip(problem.cost_DC, problem.limit_D, strict=True):
        cheapest = float(cost_C.min(initial=np.inf))
        if cheapest > 0 and most * cheapest > limit:
            most = int(limit / cheapest)
    return most


def reduced_costs(problem: Problem, duals_T: FloatArray, prices_D: FloatArray) -> FloatArray:
    """``r_c`` of every candidate, [C]; see the module's docstring."""
    reduced_C = problem.open_C + prices_D @ problem.cost_DC if len(prices_D) else problem.open_C.copy()
    for block in blocks(len(reduced_C)):
        if problem.partition:
            margin_TC = problem.value_TC[:, block] - duals_T[:, None]
            margin_TC[margin_TC == np.inf] = 0.0
        else:  # min(0, value - u) = min(value, u) - u
            margin_TC = np.minimum(problem.value_TC[:, block], duals_T[:, None])
        reduced_C[block] += np.add.reduce(margin_TC, axis=0)
    return reduced_C if problem.partition else reduced_C - duals_T.sum()


def lower_bound(problem: Problem, duals_T: FloatArray, prices_D: FloatArray, reduced_C: FloatArray, most: int) -> float:
    """The bound that prices prove, given the reduced costs at those prices and the largest number of networks."""
    worst = float(reduced_C.min(initial=0.0))
    worst = max(most * worst, float(np.minimum(reduced_C, 0.0).sum())) if worst < 0 else 0.0
    return float(problem.constant + duals_T.sum() - prices_D @ problem.limit_D + worst)


def survivors(problem: Problem, duals_T: FloatArray, prices_D: FloatArray, room: float) -> tuple[IntArray, BoolArray]:
    """Candidates (positions) and their services [T, C] that a grouping within ``room`` above the bound can use."""
    reduced_C = reduced_costs(problem, duals_T, prices_D)
    worst = min(0.0, float(reduced_C.min(initial=0.0)))
    one_by_one = most_networks(problem) * worst < np.minimum(reduced_C, 0.0).sum()
    excess_C = np.maximum(reduced_C, 0.0) if one_by_one else reduced_C - worst
    rows = np.flatnonzero(excess_C <= room)
    value_TC = problem.value_TC[:, rows]
    if problem.partition:
        return rows, np.isfinite(value_TC)
    margin_TC = np.maximum(value_TC - duals_T[:, None], 0.0)
    kept_TC: BoolArray = np.less_equal(excess_C[rows] + margin_TC, room)
    served_C = kept_TC.any(axis=0)
    return rows[served_C], kept_TC[:, served_C]
