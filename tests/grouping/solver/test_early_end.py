"""A search that is stopped returns the best it has, with a bound that holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from grouping.errors import InfeasibleError, NoResultError
from grouping.solver import bottleneck, branch_and_bound
from grouping.solver.cover import any_cover
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Progress
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.solver.instances import Float

N_TASKS = 24


@pytest.fixture(scope="module")
def pool() -> tuple[Float, Float]:
    """Random groups of 24 tasks: the relaxation leaves a gap, so that one node is not enough."""
    rng = np.random.default_rng(41)
    members_CT = np.vstack([np.eye(N_TASKS, dtype=bool), rng.random((800, N_TASKS)) < 0.15])
    members_CT = members_CT[members_CT.any(axis=1)]
    losses_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan)
    return losses_CT, np.ones(len(losses_CT))


def test_a_callback_sees_the_gap_close_and_can_stop(pool: tuple[Float, Float]) -> None:
    seen: list[Progress] = []

    def stop_at_three(progress: Progress) -> bool:
        seen.append(progress)
        return len(seen) == 3

    solution = solve(*pool, 7.0, callback=stop_at_three)
    assert solution.stopped == "callback"
    assert not solution.proven_optimal
    assert solution.bound < solution.objective
    assert solution.gap == pytest.approx((solution.objective - solution.bound) / solution.objective)
    bounds = [progress.bound for progress in seen]
    assert bounds == sorted(bounds)
    assert len(set(solution.serves_T.tolist())) == len(solution.chosen)


def test_ctrl_c_returns_the_incumbent(pool: tuple[Float, Float]) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.nodes >= 2:
            raise KeyboardInterrupt

    solution = solve(*pool, 7.0, callback=interrupt)
    assert solution.stopped == "interrupted"
    assert solution.bound <= solution.objective


def test_a_time_limit_returns_the_incumbent_with_its_bound(pool: tuple[Float, Float]) -> None:
    solution = solve(*pool, 7.0, time_limit=0.0)
    assert solution.stopped == "time limit"
    assert solution.bound <= solution.objective


def test_stopped_before_the_first_grouping_is_an_error_of_its_own() -> None:
    # Greedy takes the cheap large group first and then cannot afford what is left.
    losses_CT = np.array([[0.1, 0.1, np.nan], [1.0, np.nan, 1.0], [np.nan, 1.0, np.nan]])
    cost_C = np.array([1.0, 1.0, 0.9])
    assert solve(losses_CT, cost_C, 1.9).chosen.tolist() == [1, 2]
    with pytest.raises(NoResultError, match="time limit"):
        solve(losses_CT, cost_C, 1.9, time_limit=0.0)


def test_fractional_candidates_are_branched_on_where_no_task_is_divided() -> None:
    # Any two of a block's candidates cover its three tasks, at equal losses: the relaxation uses all by half,
    # no task sees two different losses, and only branching on candidates proves the optimum.
    members_CT = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=bool)
    block = np.where(members_CT, 1.0, np.nan)
    n_blocks = 5
    losses_CT = np.full((3 * n_blocks, 3 * n_blocks), np.nan)
    for b in range(n_blocks):
        losses_CT[3 * b : 3 * b + 3, 3 * b : 3 * b + 3] = block
    dear = np.where(np.eye(3 * n_blocks, dtype=bool), 2.0, np.nan)
    losses_CT = np.vstack([losses_CT, dear])
    cost_C = np.concatenate([np.ones(3 * n_blocks), np.full(3 * n_blocks, 0.001)])
    solution = solve(losses_CT, cost_C, 1.5 * n_blocks)
    assert solution.proven_optimal
    assert solution.certificate is not None
    assert {node.branch.kind for node in solution.certificate.nodes if node.branch} >= {"with", "without"}
    check = verify(solution.certificate, losses_CT, cost_C)
    assert check, check.complaints
    # Each block is covered by two candidates, or by one and a cheap single of loss 2: seven fit whole, the rest pays.
    whole = 7 - n_blocks
    assert solution.objective == pytest.approx(3 * n_blocks + (n_blocks - whole))


def test_memory_is_bounded_and_the_answer_the_same(pool: tuple[Float, Float], monkeypatch: pytest.MonkeyPatch) -> None:
    losses_CT, cost_C = pool
    whole = solve(losses_CT, cost_C, 7.0)
    assert whole.certificate is not None
    assert len(whole.certificate.nodes) > 20
    monkeypatch.setattr(branch_and_bound, "_MOST_OPEN", 2)
    deep = solve(losses_CT, cost_C, 7.0)
    assert deep.chosen.tolist() == whole.chosen.tolist()
    assert deep.proven_optimal
    assert deep.certificate is not None
    assert verify(deep.certificate, losses_CT, cost_C)
    monkeypatch.setattr(branch_and_bound, "_MOST_PROVEN", 5)
    unproven = solve(losses_CT, cost_C, 7.0)
    assert unproven.objective == whole.objective
    assert unproven.certificate is None


def test_ctrl_c_returns_the_best_maximum(pool: tuple[Float, Float], monkeypatch: pytest.MonkeyPatch) -> None:
    covers = 0

    def interrupted_later(*args: Any) -> Any:
        nonlocal covers
        covers += 1
        if covers == 3:
            raise KeyboardInterrupt
        return any_cover(*args)

    optimum = solve(*pool, 7.0, objective="max").objective
    monkeypatch.setattr(bottleneck, "any_cover", interrupted_later)
    solution = solve(*pool, 7.0, objective="max")
    assert solution.stopped == "interrupted"
    assert solution.bound <= optimum <= solution.objective
    assert not solution.proven_optimal


def test_even_without_time_the_bound_says_something(pool: tuple[Float, Float]) -> None:
    solution = solve(*pool, 7.0, time_limit=0.0)
    assert solution.bound >= np.nanmin(pool[0], axis=0).sum() - 1e-9


def test_a_stopped_search_for_the_smallest_budget_claims_nothing(pool: tuple[Float, Float]) -> None:
    def stop(progress: Progress) -> bool:
        return True

    cost_C = np.random.default_rng(42).uniform(1, 2, len(pool[1]))
    with pytest.raises(InfeasibleError, match=r"was not found out \(callback\)") as caught:
        solve(pool[0], cost_C, 1.0, callback=stop)
    assert caught.value.minimum_budget is None
    with pytest.raises(InfeasibleError, match="The smallest feasible budget is"):
        solve(pool[0], cost_C, 1.0)


@pytest.mark.parametrize("how", ["callback", "interrupted"])
def test_a_frontier_that_is_cut_keeps_its_points_and_says_so(pool: tuple[Float, Float], how: str) -> None:
    def end(progress: Progress) -> bool:
        if how == "interrupted":
            raise KeyboardInterrupt
        return True

    points = solve_frontier(*pool, callback=end)
    assert points[0].stopped == how
    assert points[0].bound <= points[0].objective
    assert not any(point.stopped for point in points[1:])
    whole = solve_frontier(*pool)
    assert whole[0].cost < points[0].cost
    assert not any(point.stopped for point in whole)
