"""The step of a network whose tasks are balanced: gradients from a method, clipped, and what the method must be told.

Axes: ``N`` rows, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search.balancing import Balancing
from search.training.adam import Adam
from search.training.balancing import make_balancer
from search.training.balancing.balancer import Setting
from search.training.balancing.feature_mgda import FeatureMgda
from search.training.clipping import clip_each
from search.training.losses import TaskBlock
from search.training.progress import trainable

__all__ = ["BalancedSteps"]


class BalancedSteps:
    """Takes the steps of one network.

    Args:
        network: With ``trunk`` and ``heads``.
        optimizer: Of its parameters, trunk first.
        balancing: The method.
        blocks: Its tasks.
        auxiliary: Which of them are trained for the others' sake only.
        learning_rate: Of the network.
        per_epoch: Steps of an epoch.
        done: Steps taken before.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: Adam,
        balancing: Balancing,
        blocks: Sequence[TaskBlock],
        auxiliary: Sequence[bool],
        learning_rate: float,
        per_epoch: int,
        done: int,
    ) -> None:
        named = trainable(network)
        self._trunk = [parameter for name, parameter in named.items() if not name.startswith("heads.")]
        self._heads = [parameter for name, parameter in named.items() if name.startswith("heads.")]
        assert [*map(id, self._trunk), *map(id, self._heads)] == [*map(id, named.values())], "the trunk comes first"
        classes_T = [b.type != "regression" for b in blocks for _ in range(b.tasks.stop - b.tasks.start)]
        device = self._heads[0].device
        self._balancer = make_balancer(balancing, Setting(len(classes_T), classes_T, auxiliary, learning_rate, device))
        if isinstance(self._balancer, FeatureMgda):
            assert isinstance(network.trunk, nn.Module)
            self._balancer.watch(network.trunk)
        self._optimizer = optimizer
        self._per_epoch, self._done = per_epoch, done
        self._sum_T, self._count_T = np.zeros((2, len(classes_T)))

    def step(
        self,
        losses_T: Tensor,
        labelled_NT: Tensor,
        penalty: Tensor | None,
        clip_norm: float | None,
        again: Callable[[], Tensor],
    ) -> None:
        """One step.

        Args:
            losses_T: Loss of each task on the batch.
            labelled_NT: 1 where the label exists; a task without any is dropped.
            penalty: What is added to the losses for the trunk's sake.
            clip_norm: Largest norm of the gradient.
            again: The losses of the batch once the step is taken.
        """
        present_T = labelled_NT.sum(dim=0) > 0
        if present_T.any():
            gradients = self._balancer.gradients(losses_T, present_T, self._trunk, self._heads)
            if penalty is not None:
                drawn = torch.autograd.grad(penalty, self._trunk, materialize_grads=True)
                gradients = [*map(torch.add, gradients, drawn), *gradients[len(drawn) :]]
            if clip_norm is not None:
                clip_each([gradient[None] for gradient in gradients], clip_norm)
            self._optimizer.update(gradients)
            if self._balancer.looks_again:
                with torch.no_grad():
                    self._balancer.after_step(again(), present_T)
            here_T = present_T.cpu().numpy()
            self._sum_T += np.where(here_T, losses_T.detach().double().cpu().numpy(), 0.0)
            self._count_T += here_T
        self._done += 1
        if self._done % self._per_epoch == 0:
            nothing_T = np.full(len(self._sum_T), np.nan)
            self._balancer.epoch_ended(np.divide(self._sum_T, self._count_T, out=nothing_T, where=self._count_T > 0))
            self._sum_T, self._count_T = np.zeros((2, len(nothing_T)))

    def state(self) -> dict[str, NDArray[Any]]:
        """What the next step depends on, beside network and optimiser."""
        return {**self._balancer.state(), "epoch sum": self._sum_T.copy(), "epoch count": self._count_T.copy()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a state."""
        self._sum_T, self._count_T = state["epoch sum"].copy(), state["epoch count"].copy()
        self._balancer.restore(state)
