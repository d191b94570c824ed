"""What people may demand of a grouping, each by a table small enough to see the answer."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from grouping.errors import InfeasibleError, InputError
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.solver.instances import Float, subsets

N = np.nan
# Three tasks: alone, in pairs, all together. Pairing 0 and 1 helps both; 2 is hurt by everybody.
LOSSES = np.array(
    [[1.0, N, N], [N, 1.0, N], [N, N, 1.0], [0.8, 0.7, N], [0.9, N, 1.5], [N, 0.9, 1.4], [0.95, 0.85, 1.6]]
)
COSTS = np.ones(7)


def names(solution: Solution) -> list[tuple[int, ...]]:
    return sorted(tuple(np.flatnonzero(row).tolist()) for row in solution.members_GT)


def assert_certified(solution: Solution, losses_CT: Float, cost_C: Float) -> None:
    assert solution.certificate is not None
    assert verify(solution.certificate, losses_CT, cost_C)


def test_the_plain_question() -> None:
    solution = solve(LOSSES, COSTS, 2.0)
    assert names(solution) == [(0, 1), (2,)]
    assert solution.objective == pytest.approx(2.5)
    assert solution.cost == 2.0
    assert solution.losses_T.tolist() == [0.8, 0.7, 1.0]
    assert solution.chosen[solution.serves_T].tolist() == [3, 3, 2]


def test_weights_move_the_choice() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [0.5, 2.0], [2.0, 0.5]])
    assert solve(losses_CT, np.ones(4), 1.0, weights_T=[2, 1]).chosen.tolist() == [2]
    assert solve(losses_CT, np.ones(4), 1.0, weights_T=[1, 2]).chosen.tolist() == [3]


def test_max_networks_beside_a_budget() -> None:
    assert names(solve(LOSSES, COSTS, 3.0, max_networks=1)) == [(0, 1, 2)]


def test_max_size() -> None:
    assert names(solve(LOSSES, COSTS, 3.0, max_size=1)) == [(0,), (1,), (2,)]


def test_partition_forbids_training_a_task_twice() -> None:
    losses_CT = np.array([[0.5, 9.0, N], [N, 0.5, 9.0], [N, N, 1.0], [1.0, 1.0, N]])
    assert names(solve(losses_CT, np.ones(4), 3.0)) == [(0, 1), (1, 2), (2,)]
    assert names(solve(losses_CT, np.ones(4), 3.0, partition=True)) == [(0, 1), (2,)]


def test_together_demands_a_common_network_that_serves_a_task() -> None:
    solution = solve(LOSSES, COSTS, 3.0, together=[(0, 2)])
    common = [g for g, row in enumerate(solution.members_GT) if row[0] and row[2]]
    assert any(g in solution.serves_T for g in common)
    assert solution.objective == pytest.approx(0.9 + 0.7 + 1.0)


def test_apart_forbids_every_common_network() -> None:
    assert names(solve(LOSSES, COSTS, 3.0, apart=[(0, 1)])) == [(0, 2), (1, 2), (2,)]


def test_at_most_forbids_a_service_but_not_the_network() -> None:
    losses_CT = np.array([[0.5, 3.0], [N, 2.0]])
    assert solve(losses_CT, np.ones(2), 2.0, at_most={1: 2.5}).objective == pytest.approx(2.5)
    with pytest.raises(InfeasibleError, match="The smallest loss in the table is 2"):
        solve(losses_CT, np.ones(2), 2.0, at_most={1: 1.0})


def test_deployed_networks_cost_nothing() -> None:
    solution = solve(LOSSES, COSTS, 1.0, deployed=[2])
    assert names(solution) == [(0, 1), (2,)]
    assert solution.cost == 1.0
    assert_certified(solution, LOSSES, COSTS)


def test_auxiliary_tasks_are_trained_and_never_served() -> None:
    solution = solve(LOSSES, COSTS, 1.0, auxiliary=[2])
    assert names(solution) == [(0, 1)]
    assert solution.serves_T.tolist() == [0, 0, -1]
    assert math.isnan(solution.losses_T[2])
    helped = solve(np.array([[0.4, N], [1.0, 1.0]]), np.ones(2), 1.0, members_CT=[[True, True], [True, True]])
    assert helped.chosen.tolist() == [1]


def test_several_budgets_at_once() -> None:
    cost_CD = np.array([[1.0, 10.0], [1.0, 1.0], [2.0, 1.0]])
    losses_CT = np.array([[0.1], [0.3], [0.2]])
    assert solve(losses_CT, cost_CD, [2.0, 10.0]).chosen.tolist() == [0]
    assert solve(losses_CT, cost_CD, [2.0, 5.0]).chosen.tolist() == [2]
    assert solve(losses_CT, cost_CD, [1.0, 5.0]).chosen.tolist() == [1]
    solution = solve(losses_CT, cost_CD, [1.0, 5.0])
    assert_certified(solution, losses_CT, cost_CD)


def test_the_maximum_over_tasks() -> None:
    solution = solve(LOSSES, COSTS, 3.0, objective="max")
    assert solution.objective == 1.0
    assert solution.cost == 2.0, "the cheapest grouping of that maximum"
    assert solution.proven_optimal


def test_the_maximum_equals_exhaustive_search() -> None:
    rng = np.random.default_rng(31)
    for _ in range(40):
        members_CT = subsets(4)
        losses_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape).round(2), np.nan)
        cost_C = rng.choice([0.5, 1.0], len(losses_CT))
        budget = float(rng.choice([1.0, 1.5, 2.0]))
        value_CT = np.where(members_CT, losses_CT, np.inf)
        best = min(
            (float(value_CT[list(rows)].min(axis=0).max()), float(cost_C[list(rows)].sum()))
            for size in (1, 2, 3, 4)
            for rows in itertools.combinations(range(len(cost_C)), size)
            if cost_C[list(rows)].sum() <= budget
        )
        solution = solve(losses_CT, cost_C, budget, objective="max")
        assert (solution.objective, solution.cost) == pytest.approx(best)
        assert solution.proven_optimal


@pytest.mark.parametrize("pair", [(0, 1), (2, 3)])
def test_together_equals_exhaustive_search(pair: tuple[int, int]) -> None:
    rng = np.random.default_rng(32)
    for _ in range(30):
        members_CT = subsets(4)
        losses_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan)
        budget = int(rng.integers(1, 4))
        solution = solve(losses_CT, np.ones(15), float(budget), together=[pair])
        shares_C = members_CT[:, pair[0]] & members_CT[:, pair[1]]
        value_CT = np.where(members_CT, losses_CT, np.inf)
        best = math.inf
        for size in range(1, budget + 1):
            for rows in map(list, itertools.combinations(range(15), size)):
                if not shares_C[rows].any():
                    continue
                served_T = value_CT[rows].min(axis=0)
                if np.isinf(served_T).any():
                    continue
                # A network in which the pair shares serves a task: the one for which that costs least.
                detour_T = np.where(shares_C[rows][:, None], value_CT[rows], np.inf).min(axis=0) - served_T
                best = min(best, float(served_T.sum() + detour_T.min()))
        assert solution.objective == pytest.approx(best, rel=1e-12)
        assert len(set(solution.serves_T.tolist())) == len(solution.chosen)
        assert shares_C[solution.chosen].any()


def test_zero_cost_candidates_and_a_budget_of_nothing() -> None:
    losses_CT = np.array([[1.0, 1.0], [0.1, N]])
    solution = solve(losses_CT, np.array([0.0, 1.0]), 0.0)
    assert solution.chosen.tolist() == [0]
    assert_certified(solution, losses_CT, np.array([0.0, 1.0]))


def test_budgets_that_only_rounding_exceeds_are_kept() -> None:
    losses_CT = np.array([[1.0, N], [N, 1.0], [9.0, 9.0]])
    assert len(solve(losses_CT, np.array([0.1, 0.2, 0.05]), 0.3).chosen) == 2


def test_one_task_and_one_candidate() -> None:
    solution = solve([[0.5]], [1.0], 1.0)
    assert (solution.objective, solution.chosen.tolist(), solution.serves_T.tolist()) == (0.5, [0], [0])


def test_frontier_under_constraints() -> None:
    points = solve_frontier(LOSSES, COSTS, max_networks=2)
    assert [(point.cost, round(point.objective, 9)) for point in points] == [(1.0, 3.4), (2.0, 2.5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"budget": 0.5}, "The smallest feasible budget is 1"),
        ({"max_networks": 1, "max_size": 2}, "At least 2 are needed"),
        ({"at_most": {2: 0.9}}, "reaches a loss of 0.9 on task '2'"),
        ({"at_most": {0: 0.85}, "max_size": 1}, "max_size and at_most together leave no network that serves task '0'"),
        ({"apart": [(0, 1), (0, 2), (1, 2)], "together": [(0, 1)]}, "together 0.1 and apart 0.1 contradict"),
        ({"partition": True, "max_size": 2, "apart": [(0, 1)], "budget": 1.0}, "The smallest feasible budget is 2"),
    ],
)
def test_infeasible_questions_say_what_has_to_give_way(changes: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"budget": 3.0, **changes}
    with pytest.raises(InfeasibleError, match=message):
        solve(LOSSES, COSTS, **options)


def test_constraints_in_conflict_are_named_and_no_others() -> None:
    # Without {0, 1} the pair {0, 2} is needed twice: by 'together', and then nobody is left for 1 in a partition.
    losses_CT = np.array([[1.0, N, 1.0], [1.0, 1.0, N], [N, N, 1.0]])
    options: dict[str, Any] = {"partition": True, "together": [(0, 2)], "at_most": {2: 5.0}, "max_size": 2}
    with pytest.raises(InfeasibleError) as caught:
        solve(losses_CT, np.ones(3), 3.0, **options)
    assert "no grouping satisfies these together: together 0+2, partition" in str(caught.value)
    for name in ("partition", "together"):
        solve(losses_CT, np.ones(3), 3.0, **{key: value for key, value in options.items() if key != name})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"losses_CT": [[math.inf]]}, "infinite"),
        ({"losses_CT": [[N]]}, "serves no task"),
        ({"losses_CT": [["x"]]}, "must be numbers"),
        ({"losses_CT": []}, "expected"),
        ({"losses_CT": [[1.0, N]]}, "no network has a loss for task '1'"),
        ({"cost_C": [-1.0]}, "costs -1"),
        ({"cost_C": [N]}, "costs nan"),
        ({"cost_C": [1.0, 1.0]}, "expected"),
        ({"budget": -1.0}, "budget -1"),
        ({"budget": N}, "budget nan"),
        ({"budget": [1.0, 2.0]}, "2 budgets for 1 costs"),
        ({"weights_T": [1.0, 2.0]}, "2 weights for 1 tasks"),
        ({"weights_T": [0.0]}, "not a positive finite"),
        ({"max_networks": 0}, "max_networks is 0"),
        ({"top": 0}, "top is 0"),
        ({"auxiliary": [0]}, "every task is auxiliary"),
        ({"auxiliary": [3]}, "there is no task 3"),
        ({"deployed": [3]}, "there is no candidate 3"),
        ({"together": [(0, 0)]}, "against itself"),
        ({"time_limit": -1.0}, "time limit"),
        ({"members_CT": [[False]]}, "no member"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        solve(**{"losses_CT": [[1.0]], "cost_C": [1.0], "budget": 1.0, **arguments})


@pytest.mark.parametrize("budget", [1e14, 1e300, 1.7e308])
def test_an_enormous_budget_is_no_limit(budget: float) -> None:
    losses_CT = np.array([[1.0, np.nan], [np.nan, 1.0], [1.5, 1.5]])
    assert solve(losses_CT, np.ones(3), budget).chosen.tolist() == [0, 1]


def test_an_unknown_objective_is_refused() -> None:
    with pytest.raises(InputError, match="the objective is 'min'"):
        solve([[1.0]], [1.0], 1.0, objective="min")  # type: ignore[arg-type]


def test_the_smallest_budget_is_found_where_sums_are_rounded() -> None:
    rng = np.random.default_rng(32)
    for _ in range(300):
        n_tasks = int(rng.integers(2, 5))
        meets_CT = np.vstack([rng.random((6, n_tasks)) < 0.5, np.eye(n_tasks, dtype=bool)])
        meets_CT = meets_CT[meets_CT.any(axis=1)]
        cost_C = rng.choice([0.1, 0.2, 0.3, 0.7, 1.1], len(meets_CT))
        least = min(
            cost_C[list(chosen)].sum()
            for size in range(1, n_tasks + 1)
            for chosen in itertools.combinations(range(len(cost_C)), size)
            if meets_CT[list(chosen)].any(axis=0).all()
        )
        with pytest.raises(InfeasibleError) as caught:
            solve(np.where(meets_CT, 1.0, np.nan), cost_C, 0.05)
        assert caught.value.minimum_budget == pytest.approx(least, rel=1e-9)
