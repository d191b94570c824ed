"""Group sparsity: an input is used by all tasks or by none (l1/l2 norm, the multi-task lasso).

Obozinski, Taskar & Jordan 2010. Accelerated proximal gradient (Beck & Teboulle 2009) with restarts; the proximal step
shrinks rows and sets them to exactly zero, and a duality gap says how near the optimum is.

Axes: ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import InputError
from grouping.linear.problem import LinearProblem

__all__ = ["GroupSparseFit", "group_sparse", "largest_penalty"]

_MOST_STEPS = 50_000
_LOOK = 10


@dataclass(frozen=True, eq=False)
class GroupSparseFit:
    """Weights and how near they are to the best.

    Args:
        weights_FT: Rows of inputs that nobody uses are exactly zero.
        intercept_T: Intercepts.
        objective: Loss plus penalty.
        gap: The objective is at most so far above its least value.
    """

    weights_FT: FloatArray
    intercept_T: FloatArray
    objective: float
    gap: float


def largest_penalty(problem: LinearProblem) -> float:
    """The least penalty at which all weights are zero."""
    return float(np.linalg.norm(problem.product_FT, axis=1).max())


def group_sparse(problem: LinearProblem, penalty: float, tolerance: float = 1e-8) -> GroupSparseFit:
    """Minimise the loss plus ``penalty`` times the sum of the Euclidean norms of the weights' rows.

    Args:
        problem: Tasks and rows.
        penalty: 0 or more, in the unit of the loss's slope.
        tolerance: Largest duality gap, relative to the loss of no weights.

    Raises:
        InputError: a negative penalty, a tolerance that is not positive, or one that is not reached.
    """
    if not 0 <= penalty < float("inf"):
        raise InputError(f"the penalty {penalty} is no number from 0 on", fix="Use a share of largest_penalty")
    if not tolerance > 0:
        raise InputError(f"the tolerance {tolerance} is not positive", fix="Use 1e-8")
    if penalty == 0:  # nothing ties the tasks, and no residual is feasible in the dual problem
        pairs = zip(problem.moment_TFF, problem.product_FT.T, strict=True)
        free_FT = np.stack([np.linalg.lstsq(moment_FF, product_F)[0] for moment_FF, product_F in pairs], axis=1)
        return GroupSparseFit(free_FT, problem.intercepts(free_FT), problem.loss(free_FT), 0.0)
    step = 1.0 / max(float(np.linalg.eigvalsh(problem.moment_TFF).max()), 1e-300)
    enough = tolerance * max(float(problem.square_T.sum()) / 2, 1e-300)
    weights_FT = np.zeros_like(problem.product_FT)
    ahead_FT, speed = weights_FT, 1.0
    for iteration in range(_MOST_STEPS):
        if iteration % _LOOK == 0:
            objective, gap = _gap(problem, weights_FT, penalty)
            if gap <= enough:
                return GroupSparseFit(weights_FT, problem.intercepts(weights_FT), objective, gap)
        slope_FT = problem.curved(ahead_FT) - problem.product_FT
        found_FT = _shrunk(ahead_FT - step * slope_FT, step * penalty)
        if ((ahead_FT - found_FT) * (found_FT - weights_FT)).sum() > 0:
            speed = 1.0  # momentum points uphill (O'Donoghue & Candes 2015)
        faster = (1 + np.sqrt(1 + 4 * speed**2)) / 2
        ahead_FT = found_FT + (speed - 1) / faster * (found_FT - weights_FT)
        weights_FT, speed = found_FT, float(faster)
    raise InputError(
        f"the tolerance {tolerance:g} was not reached in {_MOST_STEPS:,} steps (gap {gap:.3g})",
        fix="Standardise the inputs, or allow a larger tolerance",
    )


def _shrunk(weights_FT: FloatArray, by: float) -> FloatArray:
    """Rows shortened by a length, and zero where they are shorter."""
    norm_F1 = np.linalg.norm(weights_FT, axis=1, keepdims=True)
    return np.asarray(weights_FT * np.maximum(0.0, 1 - by / np.maximum(norm_F1, 1e-300)))


def _gap(problem: LinearProblem, weights_FT: FloatArray, penalty: float) -> tuple[float, float]:
    """Objective, and its distance to that of the residuals scaled until they are feasible in the dual problem."""
    loss = problem.loss(weights_FT)
    objective = loss + penalty * float(np.linalg.norm(weights_FT, axis=1).sum())
    left_FT = problem.product_FT - problem.curved(weights_FT)
    largest = float(np.linalg.norm(left_FT, axis=1).max())
    scale = 1.0 if largest <= penalty else penalty / largest
    reached = float(problem.square_T.sum() - (problem.product_FT * weights_FT).sum())
    dual = scale * reached - scale**2 * loss
    return objective, max(objective - dual, 0.0)
