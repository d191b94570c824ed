"""Baseline groupings: partitions drawn fairly, clusters by labels, and an oracle that is obviously right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, pearsonr

from grouping.errors import InfeasibleError, InputError
from grouping.solver import baselines
from grouping.solver.baselines import (
    Grouping,
    all_in_one,
    clustering,
    exhaustive,
    independent,
    label_similarity,
    partition_count,
    random_groupings,
    random_groups,
)


def assert_partition(grouping: Grouping, n_tasks: int, networks: int) -> None:
    assert sorted(t for group in grouping for t in group) == list(range(n_tasks))
    assert len(grouping) == networks
    assert all(group and list(group) == sorted(group) for group in grouping)
    assert [group[0] for group in grouping] == sorted(group[0] for group in grouping)


def test_the_two_extremes() -> None:
    assert all_in_one(3) == ((0, 1, 2),)
    assert independent(3) == ((0,), (1,), (2,))


@given(st.integers(1, 14), st.data())
@settings(max_examples=60, deadline=None)
def test_random_groupings_are_distinct_partitions_of_the_asked_size(n_tasks: int, data: st.DataObject) -> None:
    networks = data.draw(st.integers(1, n_tasks))
    found = random_groupings(n_tasks, networks, 12, np.random.default_rng(0))
    assert len(set(found)) == len(found) == min(12, partition_count(n_tasks, networks))
    for grouping in found:
        assert_partition(grouping, n_tasks, networks)


def test_where_few_partitions_exist_all_are_found() -> None:
    assert partition_count(4, 2) == 7
    assert len(random_groupings(4, 2, 100, np.random.default_rng(0))) == 7
    assert partition_count(8, 3) == 966
    assert partition_count(8, 9) == partition_count(8, 0) == 0


@pytest.mark.parametrize("enumerable", [0, 5000], ids=["drawn", "listed"])
def test_every_partition_is_equally_likely(enumerable: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_ENUMERABLE", enumerable)
    rng = np.random.default_rng(0)
    counts = Counter(random_groupings(5, 3, 1, rng)[0] for _ in range(2500))
    assert len(counts) == partition_count(5, 3) == 25
    assert chisquare(list(counts.values())).pvalue > 0.001


@pytest.mark.parametrize("enumerable", [0, 5000], ids=["drawn", "listed"])
def test_every_group_of_an_allowed_size_is_equally_likely(enumerable: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_ENUMERABLE", enumerable)
    rng = np.random.default_rng(0)
    counts = Counter(random_groups(5, 1, [2, 4], rng)[0] for _ in range(1500))
    assert len(counts) == 10 + 5
    assert chisquare(list(counts.values())).pvalue > 0.001
    every = random_groups(5, 100, [4, 2, 2], rng)
    assert len(set(every)) == len(every) == 15


def test_the_same_generator_draws_the_same() -> None:
    assert random_groupings(20, 4, 9, np.random.default_rng(3)) == random_groupings(20, 4, 9, np.random.default_rng(3))
    assert random_groups(40, 9, [3], np.random.default_rng(3)) == random_groups(40, 9, [3], np.random.default_rng(3))


def test_sizes_that_cannot_be_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="3 tasks cannot be split into 4 groups"):
        random_groupings(3, 4, 1, rng)
    with pytest.raises(InputError, match="cannot be split"):
        clustering(np.eye(3), 4)
    for sizes in ([], [0], [4]):
        with pytest.raises(InputError, match="no group of 3 tasks"):
            random_groups(3, 1, sizes, rng)


def test_label_similarity_is_the_absolute_correlation_of_shared_rows() -> None:
    rng = np.random.default_rng(0)
    targets_NT = rng.standard_normal((200, 4)) + 1e3
    targets_NT[:, 1] -= 2 * targets_NT[:, 0]
    targets_NT[rng.random((200, 4)) < 0.3] = np.nan
    found = label_similarity(targets_NT)
    for t in range(4):
        for u in range(4):
            both = ~np.isnan(targets_NT[:, [t, u]]).any(axis=1)
            assert found[t, u] == pytest.approx(abs(pearsonr(*targets_NT[both][:, [t, u]].T).statistic))


def test_too_few_shared_labels_or_none_that_vary_are_no_similarity() -> None:
    column = np.arange(40.0)
    first, second = np.where(column < 24, column, np.nan), np.where(column >= 15, column, np.nan)
    constant = np.full(40, 7.0)
    found = label_similarity(np.stack([first, second, constant, np.full(40, np.nan)], axis=1))
    assert found.tolist() == np.eye(4).tolist()


@given(st.integers(1, 9), st.data())
@settings(max_examples=40, deadline=None)
def test_clustering_gives_exactly_the_asked_number_of_groups_even_with_ties(n_tasks: int, data: st.DataObject) -> None:
    networks = data.draw(st.integers(1, n_tasks))
    assert_partition(clustering(np.ones((n_tasks, n_tasks)), networks), n_tasks, networks)


def test_clustering_finds_the_blocks() -> None:
    similarity_TT = np.full((5, 5), 0.1)
    for block in ([0, 2], [1, 3, 4]):
        similarity_TT[np.ix_(block, block)] = 0.8
    assert clustering(similarity_TT, 2) == ((0, 2), (1, 3, 4))


def test_exhaustive_search_by_hand() -> None:
    losses_CT = np.array([[1.0, np.nan], [np.nan, 1.0], [0.8, 0.9], [0.5, 2.0]])
    cost_C = np.array([1.0, 1.0, 1.0, 1.0])
    for budget, objective, chosen in [(1.0, 1.7, (2,)), (2.0, 1.4, (2, 3)), (4.0, 1.4, (2, 3))]:
        found = exhaustive(losses_CT, cost_C, budget)
        assert found[0] == pytest.approx(objective)
        assert found[1] == chosen  # and never a network that serves nobody


def test_among_equal_choices_the_cheapest_then_the_fewest_then_the_first() -> None:
    same_CT = np.ones((4, 2))
    assert exhaustive(same_CT, np.array([2.0, 1.0, 1.0, 3.0]), 9.0)[1] == (1,)
    halves_CT = np.array([[1.0, np.nan], [np.nan, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert exhaustive(halves_CT, np.array([0.5, 0.5, 1.0, 1.0]), 9.0)[1] == (2,)


def test_what_does_not_fit_is_infeasible_and_what_is_too_much_is_refused() -> None:
    with pytest.raises(InfeasibleError, match="within 1 serves every task"):
        exhaustive(np.array([[1.0, np.nan], [np.nan, 1.0]]), np.ones(2), 1.0)
    with pytest.raises(InputError, match="too many subsets"):
        exhaustive(np.ones((21, 2)), np.ones(21), 3.0)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 50))
def test_random_groupings_of_given_sizes_have_them_and_are_counted(sizes: list[int], seed: int) -> None:
    n_tasks, networks, wanted = sum(sizes), len(sizes), tuple(sorted(sizes))
    possible = partition_count(n_tasks, networks, wanted)
    drawn = random_groupings(n_tasks, networks, 10_000, np.random.default_rng(seed), sizes=sizes)
    assert len(drawn) == len(set(drawn)) == possible
    for grouping in drawn:
        assert tuple(sorted(map(len, grouping))) == wanted
        assert sorted(t for group in grouping for t in group) == list(range(n_tasks))


def test_groupings_of_many_tasks_keep_their_sizes_too() -> None:
    drawn = random_groupings(12, 3, 5, np.random.default_rng(0), sizes=(2, 4, 6))
    assert len(set(drawn)) == 5
    assert all(sorted(map(len, grouping)) == [2, 4, 6] for grouping in drawn)


def test_sizes_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be split into 2 groups of the sizes"):
        random_groupings(5, 2, 1, np.random.default_rng(0), sizes=(2, 2))
