"""Stacks of trunks that are a sequence of known layers; ``layers`` says how each of them is done for all networks.

Axes: ``K`` networks, ``B`` rows of a batch, ``F`` inputs, ``H`` features of the trunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from search.networks.hard_sharing import HardSharing
from search.training.layers import StackedDropout, stacked_layers
from search.training.progress import streams
from search.training.stack_autograd import AutogradNetworks

__all__ = ["LayeredNetworks"]


class LayeredNetworks(AutogradNetworks):
    """As ``AutogradNetworks``, for trunks about which ``unknown_layer`` has nothing to say.

    A single network that convolves is accompanied by a network of zeros: oneDNN has other ways to convolve one network
    than to convolve several.
    """

    def _plan(self, n_inputs: int) -> None:
        trunk = self._template.trunk
        assert isinstance(trunk, nn.Sequential)
        self.n_inputs, self._layers, self._n_features = stacked_layers(trunk, n_inputs, self.places)
        self._shapes = [shape for layer in self._layers for shape in layer.shapes]
        self._buffer_shapes = [buffer for layer in self._layers for buffer in layer.buffers]
        self._dropouts = [layer for layer in self._layers if isinstance(layer, StackedDropout)]

    def _places(self, size: int) -> int:
        return max(size, 2) if any(isinstance(layer, nn.Conv2d) for layer in self._template.trunk.children()) else size

    def load(self, member: int, network: HardSharing) -> None:
        super().load(member, network)
        for dropout, stream in zip(self._dropouts, streams(network), strict=True):
            dropout.load(member, stream)

    def store(self, member: int, network: HardSharing) -> None:
        super().store(member, network)
        for dropout, stream in zip(self._dropouts, streams(network), strict=True):
            stream.set_state(dropout.stream(member).get_state())

    def kept(self, members: Sequence[int]) -> Self:
        other = super().kept(members)
        for theirs, mine in zip(other._dropouts, self._dropouts, strict=True):
            for place, member in enumerate(members):
                theirs.load(place, mine.stream(member))
        return other

    def _features(self, inputs_KBF: Tensor, rows: int, *, training: bool) -> Tensor:
        inputs_KBF = self._filled(inputs_KBF).expand(self.places, -1, -1)
        values, parameters, buffers = inputs_KBF.mT, iter(self._leaves), iter(self._buffers)
        for layer in self._layers:
            own = [next(parameters) for _ in layer.shapes]
            values = layer(values, own, [next(buffers) for _ in layer.buffers], rows, training=training)
        return values
