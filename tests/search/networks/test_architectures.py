"""Each way to share: its limits are hard sharing or networks of one task, exactly."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from search.networks.architectures import make_network
from search.networks.attention import Mask
from search.networks.cross_stitch import StitchedLayer
from search.networks.experts import mixed
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.networks.shape import TrunkShape
from search.networks.shared_network import SharedNetwork
from search.networks.sharing import Sharing
from search.networks.soft_sharing import differences, trace_norm

SHAPES = [
    TrunkShape("mlp", 9, (12, 8)),
    TrunkShape("mlp", 9, (12, 8), norm="batch"),
    TrunkShape("cnn", 64, (4, 6, 8), (1, 8, 8)),
    TrunkShape("resmlp", 9, (12, 12)),
    TrunkShape("resnet", 64, (4, 4, 8), (1, 8, 8)),
]
OUTPUTS = [1, 2, 1]
SEEDS = [5, 6, 7]

shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.trunk}-{shape.norm}")


def rows(shape: TrunkShape) -> Tensor:
    return torch.randn(6, shape.n_inputs, generator=torch.Generator().manual_seed(1))


def shared(way: Sharing, shape: TrunkShape) -> SharedNetwork:
    network = make_network(way, shape, OUTPUTS, 2, SEEDS)
    assert isinstance(network, SharedNetwork)
    return network


def hard(shape: TrunkShape) -> HardSharing:
    return hard_sharing(shape, OUTPUTS, 2, SEEDS)


def alone(shape: TrunkShape) -> list[HardSharing]:
    """The tasks' own networks with the same seeds."""
    return [hard_sharing(shape, [size], 2, [seed]) for size, seed in zip(OUTPUTS, SEEDS, strict=True)]


def trained(network: torch.nn.Module, shape: TrunkShape, steps: int = 3) -> Tensor:
    """Outputs after some steps of gradient descent on the square of each output's sum."""
    inputs_NF = rows(shape)
    for _ in range(steps):
        network.zero_grad()
        (network(inputs_NF) - 1).square().sum().backward()
        with torch.no_grad():
            for parameter in network.parameters():
                assert parameter.grad is not None
                parameter.sub_(parameter.grad, alpha=0.01)
    outputs_NO: Tensor = network(inputs_NF)
    return outputs_NO


@shapes
def test_branching_at_the_end_is_hard_sharing(shape: TrunkShape) -> None:
    branched = shared(Sharing("branch", depth=len(shape.widths)), shape)
    assert torch.allclose(trained(branched, shape), trained(hard(shape), shape), atol=1e-6)


@shapes
@pytest.mark.parametrize("way", [Sharing("branch", depth=0), Sharing("soft", weight=0.0)], ids=str)
def test_branching_at_the_inputs_and_no_penalty_are_networks_of_one_task(way: Sharing, shape: TrunkShape) -> None:
    own = torch.cat([trained(network, shape) for network in alone(shape)], dim=1)
    assert torch.allclose(trained(shared(way, shape), shape), own, atol=1e-6)


@shapes
def test_masks_of_1_give_hard_sharing(shape: TrunkShape, monkeypatch: pytest.MonkeyPatch) -> None:
    attended = shared(Sharing("mtan"), shape)
    hidden = hard(shape)
    assert not torch.allclose(attended(rows(shape)), hidden(rows(shape)))
    monkeypatch.setattr(Mask, "forward", lambda self, early, handed_on: torch.ones_like(early))
    features = attended.trunk(rows(shape))
    assert all(torch.equal(values, hidden.trunk(rows(shape))) for values in features)


@shapes
def test_a_mask_lies_between_0_and_1_and_is_the_tasks_own(shape: TrunkShape) -> None:
    one, other, _ = shared(Sharing("mtan"), shape).trunk(rows(shape))
    whole = hard(shape).trunk(rows(shape))
    assert ((one >= 0) & (one <= whole)).all()
    assert not torch.equal(one, other)


@shapes
def test_stitches_that_take_nothing_of_others_are_networks_of_one_task(shape: TrunkShape) -> None:
    stitched = shared(Sharing("cross-stitch"), shape)
    for layer in stitched.modules():
        if isinstance(layer, StitchedLayer):
            layer.stitch.data = torch.eye(len(OUTPUTS))
    own = torch.cat([network(rows(shape)) for network in alone(shape)], dim=1)
    assert torch.allclose(stitched(rows(shape)), own, atol=1e-6)


def test_stitches_mix_features() -> None:
    layer = StitchedLayer([torch.nn.Identity(), torch.nn.Identity()])
    layer.stitch.data = torch.tensor([[0.5, 0.5], [0.25, 0.75]])
    one, other = layer([torch.full((2, 3), 4.0), torch.full((2, 3), 8.0)])
    assert (one == 6).all()
    assert (other == 7).all()


@shapes
def test_one_expert_is_hard_sharing(shape: TrunkShape) -> None:
    single = shared(Sharing("mmoe", experts=1), shape)
    assert torch.allclose(single(rows(shape)), hard(shape)(rows(shape)), atol=1e-6)


def test_gates_weigh_experts_and_their_weights_add_up_to_1() -> None:
    experts = [torch.full((1, 2), 1.0), torch.full((1, 2), 5.0)]
    assert torch.allclose(mixed(experts, torch.zeros(1, 2)), torch.full((1, 2), 3.0))
    assert torch.allclose(mixed(experts, torch.tensor([[0.0, 50.0]])), experts[1])


@pytest.mark.parametrize("kind", ["cgc", "ple"])
def test_a_task_has_experts_that_no_other_task_hears_of(kind: str) -> None:
    network, inputs_NF = shared(Sharing.parse(kind), SHAPES[0]), rows(SHAPES[0])
    network(inputs_NF)[:, :1].sum().backward()
    silent = [
        name
        for name, parameter in network.trunk.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent


def test_differences_are_summed_over_pairs() -> None:
    values_TP = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    pairs = sum((one - other).square().sum() for i, one in enumerate(values_TP) for other in values_TP[i + 1 :])
    assert torch.allclose(differences(values_TP), torch.as_tensor(pairs), rtol=1e-5)


def test_the_trace_norm_asks_for_a_common_direction() -> None:
    alike = torch.ones(3, 4)
    apart = torch.eye(3, 4) * 2  # as large, in every direction
    assert torch.allclose(alike.norm(), apart.norm())
    assert trace_norm(alike) < trace_norm(apart)


def test_a_heavy_penalty_makes_trunks_equal() -> None:
    shape = SHAPES[0]

    def spread(weight: float) -> float:
        network = shared(Sharing("soft", weight=weight), shape)
        for _ in range(200):
            network.zero_grad()
            targets = torch.arange(4.0)
            loss = (network(rows(shape)) - targets).square().mean()
            penalty = network.penalty()
            (loss if penalty is None else loss + penalty).backward()
            with torch.no_grad():
                for parameter in network.parameters():
                    assert parameter.grad is not None
                    parameter.sub_(parameter.grad, alpha=0.02)
        trunks = [torch.cat([p.flatten() for p in trunk.parameters()]) for trunk in network.trunk.trunks]  # type: ignore[union-attr]
        return float(torch.stack(trunks).detach().std(dim=0).mean())

    assert spread(3.0) < 0.05 * spread(0.0)


def test_masks_are_normalised_where_the_trunk_is() -> None:
    def norms(shape: TrunkShape) -> int:
        masks = [module for module in shared(Sharing("mtan"), shape).modules() if isinstance(module, Mask)]
        assert len(masks) == len(shape.widths) * len(OUTPUTS)
        kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
        return sum(isinstance(part, kinds) for mask in masks for part in mask.modules())

    assert norms(SHAPES[0]) == 0
    assert norms(SHAPES[1]) == 2 * 2 * len(OUTPUTS)
