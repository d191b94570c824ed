"""A complete table that answers as trainings would, and knows how good a choice really was.

Singles and the networks of all tasks are known for free; the budget counts trained groups of two or more. Where the
table has replicates, half of them (drawn for each run) are what trainings can see, one seed a training, and the mean of
the others is the truth that choices are judged on. Without replicates the table is both.

Axes: ``R`` replicates, ``C`` candidates, ``T`` tasks, ``K`` budgets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grouping.acquisition.goals import Goals
from grouping.acquisition.strategy import Situation
from grouping.candidates import BoolArray, FloatArray, IntArray
from grouping.errors import InputError
from grouping.losses import LossTable
from grouping.solver.solution import Solution

__all__ = ["Oracle"]


@dataclass(frozen=True, eq=False)
class Oracle:
    """What trainings show and what is true.

    Args:
        goals: Candidates and budgets.
        seen: Losses that trainings show, one seed after the other.
        truth_CT: Losses that choices are judged on.
        scored_CT: Losses of the same candidates on another part, or None.
        exact: Whether what a training shows is the truth.
    """

    goals: Goals
    seen: LossTable
    truth_CT: FloatArray
    scored_CT: FloatArray | None
    exact: bool

    @staticmethod
    def of(
        goals: Goals,
        table: LossTable,
        rng: np.random.Generator,
        scored: LossTable | None = None,
    ) -> Oracle:
        """An oracle for one run.

        Args:
            goals: Over the table's candidates.
            table: Complete: every candidate has a loss for each of its tasks.
            rng: Draws the seeds that trainings see.
            scored: The same candidates and seeds on another part.

        Raises:
            InputError: a loss that is missing.
        """
        missing_CT = goals.candidates.members_CT & np.isnan(table.losses_RCT).any(axis=0)
        if missing_CT.any():
            c, t = np.argwhere(missing_CT)[0]
            raise InputError(
                f"the table is not complete: network '{goals.candidates.name(int(c))}' lacks a loss of task "
                f"'{table.tasks[t]}', and {int(missing_CT.sum()) - 1} more are missing",
                fix="Replay needs every network with every seed; 'taskgroup measure' makes such tables",
            )
        order_R = rng.permutation(len(table.seeds))
        half = len(order_R) // 2
        if not half:
            scored_CT = None if scored is None else scored.mean_CT
            return Oracle(goals, table, table.mean_CT, scored_CT, exact=True)
        shown = replace(
            table, losses_RCT=table.losses_RCT[order_R[:half]], seeds=tuple(table.seeds[r] for r in order_R[:half])
        )
        truth_CT = table.losses_RCT[order_R[half:]].mean(axis=0)
        scored_CT = None
        if scored is not None:
            rest = np.isin(scored.seeds, [table.seeds[r] for r in order_R[half:]])
            scored_CT = (scored.losses_RCT[rest] if rest.any() else scored.losses_RCT).mean(axis=0)
        return Oracle(goals, shown, truth_CT, scored_CT, exact=False)

    @cached_property
    def free_C(self) -> BoolArray:
        """Singles and networks of all tasks: known from the start."""
        size_C = self.goals.candidates.size_C
        return np.asarray((size_C == 1) | (size_C == self.goals.candidates.n_tasks))

    def situation(self, trainings_C: IntArray) -> Situation:
        """What is known after each candidate was trained so many times; free ones show every seed.

        Every training counts as one, however long it takes.
        """
        seeds = len(self.seen.seeds)
        shown_C = np.where(self.free_C, seeds, np.minimum(trainings_C, seeds))
        shown_RC = np.arange(seeds)[:, None] < shown_C
        losses_RCT = np.where(shown_RC[:, :, None], self.seen.losses_RCT, np.nan)
        trainable_C = ~self.free_C & (trainings_C < seeds)
        measured = replace(self.seen, losses_RCT=losses_RCT)
        return Situation(self.goals, measured, trainable_C, np.ones(len(trainable_C)), self.exact)

    def value(self, solution: Solution) -> float:
        """True objective of a grouping, routed as it was chosen."""
        return self._routed(solution, self.truth_CT)

    def score(self, solution: Solution) -> float:
        """Its objective on the other part, routed as it was chosen."""
        assert self.scored_CT is not None
        return self._routed(solution, self.scored_CT)

    def _routed(self, solution: Solution, losses_CT: FloatArray) -> float:
        served = np.flatnonzero(solution.serves_T >= 0)
        loss_T = losses_CT[solution.chosen[solution.serves_T[served]], served]
        return float(loss_T @ self.goals.weights_T[served])

    @cached_property
    def best_K(self) -> FloatArray:
        """True objective of the best grouping for every budget; NaN where none fits."""
        return self._best(np.ones(len(self.free_C), dtype=bool))

    @cached_property
    def start_K(self) -> FloatArray:
        """True objective of the best grouping of what is free; NaN where none fits."""
        return self._best(self.free_C)

    def _best(self, usable_C: BoolArray) -> FloatArray:
        found = [self.goals.best(self.truth_CT, limit, usable_C) for limit in self.goals.limit_K]
        return np.array([np.nan if solution is None else solution.objective for solution in found])
