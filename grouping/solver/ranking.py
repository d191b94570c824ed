"""The next best groupings: what the best one leaves is cut into regions, and each has its own best.

In the t-th pair of regions the tasks before t have the losses that the grouping gives them, and t a smaller or a larger
one. So two ranked groupings never give all tasks the same losses. K. G. Murty, Operations Research 16 (1968).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grouping.candidates import FloatArray
from grouping.solver.branch_and_bound import Outcome
from grouping.solver.choice import Choice
from grouping.solver.problem import Problem

__all__ = ["next_best"]

Region = tuple[FloatArray, FloatArray]
"""Values lie above the first and up to the second, [T] each."""


def next_best(
    problem: Problem,
    first: Choice,
    count: int,
    n_tasks: int,
    best: Callable[[Problem], tuple[Outcome, Problem]],
    expired: Callable[[], bool],
) -> list[tuple[Outcome, Problem]]:
    """The ``count`` best groupings after the first, each with the part of the problem it is the best of.

    Args:
        problem: What ``first`` is the best grouping of.
        first: Its best choice.
        count: How many more.
        n_tasks: How many requirements are tasks.
        best: Solves a part; returns the outcome and the problem its rows refer to.
        expired: True ends the ranking with what there is.
    """
    everything = np.full(problem.n_rows, -np.inf), np.full(problem.n_rows, np.inf)
    waiting: list[tuple[Outcome, Problem, Region]] = []
    ranked: list[tuple[Outcome, Problem]] = []
    regions = _regions(problem, first, everything, n_tasks)
    while len(ranked) < count and not expired():
        for region in regions:
            outcome, part = best(problem.between(*region))
            if outcome.choice is not None:
                waiting.append((outcome, part, region))
        if not waiting:
            break
        following = min(waiting, key=_rank)
        waiting.remove(following)
        outcome, part, region = following
        ranked.append((outcome, part))
        assert outcome.choice is not None
        regions = _regions(part, outcome.choice, region, n_tasks)
    return ranked


def _rank(found: tuple[Outcome, Problem, Region]) -> tuple[object, ...]:
    choice = found[0].choice
    assert choice is not None
    return (choice.objective, choice.cost, len(choice.rows), sorted(found[1].key(row) for row in choice.rows))


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
