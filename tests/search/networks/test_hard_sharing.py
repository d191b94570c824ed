"""Initial values depend on the named seeds alone, so that networks of one replicate can be compared in pairs."""

from __future__ import annotations

import torch

from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape


def test_a_task_starts_from_the_same_head_whoever_shares_the_network() -> None:
    alone = hard_sharing(TrunkShape("mlp", 6, (5, 4)), [3], trunk_seed=1, head_seeds=[7])
    shared = hard_sharing(TrunkShape("mlp", 6, (5, 4)), [1, 3, 2], trunk_seed=1, head_seeds=[8, 7, 9])
    assert torch.equal(shared.heads.weight[1:4], alone.heads.weight)
    assert torch.equal(shared.heads.bias[1:4], alone.heads.bias)
    for one, other in zip(alone.trunk.parameters(), shared.trunk.parameters(), strict=True):
        assert torch.equal(one, other)


def test_other_seeds_start_elsewhere() -> None:
    one, other = (hard_sharing(TrunkShape("mlp", 6, (5,)), [1], trunk_seed=seed, head_seeds=[seed]) for seed in (1, 2))
    assert not any(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_initial_values_have_the_spread_of_torchs_own_layers() -> None:
    ours = hard_sharing(TrunkShape("mlp", 400, (300,)), [200], trunk_seed=1, head_seeds=[2])
    torch.manual_seed(0)
    theirs = torch.nn.Linear(400, 300)
    layer = next(ours.trunk.children())
    assert isinstance(layer, torch.nn.Linear)
    assert abs(layer.weight.std() / theirs.weight.std() - 1) < 0.01
    assert abs(ours.heads.weight.abs().max() * 300**0.5 - 1) < 0.01


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = hard_sharing(TrunkShape("mlp", 6, (5,)), [1])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(hard_sharing(TrunkShape("mlp", 6, (5,)), [1]).heads.weight, one.heads.weight)
