"""Weights survive the way to bytes and back, and a damaged file never loads silently."""

from __future__ import annotations

import pytest
import torch

from grouping.errors import InputError
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.training.checkpoint import NetworkHeader, load_checkpoint, save_checkpoint, sha256

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
