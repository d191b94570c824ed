"""Whole runs without training: a world says what networks lose, a run searches, chooses, confirms and judges.

A run is what ``search.decision.decide`` does with all groups measured: losses of every group on the validation part,
the proven best three networks, then fresh seeds on the test part for the choice, one wide network, one standard
network, single tasks and ten random groupings of the choice's sizes, and the verdict.

Axes: ``R`` seeds, ``T`` tasks, ``G`` clusters of test rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from grouping.candidates import FloatArray
from grouping.evidence import Comparisons, Interval, TestLosses, compare, compare_with_random, verdict
from grouping.solver.baselines import Grouping, partition_count, random_groupings
from grouping.solver.solve import solve

__all__ = ["WORLDS", "Outcome", "World", "simulate"]

TASKS, NETWORKS = 6, 3
SEARCH_SEEDS, FRESH_SEEDS = 3, 5
CLUSTERS, ROWS, RANDOMS = 40, 20, 10
PACK = 8
_GROUPS = tuple(group for size in range(1, TASKS + 1) for group in combinations(range(TASKS), size))


@dataclass(frozen=True)
class World:
    """What networks lose, relative to a network per task, and where noise comes from (standard deviations).

    Args:
        size: Loss that every further task in a network adds, divided by the network's capacity.
        partners: Loss or gain of tasks of other planted groups (two groups of three).
        difficulty: Spread of the tasks' noise levels (log-normal).
        seed: Of one training of one task.
        pack: Of all networks that were trained together, alike for all tasks.
        cluster: Of a network on clusters of test rows.
        row: Of single test rows.
    """

    size: float = 0.0
    partners: float = 0.0
    difficulty: float = 0.0
    seed: float = 0.02
    pack: float = 0.0
    cluster: float = 0.03
    row: float = 0.3


WORLDS = {
    "pure noise": World(),
    "size effect only": World(size=0.03),
    "task difficulty only": World(difficulty=1.0),
    "errors correlated within a pack": World(pack=0.02),
}
"""Worlds in which it does not matter which tasks share."""


@dataclass(frozen=True)
class Outcome:
    """What one run said, and the truth of the difference between the choice and one wide network."""

    verdict: str
    against_wide: Interval
    true_against_wide: float
    against_random: Interval | None
    true_against_random: float


class _Run:
    """One run's networks: each has its own noise, the same wherever it is used."""

    def __init__(self, world: World, rng: np.random.Generator) -> None:
        self.world, self.rng = world, rng
        self.noise_T = np.exp(world.difficulty * rng.standard_normal(TASKS))
        self.noise_T /= self.noise_T.mean()
        self.hardness_TG = np.exp(0.5 * rng.standard_normal((TASKS, CLUSTERS)))
        self.packs_PR = world.pack * rng.standard_normal((len(_GROUPS) // PACK + 2, FRESH_SEEDS))
        self.known: dict[tuple[tuple[int, ...], float], FloatArray] = {}

    def level(self, group: tuple[int, ...], task: int, capacity: float = 1.0) -> float:
        """True relative loss of a task in a network."""
        strangers = sum(task // 3 != other // 3 for other in group)
        return 1 + (self.world.size * (len(group) - 1) + self.world.partners * strangers) / capacity

    def validation(self) -> FloatArray:
        """Mean losses of all groups over the search seeds, [C, T]."""
        losses_CT = np.full((len(_GROUPS), TASKS), np.nan)
        packs = self.world.pack * self.rng.standard_normal((len(_GROUPS) // PACK + 1, SEARCH_SEEDS))
        for c, group in enumerate(_GROUPS):
            for t in group:
                noise = self.world.seed * self.noise_T[t] * self.rng.standard_normal(SEARCH_SEEDS)
                losses_CT[c, t] = self.level(group, t) + (noise + packs[c // PACK]).mean()
        return losses_CT

    def sums(self, group: tuple[int, ...], capacity: float = 1.0) -> FloatArray:
        """Summed test row losses of a network, [R, T, G]; NaN for tasks it does not have."""
        key = group, capacity
        if key not in self.known:
            world, rng = self.world, self.rng
            place = _GROUPS.index(group) // PACK if capacity == 1 else len(self.packs_PR) - 1
            sums_RTG = np.full((FRESH_SEEDS, TASKS, CLUSTERS), np.nan)
            for t in group:
                noise_RG = world.seed * rng.standard_normal((FRESH_SEEDS, 1)) + world.cluster * rng.standard_normal(
                    CLUSTERS
                )
                noise_RG = noise_RG + world.row / np.sqrt(ROWS) * rng.standard_normal((FRESH_SEEDS, CLUSTERS))
                loss_RG = self.level(group, t, capacity) + self.noise_T[t] * noise_RG + self.packs_PR[place][:, None]
                sums_RTG[:, t] = ROWS * self.hardness_TG[t] * loss_RG
            self.known[key] = sums_RTG
        return self.known[key]

    def losses(self, grouping: Grouping, capacity: float = 1.0) -> TestLosses:
        """Of a partition."""
        sums_RTG = np.full((FRESH_SEEDS, TASKS, CLUSTERS), np.nan)
        for group in grouping:
            sums_RTG[:, list(group)] = self.sums(group, capacity)[:, list(group)]
        return TestLosses(sums_RTG, np.full((TASKS, CLUSTERS), float(ROWS)))

    def true(self, grouping: Grouping, capacity: float = 1.0) -> float:
        """True mean relative loss of a partition."""
        return float(np.mean([self.level(group, t, capacity) for group in grouping for t in group]))


def simulate(world: World, rng: np.random.Generator) -> Outcome:
    """One whole run."""
    run = _Run(world, rng)
    solution = solve(run.validation(), np.ones(len(_GROUPS)), float(NETWORKS), partition=True)
    chosen: Grouping = tuple(_GROUPS[c] for c in solution.chosen.tolist())
    whole: Grouping = (tuple(range(TASKS)),)
    weights_T, alone = np.ones(TASKS), run.losses(tuple((t,) for t in range(TASKS)))
    sizes = tuple(sorted(len(group) for group in chosen))
    drawn = random_groupings(TASKS, len(chosen), RANDOMS + 1, rng, sizes=sizes)
    randoms = [grouping for grouping in drawn if set(grouping) != set(chosen)][:RANDOMS]
    losses, wide, standard = run.losses(chosen), run.losses(whole, NETWORKS), run.losses(whole)
    against_random = None
    if len(chosen) > 1:
        others = [run.losses(grouping) for grouping in randoms]
        possible = partition_count(TASKS, len(chosen), sizes) - 1
        against_random = compare_with_random(losses, others, alone, weights_T, possible=possible)
    against_wide = compare(losses, wide, alone, weights_T)
    judgement = verdict(
        Comparisons(
            random=against_random,
            wide=against_wide,
            widening=compare(wide, standard, alone, weights_T),
            all_in_one=compare(losses, standard, alone, weights_T),
        ),
        tasks=TASKS,
        networks=len(chosen),
        seeds=FRESH_SEEDS,
    )
    true_random = float(np.mean([run.true(grouping) for grouping in randoms])) if len(chosen) > 1 else np.nan
    return Outcome(
        judgement.verdict,
        against_wide,
        run.true(chosen) - run.true(whole, NETWORKS),
        against_random,
        run.true(chosen) - true_random,
    )
