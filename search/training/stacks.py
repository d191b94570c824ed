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
from torch.nn import functional

from search.balancing import EQUAL
from search.execution.executor import one_line
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.spec import TrainingSpec
from search.task_sampling import BY_ROWS
from search.training.experiment import Experiment
from search.training.layers import unknown_layer
from search.training.stack import ROWS, StackedNetworks, StackShape, padded
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
    if _written_out(template.trunk, shape) and training.precision == "float32":
        by_onednn = training.engine == "fused-onednn" and dtype == torch.float32 and device == "cpu"
        return (OneDnnNetworks if by_onednn else StackedNetworks)(shape, size, rows, dtype, device)
    networks = MappedNetworks if unknown_layer(template.trunk) else LayeredNetworks
    return networks(template, n_inputs, shape.n_outputs, size, dtype, device, training.precision)


def _written_out(trunk: nn.Module, shape: StackShape) -> bool:
    """Whether a trunk is nothing but a linear layer and a ReLU for each width."""
    if unknown_layer(trunk) or [type(layer) for layer in trunk.children()] != [nn.Linear, nn.ReLU] * len(shape.widths):
        return False
    linear = [layer for layer in trunk.children() if isinstance(layer, nn.Linear)]
    if any(layer.bias is None for layer in linear):
        return False
    return tuple(padded(layer.out_features) for layer in linear) == shape.widths


def can_fuse(experiment: Experiment) -> str:
    """Why the networks of an experiment cannot be trained side by side, in one line; empty if they can."""
    if experiment.training.balancing != EQUAL:
        return f"tasks balanced by '{experiment.training.balancing}' are trained network by network"
    if experiment.training.sampling != BY_ROWS:
        return f"tasks sampled by '{experiment.training.sampling}' are trained network by network"
    shape = experiment.network.shape(experiment.dataset.train.inputs_NF.shape[1])
    try:
        networks = [hard_sharing(shape, [1], seed, [seed]) for seed in range(2)]
        if unknown_layer(networks[0].trunk):
            return unmappable([network.trunk for network in networks], shape.n_inputs)
        return _unlike(networks, shape.n_inputs, shape.widths, experiment.training)
    except Exception as error:  # noqa: BLE001  (other people's modules: anything may come out of them)
        return one_line(error)[:200]


def _unlike(networks: Sequence[HardSharing], n_inputs: int, widths: Sequence[int], training: TrainingSpec) -> str:
    """What two networks give otherwise side by side than alone, found by trying once; empty if nothing."""
    rows = padded(1, ROWS)
    inputs_BF = torch.randn(rows, n_inputs, generator=torch.Generator().manual_seed(0))
    stack = new_stack(networks[0], n_inputs, StackShape.of(n_inputs, widths, [1]), len(networks), rows, training)
    for member, network in enumerate(networks):
        stack.load(member, network)
    with stack.context():
        inputs_KBF = functional.pad(inputs_BF, (0, stack.n_inputs - n_inputs))[None]
        outputs_KOB = stack.predict(inputs_KBF).clone()
        stack.forward(inputs_KBF)
        stack.errors(rows).fill_(0)
        stack.backward(inputs_KBF)
    for network, outputs_OB in zip(networks, outputs_KOB, strict=True):
        with torch.no_grad():
            if not torch.allclose(network.eval()(inputs_BF)[:, 0], outputs_OB[0], rtol=1e-3, atol=1e-4):
                return "side by side it gives other outputs than alone"
    return ""
