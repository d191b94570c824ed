"""Adam on one network or a stack, to the bit ``torch.optim.Adam(fused=True)``, without what surrounds it.

Hooks, profiling marks and parameter groups take a fifth of a step of a small network, and their first use imports the
compiler (over a second in every worker). The arithmetic is torch's own functional form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor
from torch.optim.adam import adam

from search.training.clipping import clip_each

__all__ = ["Adam"]


class Adam:
    """The optimiser's state for some parameters.

    Args:
        parameters: Updated in place.
        learning_rate: Step size.
        weight_decay: Adam's L2 term (added to the gradient, not decoupled).
        done: Steps taken before; ``means`` and ``squares``, one for each parameter, are then to be filled in.
    """

    def __init__(
        self, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float = 0.0, done: int = 0
    ) -> None:
        self._parameters: list[Tensor] = list(parameters)
        self.means = [torch.zeros_like(parameter) for parameter in self._parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self._parameters]
        self._steps = [torch.full((), float(done), device=parameter.device) for parameter in self._parameters]
        self._learning_rate = learning_rate
        self._weight_decay = weight_decay

    def step(self, loss: Tensor, clip_norm: float | None = None) -> None:
        """Differentiate a loss and take one step, along a gradient of at most the given norm."""
        gradients = torch.autograd.grad(loss, self._parameters, materialize_grads=True)
        if clip_norm is not None:
            clip_each([gradient[None] for gradient in gradients], clip_norm)
        self.update(gradients)

    def update(self, gradients: Sequence[Tensor]) -> None:
        """Take one step along gradients, one for each parameter."""
        with torch.no_grad():
            adam(
                self._parameters,
                list(gradients),
                self.means,
                self.squares,
                [],
                self._steps,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self._learning_rate,
                weight_decay=self._weight_decay,
                eps=1e-8,
                maximize=False,
            )

    def moved(self, parameters: Iterable[Tensor], move: Callable[[Tensor], Tensor]) -> Adam:
        """The same state for parameters that came out of these through ``move``, which selects and copies."""
        other = Adam(parameters, self._learning_rate, self._weight_decay)
        other.means = [move(mean) for mean in self.means]
        other.squares = [move(square) for square in self.squares]
        other._steps = [step.clone() for step in self._steps]
        return other
