"""What a linear model of several tasks is fitted to: rows of inputs, and a label for every row and task that has one.

Axes: ``N`` rows, ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from grouping.candidates import FloatArray, IntArray, frozen
from grouping.errors import InputError
from grouping.tasks import check_task_names, nearest_name

__all__ = ["Kind", "Labelled"]

Kind = Literal["regression", "binary"]


@dataclass(frozen=True, eq=False)
class Labelled:
    """Rows with labels.

    Args:
        tasks: Task names, length T.
        inputs_NF: Inputs, finite, [N, F]; best standardised, for a penalty treats all alike.
        targets_NT: Labels, NaN where missing, [N, T]: quantities, or 0 and 1 where the kind is ``binary``.
        kind: Squared errors or logistic losses, for all tasks alike.

    Raises:
        InputError: shapes that disagree, values that are not finite, a task without labels or with one class only.
    """

    tasks: tuple[str, ...]
    inputs_NF: FloatArray
    targets_NT: FloatArray
    kind: Kind = "regression"

    def __post_init__(self) -> None:
        check_task_names(self.tasks)
        inputs_NF, targets_NT = np.asarray(self.inputs_NF, float), np.asarray(self.targets_NT, float)
        if inputs_NF.ndim != 2 or targets_NT.ndim != 2 or 0 in inputs_NF.shape:
            raise InputError(
                f"inputs of shape {inputs_NF.shape} and targets of shape {targets_NT.shape} are no two tables",
                where="inputs_NF",
                fix="Give inputs [rows, inputs] and targets [rows, tasks], each with one row and column at least",
            )
        if targets_NT.shape != (len(inputs_NF), len(self.tasks)):
            raise InputError(
                f"targets have the shape {targets_NT.shape}, {len(inputs_NF)} rows and {len(self.tasks)} tasks need "
                f"({len(inputs_NF)}, {len(self.tasks)})",
                where="targets_NT",
            )
        if not np.isfinite(inputs_NF).all():
            row, column = np.argwhere(~np.isfinite(inputs_NF))[0].tolist()
            raise InputError(
                f"{inputs_NF[row, column]} in row {row}, column {column} is not finite",
                where="inputs_NF",
                fix="Fill in what is missing first",
            )
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "inputs_NF", frozen(inputs_NF))
        object.__setattr__(self, "targets_NT", frozen(targets_NT))
        for task, targets_N in zip(self.tasks, targets_NT.T, strict=True):
            _check_labels(task, targets_N[~np.isnan(targets_N)], self.kind)

    def select(self, rows: IntArray) -> Labelled:
        """Some of the rows.

        Raises:
            InputError: a task is left without labels.
        """
        return Labelled(self.tasks, self.inputs_NF[rows], self.targets_NT[rows], self.kind)

    def clusters_T(self, clusters: Sequence[Sequence[str]]) -> IntArray:
        """The number of each task's cluster, [T].

        Args:
            clusters: Task names, every task in exactly one cluster.

        Raises:
            InputError: an unknown task, one in two clusters or in none, an empty cluster.
        """
        cluster_T = np.full(len(self.tasks), -1)
        for number, cluster in enumerate(clusters):
            if not cluster:
                raise InputError("the cluster is empty", where=f"clusters[{number}]", fix="Leave it out")
            for name in cluster:
                if name not in self.tasks:
                    raise InputError(
                        f"no task is called '{name}'", where=f"clusters[{number}]", fix=nearest_name(name, self.tasks)
                    )
                if cluster_T[self.tasks.index(name)] >= 0:
                    raise InputError(f"task '{name}' is named twice", where="clusters", fix="Name it once")
                cluster_T[self.tasks.index(name)] = number
        if (cluster_T < 0).any():
            name = self.tasks[int(cluster_T.argmin())]
            raise InputError(f"task '{name}' is in no cluster", where="clusters", fix=f"Add one of its own: ['{name}']")
        return cluster_T


def _check_labels(task: str, known_N: FloatArray, kind: Kind) -> None:
    where = f"task '{task}'"
    if not len(known_N):
        raise InputError("every label is missing", where=where, fix="Leave the task out")
    if np.isinf(known_N).any():
        raise InputError("a label is infinite", where=where, fix="Use NaN where a label is missing")
    if kind == "binary":
        odd_N = known_N[(known_N != 0) & (known_N != 1)]
        if len(odd_N):
            raise InputError(f"the label {odd_N[0]:g} is neither 0 nor 1", where=where, fix="Use kind: regression")
        if len(np.unique(known_N)) < 2:
            raise InputError(
                f"all labels are {known_N[0]:g}, so there is nothing to tell apart", where=where, fix="Leave it out"
            )
