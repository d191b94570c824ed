"""Expected losses of what was measured, without the rest of the posterior: a linear map that is learnt once.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``N`` observations.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.losses import LossTable
from grouping.posterior.belief import without_seeds
from grouping.posterior.model import CellModel, Observations
from grouping.posterior.scale import Scale

__all__ = ["Smoothing"]


@dataclass(frozen=True, eq=False)
class Smoothing:
    """How the losses of a table are drawn towards each other, as ``Belief`` does it.

    Args:
        model: The cells.
        weight_NN: What every observation counts in the mean of every observed cell.
    """

    model: CellModel
    weight_NN: FloatArray

    @staticmethod
    def learnt(table: LossTable) -> Smoothing:
        """From a table with at least two measured cells."""
        model = CellModel(table.candidates.members_CT)
        losses_RA, _ = _on_scale(model, table)
        variances = model.fit(losses_RA, exact=False)
        return Smoothing(model, model.weights(Observations.of(losses_RA, exact=False), variances))

    def expected_CT(self, table: LossTable) -> FloatArray:
        """Expected losses of what was measured, [C, T]; NaN elsewhere.

        Args:
            table: The table it was learnt on, or one with other numbers in the same places.
        """
        losses_RA, scale = _on_scale(self.model, table)
        seen = Observations.of(losses_RA, exact=False)
        expected_A = np.full(losses_RA.shape[1], np.nan)
        expected_A[seen.cell_N] = self.weight_NN @ seen.value_N
        return scale.loss(self.model.table_of(expected_A))


def _on_scale(model: CellModel, table: LossTable) -> tuple[FloatArray, Scale]:
    table = without_seeds(table)
    scale = Scale.of(table)
    return model.cell_of(scale.value(table.losses_RCT)), scale
