"""Accelerated proximal gradient descent that stops by a proven bound: FISTA (Beck & Teboulle 2009).

Momentum is dropped whenever it would raise the objective (O'Donoghue & Candès 2015), and the step is taken again from
where the objective is known: so the objective never rises, but for rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray
from grouping.errors import NoResultError

__all__ = ["Descent", "descend"]


@dataclass(frozen=True, eq=False)
class Descent:
    """Where a descent ended.

    Args:
        point: The last point.
        objective: Its objective.
        gap: What that is above the minimum at most.
        objectives_S: The objective at the start and after every step.
    """

    point: FloatArray
    objective: float
    gap: float
    objectives_S: FloatArray


def descend(
    smooth: Callable[[FloatArray], tuple[float, FloatArray]],
    rough: Callable[[FloatArray], float],
    proximal: Callable[[FloatArray, float], FloatArray],
    gap: Callable[[FloatArray, float, FloatArray], float],
    smoothness: float,
    start: FloatArray,
    tolerance: float,
    most_steps: int,
) -> Descent:
    """Minimise a smooth convex function plus a rough one.

    Args:
        smooth: Value and gradient of the smooth part.
        rough: Value of the rough part.
        proximal: Minimiser of the rough part times a step, plus half the squared distance to a point.
        gap: A bound on what the objective is above its minimum: by point, objective and gradient of the smooth part.
        smoothness: By how much the gradient changes at most, per change of the point.
        start: Where to begin.
        tolerance: The gap that ends it.
        most_steps: Steps after which it is given up.

    Raises:
        NoResultError: the gap was not closed in so many steps.
    """
    step = 1 / smoothness if smoothness > 0 else 1.0
    point, (value, gradient) = start, smooth(start)
    objective = value + rough(point)
    bound = gap(point, objective, gradient)
    ahead, ahead_gradient, momentum, objectives = point, gradient, 1.0, [objective]
    while bound > tolerance:
        if len(objectives) > most_steps:
            raise NoResultError(
                f"after {most_steps} steps the objective may still be {bound:.2g} above its minimum",
                where="tolerance",
                fix="Standardise the inputs, or allow a larger tolerance or a larger penalty",
            )
        nearer = proximal(ahead - step * ahead_gradient, step)
        value, nearer_gradient = smooth(nearer)
        reached = value + rough(nearer)
        if ahead is not point and reached > objective:
            ahead, ahead_gradient, momentum = point, gradient, 1.0
            continue
        later = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = nearer + (momentum - 1) / later * (nearer - point) if momentum > 1 else nearer
        point, gradient, objective, momentum = nearer, nearer_gradient, reached, later
        ahead_gradient = gradient if ahead is nearer else smooth(ahead)[1]
        objectives.append(objective)
        bound = gap(point, objective, gradient)
    return Descent(point, objective, max(bound, 0.0), np.array(objectives))
