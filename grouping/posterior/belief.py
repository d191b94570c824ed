"""What is believed of every candidate: the posterior on a scale on which the tasks are alike.

Positive losses are modelled by their logarithm: training noise grows with the loss, and effects multiply. Gains, which
may be negative, are modelled as they are.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``A`` cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.losses import LossTable
from grouping.posterior.model import CellModel, Observations, Posterior, Variances

__all__ = ["Belief", "Believed"]

_REFIT = 1.2
"""Variances are fitted again when there are this many times as many measured cells."""
_POOLED = 4.0
"""Cells of all tasks that a task's own spread is mixed with."""


@dataclass(frozen=True, eq=False)
class Believed:
    """Losses as they are believed to be, in the table's unit.

    Args:
        mean_CT: Expected loss.
        sd_CT: Standard deviation of the true mean loss.
        noise_CT: Standard deviation of one training, but for what its seed does to all candidates of a task alike.
        posterior: The model's own, on its scale.
        level_T, spread_T: Scale of the model: (loss or its logarithm) = level + spread x value.
        logarithmic: Whether logarithms are modelled.
    """

    mean_CT: FloatArray
    sd_CT: FloatArray
    noise_CT: FloatArray
    posterior: Posterior
    level_T: FloatArray
    spread_T: FloatArray
    logarithmic: bool

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Tables that may be true, [D, C, T].

        Raises:
            InputError: more cells than can be drawn together.
        """
        drawn_DCT = self.posterior.draws(count, rng) * self.spread_T + self.level_T
        return np.exp(drawn_DCT) if self.logarithmic else np.asarray(drawn_DCT)


class Belief:
    """Keeps the model and its variances from one round to the next.

    Args:
        members_CT: Who shares, for every candidate.
    """

    def __init__(self, members_CT: BoolArray) -> None:
        self._model = CellModel(members_CT)
        self._variances: Variances | None = None
        self._fitted = 0

    def of(self, measured: LossTable, *, exact: bool) -> Believed:
        """The belief after some measurements.

        Args:
            measured: Over the same candidates; at least two cells.
            exact: Whether a measured loss is the truth.
        """
        logarithmic = not bool((measured.losses_RCT <= 0).any())
        table = replace(measured, losses_RCT=np.log(measured.losses_RCT)) if logarithmic else measured
        if not exact:
            table = _without_seeds(table)
        mean_CT, count_CT = table.mean_CT, table.replicates_CT
        level_T, spread_T = _scale(mean_CT, table.candidates.size_C)
        value_A = self._model.cell_of((mean_CT - level_T) / spread_T)
        count_A = self._model.cell_of(count_CT.astype(float))
        cell_N = np.flatnonzero(count_A > 0)
        seen = Observations(cell_N, value_A[cell_N], count_A[cell_N])
        if self._variances is None or len(cell_N) >= _REFIT * self._fitted:
            noise = 0.0 if exact else _replicate_noise(table, spread_T)
            self._variances = self._model.fit(seen, noise, self._variances)
            self._fitted = len(cell_N)
        posterior = self._model.condition(seen, self._variances)
        mean_CT = posterior.mean_CT * spread_T + level_T
        unit_CT = np.ones(mean_CT.shape)
        if logarithmic:
            mean_CT = np.exp(mean_CT)
            unit_CT = mean_CT
        return Believed(
            mean_CT,
            posterior.sd_CT * spread_T * unit_CT,
            posterior.noise * spread_T * unit_CT,
            posterior,
            level_T,
            spread_T,
            logarithmic,
        )


def _without_seeds(table: LossTable) -> LossTable:
    """The table without what a seed does to all candidates of a task alike: it cancels in every comparison.

    Seeds differ by the mean of the differences within cells (least squares of a two-way layout, one step of
    backfitting from the cells that have several seeds).
    """
    count_CT = table.replicates_CT
    repeated_RCT = np.where(count_CT > 1, table.losses_RCT - table.mean_CT, np.nan)
    known_RT = (~np.isnan(repeated_RCT)).sum(axis=1)
    common_RT = np.nansum(repeated_RCT, axis=1) / np.maximum(known_RT, 1)
    return replace(table, losses_RCT=table.losses_RCT - common_RT[:, None])


def _scale(mean_CT: FloatArray, size_C: IntArray) -> tuple[FloatArray, FloatArray]:
    """Value alone (the mean of what is known where that is not), and how far it is from that in company, [T] each.

    A task with few measurements borrows the spread of the others.
    """
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
    return level_T, np.maximum(spread_T, 1e-12)


def _replicate_noise(table: LossTable, spread_T: FloatArray) -> float | None:
    """Variance of one training from repeated ones, on the model's scale; None where none was repeated."""
    count_CT = table.replicates_CT
    repeated_CT = count_CT > 1
    seeds_T = (~np.isnan(table.losses_RCT)).any(axis=1).sum(axis=0)
    free = int(np.maximum(count_CT - 1, 0).sum() - np.maximum(seeds_T - 1, 0)[repeated_CT.any(axis=0)].sum())
    if free < 1:
        return None
    residual_RCT = np.where(repeated_CT, (table.losses_RCT - table.mean_CT) / spread_T, 0.0)
    return float(np.nansum(residual_RCT**2) / free)
