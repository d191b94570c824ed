"""Affinities of all pairs from one training of all tasks: look-ahead, first order and cosine, from the same looks.

With ``g_u`` the gradient of task u's batch loss in the shared weights theta, and heads and batch held fixed:

- look-ahead (TAG, Fifty et al., NeurIPS 2021): ``Z_tu = (1 - L_t(theta - step * g_u) / L_t(theta)) / step``;
- first order (the gradient part of ETAP, ICLR 2026): ``Z_tu = g_t . g_u / L_t``, the former's limit for small steps;
- cosine: ``g_t . g_u / (|g_t| |g_u|)``.

Means over the looks, one before every 10th step. The step that is looked ahead is one of plain gradient descent,
whatever optimiser trains: an optimiser's own step mixes in the other tasks' past gradients (TAG's published code does
so by intent; on Taskonomy it does not, because it looks for the momentum where PyTorch does not keep it).

Axes: ``T`` tasks (recipients in rows, partners in columns), ``L`` looks, ``P`` shared weights, ``N`` rows, ``H``
features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call, vmap

from grouping.candidates import FloatArray
from search.training.losses import batch_losses, row_losses
from search.training.one_run.joint_run import JointRun
from search.training.residence import ResidentPart

__all__ = ["INTERVAL", "STEP_SIZE", "Look", "PairScores", "look", "pair_scores"]

INTERVAL = 10
"""Steps between looks, as TAG on Taskonomy."""
STEP_SIZE = 0.1
"""Of the step that is looked ahead, on standardised targets and logits."""


@dataclass(frozen=True, eq=False)
class Look:
    """What each recipient (row) gains from each partner (column) or itself; losses and norms of gradients."""

    look_ahead_TT: FloatArray
    first_order_TT: FloatArray
    cosine_TT: FloatArray
    loss_T: FloatArray
    norm_T: FloatArray


@dataclass(frozen=True, eq=False)
class PairScores:
    """Means over the looks, and losses and norms of the gradients at each of them, ``L``.

    ``conflict_TT`` is the share of looks at which the gradients of two tasks point apart (by more than a right angle).
    """

    look_ahead_TT: FloatArray
    first_order_TT: FloatArray
    cosine_TT: FloatArray
    conflict_TT: FloatArray
    loss_LT: FloatArray
    norm_LT: FloatArray


def pair_scores(run: JointRun, interval: int = INTERVAL, step_size: float = STEP_SIZE) -> PairScores:
    """Train to the end and look on the way.

    Cost: one training of all tasks, and for every look T gradients and T forward passes of a batch.

    Raises:
        TrialError: the training fails.
    """
    at = range(0, int(run.plan.steps_S[-1]), interval)
    looks = [look(run, run.batch(), step_size) for step in run.stops(at) if step in at]
    apart = [np.where(np.isnan(one.cosine_TT), np.nan, one.cosine_TT < 0) for one in looks]
    return PairScores(
        _mean([one.look_ahead_TT for one in looks]),
        _mean([one.first_order_TT for one in looks]),
        _mean([one.cosine_TT for one in looks]),
        _mean(apart),
        np.stack([one.loss_T for one in looks]),
        np.stack([one.norm_T for one in looks]),
    )


def look(run: JointRun, batch: ResidentPart, step_size: float) -> Look:
    """The affinities at this point of training, on one batch; NaN where a task has no label in it."""
    network = run.network.eval()
    trunk = run.trunk()
    losses_T = _losses(run, network(batch.inputs_NF), batch)
    gradients = [torch.autograd.grad(loss, list(trunk.values()), retain_graph=True) for loss in losses_T]
    flat_TP = torch.stack([torch.cat([part.flatten() for part in parts]) for parts in gradients]).double()
    dots_TT = flat_TP @ flat_TP.T
    ahead = {
        name: value.detach() - step_size * torch.stack([parts[place] for parts in gradients])
        for place, (name, value) in enumerate(trunk.items())
    }
    buffers = dict(network.trunk.named_buffers())

    def losses_at(parameters: dict[str, Tensor]) -> Tensor:
        features_NH = functional_call(network.trunk, (parameters, buffers), (batch.inputs_NF,))
        return _losses(run, network.heads(features_NH), batch)

    with torch.no_grad():
        after_UT = vmap(losses_at)(ahead)
    seen_T = batch.labelled_NT.any(dim=0)
    now_T = torch.where(seen_T, losses_T.detach(), torch.nan).double()
    dots_TT = torch.where(seen_T, dots_TT, torch.nan)  # a partner without labels has not been seen to give nothing
    after_UT = torch.where(seen_T[:, None], after_UT, torch.nan)
    norm_T = dots_TT.diagonal().sqrt()
    return Look(
        ((1 - after_UT.T.double() / now_T[:, None]) / step_size).cpu().numpy(),
        (dots_TT / now_T[:, None]).cpu().numpy(),
        (dots_TT / (norm_T[:, None] * norm_T)).cpu().numpy(),
        now_T.cpu().numpy(),
        norm_T.cpu().numpy(),
    )


def _losses(run: JointRun, outputs_NO: Tensor, batch: ResidentPart) -> Tensor:
    """Mean loss of each task over its labelled rows, [T]."""
    return batch_losses(row_losses(run.plan.blocks, outputs_NO, batch.targets_NT), batch.labelled_NT)


def _mean(scores: list[FloatArray]) -> FloatArray:
    """Mean over the looks at which a score could be had."""
    stacked = np.stack(scores)
    count_TT = (~np.isnan(stacked)).sum(axis=0)
    mean_TT: FloatArray = np.where(count_TT > 0, np.nansum(stacked, axis=0) / np.maximum(count_TT, 1), np.nan)
    return mean_TT
