"""Gains over a reference: right on planted losses, covering the truth; signs that depend on the setting are seen."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.errors import InputError
from grouping.evidence.affinity_parts import Gain, gains, unstable

TRUE_K = np.array([1.0, 0.9, 1.05, 1.0])


def losses(rng: np.random.Generator, seeds: int = 3, noise: float = 0.02) -> np.ndarray:
    shared_R1 = 1 + 0.1 * rng.standard_normal((seeds, 1))
    return np.asarray(3.0 * TRUE_K * shared_R1 * (1 + noise * rng.standard_normal((seeds, 4))))


def test_exact_losses_give_exact_gains() -> None:
    found = gains(np.tile(3.0 * TRUE_K, (2, 1)), [0, 0, 0, 1])
    np.testing.assert_allclose([gain.mean for gain in found], [0.0, 0.1, -0.05, 1 - 1 / 0.9], atol=1e-12)
    assert [gain.sign for gain in found][1:3] == [1, -1]


def test_intervals_cover_the_truth() -> None:
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        found = gains(losses(rng), [0, 0, 0, 2])
        truth = [0.0, 0.1, -0.05, 1 - 1 / 1.05]
        inside += [gain.low <= true <= gain.high for gain, true in list(zip(found, truth, strict=True))[1:]]
    assert 0.92 <= np.mean(inside) <= 0.985


def test_a_training_that_failed_leaves_the_others() -> None:
    one = losses(np.random.default_rng(1))
    one[0, 2] = np.nan
    one[:, 3] = np.nan
    found = gains(one, [0, 0, 0, 0])
    assert np.isfinite([found[1].mean, found[2].mean]).all()
    assert np.isnan(found[3].mean)


def test_one_seed_has_no_error() -> None:
    found = gains(losses(np.random.default_rng(2), seeds=1), [0, 0, 0, 0])
    assert np.isfinite(found[1].mean)
    assert np.isnan(found[1].low)
    assert found[1].sign == 0


def test_a_reference_that_was_never_trained_is_refused() -> None:
    with pytest.raises(InputError, match="no positive loss"):
        gains(np.full((2, 2), np.nan), [0, 0])


def test_a_sign_is_unstable_only_if_both_signs_are_sure() -> None:
    help_, harm, unsure = Gain(0.1, 0.05, 0.15), Gain(-0.1, -0.15, -0.05), Gain(-0.01, -0.05, 0.03)
    assert unstable([help_, unsure, harm])
    assert not unstable([help_, unsure, help_])
    assert not unstable([unsure, harm])
