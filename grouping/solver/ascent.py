"""Prices for many tasks: subgradient ascent, where the simplex method would stall.

With a hundred requirements and few networks nearly every pivot of the simplex method is degenerate. But any prices
prove a bound (see ``bound``), so it is enough to climb. At prices ``u_t`` the relaxation chooses every candidate that
is worth its price: where that serves t more than once, ``u_t`` is too high, where not at all, too low. This difference
is a subgradient of the bound. Steps are Polyak's, towards the best known objective, along a mean of the last
subgradients, and get shorter while the bound does not rise. The first limit is a knapsack: its price is that of the
last candidate which fits, exactly. Most steps look at the most attractive candidates only, bounds come from all.

How often candidates were chosen lately estimates the relaxation's primal solution, which branching needs.
Sources: Held, Wolfe and Crowder 1974; the estimate: Barahona and Anbil 2000 (the volume algorithm).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.solver.bound import lower_bound, most_networks, reduced_costs
from grouping.solver.problem import Problem

__all__ = ["Peak", "climb"]

_HOT = 2000
_ROUND = 10  # steps between two looks at all candidates
_MEMORY = 0.6  # weight of the mean of earlier subgradients
_RECENT = 0.05  # weight of the last choice in the estimated shares
_PATIENCE = 4  # rounds without a better bound, before steps get shorter
_SHORTEST = 1e-3


@dataclass(frozen=True, eq=False)
class Peak:
    """The best prices met, and how often each candidate was chosen on the way, [C]."""

    duals_T: FloatArray
    prices_D: FloatArray
    share_C: FloatArray


def climb(
    problem: Problem,
    duals_T: FloatArray,
    prices_D: FloatArray,
    target: float,
    ceiling_T: FloatArray,
    *,
    step: float,
    rounds: int,
    expired: Callable[[], bool],
) -> Peak:
    """Raise the bound from the given prices until it exceeds the target, or rises no more.

    Args:
        problem: At least one candidate.
        duals_T, prices_D: Where to start.
        target: The best known objective.
        ceiling_T: Prices never exceed these.
        step: Length of the first steps, as a share of Polyak's, 0 to 2.
        rounds: At most that many looks at all candidates.
        expired: True ends the climb.
    """
    most = most_networks(problem)
    hot, part = np.arange(len(problem.index_C)), problem
    share_C = np.zeros(len(hot))
    peak, best, stalled = Peak(duals_T, prices_D, share_C), -np.inf, 0
    mean_T, mean_D = np.zeros_like(duals_T), np.zeros_like(prices_D)
    for _ in range(rounds):
        worth_C = reduced_costs(problem, duals_T, _without_first(prices_D))
        prices_D = _priced(problem, worth_C, prices_D)
        worth_C += _first_cost(problem, prices_D)
        bound = lower_bound(problem, duals_T, prices_D, worth_C, most)
        stalled = 0 if bound > best + 1e-6 * abs(best) else stalled + 1
        if bound > best:
            best, peak = bound, Peak(duals_T, prices_D, share_C)
        if best > target or step < _SHORTEST or expired():
            break
        if stalled == _PATIENCE:
            duals_T, prices_D, step, stalled = peak.duals_T, peak.prices_D, 0.7 * step, 0
        elif len(worth_C) > 2 * _HOT:
            hot = np.sort(np.argpartition(worth_C, _HOT)[:_HOT])
            part = problem.keep(hot)
        for _ in range(_ROUND):
            worth_C = reduced_costs(part, duals_T, _without_first(prices_D))
            prices_D = _priced(part, worth_C, prices_D)
            worth_C += _first_cost(part, prices_D)
            rows, level = _chosen(part, worth_C)
            share_C = (1 - _RECENT) * share_C
            share_C[hot[rows]] += _RECENT * level
            value_TG = part.value_TC[:, rows]
            serves_TG = np.isfinite(value_TG) if part.partition else value_TG < duals_T[:, None]
            mean_T = 1 - serves_TG @ level + _MEMORY * mean_T
            mean_D = part.cost_DC[:, rows] @ level - part.limit_D + _MEMORY * mean_D
            mean_D[:1] = 0.0
            length = float(mean_T @ mean_T + mean_D @ mean_D)
            if length < 1e-12:
                break
            move = (
                step * max(target - lower_bound(problem, duals_T, prices_D, worth_C, most), 1e-9 * abs(target)) / length
            )
            duals_T = np.minimum(duals_T + move * mean_T, ceiling_T)
            prices_D = np.maximum(prices_D + move * mean_D, 0.0)
    return Peak(peak.duals_T, peak.prices_D, share_C)


def _without_first(prices_D: FloatArray) -> FloatArray:
    others_D = prices_D.copy()
    others_D[:1] = 0.0
    return others_D


def _first_cost(problem: Problem, prices_D: FloatArray) -> FloatArray | float:
    return prices_D[0] * problem.cost_DC[0] if len(prices_D) else 0.0


def _priced(problem: Problem, worth_C: FloatArray, prices_D: FloatArray) -> FloatArray:
    """The limit prices with the best price of the first limit: the worth per cost of the last candidate that fits."""
    if not len(prices_D):
        return prices_D
    cost_C, limit = problem.cost_DC[0], problem.limit_D[0]
    rows = np.flatnonzero((worth_C < 0) & (cost_C > 0))
    order = rows[np.argsort(worth_C[rows] / cost_C[rows], kind="stable")]
    last = int(np.searchsorted(np.cumsum(cost_C[order]), limit))
    first = -worth_C[order[last]] / cost_C[order[last]] if last < len(order) else 0.0
    return np.concatenate([[first], prices_D[1:]])


def _chosen(problem: Problem, worth_C: FloatArray) -> tuple[IntArray, FloatArray]:
    """Candidates that are worth their price, and how far: the last one fills what the first limit leaves."""
    slack = 1e-12 * max(float(-worth_C.min(initial=0.0)), 1e-300)
    rows = np.flatnonzero(worth_C < -slack)
    level = np.ones(len(rows))
    if len(problem.limit_D):
        even = np.flatnonzero((np.abs(worth_C) <= slack) & (problem.cost_DC[0] > 0))
        left = float(problem.limit_D[0] - problem.cost_DC[0, rows].sum())
        if len(even) and left > 0:
            last = int(even[0])
            rows, level = np.append(rows, last), np.append(level, min(1.0, left / problem.cost_DC[0, last]))
    return rows, level
