"""Strategies run again and again on a table that is known in full, and what became of their choices.

Two measures, each a mean over the budgets: *captured* is 0 for the best of singles and all-in-one with nothing trained
and 1 for the optimum; *share of the optimum* is the gain over a network per task relative to the largest possible gain.

Axes: ``R`` runs, ``K`` budgets, ``M`` moments (numbers of trained groups) at which is chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.acquisition import STRATEGIES
from grouping.acquisition.goals import Goals
from grouping.acquisition.strategy import Situation
from grouping.candidates import FloatArray, IntArray
from grouping.errors import InputError
from grouping.losses import LossTable
from grouping.replay.oracle import Oracle
from grouping.tasks import nearest_name

__all__ = ["Replay", "StrategyReplay", "replay"]

_JITTER = 0.05
"""Noise on what a strategy sees of an exact table, relative to the spread of its losses: one path is luck."""
_ROUND = 3
"""A round proposes a third as many groups as there are tasks; one where there are five or fewer."""


@dataclass(frozen=True, eq=False)
class StrategyReplay:
    """What one strategy reached.

    Args:
        name: The strategy's.
        groups_M: Trained groups at each moment.
        captured_RMK: Share of what could be gained over choosing from what is free.
        share_RMK: Gain over a network per task, relative to the largest; NaN where none gains.
        objective_RMK: True objective of the choice.
        scored_RMK: Its objective on the other part; NaN without one.
    """

    name: str
    groups_M: IntArray
    captured_RMK: FloatArray
    share_RMK: FloatArray
    objective_RMK: FloatArray
    scored_RMK: FloatArray


@dataclass(frozen=True, eq=False)
class Replay:
    """What several strategies reached under the same budgets.

    Args:
        limit_K: The budgets.
        optimum_RK: True objective of the best grouping in each run.
        strategies: One each.
    """

    limit_K: tuple[float, ...]
    optimum_RK: FloatArray
    strategies: tuple[StrategyReplay, ...]


def replay(
    goals: Goals,
    table: LossTable,
    groups: int,
    runs: int,
    *,
    strategies: Sequence[str] = tuple(STRATEGIES),
    scored: LossTable | None = None,
    moments: int = 8,
    seed: int = 0,
    progress: Callable[[str, int], None] = lambda name, run: None,
) -> Replay:
    """Run strategies on a complete table.

    Args:
        goals: Candidates (the table's) and budgets.
        table: A loss for every candidate, task and seed; lower is better.
        groups: Trained groups of two or more tasks after which a run ends.
        runs: How often each strategy is run, with other random numbers.
        strategies: Names of ``STRATEGIES``.
        scored: The same table on another part.
        moments: At how many numbers of trained groups is chosen; the last is ``groups``.
        seed: Everything follows from it.
        progress: Told before each run.

    Raises:
        InputError: a table that is not complete, an unknown strategy, or more groups than there are.
    """
    for name in strategies:
        if name not in STRATEGIES:
            raise InputError(f"there is no strategy '{name}'", where="--strategy", fix=nearest_name(name, STRATEGIES))
    sizes_C = goals.candidates.size_C
    trainable = int(((sizes_C > 1) & (sizes_C < goals.candidates.n_tasks)).sum())
    if not 1 <= groups <= trainable:
        raise InputError(
            f"{groups} groups cannot be trained: the table has {trainable} of two or more tasks beside the all-in-one",
            where="--groups",
            fix=f"Give 1 to {trainable}",
        )
    groups_M = np.unique(np.linspace(0, groups, moments + 1).round().astype(np.int64))
    oracles = [Oracle.of(goals, table, np.random.default_rng([seed, run]), scored) for run in range(runs)]
    found = []
    for name in strategies:
        shape = (runs, len(groups_M), len(goals.limit_K))
        objective_RMK, scored_RMK = np.full(shape, np.nan), np.full(shape, np.nan)
        for run, oracle in enumerate(oracles):
            progress(name, run)
            rng = np.random.default_rng([seed, run, 1 + sum(name.encode())])
            objective_RMK[run], scored_RMK[run] = _one_run(oracle, name, groups_M, rng)
        best_RMK = np.stack([oracle.best_K for oracle in oracles])[:, None]
        start_RMK = np.stack([oracle.start_K for oracle in oracles])[:, None]
        alone_R11 = np.array([_alone(oracle) for oracle in oracles])[:, None, None]
        found.append(
            StrategyReplay(
                name,
                groups_M,
                _ratio(start_RMK - objective_RMK, start_RMK - best_RMK, nothing=1.0),
                _ratio(alone_R11 - objective_RMK, alone_R11 - best_RMK, nothing=np.nan),
                objective_RMK,
                scored_RMK,
            )
        )
    return Replay(goals.limit_K, np.stack([oracle.best_K for oracle in oracles]), tuple(found))


def _one_run(oracle: Oracle, name: str, groups_M: IntArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """True and scored objective of the choice at each moment, [M, K] each."""
    strategy, goals = STRATEGIES[name](), oracle.goals
    trainings_C = np.zeros(len(goals.candidates), np.int64)
    jitter_CT = np.zeros(goals.candidates.members_CT.shape)
    if oracle.exact:
        away_CT = oracle.truth_CT - np.nanmean(oracle.truth_CT[oracle.free_C], axis=0)
        jitter_CT = _JITTER * float(np.nanstd(away_CT)) * rng.standard_normal(jitter_CT.shape)
    size = max(1, goals.candidates.n_tasks // _ROUND) if goals.candidates.n_tasks > 5 else 1
    objective_MK = np.full((len(groups_M), len(goals.limit_K)), np.nan)
    scored_MK = objective_MK.copy()
    done = 0
    for m, moment in enumerate(groups_M.tolist()):
        while done < moment:
            situation = oracle.situation(trainings_C)
            if not situation.trainable_C.any():
                break
            blurred = replace(situation, measured=_blurred(situation, jitter_CT))
            for c in strategy.propose(blurred, min(size, moment - done), rng):
                trainings_C[c] += 1
                done += 1
        known = oracle.situation(trainings_C)
        judged_CT = strategy.judged(known)
        for k, limit in enumerate(goals.limit_K):
            solution = goals.best(judged_CT, limit, known.trained_C)
            if solution is not None:
                objective_MK[m, k] = oracle.value(solution)
                if oracle.scored_CT is not None:
                    scored_MK[m, k] = oracle.score(solution)
    return objective_MK, scored_MK


def _blurred(situation: Situation, jitter_CT: FloatArray) -> LossTable:
    return replace(situation.measured, losses_RCT=situation.measured.losses_RCT + jitter_CT)


def _alone(oracle: Oracle) -> float:
    """True objective of the best network of its own for every task, whatever that costs."""
    alone_C = oracle.goals.candidates.size_C == 1
    alone_T = np.nanmin(oracle.truth_CT, axis=0, initial=np.inf, where=alone_C[:, None])
    return float(np.where(np.isfinite(alone_T), alone_T, 0.0) @ oracle.goals.weights_T)


def _ratio(gained: FloatArray, most: FloatArray, *, nothing: float) -> FloatArray:
    """Gained over the most that could be; ``nothing`` where there is nothing to gain."""
    most = np.broadcast_to(most, gained.shape)
    ratio = np.full(gained.shape, nothing)
    np.divide(gained, most, out=ratio, where=most > 1e-12)
    return np.where(np.isnan(gained), np.nan, ratio)
