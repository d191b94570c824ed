"""The audit of estimates: what counts as agreement, and that noise counts as none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.evidence import audit


def sample(seed: int, groups: int = 12, tasks: int = 5) -> tuple[FloatArray, FloatArray]:
    """Estimates and measurements of random groups: related, not equal; NaN off the members."""
    rng = np.random.default_rng(seed)
    truth_CT = 1 + 0.05 * rng.standard_normal((groups, tasks))
    member_CT = rng.random((groups, tasks)) < 0.6
    noisy = [np.where(member_CT, truth_CT + 0.03 * rng.standard_normal(truth_CT.shape), np.nan) for _ in range(2)]
    return noisy[0], noisy[1]


def test_it_is_spearmans_correlation_once_task_means_are_gone() -> None:
    estimated_CT, measured_CT = (np.nan_to_num(side, nan=1.0) for side in sample(0))
    found = audit(estimated_CT, measured_CT, np.random.default_rng(0), draws=10)
    centred = [(side - side.mean(axis=0)).ravel() for side in (estimated_CT, measured_CT)]
    assert found.spearman == pytest.approx(spearmanr(*centred).statistic)
    assert found.mean_absolute_error == pytest.approx(np.abs(estimated_CT - measured_CT).mean())
    assert (found.groups, found.cells) == (12, 60)


def test_perfect_estimates_agree_perfectly() -> None:
    _, measured_CT = sample(0)
    found = audit(measured_CT, measured_CT, np.random.default_rng(0))
    assert found.spearman == pytest.approx(1)
    assert found.mean_absolute_error == 0
    assert found.low == pytest.approx(1)


def test_a_task_that_always_suffers_does_not_make_worthless_estimates_look_good() -> None:
    rng = np.random.default_rng(1)
    level_T = np.array([1.0, 1.2, 1.5, 2.0])
    estimated_CT, measured_CT = (level_T + 0.01 * rng.standard_normal((40, 4)) for _ in range(2))
    found = audit(estimated_CT, measured_CT, rng)
    assert found.spearman is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0 < found.high


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.01, 3.0]))
def test_only_the_order_counts_and_neither_side_is_first(seed: int, factor: float) -> None:
    estimated_CT, measured_CT = sample(seed)
    rng = np.random.default_rng(0)
    expected = audit(estimated_CT, measured_CT, rng, draws=1).spearman
    assert audit(measured_CT, estimated_CT, rng, draws=1).spearman == pytest.approx(expected)
    assert audit(5 + factor * estimated_CT, measured_CT, rng, draws=1).spearman == pytest.approx(expected)


def test_the_interval_holds_the_estimate_and_is_the_same_for_the_same_generator() -> None:
    estimated_CT, measured_CT = sample(3)
    found = audit(estimated_CT, measured_CT, np.random.default_rng(0))
    assert found == audit(estimated_CT, measured_CT, np.random.default_rng(0))
    assert found.spearman is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.spearman < found.high


def test_what_is_undefined_is_none() -> None:
    nothing = np.full((3, 2), np.nan)
    rng = np.random.default_rng(0)
    assert audit(nothing, nothing, rng).mean_absolute_error is None
    constant = audit(np.ones((6, 2)), sample(0, 6, 2)[1], rng)
    assert constant.spearman is None
    assert constant.mean_absolute_error is not None
    alone = audit(np.array([[1.0, 1.1]]), np.array([[1.0, 1.2]]), rng)
    assert (alone.spearman, alone.low) == (None, None)
    few = audit(np.array([[1.0, 1.1], [1.2, 1.3]]), np.array([[1.0, 1.1], [1.3, 1.2]]), rng)
    assert few.spearman is not None
    assert few.low is None


def test_sides_of_different_shape_are_refused() -> None:
    with pytest.raises(InputError, match="not of one shape"):
        audit(np.ones((2, 2)), np.ones((2, 3)), np.random.default_rng(0))
