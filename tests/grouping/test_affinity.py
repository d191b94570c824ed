"""Pair affinity: oriented from partner to recipient, with errors that hold, in a graph without NaN."""

from __future__ import annotations

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as t_distribution
from scipy.stats import ttest_rel

from grouping.affinity import Affinity, order_by_clustering, pair_affinity, task_graph
from grouping.candidates import Candidates, FloatArray
from grouping.errors import InputError
from grouping.losses import LossTable


def pairs_table(
    gain_TT: FloatArray, noise: float, seeds: int, seed: int = 0, alone_T: FloatArray | None = None
) -> LossTable:
    """Losses of all singles and pairs: ``alone * (1 - gain)`` times noise, part of it shared within a seed."""
    rng = np.random.default_rng(seed)
    n_tasks = len(gain_TT)
    groups = [(t,) for t in range(n_tasks)] + list(itertools.combinations(range(n_tasks), 2))
    members_CT = np.array([[t in group for t in range(n_tasks)] for group in groups])
    mean_CT = np.full(members_CT.shape, np.nan)
    for c, group in enumerate(groups):
        for t in group:
            partners = [u for u in group if u != t]
            mean_CT[c, t] = 1 - sum(gain_TT[t, u] for u in partners)
    if alone_T is not None:
        mean_CT = mean_CT * alone_T
    luck = 1 + noise * (rng.standard_normal((seeds, *mean_CT.shape)) + rng.standard_normal((seeds, 1, n_tasks)))
    names = tuple(f"t{t}" for t in range(n_tasks))
    candidates = Candidates(names, members_CT, np.ones(len(groups)))
    return LossTable(candidates, mean_CT * luck, tuple(map(str, range(seeds))))


def test_rows_receive_and_columns_give() -> None:
    gain_TT = np.array([[0.0, 0.1, 0.0], [-0.2, 0.0, 0.0], [0.0, 0.0, 0.0]])
    found = pair_affinity(pairs_table(gain_TT, 0.001, 5))
    assert found.gain_TT == pytest.approx(gain_TT, abs=0.01)
    assert found.significant_TT.tolist() == [[False, True, False], [True, False, False], [False, False, False]]
    graph = task_graph(found)
    assert graph.edges["t1", "t0"]["sign"] == 1  # t1 helps t0 ...
    assert graph.edges["t0", "t1"]["sign"] == -1  # ... which harms t1


def test_with_two_tasks_it_is_the_paired_t_test() -> None:
    table = pairs_table(np.array([[0, 0.05], [0.02, 0]]), 0.02, 4)
    found = pair_affinity(table)
    relative_RC = table.losses_RCT[:, [0, 2], 0] / table.losses_RCT[:, 0, 0].mean()
    test = ttest_rel(relative_RC[:, 0], relative_RC[:, 1])
    expected = test.confidence_interval(0.95)
    gain = found.gain_TT[0, 1]
    # The reference's error enters with (1 - gain)^2 instead of 1.
    widen = np.sqrt((1 + (1 - gain) ** 2) / 2)
    assert gain == pytest.approx(relative_RC[:, 0].mean() - relative_RC[:, 1].mean())
    assert found.high_TT[0, 1] - found.low_TT[0, 1] == pytest.approx((expected.high - expected.low) * widen)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.sampled_from([1e-3, 100.0]))
def test_the_unit_of_a_task_does_not_matter(seed: int, task: int, factor: float) -> None:
    gain_TT = 0.05 * np.random.default_rng(seed).standard_normal((4, 4))
    alone_T = np.where(np.arange(4) == task, factor, 1.0)
    plain = pair_affinity(pairs_table(gain_TT, 0.02, 3, seed))
    scaled = pair_affinity(pairs_table(gain_TT, 0.02, 3, seed, alone_T))
    assert scaled.gain_TT == pytest.approx(plain.gain_TT)
    assert scaled.low_TT == pytest.approx(plain.low_TT)
    assert np.array_equal(scaled.significant_TT, plain.significant_TT)


def test_three_seeds_give_intervals_that_cover_and_few_false_discoveries() -> None:
    gain_TT = 0.03 * np.random.default_rng(0).standard_normal((6, 6))
    np.fill_diagonal(gain_TT, 0)
    off_TT = ~np.eye(6, dtype=bool)
    covered, false = [], 0
    for seed in range(150):
        found = pair_affinity(pairs_table(gain_TT, 0.02, 3, seed))
        covered.append(((found.low_TT <= gain_TT) & (gain_TT <= found.high_TT))[off_TT].mean())
        false += bool(pair_affinity(pairs_table(0 * gain_TT, 0.02, 3, seed)).significant_TT.any())
    assert 0.92 <= np.mean(covered) <= 0.98
    assert false <= 0.08 * 150  # under pure noise every discovery is false: one in at most 5 % of tables, plus chance


def test_pooling_makes_three_seeds_usable() -> None:
    gain_TT = np.zeros((6, 6))
    gain_TT[0, 1] = 0.15
    found = [pair_affinity(pairs_table(gain_TT, 0.02, 3, seed)).significant_TT[0, 1] for seed in range(40)]
    assert np.mean(found) > 0.9


def test_one_seed_has_gains_but_no_errors() -> None:
    found = pair_affinity(pairs_table(np.array([[0, 0.1], [0.2, 0]]), 0.0, 1))
    assert found.gain_TT == pytest.approx(np.array([[0, 0.1], [0.2, 0]]))
    assert np.isnan(found.low_TT[0, 1])
    assert not found.significant_TT.any()
    assert "low" not in task_graph(found).edges["t1", "t0"]


def test_losses_that_are_all_equal_show_no_affinity() -> None:
    found = pair_affinity(pairs_table(np.zeros((3, 3)), 0.0, 3))
    assert not found.gain_TT.any()
    assert not found.low_TT.any()
    assert not found.significant_TT.any()


def test_seeds_that_a_pair_lacks_are_left_out_of_its_gain() -> None:
    table = pairs_table(np.array([[0, 0.1], [0, 0]]), 0.001, 4)
    losses_RCT = table.losses_RCT.copy()
    losses_RCT[0, 0, 0] = 5.0  # one seed of the single-task network went wrong,
    losses_RCT[0, 2] = np.nan  # and the pair was not trained with it
    found = pair_affinity(LossTable(table.candidates, losses_RCT, table.seeds))
    assert found.gain_TT[0, 1] == pytest.approx(0.1, abs=0.01)


def test_with_few_partners_the_error_is_that_of_the_two_way_least_squares_fit() -> None:
    table = pairs_table(np.zeros((4, 4)), 0.05, 5)
    losses_RCT = table.losses_RCT.copy()
    losses_RCT[0, 4] = losses_RCT[1:3, 5] = losses_RCT[4, 0] = np.nan
    found = pair_affinity(LossTable(table.candidates, losses_RCT, table.seeds))
    mine_RK = losses_RCT[:, [0, 4, 5, 6], 0] / np.nanmean(losses_RCT[:, 0, 0])  # task 0 alone and with each other one
    seed_N, network_N = np.nonzero(~np.isnan(mine_RK))
    design = np.hstack([np.eye(5)[seed_N], np.eye(4)[network_N]])
    values_N = mine_RK[seed_N, network_N]
    residual_N = values_N - design @ np.linalg.lstsq(design, values_N)[0]
    df = len(values_N) - (5 + 4 - 1)
    error = np.sqrt(residual_N @ residual_N / df / 3 * (1 + (1 - found.gain_TT[0, 1]) ** 2))  # 3 seeds have both
    assert found.high_TT[0, 1] - found.gain_TT[0, 1] == pytest.approx(t_distribution.ppf(0.975, df) * error)


def test_a_pair_that_is_noisier_than_others_has_a_wider_interval() -> None:
    widths = []
    for seed in range(20):
        table = pairs_table(np.zeros((6, 6)), 0.01, 5, seed)
        losses_RCT = table.losses_RCT.copy()
        losses_RCT[:, 6, 0] += 0.2 * np.random.default_rng(seed).standard_normal(5)  # task 0 with task 1
        losses_RCT[0, 7] = np.nan  # a seed that another pair lacks
        found = pair_affinity(LossTable(table.candidates, losses_RCT, table.seeds))
        assert not np.isnan(found.low_TT[0, 1:]).any()
        widths.append((found.high_TT - found.low_TT)[0, 1:])
    noisy, *others = np.median(widths, axis=0)
    assert noisy > 2 * max(others)


def test_a_pair_that_was_not_trained_is_unknown_and_has_no_edge() -> None:
    table = pairs_table(np.full((3, 3), 0.1), 0.01, 3)
    found = pair_affinity(table.select(np.array([0, 1, 2, 3, 4])))
    assert np.isnan(found.gain_TT[1, 2])
    graph = task_graph(found)
    assert set(graph.nodes) == {"t0", "t1", "t2"}
    assert graph.number_of_edges() == 4
    assert all(value == value for _, _, data in graph.edges(data=True) for value in data.values())
    assert sorted(order_by_clustering(found)) == [0, 1, 2]


def test_the_graph_survives_graphml() -> None:
    graph = task_graph(pair_affinity(pairs_table(np.full((3, 3), 0.1), 0.01, 3)))
    back = nx.parse_graphml("\n".join(nx.generate_graphml(graph)))
    assert dict(back.adjacency()) == dict(graph.adjacency())


def test_clustering_puts_mutual_helpers_side_by_side() -> None:
    gain_TT = np.full((6, 6), -0.1)
    for group in ([0, 3], [1, 4], [2, 5]):
        gain_TT[np.ix_(group, group)] = 0.2
    affinity = Affinity(tuple("abcdef"), gain_TT, gain_TT, gain_TT, gain_TT > 0)
    order = order_by_clustering(affinity).tolist()
    assert sorted(order) == list(range(6))
    assert all(abs(order.index(t) - order.index(t + 3)) == 1 for t in range(3))


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_one_or_two_tasks_are_in_order_already(n_tasks: int) -> None:
    found = pair_affinity(pairs_table(np.zeros((n_tasks, n_tasks)), 0.01, 3))
    assert order_by_clustering(found).tolist() == list(range(n_tasks))


def test_a_missing_or_perfect_single_task_network_is_refused_by_name() -> None:
    table = pairs_table(np.zeros((2, 2)), 0.01, 3)
    with pytest.raises(InputError, match="single-task network of 't0'"):
        pair_affinity(table.select(np.array([1, 2])))
    with pytest.raises(InputError, match=r"cost 0\.5"):
        pair_affinity(table, cost=0.5)
    with pytest.raises(InputError, match="task 't0' has the single-task loss 0"):
        pair_affinity(LossTable(table.candidates, 0 * table.losses_RCT, table.seeds))


def affinity_of(gain_TT: FloatArray) -> Affinity:
    return Affinity(tuple(f"t{t}" for t in range(len(gain_TT))), gain_TT, gain_TT, gain_TT, gain_TT > 0)


@pytest.mark.parametrize("place", [(0, 1), (2, 0)])
def test_36_70_unknown_gains_make_no_edge_and_leave_an_order(place: tuple[int, int]) -> None:
    gain_TT = np.full((3, 3), 0.1)
    gain_TT[place] = np.nan
    graph = task_graph(affinity_of(gain_TT))
    assert graph.number_of_edges() == 5
    assert not graph.has_edge(f"t{place[1]}", f"t{place[0]}")
    assert sorted(order_by_clustering(affinity_of(gain_TT))) == [0, 1, 2]


def test_36_70_nothing_but_unknown_gains_is_a_graph_without_edges() -> None:
    nothing = affinity_of(np.full((4, 4), np.nan))
    assert (task_graph(nothing).number_of_nodes(), task_graph(nothing).number_of_edges()) == (4, 0)
    assert sorted(order_by_clustering(nothing)) == [0, 1, 2, 3]


def test_38_all_zero_gains_are_fine_and_give_the_same_every_time() -> None:
    zero = affinity_of(np.zeros((5, 5)))
    graph = task_graph(zero)
    assert {data["sign"] for _, _, data in graph.edges(data=True)} == {0}
    assert graph.number_of_edges() == 20
    assert sorted(order_by_clustering(zero)) == [0, 1, 2, 3, 4]
    assert order_by_clustering(zero).tolist() == order_by_clustering(affinity_of(np.zeros((5, 5)))).tolist()


@pytest.mark.parametrize("gain", [np.inf, -np.inf])
def test_40_an_infinite_gain_is_refused_before_there_is_a_graph(gain: float) -> None:
    gain_TT = np.zeros((3, 3))
    gain_TT[2, 1] = gain
    with pytest.raises(InputError, match="the gain of 't2' from 't1' is infinite"):
        affinity_of(gain_TT)


def test_35_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(InputError, match=r"gain_TT has the shape \(3, 2\), \(3, 3\) is needed"):
        affinity_of(np.zeros((3, 2)))
