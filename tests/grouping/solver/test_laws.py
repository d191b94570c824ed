"""Laws every answer obeys, over arbitrary small tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from grouping.errors import InfeasibleError, NoResultError
from grouping.solver.frontier import solve_frontier
from grouping.solver.solution import Progress, Solution
from tests.grouping.solver.instances import FAMILIES, Instance, arranged, ask, instance
from tests.grouping.solver.oracles import audit, certified

instances = st.builds(
    lambda seed, family, n_tasks: instance(np.random.default_rng(seed), family, n_tasks),
    st.integers(0, 2**32),
    st.sampled_from(FAMILIES),
    st.integers(1, 5),
)


def found(problem: Instance, **more: Any) -> Solution:
    """The answer, audited; where there is none, hypothesis draws another instance."""
    try:
        solution = ask(problem, **more)
    except NoResultError:  # infeasible, or stopped before the first grouping
        reject()
    audit(problem, solution)
    return solution


@given(instances, st.floats(1.0, 3.0))
def test_more_budget_never_hurts(problem: Instance, factor: float) -> None:
    before = found(problem)
    after = found(replace(problem, budget_D=tuple(limit * factor for limit in problem.budget_D)))
    assert after.objective <= before.objective + 1e-9 * abs(before.objective)


@given(instances, st.randoms(use_true_random=False))
def test_permuting_candidates_and_tasks_permutes_the_result(problem: Instance, random: Any) -> None:
    solution = found(problem)
    row_C = list(range(len(problem.losses_CT)))
    column_T = list(range(problem.losses_CT.shape[1]))
    random.shuffle(row_C)
    random.shuffle(column_T)
    moved = found(arranged(problem, row_C, column_T))
    assert moved.objective == pytest.approx(solution.objective, rel=1e-11, abs=1e-11)
    if problem.together:
        return  # of routings that are equally good one is taken
    assert moved.cost == pytest.approx(solution.cost)
    assert len(moved.chosen) == len(solution.chosen)
    if column_T == sorted(column_T):  # the last tie-break compares task numbers
        assert sorted(map(bytes, moved.members_GT)) == sorted(map(bytes, solution.members_GT))


@given(instances, st.floats(1e-3, 1e3))
def test_scaling_costs_and_budgets_together_changes_nothing(problem: Instance, factor: float) -> None:
    solution = found(problem)
    budget_D = tuple(limit * factor for limit in problem.budget_D)
    scaled = found(replace(problem, cost_CD=problem.cost_CD * factor, budget_D=budget_D))
    assert scaled.objective == solution.objective
    assert scaled.cost == pytest.approx(solution.cost * factor)


@given(instances, st.floats(0.01, 100.0))
def test_scaling_all_losses_scales_the_objective(problem: Instance, factor: float) -> None:
    solution = found(problem)
    # The product must round alike on both sides of a threshold: powers of two do.
    factor = 2.0 ** round(np.log2(factor))
    at_most = {t: limit * factor for t, limit in problem.at_most.items()}
    scaled = found(replace(problem, losses_CT=problem.losses_CT * factor, at_most=at_most))
    assert scaled.objective == solution.objective * factor
    assert scaled.chosen.tolist() == solution.chosen.tolist()


@given(instances)
def test_a_candidate_more_never_hurts_and_one_not_chosen_is_not_missed(problem: Instance) -> None:
    solution = found(problem)
    rows = range(len(problem.losses_CT))
    unused = next((c for c in rows if c not in solution.chosen), None)
    assume(unused is not None)
    kept = [c for c in rows if c != unused]
    assume((~np.isnan(problem.losses_CT[kept])).any(axis=0).all())
    fewer = found(arranged(problem, kept, list(range(problem.losses_CT.shape[1]))))
    assert fewer.objective == pytest.approx(solution.objective, rel=1e-12, abs=1e-12)


@given(instances)
def test_a_frontier_is_ascending_and_each_point_is_what_its_budget_buys(several: Instance) -> None:
    problem = replace(several, cost_CD=several.cost_CD[:, :1], budget_D=several.budget_D[:1])
    try:
        points = solve_frontier(problem.losses_CT, problem.cost_C, **problem.options())
    except InfeasibleError:
        return
    cost = [point.cost for point in points]
    objective = [point.objective for point in points]
    assert cost == sorted(set(cost))
    assert objective == sorted(set(objective), reverse=True)
    for point in points:
        bought = replace(problem, budget_D=(point.cost,))
        audit(bought, point)
        assert point.proven_optimal
        alone = found(bought)
        assert alone.objective == pytest.approx(point.objective, rel=1e-12, abs=1e-12)
        assert alone.cost == pytest.approx(point.cost)
    between = found(problem)
    affordable = [point.objective for point in points if point.cost <= problem.budget_D[0] * (1 + 1e-11)]
    assert between.objective == pytest.approx(min(affordable), rel=1e-12, abs=1e-12)


@given(instances, st.integers(1, 3))
def test_a_bound_is_a_bound_also_when_stopped_early(problem: Instance, nodes: int) -> None:
    optimum = found(problem).objective
    stopped = found(problem, callback=lambda progress: progress.nodes >= nodes)
    slack = 1e-9 * max(1.0, abs(optimum))
    assert stopped.bound <= optimum + slack
    assert stopped.objective >= optimum - slack


def test_every_bound_on_the_way_is_below_the_optimum() -> None:
    rng = np.random.default_rng(15)
    reports = 0
    for round_ in range(12):
        problem = knotty(rng, n_tasks=20 + 2 * (round_ % 4), weighted=round_ % 2 == 1)
        seen: list[Progress] = []
        optimum = found(problem, callback=seen.append)
        certified(problem, optimum)
        reports += len(seen)
        assert all(progress.bound <= optimum.objective * (1 + 1e-9) for progress in seen)
        for nodes in {1, len(seen) // 2, len(seen)}:
            stopped = found(problem, callback=lambda progress, most=nodes: progress.nodes >= most)
            assert stopped.bound <= optimum.objective * (1 + 1e-9)
            assert stopped.objective >= optimum.objective * (1 - 1e-12)
        at_once = found(problem, time_limit=0.0)
        assert at_once.bound <= optimum.objective * (1 + 1e-9)
    assert reports >= 100, "too few searches that take more than a node"


def knotty(rng: np.random.Generator, n_tasks: int, *, weighted: bool) -> Instance:
    """Random groups of many tasks, losses without structure: the relaxation leaves a gap that nodes have to close."""
    members_CT = np.vstack([np.eye(n_tasks, dtype=bool), rng.random((30 * n_tasks, n_tasks)) < 3.6 / n_tasks])
    members_CT = members_CT[members_CT.any(axis=1)]
    losses_CT = np.where(members_CT, rng.uniform(0.5, 1.5, members_CT.shape), np.nan)
    weights_T = tuple(rng.uniform(0.5, 2, n_tasks).tolist()) if weighted else (1.0,) * n_tasks
    return Instance(losses_CT, members_CT, np.ones((len(members_CT), 1)), (float(n_tasks // 4 + 1),), weights_T)
