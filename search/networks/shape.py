"""The shape of a trunk as a value: everything that decides which module is built, except its initial values.

Needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Literal

from grouping.errors import InputError
from grouping.tasks import nearest_name
from search.networks.foreign import trunk_names

__all__ = [
    "BUILT_IN",
    "KERNEL",
    "OF_IMAGES",
    "RESIDUAL",
    "ImageShape",
    "Norm",
    "TrunkShape",
    "check_trunk",
    "check_units",
]

BUILT_IN = ("mlp", "cnn", "resmlp", "resnet")
"""The trunks that come along; ``foreign`` has those of other packages."""

OF_IMAGES = ("cnn", "resnet")
"""Those of them whose input rows are images."""

RESIDUAL = ("resmlp", "resnet")
"""Those of residual blocks."""

KERNEL = 3
"""Height and width of a convolution."""

Norm = Literal["none", "batch"]
ImageShape = tuple[int, int, int]
"""Channels, height, width."""


@dataclass(frozen=True)
class TrunkShape:
    """What a trunk is made from.

    Args:
        trunk: Its name: ``mlp``, ``cnn``, ``resmlp`` and ``resnet`` (residual blocks: He et al. 2016), or one that
            another package offers.
        n_inputs: Columns of an input row.
        widths: Hidden widths: of each layer of an MLP; of the first layer and then of each block of a ``resmlp``; of
            trunks for images the channels of each convolution (``cnn``), or of the first convolution and then of each
            block (``resnet``), and last the width of the fully connected layer.
        image: What an input row is to a trunk for images: channels, height, width, in this order in the row; else None.
        norm: ``batch`` normalises what every product gives before its ReLU (Ioffe & Szegedy 2015).
        dropout: Probability of dropping a feature while training: after every layer or block, of images after the last.
        units: Submodules of a trunk of another package that a policy is searched for, by name; empty: wherever torch.fx
            can cut it. Built-in trunks have the units that they have.

    Raises:
        InputError: these do not go together; ``where`` is the field of the spec.
    """

    trunk: str
    n_inputs: int
    widths: tuple[int, ...]
    image: ImageShape | None = None
    norm: Norm = "none"
    dropout: float = 0.0
    units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_trunk(self.trunk, self.widths, self.image, self.norm, self.dropout)
        check_units(self.trunk, self.units)
        if self.trunk not in OF_IMAGES:
            return
        if self.image is None:
            raise InputError(
                f"the trunk {self.trunk} needs to know what an input row shows",
                where="network.image",
                fix="Add image: [channels, height, width], or give the pictures as one npz array (rows, height, width)",
            )
        if prod(self.image) != self.n_inputs:
            raise InputError(
                f"an image {_times(self.image)} has {prod(self.image)} values, an input row has {self.n_inputs}",
                where="network.image",
                fix="Correct it; of tables, constant columns are left out: give pictures as one npz array "
                "(rows, height, width)",
            )

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of the image before each convolution or block, and after the last.

        Of a ``cnn`` every convolution is followed by halving; of a ``resnet`` the first is, and a block that changes
        the number of channels halves (rounding up).
        """
        assert self.image is not None
        _, height, width = self.image
        if self.trunk == "cnn":
            return tuple((height >> level, width >> level) for level in range(len(self.widths)))
        sizes = [(height, width), (height // 2, width // 2)]
        for before, channels in pairwise(self.widths[:-1]):
            height, width = sizes[-1]
            sizes.append((height, width) if before == channels else (-(-height // 2), -(-width // 2)))
        return tuple(sizes)


def check_trunk(
    trunk: str, widths: Sequence[int], image: ImageShape | None = None, norm: Norm = "none", dropout: float = 0.0
) -> None:
    """Whether a trunk exists and takes these options; a CNN's image may still be unknown.

    Raises:
        InputError: ``where`` is the field of the spec.
    """
    if trunk not in BUILT_IN:
        if trunk not in trunk_names():
            fix = nearest_name(trunk, [*BUILT_IN, *trunk_names()])
            raise InputError(f"no trunk is called '{trunk}'", where="network.trunk", fix=fix)
        for option, given in (("norm", norm != "none"), ("dropout", dropout > 0)):
            if given:
                what = f"the trunk {trunk} of another package has its own say about {option}"
                raise InputError(what, where=f"network.{option}", fix="Leave it out")
    if trunk not in OF_IMAGES:
        if image is not None:
            what = f"the trunk {trunk} takes rows of numbers, not images"
            raise InputError(what, where="network.image", fix=f"Leave it out, or use trunk: {' or '.join(OF_IMAGES)}")
        return
    if len(widths) < 2:
        raise InputError(
            f"a {trunk} has two widths or more: channels of each convolution, then the width of the last layer",
            where="network.widths",
            fix=f"Use [16, 32, {widths[-1]}], for example",
        )
    if trunk == "resnet" and image is not None and min(image[1:]) < 2:
        what = f"a resnet halves an image once or more, and of {_times(image)} nothing is left"
        raise InputError(what, where="network.image", fix="Give larger images, or use trunk: mlp")
    if trunk == "cnn" and image is not None and min(image[1:]) >> (len(widths) - 1) == 0:
        raise InputError(
            f"{len(widths) - 1} convolutions, each followed by halving, leave nothing of an image {_times(image)}",
            where="network.widths",
            fix=f"Give {min(image[1:]).bit_length()} widths at most",
        )


def check_units(trunk: str, units: Sequence[str]) -> None:
    """Whether a trunk's units may be named.

    Raises:
        InputError: they are those of a built-in trunk.
    """
    if units and trunk in BUILT_IN:
        what = f"the units of the trunk {trunk} are its layers"
        raise InputError(what, where="network.units", fix="Leave it out: it is for trunks of other packages")


def _times(image: ImageShape) -> str:
    return " x ".join(map(str, image))
