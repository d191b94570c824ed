"""Stacks whose derivatives by the parameters come from automatic differentiation; what a trunk does is left to leaves.

Axes: ``K`` networks, ``B`` rows of a batch, ``F`` inputs, ``H`` features of the trunk, ``O`` outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional

from search.networks.hard_sharing import HardSharing
from search.spec import Precision
from search.training.progress import trainable
from search.training.stack import cut, padded

__all__ = ["AutogradNetworks"]


class AutogradNetworks(ABC):
    """K networks of one kind. Parameters lie in one flat buffer, a member's part of each rounded up to whole vectors.

    Args:
        template: A network of the kind; not changed.
        n_inputs: Columns of an input row.
        n_outputs: Rows of the head matrix, at least the outputs of each network.
        size: How many networks there are; all parameters are 0 until ``load``.
        dtype: Precision of everything.
        device: Where they live.
        precision: ``bfloat16`` sends products through that type.
    """

    _n_features: int
    _shapes: list[tuple[int, ...]]  # of the trunk's trainable parameters, perhaps padded
    _buffer_shapes: list[tuple[tuple[int, ...], torch.dtype | None]]  # likewise of its buffers, and types

    def __init__(
        self,
        template: HardSharing,
        n_inputs: int,
        n_outputs: int,
        size: int,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
        precision: Precision = "float32",
    ) -> None:
        self.size = size
        self.n_outputs = n_outputs
        self._template = template
        self._own_inputs = n_inputs
        self._precision: Precision = precision
        self._device = device
        self._plan(n_inputs)
        self._shapes += [(n_outputs, self._n_features), (n_outputs,)]
        numbers = self.places * sum(padded(torch.Size(shape).numel()) for shape in self._shapes)
        self.values = torch.zeros(numbers, dtype=dtype, device=device)
        self.gradients = torch.zeros_like(self.values)
        self._leaves = [block.detach().requires_grad_() for block in self.blocks(self.values)]
        self._leaves_of_gradients = self.blocks(self.gradients)
        self._buffers = [
            torch.zeros(self.places, *shape, dtype=kind or dtype, device=device) for shape, kind in self._buffer_shapes
        ]
        self._outputs_KOB = self.values
        self._errors_of: dict[int, Tensor] = {}

    @property
    def places(self) -> int:
        """Networks that are computed, those of zeros included."""
        return self._places(self.size)

    @abstractmethod
    def _plan(self, n_inputs: int) -> None:
        """Set ``n_inputs`` (perhaps padded) and the shapes above, from the template."""

    def _places(self, size: int) -> int:
        """Networks that are computed in a stack of some size; it is filled up with networks of zeros."""
        return size

    @abstractmethod
    def _features(self, inputs_KBF: Tensor, rows: int, *, training: bool) -> Tensor:
        """What the trunks give, [K, H, B]; phantom rows may give anything finite."""

    def context(self) -> AbstractContextManager[object]:
        return torch.no_grad()

    def blocks(self, flat: Tensor) -> list[Tensor]:
        return [
            block[:, : torch.Size(shape).numel()].view(-1, *shape)
            for block, shape in zip(self._whole_blocks(flat), self._shapes, strict=True)
        ]

    def _whole_blocks(self, flat: Tensor) -> list[Tensor]:
        return cut(flat, [(self.places, padded(torch.Size(shape).numel())) for shape in self._shapes])

    def share(self, flat: Tensor, member: int, network: HardSharing) -> list[Tensor]:
        values = trainable(network).values()
        return [_own(block[member], value.shape) for block, value in zip(self.blocks(flat), values, strict=True)]

    def load(self, member: int, network: HardSharing) -> None:
        with torch.no_grad():
            for share, value in zip(self.share(self.values, member, network), trainable(network).values(), strict=True):
                share.copy_(value)
            for buffer, other in zip(self._buffers, self._buffers_of(network), strict=True):
                _own(buffer[member], other.shape).copy_(other)

    def store(self, member: int, network: HardSharing) -> None:
        with torch.no_grad():
            for share, value in zip(self.share(self.values, member, network), trainable(network).values(), strict=True):
                value.copy_(share)
            for buffer, other in zip(self._buffers, self._buffers_of(network), strict=True):
                other.copy_(_own(buffer[member], other.shape))

    def _buffers_of(self, network: HardSharing) -> list[Tensor]:
        """What a network holds beside its trained parameters."""
        return list(network.trunk.buffers())

    def kept(self, members: Sequence[int]) -> Self:
        like = self._template, self._own_inputs, self.n_outputs
        other = type(self)(*like, len(members), self.values.dtype, self._device, self._precision)
        other.values.copy_(self.selected(self.values, members))
        for theirs, mine in zip(other._buffers, self._buffers, strict=True):
            theirs[: len(members)].copy_(mine[list(members)])
        return other

    def selected(self, flat: Tensor, members: Sequence[int]) -> Tensor:
        missing = self._places(len(members)) - len(members)
        index = torch.tensor(members, device=flat.device)
        return torch.cat(
            [
                functional.pad(block.index_select(0, index), (0, 0, 0, missing)).flatten()
                for block in self._whole_blocks(flat)
            ]
        )

    def forward(self, inputs_KBF: Tensor, rows: int | None = None) -> Tensor:
        with torch.enable_grad():
            self._outputs_KOB = self._outputs(inputs_KBF, rows, training=True)
        return self._outputs_KOB.detach()

    def predict(self, inputs_KBF: Tensor) -> Tensor:
        with torch.no_grad():
            return self._outputs(inputs_KBF, None, training=False)

    def errors(self, n_rows: int) -> Tensor:
        if n_rows not in self._errors_of:
            self._errors_of[n_rows] = self.values.new_zeros(self.size, self.n_outputs, n_rows)
        return self._errors_of[n_rows]

    def backward(self, inputs_KBF: Tensor) -> None:
        gradients = torch.autograd.grad(
            self._outputs_KOB, self._leaves, self.errors(inputs_KBF.shape[1]), materialize_grads=True
        )
        torch._foreach_copy_(self._leaves_of_gradients, gradients)

    def _filled(self, inputs_KBF: Tensor) -> Tensor:
        """The inputs, with those of the networks of zeros; K stays 1 if they are the same for all."""
        missing = 0 if len(inputs_KBF) == 1 else self.places - len(inputs_KBF)
        return functional.pad(inputs_KBF, (0, 0, 0, 0, 0, missing)) if missing else inputs_KBF

    def _outputs(self, inputs_KBF: Tensor, rows: int | None, *, training: bool) -> Tensor:
        rows = inputs_KBF.shape[1] if rows is None else rows
        rounded = training and self._precision == "bfloat16"
        with torch.autocast(self.values.device.type, torch.bfloat16, enabled=rounded):
            features_KHB = self._features(inputs_KBF, rows, training=training)
            weight, bias = self._leaves[-2:]
            outputs_KOB = torch.baddbmm(bias[..., None], weight, features_KHB)
        return outputs_KOB.to(self.values.dtype)[: self.size]


def _own(block: Tensor, shape: Sequence[int]) -> Tensor:
    """The part of a padded block that is a network's own."""
    return block[tuple(slice(size) for size in shape)]
