"""The losses of stacked networks and their derivatives by the outputs, for tasks that differ from network to network.

The same numbers as ``search.training.losses``, with gradients written out. Outputs are sorted by type over all
networks, so that one operation serves all of them.

Axes: ``K`` networks, ``Q`` pairs (network, task of it) sorted by type, ``R`` their outputs, ``O`` outputs of a network,
``B`` rows of a batch, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from grouping.candidates import FloatArray
from grouping.tasks import TaskType

__all__ = ["OwnTask", "StackedLosses"]


@dataclass(frozen=True)
class OwnTask:
    """One task of one network of the stack.

    Args:
        member: The network's place in the stack.
        column: The task's column in the data set.
        type: Its type.
        first: Its first output among those of the network.
        outputs: How many it has.
        weight: What its loss is multiplied by.
    """

    member: int
    column: int
    type: TaskType
    first: int
    outputs: int
    weight: float = 1.0


class StackedLosses:
    """Losses of all (network, task) pairs.

    Args:
        tasks: The pairs, in any order.
        n_outputs: Outputs of a network, padding included.
        device: Where the networks live.
        dtype: Their precision.
    """

    def __init__(
        self, tasks: Sequence[OwnTask], n_outputs: int, device: str = "cpu", dtype: torch.dtype = torch.float32
    ) -> None:
        def kind(task: OwnTask) -> tuple[str, int]:
            return task.type, task.outputs

        self.tasks_Q = sorted(tasks, key=kind)
        self._runs = [(kind, len(list(run))) for kind, run in groupby(self.tasks_Q, kind)]
        places = [t.member * n_outputs + t.first + output for t in self.tasks_Q for output in range(t.outputs)]
        self._outputs_R = torch.tensor(places, device=device)
        weights_Q = torch.tensor([task.weight for task in self.tasks_Q], dtype=dtype, device=device)
        self._weights_Q1 = None if bool((weights_Q == 1).all()) else weights_Q[:, None]

    def differentiate(self, outputs_KOB: Tensor, targets_QB: Tensor, weights_QB: Tensor, errors_KOB: Tensor) -> Tensor:
        """Weighted losses of a batch, [Q]; the derivatives of their sum by the outputs go into ``errors_KOB``.

        Args:
            outputs_KOB: Raw outputs.
            targets_QB: Finite everywhere; only those with a weight matter.
            weights_QB: What each row counts.
            errors_KOB: Written where a task has an output, left alone elsewhere.
        """
        if self._weights_Q1 is not None:
            weights_QB = weights_QB * self._weights_Q1
        n_rows = outputs_KOB.shape[2]
        raw_RB = outputs_KOB.view(-1, n_rows).index_select(0, self._outputs_R)
        losses, errors = [], []
        q = r = 0
        for (kind, outputs), size in self._runs:
            raw = raw_RB[r : r + size * outputs]
            targets, weights = targets_QB[q : q + size], weights_QB[q : q + size]
            if kind == "regression":
                error = raw - targets
                slope = error * weights
                losses.append((slope * error).sum(dim=1))
                errors.append(slope.mul_(2))
            elif kind == "binary":
                rows = functional.binary_cross_entropy_with_logits(raw, targets, reduction="none")
                losses.append(rows.mul_(weights).sum(dim=1))
                errors.append(raw.sigmoid().sub_(targets).mul_(weights))
            else:
                log_share_QCB = functional.log_softmax(raw.view(size, outputs, n_rows), dim=1)
                actual_QB = targets.long()[:, None]
                losses.append(-log_share_QCB.gather(1, actual_QB)[:, 0].mul_(weights).sum(dim=1))
                share_QCB = log_share_QCB.exp_()
                share_QCB.scatter_add_(1, actual_QB, torch.full_like(share_QCB[:, :1], -1))
                errors.append(share_QCB.mul_(weights[:, None]).view(-1, n_rows))
            q, r = q + size, r + size * outputs
        errors_KOB.view(-1, n_rows).index_copy_(
            0, self._outputs_R, errors[0] if len(errors) == 1 else torch.cat(errors)
        )
        return losses[0] if len(losses) == 1 else torch.cat(losses)

    def by_network(self, losses_SQ: Tensor, size: int) -> FloatArray:
        """Losses of each step summed over the tasks of each network, in double precision, [S, K]."""
        sums_KS = np.zeros((size, len(losses_SQ)))
        np.add.at(sums_KS, [task.member for task in self.tasks_Q], losses_SQ.double().cpu().numpy().T)
        return sums_KS.T
