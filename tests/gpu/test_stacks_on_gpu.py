"""What is promised of stacks on a CPU and can be on a GPU; skipped where there is none.

Bits may depend on the company there: libraries choose how to compute by how much there is to do.
"""

from __future__ import annotations

import gc

import pytest
import torch

from search.networks.hard_sharing import hard_sharing
from search.networks.shape import TrunkShape
from search.training.gpu_memory import DeviceCounters
from search.training.stack import StackShape
from search.training.stack_memory import stack_bytes
from search.training.stacked_fit import StackedFit
from tests.search.training.test_stack import GROUPS, OUTPUTS, tasks_of
from tests.search.training.test_stacks import (
    N_INPUTS,
    SPEC,
    TRUNKS,
    operations,
    part_of,
    plainly,
    stacked,
    state,
)

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

GPU = "cuda"
MEMBERS = (1, 2, 6)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_in_double_precision_a_stack_is_the_plain_trainer_after_100_steps(trunk: str) -> None:
    dtype = torch.float64
    fit = stacked(trunk, MEMBERS, dtype, device=GPU)
    losses_SK = fit.advance(100)
    for place, member in enumerate(MEMBERS):
        twin = plainly(trunk, member, dtype, 100, device=GPU)
        assert losses_SK[:, place] == pytest.approx(twin.losses_S, rel=1e-10)
        for name, value in state(fit, place, trunk, member, dtype).items():
            if not name.startswith("stream"):
                expected = twin.network.state_dict()[name].cpu().numpy()
                assert value.numpy() == pytest.approx(expected, abs=1e-10), name


@pytest.mark.parametrize("trunk", TRUNKS)
def test_in_single_precision_losses_agree_for_100_steps(trunk: str) -> None:
    spec = SPEC.model_copy(update={"learning_rate": 1e-3})
    losses_SK = stacked(trunk, MEMBERS, torch.float32, spec, GPU).advance(100)
    for place, member in enumerate(MEMBERS):
        twin = plainly(trunk, member, torch.float32, 100, spec, GPU)
        assert losses_SK[:, place] == pytest.approx(twin.losses_S, rel=1e-5)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_bfloat16_is_rounding_and_no_more(trunk: str) -> None:
    rounded = SPEC.model_copy(update={"precision": "bfloat16", "learning_rate": 1e-3})
    losses_SK = stacked(trunk, MEMBERS, torch.float32, rounded, GPU).advance(20)
    full_SK = stacked(trunk, MEMBERS, torch.float32, SPEC.model_copy(update={"learning_rate": 1e-3}), GPU).advance(20)
    assert losses_SK.tolist() != full_SK.tolist()
    assert losses_SK == pytest.approx(full_SK, rel=0.05)


@pytest.mark.parametrize("trunk", TRUNKS)
def test_the_operations_of_a_step_do_not_grow_with_the_networks(trunk: str) -> None:
    replicate = [0, 1, 2, 5, 7]
    assert operations(trunk, replicate, GPU) == operations(trunk, replicate[:2], GPU)


def test_a_stack_takes_as_much_memory_as_was_foretold() -> None:
    """Within 20 %: 64 networks, whose parameters outweigh what the allocator rounds up."""
    members, widths, part = [2] * 64, (512, 512), part_of(torch.float32, GPU)
    shape = StackShape.of(N_INPUTS, widths, OUTPUTS)
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    networks = [hard_sharing(TrunkShape("mlp", N_INPUTS, widths), OUTPUTS) for _ in members]
    tasks = tasks_of([GROUPS[member] for member in members])
    fit = StackedFit(shape, networks, tasks, part, SPEC, [7] * len(members))
    fit.advance(5)
    fit.outputs(part.inputs_NF)
    taken = torch.cuda.max_memory_allocated() - before
    batch_size = SPEC.batch_size
    foretold = stack_bytes(len(members), N_INPUTS, widths, OUTPUTS, batch_size, 5, len(part.inputs_NF))
    assert taken <= foretold <= 1.2 * taken


def test_the_counters_see_what_a_training_takes_and_what_lies_there_besides() -> None:
    counters = DeviceCounters()
    counters.reset()
    before = counters.peak()
    held = torch.zeros(2**28, device=GPU)
    assert counters.peak() >= before + held.nbytes
    del held
    assert counters.peak() >= before + 2**30, "the peak stays"
    assert counters.used() > counters.reserved(), "the context is there too"
    counters.reset()
    assert counters.peak() < before + 2**30
