"""Weights survive the way to bytes and back, and a damaged file never loads silently."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest
import torch
from safetensors.torch import save

from grouping.errors import InputError
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.training.checkpoint import NetworkHeader, load_checkpoint, save_checkpoint, sha256
from tests.search.messages import assert_one_clear_message

HEADER = NetworkHeader(
    tasks=("a", "b"),
    types=("regression", "multiclass"),
    outputs=(1, 3),
    trunk="mlp",
    n_inputs=4,
    widths=(5, 6),
    target_mean=(2.5, 0.0),
    target_scale=(0.1, 1.0),
)
NETWORK = hard_sharing(TrunkShape("mlp", 4, (5, 6)), (1, 3), trunk_seed=3, head_seeds=[4, 5])
DATA = save_checkpoint(HEADER, [NETWORK.state_dict()])


def test_what_was_saved_is_loaded() -> None:
    checkpoint = load_checkpoint(DATA, sha256(DATA))
    assert checkpoint.header == HEADER
    inputs_NF = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(checkpoint.outputs(inputs_NF), NETWORK(inputs_NF))


def test_the_same_network_gives_the_same_bytes() -> None:
    assert save_checkpoint(HEADER, [NETWORK.state_dict()]) == DATA


@pytest.mark.parametrize("position", [0, 20, len(DATA) // 2, len(DATA) - 1])
def test_one_flipped_bit_is_noticed(position: int) -> None:
    damaged = bytearray(DATA)
    damaged[position] ^= 1
    with pytest.raises(InputError, match=r"a\+b.safetensors: the file is damaged"):
        load_checkpoint(bytes(damaged), sha256(DATA), where="a+b.safetensors")


@pytest.mark.parametrize("data", [b"", b"abc", DATA[:-1], DATA[:40], b"\x00" * 100])
def test_what_is_no_network_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match="not a network that this version can read") as refused:
        load_checkpoint(data)
    assert "\n" not in str(refused.value)


def test_weights_that_do_not_fit_their_header_are_refused() -> None:
    other = hard_sharing(TrunkShape("mlp", 4, (5, 7)), (1, 3))
    with pytest.raises(InputError, match="not a network"):
        load_checkpoint(save_checkpoint(HEADER, [other.state_dict()]))


@pytest.mark.parametrize(
    "shape",
    [
        TrunkShape("cnn", 36, (3, 5), (1, 6, 6)),
        TrunkShape("cnn", 72, (3, 4, 5), (2, 6, 6), norm="batch", dropout=0.5),
        TrunkShape("mlp", 4, (5, 6), norm="batch", dropout=0.5),
    ],
)
def test_every_trunk_is_built_again_with_its_normalisation_statistics_and_predicts_in_evaluation(
    shape: TrunkShape,
) -> None:
    header = replace(
        HEADER,
        trunk=shape.trunk,
        n_inputs=shape.n_inputs,
        widths=shape.widths,
        image=shape.image,
        norm=shape.norm,
        dropout=shape.dropout,
    )
    inputs_NF = torch.randn(9, shape.n_inputs, generator=torch.Generator().manual_seed(0))
    network = hard_sharing(shape, HEADER.outputs, trunk_seed=3)
    network(3 + 2 * inputs_NF)  # moves the running statistics
    data = save_checkpoint(header, [network.state_dict()])
    loaded = load_checkpoint(data, sha256(data))
    assert loaded.header == header
    assert torch.equal(loaded.outputs(inputs_NF), network.eval()(inputs_NF))


def test_a_network_whose_trunk_is_not_installed_says_so() -> None:
    data = save_checkpoint(replace(HEADER, trunk="theirs"), [NETWORK.state_dict()])
    with pytest.raises(InputError) as refused:
        load_checkpoint(data, where="a+b.safetensors")
    assert_one_clear_message(refused.value, "a+b.safetensors", "no trunk is called 'theirs'", "Install the package")


def test_a_header_of_earlier_versions_is_read() -> None:
    later = ("image", "norm", "dropout")
    header = {name: value for name, value in asdict(HEADER).items() if name not in later}
    tensors = {f"0.{name}": tensor for name, tensor in NETWORK.state_dict().items()}
    assert load_checkpoint(save(tensors, metadata={"taskgrouping": json.dumps(header)})).header == HEADER
