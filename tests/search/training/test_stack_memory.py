"""The memory of a stack is known beforehand: from above, and not by far."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensor

from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.spec import NetworkSpec, TrainingSpec
from search.training.residence import ResidentPart
from search.training.stack import StackShape
from search.training.stack_memory import PACK_BYTES, networks_that_fit, pack_room, stack_bytes
from search.training.stacked_fit import StackedFit
from search.training.stacked_losses import OwnTask
from search.trials import Trial
from tests.search.training.planted import planted, planted_experiment


def held_bytes() -> int:
    """Memory of all living tensors, every storage counted once."""

    def storages() -> Iterator[tuple[int, int]]:
        for thing in gc.get_objects():
            # What an export leaves behind holds no memory.
            if issubclass(type(thing), torch.Tensor) and not issubclass(type(thing), FakeTensor):
                storage = thing.untyped_storage()
                yield storage.data_ptr(), storage.nbytes()

    gc.collect()
    return sum(dict(storages()).values())


@pytest.mark.parametrize(("widths", "batch_size"), [((64, 32), 100), ((200,), 1000)])
def test_a_stack_holds_no_more_than_was_said(widths: tuple[int, ...], batch_size: int) -> None:
    size, n_inputs, rows = 6, 20, 1500
    networks = [hard_sharing(TrunkShape("mlp", n_inputs, widths), [1, 1]) for _ in range(size)]
    part = ResidentPart(torch.randn(rows, n_inputs), torch.randn(rows, 2), torch.ones(rows, 2))
    tasks = [OwnTask(member, t, "regression", t, 1) for member in range(size) for t in range(2)]
    before = held_bytes()
    shape = StackShape.of(n_inputs, widths, (1, 1))
    fit = StackedFit(shape, networks, tasks, part, TrainingSpec(batch_size=batch_size), range(size))
    fit.advance(30)
    held = held_bytes() - before
    data = 4 * (rows + 1) * (shape.n_inputs + 4) + 2 * 8 * size * rows  # inputs, labels, an epoch's orders
    assert held - data <= stack_bytes(size, n_inputs, widths, (1, 1), batch_size, 30) <= 3 * held


@given(
    limit=st.integers(0, 10**9),
    widths=st.lists(st.integers(1, 300), min_size=1, max_size=4),
    outputs=st.lists(st.integers(1, 10), min_size=1, max_size=12),
    batch_size=st.integers(1, 2000),
)
def test_as_many_fit_as_the_limit_allows(limit: int, widths: list[int], outputs: list[int], batch_size: int) -> None:
    def needed(networks: int) -> int:
        return stack_bytes(networks, 30, widths, outputs, batch_size, 50, 1000)

    most = networks_that_fit(limit, 30, widths, outputs, batch_size, 50, 1000)
    assert needed(most) <= limit < needed(most + 1)


def room(batch_size: int, capacity: float = 1.0, network: Mapping[str, object] | None = None) -> int:
    experiment = planted_experiment(planted(rows=batch_size, inputs=144), batch_size=batch_size)
    spec = NetworkSpec.model_validate({"widths": [32, 32]} | dict(network or {}))
    return pack_room(replace(experiment, network=spec), Trial(("t0",), capacity, 1))


CNN = {"trunk": "cnn", "image": [1, 12, 12], "widths": [64, 64, 32]}


def test_packs_hold_fewer_networks_where_each_takes_more() -> None:
    assert room(50) > room(50, capacity=16.0) > 8
    assert room(64, network=CNN) > 2.5 * room(256, network=CNN)


def test_a_network_too_large_for_a_pack_is_one_of_its_own() -> None:
    assert room(300, network=CNN | {"widths": [3000, 8]}) == 1


def test_what_a_convolution_takes_is_what_the_next_layers_need() -> None:
    """By hand: inputs, two layers of convolution, ReLU and pooling with its indices, then 32 features."""
    row = 144 + 64 * (144 + 36 + 2 * 36) + 64 * (36 + 9 + 2 * 9) + 64 * 9 + 32
    most = PACK_BYTES / (64 * 4 * row)
    assert 0.4 * most < room(64, network=CNN) < most


def test_pictures_that_are_read_at_once_count_as_well() -> None:
    """Batches of 32 are small beside the 512 rows of a reading: 8 networks would hold over 1.2 GB."""
    cnn = {"trunk": "cnn", "image": [1, 48, 48], "widths": [16, 32, 64]}
    dataset = planted(rows=1100, inputs=48 * 48)
    spec = NetworkSpec.model_validate(cnn)
    assert pack_room(replace(planted_experiment(dataset, batch_size=32), network=spec), Trial(("t0",), 1.0, 1)) < 8
