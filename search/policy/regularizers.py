"""What the policy is drawn towards beside low losses: few FLOPs, and the same units for all tasks.

The forms of AdaShare's paper (Sun et al., NeurIPS 2020), on probabilities, are what a search uses; those of its
official code, which differ, are there to compare with.

Axes: ``L`` units, ``T`` tasks, ``M`` modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from grouping.policy import Mode
from search.networks.sharing import Variant
from search.networks.units import Unit

__all__ = ["Regularizer", "expected_cost", "official_sharing", "official_sparsity", "unlikeness"]


def expected_cost(probability_LTM: Tensor, units: Sequence[Unit], modes: Sequence[Mode]) -> Tensor:
    """Expected FLOPs as a share of those of a trunk a task.

    What is shared counts in full where tasks may only share or skip: those that skip at different places run it each.
    Where a copy of one's own is the alternative, it counts for each task's part, because it is run once for all.
    """
    n_tasks = probability_LTM.shape[1]
    full_L = torch.tensor([float(unit.flops) for unit in units])
    cost_LM = torch.stack(
        [
            {
                "shared": full_L / n_tasks if "own" in modes else full_L,
                "own": full_L,
                "skip": torch.tensor([float(unit.skip_flops) for unit in units]),
            }[mode]
            for mode in modes
        ],
        dim=1,
    )
    return (probability_LTM * cost_LM[:, None].to(probability_LTM)).sum() / (n_tasks * full_L.sum())


def unlikeness(probability_LTM: Tensor, modes: Sequence[Mode]) -> Tensor:
    """How differently tasks go: sum over pairs and units of the distance of their modes, weighed (L - l) / L.

    The distance of two distributions is half the sum of absolute differences: ``|alpha_i - alpha_j|`` where modes are
    share or skip, as in the paper. Two copies of one's own are not the same, so what both give to ``own`` counts too.
    """
    n_units, n_tasks, _ = probability_LTM.shape
    weight_L = 1 - torch.arange(n_units, dtype=probability_LTM.dtype) / n_units
    total = probability_LTM.new_zeros(())
    for one, other in combinations(range(n_tasks), 2):
        first_LM, second_LM = probability_LTM[:, one], probability_LTM[:, other]
        distance_L = (first_LM - second_LM).abs().sum(dim=1) / 2
        if "own" in modes:
            own = modes.index("own")
            distance_L = distance_L + torch.minimum(first_LM[:, own], second_LM[:, own])
        total = total + (weight_L * distance_L).sum()
    return total


def official_sparsity(logits_LTM: Tensor, n_open: int) -> Tensor:
    """Of the official code: sum over tasks of the mean of ``-log(1 - alpha)`` over the open units (the last ones).

    Args:
        logits_LTM: Of (select, skip).
        n_open: Units whose policy is not held fixed yet.
    """
    skip_LT = torch.log_softmax(logits_LTM, dim=2)[..., 1]
    return -skip_LT[len(skip_LT) - n_open :].mean(dim=0).sum()


def official_sharing(logits_LTM: Tensor) -> Tensor:
    """Of the official code: sum over pairs and units of ``l/L |z_i - z_j|`` of the logits to select, l from 1.

    So deep units weigh most, where the paper has it the other way round, and closed units count.
    """
    n_units, n_tasks, _ = logits_LTM.shape
    weight_L = torch.arange(1, n_units + 1, dtype=logits_LTM.dtype) / n_units
    select_LT = logits_LTM[..., 0]
    pairs = combinations(range(n_tasks), 2)
    return torch.stack(
        [(weight_L * (select_LT[:, i] - select_LT[:, j]).abs()).sum() for i, j in pairs] or [select_LT.new_zeros(())]
    ).sum()


@dataclass(frozen=True)
class Regularizer:
    """The two losses with their weights.

    Args:
        modes: What M stands for.
        sparsity: Weight of the FLOPs.
        alike: Weight of the differences between tasks.
        target: Share of FLOPs below which there is nothing to gain.
        variant: ``official-code`` is for two modes, (shared, skip).
    """

    modes: Sequence[Mode]
    sparsity: float
    alike: float
    target: float = 0.0
    variant: Variant = "paper"

    def __call__(self, logits_LTM: Tensor, probability_LTM: Tensor, units: Sequence[Unit], n_open: int) -> Tensor:
        """The loss.

        Args:
            logits_LTM: As they are learnt.
            probability_LTM: Of all units; closed ones are shared by all.
            units: What the modes are of.
            n_open: Units whose policy is not held fixed yet, the last ones.
        """
        if self.variant == "official-code":
            sparsity = official_sparsity(logits_LTM, n_open)
            return self.sparsity * sparsity + self.alike * official_sharing(logits_LTM)
        cost = expected_cost(probability_LTM, units, self.modes)
        sparsity = torch.relu(cost - self.target)
        return self.sparsity * len(units) * sparsity + self.alike * unlikeness(probability_LTM, self.modes)
