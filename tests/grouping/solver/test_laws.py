"""Laws every answer obeys, over arbitrary small tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from grouping.errors import InfeasibleError, NoResultError
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Solution
from grouping.solver.solve import solve
from tests.grouping.solver.instances import FAMILIES, Instance, instance

instances = st.builds(
    lambda seed, family, n_tasks: instance(np.random.default_rng(seed), family, n_tasks),
    st.integers(0, 2**32),
    st.sampled_from(FAMILIES),
    st.integers(1, 5),
)


def answer(problem: Instance, **changes: Any) -> Solution:
    options: Any = {**problem.options(), **changes}
    try:
        return solve(problem.losses_CT, problem.cost_C, **options)
    except NoResultError:  # infeasible, or stopped before the first grouping
        reject()


@given(instances, st.floats(1.0, 3.0))
def test_more_budget_never_hurts(problem: Instance, factor: float) -> None:
    before = answer(problem)
    after = answer(problem, budget=problem.budget * factor)
    assert after.objective <= before.objective + 1e-9 * abs(before.objective)


@given(instances, st.randoms(use_true_random=False))
def test_permuting_candidates_and_tasks_changes_nothing(problem: Instance, random: Any) -> None:
    solution = answer(problem)
    row_C = list(range(len(problem.losses_CT)))
    column_T = list(range(problem.losses_CT.shape[1]))
    random.shuffle(row_C)
    random.shuffle(column_T)
    moved = solve(
        problem.losses_CT[row_C][:, column_T],
        problem.cost_C[row_C],
        problem.budget,
        weights_T=[problem.weights_T[t] for t in column_T],
        max_networks=problem.max_networks,
        max_size=problem.max_size,
        partition=problem.partition,
        at_most={column_T.index(task): limit for task, limit in problem.at_most.items()},
    )
    assert moved.objective == pytest.approx(solution.objective, rel=1e-11, abs=1e-11)
    assert moved.cost == pytest.approx(solution.cost)
    assert len(moved.chosen) == len(solution.chosen)
    if column_T == sorted(column_T):  # the last tie-break compares task numbers
        assert sorted(map(bytes, moved.members_GT)) == sorted(map(bytes, solution.members_GT))


@given(instances, st.floats(1e-3, 1e3))
def test_scaling_costs_and_budget_together_changes_nothing(problem: Instance, factor: float) -> None:
    solution = answer(problem)
    options: Any = {**problem.options(), "budget": problem.budget * factor}
    scaled = solve(problem.losses_CT, problem.cost_C * factor, **options)
    assert scaled.objective == solution.objective
    assert scaled.cost == pytest.approx(solution.cost * factor)


@given(instances, st.floats(0.01, 100.0))
def test_scaling_all_losses_scales_the_objective(problem: Instance, factor: float) -> None:
    solution = answer(problem)
    # The product must round alike on both sides of a threshold: powers of two do.
    factor = 2.0 ** round(np.log2(factor))
    options: Any = {**problem.options(), "at_most": {t: limit * factor for t, limit in problem.at_most.items()}}
    scaled = solve(problem.losses_CT * factor, problem.cost_C, **options)
    assert scaled.objective == solution.objective * factor
    assert scaled.chosen.tolist() == solution.chosen.tolist()


@given(instances)
def test_a_candidate_more_never_hurts_and_one_not_chosen_is_not_missed(problem: Instance) -> None:
    solution = answer(problem)
    unused = next((c for c in range(len(problem.losses_CT)) if c not in solution.chosen), None)
    assume(unused is not None)
    kept_C = np.arange(len(problem.losses_CT)) != unused
    assume((~np.isnan(problem.losses_CT[kept_C])).any(axis=0).all())
    options: Any = problem.options()
    fewer = solve(problem.losses_CT[kept_C], problem.cost_C[kept_C], **options)
    assert fewer.objective == pytest.approx(solution.objective, rel=1e-12, abs=1e-12)


@given(instances)
def test_a_frontier_is_ascending_and_each_point_is_what_its_budget_buys(problem: Instance) -> None:
    options: Any = {name: value for name, value in problem.options().items() if name != "budget"}
    try:
        points = solve_frontier(problem.losses_CT, problem.cost_C, **options)
    except InfeasibleError:
        return
    cost = [point.cost for point in points]
    objective = [point.objective for point in points]
    assert cost == sorted(set(cost))
    assert objective == sorted(set(objective), reverse=True)
    for point in points:
        assert point.budget == point.cost
        assert point.proven_optimal
        alone = answer(problem, budget=point.cost)
        assert alone.objective == pytest.approx(point.objective, rel=1e-12, abs=1e-12)
        assert alone.cost == pytest.approx(point.cost)
    between = answer(problem)
    bought = [point.objective for point in points if point.cost <= problem.budget * (1 + 1e-11)]
    assert between.objective == pytest.approx(min(bought), rel=1e-12, abs=1e-12)


@given(instances, st.integers(1, 3))
def test_a_bound_is_a_bound_also_when_stopped_early(problem: Instance, nodes: int) -> None:
    solution = answer(problem)
    stopped = answer(problem, callback=lambda progress: progress.nodes >= nodes)
    slack = 1e-9 * max(1.0, abs(solution.objective))
    assert stopped.bound <= solution.objective + slack
    assert stopped.objective >= solution.objective - slack
