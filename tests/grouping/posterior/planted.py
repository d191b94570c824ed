"""Loss tables with known structure: task levels, a price of size, who helps whom, and noise of seeds."""

from __future__ import annotations

import numpy as np

from grouping.candidates import Candidates, FloatArray, groups_up_to
from grouping.losses import LossTable

__all__ = ["every_group", "planted_losses", "planted_table"]


def every_group(n_tasks: int) -> Candidates:
    """All groups of some tasks, each at cost 1."""
    groups = list(groups_up_to(n_tasks, n_tasks))
    members_CT = np.array([[t in group for t in range(n_tasks)] for group in groups])
    return Candidates(tuple("abcdefghij"[:n_tasks]), members_CT, np.ones(len(groups)))


def planted_losses(candidates: Candidates, rng: np.random.Generator, own: float = 0.01) -> FloatArray:
    """True losses [C, T] about 1: partners add up, divided by the root of their number; every cell has its own part."""
    n_tasks = candidates.n_tasks
    partner_TT = 0.06 * rng.standard_normal((n_tasks, n_tasks))
    np.fill_diagonal(partner_TT, 0.0)
    partners_C = candidates.size_C - 1
    helped_CT = candidates.members_CT @ partner_TT.T / np.sqrt(np.maximum(partners_C, 1))[:, None]
    crowding_CT = 0.02 * partners_C[:, None] * rng.uniform(0.5, 1.5, n_tasks)
    own_CT = own * rng.standard_normal(helped_CT.shape) * (partners_C > 0)[:, None]
    return np.where(candidates.members_CT, 1.0 + helped_CT + crowding_CT + own_CT, np.nan)


def planted_table(n_tasks: int, seeds: int, noise: float, rng: np.random.Generator) -> tuple[LossTable, FloatArray]:
    """A complete table of noisy trainings, and the truth."""
    candidates = every_group(n_tasks)
    true_CT = planted_losses(candidates, rng)
    losses_RCT = true_CT + noise * rng.standard_normal((seeds, *true_CT.shape))
    return LossTable(candidates, losses_RCT, tuple(map(str, range(seeds)))), true_CT
