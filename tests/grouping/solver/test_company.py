"""Pairs that must share, one or both being auxiliary: a network may then be wanted for the pair's sake only."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from grouping.errors import InfeasibleError
from grouping.solver.frontier import solve_frontier
from grouping.solver.solve import solve
from tests.grouping.solver.families import members_of_all_subsets
from tests.grouping.solver.instances import Bool, Float

N = np.nan
PAIR = (1, 2)


def drawn(rng: np.random.Generator) -> tuple[Float, Float, Bool, dict[str, Any]]:
    """Three tasks, of which one or two are auxiliary; losses and costs that tie often."""
    members_CT = members_of_all_subsets(3)[rng.random(7) < 0.8]
    members_CT = np.vstack([members_CT, np.eye(3, dtype=bool)])
    losses_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape).round(1), N)
    auxiliary = [[2], [1, 2]][int(rng.integers(2))]
    options = {"together": [PAIR], "auxiliary": auxiliary, "members_CT": members_CT}
    return losses_CT, rng.choice([0.5, 1.0], len(losses_CT)), members_CT, options


def groupings(
    losses_CT: Float, cost_C: Float, members_CT: Bool, served: list[int]
) -> list[tuple[float, float, tuple[int, ...]]]:
    """Objective, cost and routing of every grouping: each chosen network serves somebody, one of them has the pair."""
    able = [np.flatnonzero(~np.isnan(losses_CT[:, t])).tolist() for t in served]
    found = []
    for routing in itertools.product(*able):
        chosen = sorted(set(routing))
        if members_CT[chosen][:, PAIR].all(axis=1).any():
            objective = sum(losses_CT[c, t] for c, t in zip(routing, served, strict=True))
            found.append((round(objective, 9), round(float(cost_C[chosen].sum()), 9), routing))
    return found


def test_answers_frontiers_runners_up_and_smallest_budgets_equal_exhaustive_search() -> None:
    rng = np.random.default_rng(71)
    infeasible = 0
    for _ in range(150):
        losses_CT, cost_C, members_CT, options = drawn(rng)
        served = [t for t in range(3) if t not in options["auxiliary"]]
        every = groupings(losses_CT, cost_C, members_CT, served)
        if not every:
            with pytest.raises(InfeasibleError):
                solve(losses_CT, cost_C, 3.0, **options)
            infeasible += 1
            continue
        least = min(cost for _, cost, _ in every)
        with pytest.raises(InfeasibleError) as caught:
            solve(losses_CT, cost_C, least - 0.25, **options)
        assert caught.value.minimum_budget == pytest.approx(least)
        for budget in (least, 2.0):
            best = min((objective, cost) for objective, cost, _ in every if cost <= max(budget, least))
            solution = solve(losses_CT, cost_C, max(budget, least), top=3, **options)
            assert (solution.objective, solution.cost) == pytest.approx(best)
            routings = [solution, *solution.alternatives]
            assert len({tuple(each.chosen[each.serves_T[served]].tolist()) for each in routings}) == len(routings)
            for each in routings:
                routing = tuple(each.chosen[each.serves_T[served]].tolist())
                assert (round(each.objective, 9), round(each.cost, 9), routing) in every
        points = [(point.objective, point.cost) for point in solve_frontier(losses_CT, cost_C, **options)]
        expected, lowest = [], math.inf
        for cost in sorted({cost for _, cost, _ in every}):
            objective = min(value for value, price, _ in every if price <= cost)
            if objective < lowest:
                lowest = objective
                expected.append((objective, cost))
        assert points == [pytest.approx(point) for point in expected]
    assert infeasible < 50


def test_one_task_cannot_be_served_by_two_networks_for_the_sake_of_two_pairs() -> None:
    losses_CT = np.array([[N, N, 1.0], [N, N, 1.0]])
    members_CT = np.array([[True, False, True], [False, True, True]])
    options: dict[str, Any] = {"auxiliary": [0, 1], "members_CT": members_CT, "together": [(0, 2), (1, 2)]}
    with pytest.raises(InfeasibleError, match=r"together: together 0\+2, together 1\+2") as caught:
        solve(losses_CT, np.ones(2), 5.0, **options)
    assert caught.value.minimum_budget is None
