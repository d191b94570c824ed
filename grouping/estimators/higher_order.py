"""HOA: the loss of a task in a larger group, from the pairs it forms with the other members.

Higher-order approximation, Standley et al., *Which Tasks Should Be Learned Together in Multi-task Learning?*, ICML
2020: for a group S of three or more and t in S::

    loss_t(S) = 1 / (|S| - 1) * sum over u in S, u != t of loss_t({t, u})
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.estimators.listing import every_group, kinds, with_groups
from grouping.losses import LossTable

__all__ = ["complete", "higher_order", "pair_table"]


def higher_order(table: LossTable, groups: Iterable[Sequence[int]] = (), *, keep_measured: bool = True) -> LossTable:
    """Estimate groups of three or more from pairs of the same cost and candidate label, seed by seed.

    Cost: every pair, n (n - 1) / 2 trainings of n tasks. Fails where large groups crowd their network: what many
    partners cost together shows in no pair.

    Args:
        table: Losses; candidates without a loss are groups to estimate.
        groups: Further groups (task indices) to estimate, at every cost and label of which their pairs are there.
        keep_measured: Whether measured losses of groups of three or more stay; the paper replaces them.

    Returns:
        The table's candidates in their order, then the added ones. A cell whose pairs are not all measured with a seed
        stays as it was; singles and pairs are never touched.
    """
    n_own = len(table.candidates)
    table = with_groups(table, (group for group in groups if len(group) >= 3))
    candidates = table.candidates
    losses_RCT = table.losses_RCT.copy()
    assert table.estimated_CT is not None
    estimated_CT = table.estimated_CT.copy()
    open_CT = candidates.members_CT.copy()
    if keep_measured:
        open_CT &= np.isnan(table.losses_RCT).all(axis=0)
    for same_C in kinds(candidates):
        chosen_G = np.flatnonzero(same_C & (candidates.size_C >= 3) & open_CT.any(axis=1))
        pairs = np.flatnonzero(same_C & (candidates.size_C == 2))
        if not len(chosen_G) or not len(pairs):
            continue
        estimate_RGT = _mean_over_partners(_pair_losses(table, pairs), candidates.members_CT[chosen_G])
        fill_GT = open_CT[chosen_G] & ~np.isnan(estimate_RGT).all(axis=0)
        losses_RCT[:, chosen_G] = np.where(fill_GT, estimate_RGT, losses_RCT[:, chosen_G])
        estimated_CT[chosen_G] |= fill_GT
    full = replace(table, losses_RCT=losses_RCT, estimated_CT=estimated_CT)
    # A group that was only asked for is of no use unless all its members have an estimate.
    missing_CT = candidates.members_CT & np.isnan(losses_RCT).all(axis=0)
    partial_C: BoolArray = np.logical_or.reduce(missing_CT, axis=1)
    partial_C[:n_own] = False
    return full.select(~partial_C) if partial_C.any() else full


def complete(table: LossTable, *, keep_measured: bool = True, max_size: int | None = None) -> LossTable:
    """The table with every group, up to a size, whose pairs it holds.

    Raises:
        InputError: no pair to estimate from, or more groups than can be listed.
    """
    n_tasks = table.candidates.n_tasks
    if n_tasks >= 3 and not (table.candidates.size_C == 2).any():
        raise InputError(
            "the table has no network of two tasks, and higher-order estimates are means over pairs",
            where="estimator",
            fix="Add the pairs, or use the measured losses",
        )
    hint = "Limit the size of a network with --max-size; solve_from_pairs needs no list"
    return higher_order(table, every_group(n_tasks, max_size, hint), keep_measured=keep_measured)


def pair_table(table: LossTable) -> tuple[FloatArray, float]:
    """Loss of the first task when trained with the second, [T, T], alone on the diagonal; and what a network costs.

    Raises:
        InputError: a pair or single task that was not measured, or networks of several costs or kinds.
    """
    candidates = table.candidates
    small_C = candidates.size_C <= 2
    kinds = {
        (cost, label)
        for cost, label in zip(
            candidates.cost_C[small_C].tolist(), np.array(candidates.label_C)[small_C].tolist(), strict=True
        )
    }
    if len(kinds) != 1:
        raise InputError(
            f"single tasks and pairs come at {len(kinds)} costs or kinds",
            where="estimator",
            fix="Pick one with --where cost=1, or limit the size of a network so that groups can be listed",
        )
    pairs = np.flatnonzero(candidates.size_C == 2)
    pair_TT = _pair_losses(replace(table, losses_RCT=table.mean_CT[None], seeds=("mean",)), pairs)[0]
    for c in np.flatnonzero(candidates.size_C == 1).tolist():
        t = int(np.flatnonzero(candidates.members_CT[c])[0])
        pair_TT[t, t] = table.mean_CT[c, t]
    missing = np.argwhere(np.isnan(pair_TT))
    if len(missing):
        t, u = missing[0].tolist()
        names = table.tasks[t] if t == u else f"{table.tasks[min(t, u)]}+{table.tasks[max(t, u)]}"
        raise InputError(
            f"the table has no loss of '{table.tasks[t]}' in network '{names}', "
            f"and {len(missing) - 1} more are missing",
            where="estimator",
            fix="Add them: every single task and every pair is needed",
        )
    return pair_TT, next(iter(kinds))[0]


def _pair_losses(table: LossTable, pairs: IntArray) -> FloatArray:
    """Loss of the first task when trained with the second, [R, T, T]; NaN where the pair was not measured."""
    n_tasks = table.candidates.n_tasks
    pair_RTT = np.full((len(table.seeds), n_tasks, n_tasks), np.nan)
    for c in pairs.tolist():
        t, u = np.flatnonzero(table.candidates.members_CT[c])
        pair_RTT[:, t, u] = table.losses_RCT[:, c, t]
        pair_RTT[:, u, t] = table.losses_RCT[:, c, u]
    return pair_RTT


def _mean_over_partners(pair_RTT: FloatArray, members_GT: BoolArray) -> FloatArray:
    """Mean pair loss over each group's partners, [R, G, T]; NaN off the members and where a pair is missing."""
    partners_GT = members_GT.astype(float)
    known_RTT = ~np.isnan(pair_RTT)
    total_RGT = np.einsum("rtu,gu->rgt", np.where(known_RTT, pair_RTT, 0.0), partners_GT)
    count_RGT = np.einsum("rtu,gu->rgt", known_RTT.astype(float), partners_GT)
    needed_G1 = partners_GT.sum(axis=1)[:, None] - 1
    whole_RGT = (count_RGT == needed_G1) & members_GT
    mean_RGT: FloatArray = np.full(total_RGT.shape, np.nan)
    np.divide(total_RGT, needed_G1, out=mean_RGT, where=whole_RGT)
    return mean_RGT
