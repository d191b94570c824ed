"""Clustered penalties: their identities and limits, and fits whose precision is proven."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InputError
from grouping.linear import ClusterPenalty, Labelled, cluster_penalty, fit_clustered
from grouping.linear.clustered import cluster_covariance
from grouping.linear.labelled import Kind
from tests.grouping.linear.planted import planted

KINDS: list[Kind] = ["regression", "binary"]


@given(seed=st.integers(0, 10_000), n_tasks=st.integers(1, 8))
def test_all_pairs_differ_by_as_much_as_all_from_the_mean_times_their_number(seed: int, n_tasks: int) -> None:
    weights_FT = np.random.default_rng(seed).normal(size=(4, n_tasks))
    pairs = sum(
        float(((weights_FT[:, i] - weights_FT[:, j]) ** 2).sum()) for i in range(n_tasks) for j in range(i + 1, n_tasks)
    )
    # A factor of 2 on the terms between and within takes the half away; so does one cluster alone.
    penalty = ClusterPenalty(1e-12, 2.0, 2.0)
    one = cluster_penalty(weights_FT, np.zeros(n_tasks, int), penalty)
    assert pairs == pytest.approx(n_tasks * one, rel=1e-6, abs=1e-8)


@given(seed=st.integers(0, 10_000), n_tasks=st.integers(1, 8), factors=st.tuples(*[st.floats(0.01, 100)] * 3))
def test_the_penalty_is_the_quadratic_form_of_the_inverse_covariance(
    seed: int, n_tasks: int, factors: tuple[float, float, float]
) -> None:
    rng = np.random.default_rng(seed)
    weights_FT, cluster_T = rng.normal(size=(4, n_tasks)), rng.integers(0, 3, size=n_tasks)
    penalty = ClusterPenalty(*factors)
    inverse_TT = np.linalg.inv(cluster_covariance(cluster_T, penalty))
    form = float(np.trace(weights_FT @ inverse_TT @ weights_FT.T)) / 2
    assert cluster_penalty(weights_FT, cluster_T, penalty) == pytest.approx(form, rel=1e-8)


@given(seed=st.integers(0, 10_000), factor=st.floats(0.01, 100))
def test_three_equal_factors_are_a_ridge_of_its_own_for_every_task(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    weights_FT, cluster_T = rng.normal(size=(4, 6)), rng.integers(0, 3, size=6)
    ridge = factor * float((weights_FT**2).sum()) / 2
    assert cluster_penalty(weights_FT, cluster_T, ClusterPenalty(factor, factor, factor)) == pytest.approx(ridge)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_independent_ridges_are_those_of_scikit_learn(missing: float) -> None:
    from sklearn.linear_model import Ridge

    data, groups = planted(0, missing=missing)
    model = fit_clustered(data, groups, ClusterPenalty(0.2, 0.2, 0.2), tolerance=1e-16)
    for t in range(len(data.tasks)):
        known = ~np.isnan(data.targets_NT[:, t])
        alone = Ridge(alpha=0.2 * known.sum()).fit(data.inputs_NF[known], data.targets_NT[known, t])
        np.testing.assert_allclose(model.weights_FT[:, t], alone.coef_, atol=1e-7)
        assert model.intercept_T[t] == pytest.approx(alone.intercept_, abs=1e-6)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_independent_logistic_models_are_those_of_scikit_learn(missing: float) -> None:
    from sklearn.linear_model import LogisticRegression

    data, groups = planted(0, missing=missing, kind="binary")
    model = fit_clustered(data, groups, ClusterPenalty(0.2, 0.2, 0.2), tolerance=1e-15)
    for t in range(len(data.tasks)):
        known = ~np.isnan(data.targets_NT[:, t])
        alone = LogisticRegression(C=1 / (0.2 * known.sum()), tol=1e-10, max_iter=10_000)
        alone.fit(data.inputs_NF[known], data.targets_NT[known, t])
        np.testing.assert_allclose(model.weights_FT[:, t], alone.coef_[0], atol=1e-6)
        chances_N = alone.predict_proba(data.inputs_NF)[:, 1]
        np.testing.assert_allclose(model.predict(data.inputs_NF)[:, t], chances_N, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_an_infinite_factor_makes_all_of_a_cluster_equal_and_large_ones_come_near(kind: Kind, missing: float) -> None:
    data, groups = planted(1, kind=kind, missing=missing)
    equal = fit_clustered(data, groups, ClusterPenalty(0.1, 0.1, np.inf), tolerance=1e-12)
    assert np.ptp(equal.weights_FT[:, :3], axis=1).max() < 1e-12
    assert np.ptp(equal.weights_FT[:, 3:], axis=1).max() < 1e-12
    assert np.abs(equal.weights_FT[:, 0] - equal.weights_FT[:, 3]).max() > 0.01
    near = fit_clustered(data, groups, ClusterPenalty(0.1, 0.1, 1e7), tolerance=1e-12)
    np.testing.assert_allclose(near.weights_FT, equal.weights_FT, atol=1e-4)
    assert equal.objective >= near.objective - near.gap


def test_one_cluster_is_mean_regularised_multi_task_learning() -> None:
    data, _ = planted(2)
    size, apart = 0.3, 2.0
    model = fit_clustered(data, [data.tasks], ClusterPenalty(size, 1.0, apart))
    # Evgeniou & Pontil: the objective's own gradient, term by term, is zero there.
    centred_NF = data.inputs_NF - data.inputs_NF.mean(axis=0)
    mean_F = model.weights_FT.mean(axis=1, keepdims=True)
    residual_NT = data.targets_NT - data.targets_NT.mean(axis=0) - centred_NF @ model.weights_FT
    pull_FT = size * mean_F + apart * (model.weights_FT - mean_F)
    np.testing.assert_allclose(centred_NF.T @ residual_NT / len(centred_NF), pull_FT, atol=1e-10)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_descent_and_closed_form_agree(missing: float) -> None:
    """A label that is missing everywhere but in one more row makes two patterns of equal fits."""
    data, groups = planted(3, missing=missing)
    penalty = ClusterPenalty(0.1, 0.3, 5.0)
    model = fit_clustered(data, groups, penalty, tolerance=1e-16)
    centred: list[np.ndarray] = []
    n_inputs, n_tasks = model.weights_FT.shape
    inverse_TT = np.linalg.inv(cluster_covariance(data.clusters_T(groups), penalty))
    matrix, right = np.kron(inverse_TT, np.eye(n_inputs)), np.zeros(n_inputs * n_tasks)
    for t in range(n_tasks):
        known = ~np.isnan(data.targets_NT[:, t])
        here_NF = data.inputs_NF[known] - data.inputs_NF[known].mean(axis=0)
        block = slice(t * n_inputs, (t + 1) * n_inputs)
        matrix[block, block] += here_NF.T @ here_NF / known.sum()
        right[block] = here_NF.T @ data.targets_NT[known, t] / known.sum()
        centred.append(here_NF)
    np.testing.assert_allclose(model.weights_FT.T.ravel(), np.linalg.solve(matrix, right), atol=1e-7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), kind=st.sampled_from(KINDS), within=st.floats(0.1, 1e4))
def test_the_objective_never_rises_and_its_gap_is_a_bound(seed: int, kind: Kind, within: float) -> None:
    data, groups = planted(seed, missing=0.2, kind=kind, rows=40)
    penalty = ClusterPenalty(0.1, 0.1, within)
    rough = fit_clustered(data, groups, penalty, tolerance=1e-2)
    fine = fit_clustered(data, groups, penalty, tolerance=1e-12)
    assert len(fine.objectives_S) > len(rough.objectives_S)
    assert (np.diff(fine.objectives_S) <= 1e-12 * fine.objectives_S[0]).all()
    assert rough.objective - rough.gap <= fine.objective <= rough.objective
    losses = fine.objective - cluster_penalty(fine.weights_FT, data.clusters_T(groups), penalty)
    outputs_NT = fine.predict(data.inputs_NF)
    known_NT = ~np.isnan(data.targets_NT)
    if kind == "regression":
        rows_NT = (outputs_NT - data.targets_NT) ** 2 / 2
    else:
        rows_NT = -np.log(np.where(data.targets_NT == 1, outputs_NT, 1 - outputs_NT))
    assert losses == pytest.approx(sum(rows_NT[known_NT[:, t], t].mean() for t in range(6)), rel=1e-6)


def test_sharing_helps_where_clusters_are_true_and_labels_few() -> None:
    data, groups = planted(4, rows=2000, inputs=15, noise=1.0)
    few = data.select(np.arange(20))
    shared = fit_clustered(few, groups, ClusterPenalty(0.05, 0.05, 2.0))
    alone = fit_clustered(few, groups, ClusterPenalty(0.05, 0.05, 0.05))
    errors = [
        float(((model.predict(data.inputs_NF[20:]) - data.targets_NT[20:]) ** 2).mean()) for model in (shared, alone)
    ]
    assert errors[0] < 0.9 * errors[1]


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan")])
def test_factors_are_above_zero(factor: float) -> None:
    with pytest.raises(InputError, match=r"penalty\.within: .* is not above 0"):
        ClusterPenalty(1.0, 1.0, factor)


@pytest.mark.parametrize(
    ("clusters", "message"),
    [
        ([["task 0"]], "task 'task 1' is in no cluster"),
        ([["task 0", "task 1", "task 0"]], "'task 0' is named twice"),
        ([["task 0", "task 1"], []], "the cluster is empty"),
        ([["task 0", "tusk 1"]], "no task is called 'tusk 1'"),
    ],
)
def test_clusters_are_a_partition(clusters: list[list[str]], message: str) -> None:
    data, _ = planted(0, (1, 1))
    with pytest.raises(InputError, match=message):
        fit_clustered(data, clusters, ClusterPenalty(1, 1, 1))


@pytest.mark.parametrize(
    ("inputs", "targets", "kind", "message"),
    [
        ([[1.0], [np.nan]], [[0.0], [1.0]], "regression", "nan in row 1, column 0 is not finite"),
        ([[1.0], [2.0]], [[0.0, 1.0]], "regression", r"shape \(1, 2\), 2 rows and 1 tasks need \(2, 1\)"),
        ([1.0, 2.0], [[0.0], [1.0]], "regression", "are no two tables"),
        ([[1.0], [2.0]], [[np.nan], [np.nan]], "regression", "every label is missing"),
        ([[1.0], [2.0]], [[np.inf], [1.0]], "regression", "a label is infinite"),
        ([[1.0], [2.0]], [[0.0], [2.0]], "binary", "the label 2 is neither 0 nor 1"),
        ([[1.0], [2.0]], [[1.0], [np.nan]], "binary", "all labels are 1"),
    ],
)
def test_rows_that_nothing_can_be_fitted_to_are_refused(
    inputs: list[list[float]], targets: list[list[float]], kind: Kind, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Labelled(("a",), np.array(inputs), np.array(targets), kind)


def test_inputs_of_another_width_are_not_predicted_on() -> None:
    data, groups = planted(0)
    with pytest.raises(InputError, match="the model has 5 inputs"):
        fit_clustered(data, groups, ClusterPenalty(1, 1, 1)).predict(np.zeros((2, 4)))
