"""The closed form equals what torch counts on the real module, and capacities are reached within 5 %."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from grouping.errors import InputError
from search.networks.cost import CAPACITY_TOLERANCE, network_cost, reached_capacity, scaled_widths
from search.networks.hard_sharing import hard_sharing
from search.networks.latency import measured_latency_ms
from search.networks.trunks import TRUNKS
from search.spec import TrunkName

sizes = st.integers(1, 40)
widths = st.lists(st.integers(1, 40), min_size=1, max_size=4)
outputs = st.lists(st.integers(1, 6), min_size=1, max_size=5)


@given(n_inputs=sizes, widths=widths, outputs=outputs, rows=st.integers(1, 3))
def test_flops_equal_what_torch_counts(n_inputs: int, widths: list[int], outputs: list[int], rows: int) -> None:
    network = hard_sharing("mlp", n_inputs, widths, outputs)
    with FlopCounterMode(display=False) as counter:
        features = network.trunk(torch.zeros(rows, n_inputs))
        trunk = counter.get_total_flops()
        network.heads(features)
    cost = network_cost(n_inputs, widths, outputs)
    assert trunk == rows * cost.trunk_flops
    assert counter.get_total_flops() == rows * cost.flops


@given(n_inputs=sizes, widths=widths, outputs=outputs)
def test_parameters_equal_a_count(n_inputs: int, widths: list[int], outputs: list[int]) -> None:
    network = hard_sharing("mlp", n_inputs, widths, outputs)
    cost = network_cost(n_inputs, widths, outputs)
    assert cost.trunk_parameters == sum(parameter.numel() for parameter in network.trunk.parameters())
    assert cost.head_parameters == sum(parameter.numel() for parameter in network.heads.parameters())
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())


@given(n_inputs=sizes, widths=widths, capacity=st.floats(0.05, 20))
def test_a_capacity_is_reached_within_tolerance_or_refused(n_inputs: int, widths: list[int], capacity: float) -> None:
    def near(scaled: tuple[int, ...]) -> bool:
        return abs(reached_capacity(n_inputs, widths, scaled) - capacity) <= CAPACITY_TOLERANCE * capacity

    grid = {tuple(max(1, int(width * k / 400 + 0.5)) for width in widths) for k in range(1, 4000)}
    try:
        assert near(scaled_widths(n_inputs, widths, capacity))
    except InputError:
        assert not any(near(scaled) for scaled in grid)


@given(n_inputs=sizes, widths=widths)
def test_capacity_1_is_the_standard_network(n_inputs: int, widths: list[int]) -> None:
    assert scaled_widths(n_inputs, widths, 1.0) == tuple(widths)


@given(capacities=st.lists(st.floats(0.1, 30), min_size=2, max_size=6))
def test_more_capacity_never_narrows_a_layer(capacities: list[float]) -> None:
    found = [scaled_widths(68, [64, 64], capacity) for capacity in sorted(capacities)]
    assert all(a <= b for narrow, wide in pairwise(found) for a, b in zip(narrow, wide, strict=True))


def test_a_capacity_out_of_reach_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"within 5 % of capacity 0\.1; the nearest is 0\.5 with widths \[1\]"):
        scaled_widths(10, [2], 0.1)


def test_a_named_nearest_capacity_is_accepted() -> None:
    with pytest.raises(InputError) as refused:
        scaled_widths(5, [3, 3], 0.7)
    nearest = float(refused.value.fix.split("capacity ")[1].split(",")[0])
    assert reached_capacity(5, [3, 3], scaled_widths(5, [3, 3], nearest)) == pytest.approx(nearest, rel=1e-4)


def test_every_trunk_of_the_spec_exists() -> None:
    assert set(TRUNKS) == set(get_args(TrunkName))


def test_latency_is_measured_with_the_callers_threads_restored() -> None:
    threads = torch.get_num_threads()
    assert measured_latency_ms(hard_sharing("mlp", 8, [4], [1]), 8, repeats=20) > 0
    assert torch.get_num_threads() == threads
