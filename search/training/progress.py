"""A network between two steps as arrays and back (``search.trials.NetworkState``), for every engine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from search.networks.dropout import Dropout
from search.trials import NetworkState

__all__ = ["load_moments", "network_state", "restore", "streams", "trainable"]


def streams(network: nn.Module) -> list[torch.Generator]:
    """The random generators of a network's dropout, in the order of its modules."""
    return [module.generator for module in network.modules() if isinstance(module, Dropout)]


def trainable(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that are trained, by name; others stay as they are."""
    return {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}


def _held(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those too that a checkpoint leaves out."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def network_state(network: nn.Module, step: int, means: Iterable[Tensor], squares: Iterable[Tensor]) -> NetworkState:
    """Copies of everything.

    Args:
        network: At its present values.
        step: Steps done.
        means: Adam's first moments, in the order of ``trainable``.
        squares: Likewise the second ones.
    """

    def array(tensor: Tensor) -> NDArray[Any]:
        return tensor.detach().cpu().numpy().copy()

    names = trainable(network)
    return NetworkState(
        step,
        {name: array(value) for name, value in _held(network).items()},
        {name: array(mean) for name, mean in zip(names, means, strict=True)},
        {name: array(square) for name, square in zip(names, squares, strict=True)},
        tuple(generator.get_state().numpy().tobytes() for generator in streams(network)),
    )


def restore(network: nn.Module, state: NetworkState) -> None:
    """Bring a network to the state's values, buffers and random generators."""
    with torch.no_grad():
        for name, value in _held(network).items():
            value.copy_(torch.tensor(state.values[name]))
    for generator, stream in zip(streams(network), state.streams, strict=True):
        generator.set_state(torch.tensor(np.frombuffer(stream, np.uint8)))


def load_moments(means: Iterable[Tensor], squares: Iterable[Tensor], state: NetworkState) -> None:
    """Write the state's moments into Adam's, given in the order of ``trainable``."""
    for moments, saved in ((means, state.means), (squares, state.squares)):
        for moment, value in zip(moments, saved.values(), strict=True):
            moment.copy_(torch.tensor(value))
