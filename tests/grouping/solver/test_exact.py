"""The solver's objective is the optimum: against exhaustive search and against HiGHS, over many seeded families."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from grouping.errors import InfeasibleError
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from grouping.solver.verification import verify
from tests.grouping.solver.instances import FAMILIES, Instance, exhaustive, highs, instance, values


def answer(problem: Instance) -> Solution | None:
    options: Any = problem.options()
    try:
        return solve(problem.losses_CT, problem.cost_C, **options)
    except InfeasibleError:
        return None


def assert_valid(problem: Instance, solution: Solution) -> None:
    """The solution obeys every rule, and says of itself what is true."""
    chosen, serves_T = solution.chosen, solution.serves_T
    assert sorted(set(serves_T.tolist())) == list(range(len(chosen))), "every network serves a task"
    assert solution.cost == pytest.approx(problem.cost_C[chosen].sum())
    assert solution.cost <= problem.budget * (1 + 1e-9)
    assert problem.max_networks is None or len(chosen) <= problem.max_networks
    value_GT = values(problem)[chosen]
    served = value_GT[serves_T, np.arange(len(serves_T))]
    assert served.tolist() == value_GT.min(axis=0).tolist(), "every task is served by the best chosen network"
    assert solution.objective == pytest.approx(served.sum(), rel=1e-12)
    if problem.partition:
        assert (solution.members_GT.sum(axis=0) == 1).all()
    assert solution.proven_optimal
    assert solution.bound <= solution.objective
    assert solution.certificate is not None
    check = verify(solution.certificate, problem.losses_CT, problem.cost_C)
    assert check, check.complaints


def assert_optimal(problem: Instance, optimum: float) -> None:
    solution = answer(problem)
    assert (solution is None) == math.isinf(optimum)
    if solution is not None:
        assert solution.objective == pytest.approx(optimum, rel=1e-9, abs=1e-9)
        assert_valid(problem, solution)


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_exhaustive_search(family: str) -> None:
    rng = np.random.default_rng([11, FAMILIES.index(family)])
    for _ in range(60):
        problem = instance(rng, family, int(rng.integers(1, 4)))
        assert_optimal(problem, exhaustive(problem))


@pytest.mark.parametrize("family", FAMILIES)
def test_equals_highs(family: str) -> None:
    rng = np.random.default_rng([12, FAMILIES.index(family)])
    for n_tasks in [3] * 60 + [4] * 45 + [5] * 25:
        problem = instance(rng, family, n_tasks)
        assert_optimal(problem, highs(problem))


def test_minimum_budget_is_feasible_and_nothing_below_it_is() -> None:
    rng = np.random.default_rng(13)
    refused = [problem for _ in range(300) if answer(problem := instance(rng, "sparse", 3)) is None]
    seen = 0
    for problem in refused:
        options: Any = problem.options()
        with pytest.raises(InfeasibleError) as caught:
            solve(problem.losses_CT, problem.cost_C, **options)
        least = caught.value.minimum_budget
        if least is None:
            continue
        seen += 1
        assert least > problem.budget
        solve(problem.losses_CT, problem.cost_C, **{**options, "budget": least})
        with pytest.raises(InfeasibleError):
            solve(problem.losses_CT, problem.cost_C, **{**options, "budget": least * (1 - 1e-6)})
    assert seen >= 20
