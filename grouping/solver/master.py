"""The simplex method for a linear program whose columns are known only to somebody who prices them.

One row for each requirement (met exactly once) and one for each limit. The basis is small and dense, so its inverse is
kept explicitly, updated by rank one and recomputed now and then.
"""

from __future__ import annotations

import numpy as np

from grouping.candidates import FloatArray, IntArray

__all__ = ["GONE", "NOBODY", "Master"]

NOBODY, GONE = -1, -2
"""Owners of columns that no candidate has: slacks and penalties; columns of candidates that may no longer be used."""

_REFACTOR = 40
_PIVOT = 1e-9


class Master:
    """A basis and its inverse. ``M`` = requirements, then limits; slot i of the basis holds column i.

    Args:
        penalty_T: Price of leaving a requirement unmet; the first basis leaves all of them unmet.
        limit_D: Right-hand sides of the limits.
    """

    def __init__(self, penalty_T: FloatArray, limit_D: FloatArray) -> None:
        self.penalty_T = penalty_T
        self.n = len(penalty_T)
        self.m = self.n + len(limit_D)
        self.right_M = np.concatenate([np.ones(self.n), limit_D])
        # Distinct right-hand sides keep the simplex from cycling where many groupings are equal; prices stay exact.
        self._perturbed_M = self.right_M + 1e-7 * (1 + np.arange(self.m) * 0.6180339887498949 % 1)
        self.column_MM = np.eye(self.m)
        self.cost_M = np.concatenate([penalty_T, np.zeros(self.m - self.n)])
        self.owner_M: IntArray = np.full(self.m, NOBODY, dtype=np.int64)
        self.factor()

    def factor(self) -> None:
        """Recompute the inverse, free of the rounding errors of its updates.

        Raises:
            numpy.linalg.LinAlgError: the columns are no basis.
        """
        self.inverse_MM = np.linalg.inv(self.column_MM)
        self.level_M = self.inverse_MM @ self._perturbed_M
        self.pivots = 0

    @property
    def feasible(self) -> bool:
        """Whether no column is used less than not at all."""
        return bool((self.level_M >= -1e-6).all())

    def prices(self) -> tuple[FloatArray, FloatArray]:
        """Row prices ``u_t`` and limit prices ``p_d`` of the basis."""
        price_M = self.cost_M @ self.inverse_MM
        return price_M[: self.n], -price_M[self.n :]

    def enter(self, column_M: FloatArray, cost: float, owner: int) -> bool:
        """Bring a column into the basis; False where no pivot is numerically safe."""
        direction_M = self.inverse_MM @ column_M
        usable = np.flatnonzero(direction_M > _PIVOT)
        if not len(usable):
            return False
        ratio_U = self.level_M[usable] / direction_M[usable]
        first = int(ratio_U.argmin())
        leaving, step = int(usable[first]), max(float(ratio_U[first]), 0.0)
        self.level_M -= step * direction_M
        self.level_M[leaving] = step
        pivot_M = self.inverse_MM[leaving] / direction_M[leaving]
        self.inverse_MM -= direction_M[:, None] * pivot_M
        self.inverse_MM[leaving] = pivot_M
        self.column_MM[:, leaving] = column_M
        self.cost_M[leaving] = cost
        self.owner_M[leaving] = owner
        self.pivots += 1
        if self.pivots >= _REFACTOR:
            self.factor()
        return True

    def enter_unit(self, duals_T: FloatArray, prices_D: FloatArray, tolerance: float) -> bool:
        """Let a slack or a penalty column enter where its reduced cost is negative."""
        if len(prices_D):
            d = int(prices_D.argmin())
            if prices_D[d] < -tolerance:
                return self.enter(np.eye(self.m)[self.n + d], 0.0, NOBODY)
        t = int((self.penalty_T - duals_T).argmin())
        if self.penalty_T[t] - duals_T[t] < -tolerance:
            return self.enter(np.eye(self.m)[t], float(self.penalty_T[t]), NOBODY)
        return False

    def banish(self) -> bool:
        """Make columns that are gone, and still used, as dear as leaving what they serve unmet; False if none is."""
        used = np.flatnonzero((self.owner_M == GONE) & (self.level_M > 1e-6))
        self.cost_M[used] = np.maximum(self.cost_M[used], 0.0) + self.penalty_T @ self.column_MM[: self.n, used]
        self.owner_M[used] = NOBODY
        return len(used) > 0

    def levels(self) -> FloatArray:
        """How much of each basic column is used, for the unperturbed right-hand sides, [M]."""
        level_M: FloatArray = self.inverse_MM @ self.right_M
        return level_M
