"""The n best groupings: the list of exhaustive search, whatever the constraints, and never the same one twice."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from grouping.errors import InfeasibleError
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from tests.grouping.solver.families import family

Float = NDArray[np.float64]

TOP = 10


def table(rng: np.random.Generator, kind: str) -> tuple[Float, Float]:
    """Losses of random groups of four tasks at random costs; every task has a network of its own."""
    members_CT = np.vstack([np.eye(4, dtype=bool), rng.random((9, 4)) < 0.5])
    members_CT = members_CT[members_CT.any(axis=1)]
    losses_CT = rng.uniform(0.5, 1.5, members_CT.shape)
    if kind == "rounded":
        losses_CT = losses_CT.round(1)
    elif kind == "gains":
        losses_CT -= 2
    return np.where(members_CT, losses_CT, np.nan), rng.choice([0.5, 1.0, 2.0], len(losses_CT))


def objectives(losses_CT: Float, cost_C: Float, budget: float, *, partition: bool, worst: bool) -> list[float]:
    """Of every way to give the tasks losses, best first, by trying every set of candidates."""
    value_CT = np.where(np.isnan(losses_CT), np.inf, losses_CT)
    found: dict[tuple[float, ...], float] = {}
    for size in range(1, 5):
        for rows in map(list, itertools.combinations(range(len(value_CT)), size)):
            served_T = value_CT[rows].min(axis=0)
            once = (np.isfinite(value_CT[rows]).sum(axis=0) == 1).all()
            if cost_C[rows].sum() <= budget * (1 + 1e-11) and np.isfinite(served_T).all() and (once or not partition):
                found[tuple(served_T.tolist())] = float(served_T.max()) if worst else math.fsum(served_T.tolist())
    return sorted(found.values())


def assert_in_order_and_different(solution: Solution) -> None:
    ranked = [solution, *solution.alternatives]
    objectives = [answer.objective for answer in ranked]
    assert objectives == pytest.approx(sorted(objectives), rel=1e-12)
    assert len({tuple(answer.losses_T.tolist()) for answer in ranked}) == len(ranked)
    for answer in ranked:
        assert answer.proven_optimal
        assert answer.cost <= answer.budget * (1 + 1e-9)
        assert set(answer.serves_T.tolist()) == set(range(len(answer.chosen)))


@pytest.mark.parametrize("kind", ["uniform", "rounded", "gains"])
@pytest.mark.parametrize("partition", [False, True])
@pytest.mark.parametrize("objective", ["sum", "max"])
def test_the_list_is_that_of_exhaustive_search(kind: str, partition: bool, objective: Any) -> None:
    rng = np.random.default_rng([61, len(kind), partition])
    compared = 0
    for _ in range(12):
        losses_CT, cost_C = table(rng, kind)
        budget = float(rng.choice([1.5, 2, 3, 4]))
        expected = objectives(losses_CT, cost_C, budget, partition=partition, worst=objective == "max")[:TOP]
        options: Any = {"partition": partition, "objective": objective, "top": TOP}
        if not expected:
            with pytest.raises(InfeasibleError):
                solve(losses_CT, cost_C, budget, **options)
            continue
        solution = solve(losses_CT, cost_C, budget, **options)
        assert_in_order_and_different(solution)
        ranked = [solution, *solution.alternatives]
        assert [answer.objective for answer in ranked] == pytest.approx(expected, rel=1e-12)
        compared += len(ranked)
    assert compared > 30


@pytest.mark.parametrize("name", ["hoa-lat", "noise-iid", "mix-iid"])
def test_a_longer_list_goes_on_where_a_shorter_one_ends(name: str) -> None:
    losses_CT, cost_C = family(name, 7, 3)
    ranked = [
        [answer.objective, *(other.objective for other in answer.alternatives)]
        for answer in (solve(losses_CT, cost_C, 3.0, top=top) for top in (3, 10, 25))
    ]
    assert ranked[0] == ranked[1][:3]
    assert ranked[1] == ranked[2][:10]


def test_pairs_that_must_share_do_so_in_every_alternative() -> None:
    losses_CT, cost_C = family("noise-lat", 6, 5)
    solution = solve(losses_CT, cost_C, 3.0, top=TOP, together=[(0, 1), (2, 5)])
    assert_in_order_and_different(solution)
    assert len(solution.alternatives) == TOP - 1
    for answer in (solution, *solution.alternatives):
        assert answer.members_GT[:, [0, 1]].all(axis=1).any()
        assert answer.members_GT[:, [2, 5]].all(axis=1).any()


def test_the_worst_gain_is_a_tasks_also_where_a_pair_must_share() -> None:
    losses_CT, cost_C = family("noise-lat", 5, 1)
    options: Any = {"objective": "max", "together": [(0, 1)], "top": 4}
    losses = solve(losses_CT, cost_C, 3.0, **options)
    gains = solve(losses_CT - 2, cost_C, 3.0, **options)
    assert_in_order_and_different(gains)
    assert [answer.objective + 2 for answer in (gains, *gains.alternatives)] == pytest.approx(
        [answer.objective for answer in (losses, *losses.alternatives)]
    )


def test_the_order_of_candidates_changes_no_list() -> None:
    losses_CT, cost_C = family("mix-lat", 6, 2)
    order = np.random.default_rng(62).permutation(len(losses_CT))
    one = solve(losses_CT, cost_C, 2.5, top=TOP)
    two = solve(losses_CT[order], cost_C[order], 2.5, top=TOP)
    chosen = [sorted(order[answer.chosen].tolist()) for answer in (two, *two.alternatives)]
    assert chosen == [answer.chosen.tolist() for answer in (one, *one.alternatives)]


def test_a_table_with_fewer_groupings_than_were_asked_for_lists_them_all() -> None:
    losses_CT = np.array([[1.0, np.nan], [np.nan, 2.0], [1.5, 1.5]])
    solution = solve(losses_CT, np.ones(3), 2.0, top=TOP)
    ranked = [solution, *solution.alternatives]
    assert [answer.objective for answer in ranked] == [2.5, 3.0, 3.0]
    assert [answer.chosen.tolist() for answer in ranked] == [[0, 2], [2], [0, 1]], "of equals the cheaper one first"
