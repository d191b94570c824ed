"""What successive halving may drop, and what it never drops."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grouping.candidates import BoolArray, Candidates, FloatArray
from grouping.curves import CurveTable
from grouping.errors import InputError
from grouping.estimators.halving import at_rung, dropped, fewest_survivors, hopeless, with_early_losses
from grouping.losses import LossTable

N = np.nan
SHARES = st.sampled_from([0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9])

World = tuple[FloatArray, BoolArray, FloatArray]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Losses, members and capacities of some groups of two or more of a few tasks."""
    n_tasks = draw(st.integers(2, 5))
    every = [group for size in range(2, n_tasks + 1) for group in combinations(range(n_tasks), size)]
    rows = draw(st.lists(st.tuples(st.sampled_from(every), st.sampled_from([1.0, 2.0])), min_size=1, unique=True))
    members_CT = np.array([[t in group for t in range(n_tasks)] for group, _ in rows])
    # Few values, so that there are ties.
    values = draw(st.lists(st.integers(1, 12), min_size=members_CT.size, max_size=members_CT.size))
    losses_CT = np.where(members_CT, np.reshape(values, members_CT.shape), N)
    return losses_CT.astype(float), members_CT, np.array([capacity for _, capacity in rows])


@given(worlds(), SHARES)
def test_the_best_candidate_for_a_task_is_never_dropped(world: World, keep: float) -> None:
    losses_CT, members_CT, kind_C = world
    out_C = dropped(losses_CT, members_CT, kind_C, keep)
    for kind in np.unique(kind_C):
        for t in range(members_CT.shape[1]):
            rivals = np.flatnonzero((kind_C == kind) & members_CT[:, t])
            if len(rivals):
                best = rivals[losses_CT[rivals, t] == losses_CT[rivals, t].min()]
                assert not out_C[best].any()


@given(worlds(), SHARES, st.integers(0, 4))
def test_the_unit_of_a_tasks_loss_does_not_matter(world: World, keep: float, task: int) -> None:
    losses_CT, members_CT, kind_C = world
    scaled_CT = losses_CT.copy()
    scaled_CT[:, task % members_CT.shape[1]] *= 1000.0
    np.testing.assert_array_equal(
        dropped(scaled_CT, members_CT, kind_C, keep), dropped(losses_CT, members_CT, kind_C, keep)
    )


@given(worlds(), SHARES)
def test_the_order_of_candidates_and_tasks_does_not_matter(world: World, keep: float) -> None:
    losses_CT, members_CT, kind_C = world
    rng = np.random.default_rng(int(np.nansum(losses_CT)))
    order_C, order_T = rng.permutation(len(kind_C)), rng.permutation(members_CT.shape[1])
    moved = dropped(losses_CT[order_C][:, order_T], members_CT[order_C][:, order_T], kind_C[order_C], keep)
    np.testing.assert_array_equal(moved, dropped(losses_CT, members_CT, kind_C, keep)[order_C])


@given(worlds())
def test_keeping_everything_drops_nothing(world: World) -> None:
    assert not dropped(*world, 1.0).any()


@given(worlds(), SHARES)
def test_every_task_keeps_its_share_of_candidates(world: World, keep: float) -> None:
    _, members_CT, kind_C = world
    stays_C = ~dropped(*world, keep)
    for kind in np.unique(kind_C):
        held_CT = members_CT[kind_C == kind]
        assert (held_CT[stays_C[kind_C == kind]].sum(axis=0) >= keep * held_CT.sum(axis=0) - 1e-9).all()


@given(worlds(), SHARES)
def test_keeping_more_never_drops_more(world: World, keep: float) -> None:
    assert not (dropped(*world, min(1.0, keep + 0.2)) & ~dropped(*world, keep)).any()


@given(worlds(), SHARES)
def test_candidates_of_another_capacity_do_not_matter(world: World, keep: float) -> None:
    losses_CT, members_CT, kind_C = world
    one_C = kind_C == kind_C[0]
    alone = dropped(losses_CT[one_C], members_CT[one_C], kind_C[one_C], keep)
    np.testing.assert_array_equal(alone, dropped(*world, keep)[one_C])


@given(worlds(), SHARES, st.integers(1, 3), st.data())
def test_no_fewer_survive_than_was_said_beforehand(world: World, keep: float, rungs: int, data: st.DataObject) -> None:
    _, members_CT, kind_C = world
    members_CT = members_CT[kind_C == kind_C[0]]
    spared_C = members_CT.all(axis=1)
    stays_C = np.ones(len(members_CT), dtype=bool)
    fewest = fewest_survivors(members_CT, spared_C, keep, rungs)
    for rung in range(rungs):
        values = data.draw(st.permutations(range(members_CT.size)))
        losses_CT = np.where(members_CT, np.reshape(values, members_CT.shape), N)
        out = dropped(losses_CT[stays_C], members_CT[stays_C], np.ones(int(stays_C.sum())), keep)
        stays_C[np.flatnonzero(stays_C)[out]] = False
        stays_C |= spared_C
        assert stays_C.sum() >= fewest[rung]


def test_a_candidate_is_dropped_only_if_it_is_hopeless_for_all_its_tasks() -> None:
    members_CT = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=bool)
    losses_CT = np.array([[1.0, 1.0, N], [2.0, N, 2.0], [N, 2.0, 3.0]])
    assert hopeless(losses_CT, members_CT, np.ones(3), 0.5).tolist() == [
        [False, False, False],
        [True, False, False],
        [False, True, True],
    ]
    assert dropped(losses_CT, members_CT, np.ones(3), 0.5).tolist() == [False, False, True]


def test_whoever_failed_is_neither_dropped_nor_counted() -> None:
    members_CT = np.ones((3, 2), dtype=bool)
    losses_CT = np.array([[1.0, 1.0], [2.0, 2.0], [N, N]])
    assert dropped(losses_CT, members_CT, np.ones(3), 0.5).tolist() == [False, True, False]


def test_pairs_of_eight_tasks_lose_twelve_of_twenty_eight_at_most() -> None:
    members_CT = np.array([[t in pair for t in range(8)] for pair in combinations(range(8), 2)])
    assert fewest_survivors(members_CT, np.zeros(28, dtype=bool), 0.5, 2) == [16, 8]
    assert fewest_survivors(members_CT, np.zeros(28, dtype=bool), 1.0, 1) == [28]


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.5, math.nan])
def test_a_share_that_is_none_is_refused(keep: float) -> None:
    with pytest.raises(InputError, match="to be kept"):
        dropped(np.ones((1, 1)), np.ones((1, 1), dtype=bool), np.ones(1), keep)


def _curves() -> CurveTable:
    """Two singles and a pair, two seeds, three readings; the pair was dropped after the second."""
    members_CT = np.array([[1, 0], [0, 1], [1, 1]], dtype=bool)
    curves_RCTS = np.full((2, 3, 2, 3), N)
    curves_RCTS[:, 0, 0] = [[8.0, 4.0, 2.0], [8.0, 6.0, 4.0]]
    curves_RCTS[:, 1, 1] = [[80.0, 40.0, 20.0], [80.0, 40.0, 20.0]]
    curves_RCTS[:, 2, 0, :2] = [[8.0, 5.0], [8.0, 10.0]]
    curves_RCTS[:, 2, 1, :2] = [[80.0, 20.0], [80.0, 20.0]]
    return CurveTable(Candidates(("a", "b"), members_CT, np.ones(3)), np.array([1, 2, 3]), curves_RCTS, ("0", "1"))


def test_at_a_rung_everybody_is_compared_with_the_single_tasks_of_that_moment() -> None:
    table = at_rung(_curves(), 1, np.array([0, 1]))
    np.testing.assert_allclose(table.losses_RCT[:, 2], [[1.0, 0.5], [2.0, 0.5]])
    np.testing.assert_allclose(table.mean_CT[:2], [[1.0, N], [N, 1.0]])


def test_an_early_loss_keeps_its_distance_to_the_single_tasks_where_nobody_tells_more() -> None:
    curves, single_T, reference_T = _curves(), np.array([0, 1]), np.array([3.0, 20.0])
    whole = LossTable(curves.candidates, curves.curves_RCTS[..., -1], curves.seeds)
    table = with_early_losses(whole, curves, np.array([False, False, True]), single_T, reference_T)
    np.testing.assert_allclose(table.losses_RCT[:, 2], [[3.0, 10.0], [6.0, 10.0]])
    assert table.estimated_CT is not None
    assert table.estimated_CT.tolist() == [[False, False], [False, False], [True, True]]
    np.testing.assert_array_equal(table.losses_RCT[:, :2], whole.losses_RCT[:, :2])


@given(st.floats(0.1, 3.0), st.integers(0, 1000))
def test_early_losses_are_carried_on_as_those_of_the_survivors_were(slope: float, seed: int) -> None:
    members_CT = np.array([[t in pair for t in range(4)] for pair in combinations(range(4), 2)])
    members_CT = np.vstack([np.eye(4, dtype=bool), members_CT])
    rng = np.random.default_rng(seed)
    early_CT = np.where(members_CT, rng.uniform(0.8, 1.2, members_CT.shape), N)
    early_CT[:4] = np.where(np.eye(4, dtype=bool), 1.0, N)
    level_T = rng.uniform(0.5, 1.0, 4)
    final_CT = level_T + slope * (early_CT - 1)
    final_CT[:4] = np.where(np.eye(4, dtype=bool), 1.0, N)
    unit_T = np.array([1.0, 10.0, 100.0, 0.1])
    curves_RCTS = np.stack([3 * unit_T * early_CT, unit_T * final_CT], axis=-1)[None]
    curves_RCTS[:, -1, :, 1] = N
    names = ("a", "b", "c", "d")
    curves = CurveTable(Candidates(names, members_CT, np.ones(10)), np.array([1, 2]), curves_RCTS, ("0",))
    whole = LossTable(curves.candidates, curves.curves_RCTS[..., -1], curves.seeds)
    table = with_early_losses(whole, curves, np.arange(10) == 9, np.arange(4), unit_T)
    np.testing.assert_allclose(table.mean_CT[9], unit_T * np.where(members_CT[9], final_CT[9], N), rtol=1e-9)


def test_an_early_order_is_never_turned_round() -> None:
    members_CT = np.vstack([np.eye(2, dtype=bool), np.ones((5, 2), dtype=bool)])
    early_C, final_C = np.array([1.0, 1.1, 1.2, 1.3, 1.4]), np.array([1.3, 1.2, 1.1, 1.0, N])
    curves_RCTS = np.full((1, 7, 2, 2), N)
    curves_RCTS[0, 0, 0] = curves_RCTS[0, 1, 1] = 1.0
    curves_RCTS[0, 2:, :, 0], curves_RCTS[0, 2:, :, 1] = early_C[:, None], final_C[:, None]
    candidates = Candidates(("a", "b"), members_CT, np.ones(7), ("", "", *"vwxyz"))
    curves = CurveTable(candidates, np.array([1, 2]), curves_RCTS, ("0",))
    whole = LossTable(candidates, curves.curves_RCTS[..., -1], curves.seeds)
    table = with_early_losses(whole, curves, np.arange(7) == 6, np.arange(2), np.ones(2))
    np.testing.assert_allclose(table.mean_CT[6], 1.15)


def test_what_was_trained_to_the_end_is_never_replaced_by_an_early_loss() -> None:
    curves = _curves()
    losses_RCT = np.where(curves.candidates.members_CT, 7.0, N)[None].repeat(2, axis=0)
    measured = LossTable(curves.candidates, losses_RCT, curves.seeds)
    table = with_early_losses(measured, curves, np.ones(3, dtype=bool), np.array([0, 1]), np.ones(2))
    np.testing.assert_array_equal(table.losses_RCT, measured.losses_RCT)
    assert table.estimated_CT is not None
    assert not table.estimated_CT.any()
