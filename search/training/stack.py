"""Networks of equal widths side by side: one product a layer for all of them, derivatives written out.

**Company has no influence.** On a CPU, in one thread, every network's numbers are bitwise the same in any stack:
no reduction runs over networks, and all extents are rounded up to whole vectors, so that a network never moves into
another's remainder. Padding is zero and stays zero: it gets no gradient.

Axes: ``K`` networks, ``B`` rows of a batch, ``F`` inputs, ``O`` outputs; inputs and outputs include the padding.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn

from search.networks.hard_sharing import HardSharing

__all__ = ["ROWS", "StackShape", "StackedNetworks", "cut", "padded"]

ROWS = 32
"""Batches have a multiple of this many rows: two vectors of the widest kind, which is what loops are unrolled to."""

_WIDTH = 16  # 64 bytes: one cache line, one AVX-512 register
_LEAST_OUTPUTS = 8  # fewer would be cheaper still, but then networks of few and of many tasks never share a stack


def padded(size: int, to: int = _WIDTH) -> int:
    """The size rounded up to a multiple."""
    return -(-size // to) * to


@dataclass(frozen=True)
class StackShape:
    """What networks must have in common to be stacked.

    Args:
        n_inputs: Columns of an input row, padded.
        widths: Hidden widths, padded.
        n_outputs: Rows of the head matrix: a power of two that follows from the network's own outputs, so that its
            arithmetic does not depend on its company.
    """

    n_inputs: int
    widths: tuple[int, ...]
    n_outputs: int

    @classmethod
    def of(cls, n_inputs: int, widths: Sequence[int], outputs: Sequence[int]) -> StackShape:
        """The shape for a network of given inputs, hidden widths and outputs of each task."""
        n_outputs = max(_LEAST_OUTPUTS, 1 << (sum(outputs) - 1).bit_length())
        return cls(padded(n_inputs), tuple(padded(width) for width in widths), n_outputs)

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of weights and biases of one network in turn, heads last."""
        matrices = pairwise((self.n_inputs, *self.widths, self.n_outputs))
        return tuple(block for fan_in, fan_out in matrices for block in ((fan_out, fan_in), (padded(fan_out),)))

    @property
    def parameters(self) -> int:
        """Numbers of one network, padding included."""
        return sum(torch.Size(block).numel() for block in self.blocks)


class StackedNetworks:
    """Parameters and gradients of K networks, each one flat buffer, and the way through them forth and back.

    The buffer holds one block [K, outputs, inputs] or [K, outputs] after the other, so that each is contiguous: other
    strides would send products the slow way.

    Args:
        shape: What the networks have in common.
        size: How many there are; all parameters are 0 until ``load``.
        rows: Rows of the largest batch.
        dtype: Precision of everything.
        device: Where they live.
    """

    def __init__(
        self, shape: StackShape, size: int, rows: int, dtype: torch.dtype = torch.float32, device: str = "cpu"
    ) -> None:
        def zeros(numbers: int) -> Tensor:
            return torch.zeros(size * numbers, dtype=dtype, device=device)

        self.shape = shape
        self.n_inputs, self.n_outputs = shape.n_inputs, shape.n_outputs
        self.size = size
        self.rows = padded(rows, ROWS)
        self.values = zeros(shape.parameters)
        self.gradients = zeros(shape.parameters)
        layers = self._layers(self.values)
        self._layers_of_values = layers
        self._layers_of_gradients = self._layers(self.gradients)
        # Features of every layer, then outputs; and the derivatives of the losses by the features.
        self._features = zeros(self.rows * sum((*shape.widths, shape.n_outputs)))
        self._errors = zeros(self.rows * sum(shape.widths))
        self._features_of: dict[int, list[Tensor]] = {}
        self._errors_of: dict[int, list[Tensor]] = {}

    def blocks(self, flat: Tensor) -> list[Tensor]:
        """Views [K, ...] of a buffer laid out like the parameters, in the order of ``StackShape.blocks``."""
        return cut(flat, [(self.size, *block) for block in self.shape.blocks])

    def share(self, flat: Tensor, member: int, network: HardSharing) -> list[Tensor]:
        """Views of a member's part in a buffer laid out like the parameters: shaped and sorted as its network's."""
        return [
            block[member][tuple(slice(size) for size in value.shape)]
            for block, value in zip(self.blocks(flat), _parameters(network), strict=True)
        ]

    def load(self, member: int, network: HardSharing) -> None:
        """Take over the parameters of a network."""
        for share, value in zip(self.share(self.values, member, network), _parameters(network), strict=True):
            share.copy_(value.detach())

    def store(self, member: int, network: HardSharing) -> None:
        """Write the parameters of a member into a network of its size."""
        with torch.no_grad():
            for share, value in zip(self.share(self.values, member, network), _parameters(network), strict=True):
                value.copy_(share)

    def kept(self, members: Sequence[int]) -> Self:
        """Some of the networks in a stack of their own."""
        other = type(self)(self.shape, len(members), self.rows, self.values.dtype, str(self.values.device))
        other.values.copy_(self.selected(self.values, members))
        return other

    def selected(self, flat: Tensor, members: Sequence[int]) -> Tensor:
        """The share of some members in a buffer laid out like the parameters."""
        index = torch.tensor(members, device=flat.device)
        return torch.cat([block.index_select(0, index).flatten() for block in self.blocks(flat)])

    def context(self) -> AbstractContextManager[object]:
        """What steps and batches are made in."""
        return torch.inference_mode()

    def predict(self, inputs_KBF: Tensor) -> Tensor:
        """Raw outputs [K, O, B] in evaluation, which is as in training."""
        return self.forward(inputs_KBF)

    def forward(self, inputs_KBF: Tensor, rows: int | None = None) -> Tensor:
        """Raw outputs [K, O, B]; they and what ``backward`` needs are overwritten by the next call.

        Args:
            inputs_KBF: Rows, at most ``self.rows``; K may be 1: the same for all.
            rows: How many of them are real, which makes no difference here.
        """
        n_rows = inputs_KBF.shape[1]
        features = inputs_KBF.expand(self.size, -1, -1)
        *trunk, (head_weight, head_bias) = self._layers_of_values
        *hidden, outputs_KOB = self._features_at(n_rows)
        for (weight, bias), out in zip(trunk, hidden, strict=True):
            features = torch.baddbmm(bias[:, None], features, weight.mT, out=out).relu_()
        return torch.baddbmm(head_bias[..., None], head_weight, features.mT, out=outputs_KOB)

    def errors(self, n_rows: int) -> Tensor:
        """Where ``backward`` looks for the derivatives of the losses by the outputs, [K, O, B]; padding must stay 0."""
        return self._errors_at(n_rows)[-1]

    def backward(self, inputs_KBF: Tensor) -> None:
        """Fill ``gradients`` from ``errors``, for the inputs of the last ``forward``."""
        n_rows = inputs_KBF.shape[1]
        *hidden, _ = self._features_at(n_rows)
        *errors, error_KOB = self._errors_at(n_rows)
        below = [inputs_KBF.expand(self.size, -1, -1), *hidden]
        layers = list(zip(self._layers_of_values, self._layers_of_gradients, below, strict=True))
        (weight, _), (weight_gradient, bias_gradient), features = layers.pop()
        torch.bmm(error_KOB, features, out=weight_gradient)
        torch.sum(error_KOB, dim=2, out=bias_gradient)
        torch.bmm(error_KOB.mT, weight, out=errors[-1])
        for level in reversed(range(len(layers))):
            (weight, _), (weight_gradient, bias_gradient), features = layers[level]
            error = errors[level]
            torch.ops.aten.threshold_backward.grad_input(error, hidden[level], 0, grad_input=error)
            torch.bmm(error.mT, features, out=weight_gradient)
            torch.sum(error, dim=1, out=bias_gradient)
            if level:
                torch.bmm(error, weight, out=errors[level - 1])

    def _layers(self, flat: Tensor) -> list[tuple[Tensor, Tensor]]:
        blocks = self.blocks(flat)
        return [(weight, bias[:, : weight.shape[1]]) for weight, bias in zip(blocks[::2], blocks[1::2], strict=True)]

    def _features_at(self, n_rows: int) -> list[Tensor]:
        """Contiguous views for a batch; the last one, of the outputs, has rows in columns."""
        if n_rows not in self._features_of:
            shapes = [(self.size, n_rows, width) for width in self.shape.widths]
            self._features_of[n_rows] = cut(self._features, [*shapes, (self.size, self.shape.n_outputs, n_rows)])
        return self._features_of[n_rows]

    def _errors_at(self, n_rows: int) -> list[Tensor]:
        """Likewise for derivatives; those by the outputs have memory of their own, whose padding stays 0."""
        if n_rows not in self._errors_of:
            shapes = [(self.size, n_rows, width) for width in self.shape.widths]
            outputs_KOB = self._errors.new_zeros(self.size, self.shape.n_outputs, n_rows)
            self._errors_of[n_rows] = [*cut(self._errors, shapes), outputs_KOB]
        return self._errors_of[n_rows]


def cut(flat: Tensor, shapes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Consecutive views of the given shapes."""
    sizes = [torch.Size(shape).numel() for shape in shapes]
    parts = torch.split(flat[: sum(sizes)], sizes)
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def _parameters(network: HardSharing) -> Iterable[nn.Parameter]:
    """Weights and biases in turn, heads last."""
    assert isinstance(network.trunk, nn.Sequential)
    assert all(isinstance(layer, nn.Linear | nn.ReLU) for layer in network.trunk), "only fully connected trunks"
    return [*network.trunk.parameters(), network.heads.weight, network.heads.bias]
