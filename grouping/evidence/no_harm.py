"""Whether sharing harms a task: its loss against a reference network of its own, with a one-sided limit.

A task is *held* where its loss is, at the asked confidence, at most a margin above the reference, *harmed* where it is
above the margin at that confidence, and *open* where the data decide neither. That all tasks are held may be claimed at
the same confidence without a correction for their number: the claim is wrong only if one of its parts is (Berger 1982).

Axes: ``R`` replicates (seeds), ``C`` candidates, ``T`` tasks, ``K`` candidates that serve a task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grouping.affinity import residual_variance
from grouping.candidates import FloatArray, IntArray
from grouping.errors import InputError
from grouping.evidence.intervals import TestLosses, relative_loss
from grouping.losses import LossTable

__all__ = ["Harm", "HarmState", "harm", "harm_limits"]

HarmState = Literal["held", "harmed", "open"]


@dataclass(frozen=True)
class Harm:
    """One served task against its reference.

    Args:
        change: Relative change of its loss; positive is worse.
        limit: Upper limit of the change at the asked confidence (one-sided); infinite where no error could be had.
        state: What that says about the margin.
    """

    change: float
    limit: float
    state: HarmState


def harm(
    losses: TestLosses, reference: TestLosses, tasks: Mapping[str, int], margin: float, confidence: float
) -> dict[str, Harm]:
    """What sharing does to each task on the test part, with errors from seeds and clusters of rows.

    Args:
        losses: The grouping.
        reference: What each task is compared with, trained with the same seeds and scored on the same rows.
        tasks: Served tasks and their places on axis T.
        margin: By how much a loss may rise, relative to the reference: 0.02 is 2 %.
        confidence: One-sided, between 0.5 and 1.

    Raises:
        InputError: as ``relative_loss``; a negative margin, or a confidence outside (0.5, 1).
    """
    _check(margin, confidence)
    n_tasks = losses.counts_TG.shape[0]
    found = {}
    for task, t in tasks.items():
        change = relative_loss(losses, reference, np.eye(n_tasks)[t]).at(2 * confidence - 1)
        state: HarmState = "open"
        if change.high <= 1 + margin:
            state = "held"
        elif change.low > 1 + margin:
            state = "harmed"
        found[task] = Harm(change.mean - 1, change.high - 1, state)
    return found


def harm_limits(table: LossTable, reference_T: Sequence[int] | IntArray, confidence: float) -> FloatArray:
    """One-sided upper limit of every measured loss relative to a reference network, [C, T].

    Candidates of a task are treatments in a block design with seeds as blocks, as in ``affinity``: one residual
    variance a task, and the reference's own error is carried along.

    Args:
        table: Losses; estimates are not looked at.
        reference_T: The candidate that each task is compared with, [T]; -1 for tasks that are not.
        confidence: One-sided, between 0.5 and 1.

    Returns:
        1 for the reference itself; infinite where no spread is known; NaN where nothing was measured.

    Raises:
        InputError: a confidence outside (0.5, 1), or a reference that was not measured.
    """
    from scipy.special import stdtrit  # 0.2 s that the import of this module need not cost

    _check(0.0, confidence)
    assert table.estimated_CT is not None
    losses_RCT = np.where(table.estimated_CT, np.nan, table.losses_RCT)
    limits_CT = np.full(losses_RCT.shape[1:], np.nan)
    for t, reference in enumerate(np.asarray(reference_T).tolist()):
        if reference < 0:
            continue
        losses_RC = losses_RCT[:, :, t]
        if np.isnan(losses_RC[:, reference]).all():
            raise InputError(
                f"the network that task '{table.tasks[t]}' is compared with was not measured",
                where="no harm",
                fix="Train it, or compare with single-task networks",
            )
        known = np.flatnonzero(~np.isnan(losses_RC).all(axis=0))
        level = float(np.nanmean(losses_RC[:, reference]))
        relative_RK, alone_R1 = losses_RC[:, known] / level, losses_RC[:, [reference]] / level
        variance, df = residual_variance(relative_RK)
        both_RK = ~np.isnan(relative_RK + alone_R1)
        seeds_K = both_RK.sum(axis=0)
        own_K, alone_K = (np.where(both_RK, values, 0.0).sum(axis=0) for values in (relative_RK, alone_R1))
        ratio_K = np.divide(own_K, alone_K, out=np.full(len(known), np.inf), where=seeds_K > 0)
        spread = float(stdtrit(df, confidence)) * np.sqrt(variance) if df else np.inf
        limits_CT[known, t] = ratio_K + spread * np.sqrt((1 + ratio_K**2) / np.maximum(seeds_K, 1))
        limits_CT[reference, t] = 1.0
    return limits_CT


def _check(margin: float, confidence: float) -> None:
    if margin < 0:
        raise InputError(f"the margin {margin:g} is negative", where="no harm", fix="Use 0.02 for 2 %")
    if not 0.5 < confidence < 1:
        raise InputError(f"the confidence {confidence:g} is outside (0.5, 1)", where="no harm", fix="Use 0.95")
