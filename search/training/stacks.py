"""Which stack trains which networks, and what every stack can do.

Fully connected trunks have a stack of their own, whose derivatives are written out (``stack``); trunks of other known
layers are stacked layer by layer (``stacked_layers``); any other trunk is mapped over (``stacked_vmap``), if it can be.

Axes: ``K`` networks, ``B`` rows of a batch, ``F`` inputs, ``O`` outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol, Self

import torch
from torch import Tensor, nn

from grouping.errors import InputError
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.spec import TrainingSpec
from search.training.experiment import Experiment
from search.training.layers import unknown_layer
from search.training.stack import StackedNetworks, StackShape
from search.training.stack_onednn import OneDnnNetworks
from search.training.stacked_layers import LayeredNetworks
from search.training.stacked_vmap import MappedNetworks, unmappable

__all__ = ["Stack", "can_fuse", "new_stack"]


class Stack(Protocol):
    """K networks side by side.

    **Company has no influence.** On a CPU, in one thread, every network's numbers are bitwise the same in any stack.

    Attributes:
        size: How many networks there are.
        n_inputs: Columns that an input row must have.
        n_outputs: Rows of outputs of each network; those beyond its own are 0.
        values: Parameters of all networks, one flat buffer.
        gradients: Laid out like ``values``.
    """

    size: int
    n_inputs: int
    n_outputs: int
    values: Tensor
    gradients: Tensor

    def context(self) -> AbstractContextManager[object]:
        """What steps and batches are made in."""

    def blocks(self, flat: Tensor) -> list[Tensor]:
        """Views [K or more, ...] of a buffer laid out like the parameters, one for each parameter of a network."""

    def share(self, flat: Tensor, member: int, network: HardSharing) -> list[Tensor]:
        """Views of a member's part in a buffer laid out like the parameters: shaped and sorted as its network's."""

    def load(self, member: int, network: HardSharing) -> None:
        """Take over the parameters, buffers and random streams of a network."""

    def store(self, member: int, network: HardSharing) -> None:
        """Write the parameters, buffers and random streams of a member into a network of its size."""

    def kept(self, members: Sequence[int]) -> Self:
        """Some of the networks in a stack of their own."""

    def selected(self, flat: Tensor, members: Sequence[int]) -> Tensor:
        """A buffer laid out like the parameters, for a stack of some of the members."""

    def forward(self, inputs_KBF: Tensor, rows: int | None = None) -> Tensor:
        """Raw outputs [K, O, B] in training; they and what ``backward`` needs are overwritten by the next call.

        Args:
            inputs_KBF: K may be 1: the same for all.
            rows: How many rows are real; phantom rows come last and are no part of any statistic. Default: all.
        """

    def predict(self, inputs_KBF: Tensor) -> Tensor:
        """Raw outputs [K, O, B] in evaluation; overwritten by the next call."""

    def errors(self, n_rows: int) -> Tensor:
        """Where ``backward`` looks for the derivatives of the losses by the outputs, [K, O, B]; padding must stay 0."""

    def backward(self, inputs_KBF: Tensor) -> None:
        """Fill ``gradients`` from ``errors``, for the inputs of the last ``forward``."""


def new_stack(
    template: HardSharing,
    n_inputs: int,
    shape: StackShape,
    size: int,
    rows: int,
    training: TrainingSpec,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Stack:
    """An empty stack.

    Args:
        template: One of the networks, or one like them; not changed.
        n_inputs: Columns of an input row.
        shape: Padded extents of the networks.
        size: How many there are.
        rows: Rows of the largest batch.
        training: Engine and precision decide how products are made.
        dtype: Precision of the parameters.
        device: Where they live.

    Raises:
        InputError: a trunk that cannot be mapped over.
    """
    if _written_out(template.trunk) and training.precision == "float32":
        by_onednn = training.engine == "fused-onednn" and dtype == torch.float32 and device == "cpu"
        return (OneDnnNetworks if by_onednn else StackedNetworks)(shape, size, rows, dtype, device)
    networks = MappedNetworks if unknown_layer(template.trunk) else LayeredNetworks
    return networks(template, n_inputs, shape.n_outputs, size, dtype, device, training.precision)


def _written_out(trunk: nn.Module) -> bool:
    return type(trunk) is nn.Sequential and all(
        type(layer) is kind for layer, kind in zip(trunk, [nn.Linear, nn.ReLU] * len(trunk), strict=False)
    )


def can_fuse(experiment: Experiment) -> str:
    """Why the networks of an experiment cannot be trained side by side, in one line; empty if they can."""
    shape = experiment.network.shape(experiment.dataset.train.inputs_NF.shape[1])
    try:
        trunks = [hard_sharing(shape, [1], seed, [seed]).trunk for seed in range(2)]
    except InputError as error:
        return str(error)
    return unmappable(trunks, shape.n_inputs) if unknown_layer(trunks[0]) else ""
