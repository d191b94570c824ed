"""Among many equally good groupings, the one that ``choice`` prefers: a depth-first search over covers.

It is needed only where more candidates tie than can be tried all together, when losses are rounded to a digit, say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from grouping.candidates import BoolArray
from grouping.solver.choice import Incumbent, evaluate
from grouping.solver.problem import Problem

__all__ = ["break_ties"]

_STEPS = 20_000
"""The search ends after so many partial covers with the best found: deterministic still, but heuristic."""


def break_ties(
    problem: Problem, rows: list[int], kept_TC: BoolArray, incumbent: Incumbent, expired: Callable[[], bool]
) -> None:
    """Offer the incumbent every cover that could be preferred to it.

    Always branches on the unmet requirement with the fewest candidates. A partial cover is given up when the cheapest
    conceivable completion costs more than the incumbent, or as much with more networks: a requirement costs at least
    ``min cost_c / |S_c|`` over the candidates c that can meet it, ``S_c`` being all that c can meet.

    Args:
        problem: The whole problem.
        rows: Candidates that tied groupings are made of, by position in the problem.
        kept_TC: Which services they may take, [T, len(rows)].
        incumbent: Receives the offers.
        expired: True ends the search with the best found.
    """
    order = sorted(range(len(rows)), key=lambda column: problem.key(rows[column]))
    size_C = kept_TC.sum(axis=0)
    charge_C = problem.charge_C[rows]
    cost_T = np.where(kept_TC, charge_C / np.maximum(size_C, 1), np.inf).min(axis=1).tolist()
    count_T = np.where(kept_TC, 1 / np.maximum(size_C, 1), np.inf).min(axis=1).tolist()
    mask = [int(sum(1 << t for t in np.flatnonzero(kept_TC[:, column]).tolist())) for column in range(len(rows))]
    servers_T = [[column for column in order if kept_TC[t, column]] for t in range(problem.n_rows)]
    rare_first = sorted(range(problem.n_rows), key=lambda t: (len(servers_T[t]), t))
    stack: list[tuple[frozenset[int], int, float]] = [(frozenset(), 0, 0.0)]
    seen: set[frozenset[int]] = set()
    while stack and len(seen) < _STEPS and not expired():
        chosen, met, cost = stack.pop()
        best = incumbent.choice
        assert best is not None
        unmet = [t for t in rare_first if not met >> t & 1]
        slack = 1e-12 * abs(best.cost)
        least_cost = cost + sum(cost_T[t] for t in unmet) * (1 - 1e-12)
        least_count = len(chosen) + sum(count_T[t] for t in unmet) - 1e-9
        if least_cost > best.cost + slack or (least_cost >= best.cost - slack and least_count > len(best.rows)):
            continue
        if not unmet:
            incumbent.offer(evaluate(problem, [rows[column] for column in chosen]))
            continue
        for column in reversed(servers_T[unmet[0]]):
            following = chosen | {column}
            if following in seen or (problem.partition and met & mask[column]):
                continue
            seen.add(following)
            stack.append((following, met | mask[column], cost + float(charge_C[column])))
