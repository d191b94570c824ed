"""Clusters that nobody names are found, and come back as groups of tasks."""

from __future__ import annotations

import numpy as np
import pytest

from grouping.errors import InputError
from grouping.linear import ClusterPenalty, Labelled, cluster_penalty, find_clusters, fit_clustered
from grouping.linear.labelled import Kind
from tests.grouping.linear.planted import planted

KINDS: list[Kind] = ["regression", "binary"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(3))
def test_planted_clusters_are_found(kind: Kind, missing: float, seed: int) -> None:
    data, groups = planted(seed, (3, 2, 3), rows=120, missing=missing, kind=kind)
    order = np.random.default_rng(seed).permutation(8)
    shuffled = Labelled(tuple(data.tasks[t] for t in order), data.inputs_NF, data.targets_NT[:, order], data.kind)
    found = find_clusters(shuffled, 3, np.random.default_rng(0))
    assert {frozenset(group) for group in found.groups} == {frozenset(group) for group in groups}


def test_moves_lower_the_objective_and_its_value_is_that_of_a_fit() -> None:
    penalty = ClusterPenalty(0.05, 0.05, 1.0)
    longest = 0
    for seed in range(10):
        data, _ = planted(seed, (4, 4, 4), rows=20, inputs=10, spread=0.5, noise=2.0)
        found = find_clusters(data, 3, np.random.default_rng(seed), penalty)
        assert (np.diff(found.objectives_S) < 0).all()
        model = fit_clustered(data, found.groups, penalty)
        assert found.objective == pytest.approx(model.objective, rel=1e-5)
        assert cluster_penalty(model.weights_FT, data.clusters_T(found.groups), penalty) < model.objective
        longest = max(longest, len(found.objectives_S))
    assert longest > 1  # moves do better than the clusters of single ridges


def test_no_single_move_of_a_task_improves_on_them() -> None:
    penalty = ClusterPenalty(0.05, 0.05, 1.0)
    data, _ = planted(0, (4, 4), rows=20, inputs=10, spread=0.5, noise=2.0, missing=0.2)
    found = find_clusters(data, 2, np.random.default_rng(0), penalty)
    for task in data.tasks:
        moved = [[name for name in group if name != task] for group in found.groups]
        for own, group in enumerate(found.groups):
            if task not in group:
                moved[own].append(task)
        if all(moved):
            assert fit_clustered(data, moved, penalty).objective > found.objective * (1 - 2e-5)


def test_the_clusters_found_are_as_good_as_the_planted_ones() -> None:
    penalty = ClusterPenalty(0.05, 0.05, 1.0)
    for seed in range(10):
        data, groups = planted(seed, (2, 2, 2), rows=20, inputs=10, spread=0.5, noise=2.0)
        found = find_clusters(data, 3, np.random.default_rng(seed), penalty)
        assert found.objective <= fit_clustered(data, groups, penalty).objective * (1 + 1e-6)


def test_the_same_seed_finds_the_same() -> None:
    data, _ = planted(0, (4, 4), rows=20, noise=3.0)
    assert (
        find_clusters(data, 3, np.random.default_rng(1)).groups
        == find_clusters(data, 3, np.random.default_rng(1)).groups
    )


def test_one_cluster_holds_all_and_as_many_as_tasks_hold_one_each() -> None:
    data, _ = planted(0)
    rng = np.random.default_rng(0)
    assert find_clusters(data, 1, rng).groups == (data.tasks,)
    assert find_clusters(data, 6, rng).groups == tuple((task,) for task in data.tasks)


def test_tasks_that_are_equal_fill_every_cluster() -> None:
    data, _ = planted(0, (1,))
    twins = Labelled(("a", "b", "c"), data.inputs_NF, np.repeat(data.targets_NT, 3, axis=1))
    assert len(find_clusters(twins, 2, np.random.default_rng(0)).groups) == 2


@pytest.mark.parametrize("count", [0, 7])
def test_there_are_one_to_as_many_clusters_as_tasks(count: int) -> None:
    data, _ = planted(0)
    with pytest.raises(InputError, match=f"6 tasks have no {count} clusters"):
        find_clusters(data, count, np.random.default_rng(0))


def test_clusters_of_unlike_tasks_are_not_looked_for() -> None:
    data, _ = planted(0)
    with pytest.raises(InputError, match=r"within \(1\) is below between \(2\)"):
        find_clusters(data, 2, np.random.default_rng(0), ClusterPenalty(1, 2, 1))
