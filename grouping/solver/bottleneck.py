"""The min-max objective: the grouping whose worst-served task is served best, at the least cost.

A threshold is attainable when the tasks can be covered within the limits by services at or below it. The smallest
attainable one is found by bisection over the losses in the table; every step is a covering problem. What is dominated
never helps to cover: a candidate that serves, below the threshold, no task that another one at no more cost does not.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.solver.branch_and_bound import Outcome, minimise
from grouping.solver.choice import Choice, Incumbent, evaluate
from grouping.solver.clock import Clock
from grouping.solver.formulate import spendable
from grouping.solver.problem import Problem
from grouping.solver.ties import break_ties

__all__ = ["minimise_maximum"]


def minimise_maximum(problem: Problem, n_tasks: int, clock: Clock) -> Outcome:
    """The best grouping by its largest value; ties as everywhere: lowest cost, fewest networks, first members.

    Args:
        problem: The problem.
        n_tasks: How many of its requirements are tasks; the others only have to be met.
        clock: When to stop.
    """
    lowest = float(problem.value_TC[:n_tasks].min(initial=np.inf))
    others_TC = np.where(np.isfinite(problem.value_TC[n_tasks:]), lowest, np.inf)
    problem = replace(problem, value_TC=np.vstack([problem.value_TC[:n_tasks], others_TC]))
    floor_T = problem.value_TC.min(axis=1, initial=np.inf)
    if np.isinf(floor_T).any():
        return Outcome(None, math.inf, complete=True, nodes=0)
    served_TC = np.isfinite(problem.value_TC) & (problem.value_TC >= floor_T.max())
    value_N = np.unique(problem.value_TC[served_TC])
    best = _cover(problem, float(value_N[-1]), clock)
    if best.choice is None:
        return best
    low, high = 0, _position(value_N, best)
    while low < high and not clock.expired():
        middle = (low + high) // 2
        found = _cover(problem, float(value_N[middle]), clock)
        if found.choice is not None:
            best, high = found, _position(value_N, found)  # often far below the threshold that was asked for
        elif found.complete:
            low = middle + 1
        else:
            break
    proven = low == high and not clock.stopped
    if proven:
        best = _cheapest(problem, float(value_N[high]), best, clock)
    return replace(best, bound=float(value_N[low]), complete=proven and best.complete, proof=())


def _position(value_N: FloatArray, outcome: Outcome) -> int:
    assert outcome.choice is not None
    return int(np.searchsorted(value_N, outcome.choice.objective))


def _below(problem: Problem, threshold: float) -> Problem:
    """Only services at or below the threshold."""
    return problem.between(np.full(problem.n_rows, -np.inf), np.full(problem.n_rows, threshold))


def _cover(problem: Problem, threshold: float, clock: Clock) -> Outcome:
    """Any grouping within the limits that serves everything at or below the threshold."""
    under = _below(problem, threshold)
    under = under.keep(_undominated(under))
    free = under.flat(np.zeros(len(under.index_C)), np.zeros(len(under.uses_KC)))
    return _as_asked(problem, under, minimise(free, clock, worth=lambda best: best - 1.0))


def _cheapest(problem: Problem, threshold: float, known: Outcome, clock: Clock) -> Outcome:
    """The grouping preferred among all that serve everything at or below the threshold."""
    assert known.choice is not None
    under = _below(problem, threshold)
    few = under.keep(_undominated(under))
    prices_C, n_rows, shared = few.charge_C, problem.n_rows, few.uses_KC.any()
    priced = few.flat(prices_C, few.shared_charge_K)
    found = minimise(
        priced,
        clock,
        worth=lambda best: best * (1 - 1e-12) - 1e-300 if shared else spendable(best * (1 - 1e-9), prices_C, n_rows),
    )
    if found.choice is None or not found.complete:
        return replace(known, complete=found.complete)
    whole = under.flat(under.charge_C, under.shared_charge_K)
    start = np.searchsorted(whole.index_C, few.index_C[list(found.choice.rows)]).tolist()
    incumbent = Incumbent(whole, found.choice.objective)
    incumbent.offer(evaluate(whole, start))
    rows = _first_of_each(whole)
    break_ties(whole, rows.tolist(), np.isfinite(whole.value_TC[:, rows]), incumbent)
    return _as_asked(problem, under, replace(found, choice=incumbent.choice))


def _as_asked(problem: Problem, part: Problem, found: Outcome) -> Outcome:
    """The outcome for a part of a problem, in the whole problem's positions and values."""
    if found.choice is None:
        return found
    rows = tuple(np.searchsorted(problem.index_C, part.index_C[list(found.choice.rows)]).tolist())
    worst = float(problem.value_TC[:, list(rows)].min(axis=1).max())
    return replace(found, choice=Choice(rows, worst, found.choice.cost, abs(worst)))


def _undominated(problem: Problem) -> IntArray:
    """Candidates, by position, that meet something which no other one meets at the same or less cost."""
    rows = _first_of_each(problem)
    if problem.partition:
        return rows
    meets_CT = np.isfinite(problem.value_TC[:, rows]).T
    cost_CL = np.vstack([problem.cost_DC[:, rows], problem.charge_C[rows], problem.uses_KC[:, rows]]).T
    kept: list[int] = []
    for row in np.argsort(-meets_CT.sum(axis=1), kind="stable").tolist():
        wider_G = ~(meets_CT[row] & ~meets_CT[kept]).any(axis=1) & (cost_CL[kept] <= cost_CL[row]).all(axis=1)
        if not wider_G.any():
            kept.append(row)
    return np.sort(rows[kept])


def _first_of_each(problem: Problem) -> IntArray:
    """Of all candidates that meet the same at the same cost, the one that ties prefer."""
    alike_CL = np.vstack([np.isfinite(problem.value_TC), problem.cost_DC, problem.charge_C, problem.uses_KC]).T
    best: dict[bytes, int] = {}
    for row, alike_L in enumerate(alike_CL):
        known = best.setdefault(alike_L.tobytes(), row)
        if known != row and problem.key(row) < problem.key(known):
            best[alike_L.tobytes()] = row
    return np.array(sorted(best.values()), dtype=np.int64)
