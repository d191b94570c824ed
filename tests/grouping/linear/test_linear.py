"""Linear multi-task models: equal to scikit-learn's where that can be asked, exact in their limits."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import MultiTaskLasso

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.linear import LinearProblem, clustered, find_clusters, group_sparse, largest_penalty

Rows = tuple[FloatArray, FloatArray]


def rows(seed: int, n: int = 60, inputs: int = 8, tasks: int = 4, missing: float = 0.0) -> Rows:
    rng = np.random.default_rng(seed)
    inputs_NF = rng.standard_normal((n, inputs)) + rng.standard_normal(inputs)
    weights_FT = rng.standard_normal((inputs, tasks)) * (np.arange(inputs) < 3)[:, None]
    targets_NT = inputs_NF @ weights_FT + 0.3 * rng.standard_normal((n, tasks)) + 5.0
    targets_NT[rng.random(targets_NT.shape) < missing] = np.nan
    return inputs_NF, targets_NT


def in_clusters(seed: int, noise: float = 0.5) -> tuple[LinearProblem, tuple[tuple[int, ...], ...]]:
    """Nine tasks whose weights lie near three centres."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(3), 3))
    weights_FT = 2 * rng.standard_normal((6, 3))[:, truth] + 0.2 * rng.standard_normal((6, 9))
    inputs_NF = rng.standard_normal((80, 6))
    problem = LinearProblem.of(inputs_NF, inputs_NF @ weights_FT + noise * rng.standard_normal((80, 9)))
    return problem, tuple(sorted(tuple(np.flatnonzero(truth == k).tolist()) for k in range(3)))


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), share=st.floats(0.02, 0.9))
def test_group_sparsity_is_the_multi_task_lasso(seed: int, share: float) -> None:
    inputs_NF, targets_NT = rows(seed)
    problem = LinearProblem.of(inputs_NF, targets_NT)
    penalty = share * largest_penalty(problem)
    ours = group_sparse(problem, penalty, tolerance=1e-12)
    theirs = MultiTaskLasso(alpha=penalty, tol=1e-12, max_iter=100_000).fit(inputs_NF, targets_NT)
    assert ours.weights_FT == pytest.approx(theirs.coef_.T, abs=1e-6)
    assert ours.intercept_T == pytest.approx(theirs.intercept_, abs=1e-5)
    assert (ours.weights_FT.any(axis=1) == theirs.coef_.any(axis=0)).all()


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 10_000), missing=st.floats(0, 0.5), share=st.floats(0.05, 0.9))
def test_the_gap_bounds_what_could_be_gained(seed: int, missing: float, share: float) -> None:
    problem = LinearProblem.of(*rows(seed, missing=missing))
    penalty = share * largest_penalty(problem)
    rough, fine = (group_sparse(problem, penalty, tolerance=tolerance) for tolerance in (1e-2, 1e-11))
    assert fine.objective <= rough.objective + 1e-12
    assert rough.objective - rough.gap <= fine.objective + 1e-9


def test_from_the_largest_penalty_on_all_weights_are_exactly_zero() -> None:
    problem = LinearProblem.of(*rows(1, missing=0.2))
    most = largest_penalty(problem)
    assert not group_sparse(problem, most * 1.000001).weights_FT.any()
    assert group_sparse(problem, most * 0.99).weights_FT.any()


def test_without_a_penalty_it_is_least_squares_on_the_labelled_rows() -> None:
    inputs_NF, targets_NT = rows(2, missing=0.3)
    fit = group_sparse(LinearProblem.of(inputs_NF, targets_NT), 0.0, tolerance=1e-13)
    for t, target_N in enumerate(targets_NT.T):
        known = ~np.isnan(target_N)
        design = np.column_stack([inputs_NF[known], np.ones(known.sum())])
        wanted = np.linalg.lstsq(design, target_N[known], rcond=None)[0]
        assert fit.weights_FT[:, t] == pytest.approx(wanted[:-1], abs=1e-4)
        assert fit.intercept_T[t] == pytest.approx(wanted[-1], abs=1e-3)


def test_inputs_that_nobody_needs_are_left_out() -> None:
    problem = LinearProblem.of(*rows(3, n=400))
    used_F = np.abs(group_sparse(problem, 0.1 * largest_penalty(problem)).weights_FT).sum(axis=1) > 0
    assert used_F[:3].all()
    assert not used_F[3:].any()


def test_one_cluster_is_regularised_multi_task_learning() -> None:
    """The sum over pairs of tasks of their squared distance is T times that to the mean."""
    problem = LinearProblem.of(*rows(4))
    fit = clustered(problem, [0, 0, 0, 0], mean=0.0, between=7.0, within=0.5)
    w = fit.weights_FT
    pairs = sum(((w[:, t] - w[:, u]) ** 2).sum() for t in range(4) for u in range(t))
    assert fit.objective == pytest.approx(problem.loss(w) + 0.5 * 0.5 * pairs / 4)
    nudged = w + 1e-3 * np.random.default_rng(0).standard_normal(w.shape)
    apart = ((nudged - nudged.mean(axis=1, keepdims=True)) ** 2).sum()
    assert problem.loss(nudged) + 0.25 * apart > fit.objective


def test_equal_penalties_are_ridge_of_each_task_alone() -> None:
    problem = LinearProblem.of(*rows(5))
    for clusters in ([0, 0, 1, 1], [0, 1, 2, 3]):
        fit = clustered(problem, clusters, mean=0.3, between=0.3, within=0.3)
        for t in range(4):
            alone = np.linalg.solve(problem.moment_TFF[t] + 0.3 * np.eye(8), problem.product_FT[:, t])
            assert fit.weights_FT[:, t] == pytest.approx(alone)


def test_a_heavy_penalty_makes_a_clusters_tasks_equal_and_leaves_clusters_apart() -> None:
    w = clustered(LinearProblem.of(*rows(6)), [0, 0, 1, 1], mean=0.0, between=0.0, within=1e7).weights_FT
    assert w[:, 0] == pytest.approx(w[:, 1], abs=1e-5)
    assert w[:, 2] == pytest.approx(w[:, 3], abs=1e-5)
    assert np.abs(w[:, 0] - w[:, 2]).max() > 0.1


def test_planted_clusters_are_found() -> None:
    found = []
    for seed in range(20):
        problem, truth = in_clusters(seed)
        found.append(tuple(sorted(find_clusters(problem, 3, np.random.default_rng(seed)).groups)) == truth)
    assert np.mean(found) >= 0.95


def test_more_clusters_never_cost_more_where_clusters_are_free() -> None:
    problem, _ = in_clusters(0)
    fits = [find_clusters(problem, k, np.random.default_rng(0), mean=0.0, between=0.0) for k in range(1, 10)]
    assert all(more.objective <= fewer.objective + 1e-9 for fewer, more in pairwise(fits))


def test_groups_are_named_in_the_order_of_their_first_task() -> None:
    fit = clustered(LinearProblem.of(*rows(7)), [5, 2, 5, 9], mean=0.1, between=0.1, within=1.0)
    assert fit.groups == ((0, 2), (1,), (3,))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:5], y), "are no \\(rows, inputs\\) and \\(rows, tasks\\)"),
        (
            lambda x, y: (np.where(np.arange(x.size).reshape(x.shape) == 9, np.nan, x), y),
            "input 1 of row 1 is no number",
        ),
        (
            lambda x, y: (x, np.where(np.arange(y.size).reshape(y.shape) == 6, np.inf, y)),
            "target 2 of row 1 is infinite",
        ),
        (lambda x, y: (x, np.where(np.arange(4) == 2, np.nan, y)), "target 2 has fewer than two labels"),
    ],
)
def test_rows_that_cannot_be_fitted_are_refused(change: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LinearProblem.of(*change(*rows(0)))  # type: ignore[operator]


def test_settings_out_of_range_are_refused() -> None:
    problem = LinearProblem.of(*rows(0))
    with pytest.raises(InputError, match="the penalty -1"):
        group_sparse(problem, -1.0)
    with pytest.raises(InputError, match="the tolerance 0"):
        group_sparse(problem, 1.0, tolerance=0)
    with pytest.raises(InputError, match="the penalty 'within' is -1"):
        clustered(problem, [0, 0, 1, 1], mean=0, between=0, within=-1)
    with pytest.raises(InputError, match="3 clusters are given for 4 tasks"):
        clustered(problem, [0, 0, 1], mean=0, between=0, within=1)
    with pytest.raises(InputError, match="5 clusters of 4 tasks"):
        find_clusters(problem, 5, np.random.default_rng(0))
