"""Dropout: the values kept keep their expectation, and the stream of masks is the module's own."""

from __future__ import annotations

import copy

import pytest
import torch

from search.networks.dropout import Dropout

_ONES = torch.ones(200, 50)


def test_evaluation_changes_nothing_and_draws_nothing() -> None:
    dropout = Dropout(0.5, seed=1).eval()
    before = dropout.generator.get_state()
    assert torch.equal(dropout(_ONES), _ONES)
    assert torch.equal(dropout.generator.get_state(), before)


def test_values_are_dropped_with_the_probability_and_the_others_scaled_up() -> None:
    values = Dropout(0.2, seed=1)(_ONES)
    assert values.unique().tolist() == pytest.approx([0, 1 / 0.8])
    assert abs((values == 0).float().mean() - 0.2) < 0.02


def test_the_mask_is_the_seeds_alone_whatever_others_draw_and_whatever_the_precision() -> None:
    one, other = Dropout(0.5, seed=3), Dropout(0.5, seed=3)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = one(_ONES)
    assert torch.equal(torch.get_rng_state(), before)
    Dropout(0.5, seed=4)(_ONES)
    assert torch.equal(other(_ONES.double()), first.double())
    assert not torch.equal(Dropout(0.5, seed=4)(_ONES), first)


def test_every_call_draws_another_mask_and_a_kept_state_carries_on() -> None:
    dropout = Dropout(0.5, seed=3)
    first, state = dropout(_ONES), dropout.generator.get_state()
    second = dropout(_ONES)
    assert not torch.equal(first, second)
    later = Dropout(0.5, seed=0)
    later.generator.set_state(state)
    assert torch.equal(later(_ONES), second)


def test_gradients_pass_where_values_do() -> None:
    inputs = torch.ones(10, 10, requires_grad=True)
    outputs = Dropout(0.5, seed=3)(inputs)
    (gradient,) = torch.autograd.grad(outputs.sum(), [inputs])
    assert torch.equal(gradient, outputs.detach())


def test_a_copy_has_a_stream_of_its_own_and_the_stream_is_no_part_of_the_weights() -> None:
    dropout = Dropout(0.5, seed=3)
    twin = copy.deepcopy(dropout)
    assert torch.equal(twin(_ONES), dropout(_ONES))
    assert dropout.state_dict() == {}
