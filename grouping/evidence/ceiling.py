"""The noise ceiling of a replicated table: how well its own seeds agree on which groups are good for a task.

No estimator can be expected to rank groups better against noisy losses than other trainings of the same groups do.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["NoiseCeiling", "noise_ceiling"]

_SPLITS = 20


@dataclass(frozen=True, eq=False)
class NoiseCeiling:
    """Agreement of two halves of the seeds.

    Args:
        halves_T: Spearman correlation over the groups of two or more that hold a task, between the mean losses of two
            random halves of the seeds, mean over splits; NaN with fewer than three groups.
        whole_T: What that says of the mean over all seeds, as a reliability: ``2 r / (1 + r)`` (Spearman and Brown
            1910), 0 where the halves disagree.
    """

    halves_T: FloatArray
    whole_T: FloatArray

    @property
    def halves(self) -> float:
        """Mean over tasks of the agreement of halves."""
        return float(np.nanmean(self.halves_T))

    @property
    def attainable(self) -> float:
        """Mean over tasks of the largest correlation with the mean over all seeds that the truth itself would have."""
        return float(np.nanmean(np.sqrt(self.whole_T)))


def noise_ceiling(table: LossTable, rng: np.random.Generator, *, splits: int = _SPLITS) -> NoiseCeiling:
    """The ceiling of a table with at least two seeds.

    Args:
        table: Losses; groups that lack a seed are left out.
        rng: Draws the halves.
        splits: How many times.

    Raises:
        InputError: fewer than two seeds.
    """
    seeds = len(table.seeds)
    if seeds < 2:
        raise InputError("one seed has no halves to compare", fix="Train with two seeds or more")
    whole_C = (table.replicates_CT.max(axis=1) == seeds) & (table.candidates.size_C >= 2)
    found_ST = np.full((splits, len(table.tasks)), np.nan)
    for s in range(splits):
        order_R = rng.permutation(seeds)
        halves = [table.losses_RCT[half].mean(axis=0) for half in (order_R[: seeds // 2], order_R[seeds // 2 :])]
        for t in range(len(table.tasks)):
            rows = np.flatnonzero(whole_C & table.candidates.members_CT[:, t])
            if len(rows) > 2:
                found_ST[s, t] = _spearman(halves[0][rows, t], halves[1][rows, t])
    known_T = ~np.isnan(found_ST).all(axis=0)
    halves_T = np.full(len(table.tasks), np.nan)
    halves_T[known_T] = np.nanmean(found_ST[:, known_T], axis=0)
    agreeing_T = np.maximum(halves_T, 0.0)
    return NoiseCeiling(halves_T, 2 * agreeing_T / (1 + agreeing_T))


def _spearman(one: FloatArray, other: FloatArray) -> float:
    from scipy.stats import rankdata  # 0.2 s that the import of this module need not cost

    ranks = rankdata(one), rankdata(other)
    if min(rank.std() for rank in ranks) == 0:
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])
