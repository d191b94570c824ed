"""A fitted linear model of several tasks, and how precise the fit is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.linear.labelled import Kind

__all__ = ["LinearModel"]


@dataclass(frozen=True, eq=False)
class LinearModel:
    """Weights and what was proven of them.

    Args:
        tasks: Task names, length T.
        kind: What the labels are.
        weights_FT: One column a task, [F, T].
        intercept_T: One a task, [T].
        objective: What was minimised, losses and penalty.
        gap: By how much the objective is above its minimum at most: proven, not guessed.
        objectives_S: The objective after every step of the solver, never rising, [S].
    """

    tasks: tuple[str, ...]
    kind: Kind
    weights_FT: FloatArray
    intercept_T: FloatArray
    objective: float
    gap: float
    objectives_S: FloatArray

    def predict(self, inputs_NF: FloatArray) -> FloatArray:
        """Quantities, or probabilities of a 1, [N, T].

        Raises:
            InputError: another number of inputs than the model has.
        """
        if inputs_NF.ndim != 2 or inputs_NF.shape[1] != len(self.weights_FT):
            raise InputError(
                f"inputs have the shape {inputs_NF.shape}, the model has {len(self.weights_FT)} inputs",
                where="inputs_NF",
            )
        outputs_NT = inputs_NF @ self.weights_FT + self.intercept_T
        return np.asarray(outputs_NT if self.kind == "regression" else 0.5 * (1 + np.tanh(outputs_NT / 2)))
