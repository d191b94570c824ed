"""Clusters of tasks: weights are drawn to the mean of their cluster, clusters to the mean of all.

The penalty of Jacob, Bach & Vert (NeurIPS 2008): ``mean |w|^2 T + between sum_c m_c |w_c - w|^2 + within sum_t |w_t -
w_c(t)|^2``, halved, with ``w`` the mean of all tasks' weights, ``w_c`` of a cluster's, ``m_c`` its size. One cluster is
regularised multi-task learning (Evgeniou & Pontil 2004). Known clusters have one exact answer; unknown ones are found
by turns: weights given clusters, clusters given weights (k-means), from several starts.

Axes: ``F`` inputs, ``T`` tasks, ``K`` clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grouping.candidates import FloatArray, IntArray
from grouping.errors import InputError
from grouping.linear.problem import LinearProblem

__all__ = ["ClusteredFit", "clustered", "find_clusters"]

_MOST_UNKNOWNS = 5_000
_MOST_TURNS = 50


@dataclass(frozen=True, eq=False)
class ClusteredFit:
    """Weights for given or found clusters.

    Args:
        weights_FT: Weights.
        intercept_T: Intercepts.
        cluster_T: Which cluster each task is in, numbered from 0 as they first appear.
        objective: Loss plus penalty.
    """

    weights_FT: FloatArray
    intercept_T: FloatArray
    cluster_T: IntArray
    objective: float

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The clusters as groups of tasks, in the order of their first task."""
        return tuple(tuple(np.flatnonzero(self.cluster_T == k).tolist()) for k in range(int(self.cluster_T.max()) + 1))


def clustered(
    problem: LinearProblem, cluster_T: Sequence[int] | IntArray, *, mean: float, between: float, within: float
) -> ClusteredFit:
    """The exact minimum for known clusters: one linear system.

    Args:
        problem: Tasks and rows.
        cluster_T: Cluster of each task.
        mean, between, within: Weights of the three parts of the penalty, 0 or more.

    Raises:
        InputError: clusters of another number of tasks, a negative weight, more than 5,000 weights, or no unique
            answer.
    """
    clusters = np.unique(np.asarray(cluster_T), return_inverse=True)[1].astype(np.int64).ravel()
    if len(clusters) != problem.n_tasks:
        raise InputError(
            f"{len(clusters)} clusters are given for {problem.n_tasks} tasks", fix="Give one for each task"
        )
    for name, value in (("mean", mean), ("between", between), ("within", within)):
        if not 0 <= value < float("inf"):
            raise InputError(f"the penalty '{name}' is {value}", fix="Use a number from 0 on")
    n_inputs, n_tasks = problem.product_FT.shape
    if n_inputs * n_tasks > _MOST_UNKNOWNS:
        what = f"{n_inputs} inputs times {n_tasks} tasks are more than {_MOST_UNKNOWNS:,} weights"
        raise InputError(what, fix="Use fewer inputs, their principal components for example")
    first = {int(k): place for place, k in reversed(list(enumerate(clusters)))}
    order = sorted(first, key=first.__getitem__)
    clusters = np.array([order.index(int(k)) for k in clusters])
    penalty_TT = _penalty_TT(clusters, mean, between, within)
    system = np.kron(penalty_TT, np.eye(n_inputs))
    for t, moment_FF in enumerate(problem.moment_TFF):
        here = slice(t * n_inputs, (t + 1) * n_inputs)
        system[here, here] += moment_FF
    try:
        weights_FT = np.linalg.solve(system, problem.product_FT.T.ravel()).reshape(n_tasks, n_inputs).T
    except np.linalg.LinAlgError as error:
        what = "the inputs do not determine the weights"
        raise InputError(what, fix="Raise the penalties above 0") from error
    objective = problem.loss(weights_FT) + 0.5 * float((weights_FT @ penalty_TT * weights_FT).sum())
    return ClusteredFit(weights_FT, problem.intercepts(weights_FT), clusters, objective)


def find_clusters(
    problem: LinearProblem,
    n_clusters: int,
    rng: np.random.Generator,
    *,
    mean: float = 0.01,
    between: float = 0.1,
    within: float = 1.0,
    starts: int = 20,
) -> ClusteredFit:
    """The clusters with the lowest objective found; no proof that there is no lower one.

    Args:
        problem: Tasks and rows.
        n_clusters: At most the number of tasks.
        rng: Of the starts.
        mean, between, within: As for ``clustered``; ``within`` should be larger than ``between``.
        starts: Random clusterings to begin from, beside that of the tasks' own weights.

    Raises:
        InputError: a number of clusters out of range, and as ``clustered``.
    """
    n_tasks = problem.n_tasks
    if not 1 <= n_clusters <= n_tasks:
        raise InputError(f"{n_clusters} clusters of {n_tasks} tasks", fix=f"Use 1 to {n_tasks}")
    penalties = {"mean": mean, "between": between, "within": within}
    alone_FT = clustered(problem, np.arange(n_tasks), mean=mean, between=mean, within=mean).weights_FT
    best: ClusteredFit | None = None
    for start in range(starts + 1):
        centres = rng.permutation(n_tasks)[:n_clusters]
        cluster_T = _nearest(alone_FT, alone_FT[:, centres]) if start == 0 else rng.permutation(n_tasks) % n_clusters
        fit = clustered(problem, cluster_T, **penalties)
        for _ in range(_MOST_TURNS):
            moved = clustered(problem, _moved(fit), **penalties)
            if moved.objective >= fit.objective - 1e-12 * abs(fit.objective):
                break
            fit = moved
        if best is None or fit.objective < best.objective:
            best = fit
    assert best is not None
    return best


def _penalty_TT(cluster_T: IntArray, mean: float, between: float, within: float) -> FloatArray:
    """The quadratic form of the penalty on the weights of one input."""
    same_TT = (cluster_T[:, None] == cluster_T).astype(float)
    inside_TT = same_TT / same_TT.sum(axis=1, keepdims=True)
    all_TT = np.full(same_TT.shape, 1 / len(cluster_T))
    return np.asarray(mean * all_TT + between * (inside_TT - all_TT) + within * (np.eye(len(cluster_T)) - inside_TT))


def _moved(fit: ClusteredFit) -> IntArray:
    """Each task in the cluster whose mean weights are nearest to its own; a cluster may vanish."""
    clusters = range(int(fit.cluster_T.max()) + 1)
    centres_FK = np.stack([fit.weights_FT[:, fit.cluster_T == k].mean(axis=1) for k in clusters], axis=1)
    return _nearest(fit.weights_FT, centres_FK)


def _nearest(weights_FT: FloatArray, centres_FK: FloatArray) -> IntArray:
    apart_TK = ((weights_FT[:, :, None] - centres_FK[:, None]) ** 2).sum(axis=0)
    return np.asarray(apart_TK.argmin(axis=1).astype(np.int64))
