"""Clusters of tasks have weights that are alike: Jacob, Bach & Vert, *Clustered Multi-Task Learning*, NIPS 2008.

For tasks with weights ``w_t``, their mean ``m``, and ``m_c`` the mean of the weights of cluster c, half of::

    mean * T |m|^2  +  between * sum over c of T_c |m_c - m|^2  +  within * sum over t of |w_t - m_c(t)|^2

is added to the sum of the tasks' mean losses (equations 3 to 5). With one cluster it is mean-regularised multi-task
learning (Evgeniou & Pontil 2004); with three equal factors, whatever the clusters, every task has a ridge of its own.
An infinite factor forbids what it multiplies.

Axes: ``F`` inputs, ``T`` tasks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.errors import InputError
from grouping.linear.accelerated import Descent, descend
from grouping.linear.labelled import Labelled
from grouping.linear.losses import Loss, SquaredLoss, loss_of
from grouping.linear.model import LinearModel

__all__ = ["ClusterPenalty", "Coupled", "cluster_covariance", "cluster_penalty", "fit_clustered", "fit_coupled"]


@dataclass(frozen=True)
class ClusterPenalty:
    """Factors of the three terms, above 0.

    Args:
        mean: Of the size of the common mean.
        between: Of how far the clusters' means are from it.
        within: Of how far tasks are from the mean of their cluster.

    Raises:
        InputError: a factor that is not above 0.
    """

    mean: float
    between: float
    within: float

    def __post_init__(self) -> None:
        for name, factor in (("mean", self.mean), ("between", self.between), ("within", self.within)):
            if math.isnan(factor) or factor <= 0:
                raise InputError(
                    f"the factor {factor:g} is not above 0: without it the best weights may be undetermined",
                    where=f"penalty.{name}",
                    fix="Give a small one instead of none",
                )


@dataclass(frozen=True, eq=False)
class Coupled:
    """Weights under a quadratic penalty that couples the tasks.

    Args:
        weights_FT: The weights.
        descent: How they were found, in coordinates where the penalty is half the squared norm.
    """

    weights_FT: FloatArray
    descent: Descent


def cluster_penalty(weights_FT: FloatArray, cluster_T: IntArray, penalty: ClusterPenalty) -> float:
    """The penalty of weights, half included; infinite where they do what an infinite factor forbids."""
    mean_F = weights_FT.mean(axis=1)
    centre_FT = weights_FT @ _averages(cluster_T)
    terms = (
        (penalty.mean, weights_FT.shape[1] * float(mean_F @ mean_F)),
        (penalty.between, float(((centre_FT - mean_F[:, None]) ** 2).sum())),
        (penalty.within, float(((weights_FT - centre_FT) ** 2).sum())),
    )
    return sum(factor * size for factor, size in terms if size > 0) / 2


def cluster_covariance(cluster_T: IntArray, penalty: ClusterPenalty) -> FloatArray:
    """The inverse of the penalty's matrix, [T, T]: how the tasks' weights vary together, were they normal."""
    n_tasks = len(cluster_T)
    whole_TT, centre_TT = np.full((n_tasks, n_tasks), 1 / n_tasks), _averages(cluster_T)
    within_TT = (np.eye(n_tasks) - centre_TT) / penalty.within
    return np.asarray(whole_TT / penalty.mean + (centre_TT - whole_TT) / penalty.between + within_TT)


def fit_clustered(
    data: Labelled,
    clusters: Sequence[Sequence[str]],
    penalty: ClusterPenalty,
    *,
    tolerance: float = 1e-9,
    most_steps: int = 100_000,
) -> LinearModel:
    """Fit with known clusters: in closed form for squared errors without missing labels, else by accelerated descent.

    Args:
        data: Rows and labels; missing ones are left out row by row and task by task.
        clusters: Names of the tasks of each; every task is in one.
        penalty: The three factors.
        tolerance: What the objective may be above its minimum, as a share of the loss without any input.
        most_steps: Steps after which it is given up.

    Raises:
        InputError: clusters that are not a partition of the tasks.
        NoResultError: the minimum was not proven in so many steps.
    """
    cluster_T = data.clusters_T(clusters)
    loss = loss_of(data)
    found = fit_coupled(loss, cluster_covariance(cluster_T, penalty), None, tolerance, most_steps)
    return LinearModel(
        data.tasks,
        data.kind,
        found.weights_FT,
        loss.intercept_T(found.weights_FT),
        found.descent.objective,
        found.descent.gap,
        found.descent.objectives_S,
    )


def fit_coupled(
    loss: Loss, covariance_TT: FloatArray, start_FT: FloatArray | None, tolerance: float, most_steps: int
) -> Coupled:
    """Minimise the loss plus half of ``trace W C^-1 W'``; directions in which C is zero are not taken.

    With ``W = V C^(1/2)`` the penalty is half of ``|V|^2``, so the objective curves by 1 at least in every direction:
    what it is above its minimum is half the squared norm of its gradient at most, and large factors cost no steps.

    Args:
        loss: Of the weights.
        covariance_TT: C, symmetric and positive semidefinite.
        start_FT: Coordinates V to begin at, from an earlier ``Coupled.descent.point``; None: zeros.
        tolerance: What the objective may be above its minimum, as a share of the loss without any input.
        most_steps: Steps after which it is given up.

    Raises:
        NoResultError: the minimum was not proven in so many steps.
    """
    size_T, direction_TT = np.linalg.eigh(covariance_TT)
    size_T = np.where(size_T > 1e-14 * size_T[-1], size_T, 0.0)
    root_TT = (direction_TT * np.sqrt(size_T)) @ direction_TT.T

    def smooth(point_FT: FloatArray) -> tuple[float, FloatArray]:
        value, gradient_FT = loss.at(point_FT @ root_TT)
        return value + float((point_FT**2).sum()) / 2, gradient_FT @ root_TT + point_FT

    start = np.zeros(loss.shape) if start_FT is None else start_FT
    if isinstance(loss, SquaredLoss) and len(loss.covariance_PFF) == 1:
        start = _closed_form(loss, size_T, direction_TT)
    found = descend(
        smooth,
        lambda point_FT: 0.0,
        lambda point_FT, step: point_FT,
        lambda point_FT, objective, gradient_FT: float((gradient_FT**2).sum()) / 2,
        1 + loss.smoothness * float(size_T[-1]),
        start,
        tolerance * loss.at(np.zeros(loss.shape))[0],
        most_steps,
    )
    return Coupled(found.point @ root_TT, found)


def _closed_form(loss: SquaredLoss, size_T: FloatArray, direction_TT: FloatArray) -> FloatArray:
    """Where the gradient is zero: the inputs' directions and the tasks' are each other's business no more."""
    spread_F, turn_FF = np.linalg.eigh(loss.covariance_PFF[0])
    turned_FT = turn_FF.T @ loss.covariance_FT @ direction_TT
    solved_FT = turned_FT * np.sqrt(size_T) / (1 + np.maximum(spread_F, 0.0)[:, None] * size_T)
    return np.asarray(turn_FF @ solved_FT @ direction_TT.T)


def _averages(cluster_T: IntArray) -> FloatArray:
    """The matrix that replaces every task's value by the mean of its cluster, [T, T]."""
    same_TT = cluster_T[:, None] == cluster_T
    return np.asarray(same_TT / same_TT.sum(axis=0))
