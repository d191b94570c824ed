"""Losses read along training: what early stopping is estimated from, and which epoch a served network keeps.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``S`` training steps at which losses were read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import Candidates, FloatArray, IntArray, frozen
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["CurveTable"]


@dataclass(frozen=True, eq=False)
class CurveTable:
    """Validation losses of candidates along training.

    Args:
        candidates: The networks.
        steps_S: Optimiser steps done when the losses were read, ascending.
        curves_RCTS: Losses; NaN off the members and where a trial is missing or was not trained that far.
        seeds: Names of the replicates, length R.
    """

    candidates: Candidates
    steps_S: IntArray
    curves_RCTS: FloatArray
    seeds: tuple[str, ...]

    def __post_init__(self) -> None:
        expected = (len(self.seeds), len(self.candidates), self.candidates.n_tasks, len(self.steps_S))
        if self.curves_RCTS.shape != expected:
            raise InputError(f"curves have shape {self.curves_RCTS.shape}, expected {expected}")
        if np.any(np.diff(self.steps_S) <= 0):
            raise InputError("the steps of a curve must ascend")
        object.__setattr__(self, "steps_S", frozen(np.asarray(self.steps_S, np.int64)))
        object.__setattr__(self, "curves_RCTS", frozen(np.asarray(self.curves_RCTS, float)))

    def at_fraction(self, fraction: float) -> LossTable:
        """Losses at the last reading within a fraction of training, counted in steps of the longest curve.

        Raises:
            InputError: a fraction outside (0, 1], or before the first reading.
        """
        if not 0 < fraction <= 1:
            raise InputError(f"the fraction {fraction} of training is outside (0, 1]", where="affinity.fraction")
        reached = np.flatnonzero(self.steps_S <= fraction * self.steps_S[-1] + 1e-9)
        if not len(reached):
            raise InputError(
                f"no loss was read within the first {fraction:g} of training (first reading after "
                f"{self.steps_S[0] / self.steps_S[-1]:.3g})",
                where="affinity.fraction",
                fix="Ask for a later fraction or read losses more often",
            )
        return LossTable(self.candidates, self.curves_RCTS[..., reached[-1]], self.seeds)

    def kept_step_RC(self, reference_T: FloatArray) -> IntArray:
        """Index into ``steps_S`` of the one state each network keeps, [R, C]; -1 where there is no curve.

        The kept reading minimises the mean relative loss of the members, ``mean_t curve / reference``; the earliest
        wins a tie. A network is served in one state, so tasks cannot each pick their own best epoch.
        """
        relative_RCTS = self.curves_RCTS / reference_T[:, None]
        members = self.candidates.members_CT.sum(axis=1)[:, None]
        scalar_RCS = np.where(np.isnan(relative_RCTS), 0.0, relative_RCTS).sum(axis=2) / members
        counted_RCS = (~np.isnan(relative_RCTS)).sum(axis=2) == members
        scalar_RCS = np.where(counted_RCS, scalar_RCS, np.inf)
        kept_RC = scalar_RCS.argmin(axis=2).astype(np.int64)
        return np.where(np.isfinite(scalar_RCS.min(axis=2)), kept_RC, -1)

    def kept(self, reference_T: FloatArray) -> LossTable:
        """Losses in the kept state (see ``kept_step_RC``)."""
        kept_RC = self.kept_step_RC(reference_T)
        picked_RCT = np.take_along_axis(self.curves_RCTS, np.maximum(kept_RC, 0)[:, :, None, None], axis=3)[..., 0]
        return LossTable(self.candidates, np.where(kept_RC[:, :, None] >= 0, picked_RCT, np.nan), self.seeds)

    def best_per_task(self) -> LossTable:
        """Losses if every task could keep its own best epoch: never served, shown as one cost of sharing."""
        with np.errstate(all="ignore"):
            best_RCT = np.where(
                np.isnan(self.curves_RCTS).all(axis=3),
                np.nan,
                np.nanmin(np.where(np.isnan(self.curves_RCTS), np.inf, self.curves_RCTS), axis=3),
            )
        return LossTable(self.candidates, best_RCT, self.seeds)
