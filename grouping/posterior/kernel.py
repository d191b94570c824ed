"""How alike two cells (group, task) are, in several respects; the model weighs them by evidence.

A cell's loss is a sum of independent effects: of the task, of the group's size, of who the partners are (one by one),
of the group as a set (near sets are alike), of the very group, and of the very cell. All but the last two come twice:
alike for every task, and for this task alone. Each effect has variance 1 here, whatever the size of the group: an
effect that grew with size would make large groups always look most promising.

Axes: ``A``, ``B`` cells, ``T`` tasks, ``P`` parts of the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import BoolArray, FloatArray, IntArray

__all__ = ["LUCK_L", "PARTS", "PRIOR_LUCK_L", "PRIOR_VARIANCE_P", "Cells", "likeness", "self_likeness"]

PARTS = (
    "task",
    "size",
    "size for the task",
    "partners",
    "partners for the task",
    "set",
    "set for the task",
    "group",
    "cell",
)
"""Respects in which cells are alike."""

PRIOR_VARIANCE_P = np.array([0.3, 0.2, 0.1, 1.0, 1.0, 0.4, 0.3, 0.1, 0.1])
"""What each part is expected to explain, relative to the variance of the measured cells."""

LUCK_L = np.array([PARTS.index(name) for name in PARTS if name.endswith("task") or name == "cell"])
"""Parts of the luck of a training: what a seed does is much alike for groups that are alike (in ``results/lattices``
two groups that differ by one task share a fifth to a half of it), and not alike for different tasks."""

PRIOR_LUCK_L = np.array([0.1, 0.15, 0.02, 0.3, 0.08])
"""What each part of the luck is expected to explain, relative to the variance of the measured losses: medians over the
complete tables of retrained networks."""

_REACH = 0.4
"""Share of the tasks by which two groups may differ until their likeness as sets has fallen to 1/e."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a table.

    Args:
        group_A: Index of each cell's group; equal for equal member sets.
        task_A: Index of its task.
        members_AT: The group's members.
    """

    group_A: IntArray
    task_A: IntArray
    members_AT: BoolArray

    @staticmethod
    def of(members_CT: BoolArray) -> Cells:
        """Every (candidate, member), candidate by candidate."""
        candidate_A, task_A = np.nonzero(members_CT)
        _, group_C = np.unique(members_CT, axis=0, return_inverse=True)
        return Cells(
            group_C.ravel()[candidate_A].astype(np.int64), task_A.astype(np.int64), np.asarray(members_CT[candidate_A])
        )

    def __len__(self) -> int:
        return len(self.task_A)

    def __getitem__(self, which_A: IntArray) -> Cells:
        return Cells(self.group_A[which_A], self.task_A[which_A], self.members_AT[which_A])

    @property
    def partners_AT(self) -> FloatArray:
        """Who is trained with the cell's task."""
        partners_AT = self.members_AT.astype(float)
        partners_AT[np.arange(len(self)), self.task_A] = 0.0
        return partners_AT


def self_likeness(cells: Cells) -> FloatArray:
    """Variance of every part at each cell, [P, A]: the diagonal of ``likeness(cells, cells)``."""
    size_A = cells.partners_AT.sum(axis=1)
    grown_A, company_A = (size_A / max(cells.members_AT.shape[1] - 1, 1)) ** 2, (size_A > 0).astype(float)
    one_A = np.ones(len(cells))
    return np.stack([one_A, grown_A, grown_A, company_A, company_A, one_A, one_A, one_A, one_A])


def likeness(one: Cells, other: Cells) -> FloatArray:
    """Covariance of every part between two lists of cells, [P, A, B], each with variance 1 or less."""
    n_tasks = one.members_AT.shape[1]
    same_AB = (one.task_A[:, None] == other.task_A).astype(float)
    partners_AT, partners_BT = one.partners_AT, other.partners_AT
    size_A, size_B = partners_AT.sum(axis=1), partners_BT.sum(axis=1)
    grown_AB = np.outer(size_A, size_B) / max(n_tasks - 1, 1) ** 2
    shared_AB = partners_AT @ partners_BT.T / np.sqrt(np.maximum(np.outer(size_A, size_B), 1.0))
    members_AT, members_BT = one.members_AT.astype(float), other.members_AT.astype(float)
    apart_AB = members_AT.sum(axis=1)[:, None] + members_BT.sum(axis=1) - 2 * members_AT @ members_BT.T
    near_AB = np.exp(-apart_AB / (_REACH * n_tasks))
    group_AB = (one.group_A[:, None] == other.group_A).astype(float)
    return np.stack(
        [
            same_AB,
            grown_AB,
            grown_AB * same_AB,
            shared_AB,
            shared_AB * same_AB,
            near_AB,
            near_AB * same_AB,
            group_AB,
            group_AB * same_AB,
        ]
    )
