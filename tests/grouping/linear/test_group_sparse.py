"""Group sparsity: scikit-learn's numbers where it has any, exact zeros, and a duality gap that is a bound."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.errors import InputError, NoResultError
from grouping.linear import Labelled, fit_group_sparse, largest_penalty
from grouping.linear.labelled import Kind
from tests.grouping.linear.planted import planted

KINDS: list[Kind] = ["regression", "binary"]


@pytest.mark.parametrize("share", [0.02, 0.2, 0.7])
@pytest.mark.parametrize("seed", range(3))
def test_it_is_scikit_learns_multi_task_lasso(seed: int, share: float) -> None:
    from sklearn.linear_model import MultiTaskLasso

    data, _ = planted(seed, inputs=12, rows=50, noise=1.0)
    penalty = share * largest_penalty(data)
    oracle = MultiTaskLasso(alpha=penalty, tol=1e-14, max_iter=100_000).fit(data.inputs_NF, data.targets_NT)
    model = fit_group_sparse(data, penalty, tolerance=1e-14)
    np.testing.assert_allclose(model.weights_FT, oracle.coef_.T, atol=1e-6)
    np.testing.assert_allclose(model.intercept_T, oracle.intercept_, atol=1e-6)
    np.testing.assert_array_equal((model.weights_FT == 0).all(axis=1), (oracle.coef_ == 0).all(axis=0))


def test_with_one_task_each_pattern_of_missing_labels_is_its_own_lasso() -> None:
    from sklearn.linear_model import Lasso

    data, _ = planted(0, (1,), inputs=12, rows=60, missing=0.4)
    known = ~np.isnan(data.targets_NT[:, 0])
    penalty = 0.1 * largest_penalty(data)
    oracle = Lasso(alpha=penalty, tol=1e-14, max_iter=100_000).fit(data.inputs_NF[known], data.targets_NT[known, 0])
    model = fit_group_sparse(data, penalty, tolerance=1e-14)
    np.testing.assert_allclose(model.weights_FT[:, 0], oracle.coef_, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.3]))
def test_from_the_largest_penalty_on_everything_is_exactly_zero_and_below_something_is_not(
    kind: Kind, seed: int, missing: float
) -> None:
    data, _ = planted(seed, missing=missing, kind=kind)
    largest = largest_penalty(data)
    for factor in (1.0, 1.5, 1e6):
        assert (fit_group_sparse(data, factor * largest).weights_FT == 0).all()
    assert (fit_group_sparse(data, 0.99 * largest).weights_FT != 0).any()


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), share=st.floats(0.02, 0.9))
def test_the_objective_never_rises_its_gap_is_a_bound_and_the_rules_of_the_optimum_hold(
    kind: Kind, seed: int, share: float
) -> None:
    data, _ = planted(seed, inputs=10, rows=40, missing=0.2, kind=kind)
    penalty = share * largest_penalty(data)
    rough, fine = (fit_group_sparse(data, penalty, tolerance=tolerance) for tolerance in (1e-2, 1e-11))
    assert (np.diff(fine.objectives_S) <= 1e-12 * fine.objectives_S[0]).all()
    assert rough.objective - rough.gap <= fine.objective + 1e-12
    assert fine.objective <= rough.objective
    # The gradient of the losses, from rows: along used inputs it is the penalty's own, elsewhere no longer than it.
    known_NT = ~np.isnan(data.targets_NT)
    residual_NT = np.where(known_NT, fine.predict(data.inputs_NF) - data.targets_NT, 0.0) / known_NT.sum(axis=0)
    assert np.abs(residual_NT.sum(axis=0)).max() < 1e-10
    gradient_FT = data.inputs_NF.T @ residual_NT
    length_F = np.linalg.norm(fine.weights_FT, axis=1)
    for f in range(10):
        if length_F[f] > 0:
            np.testing.assert_allclose(
                gradient_FT[f], -penalty * fine.weights_FT[f] / length_F[f], atol=1e-3 * penalty / length_F[f]
            )
        else:
            assert np.linalg.norm(gradient_FT[f]) <= penalty * (1 + 1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_no_task_needs_are_left_out_for_all(kind: Kind) -> None:
    rng = np.random.default_rng(0)
    inputs_NF = rng.normal(size=(300, 12))
    targets_NT = inputs_NF[:, :3] @ rng.choice([-2.0, 2.0], size=(3, 4)) + 0.3 * rng.normal(size=(300, 4))
    if kind == "binary":
        targets_NT = (targets_NT > 0).astype(float)
    targets_NT[rng.random(targets_NT.shape) < 0.2] = np.nan
    data = Labelled(("a", "b", "c", "d"), inputs_NF, targets_NT, kind)
    used_FT = fit_group_sparse(data, 0.3 * largest_penalty(data)).weights_FT != 0
    assert used_FT[:3].all()
    assert not used_FT[3:].any()


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("inf"), float("nan")])
def test_a_penalty_is_finite_and_above_zero(penalty: float) -> None:
    with pytest.raises(InputError, match="is no penalty"):
        fit_group_sparse(planted(0)[0], penalty)


def test_a_gap_that_is_not_closed_is_said() -> None:
    data, _ = planted(0, inputs=12, rows=15)
    with pytest.raises(NoResultError, match=r"after 3 steps the objective may still be .* above its minimum"):
        fit_group_sparse(data, 0.01 * largest_penalty(data), most_steps=3)
