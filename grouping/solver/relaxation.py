"""The linear relaxation, solved by column generation over a handful of rows.

Dantzig-Wolfe form. A column is a candidate c together with the requirements S that it serves; it costs
``open_c + sum_{t in S} value_tc``. There is one row per requirement and one per limit, however many candidates, and the
best column of every candidate is found in one vectorised pass: that of its reduced cost (see ``bound``). When none is
negative, the prices of the rows are optimal. Of a million candidates, a few thousand hot ones are priced first.
Sources: Dantzig and Wolfe 1960; sifting, Bixby et al. 1992.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.solver.ascent import climb
from grouping.solver.bound import lower_bound, most_networks, reduced_costs
from grouping.solver.master import GONE, NOBODY, Master
from grouping.solver.problem import Problem

__all__ = ["Relaxation", "relax", "sample"]

_EVERY_ROW = 1024  # up to that many candidates, pricing all of them costs no more than keeping a list of hot ones
_FEWEST_HOT, _MOST_HOT = 256, 1024
_SAMPLE = 4096
_ROUNDS = 200
_FEW = 6  # pivots for one pricing
_SURCHARGE = 4  # of a column that is gone, in multiples of the room that is left
_MANY_ROWS = 80  # beyond, the simplex method stalls


@dataclass(frozen=True, eq=False)
class Basis:
    """Columns of the relaxation's last basis, to start a child from. ``M`` = requirements + limits.

    Args:
        index_M: Candidate (position in the user's table) of each column; below 0 as in ``master``.
        column_MM: The columns themselves.
        cost_M: Their costs.
    """

    index_M: IntArray
    column_MM: FloatArray
    cost_M: FloatArray


@dataclass(frozen=True, eq=False)
class Relaxation:
    """The relaxation's optimum, or the prices at which it was seen to exceed the cutoff.

    Args:
        bound: Valid lower bound at ``duals_T`` and ``prices_D``.
        duals_T: Row prices.
        prices_D: Limit prices.
        share: Fraction at which each candidate is used, by position in the problem; basic candidates only.
        served: ``(requirement, candidate, fraction)`` of the basic columns.
        basis: For warm starts.
    """

    bound: float
    duals_T: FloatArray
    prices_D: FloatArray
    share: dict[int, float]
    served: tuple[tuple[int, int, float], ...]
    basis: Basis | None


def _bound_at(problem: Problem, duals_T: FloatArray, prices_D: FloatArray, most: int) -> tuple[float, FloatArray]:
    """The bound that prices prove, and the reduced costs [C]."""
    reduced_C = reduced_costs(problem, duals_T, prices_D)
    return lower_bound(problem, duals_T, prices_D, reduced_C, most), reduced_C


def _enter(master: Master, problem: Problem, row: int, tolerance: float = np.inf) -> bool:
    """Let the best column of a candidate enter, unless its reduced cost is not below -tolerance by now."""
    duals_T, prices_D = master.prices()
    value_T, cost_D = problem.value_TC[:, row], problem.cost_DC[:, row]
    serves_T = value_T < (np.inf if problem.partition else duals_T)
    cost = float(problem.open_C[row] + value_T[serves_T].sum())
    if tolerance < np.inf and cost + prices_D @ cost_D - duals_T[serves_T].sum() >= -tolerance:
        return False
    return bool(serves_T.any()) and master.enter(np.concatenate([serves_T, cost_D]), cost, row)


def _warm_master(problem: Problem, penalty_T: FloatArray, basis: Basis, surcharge: float) -> Master | None:
    """Start from a related problem's basis. Columns that are gone stay at a surcharge, so that prices change gently.

    Returns:
        None where the limits changed so much that this basis is no starting point.
    """
    master = Master(penalty_T, problem.limit_D)
    master.column_MM = basis.column_MM.copy()
    master.cost_M = basis.cost_M.copy()
    row_M = np.searchsorted(problem.index_C, basis.index_M).clip(max=len(problem.index_C) - 1)
    for slot, (index, row) in enumerate(zip(basis.index_M.tolist(), row_M.tolist(), strict=True)):
        if index == NOBODY:
            continue
        serves_T = master.column_MM[: master.n, slot] > 0
        if problem.index_C[row] == index and np.isfinite(values_T := problem.value_TC[serves_T, row]).all():
            master.owner_M[slot] = row
            master.cost_M[slot] = problem.open_C[row] + values_T.sum()
            master.column_MM[master.n :, slot] = problem.cost_DC[:, row]
        else:
            master.owner_M[slot] = GONE
            master.cost_M[slot] += surcharge
    try:
        master.factor()
    except np.linalg.LinAlgError:
        return None
    return master if master.feasible else None


def _solution(master: Master) -> tuple[dict[int, float], tuple[tuple[int, int, float], ...]]:
    """Basic candidates with their fractions."""
    share: dict[int, float] = {}
    served: list[tuple[int, int, float]] = []
    for slot, (row, level) in enumerate(zip(master.owner_M.tolist(), master.levels().tolist(), strict=True)):
        if row < 0 or level < 1e-7:
            continue
        share[row] = share.get(row, 0.0) + level
        served.extend((int(t), row, level) for t in np.flatnonzero(master.column_MM[: master.n, slot]))
    return share, tuple(served)


def _basis_of(master: Master, problem: Problem) -> Basis:
    index_M = np.where(master.owner_M >= 0, problem.index_C[np.maximum(master.owner_M, 0)], master.owner_M)
    return Basis(index_M, master.column_MM.copy(), master.cost_M.copy())


def relax(
    problem: Problem,
    penalty_T: FloatArray,
    cutoff: float,
    *,
    parent: Relaxation | None = None,
    start: tuple[int, ...] = (),
    expired: Callable[[], bool] = bool,
) -> Relaxation:
    """Solve the relaxation, or stop as soon as its bound exceeds the cutoff.

    Args:
        problem: At least one candidate.
        penalty_T: See ``penalties``.
        cutoff: A bound above it is as good as any other.
        parent: The relaxation of a wider problem, to start from.
        start: Candidates of a good grouping, brought into the basis first.
        expired: Asked before every pivot; True ends with the best bound so far.
    """
    most = most_networks(problem)
    # At the smallest values nothing is worth choosing: a bound before anything is known.
    low_T = problem.value_TC.min(axis=1)
    best = (problem.constant + float(low_T.sum()), low_T, np.zeros(len(problem.limit_D)))
    master: Master | None = None
    if problem.n_rows > _MANY_ROWS:
        return _by_ascent(problem, penalty_T, cutoff, parent, start, expired)
    if parent is not None:
        bound, reduced_C = _bound_at(problem, parent.duals_T, parent.prices_D, most)
        best = (bound, parent.duals_T, parent.prices_D)
        assert parent.basis is not None
        master = _warm_master(problem, penalty_T, parent.basis, _SURCHARGE * max(cutoff - bound, 0.0))
    if master is None:
        master = Master(penalty_T, problem.limit_D)
    for row in start:
        _enter(master, problem, row)
    # Penalties exceed every value, so they tell how large numbers are.
    tolerance = 1e-13 * max(float(np.abs(penalty_T).max()), 1e-300)
    hot = _HotList(problem, sample(problem)) if len(problem.index_C) > _EVERY_ROW else None
    if hot is not None and parent is not None:
        hot.refill(reduced_C, master.owner_M)
    fresh = False
    for _ in range(200 + 60 * master.m):
        if best[0] > cutoff or (np.isfinite(best[0]) and expired()):
            break
        duals_T, prices_D = master.prices()
        entered = master.enter_unit(duals_T, prices_D, tolerance)
        if not entered and hot is not None:
            for row in hot.best(duals_T, prices_D, -tolerance):
                entered |= _enter(master, problem, row, tolerance)
        if entered:
            fresh = False
            continue
        safe_T, safe_D = np.minimum(duals_T, penalty_T), np.maximum(prices_D, 0.0)
        bound, reduced_C = _bound_at(problem, safe_T, safe_D, most)
        if bound > best[0]:
            best = (bound, safe_T, safe_D)
        if hot is not None:
            hot.refill(reduced_C, master.owner_M)
        for row in _best_few(reduced_C, -tolerance):
            entered |= _enter(master, problem, row, tolerance)
        if entered:
            fresh = False
            continue
        if master.banish():
            continue
        if fresh or master.pivots == 0:
            break
        master.factor()  # what looks optimal must still be so with rounding errors removed
        fresh = True
    return Relaxation(*best, *_solution(master), _basis_of(master, problem))


def _by_ascent(
    problem: Problem,
    penalty_T: FloatArray,
    cutoff: float,
    parent: Relaxation | None,
    start: tuple[int, ...],
    expired: Callable[[], bool],
) -> Relaxation:
    """The relaxation as far as an ascent comes; shares are estimates."""
    if parent is None:
        served_T = problem.value_TC[:, list(start)].min(axis=1, initial=np.inf)
        first = np.minimum(served_T, penalty_T), np.zeros(len(problem.limit_D))
        peak = climb(problem, *first, cutoff, penalty_T, step=1.0, rounds=_ROUNDS, expired=expired)
    else:
        first = parent.duals_T, parent.prices_D
        peak = climb(problem, *first, cutoff, penalty_T, step=0.3, rounds=_ROUNDS // 10, expired=expired)
    bound, _ = _bound_at(problem, peak.duals_T, peak.prices_D, most_networks(problem))
    rows = np.flatnonzero(peak.share_C > 0.01)
    share = dict(zip(rows.tolist(), peak.share_C[rows].tolist(), strict=True))
    worth_TG = problem.value_TC[:, rows] < peak.duals_T[:, None]
    served = tuple((int(t), int(rows[g]), share[int(rows[g])]) for t, g in np.argwhere(worth_TG))
    return Relaxation(bound, peak.duals_T, peak.prices_D, share, served, None)


def sample(problem: Problem) -> IntArray:
    """Candidates that a first guess can rest on: all if few, else every so many-th and the best of each requirement."""
    if len(problem.index_C) <= _SAMPLE:
        return np.arange(len(problem.index_C))
    spaced = np.linspace(0, len(problem.index_C) - 1, _SAMPLE).astype(np.int64)
    return np.union1d(spaced, problem.value_TC.argmin(axis=1))


class _HotList:
    """The candidates that were most attractive at the last full pricing: they are priced first."""

    def __init__(self, problem: Problem, rows_H: IntArray) -> None:
        self.problem = problem
        self.size = max(_FEWEST_HOT, min(len(problem.index_C) // 8, _MOST_HOT))
        self._take(rows_H)

    def _take(self, rows_H: IntArray) -> None:
        self.rows_H = rows_H
        self.part = self.problem.keep(rows_H)

    def refill(self, reduced_C: FloatArray, basic: IntArray) -> None:
        """Keep the most attractive candidates and those in the basis."""
        self._take(np.union1d(np.argpartition(reduced_C, self.size)[: self.size], basic[basic >= 0]))

    def best(self, duals_T: FloatArray, prices_D: FloatArray, below: float) -> list[int]:
        """The most attractive hot candidates, by position in the problem."""
        reduced_H = reduced_costs(self.part, duals_T, np.maximum(prices_D, 0.0))
        few: list[int] = self.rows_H[_best_few(reduced_H, below)].tolist()
        return few


def _best_few(reduced_C: FloatArray, below: float) -> list[int]:
    """The candidates of the smallest reduced costs below a limit, best first: one pricing serves several pivots."""
    few = np.argpartition(reduced_C, _FEW)[:_FEW] if len(reduced_C) > _FEW else np.arange(len(reduced_C))
    few = few[reduced_C[few] < below]
    best: list[int] = few[reduced_C[few].argsort(kind="stable")].tolist()
    return best
