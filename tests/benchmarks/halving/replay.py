"""Halving replayed on curves that are known to the end: which good candidates it loses, and what the choice loses.

Every set of three search seeds is one run. A replay decides on those seeds' validation curves and is judged by the
truth; the choice is checked as in the product: nobody dropped is chosen before it was trained to the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.curves import CurveTable
from grouping.estimators.accuracy import spearman
from grouping.estimators.halving import at_rung, dropped, with_early_losses
from grouping.losses import LossTable
from search.decision.selection import choose
from tests.benchmarks.halving.worlds import World

__all__ = ["Quality", "qualities"]

SEEDS = 3
STARTS = (0.1, 0.25, 0.5)
KEEPS = (0.25, 0.5, 0.75)
_DRAWS = 2000


@dataclass(frozen=True)
class Quality:
    """What halving does on one data set, mean over the sets of three seeds; intervals are over resampled seeds.

    Args:
        world: The data set.
        rungs: Shares of training.
        keep: Share that each rung keeps.
        dropped: Share of the shared groups that was dropped.
        saved: Share of the search's network-epochs, checks of dropped groups counted as spent.
        best_lost: Share of tasks whose truly best shared group was dropped.
        regret: True objective of the choice, minus that of the choice without halving.
        low: Lower end of its 95 % interval.
        high: Upper end.
        error: Mean absolute error of the estimates for dropped groups, against the same seeds trained to the end.
        error_as_read: The same of their last relative losses, taken as they were read.
        same: Share of runs that choose the same networks.
        rung_rank: Rank correlation of the losses at the first rung with the truth, within tasks.
        final_rank: The same of the kept losses after whole trainings.
        truth_rank: The same between two halves of the truth's own seeds.
    """

    world: str
    rungs: tuple[float, ...]
    keep: float
    dropped: float
    saved: float
    best_lost: float
    regret: float
    low: float
    high: float
    error: float
    error_as_read: float
    same: float
    rung_rank: float
    final_rank: float
    truth_rank: float


@dataclass(frozen=True, eq=False)
class _Run:
    """One set of seeds, with and without halving: the truth of the choice by truth seed, and what was dropped."""

    dropped_C: BoolArray
    saved: float
    objective_Q: FloatArray
    networks: frozenset[int]
    rung_rank: float
    errors: tuple[float, float]


def qualities(world: World) -> list[Quality]:
    """Every start and share, on one data set."""
    triples = list(combinations(range(len(world.curves.seeds)), SEEDS))
    tables = [_of_seeds(world.curves, triple) for triple in triples]
    truth_CT = world.truth_QCT.mean(axis=0)
    shared_C = world.plan.shared_C
    plain = [_run(world, curves, (), 1.0) for curves in tables]
    final_rank = float(np.mean([_rank(world, curves.kept(world.reference_T).mean_CT, truth_CT) for curves in tables]))
    found = []
    for start in STARTS:
        rungs = tuple(dict.fromkeys((start, *(share for share in (0.25, 0.5) if share > start))))
        for keep in KEEPS:
            runs = [_run(world, curves, rungs, keep) for curves in tables]
            regret_NQ = np.array([run.objective_Q - other.objective_Q for run, other in zip(runs, plain, strict=True)])
            low, high = _interval(regret_NQ, triples)
            found.append(
                Quality(
                    world.name,
                    rungs,
                    keep,
                    float(np.mean([run.dropped_C.sum() / shared_C.sum() for run in runs])),
                    float(np.mean([run.saved for run in runs])),
                    float(np.mean([_best_lost(world, run.dropped_C, truth_CT) for run in runs])),
                    float(regret_NQ.mean()),
                    low,
                    high,
                    float(np.nanmean([run.errors[0] for run in runs])),
                    float(np.nanmean([run.errors[1] for run in runs])),
                    float(np.mean([a.networks == b.networks for a, b in zip(runs, plain, strict=True)])),
                    float(np.mean([run.rung_rank for run in runs])),
                    final_rank,
                    _split_half(world),
                )
            )
    return found


def _run(world: World, curves: CurveTable, rungs: Sequence[float], keep: float) -> _Run:
    """Search, drop, choose and check on some seeds."""
    plan, members_CT = world.plan, world.plan.candidates.members_CT
    may_C = plan.shared_C & ~members_CT.all(axis=1)
    reached_C = np.ones(len(plan.candidates))
    inside_C, ranks = plan.shared_C.copy(), [np.nan]
    for rung in rungs:
        relative_CT = at_rung(curves, _reading(curves, rung), world.plan.single_T).mean_CT
        if rung == rungs[0]:
            ranks = [_rank(world, relative_CT, world.truth_QCT.mean(axis=0))]
        out_C = dropped(np.where(inside_C[:, None], relative_CT, np.nan), members_CT, plan.capacity_C, keep)
        out_C &= may_C & inside_C
        reached_C[out_C] = rung
        inside_C &= ~out_C
    dropped_C = reached_C < 1
    solution, table = None, _table(world, curves, reached_C)
    errors = _errors(world, curves, reached_C, table) if dropped_C.any() else (np.nan, np.nan)
    while solution is None or (reached_C[solution.chosen] < 1).any():
        if solution is not None:
            reached_C[solution.chosen] = 1.0
            table = _table(world, curves, reached_C)
        solution = choose(plan, table, estimate=False)
    routed_T = solution.chosen[solution.serves_T]
    objective_Q = (world.truth_QCT[:, routed_T, np.arange(len(routed_T))] * plan.weights_T).sum(axis=1)
    return _Run(
        dropped_C,
        float(1 - reached_C.mean()),
        objective_Q,
        frozenset(map(int, solution.chosen)),
        float(ranks[0]),
        errors,
    )


def _errors(world: World, curves: CurveTable, reached_C: FloatArray, table: LossTable) -> tuple[float, float]:
    """Mean absolute errors of the dropped groups' estimates, and of their last relative losses as they were read."""
    final_CT = curves.kept(world.reference_T).mean_CT / world.reference_T
    read_CT = np.full(final_CT.shape, np.nan)
    for share in np.unique(reached_C[reached_C < 1]).tolist():
        which_C = reached_C == share
        read_CT[which_C] = at_rung(curves, _reading(curves, share), world.plan.single_T).mean_CT[which_C]
    guesses = table.mean_CT / world.reference_T, read_CT
    estimated, as_read = (float(np.nanmean(np.abs(guess_CT - final_CT)[reached_C < 1])) for guess_CT in guesses)
    return estimated, as_read


def _table(world: World, curves: CurveTable, reached_C: FloatArray) -> LossTable:
    """Raw losses as the search would hold them where candidates were trained so far."""
    steps = np.arange(len(curves.steps_S))
    last_C = np.array([_reading(curves, share) for share in reached_C.tolist()])
    seen = replace(curves, curves_RCTS=np.where(steps <= last_C[:, None, None], curves.curves_RCTS, np.nan))
    whole = replace(curves, curves_RCTS=np.where((reached_C == 1)[:, None, None], curves.curves_RCTS, np.nan)).kept(
        world.reference_T
    )
    return with_early_losses(whole, seen, reached_C < 1, world.plan.single_T, world.reference_T)


def _reading(curves: CurveTable, share: float) -> int:
    return max(1, int(share * len(curves.steps_S) + 1e-9)) - 1


def _of_seeds(curves: CurveTable, which: Sequence[int]) -> CurveTable:
    return replace(curves, curves_RCTS=curves.curves_RCTS[list(which)], seeds=tuple(curves.seeds[r] for r in which))


def _best_lost(world: World, dropped_C: BoolArray, truth_CT: FloatArray) -> float:
    """Share of tasks whose truly best shared group was dropped."""
    shared_CT = np.where(world.plan.shared_C[:, None], truth_CT, np.nan)
    return float(dropped_C[np.nanargmin(shared_CT, axis=0)].mean())


def _rank(world: World, losses_CT: FloatArray, truth_CT: FloatArray) -> float:
    """Rank correlation over shared groups and tasks, each task's mean removed."""
    cells_CT = world.plan.candidates.members_CT & world.plan.shared_C[:, None]
    sides = [np.where(cells_CT, side_CT, np.nan) for side_CT in (losses_CT / world.reference_T, truth_CT)]
    return spearman(*((side_CT - np.nanmean(side_CT, axis=0))[cells_CT] for side_CT in sides))


def _split_half(world: World) -> float:
    """Rank correlation of the truth of half of its seeds with that of the other half, mean over all ways to halve."""
    n = len(world.truth_QCT)
    found = []
    for half in combinations(range(n), n // 2):
        other = [q for q in range(n) if q not in half]
        sides = (world.truth_QCT[list(which)].mean(axis=0) * world.reference_T for which in (half, other))
        first_CT, second_CT = sides
        found.append(_rank(world, first_CT, second_CT))
    return float(np.mean(found))


def _interval(regret_NQ: FloatArray, triples: Sequence[tuple[int, ...]]) -> tuple[float, float]:
    """95 % percentile interval of the mean regret over resampled search seeds and truth seeds.

    A triple counts as often as its seeds can be drawn from the resampled ones.
    """
    rng = np.random.default_rng(0)
    n_seeds, n_truth = 1 + max(map(max, triples)), regret_NQ.shape[1]
    means: list[float] = []
    for _ in range(_DRAWS):
        times_R = np.bincount(rng.integers(n_seeds, size=n_seeds), minlength=n_seeds)
        weight_N = np.prod(times_R[np.array(triples)], axis=1)
        if weight_N.sum():
            truth_Q = np.bincount(rng.integers(n_truth, size=n_truth), minlength=n_truth)
            means.append(float(weight_N @ regret_NQ @ truth_Q / weight_N.sum() / n_truth))
    low, high = np.quantile(means, [0.025, 0.975]).tolist()
    return low, high
