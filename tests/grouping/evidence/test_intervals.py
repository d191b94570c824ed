"""Intervals of relative losses: what they are, the laws they obey, and that they cover what they claim."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.evidence import Interval, TestLosses, compare, compare_with_random, relative_loss
from tests.grouping.evidence.planted import Design, planted

EQUAL = np.ones(4)


def experiment(seed: int, **design: float) -> list[TestLosses]:
    """Reference and three groupings, with unequal clusters and missing labels."""
    rng = np.random.default_rng(seed)
    return planted(Design(clusters=7, rows=4, skewed=True, **design), [1.0, 0.97, 1.1], rng)  # type: ignore[arg-type]


def same(a: Interval, b: Interval) -> None:
    assert (a.mean, a.low, a.high, a.df) == pytest.approx((b.mean, b.low, b.high, b.df), rel=1e-7, abs=1e-10)


seeds = st.integers(0, 2**32 - 1)
laws = settings(max_examples=25, deadline=None)


@laws
@given(seeds)
def test_swapping_the_two_groupings_changes_the_sign_and_nothing_else(seed: int) -> None:
    reference, a, b, _ = experiment(seed)
    there, back = compare(a, b, reference, EQUAL), compare(b, a, reference, EQUAL)
    assert there.mean == -back.mean
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), rel=1e-12)


@laws
@given(seeds, st.integers(0, 3), st.sampled_from([1e-3, 7.0, 100.0]))
def test_the_unit_of_a_task_does_not_matter(seed: int, task: int, factor: float) -> None:
    parts = experiment(seed)
    scale_T = np.where(np.arange(4) == task, factor, 1.0)[:, None]
    scaled = [TestLosses(part.sums_RTG * scale_T, part.counts_TG) for part in parts]
    for one, other in zip(all_intervals(parts), all_intervals(scaled), strict=True):
        same(one, other)


@laws
@given(seeds)
def test_the_order_of_tasks_seeds_and_clusters_does_not_matter(seed: int) -> None:
    parts = experiment(seed)
    rng = np.random.default_rng(seed)
    r, t, g = rng.permutation(5), rng.permutation(4), rng.permutation(7)
    shuffled = [TestLosses(p.sums_RTG[r][:, t][:, :, g], p.counts_TG[t][:, g]) for p in parts]
    weights_T = rng.uniform(0.5, 2, 4)
    for one, other in zip(all_intervals(parts, weights_T), all_intervals(shuffled, weights_T[t]), strict=True):
        same(one, other)


@laws
@given(seeds)
def test_a_grouping_compared_with_itself_differs_by_exactly_nothing(seed: int) -> None:
    reference, a, *_ = experiment(seed)
    difference = compare(a, a, reference, EQUAL)
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)
    assert not difference.below
    assert not difference.above


@laws
@given(seeds)
def test_the_difference_is_that_of_the_relative_losses(seed: int) -> None:
    reference, a, b, _ = experiment(seed)
    expected = relative_loss(a, reference, EQUAL).mean - relative_loss(b, reference, EQUAL).mean
    assert compare(a, b, reference, EQUAL).mean == pytest.approx(expected, abs=1e-12)


@laws
@given(seeds)
def test_a_task_without_weight_is_ignored_even_if_nobody_serves_it(seed: int) -> None:
    parts = experiment(seed)
    gone = [TestLosses(np.where(np.arange(4)[:, None] == 2, np.nan, p.sums_RTG), p.counts_TG) for p in parts]
    without = np.array([1.0, 2.0, 0.0, 1.0])
    for one, other in zip(all_intervals(parts, without), all_intervals(gone, without), strict=True):
        same(one, other)


def all_intervals(parts: list[TestLosses], weights_T: FloatArray = EQUAL) -> list[Interval]:
    reference, a, b, c = parts
    return [
        relative_loss(a, reference, weights_T),
        compare(a, b, reference, weights_T),
        compare_with_random(a, [b, c], reference, weights_T, possible=6),
    ]


def test_where_rows_all_agree_the_interval_is_the_paired_t_interval_over_seeds() -> None:
    difference_R = np.array([-0.3, 0.1, -0.2, -0.4])
    counts = np.full((1, 6), 5.0)
    ones = np.ones((4, 1, 6))
    b, reference = TestLosses(15 * ones, counts), TestLosses(10 * ones, counts)  # mean losses 3 and 2
    a = TestLosses((3 + difference_R)[:, None, None] * 5 * ones, counts)
    found = compare(a, b, reference, np.ones(1))
    assert found.mean == pytest.approx(-0.2 / 2)
    assert found.error == pytest.approx(difference_R.std(ddof=1) / 2 / math.sqrt(4))
    assert found.df == pytest.approx(3)
    assert found.high - found.mean == pytest.approx(3.18244630528 * found.error)  # t quantile, 3 degrees of freedom
    assert found.n == 4


def test_where_seeds_all_agree_the_interval_is_the_paired_t_interval_over_clusters() -> None:
    difference_G = np.array([0.3, -0.1, 0.2, 0.5, 0.1, 0.0])
    counts = np.full((1, 6), 5.0)
    ones = np.ones((4, 1, 6))
    b, reference = TestLosses(15 * ones, counts), TestLosses(10 * ones, counts)
    found = compare(TestLosses((3 + difference_G) * 5 * ones, counts), b, reference, np.ones(1))
    assert found.error == pytest.approx(difference_G.std(ddof=1) / 2 / math.sqrt(6))
    assert found.df <= 5


def test_the_error_of_the_reference_is_carried_along() -> None:
    rng = np.random.default_rng(0)
    counts = np.full((2, 9), 5.0)
    steady = TestLosses(np.full((5, 2, 9), 5.0), counts)
    shaky = TestLosses(steady.sums_RTG * (1 + 0.1 * rng.standard_normal((5, 2, 1))), counts)
    assert relative_loss(steady, steady, np.ones(2)).error == 0
    assert relative_loss(steady, shaky, np.ones(2)).error > 0.01


def test_pairing_takes_out_what_a_seed_does_to_every_network() -> None:
    rng = np.random.default_rng(0)
    counts = np.full((2, 9), 5.0)
    luck = 1 + 0.2 * rng.standard_normal((5, 2, 1))
    a, b, reference = (TestLosses(np.full((5, 2, 9), level) * luck, counts) for level in (5.0, 5.5, 5.2))
    assert compare(a, b, reference, np.ones(2)).below
    assert compare(a, b, reference, np.ones(2)).high - compare(a, b, reference, np.ones(2)).low < 0.05


def test_a_cluster_without_labels_of_a_task_changes_nothing_for_that_task() -> None:
    rng = np.random.default_rng(1)
    counts = np.full((1, 5), 3.0)
    sums = 3 * rng.uniform(1, 2, (3, 4, 1, 5))
    reference, a, b = (TestLosses(s, counts) for s in sums)
    empty = np.zeros((4, 1, 1))
    more = [TestLosses(np.concatenate([s, empty], axis=2), np.append(counts, [[0.0]], axis=1)) for s in sums]
    assert compare(more[1], more[2], more[0], np.ones(1)).mean == compare(a, b, reference, np.ones(1)).mean


@pytest.mark.parametrize("shape", [(1, 2, 6), (4, 2, 1)])
def test_one_seed_or_one_cluster_says_nothing_about_the_error(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    a, b, reference = (TestLosses(rng.uniform(1, 2, shape), np.ones(shape[1:])) for _ in range(3))
    found = compare(a, b, reference, np.ones(2))
    assert (found.low, found.high, found.bounded) == (-math.inf, math.inf, False)
    assert not found.below
    assert not found.above


def test_a_task_whose_labels_are_all_in_one_cluster_leaves_the_error_unknown() -> None:
    counts = np.array([[3.0, 3.0, 3.0], [3.0, 0.0, 0.0]])
    rng = np.random.default_rng(0)
    a, b, reference = (TestLosses(rng.uniform(1, 2, (4, 2, 3)) * counts, counts) for _ in range(3))
    assert not compare(a, b, reference, np.ones(2)).bounded
    assert compare(a, b, reference, np.array([1.0, 0.0])).bounded


def test_against_random_groupings_the_mean_counts_and_having_drawn_few_widens() -> None:
    reference, a, *randoms = planted(Design(), [1.0, 0.9, 1.0, 1.2], np.random.default_rng(0))
    found = compare_with_random(a, randoms, reference, EQUAL)
    assert found.mean == pytest.approx(np.mean([compare(a, r, reference, EQUAL).mean for r in randoms]))
    some = compare_with_random(a, randoms, reference, EQUAL, possible=6)
    every = compare_with_random(a, randoms, reference, EQUAL, possible=3)
    values = [relative_loss(r, reference, EQUAL).mean for r in randoms]
    assert found.error**2 - every.error**2 == pytest.approx(np.var(values, ddof=1) / 3)
    assert some.error**2 - every.error**2 == pytest.approx(np.var(values, ddof=1) / 6)


def test_one_random_grouping_is_too_few_unless_it_is_the_only_one() -> None:
    reference, a, random, _ = experiment(0)
    assert not compare_with_random(a, [random], reference, EQUAL).bounded
    same(compare_with_random(a, [random], reference, EQUAL, possible=1), compare(a, random, reference, EQUAL))
    with pytest.raises(InputError, match="no random grouping"):
        compare_with_random(a, [], reference, EQUAL)


def test_a_higher_confidence_gives_a_wider_interval_around_the_same_mean() -> None:
    reference, a, b, _ = experiment(0)
    narrow = compare(a, b, reference, EQUAL)
    wide = narrow.at(0.99)
    assert wide.mean == narrow.mean
    assert wide.low < narrow.low < narrow.high < wide.high


def test_what_cannot_be_compared_is_refused_by_name() -> None:
    reference, a, b, _ = experiment(0)
    with pytest.raises(InputError, match="cannot be paired"):
        compare(a, TestLosses(b.sums_RTG[:3], b.counts_TG), reference, EQUAL)
    with pytest.raises(InputError, match="different rows"):
        compare(a, TestLosses(b.sums_RTG, b.counts_TG + 1), reference, EQUAL)
    with pytest.raises(InputError, match="weights"):
        compare(a, b, reference, np.array([1.0, -1.0, 1.0, 1.0]))
    with pytest.raises(InputError, match="no task has a weight"):
        compare(a, b, reference, np.zeros(4))
    with pytest.raises(InputError, match="not served"):
        compare(a, TestLosses(np.full_like(b.sums_RTG, np.nan), b.counts_TG), reference, EQUAL)
    nothing = [TestLosses(0 * p.sums_RTG, 0 * p.counts_TG) for p in (a, b, reference)]
    with pytest.raises(InputError, match="task 0 has no labelled row"):
        compare(nothing[0], nothing[1], nothing[2], EQUAL)
    with pytest.raises(InputError, match="the test loss 0"):
        compare(a, b, TestLosses(0 * reference.sums_RTG, reference.counts_TG), EQUAL)
    with pytest.raises(InputError, match="expected"):
        TestLosses(np.ones((2, 3)), np.ones(3))
    with pytest.raises(InputError, match="infinite"):
        TestLosses(np.full((1, 1, 1), np.inf), np.ones((1, 1)))


@pytest.mark.parametrize(
    "design",
    [
        Design(),
        Design(skewed=True),
        Design(seeds=3, clusters=10),
        Design(seed=0, row=0, cluster=0.1, clusters=10, skewed=True),
    ],
    ids=["plain", "skewed", "three-seeds", "few-skewed-clusters"],
)
def test_intervals_cover_the_planted_truth(design: Design) -> None:
    rng = np.random.default_rng(0)
    levels = [0.95, 1.02, 1.0, 1.03, 0.99]
    covered = []
    for _ in range(400):
        reference, a, b, *randoms = planted(design, levels, rng)
        found: list[tuple[Interval, float]] = [
            (relative_loss(a, reference, EQUAL), 0.95),
            (compare(a, b, reference, EQUAL), -0.07),
            (compare_with_random(a, randoms, reference, EQUAL, possible=3), 0.95 - sum(levels[2:]) / 3),
        ]
        covered.append([interval.low <= truth <= interval.high for interval, truth in found])
    assert np.mean(covered, axis=0).min() >= 0.92


def test_where_rows_are_not_told_apart_intervals_are_over_seeds_alone() -> None:
    rng = np.random.default_rng(0)
    sums = [level * (1 + 0.01 * rng.normal(size=(5, 3, 1))) for level in (1, 1.2)]
    losses = [TestLosses(sums_RTG, np.ones((3, 1)), by_rows=False) for sums_RTG in sums]
    interval = compare(losses[0], losses[1], losses[1], np.ones(3))
    assert interval.bounded
    assert interval.below
    assert interval.df <= 4
    by_rows = [TestLosses(part.sums_RTG, part.counts_TG) for part in losses]
    assert not compare(by_rows[0], by_rows[1], by_rows[1], np.ones(3)).bounded


def test_so_many_seeds_as_are_asked_for_find_the_difference_in_eight_of_ten_cases() -> None:
    rng = np.random.default_rng(0)
    few = Interval(-0.01, 0.01, 4.0, 5, 0.97)
    seeds = few.seeds_to_find()
    assert seeds is not None
    error = few.error * np.sqrt(few.n / seeds)
    found = [Interval(-0.01 + error * rng.standard_normal(), error, 1e6, seeds, 0.97).below for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_rows_set_a_limit_to_what_seeds_can_show() -> None:
    half = Interval(-0.02, 0.01, 4.0, 5, 0.97, of_seeds=0.5)
    assert half.seeds_to_find() is None  # an error of 0.7 % remains, and 2 / 3 % would be needed
    assert Interval(-0.02, 0.01, 4.0, 5, 0.97).seeds_to_find() == 12
    assert Interval(-0.02, np.inf, 1.0, 1).seeds_to_find() is None
    assert Interval(0.0, 0.01, 4.0, 5).seeds_to_find() is None
