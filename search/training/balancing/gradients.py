"""Balancing by gradients: every task's gradient of what is shared, and an aggregation of them by torchjd.

Parameters that some tasks use and others do not get the gradients of their users only; a parameter of one task gets its
plain gradient. The heads always do.

Axes: ``K`` tasks with a label in the batch, ``P`` values of parameters that the same tasks use.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from search.balancing import Balancing, BalancingName
from search.training.balancing.balancer import BalancingState, Setting

__all__ = ["AGGREGATORS", "Aggregated"]


def _library() -> ModuleType:
    """torchjd's aggregators; with the solvers that they bring they take a second and a half, which few runs need."""
    from torchjd import aggregation

    return aggregation


AGGREGATORS: dict[BalancingName, Callable[[int], Any]] = {
    "mgda": lambda n_tasks: _library().MGDA(),
    "pcgrad": lambda n_tasks: _library().PCGrad(),
    "cagrad": lambda n_tasks: _library().CAGrad(c=0.5),
    "nash-mtl": lambda n_tasks: _library().NashMTL(n_tasks=n_tasks),
    "imtl-g": lambda n_tasks: _library().IMTLG(),
    "aligned-mtl": lambda n_tasks: _library().AlignedMTL(),
    "upgrad": lambda n_tasks: _library().UPGrad(),
    "graddrop": lambda n_tasks: _library().GradDrop(),
}
"""Number of rows -> aggregator of a Jacobian [K, P] to a gradient [P]."""


class Aggregated:
    """MGDA (Sener & Koltun 2018), PCGrad (Yu et al. 2020), GradDrop (Chen et al. 2020), CAGrad and IMTL-G (both Liu et
    al. 2021), Nash-MTL (Navon et al. 2022), Aligned-MTL (Senushkin et al. 2023), UPGrad (Quinton & Rey 2024).

    Args:
        balancing: Which, and its options.
        setting: Of the network.
    """

    looks_again = False

    def __init__(self, balancing: Balancing, setting: Setting) -> None:
        self._make = AGGREGATORS[balancing.name]
        self._normalise = balancing.normalise
        self._first_T = torch.full((setting.n_tasks,), torch.nan, device=setting.device)

    def gradients(
        self, losses_T: Tensor, present_T: Tensor, trunk: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> list[Tensor]:
        now_T = losses_T.detach().to(self._first_T)
        self._first_T = torch.where(present_T & self._first_T.isnan(), now_T, self._first_T)
        scale_K = (
            self._first_T[present_T] if self._normalise in {"loss", "loss+"} else torch.ones_like(now_T[present_T])
        )
        losses = list(losses_T[present_T])
        per_task = [
            torch.autograd.grad(loss, list(trunk), retain_graph=True, materialize_grads=True) if trunk else ()
            for loss in losses
        ]
        plain = torch.autograd.grad(torch.stack(losses).sum(), list(heads), materialize_grads=True)
        found: list[Tensor] = [torch.zeros_like(parameter) for parameter in trunk]
        for users, places in _by_users(per_task).items():
            rows_KP = torch.stack([torch.cat([per_task[k][p].flatten() for p in places]) for k in users])
            merged_P = rows_KP[0] if len(users) == 1 else self._merged(rows_KP, scale_K[list(users)].to(rows_KP))
            sizes = [trunk[p].numel() for p in places]
            for p, part in zip(places, merged_P.split(sizes), strict=True):  # type: ignore[no-untyped-call]
                found[p] = part.view_as(trunk[p])
        return [*found, *plain]

    def _merged(self, rows_KP: Tensor, scale_K: Tensor) -> Tensor:
        """The gradient that is taken for several, [P]; as bad as they are where one is not finite.

        The loss of the next step then tells: solvers would fail in words of their own.
        """
        if not torch.isfinite(rows_KP).all():
            return rows_KP.sum(dim=0)
        divisor_K = scale_K.clamp_min(1e-12)
        if self._normalise in {"l2", "loss+"}:
            divisor_K = divisor_K * rows_KP.norm(dim=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # cvxpy's advice to the author of a problem
            merged_P: Tensor = self._make(len(rows_KP))(rows_KP / divisor_K[:, None])
        return merged_P

    def after_step(self, losses_T: Tensor, present_T: Tensor) -> None:
        return None

    def epoch_ended(self, mean_T: NDArray[np.float64]) -> None:
        return None

    def state(self) -> BalancingState:
        return {"first": self._first_T.cpu().numpy().copy()}

    def restore(self, state: BalancingState) -> None:
        self._first_T = torch.tensor(state["first"], device=self._first_T.device)


def _by_users(per_task: Sequence[Sequence[Tensor]]) -> dict[tuple[int, ...], list[int]]:
    """Places of parameters by the tasks that have a gradient there; those where nobody has are left out.

    Losses of one batch hang together in one graph, so a parameter that a task does not use has a gradient of zeros. A
    task whose gradient happens to vanish is no party either: with it MGDA would stand still.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, gradients in enumerate(zip(*per_task, strict=True)):
        users = tuple(k for k, gradient in enumerate(gradients) if gradient.any())
        if users:
            groups.setdefault(users, []).append(place)
    return groups
