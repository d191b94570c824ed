"""Tables that could have been measured with other seeds: a residual bootstrap over the replicates of a loss table.

Axes: ``R`` replicates (seeds), ``C`` candidates, ``T`` tasks, ``D`` draws.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["ResidualBootstrap", "bootstrap_draws"]


class ResidualBootstrap:
    """Draws tables from one table.

    With three seeds a resampled cell would be one of ten multisets of three numbers. So residuals (loss minus the mean
    of its cell) are pooled per task over candidates, as if training noise of a task depended little on its partners.
    They are split into what a seed did to all candidates of a task alike (one draw for the whole table: it cancels in
    comparisons paired by seed) and the rest (one draw per number), and widened by ``sqrt(R / (R - 1))``, R counting
    the cell's replicates, since residuals are that much too short (Davison & Hinkley 1997, section 6.2.3).

    Args:
        table: Measured losses.

    Raises:
        InputError: no cell of the table has two replicates.
    """

    def __init__(self, table: LossTable) -> None:
        self.table = table
        mean_CT, count_CT = table.mean_CT, table.replicates_CT
        repeated_CT = count_CT > 1
        if not repeated_CT.any():
            raise InputError(
                "selection frequencies need at least one network that was trained with two seeds",
                fix="Train with more seeds",
            )
        widen_CT = np.sqrt(count_CT / np.maximum(count_CT - 1, 1))
        residual_RCT = np.where(repeated_CT, (table.losses_RCT - mean_CT) * widen_CT, np.nan)
        known_RT = (~np.isnan(residual_RCT)).sum(axis=1)
        self._mean_CT = mean_CT
        self._common_RT = np.nansum(residual_RCT, axis=1) / np.maximum(known_RT, 1)
        rest_RCT = residual_RCT - self._common_RT[:, None]
        self._cells_T = [~np.isnan(table.losses_RCT[:, :, t]) for t in range(len(table.tasks))]
        self._rest_T = [rest_RCT[:, :, t][~np.isnan(rest_RCT[:, :, t])] for t in range(len(table.tasks))]
        # Where cells lack seeds the two parts do not average to zero by themselves, and every draw would be shifted.
        self._common_RT -= self._common_RT.mean(axis=0)
        self._rest_T = [rest - rest.mean() if len(rest) else rest for rest in self._rest_T]
        # A relative loss needs a positive reference, whatever the draw: stay above a thousandth of a positive mean.
        self._least_CT = np.where(mean_CT > 0, mean_CT / 1000, -np.inf)

    def losses(self, rng: np.random.Generator) -> FloatArray:
        """One draw, [R, C, T]; NaN where the table has no number."""
        seeds = len(self._common_RT)
        common_RT = self._common_RT[rng.integers(seeds, size=seeds)]
        losses_RCT = self._mean_CT + common_RT[:, None] + np.zeros((seeds, 1, 1))
        for t, (cells_RC, rest) in enumerate(zip(self._cells_T, self._rest_T, strict=True)):
            if len(rest):
                losses_RCT[:, :, t][cells_RC] += rng.choice(rest, size=int(cells_RC.sum()))
        drawn_RCT: FloatArray = np.maximum(losses_RCT, self._least_CT)
        drawn_RCT[np.isnan(self.table.losses_RCT)] = np.nan
        return drawn_RCT

    def __call__(self, rng: np.random.Generator) -> LossTable:
        """One draw as a table."""
        return replace(self.table, losses_RCT=self.losses(rng))


def bootstrap_draws(table: LossTable, draws: int, rng: np.random.Generator) -> FloatArray:
    """Mean losses of resampled tables, [D, C, T]: what ``least_regret`` takes.

    Args:
        table: Measured losses.
        draws: Number of tables.
        rng: Source of the draws.

    Raises:
        InputError: as ``ResidualBootstrap``, or no draw was asked for.
    """
    if draws < 1:
        raise InputError(f"{draws} draws were asked for", fix="Ask for 1 or more")
    resample = ResidualBootstrap(table)
    count_CT = np.where(table.replicates_CT > 0, table.replicates_CT, np.nan)
    drawn_DCT = np.empty((draws, *count_CT.shape))
    for d in range(draws):
        np.divide(np.nansum(resample.losses(rng), axis=0), count_CT, out=drawn_DCT[d])
    return drawn_DCT
