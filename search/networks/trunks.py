"""The shared part of a network: input rows in, features out.

A trunk ends in features that every head reads. Built-in trunks are an ``nn.Sequential`` of known layers, which is what
lets many be trained as one; new kinds are one function in ``TRUNKS``, or come from other packages (``foreign``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.init import skip_init

from grouping.errors import GroupingError
from search.networks.dropout import Dropout
from search.networks.foreign import foreign_failure, load_foreign
from search.networks.shape import KERNEL, TrunkShape

__all__ = [
    "TRUNKS",
    "MakeTrunk",
    "Residual",
    "cnn",
    "convolution",
    "linear",
    "make_trunk",
    "mlp",
    "resmlp",
    "resnet",
]

MakeTrunk = Callable[[TrunkShape, torch.Generator, Iterator[int]], nn.Module]
"""(shape, initial values, seeds for dropout layers in turn) -> module [N, F] -> [N, widths[-1]]."""


def linear(n_inputs: int, n_outputs: int, generator: torch.Generator, *, bias: bool = True) -> nn.Linear:
    """``nn.Linear`` with its usual initial distribution, drawn from ``generator`` and never from the global one."""
    layer = skip_init(nn.Linear, n_inputs, n_outputs, bias=bias)  # type: ignore[no-untyped-call]
    assert isinstance(layer, nn.Linear)
    _draw(layer, n_inputs, generator)
    return layer


def mlp(shape: TrunkShape, generator: torch.Generator, seeds: Iterator[int]) -> nn.Module:
    """Fully connected layers, each followed by ReLU.

    A layer that is normalised has no bias: the normalisation would take it out again, and Adam make noise of it.
    """
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise((shape.n_inputs, *shape.widths)):
        layers.append(linear(fan_in, fan_out, generator, bias=shape.norm == "none"))
        if shape.norm == "batch":
            layers.append(nn.BatchNorm1d(fan_out))
        layers.append(nn.ReLU())
        if shape.dropout:
            layers.append(Dropout(shape.dropout, next(seeds)))
    return nn.Sequential(*layers)


def cnn(shape: TrunkShape, generator: torch.Generator, seeds: Iterator[int]) -> nn.Module:
    """3 x 3 convolutions, each followed by ReLU and halving (largest of 2 x 2), then one fully connected layer."""
    assert shape.image is not None
    *channels, width = shape.widths
    layers: list[nn.Module] = [nn.Unflatten(1, shape.image)]
    for fan_in, fan_out in pairwise((shape.image[0], *channels)):
        layers.append(convolution(fan_in, fan_out, generator, bias=shape.norm == "none"))
        if shape.norm == "batch":
            layers.append(nn.BatchNorm2d(fan_out))
        layers += [nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), linear(channels[-1] * math.prod(shape.sizes[-1]), width, generator), nn.ReLU()]
    if shape.dropout:
        layers.append(Dropout(shape.dropout, next(seeds)))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """What a branch adds to its input (He et al., CVPR 2016); the ReLU comes after it.

    Args:
        branch: What is added.
        shortcut: What the input comes by: itself, or a projection where the shape changes.
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut

    def forward(self, values: Tensor) -> Tensor:
        found: Tensor = self.branch(values) + self.shortcut(values)
        return found


def resmlp(shape: TrunkShape, generator: torch.Generator, seeds: Iterator[int]) -> nn.Module:
    """A fully connected layer, then residual blocks of two; where the width changes, the shortcut is a product."""
    stem, *blocks = pairwise((shape.n_inputs, *shape.widths))
    normed = shape.norm == "batch"

    def product(fan_in: int, fan_out: int) -> list[nn.Module]:
        layer = linear(fan_in, fan_out, generator, bias=not normed)
        return [layer, *([nn.BatchNorm1d(fan_out)] if normed else [])]

    def dropped() -> list[nn.Module]:
        return [Dropout(shape.dropout, next(seeds))] if shape.dropout else []

    layers = [*product(*stem), nn.ReLU(), *dropped()]
    for fan_in, fan_out in blocks:
        branch = nn.Sequential(*product(fan_in, fan_out), nn.ReLU(), *product(fan_out, fan_out))
        shortcut = nn.Identity() if fan_in == fan_out else linear(fan_in, fan_out, generator, bias=False)
        layers += [Residual(branch, shortcut), nn.ReLU(), *dropped()]
    return nn.Sequential(*layers)


def resnet(shape: TrunkShape, generator: torch.Generator, seeds: Iterator[int]) -> nn.Module:
    """A 3 x 3 convolution and halving, residual blocks of two, the mean over the image, one fully connected layer.

    Where the number of channels changes, a block halves the image and its shortcut is a 1 x 1 convolution.
    """
    assert shape.image is not None
    *channels, width = shape.widths
    normed = shape.norm == "batch"

    def product(fan_in: int, fan_out: int, stride: int = 1) -> list[nn.Module]:
        layer = convolution(fan_in, fan_out, generator, bias=not normed, stride=stride)
        return [layer, *([nn.BatchNorm2d(fan_out)] if normed else [])]

    layers = [nn.Unflatten(1, shape.image), *product(shape.image[0], channels[0]), nn.ReLU(), nn.MaxPool2d(2)]
    for fan_in, fan_out in pairwise(channels):
        stride = 1 if fan_in == fan_out else 2
        branch = nn.Sequential(*product(fan_in, fan_out, stride), nn.ReLU(), *product(fan_out, fan_out))
        shortcut = (
            nn.Identity()
            if fan_in == fan_out
            else convolution(fan_in, fan_out, generator, kernel=1, bias=False, stride=stride)
        )
        layers += [Residual(branch, shortcut), nn.ReLU()]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), linear(channels[-1], width, generator), nn.ReLU()]
    if shape.dropout:
        layers.append(Dropout(shape.dropout, next(seeds)))
    return nn.Sequential(*layers)


TRUNKS: dict[str, MakeTrunk] = {"mlp": mlp, "cnn": cnn, "resmlp": resmlp, "resnet": resnet}
"""The built-in trunks."""


def make_trunk(shape: TrunkShape, generator: torch.Generator, seeds: Iterator[int]) -> nn.Module:
    """The trunk of a shape, built in or of another package.

    Args:
        shape: Which trunk, and how large.
        generator: Where initial values come from.
        seeds: Of random masks, one for each layer that drops features.

    Raises:
        InputError: the trunk of another package cannot be loaded, fails, or gives something else than a trunk.
    """
    if shape.trunk in TRUNKS:
        return TRUNKS[shape.trunk](shape, generator, seeds)
    make = load_foreign(shape.trunk)
    rows_NF = torch.zeros(2, shape.n_inputs)
    try:
        trunk = make(shape.n_inputs, shape.widths, generator)
        if not isinstance(trunk, nn.Module):
            raise foreign_failure(shape.trunk, f"gave a {type(trunk).__name__}, not a torch.nn.Module")
        with torch.no_grad():
            features = tuple(trunk.eval()(rows_NF).shape)
    except GroupingError:
        raise
    except Exception as error:  # other people's code: anything may come out of it
        raise foreign_failure(shape.trunk, f"failed: {type(error).__name__}: {error}") from error
    if features != (2, shape.widths[-1]):
        what = f"gave features {features} for 2 rows and widths {list(shape.widths)}, not (2, {shape.widths[-1]})"
        raise foreign_failure(shape.trunk, what)
    return trunk.train()


def convolution(
    fan_in: int,
    fan_out: int,
    generator: torch.Generator,
    *,
    kernel: int = KERNEL,
    bias: bool = True,
    stride: int = 1,
) -> nn.Conv2d:
    """``nn.Conv2d`` that keeps the image's size, or divides it by ``stride``, rounding up; values by ``generator``."""
    layer = skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, fan_in, fan_out, kernel_size=kernel, padding=kernel // 2, bias=bias, stride=stride
    )
    assert isinstance(layer, nn.Conv2d)
    _draw(layer, fan_in * kernel**2, generator)
    return layer


def _draw(layer: nn.Linear | nn.Conv2d, fan_in: int, generator: torch.Generator) -> None:
    bound = 1 / math.sqrt(fan_in)
    with torch.no_grad():
        for parameter in layer.parameters():  # weight, then bias
            parameter.uniform_(-bound, bound, generator=generator)
