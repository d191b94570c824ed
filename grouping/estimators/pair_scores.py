"""Losses of all groups from one score for each pair of tasks: look-ahead, cosine and first-order affinities.

The score z_t(S) of a task t in a group S is the mean of its scores with the other members (Fifty et al., *Efficiently
Identifying Task Groupings for Multi-Task Learning*, NeurIPS 2021). Scores have no unit, and say nothing of crowding, so
they are brought onto the scale of losses by what a run measures anyway, every task alone and all tasks N together::

    gain_t(S) = gain_t(N) * (|S| - 1) / (|N| - 1) + slope * (z_t(S) - z_t(N))

A gain is the share of the loss alone that is saved; the slope is the ratio of the standard deviations of gain_t(N) and
z_t(N) over the tasks.

Axes: ``R`` runs (seeds), ``C`` candidates, ``T`` tasks; recipients in rows and partners in columns, [T, T].
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["check_scores", "from_pair_scores", "group_scores"]


def from_pair_scores(table: LossTable, score_RTT: FloatArray) -> LossTable:
    """The table with an estimate for every candidate of two or more tasks that was not measured.

    Cost: what gave the scores. Fails where help depends on the company and not on each partner by itself, and where
    the course of training says nothing of its end: on our lattices such scores rank groups hardly better than chance.

    Args:
        table: Losses; candidates of a cost and label at which single tasks or the network of all tasks were not
            measured stay as they are.
        score_RTT: What each recipient (row) gains from each partner (column), higher is better, one matrix for each of
            the table's seeds; the diagonal is not looked at.

    Raises:
        InputError: a matrix of another shape, a score that is not finite, or nothing to anchor any estimate at.
    """
    check_scores(score_RTT, len(table.seeds), table.tasks)
    candidates, n_tasks = table.candidates, table.candidates.n_tasks
    losses_RCT = table.losses_RCT.copy()
    open_C = (table.replicates_CT == 0).all(axis=1) & (candidates.size_C >= 2)
    share_C = (candidates.size_C - 1) / max(n_tasks - 1, 1)
    score_RCT = group_scores(score_RTT, candidates.members_CT)
    whole_RT = group_scores(score_RTT, np.ones((1, n_tasks), dtype=bool))[:, 0]
    filled_C: BoolArray = np.zeros(len(candidates), dtype=bool)
    label_C = np.array(candidates.label_C)
    for cost, label in dict.fromkeys(zip(candidates.cost_C.tolist(), candidates.label_C, strict=True)):
        same_C = (candidates.cost_C == cost) & (label_C == label)
        alone_T, together_T = _anchors(table, same_C)
        if np.isnan(alone_T + together_T).any():
            continue
        gain_T = 1 - together_T / alone_T
        spread = float(whole_RT.mean(axis=0).std())
        slope = float(gain_T.std()) / spread if spread > 0 else 0.0
        here = np.flatnonzero(same_C & open_C)
        gain_RGT = gain_T * share_C[here, None] + slope * (score_RCT[:, here] - whole_RT[:, None])
        losses_RCT[:, here] = alone_T * (1 - gain_RGT)
        filled_C[here] = True
    if open_C.any() and not filled_C.any():
        raise InputError(
            "single tasks and the network of all tasks were not all measured, so scores cannot be brought onto the "
            "scale of losses",
            where="estimator",
            fix="Train them all at one cost, or use: higher-order",
        )
    assert table.estimated_CT is not None
    estimated_CT = table.estimated_CT | (candidates.members_CT & filled_C[:, None])
    return replace(table, losses_RCT=losses_RCT, estimated_CT=estimated_CT)


def group_scores(score_RTT: FloatArray, members_CT: BoolArray) -> FloatArray:
    """Mean score of each member with its partners, [R, C, T]; NaN off the members and for single tasks."""
    n_tasks = members_CT.shape[1]
    partners_RTT = np.where(np.eye(n_tasks, dtype=bool), 0.0, score_RTT)
    total_RCT = np.einsum("rtu,cu->rct", partners_RTT, members_CT.astype(float))
    count_C1 = members_CT.sum(axis=1)[:, None] - 1
    served_CT = members_CT & (count_C1 > 0)
    mean_RCT: FloatArray = np.where(served_CT, total_RCT / np.maximum(count_C1, 1), np.nan)
    return mean_RCT


def check_scores(score_RTT: FloatArray, runs: int, tasks: tuple[str, ...]) -> None:
    """Refuse scores that do not belong to a table.

    Raises:
        InputError: another shape, or a score off the diagonal that is not finite.
    """
    shape = (runs, len(tasks), len(tasks))
    if score_RTT.shape != shape:
        raise InputError(
            f"the scores have the shape {score_RTT.shape}, {shape} is needed",
            where="affinity scores",
            fix="Give one matrix for each seed of the table",
        )
    bad_TT = ~np.isfinite(score_RTT).all(axis=0) & ~np.eye(len(tasks), dtype=bool)
    for t, u in np.argwhere(bad_TT)[:1].tolist():
        raise InputError(
            f"what '{tasks[t]}' gains from '{tasks[u]}' is not a finite number",
            where="affinity scores",
            fix="Score it at more steps: the two may never have had a label in one batch",
        )


def _anchors(table: LossTable, same_C: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Mean loss of each task alone and with all others among some candidates, [T]; NaN where it was not measured."""
    candidates, mean_CT = table.candidates, table.mean_CT
    alone_T, together_T = (np.full(candidates.n_tasks, np.nan) for _ in range(2))
    for c in np.flatnonzero(same_C & (candidates.size_C == 1)).tolist():
        t = int(np.flatnonzero(candidates.members_CT[c])[0])
        alone_T[t] = mean_CT[c, t]
    for c in np.flatnonzero(same_C & (candidates.size_C == candidates.n_tasks)).tolist():
        together_T = mean_CT[c]
    return alone_T, together_T
