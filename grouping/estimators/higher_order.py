"""HOA: losses of groups of three or more tasks from the losses of pairs.

Standley et al., "Which Tasks Should Be Learned Together in Multi-task Learning?", ICML 2020, section 3.4.
Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.losses import LossTable

__all__ = ["higher_order"]


def higher_order(table: LossTable) -> LossTable:
    """Fill the unmeasured cells of groups of three or more with the mean of the member's pair losses.

    ``L_t(S) = 1/(|S|-1) * sum_{u in S, u != t} L_t({t, u})``, replicate by replicate, with pairs of the same cost and
    candidate label. Measured cells stay as they are; a cell whose pairs are not all measured stays empty.

    Args:
        table: Losses; groups to estimate are candidates without a loss.

    Returns:
        The same table with more cells, marked as estimated.
    """
    candidates = table.candidates
    losses_RCT = table.losses_RCT.copy()
    assert table.estimated_CT is not None
    estimated_CT = table.estimated_CT.copy()
    empty_CT = candidates.members_CT & np.isnan(table.losses_RCT).all(axis=0)
    for cost, label in {(float(c), name) for c, name in zip(candidates.cost_C, candidates.label_C, strict=True)}:
        same_C = (candidates.cost_C == cost) & np.array([name == label for name in candidates.label_C])
        groups = np.flatnonzero(same_C & (candidates.size_C >= 3) & empty_CT.any(axis=1))
        pairs = np.flatnonzero(same_C & (candidates.size_C == 2))
        if not len(groups) or not len(pairs):
            continue
        pair_RTT = _pair_losses(table, pairs)
        estimate_RGT = _mean_over_partners(pair_RTT, candidates.members_CT[groups])
        fill_GT = empty_CT[groups] & ~np.isnan(estimate_RGT).all(axis=0)
        losses_RCT[:, groups] = np.where(fill_GT, estimate_RGT, losses_RCT[:, groups])
        estimated_CT[groups] |= fill_GT
    return replace(table, losses_RCT=losses_RCT, estimated_CT=estimated_CT)


def _pair_losses(table: LossTable, pairs: IntArray) -> FloatArray:
    """Loss of the first task when trained with the second, [R, T, T]; NaN where the pair was not measured."""
    replicates, n_tasks = len(table.seeds), table.candidates.n_tasks
    pair_RTT = np.full((replicates, n_tasks, n_tasks), np.nan)
    for c in pairs:
        t, u = np.flatnonzero(table.candidates.members_CT[c])
        pair_RTT[:, t, u] = table.losses_RCT[:, c, t]
        pair_RTT[:, u, t] = table.losses_RCT[:, c, u]
    return pair_RTT


def _mean_over_partners(pair_RTT: FloatArray, members_GT: BoolArray) -> FloatArray:
    """Mean pair loss over each group's partners, [R, G, T]; NaN off the members and where a pair is missing."""
    weights_GT = members_GT.astype(float)
    known_RTT = ~np.isnan(pair_RTT)
    total_RGT = np.einsum("rtu,gu->rgt", np.where(known_RTT, pair_RTT, 0.0), weights_GT)
    count_RGT = np.einsum("rtu,gu->rgt", known_RTT.astype(float), weights_GT)
    partners_G1 = weights_GT.sum(axis=1)[:, None] - 1
    whole_RGT = (count_RGT == partners_G1) & members_GT
    mean_RGT = np.full(total_RGT.shape, np.nan)
    np.divide(total_RGT, partners_G1, out=mean_RGT, where=whole_RGT)
    return mean_RGT
