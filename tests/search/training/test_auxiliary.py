"""Auxiliary tasks count by the cosine of their gradients with the main tasks'."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from grouping.errors import InputError
from search.training.auxiliary import auxiliary_weights


@given(angle=st.floats(0, 2 * math.pi), size=st.floats(1e-3, 1e3))
def test_the_weight_is_the_cosine_of_the_angle_and_nothing_beyond_a_right_one(angle: float, size: float) -> None:
    gradients_TP = torch.tensor([[2.0, 0.0], [size * math.cos(angle), size * math.sin(angle)]], dtype=torch.float64)
    weights_T = auxiliary_weights(gradients_TP, torch.tensor([True, False]))
    assert weights_T[0] == 1
    assert float(weights_T[1]) == pytest.approx(max(0.0, math.cos(angle)), abs=1e-12)


def test_main_tasks_are_added_up_before_they_are_compared() -> None:
    gradients_TP = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
    main_T = torch.tensor([True, True, False, False, False, False])
    expected_T = torch.tensor([1.0, 1.0, math.sqrt(0.5), 1.0, 0.0, 0.0])
    torch.testing.assert_close(auxiliary_weights(gradients_TP, main_T), expected_T)


@given(seed=st.integers(0, 10_000), n_main=st.integers(1, 3), n_helpers=st.integers(0, 4))
def test_a_step_never_does_the_main_tasks_less_good_than_one_without_helpers(
    seed: int, n_main: int, n_helpers: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    gradients_TP = torch.randn(n_main + n_helpers, 5, generator=generator, dtype=torch.float64)
    main_T = torch.arange(n_main + n_helpers) < n_main
    step_P = auxiliary_weights(gradients_TP, main_T) @ gradients_TP
    wanted_P = gradients_TP[:n_main].sum(dim=0)
    assert float(step_P @ wanted_P) >= float(wanted_P @ wanted_P) * (1 - 1e-12)


@given(scale=st.sampled_from([1e-30, 1e-3, 1.0, 1e30]))
def test_the_unit_of_an_auxiliary_loss_changes_nothing(scale: float) -> None:
    gradients_TP = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
    main_T = torch.tensor([True, False])
    plain_T = auxiliary_weights(gradients_TP, main_T)
    scaled_T = auxiliary_weights(gradients_TP * torch.tensor([[1.0], [scale]]), main_T)
    torch.testing.assert_close(scaled_T, plain_T)


@pytest.mark.parametrize("gradients", [[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]]])
def test_without_a_gradient_on_either_side_an_auxiliary_task_counts_nothing(gradients: list[list[float]]) -> None:
    weights_T = auxiliary_weights(torch.tensor(gradients), torch.tensor([True, False]))
    assert weights_T.tolist() == [1, 0]


def test_helpers_alone_are_refused() -> None:
    with pytest.raises(InputError, match="every task is auxiliary"):
        auxiliary_weights(torch.ones(2, 3), torch.tensor([False, False]))
