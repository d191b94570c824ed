"""Every stack is the plain trainer, network by network; and what a network becomes never depends on its company."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from grouping.candidates import FloatArray
from search.networks.dropout import Dropout
from search.networks.hard_sharing import HardSharing
from search.networks.heads import Heads
from search.networks.latency import one_thread
from search.networks.shape import TrunkShape
from search.networks.trunks import make_trunk
from search.spec import TrainingSpec
from search.training.loop import Fit
from search.training.losses import task_blocks
from search.training.residence import ResidentPart
from search.training.scoring import predict
from search.training.stack import StackShape
from search.training.stacked_fit import StackedFit
from search.training.stacks import Stack
from tests.search.training.test_stack import GROUPS, KINDS, OUTPUTS, SEEDS, Recorder, tasks_of

N_INPUTS = 32
WEIGHTS = (1.0, 0.25, 3.0, 1.5)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    with one_thread():
        yield


class Residual(nn.Module):
    """A trunk of another package: no sequence, layer normalisation, GELU, a frozen scale and a buffer."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(N_INPUTS, 24), nn.Linear(24, 24), nn.Linear(24, 16)
        self.norm = nn.LayerNorm(24)
        self.scale = nn.Parameter(torch.tensor(0.5), requires_grad=False)
        self.steps: Tensor
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        _draw(self, generator)

    def forward(self, inputs_NF: Tensor) -> Tensor:
        if self.training:
            self.steps += 1
        hidden = nn.functional.gelu(self.first(inputs_NF))
        hidden = hidden + self.scale * torch.tanh(self.second(self.norm(hidden)))
        features: Tensor = nn.functional.silu(self.last(hidden))
        return features


class Convolved(nn.Module):
    """A trunk of another package that convolves rows as signals."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.last = nn.Conv1d(2, 8, 3, padding=1), nn.Linear(8, 16)
        _draw(self, generator)

    def forward(self, inputs_NF: Tensor) -> Tensor:
        signals = nn.functional.relu(self.first(inputs_NF.view(-1, 2, N_INPUTS // 2)))
        features: Tensor = self.last(signals.mean(dim=2)).relu()
        return features


class Normalised(nn.Module):
    """A trunk of another package whose rows influence each other in training."""

    def __init__(self, generator: torch.Generator) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(N_INPUTS, 24), nn.BatchNorm1d(24), nn.Linear(24, 16)
        _draw(self, generator)

    def forward(self, inputs_NF: Tensor) -> Tensor:
        features: Tensor = self.last(torch.tanh(self.norm(self.first(inputs_NF)))).relu()
        return features


def _draw(module: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for layer in module.children():
            if isinstance(layer, nn.Linear | nn.Conv1d):
                for value in layer.parameters():
                    value.uniform_(-0.2, 0.2, generator=generator)


def built_in(**changes: object) -> Callable[[torch.Generator], nn.Module]:
    shape = replace(TrunkShape("mlp", N_INPUTS, (20, 16)), **changes)  # type: ignore[arg-type]
    return lambda generator: make_trunk(shape, generator, iter(range(50, 60)))


TRUNKS: dict[str, Callable[[torch.Generator], nn.Module]] = {
    "mlp": built_in(),
    "mlp, batch norm, dropout": built_in(norm="batch", dropout=0.3),
    "cnn": built_in(trunk="cnn", image=(2, 4, 4), widths=(6, 16)),
    "cnn, batch norm, dropout": built_in(trunk="cnn", image=(1, 4, 8), widths=(8, 12, 16), norm="batch", dropout=0.2),
    "residual": Residual,
    "signals": Convolved,
    "own batch norm": Normalised,
}
SETTINGS = {
    "batch_size": 48,  # of 202 rows: the last batch of an epoch has 10
    "learning_rate": 1e-2,
    "weight_decay": 0.01,
    "clip_norm": 0.5,
    "weighting": "declared",
}
SPEC = TrainingSpec.model_validate(SETTINGS)


@cache
def part_of(dtype: torch.dtype, device: str = "cpu") -> ResidentPart:
    """Four tasks of three types, one label of five missing."""
    generator = torch.Generator().manual_seed(0)
    inputs_NF = torch.randn(202, N_INPUTS, generator=generator, dtype=torch.float64)
    scores_NT = inputs_NF @ torch.randn(N_INPUTS, 4, generator=generator, dtype=torch.float64) / N_INPUTS**0.5
    targets_NT = scores_NT.clone()
    targets_NT[:, 1] = scores_NT[:, 1] > 0
    targets_NT[:, 2] = (scores_NT[:, 2] > -0.5).double() + (scores_NT[:, 2] > 0.5)
    labelled_NT = (torch.rand(202, 4, generator=generator) >= 0.2).double()
    parts = inputs_NF, targets_NT * labelled_NT, labelled_NT
    return ResidentPart(*(array.to(device, dtype) for array in parts))


def network_of(trunk: str, member: int) -> HardSharing:
    generator = torch.Generator().manual_seed(SEEDS[member])
    made = TRUNKS[trunk](generator)
    for place, layer in enumerate(each for each in made.modules() if isinstance(each, Dropout)):
        layer.generator.manual_seed(100 * SEEDS[member] + place)
    group = GROUPS[member]
    return HardSharing(
        made, Heads(16, [OUTPUTS[t] for t in group], [torch.Generator().manual_seed(10 + t) for t in group])
    )


def stacked(
    trunk: str, members: Sequence[int], dtype: torch.dtype, spec: TrainingSpec = SPEC, device: str = "cpu"
) -> StackedFit:
    groups, seeds = [GROUPS[member] for member in members], [SEEDS[member] for member in members]
    networks = [network_of(trunk, member).to(dtype) for member in members]
    tasks = tasks_of(groups)
    if spec.weighting == "declared":
        tasks = [replace(task, weight=WEIGHTS[task.column]) for task in tasks]
    shape = StackShape.of(N_INPUTS, (20, 16), OUTPUTS)
    return StackedFit(shape, networks, tasks, part_of(dtype, device), spec, [seed + 100 for seed in seeds], dtype)


@dataclass
class Twin:
    network: HardSharing
    losses_S: FloatArray
    outputs_NO: Tensor


def plainly(
    trunk: str, member: int, dtype: torch.dtype, steps: int, spec: TrainingSpec = SPEC, device: str = "cpu"
) -> Twin:
    group, part = list(GROUPS[member]), part_of(dtype, device)
    network = network_of(trunk, member).to(device, dtype)
    own = ResidentPart(part.inputs_NF, part.targets_NT[:, group], part.labelled_NT[:, group])
    blocks = task_blocks([KINDS[task] for task in group], [OUTPUTS[task] for task in group])
    recorder = Recorder()
    weights = [WEIGHTS[task] for task in group] if spec.weighting == "declared" else ()
    fit = Fit(network, blocks, own, spec, SEEDS[member] + 100, watch=recorder, weights=weights)
    fit.advance(steps)
    return Twin(network, recorder.losses, predict([network], part.inputs_NF)[0])


def state(fit: StackedFit, place: int, trunk: str, member: int, dtype: torch.dtype) -> dict[str, Tensor]:
    network = network_of(trunk, member).to(dtype)
    fit.store(place, network)
    return {**network.state_dict(), **{f"stream {i}": s for i, s in enumerate(_streams(network))}}


def _streams(network: nn.Module) -> Iterator[Tensor]:
    return (layer.generator.get_state() for layer in network.modules() if isinstance(layer, Dropout))


@pytest.mark.parametrize("trunk", TRUNKS)
def test_in_double_precision_a_stack_is_the_plain_trainer_after_100_steps(trunk: str) -> None:
    dtype, members = torch.float64, (1, 2, 6)
    fit = stacked(trunk, members, dtype)
    losses_SK = fit.advance(100)
    outputs_KNO = fit.outputs(part_of(dtype).inputs_NF)
    for place, member in enumerate(members):
        twin = plainly(trunk, member, dtype, 100)
        assert losses_SK[:, place] == pytest.approx(twin.losses_S, rel=1e-10)
        assert outputs_KNO[place].numpy() == pytest.approx(twin.outputs_NO.numpy(), abs=1e-10)
        for name, value in state(fit, place, trunk, member, dtype).items():
            if not name.startswith("stream"):
                expected = twin.network.state_dict()[name].numpy()
                assert value.numpy() == pytest.approx(expected, abs=1e-10), name
        assert all(map(torch.equal, _streams(twin.network), _last_streams(fit, place, trunk, member)))


def _last_streams(fit: StackedFit, place: int, trunk: str, member: int) -> Iterator[Tensor]:
    network = network_of(trunk, member)
    fit.store(place, network)
    return _streams(network)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_in_single_precision_losses_agree_for_100_steps(trunk: str) -> None:
    spec = SPEC.model_copy(update={"learning_rate": 1e-3})
    losses_SK = stacked(trunk, (1, 2), torch.float32, spec).advance(100)
    for place, member in enumerate((1, 2)):
        twin = plainly(trunk, member, torch.float32, 100, spec)
        assert losses_SK[:, place] == pytest.approx(twin.losses_S, rel=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_whole_training_is_bitwise_the_same_in_any_company(trunk: str) -> None:
    dtype, steps = torch.float32, 23
    inputs_NF = part_of(dtype).inputs_NF
    everybody = stacked(trunk, range(8), dtype)
    losses_SK = np.concatenate([everybody.advance(9), everybody.advance(steps)])
    outputs_KNO = everybody.outputs(inputs_NF)
    for members in ([3], [1, 6], [7, 2, 4]):
        fit = stacked(trunk, members, dtype)
        losses_Sk = np.concatenate([fit.advance(9), fit.advance(steps)])
        assert losses_Sk.tobytes() == losses_SK[:, members].tobytes()
        for place, (member, outputs_NO) in enumerate(zip(members, fit.outputs(inputs_NF), strict=True)):
            assert torch.equal(outputs_NO, outputs_KNO[member])
            mine, theirs = (state(f, p, trunk, member, dtype) for f, p in ((fit, place), (everybody, member)))
            assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


@pytest.mark.parametrize("trunk", TRUNKS)
def test_networks_that_leave_change_no_bit_of_the_others(trunk: str) -> None:
    dtype = torch.float32
    whole, fewer = (stacked(trunk, range(4), dtype) for _ in range(2))
    whole.advance(6)
    fewer.advance(6)
    fewer.keep([3, 1])
    expected_SK = whole.advance(12)
    assert fewer.advance(12).tobytes() == expected_SK[:, [3, 1]].tobytes()
    fewer.keep([1])
    expected_SK = whole.advance(18)
    assert fewer.advance(18)[:, 0].tobytes() == expected_SK[:, 1].tobytes()
    mine, theirs = state(fewer, 0, trunk, 1, dtype), state(whole, 1, trunk, 1, dtype)
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())


class _Counted(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations."""

    calls = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls += 1
        return func(*args, **(kwargs or {}))


def operations(trunk: str, members: Sequence[int], device: str = "cpu") -> int:
    """Operations of four steps."""
    fit = stacked(trunk, members, torch.float32, device=device)
    fit.advance(1)
    counted = _Counted()  # type: ignore[no-untyped-call]
    with counted:
        fit.advance(5)
    return counted.calls


@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_operations_of_a_step_do_not_grow_with_the_networks(trunk: str) -> None:
    replicate = [0, 1, 2, 5, 7]  # one seed: one order of rows, one stream of masks
    assert operations(trunk, replicate) == operations(trunk, replicate[:2])


def test_each_kind_of_trunk_has_its_stack() -> None:
    def kind(trunk: str, **settings: object) -> str:
        spec = TrainingSpec.model_validate(SETTINGS | settings)
        stack: Stack = stacked(trunk, [0], torch.float32, spec)._stack
        return type(stack).__name__

    assert kind("mlp") == "StackedNetworks"
    assert kind("mlp", precision="bfloat16") == "LayeredNetworks"
    assert kind("cnn") == "LayeredNetworks"
    assert kind("mlp, batch norm, dropout") == "LayeredNetworks"
    assert kind("residual") == "MappedNetworks"
