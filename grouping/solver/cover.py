"""Covering: serve every task at all, whatever the loss, within the limits or at the least price.

What is dominated never helps to cover: a candidate that meets nothing which another one at no more cost does not.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.choice import Choice
from grouping.solver.clock import Clock
from grouping.solver.formulate import spendable
from grouping.solver.problem import Problem

__all__ = ["any_cover", "cheapest_cover", "first_of_each"]


def any_cover(problem: Problem, clock: Clock) -> Outcome:
    """Some grouping within the limits, with rows of the given problem; its objective is 0."""
    few = problem.keep(_undominated(problem, problem.charge_C))
    free = few.flat(np.zeros(len(few.index_C)), np.zeros(len(few.uses_KC)))
    return _outside(problem, few, minimise(free, clock, worth=lambda best: best - 1.0))


def cheapest_cover(problem: Problem, price_C: FloatArray, shared_price_K: FloatArray, clock: Clock) -> Outcome:
    """A grouping of the smallest sum of prices, with rows of the given problem; its objective is that sum."""
    kept = _undominated(problem, price_C)
    few, price_C = problem.keep(kept), price_C[kept]
    priced = few.flat(price_C, shared_price_K)

    def worth(best: float) -> float:
        if shared_price_K.any():
            return best - 1e-12 * abs(best) - 1e-300
        # The next smaller sum is rounded, so a bound that equals it may lie a little above.
        return spendable(best * (1 - 1e-9), price_C, problem.n_rows) + 1e-12 * best if best > 0 else -1.0

    return _outside(problem, few, minimise(priced, clock, worth=worth))


def _outside(problem: Problem, part: Problem, found: Outcome) -> Outcome:
    if found.choice is None:
        return found
    rows = np.searchsorted(problem.index_C, part.index_C[list(found.choice.rows)]).tolist()
    choice = found.choice
    return replace(found, choice=Choice(tuple(rows), choice.objective, choice.cost, choice.magnitude), proof=())


def _undominated(problem: Problem, price_C: FloatArray) -> IntArray:
    """Candidates, by position, that meet something which no other one meets at the same or a lower price and cost."""
    rows = first_of_each(problem, price_C)
    if problem.partition:
        return rows
    meets_CT = np.isfinite(problem.value_TC[:, rows]).T
    cost_CL = np.vstack([problem.cost_DC[:, rows], price_C[rows], problem.uses_KC[:, rows]]).T
    kept: list[int] = []
    for row in np.argsort(-meets_CT.sum(axis=1), kind="stable").tolist():
        wider_G = ~(meets_CT[row] & ~meets_CT[kept]).any(axis=1) & (cost_CL[kept] <= cost_CL[row]).all(axis=1)
        if not wider_G.any():
            kept.append(row)
    return np.sort(rows[kept])


def first_of_each(problem: Problem, price_C: FloatArray) -> IntArray:
    """Of all candidates that meet the same at the same price and cost, the one that ties prefer."""
    alike_CL = np.vstack([np.isfinite(problem.value_TC), problem.cost_DC, price_C, problem.uses_KC]).T
    best: dict[bytes, int] = {}
    for row, alike_L in enumerate(alike_CL):
        known = best.setdefault(alike_L.tobytes(), row)
        if known != row and problem.key(row) < problem.key(known):
            best[alike_L.tobytes()] = row
    return np.array(sorted(best.values()), dtype=np.int64)
