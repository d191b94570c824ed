"""The built-in trunks: which layers they have, where values and masks come from, which shapes make no sense."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from grouping.errors import InputError
from search.networks.dropout import Dropout
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from tests.search.messages import assert_one_clear_message

CNN = TrunkShape("cnn", 64, (16, 32, 24), (1, 8, 8))
KINDS = [
    CNN,
    TrunkShape("cnn", 60, (4, 6), (3, 4, 5), norm="batch", dropout=0.25),
    TrunkShape("mlp", 6, (5, 4), norm="batch", dropout=0.25),
    TrunkShape("resmlp", 6, (5, 5, 4), norm="batch", dropout=0.25),
    TrunkShape("resnet", 75, (4, 4, 6, 5), (3, 5, 5), "batch", 0.25),
]


def layers(shape: TrunkShape) -> list[str]:
    trunk = hard_sharing(shape, [1]).trunk
    assert isinstance(trunk, nn.Sequential)
    return [type(layer).__name__ for layer in trunk]


def test_a_cnn_convolves_and_halves_for_every_width_but_the_last() -> None:
    assert layers(CNN) == ["Unflatten", *["Conv2d", "ReLU", "MaxPool2d"] * 2, "Flatten", "Linear", "ReLU"]


def test_normalisation_stands_before_the_relu_and_dropout_after_it() -> None:
    assert layers(TrunkShape("mlp", 6, (5, 4), norm="batch", dropout=0.1)) == [
        *["Linear", "BatchNorm1d", "ReLU", "Dropout"] * 2
    ]
    assert layers(TrunkShape("cnn", 16, (5, 4), (1, 4, 4), "batch", 0.1)) == [
        *["Unflatten", "Conv2d", "BatchNorm2d", "ReLU", "MaxPool2d", "Flatten", "Linear", "ReLU", "Dropout"]
    ]


@pytest.mark.parametrize("shape", KINDS)
def test_rows_become_features_of_the_last_width_each_from_its_own_row(shape: TrunkShape) -> None:
    trunk = hard_sharing(shape, [1]).trunk.eval()
    rows_NF = torch.randn(5, shape.n_inputs, generator=torch.Generator().manual_seed(0))
    features_NH = trunk(rows_NF)
    assert features_NH.shape == (5, shape.widths[-1])
    torch.testing.assert_close(trunk(rows_NF[2:3]), features_NH[2:3])


def test_a_row_is_read_as_channels_of_rows_of_pixels() -> None:
    image_NCHW = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    trunk = hard_sharing(TrunkShape("cnn", 60, (4, 6), (3, 4, 5)), [1]).trunk
    assert isinstance(trunk, nn.Sequential)
    assert torch.equal(trunk[0](image_NCHW.flatten(1)), image_NCHW)


@pytest.mark.parametrize("shape", KINDS)
def test_values_and_masks_follow_from_the_seeds_alone(shape: TrunkShape) -> None:
    rows_NF = torch.randn(8, shape.n_inputs, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = hard_sharing(shape, [2], trunk_seed=3, dropout_seed=4)(rows_NF)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(hard_sharing(shape, [2], trunk_seed=3, dropout_seed=4)(rows_NF), one)
    assert not torch.equal(hard_sharing(shape, [2], trunk_seed=5, dropout_seed=4)(rows_NF), one)
    if shape.dropout:
        assert not torch.equal(hard_sharing(shape, [2], trunk_seed=3, dropout_seed=5)(rows_NF), one)


def test_initial_convolutions_have_the_spread_of_torchs_own() -> None:
    trunk = hard_sharing(TrunkShape("cnn", 1600, (200, 5), (100, 4, 4)), [1]).trunk
    assert isinstance(trunk, nn.Sequential)
    ours = trunk[1]
    assert isinstance(ours, nn.Conv2d)
    torch.manual_seed(0)
    theirs = nn.Conv2d(100, 200, 3, padding=1)
    assert abs(ours.weight.std() / theirs.weight.std() - 1) < 0.01
    assert abs(ours.weight.abs().max() * 900**0.5 - 1) < 0.01


def test_dropout_layers_of_one_network_drop_differently() -> None:
    masks = [
        layer.mask(torch.Size([50]))
        for layer in hard_sharing(TrunkShape("mlp", 6, (5, 5), dropout=0.5), [1]).trunk.modules()
        if isinstance(layer, Dropout)
    ]
    assert len(masks) == 2
    assert not torch.equal(*masks)


@pytest.mark.parametrize(
    ("shape", "where", "words"),
    [
        ({"trunk": "cnn", "widths": (4, 4)}, "network.image", "image: [channels, height, width]"),
        ({"trunk": "cnn", "widths": (4, 4), "image": (1, 8, 9)}, "network.image", "has 72 values, an input row has 64"),
        ({"trunk": "cnn", "widths": (4,), "image": (1, 8, 8)}, "network.widths", "two widths or more"),
        ({"trunk": "cnn", "widths": (4,) * 5, "image": (1, 8, 8)}, "network.widths", "Give 4 widths at most"),
        ({"trunk": "cnn", "widths": (4,) * 4, "image": (1, 2, 32)}, "network.widths", "Give 2 widths at most"),
        ({"trunk": "mlp", "widths": (4,), "image": (1, 8, 8)}, "network.image", "takes rows of numbers, not images"),
        ({"trunk": "cnm", "widths": (4, 4)}, "network.trunk", "no trunk is called 'cnm'. Did you mean 'cnn'?"),
    ],
)
def test_a_shape_that_makes_no_sense_is_refused(shape: dict[str, Any], where: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        TrunkShape(n_inputs=64, **shape)
    assert_one_clear_message(refused.value, where, words)
