"""Losses of trained networks as they are expected to come out with other seeds: what a choice is best made on.

The best of many noisy numbers is a lucky one. The posterior over the table draws each towards what networks that are
alike gave, by as much as the noise of the seeds suggests; the grouping of least expected regret is the best one on
these expected losses (``least_regret``).

Axes: ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.losses import LossTable
from grouping.policy import without_modes
from grouping.posterior import Smoothing

__all__ = ["ExpectedLosses", "kinds"]

_MOST = 4_000
"""Observations of one kind that are drawn towards each other: their covariance takes 130 MB, and seconds."""


class ExpectedLosses:
    """How measured losses are drawn towards each other, learnt once from a table.

    What is learnt are variances and the weights that follow from them. A table with other numbers in the same places,
    one of resampled seeds, then costs milliseconds.

    Args:
        table: Measured losses, NaN where nothing was trained.
        which_C: Candidates it is about; the others are left out.
    """

    def __init__(self, table: LossTable, which_C: BoolArray) -> None:
        self._learnt = [
            (kind_C, Smoothing.learnt(part))
            for kind_C in kinds(table, which_C)
            if _observations(part := table.select(kind_C)) <= _MOST
        ]

    def of(self, table: LossTable) -> FloatArray:
        """Expected losses, [C, T]; NaN where nothing was measured and for candidates that are left out.

        Args:
            table: The table it was learnt on, or one with other numbers in the same places.
        """
        expected_CT = np.full(table.candidates.members_CT.shape, np.nan)
        for kind_C, smoothing in self._learnt:
            expected_CT[kind_C] = smoothing.expected_CT(table.select(kind_C))
        return expected_CT


def kinds(table: LossTable, which_C: BoolArray) -> list[BoolArray]:
    """Candidates of one cost that share in one way, with two measured cells at least: each is modelled by itself."""
    candidates, count_CT = table.candidates, table.replicates_CT
    kind = list(zip(candidates.cost_C.tolist(), map(without_modes, candidates.label_C), strict=True))
    masks = [which_C & np.array([other == one for other in kind]) for one in dict.fromkeys(kind)]
    return [kind_C for kind_C in masks if (count_CT[kind_C] > 0).sum() > 1]


def _observations(table: LossTable) -> int:
    """Numbers that the model sees: means where all cells have the same seeds, else trainings."""
    known_RCT = ~np.isnan(table.losses_RCT)
    cells_CT = known_RCT.any(axis=0)
    patterns = np.unique(known_RCT[:, cells_CT], axis=1).shape[1]
    return int(cells_CT.sum()) if patterns == 1 else int(known_RCT.sum())
