"""Equal objectives: lowest cost, then fewest networks, then the lexicographically smallest sorted members."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from grouping.solver.solve import solve
from tests.grouping.solver.instances import Instance, ask, instance, subsets
from tests.grouping.solver.oracles import charges, served, values

Rank = tuple[float, float, int, list[tuple[int, ...]]]


def draw(rng: np.random.Generator, family: str) -> Instance:
    """An instance whose tasks always take the best chosen network."""
    return replace(instance(rng, family, 3), together=(), objective="sum")


def members(problem: Instance, candidate: int) -> tuple[int, ...]:
    return tuple(np.flatnonzero(problem.members_CT[candidate]).tolist())


def feasible(problem: Instance) -> list[tuple[Rank, tuple[int, ...], tuple[float, ...]]]:
    """Every feasible set of candidates with its rank, objectives and costs rounded far below their differences."""
    value_CT = values(problem)
    cost_CD, limit_D = charges(problem)
    found = []
    for size in range(1, value_CT.shape[1] + 1):
        for rows in itertools.combinations(range(len(value_CT)), size):
            value_GT = value_CT[list(rows)]
            cost_D = cost_CD[list(rows)].sum(axis=0)
            served_T = value_GT.min(axis=0)
            if (cost_D > limit_D * (1 + 1e-11)).any() or np.isinf(served_T).any():
                continue
            if problem.partition and (np.isfinite(value_GT).sum(axis=0) != 1).any():
                continue
            objective = round(math.fsum(served_T.tolist()), 9)
            rank = (objective, round(float(cost_D[0]), 9), size, sorted(members(problem, c) for c in rows))
            found.append((rank, rows, tuple(served_T.tolist())))
    return found


def rank_of(problem: Instance, chosen: np.ndarray, objective: float, cost: float) -> Rank:
    rows = chosen.tolist()
    return (round(objective, 9), round(cost, 9), len(rows), sorted(members(problem, c) for c in rows))


@pytest.mark.parametrize("family", ["rounded", "equal", "duplicates", "pairs"])
def test_the_preferred_grouping_is_chosen(family: str) -> None:
    rng = np.random.default_rng([21, len(family)])
    for _ in range(60):
        problem = draw(rng, family)
        every = feasible(problem)
        if not every:
            continue
        solution = ask(problem)
        assert rank_of(problem, solution.chosen, solution.objective, solution.cost) == min(every)[0]


def test_equal_losses_of_many_groups_end_with_one_network() -> None:
    losses_CT = np.where(subsets(9), 1.0, np.nan)
    solution = solve(losses_CT, np.ones(len(losses_CT)), 3.0)
    assert solution.members_GT.tolist() == [[True] * 9]
    assert solution.proven_optimal


def test_equal_losses_under_a_largest_size_end_with_the_first_members() -> None:
    losses_CT = np.where(subsets(6), 1.0, np.nan)
    solution = solve(losses_CT, np.ones(len(losses_CT)), 6.0, max_size=2)
    assert sorted(tuple(np.flatnonzero(row).tolist()) for row in solution.members_GT) == [(0, 1), (2, 3), (4, 5)]


def test_a_difference_above_the_tolerance_is_no_tie() -> None:
    losses_CT = np.array([[1.0, 1.0], [1.0 - 1e-10, np.nan], [np.nan, 1.0]])
    assert solve(losses_CT, np.ones(3), 2.0).chosen.tolist() == [0, 1]
    losses_CT[1, 0] = 1.0 - 1e-14
    assert solve(losses_CT, np.ones(3), 2.0).chosen.tolist() == [0]


@pytest.mark.parametrize("family", ["uniform", "sparse", "gains", "rounded"])
def test_alternatives_are_the_next_best_that_give_some_task_another_loss(family: str) -> None:
    rng = np.random.default_rng([22, len(family)])
    compared = 0
    for _ in range(25):
        problem = draw(rng, family)
        best_of: dict[tuple[float, ...], Rank] = {}
        for rank, _, losses in feasible(problem):
            best_of[losses] = min(rank, best_of.get(losses, rank))
        wanted = sorted(best_of.values())[:4]
        if not wanted:
            continue
        solution = ask(problem, top=4)
        ranked = [solution, *solution.alternatives]
        assert [round(other.objective, 9) for other in ranked] == [rank[0] for rank in wanted]
        assert len({tuple(other.losses_T[served(problem)].tolist()) for other in ranked}) == len(ranked)
        assert all(set(other.serves_T[served(problem)].tolist()) == set(range(len(other.chosen))) for other in ranked)
        compared += len(ranked)
    assert compared >= 40
