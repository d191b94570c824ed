"""How far estimates lie from measurements: error and correlations over the cells that both tables hold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.losses import LossTable

__all__ = ["Accuracy", "accuracy", "pearson", "spearman"]


@dataclass(frozen=True)
class Accuracy:
    """Agreement over ``cells`` (candidate, task) pairs; correlations are NaN where a side does not vary.

    Args:
        cells: How many cells were compared.
        mean_absolute_error: In the losses' unit.
        pearson: Linear correlation over all cells.
        spearman: Rank correlation over all cells.
        r2: ``1 - sum of squared errors / sum of squares about the mean``; below 0 is worse than the mean.
        pearson_per_task: Mean over tasks of the correlation within the task: differences between tasks do not flatter.
    """

    cells: int
    mean_absolute_error: float
    pearson: float
    spearman: float
    r2: float
    pearson_per_task: float


def accuracy(estimated: LossTable, measured: LossTable, *, min_size: int = 3, cost: float | None = None) -> Accuracy:
    """Compare the means over replicates, cell by cell.

    Args:
        estimated: Cells count whether or not they are marked as estimates.
        measured: Candidates are matched by tasks, cost and label.
        min_size: Smallest group compared; singles and pairs are not estimated by HOA.
        cost: Only candidates of this cost.
    """
    matched = [
        (c, found)
        for c in range(len(estimated.candidates))
        if estimated.candidates.size_C[c] >= min_size
        and (cost is None or estimated.candidates.cost_C[c] == cost)
        and (found := _match(estimated, measured, c)) is not None
    ]
    estimated_CT = estimated.mean_CT[[c for c, _ in matched]]
    order = [measured.tasks.index(task) for task in estimated.tasks]
    measured_CT = measured.mean_CT[[c for _, c in matched]][:, order]
    both_CT = ~np.isnan(estimated_CT) & ~np.isnan(measured_CT)
    x_N, y_N = estimated_CT[both_CT], measured_CT[both_CT]
    per_task = [
        pearson(estimated_CT[both_CT[:, t], t], measured_CT[both_CT[:, t], t]) for t in range(len(estimated.tasks))
    ]
    known = [value for value in per_task if not math.isnan(value)]
    spread = float(((y_N - y_N.mean()) ** 2).sum()) if len(y_N) else 0.0
    return Accuracy(
        cells=len(x_N),
        mean_absolute_error=float(np.abs(x_N - y_N).mean()) if len(x_N) else math.nan,
        pearson=pearson(x_N, y_N),
        spearman=spearman(x_N, y_N),
        r2=1 - float(((x_N - y_N) ** 2).sum()) / spread if spread > 0 else math.nan,
        pearson_per_task=float(np.mean(known)) if known else math.nan,
    )


def _match(estimated: LossTable, measured: LossTable, candidate: int) -> int | None:
    ours = estimated.candidates
    members = [task for task, member in zip(ours.tasks, ours.members_CT[candidate], strict=True) if member]
    return measured.candidates.index(members, float(ours.cost_C[candidate]), ours.label_C[candidate])


def pearson(x_N: FloatArray, y_N: FloatArray) -> float:
    """Linear correlation; NaN below two values or where one side is constant."""
    if len(x_N) < 2:
        return math.nan
    x_N, y_N = x_N - x_N.mean(), y_N - y_N.mean()
    scale = math.sqrt(float((x_N**2).sum()) * float((y_N**2).sum()))
    return float((x_N * y_N).sum()) / scale if scale > 0 else math.nan


def spearman(x_N: FloatArray, y_N: FloatArray) -> float:
    """Correlation of ranks, ties sharing their mean rank."""
    return pearson(_ranks(x_N), _ranks(y_N))


def _ranks(values_N: FloatArray) -> FloatArray:
    _, inverse_N, count_K = np.unique(values_N, return_inverse=True, return_counts=True)
    last_K: IntArray = np.cumsum(count_K)
    rank_K: FloatArray = last_K - (count_K - 1) / 2
    return rank_K[inverse_N]
