"""How far the estimates can be trusted: estimated against measured losses on groups trained for that purpose.

The groups must be a *random* sample. The chosen groups alone are a biased one: they were chosen because their
estimates are low, so their measurements come out higher even if the estimates are unbiased.

Axes: ``C`` audited groups (candidates), ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError

__all__ = ["AuditResult", "audit"]

_FEWEST_GROUPS = 5
"""Fewer groups have too few distinct resamples for an interval."""


@dataclass(frozen=True)
class AuditResult:
    """Agreement of estimates and measurements; None where it is undefined.

    Args:
        groups: Audited groups with at least one cell.
        cells: Compared (group, task) pairs.
        spearman: Rank correlation over cells once every task's mean is removed; 0 is what noise gives.
        low: Lower end of its 95 % interval over resampled groups.
        high: Upper end.
        mean_absolute_error: Mean of ``|estimated - measured|`` over cells, in the losses' unit.
    """

    groups: int
    cells: int
    spearman: float | None
    low: float | None
    high: float | None
    mean_absolute_error: float | None


def audit(
    estimated_CT: FloatArray, measured_CT: FloatArray, rng: np.random.Generator, *, draws: int = 1000
) -> AuditResult:
    """Compare estimates with measurements on a random sample of groups.

    The correlation asks what a choice depends on: does the estimate order the *groups* rightly for a task? Therefore
    every task's mean over the sample is removed from both sides; otherwise a task that always suffers from sharing
    would make worthless estimates look good. Its interval is the percentile bootstrap over whole groups, since the
    losses of one network belong together.

    Args:
        estimated_CT: Estimated relative losses, NaN where there is none, [C, T].
        measured_CT: Measured relative losses of the same groups, [C, T].
        rng: For the bootstrap.
        draws: Resamples.

    Raises:
        InputError: shapes that disagree.
    """
    if estimated_CT.shape != measured_CT.shape or estimated_CT.ndim != 2:
        raise InputError(f"estimates {estimated_CT.shape} and measurements {measured_CT.shape} are not of one shape")
    both_CT = np.isfinite(estimated_CT) & np.isfinite(measured_CT)
    used_C = both_CT.any(axis=1)
    pair_2CT = np.where(both_CT, np.stack([estimated_CT, measured_CT]), np.nan)[:, used_C]
    groups, cells = int(used_C.sum()), int(both_CT.sum())
    if not cells:
        return AuditResult(0, 0, None, None, None, None)
    error = float(np.nanmean(np.abs(pair_2CT[0] - pair_2CT[1])))
    correlation = _rank_correlation(pair_2CT)
    low = high = None
    if correlation is not None and groups >= _FEWEST_GROUPS:
        resampled = [_rank_correlation(pair_2CT[:, rng.integers(groups, size=groups)]) for _ in range(draws)]
        defined = [value for value in resampled if value is not None]
        if defined:
            low, high = (float(end) for end in np.quantile(defined, [0.025, 0.975]))
    return AuditResult(groups, cells, correlation, low, high, error)


def _rank_correlation(pair_2CT: FloatArray) -> float | None:
    """Spearman's correlation of the two sides over cells, task means removed; None where a side does not vary.

    A task of a single group has nothing left once its mean is gone, so its cells do not count.
    """
    count_T = (~np.isnan(pair_2CT[0])).sum(axis=0)
    pair_2CT = pair_2CT[:, :, count_T > 1]
    cells_CT = ~np.isnan(pair_2CT[0])
    if not cells_CT.any():
        return None
    centred_2CT = pair_2CT - np.nanmean(pair_2CT, axis=1, keepdims=True)
    ranks_2K = np.stack([_ranks(side_CT[cells_CT]) for side_CT in centred_2CT])
    ranks_2K -= ranks_2K.mean(axis=1, keepdims=True)
    squares = (ranks_2K**2).sum(axis=1)
    if squares.min() == 0:
        return None
    return float(np.clip(ranks_2K[0] @ ranks_2K[1] / np.sqrt(squares[0] * squares[1]), -1, 1))


def _ranks(values_K: FloatArray) -> FloatArray:
    """Ranks from 1, ties sharing their mean rank, [K]; values within rounding of each other are ties."""
    rounded_K = np.round(values_K, 12)
    _, inverse_K, count = np.unique(rounded_K, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2
    ranks_K: FloatArray = mean_rank[inverse_K]
    return ranks_K
