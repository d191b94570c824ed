"""The closed form equals what torch counts on the real module, and capacities are reached within 5 %."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from grouping.errors import InputError
from search.networks.cost import CAPACITY_TOLERANCE, network_cost, reached_capacity, scaled_widths
from search.networks.hard_sharing import hard_sharing
from search.networks.latency import measured_latency_ms
from search.networks.shape import BUILT_IN, OF_IMAGES, Norm, TrunkShape
from search.networks.trunks import TRUNKS

sizes = st.integers(1, 40)
outputs = st.lists(st.integers(1, 6), min_size=1, max_size=5)
norms: st.SearchStrategy[Norm] = st.sampled_from(("none", "batch"))


def widths(least: int = 1) -> st.SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(1, 40), min_size=least, max_size=4).map(tuple)


dense = st.builds(TrunkShape, st.sampled_from(("mlp", "resmlp")), sizes, widths(), norm=norms)


@st.composite
def convolutional(draw: st.DrawFn) -> TrunkShape:
    own = draw(widths(2))
    side = st.integers(2 ** (len(own) - 1), 20)
    image = (draw(st.integers(1, 3)), draw(side), draw(side))
    return TrunkShape(draw(st.sampled_from(OF_IMAGES)), prod(image), own, image, draw(norms))


shapes = st.one_of(dense, convolutional())


@settings(deadline=None)
@given(shape=shapes, outputs=outputs, rows=st.integers(1, 3))
def test_flops_equal_what_torch_counts(shape: TrunkShape, outputs: list[int], rows: int) -> None:
    network = hard_sharing(shape, outputs).eval()
    with FlopCounterMode(display=False) as counter:
        features = network.trunk(torch.zeros(rows, shape.n_inputs))
        trunk = counter.get_total_flops()
        network.heads(features)
    cost = network_cost(shape, outputs)
    assert trunk == rows * cost.trunk_flops
    assert counter.get_total_flops() == rows * cost.flops


@settings(deadline=None)
@given(shape=shapes, outputs=outputs)
def test_parameters_equal_a_count(shape: TrunkShape, outputs: list[int]) -> None:
    network = hard_sharing(shape, outputs)
    cost = network_cost(shape, outputs)
    assert cost.trunk_parameters == sum(parameter.numel() for parameter in network.trunk.parameters())
    assert cost.head_parameters == sum(parameter.numel() for parameter in network.heads.parameters())
    assert cost.parameters == sum(parameter.numel() for parameter in network.parameters())


@settings(deadline=None)
@given(shape=shapes, capacity=st.floats(0.05, 20))
def test_a_capacity_is_reached_within_tolerance_or_refused(shape: TrunkShape, capacity: float) -> None:
    def near(scaled: tuple[int, ...]) -> bool:
        return abs(reached_capacity(shape, scaled) - capacity) <= CAPACITY_TOLERANCE * capacity

    grid = {tuple(max(1, int(width * k / 400 + 0.5)) for width in shape.widths) for k in range(1, 4000)}
    try:
        assert near(scaled_widths(shape, capacity))
    except InputError:
        assert not any(near(scaled) for scaled in grid)


@given(shape=shapes)
def test_capacity_1_is_the_standard_network(shape: TrunkShape) -> None:
    assert scaled_widths(shape, 1.0) == shape.widths
    assert reached_capacity(shape, shape.widths) == 1


@pytest.mark.parametrize("shape", [TrunkShape("mlp", 68, (64, 64)), TrunkShape("cnn", 64, (64, 96, 128), (1, 8, 8))])
@given(capacities=st.lists(st.floats(0.1, 30), min_size=2, max_size=6))
def test_more_capacity_never_narrows_a_layer(shape: TrunkShape, capacities: list[float]) -> None:
    found = [scaled_widths(shape, capacity) for capacity in sorted(capacities)]
    assert all(a <= b for narrow, wide in pairwise(found) for a, b in zip(narrow, wide, strict=True))


def test_a_network_of_a_capacity_costs_that_many_standard_networks() -> None:
    standard = TrunkShape("cnn", 784, (16, 32, 64), (1, 28, 28))
    half = replace(standard, widths=scaled_widths(standard, 0.5))
    ratio = network_cost(half, ()).trunk_flops / network_cost(standard, ()).trunk_flops
    assert ratio == pytest.approx(0.5, rel=CAPACITY_TOLERANCE)


def test_a_capacity_out_of_reach_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"within 5 % of capacity 0\.1; the nearest is 0\.5 with widths \[1\]"):
        scaled_widths(TrunkShape("mlp", 10, (2,)), 0.1)


def test_a_named_nearest_capacity_is_accepted() -> None:
    shape = TrunkShape("mlp", 5, (3, 3))
    with pytest.raises(InputError) as refused:
        scaled_widths(shape, 0.7)
    nearest = float(refused.value.fix.split("capacity ")[1].split(",")[0])
    assert reached_capacity(shape, scaled_widths(shape, nearest)) == pytest.approx(nearest, rel=1e-4)


def test_every_built_in_trunk_exists() -> None:
    assert tuple(TRUNKS) == BUILT_IN


def test_latency_is_measured_with_the_callers_threads_restored() -> None:
    threads = torch.get_num_threads()
    assert measured_latency_ms(hard_sharing(TrunkShape("mlp", 8, (4,)), [1]), 8, repeats=20) > 0
    assert torch.get_num_threads() == threads
