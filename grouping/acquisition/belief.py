"""What a search believes of every candidate: the posterior on a scale on which the tasks are alike.

Axes: ``C`` candidates, ``T`` tasks, ``A`` cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
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
        noise_T: Standard deviation of one training.
        posterior: The model's own, on its scale.
        level_T, spread_T: Loss = level + spread x the model's value.
    """

    mean_CT: FloatArray
    sd_CT: FloatArray
    noise_T: FloatArray
    posterior: Posterior
    level_T: FloatArray
    spread_T: FloatArray

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """Tables that may be true, [D, C, T]."""
        return np.asarray(self.posterior.draws(count, rng) * self.spread_T + self.level_T)


class Belief:
    """Keeps the model and its variances from one round to the next.

    Args:
        members_CT: Who shares, for every candidate.
    """

    def __init__(self, members_CT: np.ndarray) -> None:
        self._model = CellModel(members_CT)
        self._variances: Variances | None = None
        self._fitted = 0

    def of(self, measured: LossTable, *, exact: bool) -> Believed:
        """The belief after some measurements.

        Args:
            measured: Over the same candidates; at least two cells.
            exact: Whether a measured loss is the truth.
        """
        mean_CT, count_CT = measured.mean_CT, measured.replicates_CT
        level_T, spread_T = _scale(mean_CT, measured.candidates.size_C)
        model_CT = (mean_CT - level_T) / spread_T
        value_A, count_A = self._model.cell_of(model_CT), self._model.cell_of(count_CT.astype(float))
        cell_N = np.flatnonzero(count_A > 0)
        seen = Observations(cell_N, value_A[cell_N], count_A[cell_N])
        if self._variances is None or len(cell_N) >= _REFIT * self._fitted:
            noise = 0.0 if exact else _replicate_noise(measured, spread_T)
            self._variances = self._model.fit(seen, noise, self._variances)
            self._fitted = len(cell_N)
        posterior = self._model.condition(seen, self._variances)
        return Believed(
            posterior.mean_CT * spread_T + level_T,
            posterior.sd_CT * spread_T,
            posterior.noise * spread_T,
            posterior,
            level_T,
            spread_T,
        )


def _scale(mean_CT: FloatArray, size_C: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Loss alone (the mean of what is known where that is not), and how far the loss in company is from it, [T] each.

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
    # Tasks may have units of their own (an error rate, a squared distance): relative spreads are what they share.
    unit_T = np.where(np.abs(level_T) > 0, np.abs(level_T), 1.0) if _own_units(level_T) else np.ones(len(level_T))
    pooled = float((square_T / unit_T**2).sum()) / max(int(count_T.sum()), 1)
    spread_T = np.sqrt((square_T / unit_T**2 + _POOLED * pooled) / (count_T + _POOLED)) * unit_T
    least = 1e-12 * max(float(np.abs(level_T).max()), 1e-300)
    return level_T, np.maximum(spread_T, least)


def _own_units(level_T: FloatArray) -> bool:
    """Whether losses alone are positive, so that they can serve as units; gains are 0 there."""
    return bool((level_T > 0).all())


def _replicate_noise(measured: LossTable, spread_T: FloatArray) -> float | None:
    """Variance of one training from repeated ones, on the model's scale; None where none was repeated."""
    count_CT = measured.replicates_CT
    free = int(np.maximum(count_CT - 1, 0).sum())
    if not free:
        return None
    residual_RCT = (measured.losses_RCT - measured.mean_CT) / spread_T
    return float(np.nansum(np.where(count_CT > 1, residual_RCT, 0.0) ** 2) / free)
