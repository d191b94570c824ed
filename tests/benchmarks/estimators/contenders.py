"""Searches under one budget of training seconds: something estimates, the rest of the budget trains what looks best.

Everybody has single tasks and the network of all tasks for free, counts a network of a group as one training of all
tasks, and chooses among what was trained with every seen seed.

Axes: ``R`` seen seeds, ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from grouping.acquisition import STRATEGIES, Goals
from grouping.acquisition.strategy import Situation
from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.estimators.higher_order import higher_order
from grouping.estimators.linear_surrogate import linear_surrogate
from grouping.estimators.one_run import ONE_RUN, from_runs
from grouping.losses import LossTable
from grouping.solver.baselines import clustering
from grouping.solver.solution import Solution
from tests.benchmarks.estimators.settings import Setting

__all__ = ["CONTENDERS", "Seen", "budget", "choose"]

Guess = Callable[[LossTable], FloatArray]

_ROUND = 8
"""Trainings that the adaptive search decides on together."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What a search may look at.

    Args:
        setting: The setting.
        rows: The seeds that may be seen.
    """

    setting: Setting
    rows: list[int]

    @property
    def table(self) -> LossTable:
        """Everything that trainings with those seeds would show."""
        return _rows(self.setting.table, self.rows)

    @property
    def free_C(self) -> BoolArray:
        """Single tasks and the network of all tasks."""
        sizes_C = self.setting.table.candidates.size_C
        return np.asarray((sizes_C == 1) | (sizes_C == self.setting.table.candidates.n_tasks))

    def known(self, trained_C: BoolArray) -> LossTable:
        """What is known once some candidates were trained."""
        table = self.table
        return replace(table, losses_RCT=np.where(trained_C[:, None], table.losses_RCT, np.nan))


def budget(setting: Setting) -> int:
    """Groups that a search may train: every pair, and twice what it serves."""
    n_tasks = setting.table.candidates.n_tasks
    return n_tasks * (n_tasks - 1) // 2 + 2 * int(setting.goals.limit_K[0])


def choose(name: str, seen: Seen, rng: np.random.Generator) -> Solution:
    """The grouping that a contender ends with."""
    goals, most = seen.setting.goals, float(budget(seen.setting))
    if name == "adaptive":
        return _adaptive(seen, int(most), rng)
    trained_C, spent, guess = CONTENDERS[name](seen, rng)
    trained_C, most = trained_C | seen.free_C, most - spent
    while most >= 1:
        known = seen.known(trained_C)
        guessed_CT = np.where(trained_C[:, None], known.mean_CT, guess(known))
        solution = goals.best(guessed_CT, goals.limit_K[0])
        assert solution is not None
        wanted = [int(c) for c in solution.chosen if not trained_C[c]]
        if not wanted:  # the next best look: whatever promises most for one of its tasks
            best_T = np.nanmin(guessed_CT[trained_C], axis=0)
            promise_C = np.nanmax(np.where(np.isnan(guessed_CT), -np.inf, best_T - guessed_CT), axis=1)
            promise_C[trained_C] = -np.inf
            if not np.isfinite(promise_C).any():
                break
            wanted = [int(promise_C.argmax())]
        for c in wanted[: int(most)]:
            trained_C[c] = True
            most -= 1
    solution = goals.best(seen.known(trained_C).mean_CT, goals.limit_K[0])
    assert solution is not None
    return solution


def _random(seen: Seen, rng: np.random.Generator, count: float) -> BoolArray:
    drawn_C = np.zeros(len(seen.free_C), dtype=bool)
    drawn_C[rng.permutation(np.flatnonzero(~seen.free_C))[: int(count)]] = True
    return drawn_C


def _nothing(known: LossTable) -> FloatArray:
    return np.full(known.mean_CT.shape, np.nan)


def _random_groups(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
    count = budget(seen.setting)
    return _random(seen, rng, count), count, _nothing


def _pairs(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
    pairs_C = seen.setting.table.candidates.size_C == 2
    return pairs_C, float(pairs_C.sum()), lambda known: higher_order(known).mean_CT


def _surrogate(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
    count = 2 * seen.setting.table.candidates.n_tasks

    def guess(known: LossTable) -> FloatArray:
        try:
            return linear_surrogate(known).mean_CT
        except InputError:
            return _nothing(known)

    return _random(seen, rng, count), count, guess


def _early(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
    setting = seen.setting
    groups = int((~seen.free_C).sum())
    epochs = max(1, int(setting.epochs * (budget(setting) - 2 * setting.goals.limit_K[0]) / groups))
    early = _rows(setting.early[epochs], seen.rows).mean_CT
    # Early losses are on another scale: they are brought to that of the networks that were trained to the end.
    free_CT = np.where(seen.free_C[:, None], seen.table.mean_CT, np.nan)

    def guess(known: LossTable) -> FloatArray:
        shift_T = np.nanmean(free_CT - np.where(seen.free_C[:, None], early, np.nan), axis=0)
        return np.asarray(early + shift_T)

    return np.zeros(len(seen.free_C), dtype=bool), groups * epochs / setting.epochs, guess


def _clusters(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
    table, most = seen.setting.table, budget(seen.setting)
    wanted_C = np.zeros(len(seen.free_C), dtype=bool)
    for networks in range(2, int(seen.setting.goals.limit_K[0]) + 1):
        for group in clustering(seen.setting.similarity_TT, networks):
            members_T = np.isin(np.arange(table.candidates.n_tasks), group)
            wanted_C |= (table.candidates.members_CT == members_T).all(axis=1)
    return wanted_C, most, _nothing  # there is nothing else that correlations would have trained


def _one_run(name: str) -> Callable[[Seen, np.random.Generator], tuple[BoolArray, float, Guess]]:
    def start(seen: Seen, rng: np.random.Generator) -> tuple[BoolArray, float, Guess]:
        seeds = [seen.setting.table.seeds[r] for r in seen.rows]
        runs = {seed: seen.setting.seen[name][seed] for seed in seeds}
        cost = seen.setting.cost["linearise" if name == "linearised" else "gradients"]
        return np.zeros(len(seen.free_C), dtype=bool), cost, lambda known: from_runs(known, name, runs).mean_CT

    return start


CONTENDERS: dict[str, Callable[[Seen, np.random.Generator], tuple[BoolArray, float, Guess]]] = {
    "random groups": _random_groups,
    "label correlation": _clusters,
    "pairs and HOA": _pairs,
    "ESA": _early,
    "linear surrogate": _surrogate,
    **{name: _one_run(name) for name in ONE_RUN},
}
"""What is trained at first, what that and the estimate cost, and what is guessed then; ``adaptive`` is apart."""


def _adaptive(seen: Seen, groups: int, rng: np.random.Generator) -> Solution:
    """The product's own: single trainings, as many as others spend on groups with every seen seed."""
    strategy, table = STRATEGIES["expected-improvement"](), seen.table
    goals: Goals = seen.setting.goals
    seeds = len(table.seeds)
    trainings_C = np.where(seen.free_C, seeds, 0)
    left = groups * seeds

    def situation() -> Situation:
        shown_RC = np.arange(seeds)[:, None] < trainings_C
        measured = replace(table, losses_RCT=np.where(shown_RC[:, :, None], table.losses_RCT, np.nan))
        return Situation(goals, measured, ~seen.free_C & (trainings_C < seeds), np.ones(len(trainings_C)))

    while left > 0 and situation().trainable_C.any():
        proposals = strategy.propose(situation(), min(_ROUND, left), rng)
        if not proposals:
            break
        for c in proposals:
            trainings_C[c] += 1
            left -= 1
    solution = goals.best(strategy.judged(situation()), goals.limit_K[0], situation().trained_C)
    assert solution is not None
    return solution


def _rows(table: LossTable, rows: list[int]) -> LossTable:
    return replace(table, losses_RCT=table.losses_RCT[rows], seeds=tuple(table.seeds[r] for r in rows))
