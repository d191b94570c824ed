"""A lower bound of the grouping problem: its linear relaxation, solved by column generation over a handful of rows.

Dantzig-Wolfe form. A column is a candidate c together with the requirements S that it serves; it costs
``open_c + sum_{t in S} value_tc``. There is one row per requirement and one per limit, however many candidates. At row
prices ``u_t`` and limit prices ``p_d >= 0`` the best column of every candidate is found in one vectorised pass::

    r_c = open_c + sum_d p_d cost_dc + sum_t min(0, value_tc - u_t)        (reduced cost)

and *any* such prices prove a bound, since at most ``m`` networks are chosen (each serves somebody)::

    optimum >= sum_t u_t - sum_d p_d limit_d + m * min(0, min_c r_c)

Choosing c costs at least ``r_c`` above that bound, and serving t from c another ``max(0, value_tc - u_t)``: what would
exceed the best known objective is fixed to zero. In a partition the sum runs over all members, without the minimum.
Sources: Dantzig and Wolfe 1960; strong facility location formulation, Cornuejols, Fisher and Nemhauser 1977.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.solver.problem import Problem

__all__ = ["Basis", "Relaxation", "most_networks", "penalties", "relax", "survivors"]

_HOT = 512
_EVERY_ROW = 4096  # up to that many candidates, pricing all of them costs no more than keeping a list of hot ones
_REFACTOR = 40
_PIVOT = 1e-9


@dataclass(frozen=True, eq=False)
class Basis:
    """Columns of the relaxation's last basis, to start a child from. ``M`` = requirements + limits.

    Args:
        index_M: Candidate (position in the user's table) of each column; -1 for slacks and penalties.
        column_MM: The columns themselves.
    """

    index_M: IntArray
    column_MM: FloatArray


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
    basis: Basis


def penalties(problem: Problem) -> FloatArray:
    """The price of leaving each requirement unmet, [T]: so high that every feasible grouping is better."""
    finite_TC = np.isfinite(problem.value_TC)
    top_T = np.where(finite_TC, problem.value_TC, -np.inf).max(axis=1, initial=-np.inf)
    low_T = np.where(finite_TC, problem.value_TC, np.inf).min(axis=1, initial=np.inf)
    top_T = np.where(np.isfinite(top_T), top_T, 0.0)
    low_T = np.where(np.isfinite(low_T), low_T, 0.0)
    spread = float((top_T - low_T).sum() + len(top_T) * problem.open_C.max(initial=0.0))
    return top_T + 2 * spread + max(1e-3 * float(np.abs(top_T).max(initial=0.0)), 1e-3 * spread, 1e-9)


def most_networks(problem: Problem) -> int:
    """An upper bound of the number of chosen candidates: each meets a requirement, and all fit into the limits."""
    most = problem.n_rows
    for cost_C, limit in zip(problem.cost_DC, problem.limit_D, strict=True):
        cheapest = float(cost_C.min(initial=np.inf))
        if cheapest > 0:
            most = min(most, int(min(limit / cheapest, most)))
    return most


def reduced_costs(problem: Problem, duals_T: FloatArray, prices_D: FloatArray) -> FloatArray:
    """``r_c`` of every candidate, [C]; see the module's docstring."""
    margin_TC = problem.value_TC - duals_T[:, None]
    if problem.partition:
        margin_TC[np.isinf(margin_TC)] = 0.0
    else:
        np.minimum(margin_TC, 0.0, out=margin_TC)
    reduced_C: FloatArray = np.add.reduce(margin_TC, axis=0)
    reduced_C += problem.open_C
    if len(prices_D):
        reduced_C += prices_D @ problem.cost_DC
    return reduced_C


def lower_bound(problem: Problem, duals_T: FloatArray, prices_D: FloatArray, reduced_C: FloatArray, most: int) -> float:
    """The bound that prices prove, given the reduced costs at those prices and the largest number of networks."""
    worst = float(reduced_C.min(initial=0.0))
    return float(problem.constant + duals_T.sum() - prices_D @ problem.limit_D + most * min(0.0, worst))


class _Master:
    """The simplex method on the current basis; candidates' columns exist only while they are basic."""

    def __init__(self, problem: Problem, penalty_T: FloatArray) -> None:
        self.problem = problem
        self.penalty_T = penalty_T
        self.n = problem.n_rows
        self.m = self.n + len(problem.limit_D)
        self.right_M = np.concatenate([np.ones(self.n), problem.limit_D])
        # Distinct right-hand sides keep the simplex from cycling where many groupings are equal; prices stay exact.
        self.perturbed_M = self.right_M + 1e-7 * (1 + np.arange(self.m) * 0.6180339887498949 % 1)
        self.column_MM = np.eye(self.m)  # column i stands in column i
        self.cost_M = np.concatenate([penalty_T, np.zeros(self.m - self.n)])
        self.row_M = np.full(self.m, -1)
        self.factor()

    def factor(self) -> None:
        self.inverse_MM = np.linalg.inv(self.column_MM)
        self.level_M = self.inverse_MM @ self.perturbed_M
        self.pivots = 0

    def prices(self) -> tuple[FloatArray, FloatArray]:
        price_M = self.cost_M @ self.inverse_MM
        return price_M[: self.n], -price_M[self.n :]

    def enter(self, column_M: FloatArray, cost: float, row: int) -> bool:
        """Bring a column into the basis; False where no pivot is numerically safe."""
        direction_M = self.inverse_MM @ column_M
        usable_M = direction_M > _PIVOT
        if not usable_M.any():
            return False
        ratio_M = np.where(usable_M, np.maximum(self.level_M, 0.0) / np.where(usable_M, direction_M, 1.0), np.inf)
        leaving = int(ratio_M.argmin())
        step = ratio_M[leaving]
        self.level_M -= step * direction_M
        self.level_M[leaving] = step
        pivot_M = self.inverse_MM[leaving] / direction_M[leaving]
        self.inverse_MM -= np.multiply.outer(direction_M, pivot_M)
        self.inverse_MM[leaving] = pivot_M
        self.column_MM[:, leaving] = column_M
        self.cost_M[leaving] = cost
        self.row_M[leaving] = row
        self.pivots += 1
        if self.pivots >= _REFACTOR:
            self.factor()
        return True

    def column_of(self, row: int, duals_T: FloatArray) -> tuple[FloatArray, float]:
        """The best column of a candidate at the current prices, and its cost."""
        problem = self.problem
        value_T = problem.value_TC[:, row]
        serves_T = np.isfinite(value_T) if problem.partition else value_T < duals_T
        column_M = np.concatenate([serves_T.astype(float), problem.cost_DC[:, row]])
        return column_M, float(problem.open_C[row] + value_T[serves_T].sum())

    def adopt(self, basis: Basis) -> bool:
        """Start from another problem's basis; columns of candidates that are gone cost the penalty and soon leave.

        Returns:
            False where the limits changed so much that this basis is no starting point.
        """
        position = {int(index): row for row, index in enumerate(self.problem.index_C.tolist())}
        self.column_MM = basis.column_MM.copy()
        for slot, index in enumerate(basis.index_M.tolist()):
            serves_T = self.column_MM[: self.n, slot] > 0
            row = position.get(index, -1)
            self.row_M[slot] = -1
            if index < 0:
                self.cost_M[slot] = self.penalty_T[serves_T].sum()
                continue
            values_T = self.problem.value_TC[serves_T, row] if row >= 0 else np.array([np.inf])
            if row < 0 or np.isinf(values_T).any():
                self.cost_M[slot] = self.penalty_T[serves_T].sum()
                continue
            self.row_M[slot] = row
            self.cost_M[slot] = self.problem.open_C[row] + values_T.sum()
            self.column_MM[self.n :, slot] = self.problem.cost_DC[:, row]
        try:
            self.factor()
        except np.linalg.LinAlgError:
            return False
        return bool((self.level_M >= -1e-6).all())

    def solution(self) -> tuple[dict[int, float], tuple[tuple[int, int, float], ...]]:
        """Basic candidates with their fractions, for the unperturbed right-hand side."""
        level_M = self.inverse_MM @ self.right_M
        share: dict[int, float] = {}
        served: list[tuple[int, int, float]] = []
        for slot, row in enumerate(self.row_M.tolist()):
            level = float(level_M[slot])
            if row < 0 or level < 1e-7:
                continue
            share[row] = share.get(row, 0.0) + level
            served.extend((int(t), row, level) for t in np.flatnonzero(self.column_MM[: self.n, slot]))
        return share, tuple(served)

    def basis(self) -> Basis:
        index_M = np.where(self.row_M >= 0, self.problem.index_C[np.maximum(self.row_M, 0)], -1)
        return Basis(index_M, self.column_MM.copy())


def relax(
    problem: Problem,
    penalty_T: FloatArray,
    cutoff: float,
    *,
    basis: Basis | None = None,
    start: tuple[int, ...] = (),
    expired: Callable[[], bool] = bool,
) -> Relaxation:
    """Solve the relaxation, or stop as soon as its bound exceeds the cutoff.

    Args:
        problem: At least one candidate.
        penalty_T: See ``penalties``.
        cutoff: A bound above it is as good as any other.
        basis: A related problem's last basis.
        start: Candidates of a good grouping, brought into the basis first.
        expired: Asked before every pivot; True ends with the best bound so far.
    """
    master = _Master(problem, penalty_T)
    if basis is not None and not master.adopt(basis):
        master = _Master(problem, penalty_T)
    for row in start:
        duals_T, _ = master.prices()
        column_M, cost = master.column_of(row, duals_T)
        if column_M[: master.n].any():
            master.enter(column_M, cost, row)
    finite_TC = problem.value_TC[np.isfinite(problem.value_TC)]
    scale = max(float(np.abs(finite_TC).max(initial=0.0)), float(problem.open_C.max(initial=0.0)), 1e-300)
    tolerance = 1e-12 * scale
    most = most_networks(problem)
    hot = _HotList(problem) if len(problem.index_C) > _EVERY_ROW else None
    best: tuple[float, FloatArray, FloatArray] = (-np.inf, np.zeros(master.n), np.zeros(master.m - master.n))
    fresh = False
    for _ in range(200 + 60 * master.m):
        duals_T, prices_D = master.prices()
        if np.isfinite(best[0]) and expired():
            break
        entered = _enter_unit(master, duals_T, prices_D, tolerance)
        if not entered and hot is not None:
            row, reduced = hot.best(duals_T, prices_D)
            if reduced < -tolerance:
                entered = master.enter(*master.column_of(row, duals_T), row)
        if entered:
            fresh = False
            continue
        safe_T, safe_D = np.minimum(duals_T, penalty_T), np.maximum(prices_D, 0.0)
        reduced_C = reduced_costs(problem, safe_T, safe_D)
        bound = lower_bound(problem, safe_T, safe_D, reduced_C, most)
        if bound > best[0]:
            best = (bound, safe_T, safe_D)
        if bound > cutoff:
            break
        row = int(reduced_C.argmin())
        if hot is not None:
            hot.refill(reduced_C)
        if reduced_C[row] < -tolerance and master.enter(*master.column_of(row, duals_T), row):
            fresh = False
            continue
        if fresh or master.pivots == 0:
            break
        master.factor()  # what looks optimal must still be so with rounding errors removed
        fresh = True
    share, served = master.solution()
    return Relaxation(*best, share, served, master.basis())


def _enter_unit(master: _Master, duals_T: FloatArray, prices_D: FloatArray, tolerance: float) -> bool:
    """Let a slack or a penalty column enter where its reduced cost is negative."""
    if len(prices_D):
        d = int(prices_D.argmin())
        if prices_D[d] < -tolerance:
            return master.enter(np.eye(master.m)[master.n + d], 0.0, -1)
    t = int((master.penalty_T - duals_T).argmin())
    if master.penalty_T[t] - duals_T[t] < -tolerance:
        return master.enter(np.eye(master.m)[t], float(master.penalty_T[t]), -1)
    return False


class _HotList:
    """The candidates that were most attractive at the last full pricing: they are priced first."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.rows_H: IntArray = np.zeros(0, dtype=np.int64)
        self.part: Problem | None = None

    def refill(self, reduced_C: FloatArray) -> None:
        self.rows_H = np.sort(np.argpartition(reduced_C, _HOT)[:_HOT])
        self.part = self.problem.keep(self.rows_H)

    def best(self, duals_T: FloatArray, prices_D: FloatArray) -> tuple[int, float]:
        if self.part is None:
            return -1, 0.0
        reduced_H = reduced_costs(self.part, duals_T, np.maximum(prices_D, 0.0))
        position = int(reduced_H.argmin())
        return int(self.rows_H[position]), float(reduced_H[position])


def survivors(problem: Problem, relaxation: Relaxation, room: float) -> tuple[BoolArray, BoolArray]:
    """Candidates [C] and services [T, C] that a grouping within ``room`` above the bound can use."""
    reduced_C = reduced_costs(problem, relaxation.duals_T, relaxation.prices_D)
    excess_C = reduced_C - min(0.0, float(reduced_C.min(initial=0.0)))
    if problem.partition:
        kept_C: BoolArray = np.less_equal(excess_C, room)
        return kept_C, np.isfinite(problem.value_TC) & kept_C
    margin_TC = np.maximum(problem.value_TC - relaxation.duals_T[:, None], 0.0)
    kept_TC: BoolArray = np.less_equal(excess_C + margin_TC, room)
    return np.logical_or.reduce(kept_TC, axis=0), kept_TC
