"""Group sparsity: an input is used by all tasks or by none (l1/l2 norm, Obozinski, Taskar & Jordan 2010).

The objective is the sum of the tasks' mean losses plus ``penalty * sum over inputs f of |w_f|``, w_f the weights of all
tasks for it. For squared errors without missing labels it is that of scikit-learn's ``MultiTaskLasso``.

Axes: ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

import math

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.linear.accelerated import descend
from grouping.linear.labelled import Labelled
from grouping.linear.losses import loss_of
from grouping.linear.model import LinearModel

__all__ = ["fit_group_sparse", "largest_penalty"]


def largest_penalty(data: Labelled) -> float:
    """The smallest penalty at which no input is used."""
    loss = loss_of(data)
    gradient_FT = loss.at(np.zeros(loss.shape))[1]
    return float(np.linalg.norm(gradient_FT, axis=1).max())


def fit_group_sparse(
    data: Labelled, penalty: float, *, tolerance: float = 1e-9, most_steps: int = 100_000
) -> LinearModel:
    """Fit by accelerated proximal gradient descent; unused inputs have weights of exactly 0.

    Args:
        data: Rows and labels; missing ones are left out row by row and task by task.
        penalty: Finite and above 0; from ``largest_penalty`` on nothing is used.
        tolerance: The duality gap that ends it, as a share of the loss without any input.
        most_steps: Steps after which it is given up.

    Raises:
        InputError: a penalty that is not finite and above 0.
        NoResultError: the gap was not closed in so many steps.
    """
    if not (math.isfinite(penalty) and penalty > 0):
        raise InputError(
            f"{penalty:g} is no penalty: without one the best weights may be infinite or undetermined",
            where="penalty",
            fix="Give a finite number above 0",
        )
    loss = loss_of(data)
    start_FT = np.zeros(loss.shape)

    def gap(weights_FT: FloatArray, objective: float, gradient_FT: FloatArray) -> float:
        largest = float(np.linalg.norm(gradient_FT, axis=1).max())
        return objective - loss.dual(weights_FT, min(1.0, penalty / largest) if largest > 0 else 1.0)

    found = descend(
        loss.at,
        lambda weights_FT: penalty * float(np.linalg.norm(weights_FT, axis=1).sum()),
        lambda weights_FT, step: _shrunk(weights_FT, step * penalty),
        gap,
        loss.smoothness,
        start_FT,
        tolerance * loss.at(start_FT)[0],
        most_steps,
    )
    return LinearModel(
        data.tasks,
        data.kind,
        found.point,
        loss.intercept_T(found.point),
        found.objective,
        found.gap,
        found.objectives_S,
    )


def _shrunk(weights_FT: FloatArray, amount: float) -> FloatArray:
    """Every row shortened by the amount; rows that are no longer than it become exactly 0."""
    length_F = np.linalg.norm(weights_FT, axis=1, keepdims=True)
    return np.asarray(weights_FT * np.maximum(0.0, 1 - amount / np.maximum(length_F, 1e-300)))
