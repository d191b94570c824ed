"""Stacked networks whose larger products are made one network at a time by oneDNN, in full single precision.

torch gives batched single-precision products to MKL, which on many processors (AMD's above all) runs at half the speed
that oneDNN reaches with the same rounding. From about 64 x 128 weights and 256 rows on, one call a network costs less
than it saves: 1.15 times as fast at width 128, 1.6 times at 256, 1.8 times at 512 (``results/benchmarks/training.md``).
The product is torch's operator for compiled linear layers; where a build of torch has none, ``available`` says so.

A network's numbers cannot depend on its company here, since no product sees two networks.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from search.training.stack import StackedNetworks

__all__ = ["OneDnnNetworks", "available"]


def available() -> bool:
    """Whether this build of torch has the operator."""
    return hasattr(torch.ops.mkldnn, "_linear_pointwise")


class OneDnnNetworks(StackedNetworks):
    """As ``StackedNetworks``, for single precision on a CPU."""

    _levels: list[list[Tensor]]  # features of every layer of each network, inputs first, from the last forward pass

    def forward(self, inputs_KBF: Tensor, rows: int | None = None) -> Tensor:
        inputs = inputs_KBF.expand(self.size, -1, -1).unbind()
        *trunk, (head_weight, head_bias) = self._layers_of_values
        self._levels = [list(inputs)]
        for weight, bias in trunk:
            layer = zip(self._levels[-1], weight.unbind(), bias.unbind(), strict=True)
            self._levels.append([_product(below, own, own_bias, "relu") for below, own, own_bias in layer])
        outputs_KOB = self._features_at(inputs_KBF.shape[1])[-1]
        for k, features in enumerate(self._levels[-1]):
            torch.addmm(head_bias[k, :, None], head_weight[k], features.mT, out=outputs_KOB[k])
        return outputs_KOB

    def backward(self, inputs_KBF: Tensor) -> None:
        error_KOB = self.errors(inputs_KBF.shape[1])
        *trunk, ((head_weight, _), (head_gradient, head_bias_gradient)) = zip(
            self._layers_of_values, self._layers_of_gradients, strict=True
        )
        torch.sum(error_KOB, dim=2, out=head_bias_gradient)
        for k, features in enumerate(self._levels[-1]):
            torch.mm(error_KOB[k], features, out=head_gradient[k])
            error = torch.mm(error_KOB[k].mT, head_weight[k])
            for level in reversed(range(len(trunk))):
                (weight, _), (gradient, bias_gradient) = trunk[level]
                below, above = self._levels[level][k], self._levels[level + 1][k]
                torch.ops.aten.threshold_backward.grad_input(error, above, 0, grad_input=error)
                gradient[k].copy_(_product(error.mT, below.mT))
                torch.sum(error, dim=0, out=bias_gradient[k])
                if level:
                    error = _product(error, weight[k].mT)


def _product(left: Tensor, right: Tensor, bias: Tensor | None = None, after: str = "none") -> Tensor:
    """``left @ right.mT + bias``, then perhaps a ReLU."""
    return cast("Tensor", torch.ops.mkldnn._linear_pointwise(left, right, bias, after, [], ""))
