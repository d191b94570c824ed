"""The table of numbers a question is asked about, validated."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from grouping.candidates import BoolArray, FloatArray
from grouping.errors import InputError
from grouping.solver.question import readable

__all__ = ["Table", "arrays"]

Table = tuple[FloatArray, FloatArray, BoolArray]
"""Losses [C, T] (NaN where a candidate cannot serve a task), costs [C, D], members [C, T]."""


def arrays(losses_CT: ArrayLike, cost_C: ArrayLike, members_CT: ArrayLike | None) -> Table:
    """Validated losses [C, T], costs [C, D] and members [C, T].

    Raises:
        InputError: wrong shapes, infinite losses, costs that are not finite or negative.
    """
    try:
        losses = np.asarray(losses_CT, dtype=float)
        cost = np.asarray(cost_C, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"losses and costs must be numbers: {error}") from None
    if losses.ndim != 2 or not losses.size:
        raise InputError(f"losses have shape {losses.shape}, expected (candidates, tasks), both at least 1")
    if cost.ndim not in (1, 2) or len(cost) != len(losses):
        raise InputError(f"costs have shape {cost.shape}, expected ({len(losses)},) or ({len(losses)}, budgets)")
    if np.isinf(losses).any():
        c, t = np.argwhere(np.isinf(losses))[0]
        raise InputError(
            f"the loss of task {t} in candidate {c} is infinite", fix="Write NaN where a candidate cannot serve a task"
        )
    cost = cost.reshape(len(losses), -1)
    legal = np.isfinite(cost) & (cost >= 0)
    if not legal.all():
        c = int(np.argwhere(~legal)[0][0])
        raise InputError(f"candidate {c} costs {readable(cost[c].tolist())}", fix="Costs are finite, 0 or more")
    servable = ~np.isnan(losses)
    members = servable if members_CT is None else np.asarray(members_CT, dtype=bool)
    if members.shape != losses.shape:
        raise InputError(f"members have shape {members.shape}, expected {losses.shape}")
    if (servable & ~members).any():
        c, t = np.argwhere(servable & ~members)[0]
        raise InputError(f"candidate {c} has a loss for task {t}, which is no member of it")
    if not servable.any(axis=1).all():
        raise InputError(f"candidate {int(np.flatnonzero(~servable.any(axis=1))[0])} serves no task")
    return losses, cost, members
