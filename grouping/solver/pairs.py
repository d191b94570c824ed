"""A table of pairs: what every task loses when trained with every other, and what groups lose by it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import FloatArray, IntArray
from grouping.errors import InputError
from grouping.solver.clock import Clock
from grouping.solver.pricing import members_of
from grouping.solver.solution import Solution
from grouping.solver.solve import solve

__all__ = ["Pairs"]

_MOST_TASKS = 62  # a group is a 64-bit number


@dataclass(frozen=True, eq=False)
class Pairs:
    """A table of pairs, and the ordinary solver's answers about some of its groups.

    Args:
        pair_TT: Losses; alone on the diagonal.
        weight_T: Weights.
        largest: Most members of a group.
    """

    pair_TT: FloatArray
    weight_T: FloatArray
    largest: int

    @classmethod
    def checked(cls, pair_TT: ArrayLike, weights_T: Sequence[float] | None, max_size: int | None) -> Pairs:
        """The table, where it makes sense; the other arguments are for ``solve`` to check."""
        try:
            pairs = np.array(pair_TT, dtype=float)
        except (TypeError, ValueError) as error:
            raise InputError(f"pair losses must be numbers: {error}") from None
        if pairs.ndim != 2 or pairs.shape[0] != pairs.shape[1] or not pairs.size:
            raise InputError(f"pair losses have shape {pairs.shape}, expected (tasks, tasks), at least one")
        n_tasks = len(pairs)
        if n_tasks > _MOST_TASKS:
            raise InputError(f"{n_tasks} tasks: at most {_MOST_TASKS} are grouped from pairs")
        if not np.isfinite(pairs).all():
            t, u = np.argwhere(~np.isfinite(pairs))[0]
            raise InputError(f"the loss of task {t} with task {u} is {pairs[t, u]}", fix="Every pair needs a loss")
        weight_T = np.ones(n_tasks) if weights_T is None else np.array([float(weight) for weight in weights_T])
        return cls(pairs, weight_T, max(1, min(n_tasks if max_size is None else max_size, n_tasks)))

    @property
    def n_tasks(self) -> int:
        return len(self.pair_TT)

    @property
    def fewest(self) -> int:
        """The smallest number of networks that can serve every task."""
        return -(-self.n_tasks // self.largest)

    def losses(self, masks_C: IntArray) -> FloatArray:
        """Losses of groups, NaN off the members, [C, T]."""
        members_CT = members_of(masks_C, self.n_tasks)
        apart_TT = self.pair_TT.copy()
        np.fill_diagonal(apart_TT, 0.0)
        size_C = members_CT.sum(axis=1)
        losses_CT: FloatArray = members_CT @ apart_TT.T / np.maximum(size_C - 1, 1)[:, None]
        losses_CT[size_C == 1] = np.diag(self.pair_TT)
        losses_CT[~members_CT] = np.nan
        return losses_CT

    def gains(self, duals_T: FloatArray) -> FloatArray:
        """What each task gains from each other at these prices, [T, T]; see ``pricing``."""
        gain_TT: FloatArray = duals_T[:, None] - self.weight_T[:, None] * self.pair_TT
        np.fill_diagonal(gain_TT, 0.0)
        return gain_TT

    def choose(self, masks_C: IntArray, limit: int, clock: Clock) -> Solution:
        """What the ordinary solver chooses among these groups, ``chosen`` by their numbers.

        Raises:
            NoResultError: stopped before it found anything.
        """
        solution = solve(
            self.losses(masks_C),
            np.ones(len(masks_C)),
            float(limit),
            weights_T=self.weight_T.tolist(),
            time_limit=clock.time_limit,
            callback=clock.callback,
        )
        return replace(solution, chosen=masks_C[solution.chosen], certificate=None)
