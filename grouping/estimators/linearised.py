"""Losses of all groups from one network of all tasks, linearised in its weights: one small linear system a group.

After Grad-TAG (Li, Ju, Sharma & Zhang, *Scalable Multitask Learning Using Gradient-based Estimation of Task Affinity*,
KDD 2024): around the weights theta of a network trained on all tasks, outputs move by g^T w when the weights move by
P w, with a random projection P of few columns and g the projected gradient of the output. What a network of the tasks
S would become is then found by a fit of w to the labels of S alone.

Where the paper fits a logistic regression to samples for every group, here each task's loss is expanded to second order
in w once (exact for squared errors, one Newton step for cross-entropy), which is all that any fit needs::

    loss_t(w) = level_t + slope_t . w + w . curvature_t w / 2
    w_S = argmin of sum over t in S of training loss_t(w) + ridge * mean curvature * |w|^2 / 2

and validation losses at w_S are read off their own expansion.

Axes: ``R`` runs (seeds), ``C`` candidates, ``T`` tasks, ``D`` directions (columns of P).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.losses import LossTable

__all__ = ["Expansion", "Linearisation", "linearised", "subset_losses", "subset_ratios"]

_RIDGE = 1.0
"""Relative to the mean curvature."""
_LEAST = 1e-3
"""Losses of an expansion that has left the ground: this share of the loss that it started from, at least."""


@dataclass(frozen=True, eq=False)
class Expansion:
    """Mean losses of a part in the neighbourhood of a network, to second order.

    Args:
        level_T: Loss of each task at the network.
        slope_TD: How it changes along each direction.
        curvature_TDD: How the slope changes (Gauss and Newton's: outputs are linear in the directions).
    """

    level_T: FloatArray
    slope_TD: FloatArray
    curvature_TDD: FloatArray

    def __call__(self, w_CD: FloatArray) -> FloatArray:
        """Loss of each task at each point, [C, T]."""
        bent_CT = np.einsum("cd,tde,ce->ct", w_CD, self.curvature_TDD, w_CD, optimize=True)
        losses_CT: FloatArray = self.level_T + w_CD @ self.slope_TD.T + bent_CT / 2
        return losses_CT


@dataclass(frozen=True, eq=False)
class Linearisation:
    """A network of all tasks as seen by a fit to some of them.

    Args:
        training: What is fitted.
        validation: What is read.
    """

    training: Expansion
    validation: Expansion


def subset_losses(model: Linearisation, members_CT: BoolArray, ridge: float = _RIDGE) -> FloatArray:
    """Validation losses of the members of each group after a fit to its labels, [C, T]; NaN off the members."""
    training = model.training
    trace_T = np.einsum("tdd->t", training.curvature_TDD) / training.slope_TD.shape[1]
    w_CD = np.stack(
        [
            -np.linalg.solve(
                training.curvature_TDD[own_T].sum(axis=0) + ridge * trace_T[own_T].sum() * np.eye(w_size),
                training.slope_TD[own_T].sum(axis=0),
            )
            for own_T in members_CT
            for w_size in [training.slope_TD.shape[1]]
        ]
    )
    losses_CT: FloatArray = np.where(members_CT, model.validation(w_CD), np.nan)
    return np.fmax(losses_CT, np.where(members_CT, _LEAST * model.validation.level_T, np.nan))


def subset_ratios(model: Linearisation, members_CT: BoolArray) -> FloatArray:
    """What each member loses after a fit to its group against a fit to itself alone, [C, T]; NaN off the members."""
    alone_T = np.diag(subset_losses(model, np.eye(members_CT.shape[1], dtype=bool)))
    return np.asarray(subset_losses(model, members_CT) / alone_T)


def linearised(table: LossTable, ratio_RCT: FloatArray) -> LossTable:
    """The table with an estimate for every candidate of two or more tasks that was not measured.

    An estimate is the measured loss alone times what the fit to the group loses against the fit to the task alone.

    Cost: one training of all tasks and a pass over the data for each direction, a run; then one linear system of D
    unknowns a group. Fails where the networks of a group end far from that of all tasks: small networks with many
    steps, and groups much smaller than the whole.

    Args:
        table: Losses; candidates of a cost and label at which not all of their tasks were measured alone stay as they
            are.
        ratio_RCT: ``subset_ratios`` of the table's candidates, for each of its seeds.

    Raises:
        InputError: ratios of another shape, or no single-task network to start from.
    """
    candidates = table.candidates
    if ratio_RCT.shape != table.losses_RCT.shape:
        raise InputError(
            f"the ratios have the shape {ratio_RCT.shape}, {table.losses_RCT.shape} is needed",
            where="estimator linearised",
            fix="Give those of every candidate for each seed of the table",
        )
    alone_CT = _alone(table)
    open_C = (table.replicates_CT == 0).all(axis=1) & (candidates.size_C >= 2)
    filled_C = open_C & ~np.isnan(alone_CT).any(axis=1, where=candidates.members_CT)
    if open_C.any() and not filled_C.any():
        raise InputError(
            "the single-task networks were not measured, so nothing can be estimated from them",
            where="estimator linearised",
            fix="Train every task alone at the cost of the groups",
        )
    filled_CT = candidates.members_CT & filled_C[:, None]
    assert table.estimated_CT is not None
    losses_RCT = np.where(filled_CT, alone_CT * ratio_RCT, table.losses_RCT)
    return replace(table, losses_RCT=losses_RCT, estimated_CT=table.estimated_CT | filled_CT)


def _alone(table: LossTable) -> FloatArray:
    """Measured loss of each task alone, at each candidate's cost and label, [C, T]; NaN if there is none."""
    candidates, mean_CT = table.candidates, table.mean_CT
    known: dict[tuple[float, str], FloatArray] = {}
    kinds = list(zip(candidates.cost_C.tolist(), candidates.label_C, strict=True))
    for c in np.flatnonzero(candidates.size_C == 1).tolist():
        alone_T = known.setdefault(kinds[c], np.full(candidates.n_tasks, np.nan))
        t = int(np.flatnonzero(candidates.members_CT[c])[0])
        alone_T[t] = mean_CT[c, t]
    nothing_T = np.full(candidates.n_tasks, np.nan)
    return np.stack([known.get(kind, nothing_T) for kind in kinds])
