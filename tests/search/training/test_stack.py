"""Stacked networks: each is the plain network it came from, to the last digits and step by step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from grouping.candidates import FloatArray
from grouping.tasks import TaskType
from search.networks.hard_sharing import HardSharing, hard_sharing
from search.networks.shape import TrunkShape
from search.spec import TrainingSpec
from search.training.loop import Fit, LossWatch
from search.training.losses import batch_losses, row_losses, task_blocks
from search.training.residence import ResidentPart
from search.training.stack import StackedNetworks, StackShape
from search.training.stacked_batches import StackedBatches
from search.training.stacked_fit import StackedFit
from search.training.stacked_losses import OwnTask, StackedLosses

KINDS: tuple[TaskType, ...] = ("regression", "binary", "multiclass", "regression")
OUTPUTS = (1, 1, 3, 1)
GROUPS = ((0,), (1, 2), (0, 1, 2, 3), (3,), (2,), (1,), (0, 3), (2, 3))
SEEDS = (1, 1, 1, 2, 2, 1, 3, 1)
N_INPUTS = 7


def part_of(dtype: torch.dtype = torch.float64, rows: int = 250, missing: float = 0.2) -> ResidentPart:
    generator = torch.Generator().manual_seed(0)
    inputs_NF = torch.randn(rows, N_INPUTS, generator=generator, dtype=torch.float64)
    scores_NT = inputs_NF @ torch.randn(N_INPUTS, 4, generator=generator, dtype=torch.float64) / N_INPUTS**0.5
    targets_NT = torch.stack(
        [
            scores_NT[:, 0],
            (scores_NT[:, 1] > 0).double(),
            (scores_NT[:, 2] > -0.5).double() + (scores_NT[:, 2] > 0.5),
            scores_NT[:, 3],
        ],
        dim=1,
    )
    labelled_NT = (torch.rand(rows, 4, generator=generator) >= missing).double()
    return ResidentPart(inputs_NF.to(dtype), (targets_NT * labelled_NT).to(dtype), labelled_NT.to(dtype))


def network_of(group: Sequence[int], widths: Sequence[int], seed: int) -> HardSharing:
    outputs = [OUTPUTS[task] for task in group]
    return hard_sharing(TrunkShape("mlp", N_INPUTS, tuple(widths)), outputs, seed, [10 * seed + task for task in group])


def tasks_of(groups: Sequence[Sequence[int]]) -> list[OwnTask]:
    tasks = []
    for member, group in enumerate(groups):
        firsts = np.cumsum([0, *(OUTPUTS[task] for task in group)]).tolist()
        tasks += [OwnTask(member, t, KINDS[t], first, OUTPUTS[t]) for t, first in zip(group, firsts, strict=False)]
    return tasks


def stacked(
    members: Sequence[int], widths: Sequence[int], part: ResidentPart, training: TrainingSpec, dtype: torch.dtype
) -> StackedFit:
    groups, seeds = [GROUPS[member] for member in members], [SEEDS[member] for member in members]
    networks = [network_of(group, widths, seed) for group, seed in zip(groups, seeds, strict=True)]
    shape = StackShape.of(N_INPUTS, widths, OUTPUTS)
    return StackedFit(shape, networks, tasks_of(groups), part, training, [seed + 100 for seed in seeds], dtype)


def state(fit: StackedFit, place: int, member: int, widths: Sequence[int]) -> dict[str, Tensor]:
    network = network_of(GROUPS[member], widths, 99).to(torch.float64)
    fit.store(place, network)
    return network.state_dict()


class Recorder(LossWatch):
    """Keeps the losses that it is shown."""

    losses: FloatArray

    def check(self, losses: FloatArray, done: int) -> None:
        super().check(losses, done)
        self.losses = losses


def plainly(
    member: int, widths: Sequence[int], part: ResidentPart, training: TrainingSpec, steps: int
) -> tuple[HardSharing, FloatArray]:
    """The network after so many steps of the plain loop, and the loss of each step."""
    group = list(GROUPS[member])
    network = network_of(group, widths, SEEDS[member]).to(part.inputs_NF.dtype)
    own = ResidentPart(part.inputs_NF, part.targets_NT[:, group], part.labelled_NT[:, group])
    blocks = task_blocks([KINDS[task] for task in group], [OUTPUTS[task] for task in group])
    fit = Fit(network, blocks, own, training, SEEDS[member] + 100)
    fit._watch = recorder = Recorder()
    fit.advance(steps)
    return network, recorder.losses


SPEC = TrainingSpec(epochs=100, batch_size=48, learning_rate=1e-2, weight_decay=0.01)


@pytest.mark.parametrize("widths", [(16, 8), (11,), (20, 33, 5)])
def test_twins_in_double_precision_agree_after_100_steps(widths: tuple[int, ...]) -> None:
    part = part_of()
    fit = stacked(range(8), widths, part, SPEC, torch.float64)
    losses_SK = np.concatenate([fit.advance(40), fit.advance(100)])
    outputs_KNO = fit.outputs(part.inputs_NF)
    for member in range(8):
        network, losses = plainly(member, widths, part, SPEC, 100)
        assert losses_SK[:, member] == pytest.approx(losses, rel=1e-10, abs=1e-10)
        for name, value in state(fit, member, member, widths).items():
            assert value.numpy() == pytest.approx(network.state_dict()[name].numpy(), rel=1e-10, abs=1e-10)
        assert outputs_KNO[member].numpy() == pytest.approx(network(part.inputs_NF).detach().numpy(), abs=1e-9)


@pytest.mark.parametrize("widths", [(16, 8), (64, 40)])
def test_losses_of_twins_in_single_precision_agree_for_100_steps(widths: tuple[int, ...]) -> None:
    part = part_of(torch.float32)
    spec = SPEC.model_copy(update={"learning_rate": 1e-3})
    losses_SK = stacked(range(8), widths, part, spec, torch.float32).advance(100)
    for member in range(8):
        _, losses = plainly(member, widths, part, spec, 100)
        assert losses_SK[:, member] == pytest.approx(losses, rel=1e-5, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    members=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    widths=st.sampled_from([(16, 8), (50,), (64, 128, 128), (31, 96)]),
    batch_size=st.sampled_from([1, 13, 64, 250]),
    dtype=st.sampled_from([torch.float32, torch.float64]),
)
def test_company_changes_no_bit(
    members: list[int], widths: tuple[int, ...], batch_size: int, dtype: torch.dtype
) -> None:
    part, spec = part_of(dtype), SPEC.model_copy(update={"batch_size": batch_size})
    together = stacked(members, widths, part, spec, dtype)
    losses_SK = together.advance(7)
    outputs_KNO = together.outputs(part.inputs_NF)
    for place, member in enumerate(members):
        single = stacked([member], widths, part, spec, dtype)
        assert single.advance(7)[:, 0].tobytes() == losses_SK[:, place].tobytes()
        assert torch.equal(single.outputs(part.inputs_NF)[0], outputs_KNO[place])
        mine, other = state(single, 0, member, widths), state(together, place, member, widths)
        assert all(torch.equal(mine[name], other[name]) for name in mine)


@settings(max_examples=15, deadline=None)
@given(survivors=st.permutations(range(8)).flatmap(lambda order: st.integers(1, 8).map(lambda n: order[:n])))
def test_dropping_networks_in_mid_run_changes_no_bit_of_the_others(survivors: list[int]) -> None:
    part, widths = part_of(torch.float32), (20, 33)
    whole, fewer = (stacked(range(8), widths, part, SPEC, torch.float32) for _ in range(2))
    whole.advance(9)
    fewer.advance(9)
    fewer.keep(survivors)
    expected_SK = whole.advance(20)
    assert fewer.advance(20).tobytes() == expected_SK[:, survivors].tobytes()
    for place, member in enumerate(survivors):
        mine, other = state(fewer, place, member, widths), state(whole, member, member, widths)
        assert all(torch.equal(mine[name], other[name]) for name in mine)


def test_a_network_comes_back_as_it_went_in() -> None:
    widths = (20, 33)
    stack = StackedNetworks(StackShape.of(N_INPUTS, widths, OUTPUTS), 3, 10)
    networks = [network_of(group, widths, 5) for group in GROUPS[:3]]
    for member, network in enumerate(networks):
        stack.load(member, network)
    for member, network in enumerate(networks):
        empty = network_of(GROUPS[member], widths, 6)
        stack.store(member, empty)
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in empty.state_dict().items())


def test_padding_stays_zero() -> None:
    widths = (20, 33)
    stack = StackedNetworks(StackShape.of(N_INPUTS, widths, OUTPUTS), 2, 64)
    ones = StackedNetworks(stack.shape, 2, 64)
    full = hard_sharing(TrunkShape("mlp", N_INPUTS, widths), [1])
    with torch.no_grad():
        for value in full.parameters():
            value.fill_(1)
    for member in range(2):
        stack.load(member, network_of(GROUPS[0], widths, 1))
        ones.load(member, full)
    rows_KBF = torch.nn.functional.pad(torch.randn(1, 64, N_INPUTS), (0, stack.shape.n_inputs - N_INPUTS))
    stack.forward(rows_KBF)
    stack.errors(64)[:, 0] = 1
    stack.backward(rows_KBF)
    assert not stack.gradients[ones.values == 0].any()
    assert stack.gradients[ones.values == 1].any()


@given(seed=st.integers(0, 1000), size=st.integers(1, 8))
def test_losses_and_derivatives_are_those_of_automatic_differentiation(seed: int, size: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    groups, part = GROUPS[:size], part_of(rows=64)
    losses = StackedLosses(tasks_of(groups), 16)
    outputs_KOB = torch.randn(size, 16, 64, generator=generator, dtype=torch.float64).mul_(5).requires_grad_()
    batches = StackedBatches(part, 16, 64, [4] * size, torch.float64)
    batches.select(range(size), losses.tasks_Q)
    batch = next(batches)
    errors_KOB = torch.zeros(size, 16, 64, dtype=torch.float64)
    found_Q = losses.differentiate(outputs_KOB.detach(), batch.targets_QB, batch.weights_QB, errors_KOB)
    order_N = torch.randperm(64, generator=torch.Generator().manual_seed(4))
    total = torch.zeros((), dtype=torch.float64)
    expected = []
    for member, group in enumerate(groups):
        blocks = task_blocks([KINDS[task] for task in group], [OUTPUTS[task] for task in group])
        own_NO = outputs_KOB[member, : sum(OUTPUTS[task] for task in group)].T
        targets_NT, labelled_NT = (array[order_N][:, list(group)] for array in (part.targets_NT, part.labelled_NT))
        losses_T = batch_losses(row_losses(blocks, own_NO, targets_NT), labelled_NT)
        expected.append(float(losses_T.detach().sum()))
        total = total + losses_T.sum()
    total.backward()  # type: ignore[no-untyped-call]
    assert losses.by_network(found_Q[None], size)[0] == pytest.approx(expected)
    assert outputs_KOB.grad is not None
    assert errors_KOB.numpy() == pytest.approx(outputs_KOB.grad.numpy(), abs=1e-12)
