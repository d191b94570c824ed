"""Estimators do what their papers say, on the papers' own tables."""

from __future__ import annotations

import math

import numpy as np
import pytest

from grouping.candidates import Candidates
from grouping.curves import CurveTable
from grouping.errors import InputError
from grouping.estimators import ESTIMATORS, estimate
from grouping.estimators.accuracy import accuracy, pearson, spearman
from grouping.estimators.early_stopping import early_stopping
from grouping.estimators.higher_order import complete, higher_order
from grouping.losses import LossTable
from tests.grouping.published import gains, needs_published, standley
from tests.grouping.solver.instances import subsets

N = np.nan


def table_of(members_CT: object, losses_CT: object, *, cost: object = None, seeds: int = 1) -> LossTable:
    members = np.asarray(members_CT, dtype=bool)
    cost_C = np.ones(len(members)) if cost is None else np.asarray(cost, dtype=float)
    tasks = tuple("abcdef"[: members.shape[1]])
    losses_RCT = np.repeat(np.asarray(losses_CT, dtype=float)[None], seeds, axis=0)
    return LossTable(Candidates(tasks, members, cost_C), losses_RCT, tuple(map(str, range(seeds))))


PAIRS = table_of(
    [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]],
    [[1, N, N], [N, 1, N], [N, N, 1], [0.5, 0.6, N], [0.7, N, 0.8], [N, 1.0, 1.2]],
)


def test_the_larger_group_is_the_mean_of_pairs() -> None:
    full = estimate(PAIRS, "higher-order")
    assert full.candidates.name(6) == "a+b+c"
    assert full.mean_CT[6].tolist() == pytest.approx([0.6, 0.8, 1.0])
    assert full.estimated_CT is not None
    assert full.estimated_CT.tolist() == [[False] * 3] * 6 + [[True] * 3]
    assert np.array_equal(full.losses_RCT[:, :6], PAIRS.losses_RCT, equal_nan=True)


def test_measured_groups_stay_unless_the_paper_is_followed() -> None:
    measured = table_of([*PAIRS.candidates.members_CT, [1, 1, 1]], [*PAIRS.losses_RCT[0], [9, 9, 9]])
    assert higher_order(measured).mean_CT[6].tolist() == [9, 9, 9]
    assert higher_order(measured, keep_measured=False).mean_CT[6].tolist() == pytest.approx([0.6, 0.8, 1.0])


def test_only_pairs_of_the_same_cost_and_label_count() -> None:
    other_cost = table_of(
        [*PAIRS.candidates.members_CT, [1, 1, 1]], [*PAIRS.losses_RCT[0], [N, N, N]], cost=[1, 1, 1, 1, 1, 1, 0.5]
    )
    assert np.isnan(higher_order(other_cost).mean_CT[6]).all()


def test_a_missing_pair_leaves_the_group_out() -> None:
    assert len(complete(PAIRS.select(np.arange(5))).candidates) == 5


def test_estimates_are_made_seed_by_seed() -> None:
    members = [*PAIRS.candidates.members_CT, [1, 1, 1]]
    two = table_of(members, [*PAIRS.losses_RCT[0], [N, N, N]], seeds=2)
    losses_RCT = two.losses_RCT.copy()
    losses_RCT[1] *= 2
    losses_RCT[1, 3, 0] = N
    estimated = higher_order(LossTable(two.candidates, losses_RCT, two.seeds))
    assert estimated.losses_RCT[0, 6].tolist() == pytest.approx([0.6, 0.8, 1.0])
    assert estimated.losses_RCT[1, 6, 1:].tolist() == pytest.approx([1.6, 2.0])
    assert math.isnan(estimated.losses_RCT[1, 6, 0])


def test_no_pairs_are_refused() -> None:
    with pytest.raises(InputError, match="no network of two tasks"):
        estimate(PAIRS.select(np.arange(3)), "higher-order")


def test_too_many_tasks_ask_for_a_size() -> None:
    members = np.vstack([np.eye(15, dtype=bool), subsets(15)[[2]]])
    candidates = Candidates(tuple(f"t{t}" for t in range(15)), members, np.ones(16))
    many = LossTable(candidates, np.where(members, 1.0, N)[None], ("",))
    with pytest.raises(InputError, match="--max-size"):
        complete(many)
    assert len(complete(many, max_size=3).candidates) == 16


def test_an_unknown_estimator_names_the_nearest() -> None:
    with pytest.raises(InputError, match="higher-order"):
        estimate(PAIRS, "higher_order")
    assert set(ESTIMATORS) == {"measured", "higher-order", "early-stopping", "linear-surrogate"}


def test_early_losses_are_marked_and_come_from_curves() -> None:
    curves = CurveTable(
        PAIRS.candidates, np.array([1, 2, 4]), np.stack([PAIRS.losses_RCT * f for f in (3, 2, 1)], axis=-1), ("0",)
    )
    early = early_stopping(curves.at_fraction(0.5))
    assert np.array_equal(early.losses_RCT, PAIRS.losses_RCT * 2, equal_nan=True)
    assert early.estimated_CT is not None
    assert np.array_equal(early.estimated_CT, PAIRS.candidates.members_CT)


@needs_published
def test_published_pairs_give_the_published_estimates() -> None:
    valid, published = gains("ettm1", "valid"), gains("ettm1", "hoa")
    pairs = valid.select(valid.candidates.size_C <= 2)
    full = estimate(pairs, "higher-order")
    assert len(full.candidates) == 127
    order = [published.candidates.index(full.candidates.name(c).split("+"), 1.0) for c in range(len(full.candidates))]
    difference = np.abs(full.mean_CT - published.mean_CT[np.array(order, dtype=int)])
    assert np.isnan(difference).tolist() == (~full.candidates.members_CT).tolist()
    assert np.nanmax(difference) <= 6e-5
    quality = accuracy(full, valid)
    assert (quality.cells, round(quality.pearson, 3), round(quality.r2, 3)) == (399, 0.527, 0.023)
    assert (round(quality.spearman, 3), round(quality.mean_absolute_error, 4)) == (0.465, 0.0749)


@needs_published
@pytest.mark.parametrize(("setting", "error", "correlation"), [(1, 0.003422, 0.615), (3, 0.005796, 0.477)])
def test_published_error_of_estimates(setting: int, error: float, correlation: float) -> None:
    table = standley(setting, "val")
    quality = accuracy(higher_order(table, keep_measured=False), table, cost=1.0)
    assert quality.cells == 55
    assert quality.mean_absolute_error == pytest.approx(error, abs=1e-6)
    assert quality.pearson_per_task == pytest.approx(correlation, abs=5e-4)


def test_accuracy_matches_candidates_by_identity() -> None:
    shuffled = PAIRS.select(np.array([5, 3, 4, 0, 1, 2]))
    quality = accuracy(shuffled, PAIRS, min_size=1)
    assert (quality.cells, quality.mean_absolute_error, quality.r2) == (9, 0.0, 1.0)


def test_correlations() -> None:
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 4.0, 9.0, 16.0])
    assert spearman(x, y) == pytest.approx(1.0)
    assert pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert spearman(np.array([1.0, 1.0, 2.0]), np.array([3.0, 1.0, 2.0])) == pytest.approx(0.0)
    assert math.isnan(pearson(x, np.ones(4)))
    assert math.isnan(pearson(x[:1], y[:1]))
