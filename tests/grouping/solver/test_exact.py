"""The solver's objective is the optimum: against exhaustive search and against HiGHS, over many seeded families."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from grouping.errors import InfeasibleError
from grouping.solver import branch_and_bound, relaxation
from grouping.solver.solve import solve
from tests.grouping.solver.instances import FAMILIES, RULES, Instance, answer, ask, instance, subsets, thinned
from tests.grouping.solver.oracles import audit, certified, exhaustive, highs

SEARCHED = {1: 8, 2: 20, 3: 40, 4: 30, 5: 12, 6: 6}
"""Instances of each family by number of tasks, for exhaustive search."""

PROGRAMMED = {2: 40, 3: 220, 4: 200, 5: 120, 6: 40, 7: 12}
"""The same for HiGHS."""

MOST_SEARCHED = {1: 99, 2: 99, 3: 99, 4: 99, 5: 36, 6: 24}
"""Candidates that exhaustive search is given; all of up to five tasks, duplicates aside."""


def assert_optimal(problem: Instance, optimum: float) -> bool:
    """The answer is right in every respect; returns whether there was a grouping."""
    solution = answer(problem)
    assert (solution is None) == math.isinf(optimum)
    if solution is None:
        return False
    assert solution.objective == pytest.approx(optimum, rel=1e-9, abs=1e-9)
    audit(problem, solution)
    certified(problem, solution)
    return True


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_exhaustive_search(family: str) -> None:
    rng = np.random.default_rng([11, FAMILIES.index(family)])
    for n_tasks, count in SEARCHED.items():
        for _ in range(count):
            problem = thinned(rng, instance(rng, family, n_tasks), MOST_SEARCHED[n_tasks])
            assert_optimal(problem, exhaustive(problem))


def test_at_least_five_thousand_instances_are_compared_with_highs() -> None:
    assert len(FAMILIES) * sum(PROGRAMMED.values()) >= 5000


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_highs(family: str) -> None:
    rng = np.random.default_rng([12, FAMILIES.index(family)])
    compared, feasible = 0, Counter[str]()
    for n_tasks, count in PROGRAMMED.items():
        for _ in range(count):
            problem = instance(rng, family, n_tasks)
            if assert_optimal(problem, highs(problem)):
                feasible.update({"any", *problem.rules()})
            compared += 1
    assert compared == sum(PROGRAMMED.values())
    assert feasible["any"] >= compared / 2
    assert all(feasible[rule] >= 20 for rule in RULES), feasible


def test_the_two_oracles_agree() -> None:
    rng = np.random.default_rng(14)
    for family in FAMILIES:
        for _ in range(20):
            problem = thinned(rng, instance(rng, family, int(rng.integers(2, 6))), 24)
            assert highs(problem) == pytest.approx(exhaustive(problem), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_prices_for_many_tasks_prove_the_same(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relaxation, "_MANY_ROWS", 0)
    rng = np.random.default_rng([15, FAMILIES.index(family)])
    for _ in range(80):
        problem = thinned(rng, instance(rng, family, int(rng.integers(2, 6))), 24)
        assert_optimal(problem, exhaustive(problem))


def test_a_bound_that_rounding_lifts_above_zero_hides_no_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(branch_and_bound, "relax", _lifted)
    monkeypatch.setattr(branch_and_bound, "greedy", lambda *_: [])
    assert solve(np.ones((2, 2)), [1.0, 1.0], 1.0, objective="max").objective == 1.0


def _lifted(*args: Any, **options: Any) -> relaxation.Relaxation:
    relaxed = relaxation.relax(*args, **options)
    return replace(relaxed, bound=relaxed.bound + 5e-26)


def test_a_maximum_below_zero_is_not_hidden_by_a_pair_that_shares() -> None:
    losses_CT = [[-1.0, -0.5], [-0.8, -0.8]]
    assert solve(losses_CT, [1.0, 1.0], 1.0, together=[(0, 1)], objective="max").objective == -0.8


@pytest.mark.timeout(60)
@pytest.mark.parametrize("cost", [0.0, 1.0])
def test_a_partition_that_only_fractions_allow_is_refused_soon(cost: float) -> None:
    # A third of every triple that holds a task serves it once, but no seven tasks divide into triples.
    members_CT = subsets(7)
    members_CT = members_CT[members_CT.sum(axis=1) == 3]
    with pytest.raises(InfeasibleError, match="no grouping"):
        solve(np.where(members_CT, 1.0, np.nan), np.full(len(members_CT), cost), 4.0, partition=True)


def test_tasks_that_nobody_serves_may_share_several_networks_of_a_partition() -> None:
    losses_CT = np.array([[0.5, np.nan, 1, 1], [np.nan, 0.5, 1, 1], [9, 9, 9, 9]])
    options: dict[str, Any] = {"partition": True, "auxiliary": [2, 3]}
    assert solve(losses_CT, np.ones(3), 2.0, **options).objective == 1.0
    assert solve(losses_CT, np.ones(3), 2.0, together=[(2, 3)], **options).objective == 1.0


def test_minimum_budget_is_feasible_and_nothing_below_it_is() -> None:
    rng = np.random.default_rng(13)
    seen = 0
    while seen < 40:
        problem = instance(rng, "sparse", 3)
        if len(problem.budget_D) > 1 or answer(problem) is not None:
            continue
        with pytest.raises(InfeasibleError) as caught:
            ask(problem)
        least = caught.value.minimum_budget
        if least is None:
            continue
        seen += 1
        assert least > problem.budget_D[0]
        ask(replace(problem, budget_D=(least,)))
        with pytest.raises(InfeasibleError):
            ask(replace(problem, budget_D=(least * (1 - 1e-6),)))
