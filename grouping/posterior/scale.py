"""A scale on which tasks are alike: distance from the loss alone, relative to what is usual for the task.

Positive losses are modelled by their logarithm: training noise grows with the loss, and effects multiply. Gains, which
may be negative, are modelled as they are.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.losses import LossTable

__all__ = ["Scale"]

_POOLED = 4.0
"""Cells of all tasks that a task's own spread is mixed with."""


@dataclass(frozen=True, eq=False)
class Scale:
    """Of a table.

    Args:
        level_T, spread_T: (loss or its logarithm) = level + spread x value.
        logarithmic: Whether logarithms are modelled.
    """

    level_T: FloatArray
    spread_T: FloatArray
    logarithmic: bool

    @staticmethod
    def of(table: LossTable) -> Scale:
        """The loss alone is 0 (the mean of what is known where that is not), the usual distance in company 1.

        A task with few measurements borrows the spread of the others.
        """
        logarithmic = not bool((table.losses_RCT <= 0).any())
        mean_CT = _mean_over_seeds(np.log(table.losses_RCT) if logarithmic else table.losses_RCT)
        size_C = table.candidates.size_C
        alone_CT = np.where((size_C == 1)[:, None], mean_CT, np.nan)
        known_T = ~np.isnan(alone_CT).all(axis=0)
        measured_T = ~np.isnan(mean_CT).all(axis=0)
        level_T = np.zeros(mean_CT.shape[1])
        level_T[measured_T] = np.nanmean(mean_CT[:, measured_T], axis=0)
        level_T[known_T] = np.nanmean(alone_CT[:, known_T], axis=0)
        away_CT = np.where((size_C > 1)[:, None], mean_CT - level_T, np.nan)
        count_T = (~np.isnan(away_CT)).sum(axis=0)
        square_T = np.nansum(away_CT**2, axis=0)
        pooled = float(square_T.sum()) / max(int(count_T.sum()), 1)
        spread_T = np.sqrt((square_T + _POOLED * pooled) / (count_T + _POOLED))
        return Scale(level_T, np.maximum(spread_T, 1e-12), logarithmic)

    def value(self, losses: FloatArray) -> FloatArray:
        """Losses [..., T] on the scale."""
        return ((np.log(losses) if self.logarithmic else losses) - self.level_T) / self.spread_T

    def loss(self, values: FloatArray) -> FloatArray:
        """The inverse."""
        scaled = values * self.spread_T + self.level_T
        return np.asarray(np.exp(scaled) if self.logarithmic else scaled)

    def slope(self, losses: FloatArray) -> FloatArray:
        """Change of the loss with the value, at losses [..., T]."""
        return self.spread_T * (losses if self.logarithmic else np.ones(losses.shape))


def _mean_over_seeds(losses_RCT: FloatArray) -> FloatArray:
    known_RCT = ~np.isnan(losses_RCT)
    count_CT = known_RCT.sum(axis=0)
    total_CT = np.where(known_RCT, losses_RCT, 0.0).sum(axis=0)
    return np.where(count_CT > 0, total_CT / np.maximum(count_CT, 1), np.nan)
