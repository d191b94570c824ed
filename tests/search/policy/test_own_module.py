"""A policy for anybody's module, from Python: cut it, search, draw under a cap, and get a network that keeps it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from grouping.policy import Mode, Policy
from search.networks.counted import costs_of
from search.networks.cut import cut
from search.networks.heads import Heads
from search.networks.latency import measured_latency_ms
from search.networks.policy_network import PolicyNetwork
from search.networks.shared_network import SharedNetwork
from search.networks.sharing_cost import policy_cost
from search.networks.units import Unit
from search.policy.draws import drawn_policies
from search.policy.policy_search import PolicySearch
from search.policy.regularizers import Regularizer
from search.policy.schedule import Schedule
from search.policy.supernet import Supernet
from search.training.losses import TaskBlock
from search.training.residence import ResidentPart
from tests.search.networks.test_cut import BLOCKS, LAYERS, ResNet, Tokens

MODES: tuple[Mode, ...] = ("shared", "own", "skip")
BLOCKS_OF_TWO = [TaskBlock("regression", slice(0, 2), slice(0, 2))]


class Case:
    """Somebody's module, rows for it, and two targets."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.module: nn.Module = ResNet() if name == "resnet" else Tokens()
        self.at = ["stem", *BLOCKS] if name == "resnet" else LAYERS
        shape = (200, 1, 8, 8) if name == "resnet" else (200, 8)
        self.rows = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        flat_NF = self.rows.flatten(1)
        self.targets_NT = torch.stack([flat_NF.mean(dim=1), flat_NF[:, :4].sum(dim=1).sin()], dim=1)
        self.width = 8 if name == "resnet" else 16

    def units(self) -> list[Unit]:
        if isinstance(self.module, ResNet):
            return cut(self.module, self.rows[:2], BLOCKS)
        return cut(self.module, self.rows[:2], LAYERS)


def searched(case: Case) -> tuple[Supernet, Tensor]:
    heads = [torch.Generator().manual_seed(task) for task in range(2)]
    supernet = Supernet(case.units(), Heads(case.width, [1, 1], heads), [1, 1], MODES)
    part = ResidentPart(case.rows, case.targets_NT, torch.ones(200, 2))
    schedule = Schedule(4, 4, 4, 4, len(supernet.units))
    regularizer = Regularizer(MODES, 0.05, 0.005)
    search = PolicySearch(
        supernet, BLOCKS_OF_TWO, part, schedule, regularizer, batch_size=50, learning_rate=1e-3, seed=3
    )
    search.advance(schedule.steps)
    return supernet, search.probabilities().detach()


cases = pytest.mark.parametrize("name", ["resnet", "transformer"])


def fresh(network: SharedNetwork, rows: Tensor) -> tuple[int, int, int, int]:
    """FLOPs of trunk and whole, parameters of trunk and heads."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        counts = []
        for module in (network.trunk, network):
            with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
                module.eval()(rows[:1])
            counts.append(int(counter.get_total_flops()))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    sizes = [sum(p.numel() for p in module.parameters()) for module in (network.trunk, network.heads)]
    return counts[0], counts[1], sizes[0], sizes[1]


@cases
@pytest.mark.parametrize("share", [0.6, 1.0, 1.4])
@pytest.mark.parametrize("unit", ["flops", "parameters"])
def test_the_network_obeys_the_cap_and_costs_what_a_fresh_count_says(name: str, share: float, unit: str) -> None:
    case = Case(name)
    supernet, probability_LTM = searched(case)
    costs = costs_of(case.units())
    whole = getattr(policy_cost(Policy.all_shared(2, len(costs)), costs), unit)

    def cost(policy: Policy) -> float:
        return float(getattr(policy_cost(policy, costs), unit))

    generator = torch.Generator().manual_seed(2)
    drawn = drawn_policies(probability_LTM, MODES, 4, generator, cost=cost, cap=share * whole)
    assert drawn
    for policy in drawn:
        network = SharedNetwork(PolicyNetwork(case.units(), policy), supernet.heads, [1, 1])
        flops, both, parameters, heads = fresh(network, case.rows)
        assert policy_cost(policy, costs) == (flops, parameters)
        assert both - flops == 2 * case.width * 2
        assert heads == 2 * (case.width + 1)
        assert {"flops": flops, "parameters": parameters}[unit] <= share * whole


@cases
def test_it_goes_on_from_the_searched_weights_or_from_fresh_ones(name: str) -> None:
    case = Case(name)
    supernet, probability_LTM = searched(case)
    policy = drawn_policies(probability_LTM, MODES, 1, torch.Generator().manual_seed(2))[0]
    again, anew = supernet.static(policy).eval(), PolicyNetwork(case.units(), policy).eval()
    assert [*again.state_dict()] == [*anew.state_dict()]
    one, other = (trunk(case.rows[:5])[0] for trunk in (again, anew))
    assert one.shape == other.shape == (5, case.width)
    assert not torch.allclose(one, other, atol=1e-3)


def test_a_cap_on_latency_is_kept_too() -> None:
    """Whatever the cost is: here it is measured on the network of each policy."""
    case = Case("transformer")
    probability_LTM = torch.full((5, 2, 3), 1 / 3)
    units = case.units()
    for level, found in enumerate(units):
        if found.skip is None or not found.searchable:
            probability_LTM[level] = torch.tensor([1.0, 0.0, 0.0])

    def latency(policy: Policy) -> float:
        network = SharedNetwork(PolicyNetwork(case.units(), policy), Heads(16, [1, 1], [torch.Generator()] * 2), [1, 1])
        return known.setdefault(policy, measured_latency_ms(network.eval(), 8, repeats=5))

    known: dict[Policy, float] = {}
    cap = 0.6 * latency(Policy.parse("sssss,sssss"))
    for policy in drawn_policies(probability_LTM, MODES, 3, torch.Generator().manual_seed(0), cost=latency, cap=cap):
        assert known[policy] <= cap
