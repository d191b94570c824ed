"""Grouping from a table of pairs gives what grouping all subsets gives, and never sees them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from grouping.errors import InfeasibleError, InputError
from grouping.solver.frontier import solve_frontier
from grouping.solver.implicit import frontier_from_pairs, solve_from_pairs
from grouping.solver.pricing import attractive, climb, masks_of, members_of
from grouping.solver.solution import Progress, Solution
from grouping.solver.solve import solve
from tests.grouping.solver.families import Bool, Float, members_of_all_subsets, pair_table


def group_loss(pair_TT: Float, members: list[int], task: int) -> float:
    """The definition, one number at a time."""
    partners = [other for other in members if other != task]
    return float(np.mean([pair_TT[task, other] for other in partners])) if partners else float(pair_TT[task, task])


def every_group(pair_TT: Float) -> tuple[Float, Bool]:
    members_CT = members_of_all_subsets(len(pair_TT))
    losses_CT = np.full(members_CT.shape, np.nan)
    for c, members_T in enumerate(members_CT):
        members = np.flatnonzero(members_T).tolist()
        losses_CT[c, members] = [group_loss(pair_TT, members, task) for task in members]
    return losses_CT, members_CT


def check(solution: Solution, pair_TT: Float, weights_T: list[float], limit: float) -> None:
    """Everything in a solution, recomputed from the pairs."""
    assert len(solution.chosen) == solution.cost <= limit
    assert solution.chosen.tolist() == sorted(set(solution.chosen.tolist()))
    assert (masks_of(solution.members_GT) == solution.chosen).all()
    total = 0.0
    for task, server in enumerate(solution.serves_T.tolist()):
        groups = [np.flatnonzero(members_T).tolist() for members_T in solution.members_GT]
        offers = [group_loss(pair_TT, members, task) for members in groups if task in members]
        assert task in groups[server]
        assert group_loss(pair_TT, groups[server], task) == pytest.approx(min(offers), rel=1e-12)
        assert solution.losses_T[task] == pytest.approx(min(offers), rel=1e-12)
        total += weights_T[task] * min(offers)
    assert solution.objective == pytest.approx(total, rel=1e-12)
    assert solution.bound <= solution.objective
    assert solution.certificate is None


def instance(kind: str, n_tasks: int, seed: int) -> tuple[Float, list[float]]:
    """Pairs and weights; every third seed has rounded pairs, every third negative ones."""
    rng = np.random.default_rng([77, seed, n_tasks])
    pair_TT = pair_table(kind, n_tasks, rng)
    np.fill_diagonal(pair_TT, rng.uniform(0.9, 1.05, n_tasks))
    if seed % 3 == 1:
        pair_TT = pair_TT.round(2)
    elif seed % 3 == 2:
        pair_TT = 40 * (pair_TT - 1)
    return pair_TT, rng.uniform(0.2, 3, n_tasks).tolist() if seed % 2 else [1.0] * n_tasks


@pytest.mark.parametrize("kind", ["iid", "lat"])
@pytest.mark.parametrize("n_tasks", range(1, 11))
def test_it_is_the_best_of_all_groups(kind: str, n_tasks: int) -> None:
    for seed in range(3):
        pair_TT, weights_T = instance(kind, n_tasks, seed)
        losses_CT, _ = every_group(pair_TT)
        for max_size in (None, 1, 3):
            for budget in sorted({1.0, 2.5, 3.0, 5.0, float(n_tasks)}):
                if int(budget) * (max_size or n_tasks) < n_tasks:
                    continue
                options = {"budget": budget, "weights_T": weights_T, "max_size": max_size}
                expected = solve(losses_CT, np.ones(len(losses_CT)), **options)  # type: ignore[arg-type]
                found = solve_from_pairs(pair_TT, **options)  # type: ignore[arg-type]
                assert found.proven_optimal
                assert found.budget == budget
                assert found.objective == pytest.approx(expected.objective, rel=1e-12, abs=1e-12)
                check(found, pair_TT, weights_T, budget)
                if seed % 3 != 1:  # no ties
                    assert found.chosen.tolist() == (expected.chosen + 1).tolist()
                    assert found.serves_T.tolist() == expected.serves_T.tolist()


@pytest.mark.parametrize(("kind", "n_tasks"), [("iid", 11), ("lat", 12), ("iid", 12)])
def test_it_is_the_best_of_thousands_of_groups(kind: str, n_tasks: int) -> None:
    pair_TT, weights_T = instance(kind, n_tasks, 3)
    losses_CT, _ = every_group(pair_TT)
    for budget in (2.0, 4.0, 6.0):
        expected = solve(losses_CT, np.ones(len(losses_CT)), budget, weights_T=weights_T)
        found = solve_from_pairs(pair_TT, budget, weights_T=weights_T)
        assert found.proven_optimal
        assert found.objective == pytest.approx(expected.objective, rel=1e-12)
        check(found, pair_TT, weights_T, budget)


@pytest.mark.parametrize("kind", ["iid", "lat"])
@pytest.mark.parametrize(("n_tasks", "max_size"), [(1, None), (4, None), (7, None), (8, 3), (9, None), (6, 1)])
def test_the_frontier_is_that_of_all_groups(kind: str, n_tasks: int, max_size: int | None) -> None:
    for seed in (0, 3, 5):
        pair_TT, weights_T = instance(kind, n_tasks, seed)
        losses_CT, _ = every_group(pair_TT)
        expected = solve_frontier(losses_CT, np.ones(len(losses_CT)), weights_T=weights_T, max_size=max_size)
        found = frontier_from_pairs(pair_TT, weights_T=weights_T, max_size=max_size)
        assert [point.cost for point in found] == [point.cost for point in expected]
        for point, other in zip(found, expected, strict=True):
            assert point.proven_optimal
            assert point.budget == point.cost
            assert point.objective == pytest.approx(other.objective, rel=1e-12)
            check(point, pair_TT, weights_T, point.budget)


def test_the_frontier_ends_at_the_largest_number_of_networks() -> None:
    pair_TT, _ = instance("iid", 8, 0)
    whole = frontier_from_pairs(pair_TT)
    part = frontier_from_pairs(pair_TT, max_networks=3)
    assert [point.objective for point in part] == [point.objective for point in whole if point.cost <= 3]


@pytest.mark.parametrize("seed", range(6))
def test_renaming_tasks_renames_the_answer(seed: int) -> None:
    pair_TT, weights_T = instance("iid" if seed % 2 else "lat", 13, seed // 3 * 3)
    order_T = np.random.default_rng(seed).permutation(13)
    found = solve_from_pairs(pair_TT, 3.0, weights_T=weights_T)
    renamed = solve_from_pairs(pair_TT[np.ix_(order_T, order_T)], 3.0, weights_T=[weights_T[t] for t in order_T])
    assert renamed.objective == pytest.approx(found.objective, rel=1e-12)
    assert {tuple(row) for row in renamed.members_GT} == {tuple(row) for row in found.members_GT[:, order_T]}


@pytest.mark.parametrize("kind", ["iid", "lat"])
def test_scale_and_weights_work_together(kind: str) -> None:
    pair_TT, weights_T = instance(kind, 14, 0)
    plain = solve_from_pairs(pair_TT, 4.0, weights_T=weights_T)
    scaled = solve_from_pairs(1e-7 * pair_TT, 4.0, weights_T=[1e4 * weight for weight in weights_T])
    assert scaled.proven_optimal
    assert scaled.chosen.tolist() == plain.chosen.tolist()
    assert scaled.objective == pytest.approx(1e-3 * plain.objective, rel=1e-9)


@pytest.mark.parametrize("n_tasks", [3, 8, 18])
def test_where_all_groupings_tie_the_smallest_number_of_networks_is_proven(n_tasks: int) -> None:
    solution = solve_from_pairs(np.ones((n_tasks, n_tasks)), float(n_tasks))
    assert solution.proven_optimal
    assert solution.objective == pytest.approx(n_tasks, rel=1e-12)
    assert solution.cost == 1
    assert len(frontier_from_pairs(np.ones((n_tasks, n_tasks)))) == 1


def test_ties_end_as_among_all_groups() -> None:
    rng = np.random.default_rng(5)
    for n_tasks in (3, 4, 5, 6):
        pair_TT = rng.choice([0.9, 1.0, 1.1], (n_tasks, n_tasks))
        losses_CT, _ = every_group(pair_TT)
        for budget in (1.0, 2.0, 3.0):
            expected = solve(losses_CT, np.ones(len(losses_CT)), budget)
            found = solve_from_pairs(pair_TT, budget)
            assert found.objective == pytest.approx(expected.objective, rel=1e-12)
            assert found.chosen.tolist() == (expected.chosen + 1).tolist()


def test_one_task() -> None:
    solution = solve_from_pairs([[0.7]], 3)
    assert (solution.objective, solution.bound, solution.cost, solution.chosen.tolist()) == (0.7, 0.7, 1.0, [1])


def test_no_limit_gives_every_task_its_best_partner() -> None:
    pair_TT, _ = instance("iid", 20, 0)
    assert solve_from_pairs(pair_TT).objective == pytest.approx(pair_TT.min(axis=1).sum(), rel=1e-12)


def raise_interrupt(progress: Progress) -> bool:
    raise KeyboardInterrupt


class Patience:
    """Ends the search when asked for the last time, and writes down what it is told."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.seen: list[Progress] = []

    def __call__(self, progress: Progress) -> bool:
        self.seen.append(progress)
        return len(self.seen) >= self.times


@pytest.mark.parametrize("times", [1, 2, 3, 5, 9, 14])
def test_what_is_stopped_early_has_a_bound_that_holds(times: int) -> None:
    pair_TT, weights_T = instance("iid", 16, 3)
    best = solve_from_pairs(pair_TT, 4.0, weights_T=weights_T).objective
    patience = Patience(times)
    solution = solve_from_pairs(pair_TT, 4.0, weights_T=weights_T, callback=patience)
    assert solution.stopped == "callback"
    assert solution.bound <= best * (1 + 1e-12)
    assert solution.objective >= best * (1 - 1e-12)
    check(solution, pair_TT, weights_T, 4.0)
    for progress in patience.seen:
        assert progress.bound <= best * (1 + 1e-12)
        assert progress.objective is not None
        assert progress.objective >= best * (1 - 1e-12)


@pytest.mark.parametrize("times", [1, 2, 4, 8, 100])
def test_a_search_that_takes_long_approaches_its_bound(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    pair_TT, weights_T = instance("iid", 15, 3)
    best = solve_from_pairs(pair_TT, 3.0, weights_T=weights_T)
    monkeypatch.setattr("grouping.solver.implicit._QUICK", 100)
    monkeypatch.setattr("grouping.solver.pricing._CHUNK", 64)

    def interrupt(progress: Progress) -> bool:
        seen.append(progress.bound)
        if len(seen) == times:
            raise KeyboardInterrupt
        return False

    seen: list[float] = []
    stopped = solve_from_pairs(pair_TT, 3.0, weights_T=weights_T, callback=interrupt)
    assert stopped.stopped == "interrupted"
    assert seen == sorted(seen)
    assert seen[-1] <= stopped.bound <= best.objective * (1 + 1e-12)
    patient = solve_from_pairs(pair_TT, 3.0, weights_T=weights_T)
    assert patient.proven_optimal
    assert patient.chosen.tolist() == best.chosen.tolist()


@pytest.mark.parametrize(
    ("options", "stopped"), [({"time_limit": 0.0}, "time limit"), ({"callback": raise_interrupt}, "interrupted")]
)
def test_time_and_interruption_end_it(options: dict[str, Callable[[Progress], bool]], stopped: str) -> None:
    pair_TT, _ = instance("lat", 14, 0)
    best = solve_from_pairs(pair_TT, 3.0).objective
    solution = solve_from_pairs(pair_TT, 3.0, **options)  # type: ignore[arg-type]
    assert solution.stopped == stopped
    assert solution.bound <= best <= solution.objective * (1 + 1e-12)
    assert not solution.proven_optimal
    points = frontier_from_pairs(pair_TT, **options)  # type: ignore[arg-type]
    assert points[0].stopped == stopped
    check(points[0], pair_TT, [1.0] * 14, 14.0)


@pytest.mark.parametrize("kind", ["iid", "lat"])
@pytest.mark.parametrize("threshold", [0.2, 0.1, 0.0, -0.03])
def test_attractive_groups_are_all_groups_above_the_threshold(kind: str, threshold: float) -> None:
    rng = np.random.default_rng(9)
    pair_TT = pair_table(kind, 9, rng)
    gain_TT = rng.uniform(0.97, 1.05, 9)[:, None] - pair_TT
    np.fill_diagonal(gain_TT, 0.0)
    expected = {}
    for mask in range(1, 2**9):
        members = [t for t in range(9) if mask >> t & 1]
        if 2 <= len(members) <= 7:
            share = [sum(gain_TT[t, u] for u in members) / (len(members) - 1) for t in members]
            profit = sum(max(0.0, value) for value in share) or max(share)
            if profit >= threshold:
                expected[mask] = profit
    found = attractive(gain_TT, threshold, largest=7)
    assert found.finished
    assert dict(zip(found.masks_C.tolist(), found.profit_C.tolist(), strict=True)) == pytest.approx(expected)
    assert found.most == pytest.approx(max(expected.values()))
    stopped = attractive(gain_TT, threshold, largest=7, stop=lambda most, nodes: nodes > 100)
    assert not stopped.finished
    assert stopped.most >= max(expected.values())
    few = attractive(gain_TT, threshold, largest=7, at_most=8)
    assert few.finished
    assert len(few.masks_C) <= 8
    assert {mask for mask, profit in expected.items() if profit > few.threshold} == set(few.masks_C.tolist())


def test_climbing_ends_where_no_task_can_be_added_or_dropped() -> None:
    rng = np.random.default_rng(3)
    gain_TT = rng.normal(0, 1, (8, 8))
    np.fill_diagonal(gain_TT, 0.0)
    members_MT, profit_M = climb(gain_TT, rng.random((20, 8)) < 0.4, 5)

    def profit(members_T: Bool) -> float:
        inside = np.flatnonzero(members_T)
        return float(np.maximum(gain_TT[np.ix_(inside, inside)].sum(axis=1), 0).sum() / max(len(inside) - 1, 1))

    for members_T, value in zip(members_MT, profit_M.tolist(), strict=True):
        assert profit(members_T) == pytest.approx(value)
        for t in range(8):
            other_T = members_T.copy()
            other_T[t] ^= True
            if other_T.sum() <= 5:
                assert profit(other_T) <= value + 1e-9
    assert (members_of(masks_of(members_MT), 8) == members_MT).all()


def test_what_makes_no_sense_is_refused() -> None:
    pair_TT = np.ones((3, 3))
    for wrong, message in (
        (np.ones((3, 2)), r"shape \(3, 2\)"),
        (np.ones((0, 0)), r"shape \(0, 0\)"),
        ([["a"]], "must be numbers"),
        (np.ones((63, 63)), "at most 62"),
        (np.where(np.eye(3), np.nan, 1.0), "task 0 with task 0 is nan"),
    ):
        with pytest.raises(InputError, match=message):
            solve_from_pairs(wrong, 2.0)
    for options, message in (
        ({"weights_T": [1.0, 1.0]}, "2 weights for 3 tasks"),
        ({"weights_T": [1.0, 0.0, 1.0], "tasks": ["a", "b", "c"]}, "weight 0.0 of task 'b'"),
        ({"budget": np.inf}, "budget"),
        ({"budget": -1.0}, "budget"),
        ({"max_size": 0}, "max_size is 0"),
        ({"max_networks": 0}, "max_networks is 0"),
        ({"tasks": ["a"]}, "1 task names for 3 tasks"),
        ({"time_limit": -1.0}, "time limit"),
    ):
        with pytest.raises(InputError, match=message):
            solve_from_pairs(pair_TT, **options)


def test_a_budget_that_is_too_small_names_the_smallest_that_would_do() -> None:
    with pytest.raises(InfeasibleError) as raised:
        solve_from_pairs(np.ones((3, 3)), 0.9)
    assert raised.value.minimum_budget == 1.0
    with pytest.raises(InfeasibleError) as raised:
        solve_from_pairs(np.ones((7, 7)), 3.0, max_size=2)
    assert raised.value.minimum_budget == 4.0
    with pytest.raises(InfeasibleError, match="At least 4"):
        frontier_from_pairs(np.ones((7, 7)), max_networks=3, max_size=2)
