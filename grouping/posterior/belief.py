"""What is believed of every candidate: the posterior in the unit of the table.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``A`` cells, ``D`` draws.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.losses import LossTable
from grouping.posterior.model import CellModel, Observations, Posterior, Variances
from grouping.posterior.scale import Scale

__all__ = ["Belief", "Believed", "without_seeds"]

_REFIT = 1.2
"""Variances are fitted again when there are this many times as many trainings."""


@dataclass(frozen=True, eq=False)
class Believed:
    """Losses as they are believed to be, in the table's unit.

    Args:
        mean_CT: Expected loss.
        sd_CT: Standard deviation of the true mean loss.
        noise_CT: Standard deviation of one training, but for what its seed does to all candidates of a task alike.
        posterior: The model's own, on its scale.
        scale: Of the model.
    """

    mean_CT: FloatArray
    sd_CT: FloatArray
    noise_CT: FloatArray
    posterior: Posterior
    scale: Scale

    def draws(self, count: int, rng: np.random.Generator, *, seeds: int | None = None) -> FloatArray:
        """Tables that may be true, [D, C, T].

        Args:
            count: How many.
            rng: Source of the draws.
            seeds: Not the truth, but the mean over so many further seeds, which all candidates are trained with.

        Raises:
            InputError: more cells than can be drawn together.
        """
        drawn_DCT = self.posterior.draws(count, rng)
        if seeds is not None:
            drawn_DCT += self.posterior.luck_draws(count, rng) / np.sqrt(seeds)
        return self.scale.loss(drawn_DCT)


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
        measured = measured if exact else without_seeds(measured)
        scale = Scale.of(measured)
        losses_RA = self._model.cell_of(scale.value(measured.losses_RCT))
        trainings = int((~np.isnan(losses_RA)).sum())
        if self._variances is None or trainings >= _REFIT * self._fitted:
            self._variances = self._model.fit(losses_RA, exact=exact, start=self._variances)
            self._fitted = trainings
        posterior = self._model.condition(Observations.of(losses_RA, exact=exact), self._variances)
        mean_CT = scale.loss(posterior.mean_CT)
        slope_CT = scale.slope(mean_CT)
        return Believed(mean_CT, posterior.sd_CT * slope_CT, posterior.noise_CT * slope_CT, posterior, scale)


def without_seeds(table: LossTable) -> LossTable:
    """The table without what a seed does to all candidates of a task alike: it cancels in every comparison.

    Seeds differ by the mean of the differences within cells, or of the ratios of positive losses (least squares of a
    two-way layout, one step of backfitting from the cells that have several seeds).
    """
    positive = not bool((table.losses_RCT <= 0).any())
    losses_RCT = np.log(table.losses_RCT) if positive else table.losses_RCT
    repeated_CT = table.replicates_CT > 1
    inside_RCT = np.where(repeated_CT, losses_RCT, np.nan)
    known_RCT = ~np.isnan(inside_RCT)
    mean_CT = np.nansum(inside_RCT, axis=0) / np.maximum(known_RCT.sum(axis=0), 1)
    common_RT = np.nansum(inside_RCT - mean_CT, axis=1) / np.maximum(known_RCT.sum(axis=1), 1)
    losses_RCT = losses_RCT - common_RT[:, None]
    return replace(table, losses_RCT=np.exp(losses_RCT) if positive else losses_RCT)
