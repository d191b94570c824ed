"""The min-max objective: the grouping whose worst-served task is served best, at the least cost.

A threshold is attainable when the tasks can be covered within the limits by services at or below it. The smallest
attainable one is found by bisection over the losses in the table; every step is a covering problem.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.solver.branch_and_bound import Outcome
from grouping.solver.choice import Choice, Incumbent, evaluate
from grouping.solver.clock import Clock
from grouping.solver.cover import any_cover, cheapest_cover, first_of_each
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
    low, best = 0, Outcome(None, float(value_N[0]), complete=False, nodes=0)
    try:
        best = _cover(problem, float(value_N[-1]), clock)
        if best.choice is None:
            return best
        high = _position(value_N, best)
        while low < high and not clock.expired():
            middle = (low + high) // 2
            found = _cover(problem, float(value_N[middle]), clock)
            if found.choice is not None:
                best, high = found, _position(value_N, found)  # often far below the threshold that was asked for
            elif found.complete:
                low = middle + 1
            else:
                break
        if low == high and not clock.stopped:
            best = _cheapest(problem, float(value_N[high]), best, clock)
            return replace(best, bound=float(value_N[low]), proof=())
    except KeyboardInterrupt:
        clock.interrupt()
    return replace(best, bound=float(value_N[low]), complete=False, proof=())


def _position(value_N: FloatArray, outcome: Outcome) -> int:
    assert outcome.choice is not None
    return int(np.searchsorted(value_N, outcome.choice.objective))


def _below(problem: Problem, threshold: float) -> Problem:
    """Only services at or below the threshold."""
    return problem.between(np.full(problem.n_rows, -np.inf), np.full(problem.n_rows, threshold))


def _cover(problem: Problem, threshold: float, clock: Clock) -> Outcome:
    """Any grouping within the limits that serves everything at or below the threshold."""
    under = _below(problem, threshold)
    return _as_asked(problem, under, any_cover(under, clock))


def _cheapest(problem: Problem, threshold: float, known: Outcome, clock: Clock) -> Outcome:
    """The grouping preferred among all that serve everything at or below the threshold."""
    under = _below(problem, threshold)
    found = cheapest_cover(under, under.charge_C, under.shared_charge_K, clock)
    if found.choice is None or not found.complete:
        return replace(known, complete=found.complete)
    priced = under.flat(under.charge_C, under.shared_charge_K)
    incumbent = Incumbent(priced, found.choice.objective)
    incumbent.offer(evaluate(priced, found.choice.rows))
    rows = first_of_each(priced, priced.charge_C)
    break_ties(priced, rows.tolist(), np.isfinite(priced.value_TC[:, rows]), incumbent, clock.expired)
    return _as_asked(problem, under, replace(found, choice=incumbent.choice))


def _as_asked(problem: Problem, part: Problem, found: Outcome) -> Outcome:
    """The outcome for a part of a problem, in the whole problem's positions and values."""
    if found.choice is None:
        return found
    rows = tuple(np.searchsorted(problem.index_C, part.index_C[list(found.choice.rows)]).tolist())
    worst = float(problem.value_TC[:, list(rows)].min(axis=1).max())
    return replace(found, choice=Choice(rows, worst, found.choice.cost, abs(worst)))
