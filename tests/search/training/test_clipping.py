"""Each network's gradient is clipped as torch clips that of one network."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from search.training.clipping import clip_each


@given(
    seed=st.integers(0, 1000),
    networks=st.integers(1, 5),
    shapes=st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=3), min_size=1, max_size=6),
    limit=st.floats(0.01, 100),
)
def test_it_is_torchs_clipping_network_by_network(
    seed: int, networks: int, shapes: list[list[int]], limit: float
) -> None:
    generator = torch.Generator().manual_seed(seed)
    blocks = [torch.randn(networks, *shape, generator=generator, dtype=torch.float64) for shape in shapes]
    expected = [[nn.Parameter(torch.zeros_like(block[k])) for block in blocks] for k in range(networks)]
    for k, parameters in enumerate(expected):
        for parameter, block in zip(parameters, blocks, strict=True):
            parameter.grad = block[k].clone()
        nn.utils.clip_grad_norm_(parameters, limit)
    clip_each(blocks, limit)
    for k, parameters in enumerate(expected):
        for parameter, block in zip(parameters, blocks, strict=True):
            assert parameter.grad is not None
            torch.testing.assert_close(block[k], parameter.grad, rtol=1e-12, atol=0)


def test_a_gradient_that_is_no_number_is_nobody_elses() -> None:
    block = torch.tensor([[3.0, 4.0], [float("inf"), 1.0]])
    clip_each([block], 1.0)
    torch.testing.assert_close(block[0], torch.tensor([0.6, 0.8]))
