"""What every way to balance tasks does: gradients from losses, and a state to go on from.

A task without a label in a batch is dropped: it has no loss there, no gradient and no weight.

Axes: ``T`` tasks of the network, ``P`` parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Balancer", "BalancingState", "Setting", "Weighted", "present_only"]

BalancingState: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Setting:
    """What a method is made for.

    Args:
        n_tasks: Tasks of the network.
        classes_T: Whether each task has classes; the others are regressions.
        auxiliary_T: Whether each task is trained for the others' sake only.
        learning_rate: Of the network; weights that are learnt take their steps by it too.
        device: Where losses are.
    """

    n_tasks: int
    classes_T: Sequence[bool]
    auxiliary_T: Sequence[bool]
    learning_rate: float
    device: torch.device


class Balancer(Protocol):
    """One way to balance, for one network.

    Attributes:
        looks_again: Whether it wants to see the losses of the batch after the step.
    """

    looks_again: bool

    def gradients(
        self, losses_T: Tensor, present_T: Tensor, trunk: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> list[Tensor]:
        """Gradients of the trunk's parameters, then of the heads'.

        Args:
            losses_T: Loss of each task on the batch; whatever where it is absent.
            present_T: Which tasks have a label in the batch; at least one.
            trunk: Parameters that tasks may share.
            heads: Parameters whose entries belong to one task each.
        """

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        """The losses of the same batch once the step is taken; only called if it ``looks_again``."""

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        """An epoch is over.

        Args:
            mean_T: Mean training loss of each task in it; NaN where it had no label.
        """

    def state(self) -> BalancingState:
        """What the next step depends on."""

    def restore(self, state: BalancingState) -> None:
        """Go on from a state."""


class Weighted:
    """A weighted sum of the losses, differentiated once; subclasses say the weights.

    Args:
        setting: Of the network.
    """

    looks_again = False

    def __init__(self, setting: Setting) -> None:
        self.setting = setting

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        """What the losses of the K present tasks are multiplied by, [K], no part of any graph."""
        raise NotImplementedError

    def gradients(
        self, losses_T: Tensor, present_T: Tensor, trunk: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> list[Tensor]:
        losses_K = losses_T[present_T]
        weights_K = self.weights(losses_K, present_T, trunk).detach()
        return list(torch.autograd.grad((weights_K * losses_K).sum(), [*trunk, *heads], materialize_grads=True))

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        return None

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        return None

    def state(self) -> BalancingState:
        return {}

    def restore(self, state: BalancingState) -> None:
        return None


def present_only(values_T: Tensor, present_T: Tensor, new_K: Tensor) -> Tensor:
    """The values of all tasks with those of present ones replaced."""
    changed_T = values_T.clone()
    changed_T[present_T] = new_K
    return changed_T
