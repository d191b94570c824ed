"""The next best groupings: what the best one leaves is cut into regions, and each has its own best.

In the t-th pair of regions the tasks before t have the losses that the grouping gives them, and t a smaller or a larger
one. So two ranked groupings never give all tasks the same losses. K. G. Murty, Operations Research 16 (1968).

Most regions are never searched. What proved the best grouping says of every service how good a grouping with it can be
at most; so there is a floor under each region, and it waits until no lower one is left. And the groupings met so far
say how bad the last one wanted can be at most; services that cannot keep up with it are left out.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.solver.branch_and_bound import Outcome
from grouping.solver.choice import Choice, preference, tie_tolerance
from grouping.solver.clock import Clock
from grouping.solver.problem import Problem

__all__ = ["next_best"]

_SLACK = 1e-9
"""Floors and ceilings are compared with this tolerance, relative to the size of the losses."""

Region = tuple[FloatArray, FloatArray]
"""Values lie above the first and up to the second, [T] each."""


@dataclass(order=True)
class _Waiting:
    """A region, smallest floor first; ``found`` is its best and the problem that is the best of, once searched."""

    floor: float
    age: int
    region: Region = field(compare=False)
    found: tuple[Outcome, Problem] | None = field(compare=False, default=None)


def next_best(
    problem: Problem,
    first: Outcome,
    count: int,
    n_tasks: int,
    best: Callable[[Problem], tuple[Outcome, Problem]],
    clock: Clock,
    *,
    worst: bool = False,
) -> list[tuple[Outcome, Problem]]:
    """The ``count`` best groupings after the first, each with the part of the problem it is the best of.

    Args:
        problem: What ``first`` is the best grouping of.
        first: Its best grouping.
        count: How many more.
        n_tasks: How many requirements are tasks.
        best: Solves a part; returns the outcome and the problem its rows refer to.
        clock: Ends the ranking with what there is.
        worst: The objective is the largest value of a task; else it is their sum.
    """
    assert first.choice is not None
    slack = _SLACK * max(first.choice.magnitude, abs(first.choice.objective))
    met = _Met(problem, first.choice, count, n_tasks, worst=worst)
    ceiling, least_TC = math.inf, _least(problem, first, n_tasks, worst=worst)
    everything = np.full(problem.n_rows, -np.inf), np.full(problem.n_rows, np.inf)
    age = itertools.count()
    regions = _regions(problem, first.choice, everything, n_tasks)
    waiting: list[_Waiting] = []
    ranked: list[tuple[Outcome, Problem]] = []
    try:
        while len(ranked) < count and not clock.expired():
            if met.ceiling < ceiling:
                ceiling = met.ceiling
                problem, least_TC = _within(problem, least_TC, ceiling + slack)
            for region in regions:
                floor = _floor(problem, least_TC, region)
                if floor <= ceiling + slack:
                    # Half a slack lower: what may tie with a region's best is searched before that is ranked.
                    heapq.heappush(waiting, _Waiting(floor - slack / 2, next(age), region))
            regions = []
            if not waiting:
                break
            following = heapq.heappop(waiting)
            if following.found is None:
                outcome, part = best(problem.between(*following.region))
                if outcome.choice is not None:
                    met.add(part, outcome.choice)
                    found = _Waiting(outcome.choice.objective, next(age), following.region, (outcome, part))
                    heapq.heappush(waiting, found)
                continue
            following = _preferred(following, waiting)
            assert following.found is not None
            ranked.append(following.found)
            outcome, part = following.found
            assert outcome.choice is not None
            regions = _regions(part, outcome.choice, following.region, n_tasks)
    except KeyboardInterrupt:
        clock.interrupt()
    return ranked


def _least(problem: Problem, first: Outcome, n_tasks: int, *, worst: bool) -> FloatArray:
    """What every grouping costs at least in which candidate c serves t, [T, C].

    For a sum by the prices of the first search, as in ``bound``: ``LB + r_c + max(0, value_tc - u_t)``.
    """
    served_TC = np.isfinite(problem.value_TC)
    if worst:
        decides_T1 = (np.arange(problem.n_rows) < n_tasks)[:, None]
        return np.where(served_TC & ~decides_T1, -np.inf, problem.value_TC)
    if not first.proof or not first.proof[0].duals_T:
        return np.where(served_TC, -np.inf, np.inf)
    duals_T = np.array(first.proof[0].duals_T)
    prices_D = np.array(first.proof[0].prices_D)
    margin_TC = np.where(served_TC, problem.value_TC - duals_T[:, None], 0.0)
    reduced_C = (margin_TC if problem.partition else np.minimum(margin_TC, 0.0)).sum(axis=0)
    reduced_C += problem.open_C + prices_D @ problem.cost_DC
    # Each requirement is served by one network: that many reduced costs may be negative by rounding.
    most_negative = min(0.0, float(reduced_C.min()))
    bound = problem.constant + float(duals_T.sum() - prices_D @ problem.limit_D) + problem.n_rows * most_negative
    extra_TC = 0.0 if problem.partition else np.maximum(margin_TC, 0.0)
    return np.where(served_TC, bound + (reduced_C - most_negative) + extra_TC, np.inf)


def _within(problem: Problem, least_TC: FloatArray, ceiling: float) -> tuple[Problem, FloatArray]:
    """What groupings up to the ceiling are made of."""
    kept_TC: BoolArray = np.less_equal(least_TC, ceiling)
    kept_C: BoolArray = np.logical_or.reduce(kept_TC, axis=0)
    if not problem.partition:
        problem = replace(problem, value_TC=np.where(kept_TC, problem.value_TC, np.inf))
    return problem.keep(kept_C), np.where(kept_TC, least_TC, np.inf)[:, kept_C]


def _floor(problem: Problem, least_TC: FloatArray, region: Region) -> float:
    """A lower bound of the objective in a region; infinite where some requirement cannot be met."""
    above_T, up_to_T = region
    gone_C = (problem.value_TC <= above_T[:, None]).any(axis=0)
    possible_TC = (problem.value_TC <= up_to_T[:, None]) & ~gone_C
    return float(np.where(possible_TC, least_TC, np.inf).min(axis=1, initial=np.inf).max())


def _preferred(one: _Waiting, waiting: list[_Waiting]) -> _Waiting:
    """Of the regions whose bests tie, the one to rank; the others go on waiting."""
    assert one.found is not None
    assert one.found[0].choice is not None
    tied = [one]
    limit = one.floor + tie_tolerance(one.floor, one.found[0].choice.magnitude)
    while waiting and waiting[0].found is not None and waiting[0].floor <= limit:
        tied.append(heapq.heappop(waiting))
    tied.sort(key=_rank)
    for other in tied[1:]:
        heapq.heappush(waiting, other)
    return tied[0]


def _rank(waiting: _Waiting) -> tuple[object, ...]:
    assert waiting.found is not None
    outcome, part = waiting.found
    assert outcome.choice is not None
    choice = outcome.choice
    return (float(f"{choice.cost:.9e}"), len(choice.rows), preference(part, choice.rows))


def _regions(problem: Problem, choice: Choice, region: Region, n_tasks: int) -> list[Region]:
    """What is left of a region without the groupings that give the tasks the same values."""
    value_T = problem.value_TC[:, list(choice.rows)].min(axis=1)
    above_T, up_to_T = region[0].copy(), region[1].copy()
    regions: list[Region] = []
    for t in range(n_tasks):
        just_below = np.nextafter(value_T[t], -np.inf)
        smaller_T, larger_T = up_to_T.copy(), above_T.copy()
        smaller_T[t], larger_T[t] = just_below, value_T[t]
        regions += [(above_T.copy(), smaller_T), (larger_T, up_to_T.copy())]
        above_T[t], up_to_T[t] = just_below, value_T[t]
    return regions


class _Met:
    """Groupings that were met, by the values they give the tasks: the last one wanted is at most this bad."""

    def __init__(self, problem: Problem, first: Choice, count: int, n_tasks: int, *, worst: bool) -> None:
        self._count, self._n_tasks = count, n_tasks
        self._total = np.max if worst else np.sum
        self._objective: dict[bytes, float] = {}
        # Else a neighbour might let a pair share where nobody is served, or cost more than its networks.
        if problem.n_rows == n_tasks and not len(problem.uses_KC):
            self._add_neighbours(problem, first)

    @property
    def ceiling(self) -> float:
        """The ``count``-th smallest objective that was met."""
        if len(self._objective) < self._count:
            return math.inf
        return heapq.nsmallest(self._count, self._objective.values())[-1]

    def add(self, problem: Problem, choice: Choice) -> None:
        """Remember a grouping."""
        value_T = problem.value_TC[: self._n_tasks, list(choice.rows)].min(axis=1)
        self._objective[value_T.tobytes()] = float(self._total(value_T))

    def _add_neighbours(self, problem: Problem, first: Choice) -> None:
        """One network of the first grouping replaced by any other, or any other added to it."""
        value_T = problem.value_TC[:, list(first.rows)].min(axis=1)
        for dropped in (None, *first.rows):
            rest = [row for row in first.rows if row != dropped]
            rest_T = problem.value_TC[:, rest].min(axis=1, initial=np.inf)
            cost_DC = problem.cost_DC + problem.cost_DC[:, rest].sum(axis=1)[:, None]
            value_TC = np.minimum(problem.value_TC, rest_T[:, None])
            possible_C = (cost_DC <= problem.limit_D[:, None]).all(axis=0) & np.isfinite(value_TC).all(axis=0)
            if problem.partition:
                possible_C &= (np.isfinite(problem.value_TC) ^ np.isfinite(rest_T)[:, None]).all(axis=0)
            total_C = self._total(value_TC, axis=0)
            columns = np.flatnonzero(possible_C & (value_TC != value_T[:, None]).any(axis=0))
            for column in columns[np.argsort(total_C[columns])[: 2 * self._count]].tolist():
                self._objective[value_TC[:, column].tobytes()] = float(total_C[column])
