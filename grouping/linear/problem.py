"""Linear regressions of several tasks on the same inputs, each on the rows where its label is known.

Axes: ``N`` rows, ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import FloatArray
from grouping.errors import InputError

__all__ = ["LinearProblem"]


@dataclass(frozen=True, eq=False)
class LinearProblem:
    """Squared losses ``sum_t |y_t - X w_t - b_t|^2 / (2 n_t)`` over the labelled rows of each task, in second moments.

    Intercepts are free and unpenalised: inputs and labels are centred for each task on its own rows.

    Args:
        moment_TFF: ``X'X / n`` of the centred inputs.
        product_FT: ``X'y / n``.
        square_T: ``y'y / n``.
        input_mean_TF, target_mean_T: What was subtracted.
    """

    moment_TFF: FloatArray
    product_FT: FloatArray
    square_T: FloatArray
    input_mean_TF: FloatArray
    target_mean_T: FloatArray

    @staticmethod
    def of(inputs_NF: ArrayLike, targets_NT: ArrayLike) -> LinearProblem:
        """From rows; a NaN target is a label that is not known.

        Raises:
            InputError: shapes that do not fit, inputs that are no numbers, infinite targets, or a task with fewer than
                two labels.
        """
        inputs, targets = np.asarray(inputs_NF, dtype=float), np.asarray(targets_NT, dtype=float)
        if inputs.ndim != 2 or targets.ndim != 2 or len(inputs) != len(targets) or not inputs.size or not targets.size:
            what = f"inputs {inputs.shape} and targets {targets.shape} are no (rows, inputs) and (rows, tasks)"
            raise InputError(what, fix="Give one row of each for every example")
        if not np.isfinite(inputs).all():
            row, column = np.argwhere(~np.isfinite(inputs))[0]
            raise InputError(f"input {column} of row {row} is no number", fix="Fill or drop what is missing in inputs")
        if np.isinf(targets).any():
            row, task = np.argwhere(np.isinf(targets))[0]
            raise InputError(f"target {task} of row {row} is infinite", fix="Use NaN for labels that are not known")
        known_NT = ~np.isnan(targets)
        if (known_NT.sum(axis=0) < 2).any():
            task = int((known_NT.sum(axis=0) < 2).argmax())
            raise InputError(f"target {task} has fewer than two labels", fix="Leave the task out")
        moments, products, squares, input_means, target_means = [], [], [], [], []
        for target_N, known_N in zip(targets.T, known_NT.T, strict=True):
            x, y = inputs[known_N], target_N[known_N]
            input_means.append(x.mean(axis=0))
            target_means.append(y.mean())
            x, y = x - x.mean(axis=0), y - y.mean()
            moments.append(x.T @ x / len(y))
            products.append(x.T @ y / len(y))
            squares.append(y @ y / len(y))
        return LinearProblem(
            np.array(moments), np.array(products).T, np.array(squares), np.array(input_means), np.array(target_means)
        )

    @property
    def n_tasks(self) -> int:
        return len(self.square_T)

    def loss(self, weights_FT: FloatArray) -> float:
        """The sum of the squared losses, each halved."""
        curved_FT = self.curved(weights_FT)
        total = self.square_T.sum() - 2 * (self.product_FT * weights_FT).sum() + (weights_FT * curved_FT).sum()
        return float(max(total, 0.0) / 2)

    def curved(self, weights_FT: FloatArray) -> FloatArray:
        """Each task's second moment times its weights, [F, T]; less ``product_FT`` it is the slope of the loss."""
        return np.asarray(np.einsum("tfg,gt->ft", self.moment_TFF, weights_FT))

    def intercepts(self, weights_FT: FloatArray) -> FloatArray:
        """The best intercepts, [T]."""
        return np.asarray(self.target_mean_T - (self.input_mean_TF * weights_FT.T).sum(axis=1))
