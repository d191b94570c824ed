"""Natural metrics equal scikit-learn's; what the rows leave undefined is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics as sk

from search.training.metrics import area_under_roc, average_precision, natural_metrics

seeds = st.integers(0, 10_000)


@given(seed=seeds, rows=st.integers(2, 40), levels=st.integers(1, 6))
def test_ranking_metrics_equal_scikit_learns_with_ties(seed: int, rows: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    score_N = rng.integers(0, levels, rows).astype(float)
    positive_N = rng.random(rows) < 0.4
    assume(0 < positive_N.sum() < rows)
    assert area_under_roc(score_N, positive_N) == pytest.approx(sk.roc_auc_score(positive_N, score_N))
    assert average_precision(score_N, positive_N) == pytest.approx(sk.average_precision_score(positive_N, score_N))


@given(seed=seeds, rows=st.integers(3, 40))
def test_binary_metrics_equal_scikit_learns(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    logit_N1, target_N = 2 * rng.normal(size=(rows, 1)), rng.integers(0, 2, rows).astype(float)
    found = natural_metrics("binary", logit_N1, target_N)
    probability_N = 1 / (1 + np.exp(-logit_N1[:, 0]))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(target_N, probability_N > 0.5))
    assert found["log loss"] == pytest.approx(sk.log_loss(target_N, probability_N, labels=[0, 1]))
    assert ("AUC" in found) == (0 < target_N.sum() < rows)
    assert ("average precision" in found) == (target_N.sum() > 0)


@given(seed=seeds, rows=st.integers(2, 40))
def test_multiclass_metrics_equal_scikit_learns(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    logit_NK, target_N = 2 * rng.normal(size=(rows, 3)), rng.integers(0, 3, rows).astype(float)
    found = natural_metrics("multiclass", logit_NK, target_N)
    probability_NK = np.exp(logit_NK) / np.exp(logit_NK).sum(axis=1, keepdims=True)
    assert found == {
        "accuracy": pytest.approx(sk.accuracy_score(target_N, logit_NK.argmax(axis=1))),
        "log loss": pytest.approx(sk.log_loss(target_N, probability_NK, labels=[0, 1, 2])),
    }


@given(seed=seeds, rows=st.integers(2, 40), mean=st.floats(-50, 50), scale=st.floats(0.1, 50))
def test_regression_metrics_are_in_the_targets_own_unit(seed: int, rows: int, mean: float, scale: float) -> None:
    rng = np.random.default_rng(seed)
    output_N1, target_N = rng.normal(size=(rows, 1)), rng.normal(size=rows)
    found = natural_metrics("regression", output_N1, target_N, mean, scale)
    actual_N, predicted_N = target_N * scale + mean, output_N1[:, 0] * scale + mean
    assert found["RMSE"] == pytest.approx(sk.mean_squared_error(actual_N, predicted_N) ** 0.5)
    assert found["R2"] == pytest.approx(sk.r2_score(actual_N, predicted_N))


def test_undefined_metrics_are_left_out() -> None:
    assert natural_metrics("regression", np.ones((3, 1)), np.full(3, 2.0)) == {"RMSE": 1.0}
    assert set(natural_metrics("binary", np.ones((3, 1)), np.zeros(3))) == {"accuracy", "log loss"}
    assert set(natural_metrics("binary", np.ones((3, 1)), np.ones(3))) == {"average precision", "accuracy", "log loss"}
    assert natural_metrics("regression", np.ones((0, 1)), np.ones(0)) == {}


def test_confident_mistakes_have_finite_log_loss() -> None:
    assert natural_metrics("binary", np.array([[800.0]]), np.zeros(1))["log loss"] == pytest.approx(800)
    assert natural_metrics("multiclass", np.array([[900.0, 0, 0]]), np.ones(1))["log loss"] == pytest.approx(900)
