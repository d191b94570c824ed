"""Losses of all groups from some that were trained: each partner adds its own share, learnt by a ridge regression.

Linear surrogate model, Li, Nguyen & Zhang, *Identification of Negative Transfers in Multitask Learning Using Surrogate
Models*, TMLR 2023: for a task t in a group S of two or more::

    loss_t(S) = a_t + sum over u in S, u != t of b_tu

with ``a_t + b_tu`` learnt from sampled groups that hold t. The penalty is the one with the least leave-one-out error.

Axes: ``R`` seeds, ``C`` candidates, ``T`` tasks, ``N`` trained groups that hold a task.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.estimators.listing import every_group, with_groups
from grouping.losses import LossTable

__all__ = ["complete_linear", "linear_surrogate"]

_PENALTIES = np.geomspace(1e-2, 1e2, 13)
_FEWEST = 3


def linear_surrogate(table: LossTable) -> LossTable:
    """The table with an estimate for every candidate of two or more tasks that was not measured.

    Cost: the sampled groups, a number that grows in proportion to the tasks where partners act each by itself.
    Fails where they do not (a third task undoes what a second one gives), and with fewer sampled groups of a task than
    it has partners, where only the common level is learnt. Every seed is fitted by itself, so their spread is that of
    the estimate.

    Args:
        table: Losses. Networks of each cost and label are fitted by themselves; single tasks enter nothing: what
            sharing costs at all is part of ``a_t``. A task in fewer than three measured groups stays without estimates.

    Raises:
        InputError: no task is in three measured groups.
    """
    candidates = table.candidates
    losses_RCT = table.losses_RCT.copy()
    known_C = (table.replicates_CT > 0).any(axis=1)
    open_CT = candidates.members_CT & (~known_C & (candidates.size_C >= 2))[:, None]
    short: list[str] = []
    label_C = np.array(candidates.label_C)
    for cost, label in dict.fromkeys(zip(candidates.cost_C.tolist(), candidates.label_C, strict=True)):
        same_C = (candidates.cost_C == cost) & (label_C == label) & (candidates.size_C >= 2)
        for t, task in enumerate(table.tasks):
            wanted = np.flatnonzero(same_C & open_CT[:, t])
            partners_CU = np.delete(candidates.members_CT, t, axis=1).astype(float)
            for r in range(len(table.seeds)) if len(wanted) else ():
                losses_C = table.losses_RCT[r, :, t]
                seen = np.flatnonzero(same_C & ~np.isnan(losses_C))
                if len(seen) >= _FEWEST:
                    losses_RCT[r, wanted, t] = _fitted(partners_CU[seen], losses_C[seen], partners_CU[wanted])
            if len(wanted) and np.isnan(losses_RCT[:, wanted, t]).all():
                short.append(task)
    filled_CT = open_CT & ~np.isnan(losses_RCT).all(axis=0)
    if open_CT.any() and not filled_CT.any():
        raise InputError(
            f"task '{short[0]}' is in fewer than {_FEWEST} trained groups, too few to learn from",
            where="estimator linear-surrogate",
            fix="Train more groups that hold it",
        )
    assert table.estimated_CT is not None
    return replace(table, losses_RCT=losses_RCT, estimated_CT=table.estimated_CT | filled_CT)


def complete_linear(table: LossTable, max_size: int | None = None) -> LossTable:
    """The table with every group, up to a size, whose members all have an estimate.

    Raises:
        InputError: as ``linear_surrogate``, no group to learn from, or more groups than can be listed.
    """
    n_tasks = table.candidates.n_tasks
    if n_tasks >= 2 and not (table.candidates.size_C >= 2).any():
        raise InputError(
            "the table has single tasks only, and partners' shares are learnt from groups",
            where="estimator linear-surrogate",
            fix="Add some groups, at random",
        )
    hint = "Limit the size of a network with --max-size"
    wanted = (group for group in every_group(n_tasks, max_size, hint) if len(group) >= 2)
    filled = linear_surrogate(with_groups(table, wanted))
    missing_CT = filled.candidates.members_CT & np.isnan(filled.losses_RCT).all(axis=0)
    partial_C: BoolArray = np.logical_or.reduce(missing_CT, axis=1)
    partial_C[: len(table.candidates)] = False
    return filled.select(~partial_C)


def _fitted(partners_NU: FloatArray, losses_N: FloatArray, asked_MU: FloatArray) -> FloatArray:
    """Ridge regression with a free level, at the penalty of least leave-one-out error (in closed form), [M]."""
    centre_U, level = partners_NU.mean(axis=0), losses_N.mean()
    left, sizes, right = np.linalg.svd(partners_NU - centre_U, full_matrices=False)
    scores_K = left.T @ (losses_N - level)
    best, slope_U = np.inf, np.zeros(len(centre_U))
    for penalty in _PENALTIES.tolist():
        shrunk_K = sizes**2 / (sizes**2 + penalty)
        residual_N = losses_N - level - left @ (shrunk_K * scores_K)
        leverage_N = 1 / len(losses_N) + (left**2) @ shrunk_K
        error = float(np.mean((residual_N / np.maximum(1 - leverage_N, 1e-9)) ** 2))
        if error < best:
            best = error
            slope_U = right.T @ (sizes / (sizes**2 + penalty) * scores_K)
    return np.asarray(level + (asked_MU - centre_U) @ slope_U)
