"""What every way to share does: values follow from seeds, tasks meet in the trunk only, costs are what torch counts."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from grouping.errors import InputError
from grouping.policy import Mode, Policy
from search.networks.architectures import TASK_TRUNKS, Network, make_network
from search.networks.cost import CAPACITY_TOLERANCE, scaled_widths, trunk_cost, trunk_layers
from search.networks.shape import TrunkShape
from search.networks.sharing import SEARCHED, Sharing, SharingKind
from search.networks.sharing_cost import shared_cost, shared_widths, sharing_trunk_cost

SHAPES = [
    TrunkShape("mlp", 11, (16, 12)),
    TrunkShape("mlp", 7, (8, 9, 10), norm="batch", dropout=0.2),
    TrunkShape("cnn", 128, (8, 6, 10), (2, 8, 8)),
    TrunkShape("cnn", 36, (5, 7), (1, 6, 6), "batch", 0.1),
    TrunkShape("resmlp", 9, (12, 12, 10)),
    TrunkShape("resmlp", 9, (8, 8), norm="batch", dropout=0.1),
    TrunkShape("resnet", 98, (6, 6, 8, 10), (2, 7, 7)),
    TrunkShape("resnet", 64, (4, 6, 5), (1, 8, 8), "batch", 0.1),
]
WAYS = [
    Sharing(),
    *(Sharing("branch", depth=depth) for depth in (0, 1, 2)),
    Sharing("soft", weight=0.5),
    Sharing("soft", penalty="trace-norm"),
    Sharing("cross-stitch"),
    Sharing("mtan"),
    *(Sharing(kind, experts=experts) for kind in ("mmoe", "cgc", "ple") for experts in (1, 3)),
    *map(Sharing, SEARCHED),
]
OUTPUTS = [1, 3, 1]

ways = pytest.mark.parametrize("way", WAYS, ids=str)
shapes = pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.trunk}-{len(shape.widths)}-{shape.norm}")


def fitted(way: Sharing, shape: TrunkShape, n_tasks: int = len(OUTPUTS)) -> Sharing:
    """The way; one that is searched with a policy in which tasks differ, as a search could have found it."""
    if not way.to_search:
        return way
    modes = SEARCHED[way.kind]
    chosen: list[list[Mode]] = [
        [modes[(task + level) % len(modes)] for level in range(len(shape.widths))] for task in range(n_tasks)
    ]
    for level, layer in enumerate(trunk_layers(shape)):
        for own in chosen:
            own[level] = "shared" if own[level] == "skip" and layer.skip is None else own[level]
    return way.found(Policy(tuple(map(tuple, chosen))))


def network_of(way: Sharing, shape: TrunkShape, outputs: list[int] | None = None, seed: int = 3) -> Network:
    outputs = OUTPUTS if outputs is None else outputs
    way = fitted(way, shape, len(outputs))
    return make_network(way, shape, outputs, seed, [seed + 10 + t for t in range(len(outputs))], seed)


def rows(shape: TrunkShape, count: int = 5) -> torch.Tensor:
    return torch.randn(count, shape.n_inputs, generator=torch.Generator().manual_seed(0))


def test_every_kind_can_be_built() -> None:
    assert {"hard", *TASK_TRUNKS} == set(get_args(SharingKind)) == {way.kind for way in WAYS}


@ways
@shapes
def test_values_follow_from_the_seeds_alone(way: Sharing, shape: TrunkShape) -> None:
    before = torch.random.get_rng_state()
    one, same, other = network_of(way, shape), network_of(way, shape), network_of(way, shape, seed=4)
    assert torch.equal(before, torch.random.get_rng_state()), "the global generator is left alone"
    inputs_NF = rows(shape)
    assert torch.equal(one(inputs_NF), same(inputs_NF))
    assert not torch.equal(one(inputs_NF), other(inputs_NF))


@ways
@shapes
def test_a_task_does_not_hear_of_another_tasks_head(way: Sharing, shape: TrunkShape) -> None:
    network = network_of(way, shape).eval()
    inputs_NF = rows(shape)
    before = network(inputs_NF)
    with torch.no_grad():
        network.heads.weight[1:4] += 1
    after = network(inputs_NF)
    assert torch.equal(before[:, [0, 4]], after[:, [0, 4]])
    assert not torch.equal(before[:, 1:4], after[:, 1:4])


@ways
@shapes
def test_flops_and_parameters_are_what_torch_counts(way: Sharing, shape: TrunkShape) -> None:
    network = network_of(way, shape).eval()
    with FlopCounterMode(display=False) as counter:
        network.trunk(rows(shape, 1))
        trunk = counter.get_total_flops()
    with FlopCounterMode(display=False) as counter:
        network(rows(shape, 1))
    cost = shared_cost(fitted(way, shape), shape, OUTPUTS)
    assert (trunk, counter.get_total_flops()) == (cost.trunk_flops, cost.flops)
    assert cost.trunk_parameters == sum(parameter.numel() for parameter in network.trunk.parameters())
    assert cost.head_parameters == sum(parameter.numel() for parameter in network.heads.parameters())


@ways
@shapes
def test_every_parameter_is_used(way: Sharing, shape: TrunkShape) -> None:
    network = network_of(way, shape)
    network(rows(shape)).square().sum().backward()
    assert [name for name, parameter in network.named_parameters() if parameter.grad is None] == []


@ways
@shapes
def test_a_state_can_be_given_to_another_network(way: Sharing, shape: TrunkShape) -> None:
    one, other = network_of(way, shape).eval(), network_of(way, shape, seed=8).eval()
    other.load_state_dict(one.state_dict())
    assert torch.equal(one(rows(shape)), other(rows(shape)))


@ways
@shapes
def test_a_single_row_is_served(way: Sharing, shape: TrunkShape) -> None:
    network, inputs_NF = network_of(way, shape).eval(), rows(shape)
    assert torch.allclose(network(inputs_NF[:1]), network(inputs_NF)[:1], atol=1e-5)


@ways
@pytest.mark.parametrize("shape", SHAPES[::2], ids=lambda shape: shape.trunk)
def test_it_can_be_exported(way: Sharing, shape: TrunkShape) -> None:
    network, inputs_NF = network_of(way, shape).eval(), rows(shape)
    exported = torch.export.export(network, (inputs_NF,)).module()
    assert torch.allclose(exported(inputs_NF), network(inputs_NF), atol=1e-6)


@ways
@pytest.mark.parametrize("capacity", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("n_tasks", [2, 5])
def test_networks_of_a_capacity_cost_as_much_however_they_share(way: Sharing, capacity: float, n_tasks: int) -> None:
    shape = TrunkShape("mlp", 40, (64, 64))
    way = fitted(way, shape, n_tasks)
    try:
        widths = shared_widths(way, shape, capacity, n_tasks)
    except InputError as error:  # too narrow for whole widths
        assert capacity < 1
        nearest = float(error.fix.removeprefix("Ask for capacity ").split(",")[0])
        widths, capacity = shared_widths(way, shape, nearest, n_tasks), nearest
    flops = sharing_trunk_cost(way, replace(shape, widths=widths), n_tasks).flops
    assert flops == pytest.approx(capacity * trunk_cost(shape).flops, rel=CAPACITY_TOLERANCE)


@shapes
@pytest.mark.parametrize("capacity", [1.0, 2.0])
def test_hard_sharing_has_the_widths_of_its_trunk(shape: TrunkShape, capacity: float) -> None:
    assert shared_widths(Sharing(), shape, capacity, 4) == scaled_widths(shape, capacity)


@ways
def test_its_text_is_read_back(way: Sharing) -> None:
    for one in (way, fitted(way, SHAPES[0])):
        assert Sharing.parse(str(one)) == one
    if way.to_search:
        going_on = way.found(fitted(way, SHAPES[0]).policy, "0123456789ab")
        assert Sharing.parse(str(going_on)) == going_on
        assert going_on.family == f"{way.kind} start=searched"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mtam", r"no architecture is called 'mtam'"),
        ("", "no architecture is called ''"),
        ("mtan depth=2", r"'depth=2' is no option of 'mtan'"),
        ("branch depth", r"'depth' is no option of 'branch'"),
        ("branch depth=two", "'branch depth=two'"),
        ("branch depth=-1", "a depth of -1 layers"),
        ("branch depth=1 depth=2", "'depth=2' is no option"),
        ("soft weight=-1", "a penalty's weight of -1"),
        ("soft weight=nan", "a penalty's weight of nan"),
        ("soft penalty=l3", "no penalty is called 'l3'"),
        ("mmoe experts=0", "0 experts"),
        ("adashare modes=sxs", "'x' is no mode"),
        ("adashare modes=ss,s", "as many modes for every task"),
        ("adashare modes=so", "has modes shared, skip only"),
        ("adashare sampling=hard", "no sampling is called 'hard'"),
        ("adashare variant=code", "no variant is called 'code'"),
        ("automtl variant=official-code", "'variant=official-code' is no option of 'automtl'"),
        ("mtan rate=0", "a learning rate times 0"),
        ("adashare sparsity=-1", "sparsity=-1.0 is out of range"),
        ("automtl draws=0", "draws=0 is out of range"),
        ("automtl start=warm", "a network cannot start from 'warm'"),
        ("automtl start=0123456789ab", "a network cannot start from '0123456789ab'"),
        ("mtan start=searched", "'start=searched' is no option of 'mtan'"),
    ],
)
def test_what_is_no_way_to_share_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        Sharing.parse(text)
    assert refused.value.where == "architectures"
    assert refused.value.fix


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("adashare modes=s-s,sss", "modes for 3 units, the trunk has 2"),
        ("adashare modes=s-,ss", "unit 2 cannot be skipped"),
        ("automtl modes=so,ss,so", "is for 3 tasks, the network has 2"),
    ],
)
def test_a_policy_for_another_network_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sharing_trunk_cost(Sharing.parse(text), SHAPES[0], 2)


def test_a_depth_beyond_the_trunk_is_refused() -> None:
    with pytest.raises(InputError, match="shares 3 layers of a trunk of 2"):
        sharing_trunk_cost(Sharing("branch", depth=3), SHAPES[0], 2)
