"""The loss table: what every candidate network reached on every one of its tasks, replicate by replicate.

Lower is better. NaN means that the candidate does not serve the task, or was not measured with that seed.
Axes: ``R`` replicates (seeds), ``C`` candidates, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, Candidates, FloatArray, IntArray, frozen
from grouping.errors import InputError

__all__ = ["LossTable", "check_reference", "single_task_losses"]


@dataclass(frozen=True, eq=False)
class LossTable:
    """Losses of candidates, measured or estimated.

    Args:
        candidates: The networks, C of them over T tasks.
        losses_RCT: Loss per replicate; NaN off the members and where a seed was not run.
        seeds: Names of the replicates, length R.
        estimated_CT: True where the number is an estimate; default: everything was measured.

    Raises:
        InputError: shapes that disagree, infinite losses, a loss for a task outside the network.
    """

    candidates: Candidates
    losses_RCT: FloatArray
    seeds: tuple[str, ...]
    estimated_CT: BoolArray | None = None

    def __post_init__(self) -> None:
        losses_RCT = np.asarray(self.losses_RCT, dtype=float)
        expected = (len(self.seeds), len(self.candidates), self.candidates.n_tasks)
        if losses_RCT.shape != expected:
            raise InputError(f"losses have shape {losses_RCT.shape}, expected {expected} (seeds, candidates, tasks)")
        if np.isinf(losses_RCT).any():
            _, c, t = np.argwhere(np.isinf(losses_RCT))[0]
            raise InputError(
                f"the loss of task '{self.tasks[t]}' in network '{self.candidates.name(int(c))}' is infinite"
            )
        strangers_CT = ~np.isnan(losses_RCT).all(axis=0) & ~self.candidates.members_CT
        if strangers_CT.any():
            c, t = np.argwhere(strangers_CT)[0]
            raise InputError(f"task '{self.tasks[t]}' has a loss in '{self.candidates.name(int(c))}' but is no member")
        estimated_CT = np.zeros(expected[1:], bool) if self.estimated_CT is None else np.asarray(self.estimated_CT)
        object.__setattr__(self, "losses_RCT", frozen(losses_RCT))
        object.__setattr__(self, "estimated_CT", frozen(estimated_CT & self.candidates.members_CT))

    @property
    def tasks(self) -> tuple[str, ...]:
        return self.candidates.tasks

    @property
    def replicates_CT(self) -> IntArray:
        """How many seeds measured each cell, [C, T]."""
        return np.asarray((~np.isnan(self.losses_RCT)).sum(axis=0), np.int64)

    @property
    def mean_CT(self) -> FloatArray:
        """Mean over replicates, [C, T]; NaN where there is none."""
        total_CT = np.nansum(self.losses_RCT, axis=0)
        count_CT = self.replicates_CT
        mean_CT = np.full(total_CT.shape, np.nan)
        np.divide(total_CT, count_CT, out=mean_CT, where=count_CT > 0)
        return mean_CT

    @property
    def without_estimates(self) -> LossTable:
        """What was measured."""
        assert self.estimated_CT is not None
        return LossTable(self.candidates, np.where(self.estimated_CT, np.nan, self.losses_RCT), self.seeds)

    def scaled(self, reference_T: FloatArray) -> LossTable:
        """Losses relative to a reference per task, which takes every unit out of the objective.

        Raises:
            InputError: as ``check_reference``.
        """
        check_reference(self.tasks, reference_T)
        return replace(self, losses_RCT=self.losses_RCT / reference_T)

    def select(self, which_C: BoolArray | IntArray) -> LossTable:
        """The same table for some of the candidates."""
        indices = np.flatnonzero(which_C) if which_C.dtype == bool else which_C
        assert self.estimated_CT is not None
        return replace(
            self,
            candidates=self.candidates.select(indices),
            losses_RCT=self.losses_RCT[:, indices],
            estimated_CT=self.estimated_CT[indices],
        )


def check_reference(tasks: Sequence[str], reference_T: FloatArray, called: str = "loss") -> None:
    """Refuse a reference that nothing can be relative to; an error rate easily is one.

    Args:
        tasks: Names, length T.
        reference_T: Losses of the single-task networks.
        called: What was measured.

    Raises:
        InputError: a reference that is not positive and finite (a loss of 0 or below has no relative change).
    """
    for task, loss in zip(tasks, reference_T.tolist(), strict=True):
        if not 0 < loss < np.inf:
            raise InputError(
                f"task '{task}' has the single-task {called} {loss:g}, so no loss can be relative to it",
                fix="Judge it by a loss that stays above 0 (in a spec: metric: loss), or leave it out if it needs no "
                "better network; a table's raw losses can be compared without --relative",
            )


def single_task_losses(table: LossTable, cost: float = 1.0, tasks: Sequence[str] | None = None) -> FloatArray:
    """Mean loss of each task's own network at a cost: the reference of relative losses.

    Args:
        table: Measured losses.
        cost: Which single-task networks count; 1.0 is the standard network.
        tasks: Tasks that need a reference; default: all.

    Returns:
        Losses [T]; NaN for tasks that were not asked for.

    Raises:
        InputError: a task without a measured single-task network of that cost.
    """
    reference_T = np.full(table.candidates.n_tasks, np.nan)
    mean_CT = table.mean_CT
    for t, task in enumerate(table.tasks):
        if tasks is not None and task not in tasks:
            continue
        single = table.candidates.index([task], cost)
        if single is None or np.isnan(mean_CT[single, t]):
            raise InputError(
                f"no single-task network of '{task}' with cost {cost:g} was measured, so no loss is relative to it",
                fix=f"Add the row for network '{task}' with cost {cost:g}, or compare raw losses",
            )
        reference_T[t] = mean_CT[single, t]
    return reference_T
