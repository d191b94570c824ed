"""Seeded instance families of the grouping problem at every size: for tests, and for the benchmarks' tables.

``hoa-iid`` and ``hoa-lat``: every subset, losses by higher-order approximation from a pair table without or with
structure. ``noise-*``: the same, times 1 + N(0, 3 %). ``mix-*``: every subset at three costs. ``pool``: singles and
random groups of many tasks, at one cost or three.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["FAMILIES", "family", "members_of_all_subsets", "pair_table", "pool"]

Bool = NDArray[np.bool_]
Float = NDArray[np.float64]

FAMILIES = ("hoa-iid", "hoa-lat", "noise-iid", "noise-lat", "mix-iid", "mix-lat")


def members_of_all_subsets(n_tasks: int) -> Bool:
    """Every non-empty group, [2^T - 1, T]."""
    return (np.arange(1, 2**n_tasks)[:, None] >> np.arange(n_tasks) & 1).astype(bool)


def pair_table(kind: str, n_tasks: int, rng: np.random.Generator) -> Float:
    """Loss of t (first axis) when trained with u, [T, T]; 1 on the diagonal.

    ``iid``: independent. ``lat``: tasks are points on a sphere, and neighbours help each other.
    """
    noise_TT = rng.normal(size=(n_tasks, n_tasks))
    if kind == "iid":
        pair_TT = 1 + 0.07 * noise_TT
    else:
        place_T3 = rng.normal(size=(n_tasks, 3))
        place_T3 /= np.linalg.norm(place_T3, axis=1, keepdims=True)
        pair_TT = 1 + 0.07 * (-0.8 * np.sqrt(3) * place_T3 @ place_T3.T + 0.6 * noise_TT)
    pair_TT = np.maximum(pair_TT, 0.3)
    np.fill_diagonal(pair_TT, 1.0)
    return pair_TT


def family(name: str, n_tasks: int, seed: int) -> tuple[Float, Float]:
    """Losses [C, T] and costs [C] of an instance with every subset of the tasks."""
    shape, kind = name.split("-")
    rng = np.random.default_rng([seed, n_tasks])
    pair_TT = pair_table(kind, n_tasks, rng)
    members_CT = members_of_all_subsets(n_tasks)
    losses_CT = _higher_order(pair_TT, members_CT)
    if shape == "hoa":
        return losses_CT, np.ones(len(losses_CT))
    if shape == "noise":
        losses_CT *= 1 + 0.03 * rng.normal(size=losses_CT.shape)
        return losses_CT, np.ones(len(losses_CT))
    beyond_C = members_CT.sum(axis=1) - 1
    tables = [
        losses_CT * (factor * (1 + slope * beyond_C) * (1 + 0.01 * rng.normal(size=losses_CT.shape)).T).T
        for factor, slope in ((1.03, 0.03), (1.0, 0.015), (0.98, 0.007))
    ]
    return np.vstack(tables), np.repeat([0.5, 1.0, 2.0], len(losses_CT))


def pool(n_tasks: int, n_candidates: int, seed: int, *, mixed_costs: bool = False) -> tuple[Float, Float]:
    """Losses [C, T] and costs [C]: all singles, and random groups of a tenth to a third of the tasks."""
    rng = np.random.default_rng([seed, n_tasks, n_candidates])
    pair_TT = pair_table("lat", n_tasks, rng)
    members_CT = np.zeros((n_candidates, n_tasks), dtype=bool)
    members_CT[:n_tasks] = np.eye(n_tasks, dtype=bool)
    for row in range(n_tasks, n_candidates):
        size = int(rng.integers(max(2, n_tasks // 10), max(2, n_tasks // 3) + 1))
        members_CT[row, rng.permutation(n_tasks)[:size]] = True
    losses_CT = _higher_order(pair_TT, members_CT) * (1 + 0.02 * rng.normal(size=members_CT.shape))
    if not mixed_costs:
        return losses_CT, np.ones(n_candidates)
    kind_C = rng.integers(3, size=n_candidates)
    return losses_CT * np.array([1.05, 1.0, 0.97])[kind_C][:, None], np.array([0.5, 1.0, 2.0])[kind_C]


def _higher_order(pair_TT: Float, members_CT: Bool) -> Float:
    """Mean of the pairs with the other members; the diagonal for a group of one; NaN off the members."""
    apart_TT = pair_TT.copy()
    np.fill_diagonal(apart_TT, 0.0)
    losses_CT = members_CT.astype(float) @ apart_TT.T
    size_C = members_CT.sum(axis=1)
    losses_CT /= np.maximum(size_C - 1, 1)[:, None]
    alone_C = size_C == 1
    losses_CT[alone_C] = np.diag(pair_TT)
    losses_CT[~members_CT] = np.nan
    return losses_CT
