"""Networks of a policy: what a task skips is not run for it and stays as it is, what tasks share is run once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from grouping.errors import InputError
from grouping.policy import Policy
from search.networks.architectures import make_network
from search.networks.cost import trunk_cost
from search.networks.hard_sharing import hard_sharing
from search.networks.policy_network import PolicyNetwork
from search.networks.shape import TrunkShape
from search.networks.sharing import Sharing
from search.networks.units import built_in_units

SHAPES = [
    TrunkShape("resmlp", 9, (12, 12, 12)),
    TrunkShape("resmlp", 9, (12, 12, 12), norm="batch"),
    TrunkShape("mlp", 9, (12, 12, 12), norm="batch", dropout=0.2),
    TrunkShape("resnet", 64, (4, 4, 6, 8), (1, 8, 8), "batch"),
    TrunkShape("cnn", 64, (4, 6, 8, 8), (1, 8, 8), "batch"),
]
OUTPUTS = [1, 2, 1]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.trunk}-{shape.norm}")


def rows(shape: TrunkShape, count: int = 6) -> Tensor:
    return torch.randn(count, shape.n_inputs, generator=torch.Generator().manual_seed(1))


def network(text: str, shape: TrunkShape) -> PolicyNetwork:
    return PolicyNetwork(built_in_units(shape, 2, 3), Policy.parse(text))


def counted(module: nn.Module, shape: TrunkShape) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(rows(shape, 1))
    return int(counter.get_total_flops())


@shapes
def test_all_shared_is_hard_sharing_in_training_too(shape: TrunkShape) -> None:
    kind = "adashare"
    text = str(Policy.all_shared(3, len(shape.widths)))
    ours = make_network(Sharing.parse(f"{kind} modes={text}"), shape, OUTPUTS, 2, [5, 6, 7], 3)
    hard = hard_sharing(shape, OUTPUTS, 2, [5, 6, 7], 3)
    inputs_NF = rows(shape)
    for _ in range(3):
        outputs = [module(inputs_NF) for module in (ours, hard)]
        assert torch.equal(outputs[0], outputs[1])
        for module, out in zip((ours, hard), outputs, strict=True):
            module.zero_grad()
            (out - 1).square().sum().backward()
            with torch.no_grad():
                for parameter in module.parameters():
                    assert parameter.grad is not None
                    parameter.sub_(0.01 * parameter.grad)
    assert torch.equal(ours.eval()(inputs_NF), hard.eval()(inputs_NF))


def test_what_nobody_uses_is_not_in_the_network() -> None:
    shape = SHAPES[0]
    everything, less = network("sss,sss", shape), network("s-s,s-s", shape)
    assert "1" in everything.parts
    assert "1" not in less.parts
    assert sum(p.numel() for p in less.parameters()) < sum(p.numel() for p in everything.parameters())


@shapes
def test_a_unit_that_a_task_skips_is_left_alone_by_it(shape: TrunkShape) -> None:
    """Weights get no gradient, running statistics do not move: the last skippable unit is the other task's only."""
    level = max(i for i, unit in enumerate(built_in_units(shape, 2, 3)) if unit.skip is not None)
    n_units = len(shape.widths)
    text = f"{'s' * level}-{'s' * (n_units - level - 1)},{'s' * n_units}"
    trunk = network(text, shape).train()
    skipped = trunk.parts[str(level)]
    before = {name: value.clone() for name, value in skipped.state_dict().items()}
    first, second = trunk(rows(shape))
    first.sum().backward(retain_graph=True)
    branch = [p for name, p in skipped.named_parameters() if "shortcut" not in name]
    assert branch
    assert all(parameter.grad is None for parameter in branch)
    second.sum().backward()
    assert all(parameter.grad is not None for parameter in branch)
    # The other task did come by: its statistics, and no others, have moved.
    statistics = [name for name in before if "running" in name]
    assert all(not torch.equal(before[name], skipped.state_dict()[name]) for name in statistics)


def test_statistics_of_a_unit_that_all_tasks_but_one_skip_are_those_of_that_task() -> None:
    shape = TrunkShape("resmlp", 9, (12, 12, 12), norm="batch")
    shared = network("s-s,sss,s-s", shape).train()
    alone = network("sss", shape).train()
    shared(rows(shape))
    alone(rows(shape))
    for name, value in alone.parts["1"].state_dict().items():
        assert torch.equal(shared.parts["1"].state_dict()[name], value)


def test_normalisation_is_kept_apart_for_tasks_that_came_different_ways() -> None:
    shape = TrunkShape("resmlp", 9, (12, 12, 12), norm="batch")
    trunk = network("s-s,sss,s-s", shape).train()
    trunk(rows(shape))
    means = [value for name, value in trunk.parts["2"].state_dict().items() if "running_mean" in name]
    assert len(means) == 2 * 2, "two ways lead through the last block, which has two normalisations"
    assert not torch.equal(means[0], means[1])


def test_a_common_beginning_is_run_once_and_a_skipped_block_not_at_all() -> None:
    shape = SHAPES[0]
    stem, block = 2 * 9 * 12, 2 * 2 * 12 * 12
    assert counted(network("sss,sss,sss", shape), shape) == stem + 2 * block
    assert counted(network("ss-,ss-,sss", shape), shape) == stem + 2 * block
    assert counted(network("s-s,s-s,sss", shape), shape) == stem + 3 * block
    assert counted(network("s--,s--,s--", shape), shape) == stem
    assert counted(network("soo,sso,sss", shape), shape) == stem + 5 * block


def test_a_policy_costs_what_its_network_costs_to_build_at_equal_flops() -> None:
    shape = TrunkShape("resmlp", 20, (64, 64, 64))
    assert counted(network("sss,sss", shape), shape) == trunk_cost(shape).flops


@shapes
def test_it_can_be_exported(shape: TrunkShape) -> None:
    n_units = len(shape.widths)
    level = max(i for i, unit in enumerate(built_in_units(shape, 2, 3)) if unit.skip is not None)
    text = f"{'s' * level}-{'s' * (n_units - level - 1)},{'s' * n_units},{'s' * (n_units - 1)}o"
    trunk = network(text, shape).eval()
    exported = torch.export.export(trunk, (rows(shape),)).module()
    for ours, theirs in zip(exported(rows(shape)), trunk(rows(shape)), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_policy_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="unit 1 cannot be skipped"):
        network("-ss,sss", SHAPES[0])
    with pytest.raises(InputError, match="2 units, the trunk has 3"):
        network("ss,ss", SHAPES[0])
