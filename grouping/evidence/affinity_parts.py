"""What an affinity is made of: gains over a reference network with errors, and whether a sign can be relied on.

A partner changes a task's loss for several reasons. A partner with shuffled labels has nothing to teach, so what it
does is crowding; a copy of the task itself has nothing new to teach, so what it does is the change of the loss's scale;
a wider network has no partner at all. What a real partner does beyond a shuffled one is transfer.

Axes: ``R`` replicates (seeds), ``K`` treatments of one task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.affinity import residual_variance
from grouping.candidates import FloatArray
from grouping.errors import InputError

__all__ = ["Gain", "gains", "unstable"]

_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Gain:
    """A share of the reference's loss that is saved, with its 95 % interval; NaN ends where no error is known."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or -1 where the interval excludes 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def gains(losses_RK: FloatArray, against: Sequence[int]) -> list[Gain]:
    """Gain of every treatment of a task over another of them, as in a block design with seeds as blocks.

    One residual variance for all treatments, as ``pair_affinity`` has it; the reference's own error is carried along.

    Args:
        losses_RK: Losses of one task under K treatments, with the same R seeds; NaN where a training failed.
        against: The treatment that each is compared with, length K.

    Raises:
        InputError: a reference without a positive loss.
    """
    from scipy.special import stdtrit  # 0.2 s that the import of this module need not cost

    base = float(np.nanmean(losses_RK[:, 0])) if not np.isnan(losses_RK[:, 0]).all() else float("nan")
    if not base > 0:
        raise InputError("the reference has no positive loss, so nothing is gained or lost relative to it")
    variance, df = residual_variance(losses_RK / base)
    found = []
    for k, reference in enumerate(against):
        both_R = ~np.isnan(losses_RK[:, k] + losses_RK[:, reference])
        if not both_R.any():
            found.append(Gain(float("nan"), float("nan"), float("nan")))
            continue
        own, other = losses_RK[both_R, k].mean() / base, losses_RK[both_R, reference].mean() / base
        ratio = own / other
        error = np.sqrt(variance / both_R.sum() * (1 + ratio**2)) / other if k != reference else 0.0
        half = float(stdtrit(df, (1 + _CONFIDENCE) / 2) * error) if df else float("nan")
        found.append(Gain(float(1 - ratio), float(1 - ratio - half), float(1 - ratio + half)))
    return found


def unstable(settings: Sequence[Gain]) -> bool:
    """Whether the sign of an affinity depends on the setting: help is sure in one of them, and harm in another."""
    signs = {gain.sign for gain in settings}
    return {-1, 1} <= signs
