"""Known layers of K networks, each as one operation: batched products, grouped convolutions, own statistics.

**Company has no influence**, for which two things were found to matter on CPUs: oneDNN computes grouped convolutions
alike for every number of networks from two on, if channels come in multiples of 8; and no statistic may see phantom
rows. Padded features and channels are 0 and get no gradient.

Axes: ``K`` networks, ``B`` rows of a batch (the real ones first), ``F`` features of a row, ``C`` channels of an image.
Rows of features are [K, F, B], images [B, K C, height, width] with channels last in memory: convolutions are then up to
four times as fast on CPUs, and pooling twenty times.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from search.networks.dropout import Dropout
from search.training.stack import padded

__all__ = ["Layer", "StackedDropout", "channels_last", "stacked_layers", "unknown_layer"]

_CHANNELS = 8  # of an image as it comes; what convolutions give is padded like widths

_ROW_LAYERS = (nn.Linear, nn.BatchNorm1d, nn.ReLU, Dropout, nn.Unflatten)
_IMAGE_LAYERS = (nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.MaxPool2d, nn.Flatten)


class Layer(ABC):
    """A layer of all networks of a stack.

    Attributes:
        shapes: Of a network's parameters here, padded.
        buffers: Shapes of its buffers here, padded, and their types (None: that of the parameters).
    """

    shapes: tuple[tuple[int, ...], ...] = ()
    buffers: tuple[tuple[tuple[int, ...], torch.dtype | None], ...] = ()

    @abstractmethod
    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        """What comes out.

        Args:
            values: What comes in.
            parameters: As in ``shapes``, with K in front.
            buffers: As in ``buffers``, with K in front; updated in training.
            rows: Real rows of the batch.
            training: Else in evaluation.
        """


class _Linear(Layer):
    def __init__(self, n_inputs: int, n_outputs: int, layer: nn.Linear) -> None:
        self.shapes = ((n_outputs, n_inputs), *_bias(n_outputs, layer))

    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        weight, *bias = parameters
        return torch.baddbmm(bias[0][..., None], weight, values) if bias else torch.bmm(weight, values)


class _Convolution(Layer):
    def __init__(self, n_inputs: int, n_outputs: int, layer: nn.Conv2d) -> None:
        self.shapes = ((n_outputs, n_inputs, *layer.kernel_size), *_bias(n_outputs, layer))
        self._layer = layer

    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        weight, *bias = parameters
        own, shift = self._layer, bias[0].flatten() if bias else None
        return functional.conv2d(
            values, weight.flatten(0, 1), shift, own.stride, own.padding, own.dilation, groups=len(weight)
        )


class _Normalisation(Layer):
    def __init__(self, width: int, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        self.shapes = ((width,), (width,))
        self.buffers = (((width,), None), ((width,), None), ((), torch.int64))
        self._rows_last = isinstance(layer, nn.BatchNorm1d)
        self._momentum, self._eps = layer.momentum or 0.0, layer.eps

    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        mean, variance, batches = buffers
        weight, bias = parameters
        if training:
            batches += 1
        normal = functional.batch_norm(
            values.flatten(0, 1)[None, :, :rows].contiguous() if self._rows_last else values[:rows],
            mean.flatten(),
            variance.flatten(),
            weight.flatten(),
            bias.flatten(),
            training,
            self._momentum,
            self._eps,
        )
        missing = (values.shape[2] if self._rows_last else len(values)) - rows
        if missing:
            normal = functional.pad(normal, (0, missing) if self._rows_last else (0, 0, 0, 0, 0, 0, 0, missing))
        return normal.view(values.shape) if self._rows_last else normal


class StackedDropout(Layer):
    """Every network's own random stream; networks whose streams are at one place stay so, and draw once.

    Args:
        width: Features of a row, without padding.
        probability: Of dropping one.
    """

    def __init__(self, width: int, probability: float) -> None:
        self._width = width
        self._probability = probability
        self._generators: list[torch.Generator] = []
        self._which: dict[int, int] = {}
        self._which_K: Tensor | None = None

    def load(self, member: int, generator: torch.Generator) -> None:
        """Take over a network's stream."""
        self._which_K = None
        state = generator.get_state()
        for place, known in enumerate(self._generators):
            if torch.equal(known.get_state(), state):
                self._which[member] = place
                return
        self._which[member] = len(self._generators)
        self._generators.append(torch.Generator().set_state(state))

    def stream(self, member: int) -> torch.Generator:
        """The stream of a network; not to be drawn from."""
        return self._generators[self._which[member]]

    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        if not training or not self._probability:
            return values
        places, width, n_rows = values.shape
        keep = 1 - self._probability
        masks_DBF = [torch.empty(rows, self._width).bernoulli_(keep, generator=g) for g in self._generators]
        mask_DBF = functional.pad(torch.stack(masks_DBF), (0, width - self._width, 0, n_rows - rows))
        mask_DFB = mask_DBF.mT.contiguous().to(values).div_(keep)
        if len(masks_DBF) == 1:
            return values * mask_DFB
        if self._which_K is None:
            which = [self._which.get(place, 0) for place in range(places)]
            self._which_K = torch.tensor(which, device=values.device)
        return values * mask_DFB.index_select(0, self._which_K)


@dataclass(frozen=True)
class _Free(Layer):
    """A layer without parameters, which does alike in training and evaluation."""

    function: Callable[[Tensor], Tensor]

    def __call__(
        self, values: Tensor, parameters: Sequence[Tensor], buffers: Sequence[Tensor], rows: int, *, training: bool
    ) -> Tensor:
        return self.function(values)


def stacked_layers(trunk: nn.Sequential, n_inputs: int, places: int) -> tuple[int, list[Layer], int]:
    """Columns of an input row (perhaps padded), the layers, and the width of their features.

    Args:
        trunk: Of one of the networks.
        n_inputs: Columns of an input row.
        places: Networks of the stack.
    """
    layers: list[Layer] = []
    own: tuple[int, ...] = (n_inputs,)
    fresh = False  # whether what comes in is needed by nobody else
    first = wide = n_inputs if isinstance(trunk[0], nn.Unflatten) else padded(n_inputs)
    for layer in copy.deepcopy(trunk).float().eval():
        after = tuple(layer(torch.zeros(2, *own)).shape[1:])
        if isinstance(layer, nn.Linear):
            layers.append(_Linear(wide, padded(layer.out_features), layer))
            wide = padded(layer.out_features)
        elif isinstance(layer, nn.Conv2d):
            layers.append(_Convolution(wide, padded(layer.out_channels), layer))
            wide = padded(layer.out_channels)
        elif isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layers.append(_Normalisation(wide, layer))
        elif isinstance(layer, Dropout):
            layers.append(StackedDropout(own[0], layer.probability))
        elif isinstance(layer, nn.Unflatten):
            wide = padded(after[0], _CHANNELS)
            layers.append(_images(after, places, wide))
        elif isinstance(layer, nn.Flatten):
            wide *= own[1] * own[2]
            layers.append(_Free(lambda images: images.reshape(len(images), places, -1).permute(1, 2, 0)))
        elif isinstance(layer, nn.ReLU) and fresh:
            layers.append(_Free(torch.relu_))
        else:
            layers.append(_Free(layer))
        own, fresh = after, isinstance(layer, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d)
    return first, layers, wide


def _images(shape: tuple[int, ...], places: int, channels: int) -> Layer:
    missing = channels - shape[0]

    def unflatten(rows_KFB: Tensor) -> Tensor:
        images = rows_KFB.permute(2, 0, 1).reshape(-1, places, *shape).permute(0, 3, 4, 1, 2)
        return functional.pad(images, (0, missing)).contiguous().flatten(3, 4).permute(0, 3, 1, 2)

    return _Free(unflatten)


def channels_last(trunk: nn.Module) -> None:
    """Lay out the convolutions of a trunk of known layers as they are fastest; other modules may count on strides."""
    if not unknown_layer(trunk):
        trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def unknown_layer(trunk: nn.Module) -> str:
    """The first thing about a trunk that cannot be stacked layer by layer; empty if it can."""
    if type(trunk) is not nn.Sequential:
        return f"{type(trunk).__name__} is no nn.Sequential"
    if len({id(layer) for layer in trunk}) < len(trunk) or len(list(trunk.parameters())) < sum(
        len(list(layer.parameters())) for layer in trunk
    ):
        return "a layer or a parameter is used twice"
    image = False
    for layer in trunk:
        if type(layer) not in (_IMAGE_LAYERS if image else _ROW_LAYERS) or not _plain(layer):
            return f"{layer} for {'images' if image else 'rows'} is unknown"
        image = (image or isinstance(layer, nn.Unflatten)) and not isinstance(layer, nn.Flatten)
    return "it gives images" if image else ""


def _bias(n_outputs: int, layer: nn.Linear | nn.Conv2d) -> tuple[tuple[int, ...], ...]:
    return () if layer.bias is None else ((n_outputs,),)


def _plain(layer: nn.Module) -> bool:
    """Whether a layer has the options that are known here."""
    if not all(parameter.requires_grad for parameter in layer.parameters()):
        return False
    if isinstance(layer, nn.Conv2d):
        return layer.groups == 1 and layer.padding_mode == "zeros"
    if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
        return layer.affine and layer.track_running_stats and layer.momentum is not None
    if isinstance(layer, nn.MaxPool2d):
        return not layer.return_indices
    if isinstance(layer, nn.Unflatten):
        return layer.dim == 1 and len(layer.unflattened_size) == 3
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    return not getattr(layer, "inplace", False)
