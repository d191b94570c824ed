"""The other parts: groups that are never enumerated, frontiers, pools, re-solves."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from grouping.evidence import bootstrap
from grouping.solver.frontier import solve_frontier
from grouping.solver.implicit import frontier_from_pairs, solve_from_pairs
from grouping.solver.solve import solve
from tests.benchmarks.solver.measurement import Finding, Measurement, interleaved, status_of
from tests.benchmarks.solver.peers import highs
from tests.benchmarks.solver.scale import ours
from tests.grouping.solver.families import family, pair_table, pool

__all__ = ["frontier", "pairs", "pools", "uncertainty"]

Float = NDArray[np.float64]

PAIRS_LIMIT, POOL_LIMIT, LARGE_POOL_LIMIT = 120.0, 30.0, 10.0


def pair_losses(kind: str, n_tasks: int) -> Float:
    """The table of pairs that the family ``hoa-KIND`` of seed 0 is made of."""
    return pair_table(kind, n_tasks, np.random.default_rng([0, n_tasks]))


def pairs(*, tiny: bool) -> Iterator[Measurement]:
    """From the table of pairs alone; up to 15 tasks the answer is compared with that of the enumerated table."""
    for n_tasks in (10,) if tiny else (10, 12, 15, 20, 24, 30):
        for kind in ("lat", "iid"):
            pair_TT = pair_losses(kind, n_tasks)
            for budget in (3, 5):
                repeats = {"ours": 1 if n_tasks == 30 else 3}
                said = interleaved({"ours": partial(_from_pairs, pair_TT, budget)}, repeats)["ours"]
                if n_tasks <= 15:
                    enumerated = solve(*family(f"hoa-{kind}", n_tasks, 0), float(budget))
                    assert abs(enumerated.objective - said["objective"]) <= 1e-9
                yield Measurement("pairs", f"hoa-{kind} 0", n_tasks, budget, 2**n_tasks - 1, **said)


def _from_pairs(pair_TT: Float, budget: float) -> Finding:
    found = solve_from_pairs(pair_TT, budget, time_limit=PAIRS_LIMIT)
    return Finding(found.objective, found.bound, status_of(found.proven_optimal, found.stopped))


def frontier(*, tiny: bool) -> Iterator[Measurement]:
    """Every budget at once; the note says how many points there are."""
    cases = [("hoa-lat", 10)] if tiny else [("hoa-lat", 12), ("hoa-lat", 15), ("noise-iid", 15), ("hoa-lat", 20)]
    for name, n_tasks in cases:
        losses_CT, cost_C = family(name, n_tasks, 0)
        counts: list[int] = []
        runs = {"ours": partial(_front, losses_CT, cost_C, counts)}
        said = interleaved(runs, {"ours": 1 if n_tasks == 20 else 3})["ours"]
        note = f"{counts[-1]} points"
        yield Measurement("frontier", f"{name} 0", n_tasks, math.nan, len(losses_CT), **said, note=note)
    for kind in ("lat",) if tiny else ("lat", "iid"):
        n_tasks = 10 if tiny else 20
        counts = []
        runs = {"ours": partial(_front_from_pairs, pair_losses(kind, n_tasks), counts)}
        said = interleaved(runs, {"ours": 1})["ours"]
        note = f"{counts[-1]} points, from pairs"
        yield Measurement("frontier", f"hoa-{kind} 0", n_tasks, math.nan, 2**n_tasks - 1, **said, note=note)


def _front(losses_CT: Float, cost_C: Float, counts: list[int]) -> Finding:
    points = solve_frontier(losses_CT, cost_C)
    counts.append(len(points))
    proven = all(point.proven_optimal for point in points)
    return Finding(math.nan, math.nan, status_of(proven, points[0].stopped))


def _front_from_pairs(pair_TT: Float, counts: list[int]) -> Finding:
    points = frontier_from_pairs(pair_TT, time_limit=PAIRS_LIMIT)
    counts.append(len(points))
    proven = all(point.proven_optimal for point in points)
    return Finding(math.nan, math.nan, status_of(proven, points[0].stopped))


def pools(*, tiny: bool) -> Iterator[Measurement]:
    """Some groups of many tasks, ours and HiGHS with the same time limit."""
    cases: list[tuple[int, int, int, bool, tuple[int, ...], float]]
    cases = [(50, 5000, seed, False, (8, 10, 15), POOL_LIMIT) for seed in (0, 1)]
    cases += [(50, 5000, 0, True, (8, 10, 15, 20), POOL_LIMIT), (30, 3000, 0, False, (8, 10), POOL_LIMIT)]
    cases += [(200, 20_000, 0, False, (20, 40), LARGE_POOL_LIMIT)]
    for n_tasks, count, seed, mixed, budgets, limit in [(30, 300, 0, False, (8,), 5.0)] if tiny else cases:
        losses_CT, cost_C = pool(n_tasks, count, seed, mixed_costs=mixed)
        for budget in budgets:
            question = (losses_CT, cost_C, float(budget), limit)
            solvers = {"ours": partial(_ours_until, *question)}
            if n_tasks < 200 or budget == budgets[0]:  # there HiGHS takes seven minutes to notice that 10 s are over
                solvers["HiGHS"] = partial(highs, *question)
            taken = interleaved(solvers, dict.fromkeys(solvers, 1))
            mine, peer = taken["ours"], taken.get("HiGHS")
            if peer and mine["status"] == peer["status"] == "optimal":
                assert abs(mine["objective"] - peer["objective"]) <= 2e-7 * mine["objective"], taken
            name = f"pool, {'mixed' if mixed else 'unit'} costs {seed}"
            for said in taken.values():
                yield Measurement("pools", name, n_tasks, budget, count, **said, note=f"limit {limit:g} s")


def _ours_until(losses_CT: Float, cost_C: Float, budget: float, limit: float) -> Finding:
    return ours(losses_CT, cost_C, budget, limit)


def uncertainty(*, tiny: bool) -> Iterator[Measurement]:
    """A thousand re-solves of eight tasks with three seeds, and the ten best groupings."""
    losses_CT, cost_C = family("noise-lat", 8, 0)
    losses_RCT = losses_CT * (1 + 0.01 * np.random.default_rng(0).normal(size=(3, *losses_CT.shape)))
    draws = 50 if tiny else 1000

    def resolve() -> Finding:
        bootstrap(losses_RCT, cost_C, budget=3.0, draws=draws)
        return Finding(math.nan, math.nan, "optimal")

    def ten_best() -> Finding:
        found = solve(losses_CT, cost_C, 3.0, top=10)
        assert len(found.alternatives) == 9
        return Finding(found.objective, found.bound, "optimal")

    repeats = 1 if tiny else 3
    for note, run in ((f"{draws} re-solves", resolve), ("the 10 best", ten_best)):
        said = interleaved({"ours": run}, {"ours": repeats})["ours"]
        yield Measurement("uncertainty", "noise-lat 0", 8, 3, len(losses_CT), **said, note=note)
