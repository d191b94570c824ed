"""Balancing by weights: one weighted sum, one backward pass.

Axes: ``T`` tasks, ``K`` those of them that have a label in the batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.balancing import Balancing
from search.training.adam import Adam
from search.training.balancing.balancer import BalancingState, Setting, Weighted, present_only

__all__ = ["Equal", "Famo", "GeometricMean", "GradNorm", "ImtlL", "MovingAverage", "RandomWeights", "Uncertainty"]

_LEAST = 1e-12  # of a loss that a logarithm or a quotient is taken of


class Equal(Weighted):
    """All weights 1."""

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting)

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        return torch.ones_like(losses_K)


class RandomWeights(Equal):
    """Weights drawn anew for every batch: softmax of normal draws, times K (RLW, Lin et al. 2022)."""

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        # torch's own generator, which the loop seeds and saves.
        return len(losses_K) * torch.softmax(torch.randn(len(losses_K), device=losses_K.device), dim=0).to(losses_K)


class GeometricMean(Equal):
    """The gradient of the geometric mean of the losses, times K (GLS, Chennupati et al. 2019): blind to their units."""

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        losses_K = losses_K.detach().clamp_min(_LEAST)
        return losses_K.log().mean().exp() / losses_K


class MovingAverage(Weighted):
    """Dynamic weight average (DWA, Liu et al. 2019): more weight where the loss fell less between the last two epochs.

    ``w_t = T exp(r_t / temperature) / sum exp(r / temperature)`` with ``r_t`` the last epoch's mean loss over that of
    the one before; 1 in the first two epochs, and for a task without both.
    """

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting)
        self._temperature = balancing.temperature
        self._last_T, self._before_T = np.full((2, setting.n_tasks), np.nan)

    def all_weights(self) -> NDArray[np.float64]:
        """Of all tasks, [T]; their sum is T."""
        ratio_T = self._last_T / np.maximum(self._before_T, _LEAST)
        known_T = np.isfinite(ratio_T)
        weights_T = np.ones(len(ratio_T))
        if known_T.any():
            shifted_T = (ratio_T[known_T] - ratio_T[known_T].max()) / self._temperature
            weights_T[known_T] = known_T.sum() * np.exp(shifted_T) / np.exp(shifted_T).sum()
        return weights_T

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        return torch.from_numpy(self.all_weights()).to(losses_K)[present_T]

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        self._before_T, self._last_T = self._last_T, mean_T.copy()

    def state(self) -> BalancingState:
        return {"last": self._last_T, "before": self._before_T}

    def restore(self, state: BalancingState) -> None:
        self._last_T, self._before_T = state["last"].copy(), state["before"].copy()


class Learnt(Weighted):
    """Weights that are learnt beside the network, by Adam: one number a task.

    Args:
        setting: Of the network.
        start: Value at the start.
        learning_rate: Of the numbers; default: the network's.
    """

    def __init__(self, setting: Setting, start: float, learning_rate: float | None = None) -> None:
        super().__init__(setting)
        self.values_T = torch.full((setting.n_tasks,), start, device=setting.device)
        self._rate = setting.learning_rate if learning_rate is None else learning_rate
        self._adam = Adam([self.values_T], self._rate)
        self._done = 0

    def learn(self, gradient_K: Tensor, present_T: Tensor) -> None:
        """One step; the numbers of absent tasks are told nothing."""
        gradient_T = present_only(torch.zeros_like(self.values_T), present_T, gradient_K.to(self.values_T))
        self._adam.update([gradient_T])
        self._done += 1

    def state(self) -> BalancingState:
        moments = self._adam.means[0], self._adam.squares[0]
        arrays = (tensor.detach().cpu().numpy().copy() for tensor in (self.values_T, *moments))
        return {**dict(zip(("values", "means", "squares"), arrays, strict=True)), "done": np.array(self._done)}

    def restore(self, state: BalancingState) -> None:
        self._done = int(state["done"])
        self.values_T.copy_(torch.tensor(state["values"]))
        self._adam = Adam([self.values_T], self._rate, done=self._done)
        self._adam.means[0].copy_(torch.tensor(state["means"]))
        self._adam.squares[0].copy_(torch.tensor(state["squares"]))


class Uncertainty(Learnt):
    """Homoscedastic uncertainty (Kendall et al. 2018): ``e^-s L / 2 + s / 2``, for classes ``e^-s L + s / 2``.

    ``s`` is the logarithm of a task's noise variance, 0 at the start.
    """

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting, 0.0)
        self._factor_T = torch.tensor([1.0 if classes else 0.5 for classes in setting.classes_T], device=setting.device)

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        weights_K = (self._factor_T * (-self.values_T).exp())[present_T]
        self.learn(0.5 - weights_K * losses_K.detach(), present_T)
        return weights_K.to(losses_K)


class ImtlL(Learnt):
    """Impartial losses (IMTL-L, Liu et al. 2021): ``e^s L - s``, which makes all scaled losses 1."""

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting, 0.0)

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        weights_K = self.values_T.exp()[present_T]
        self.learn(weights_K * losses_K.detach() - 1.0, present_T)
        return weights_K.to(losses_K)


class Famo(Learnt):
    """Fast adaptive multi-task optimisation (FAMO, Liu et al. 2023): all losses fall at the same rate.

    Weights are ``c z_t / L_t`` with ``z`` the softmax of learnt numbers and ``c`` so that they sum to 1; here times K.
    The numbers follow how much each loss fell in a step, seen by a second forward pass.
    """

    looks_again = True
    _RATE, _DECAY = 0.025, 1e-3

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting, 0.0, self._RATE)
        self._before_T = torch.zeros_like(self.values_T)

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        losses_K = losses_K.detach().clamp_min(_LEAST)
        self._before_T = present_only(self._before_T, present_T, losses_K.to(self._before_T))
        share_K = torch.softmax(self.values_T[present_T], dim=0).to(losses_K) / losses_K
        return len(losses_K) * share_K / share_K.sum()

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        before_K, after_K = self._before_T[present_T], losses_T.detach()[present_T].clamp_min(_LEAST)
        fell_K = before_K.log() - after_K.to(before_K).log()
        share_K = torch.softmax(self.values_T[present_T], dim=0)
        self.learn(share_K * (fell_K - (share_K * fell_K).sum()) + self._DECAY * self.values_T[present_T], present_T)


class GradNorm(Learnt):
    """GradNorm (Chen et al. 2018): norms of the weighted gradients follow each task's training rate.

    ``sum_t |G_t - mean(G) r_t^a|`` is minimised over the weights, with ``G_t = |w_t grad_W L_t|``, ``r_t`` the loss
    relative to its first value and to the mean of that, ``W`` the last parameters of the trunk that all tasks of the
    batch use, and the target no part of the gradient. Weights then sum to the number of tasks.
    """

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        super().__init__(setting, 1.0)
        self._restoring = balancing.restoring
        self._first_T = torch.full((setting.n_tasks,), torch.nan, device=setting.device)

    def weights(self, losses_K: Tensor, present_T: Tensor, trunk: Sequence[Tensor]) -> Tensor:
        now_K = losses_K.detach().to(self.values_T).clamp_min(_LEAST)
        first_K = self._first_T[present_T]
        self._first_T = present_only(self._first_T, present_T, torch.where(first_K.isnan(), now_K, first_K))
        weights_K = self.values_T[present_T]
        norm_K = _shared_norms(losses_K, trunk).to(weights_K)
        rate_K = now_K / self._first_T[present_T]
        large_K = weights_K * norm_K
        target_K = large_K.mean() * (rate_K / rate_K.mean()) ** self._restoring
        if norm_K.any():
            self.learn(torch.sign(large_K - target_K) * norm_K, present_T)
            self.values_T.clamp_(min=1e-3)
            self.values_T.mul_(len(self.values_T) / self.values_T.sum())
        return weights_K.to(losses_K)

    def state(self) -> BalancingState:
        return {**super().state(), "first": self._first_T.cpu().numpy().copy()}

    def restore(self, state: BalancingState) -> None:
        super().restore(state)
        self._first_T = torch.tensor(state["first"], device=self._first_T.device)


def _shared_norms(losses_K: Tensor, trunk: Sequence[Tensor]) -> Tensor:
    """Norm of each task's gradient at the last parameter of the trunk that all of them use, [K]; 0 if there is none."""
    for parameter in reversed(trunk):
        norms = [
            torch.autograd.grad(loss, parameter, retain_graph=True, materialize_grads=True)[0].norm()
            for loss in losses_K
        ]
        norm_K = torch.stack(norms)
        if norm_K.all():
            return norm_K
    return torch.zeros_like(losses_K)
