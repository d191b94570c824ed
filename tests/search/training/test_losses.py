"""Losses per row and task: textbook values, and labels that are missing have exactly no influence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from grouping.tasks import TaskType
from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.training.losses import averaged_outputs, batch_losses, row_losses, task_blocks

kinds = st.lists(st.sampled_from(["regression", "binary", "multiclass"]), min_size=1, max_size=7)


def outputs_of(types: Sequence[TaskType]) -> list[int]:
    return [3 if kind == "multiclass" else 1 for kind in types]


def targets_of(types: Sequence[TaskType], rows: int, rng: np.random.Generator) -> torch.Tensor:
    draw: dict[TaskType, Callable[[], np.ndarray[Any, Any]]] = {
        "regression": lambda: rng.normal(size=rows),
        "binary": lambda: rng.integers(0, 2, rows),
        "multiclass": lambda: rng.integers(0, 3, rows),
    }
    return torch.from_numpy(np.stack([draw[kind]() for kind in types], axis=1).astype(np.float32))


@given(types=kinds)
def test_blocks_cover_every_task_and_output_once_in_order(types: list[TaskType]) -> None:
    blocks = task_blocks(types, outputs_of(types))
    assert [t for block in blocks for t in range(block.tasks.start, block.tasks.stop)] == list(range(len(types)))
    assert [o for b in blocks for o in range(b.outputs.start, b.outputs.stop)] == list(range(sum(outputs_of(types))))
    for block in blocks:
        assert set(types[block.tasks]) == {block.type}
        assert block.type != "multiclass" or block.tasks.stop - block.tasks.start == 1


@given(types=kinds, seed=st.integers(0, 1000))
def test_a_tasks_losses_do_not_depend_on_its_neighbours(types: list[TaskType], seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = outputs_of(types)
    outputs = torch.from_numpy(rng.normal(size=(9, sum(sizes))).astype(np.float32))
    targets = targets_of(types, 9, rng)
    together = row_losses(task_blocks(types, sizes), outputs, targets)
    ends = np.cumsum(sizes)
    for t, kind in enumerate(types):
        own = outputs[:, ends[t] - sizes[t] : ends[t]]
        alone = row_losses(task_blocks([kind], [sizes[t]]), own, targets[:, t : t + 1])
        assert torch.equal(together[:, t : t + 1], alone)


def test_losses_are_squared_error_and_cross_entropy() -> None:
    rng = np.random.default_rng(0)
    types: list[TaskType] = ["regression", "binary", "multiclass"]
    outputs = torch.from_numpy(rng.normal(size=(50, 5)))
    targets = targets_of(types, 50, rng).double()
    rows = row_losses(task_blocks(types, [1, 1, 3]), outputs, targets).numpy()
    assert rows[:, 0] == pytest.approx((outputs[:, 0] - targets[:, 0]).square().numpy())
    assert rows[:, 1].mean() == pytest.approx(log_loss(targets[:, 1], torch.sigmoid(outputs[:, 1])))
    assert rows[:, 2].mean() == pytest.approx(log_loss(targets[:, 2], torch.softmax(outputs[:, 2:], dim=1)))


def test_missing_labels_send_exactly_no_gradient_and_the_rest_is_a_mean_over_labels() -> None:
    rng = np.random.default_rng(1)
    types: list[TaskType] = ["regression", "binary", "multiclass"]
    blocks = task_blocks(types, [1, 1, 3])
    inputs, targets = torch.from_numpy(rng.normal(size=(20, 4)).astype(np.float32)), targets_of(types, 20, rng)
    labelled = torch.from_numpy(rng.random((20, 3)) < 0.5).float()

    def gradients(targets: torch.Tensor) -> list[torch.Tensor]:
        network = hard_sharing(TrunkShape("mlp", 4, (5,)), [1, 1, 3])
        batch_losses(row_losses(blocks, network(inputs), targets), labelled).sum().backward()  # type: ignore[no-untyped-call]
        return [parameter.grad for parameter in network.parameters() if parameter.grad is not None]

    other = torch.where(labelled.bool(), targets, 1 - targets.clamp(0, 1))
    assert not torch.equal(other, targets)
    assert all(map(torch.equal, gradients(targets), gradients(other)))

    network = hard_sharing(TrunkShape("mlp", 4, (5,)), [1, 1, 3])
    rows = row_losses(blocks, network(inputs), targets).detach()
    for t, mean in enumerate(batch_losses(rows, labelled)):
        assert float(mean) == pytest.approx(float(rows[labelled[:, t].bool(), t].mean()), rel=1e-6)


def test_a_task_without_a_label_in_the_batch_is_dropped() -> None:
    network = hard_sharing(TrunkShape("mlp", 4, (5,)), [1, 1])
    rows = row_losses(task_blocks(["regression"] * 2, [1, 1]), network(torch.ones(8, 4)), torch.ones(8, 2))
    labelled = torch.tensor([[1.0, 0.0]]).expand(8, 2)
    losses = batch_losses(rows, labelled)
    assert losses[1] == 0
    losses.sum().backward()  # type: ignore[no-untyped-call]
    assert network.heads.weight.grad is not None
    assert torch.count_nonzero(network.heads.weight.grad[0]) > 0
    assert torch.count_nonzero(network.heads.weight.grad[1]) == 0


def test_an_ensemble_averages_predictions_and_probabilities() -> None:
    rng = np.random.default_rng(2)
    types: list[TaskType] = ["regression", "binary", "multiclass"]
    blocks = task_blocks(types, [1, 1, 3])
    copies = [torch.from_numpy(3 * rng.normal(size=(6, 5))) for _ in range(4)]
    mean = averaged_outputs(blocks, copies)
    stacked = torch.stack(copies)
    assert torch.allclose(mean[:, 0], stacked[..., 0].mean(dim=0))
    assert torch.allclose(torch.sigmoid(mean[:, 1]), torch.sigmoid(stacked[..., 1]).mean(dim=0))
    assert torch.allclose(torch.softmax(mean[:, 2:], dim=1), torch.softmax(stacked[..., 2:], dim=2).mean(dim=0))
    assert averaged_outputs(blocks, copies[:1]) is copies[0]
